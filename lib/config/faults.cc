#include "config/faults.h"

#include <algorithm>
#include <fmt/format.h>

namespace psctl::config {
namespace {

// More would help nobody, and a list of a million wrong numbers would fill the memory with messages.
constexpr std::size_t kMostTold = 1000;
constexpr std::size_t kLongestQuote = 80;

bool within(std::string_view path, std::string_view section) {
  return path.starts_with(section) && (section.empty() || path.size() == section.size() || path[section.size()] == '.');
}

}  // namespace

Faults::Faults(std::string file, std::vector<std::string> overrides)
    : file_(std::move(file)), overrides_(std::move(overrides)) {}

void Faults::add(Place place, std::string path, std::string message) {
  ++count_;
  if (faults_.size() < kMostTold) faults_.push_back({place, std::move(path), std::move(message)});
}

bool Faults::cover(std::string_view path) const {
  if (count_ > faults_.size()) return true;
  return std::ranges::any_of(faults_,
                             [&](const Fault& fault) { return !fault.path.empty() && within(path, fault.path); });
}

bool Faults::touch(std::string_view path) const {
  return cover(path) || std::ranges::any_of(faults_, [&](const Fault& fault) { return within(fault.path, path); });
}

std::string Faults::name_of(std::uint32_t source) const {
  return source == 0 ? file_ : "override " + in_quotes(overrides_[source - 1]);
}

std::vector<std::string> Faults::told() const {
  auto sorted = faults_;
  std::ranges::stable_sort(sorted, {}, &Fault::place);
  std::vector<std::string> told;
  for (const Fault& fault : sorted) {
    const std::string where = name_of(fault.place.source);
    told.push_back(fault.place.line > 0
                       ? fmt::format("{}:{}:{}: {}", where, fault.place.line, fault.place.column, fault.message)
                       : fmt::format("{}: {}", where, fault.message));
  }
  if (count_ > sorted.size()) told.push_back(fmt::format("{}: and {} more faults", file_, count_ - sorted.size()));
  return told;
}

std::string in_quotes(std::string_view text) {
  std::string shown = "'";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    const bool begins_a_character = (byte & 0xC0) != 0x80;
    if (shown.size() > kLongestQuote && begins_a_character) {
      shown += "...";
      break;
    }
    if (byte == '\n') {
      shown += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += character;
    }
  }
  return shown + "'";
}

}  // namespace psctl::config
