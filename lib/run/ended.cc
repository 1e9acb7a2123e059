#include "run/ended.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace psctl::run {
namespace {

constexpr const char* kCauses[] = {"peer", "own", "user", "signal"};
// A pipe takes a line of this length in one piece.
constexpr std::size_t kLongestError = 2000;

}  // namespace

std::string to_line(const Ended& ended) {
  nlohmann::ordered_json json{{"cause", kCauses[static_cast<int>(ended.cause)]}};
  if (ended.cause == Ended::Cause::kSignal) {
    json["signal"] = ended.signal;
  } else {
    json["error"] = ended.error.substr(0, kLongestError);
  }
  return json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::optional<Ended> from_line(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("cause") || !json["cause"].is_string()) return std::nullopt;
  const auto* const found = std::ranges::find(kCauses, json["cause"].get<std::string>());
  if (found == std::end(kCauses)) return std::nullopt;
  Ended ended{.cause = static_cast<Ended::Cause>(found - kCauses), .signal = 0, .error = {}};
  if (json.contains("signal") && json["signal"].is_number_integer()) ended.signal = json["signal"].get<int>();
  if (json.contains("error") && json["error"].is_string()) ended.error = json["error"].get<std::string>();
  return ended;
}

void tell(int descriptor, const Ended& ended) {
  if (descriptor < 0) return;
  const std::string line = to_line(ended);
  [[maybe_unused]] const ssize_t written = ::write(descriptor, line.data(), line.size());
}

}  // namespace psctl::run
