#include "stats/survival.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace psctl::stats {

std::optional<double> median_time(std::span<const Time> times) {
  // At one time, those that got there come before those that were last seen on their way.
  std::vector<Time> sorted(times.begin(), times.end());
  std::ranges::sort(sorted, [](const Time& a, const Time& b) {
    return a.value < b.value || (a.value == b.value && !a.censored && b.censored);
  });
  // Half of `alive` by sums would be off by roundings: the survival falls by a factor (at risk - 1) / at risk.
  constexpr double kRounding = 1e-12;
  double alive = 1;
  std::optional<double> half;  // where exactly half were left
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i].censored) continue;
    if (half && sorted[i].value > *half) return (*half + sorted[i].value) / 2;
    const auto at_risk = static_cast<double>(sorted.size() - i);
    alive *= (at_risk - 1) / at_risk;
    if (alive < 0.5 - kRounding) return sorted[i].value;
    if (alive <= 0.5 + kRounding) half = sorted[i].value;
  }
  return std::nullopt;
}

}  // namespace psctl::stats
