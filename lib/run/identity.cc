#include "run/identity.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <sys/random.h>

#include "base/error.h"
#include "base/sha256.h"
#include "config/config.h"

namespace psctl::run {
namespace {


// What says where things are, or how long to wait for them, and shapes no result.
bool may_differ(const std::string& key) {
  constexpr std::string_view kKeys[] = {"name",
                                        "data.source",
                                        "cluster.hosts",
                                        "cluster.bind",
                                        "cluster.start_s",
                                        "cluster.stall_s",
                                        "cluster.silence_s"};
  return key.starts_with("trace.") || std::ranges::find(kKeys, key) != std::end(kKeys);
}

// Delay traces by their content.
void replace_files(nlohmann::json& value, const std::string& key) {
  if (value.is_structured()) {
    for (const auto& [inner, element] : value.items()) replace_files(element, inner);
  } else if (value.is_string() && (key == "file" || key.ends_with(".file"))) {
    value = sha256_of_file(value.get<std::string>());
  }
}

std::string configuration_digest(const config::RunConfig& config) {
  const nlohmann::json resolved = nlohmann::json::parse(config::to_json(config));
  nlohmann::json shapes = nlohmann::json::object();
  for (const auto& [key, value] : resolved.items()) {
    if (may_differ(key)) continue;
    const bool of_data = key == "data.test" || key == "data.validation";  // whose content has a digest of its own
    nlohmann::json kept = of_data && value.is_string() ? nlohmann::json("a file") : value;
    replace_files(kept, key);
    shapes[key] = std::move(kept);
  }
  const std::string text = shapes.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return sha256(std::as_bytes(std::span(text)));
}

// Of the content, wherever it lies; which samples are taken of it follows from the configuration.
std::string data_digest(const Workbench& bench) {
  if (bench.timing_only()) return {};
  Sha256 hash;
  for (const data::Part part : {data::Part::kTrain, data::Part::kValidation, data::Part::kTest}) {
    const auto samples = bench.data().prepared->part(part);
    if (!samples) continue;
    const std::uint64_t sizes[] = {static_cast<std::uint64_t>(part),
                                   samples->shape.channels,
                                   samples->shape.height,
                                   samples->shape.width,
                                   samples->classes,
                                   samples->size()};
    hash.add(std::as_bytes(std::span(sizes)));
    hash.add(std::as_bytes(samples->labels));
    hash.add(std::as_bytes(samples->row_starts));
    if (samples->seals) {
      const std::string rows = samples->seals->rows_digest();
      hash.add(std::as_bytes(std::span(rows)));
    } else {
      hash.add(samples->rows);
    }
  }
  return hash.finish();
}

}  // namespace

rpc::Identity identity_of(const Workbench& bench, const std::string& run) {
  const char* const token = std::getenv(kTokenVariable);
  return {.run = run,
          .token = token ? token : "",
          .configuration = configuration_digest(bench.config()),
          .data = data_digest(bench)};
}

std::string random_token() {
  std::uint64_t numbers[2];
  if (::getrandom(numbers, sizeof numbers, 0) != sizeof numbers) {
    throw WorldError(fmt::format("no random numbers: {}", std::strerror(errno)));
  }
  return fmt::format("{:016x}{:016x}", numbers[0], numbers[1]);
}

rpc::Patience patience_of(const config::RunConfig& config) {
  const auto duration = [](double seconds) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  };
  return {.start = duration(config.cluster.start_s),
          .stall = duration(config.cluster.stall_s),
          .silence = duration(config.cluster.silence_s)};
}

}  // namespace psctl::run
