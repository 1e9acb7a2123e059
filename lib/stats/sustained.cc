#include "stats/sustained.h"

namespace psctl::stats {

bool sustained(const Look& before, const Look& now, double target) {
  return before.value >= target && now.value >= target && now.version > before.version;
}

std::optional<std::size_t> first_sustained(std::span<const Look> looks, double target) {
  for (std::size_t i = 0; i < looks.size();) {
    std::size_t next = i + 1;
    while (next < looks.size() && looks[next].version == looks[i].version) ++next;
    if (next == looks.size() ? looks[i].value >= target : sustained(looks[i], looks[next], target)) return i;
    i = next;
  }
  return std::nullopt;
}

}  // namespace psctl::stats
