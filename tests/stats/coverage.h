// Simulated experiments: how often an interval covers the truth, and how often a test finds what is not there.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/random.h"
#include "stats/interval.h"
#include "stats/tests.h"

namespace psctl::stats {

inline std::vector<double> drawn(std::size_t n, std::uint64_t seed, std::uint64_t experiment = 0) {
  Draws draws({.seed = seed, .purpose = Purpose::kTest, .worker = n, .step = experiment});
  std::vector<double> values(n);
  for (double& value : values) value = draws.normal();
  return values;
}

// Of intervals over n normal values, the share with the true mean, which is 0, inside.
inline double coverage(std::size_t n, std::size_t experiments,
                       const std::function<Interval(std::span<const double>)>& interval_of) {
  std::size_t covered = 0;
  for (std::uint64_t i = 0; i < experiments; ++i) {
    const Interval seen = interval_of(drawn(n, 11, i));
    if (seen.low <= 0 && seen.high >= 0) ++covered;
  }
  return static_cast<double>(covered) / static_cast<double>(experiments);
}

// Differences of two numbers that were both rounded to this grid.
inline std::vector<Difference> coarse(const std::vector<double>& values, double grid) {
  std::vector<Difference> differences;
  for (const double value : values) {
    differences.push_back({.value = value, .below = grid, .above = grid, .rounding = grid * std::sqrt(1.0 / 6)});
  }
  return differences;
}

// Strategies that do not differ, in n blocks, all pairs compared: the share of such families in which any pair is shown
// to differ. With a `grid` above 0 every number is rounded up to it, as a time is to the evaluation that sees it; numbers
// have the standard deviation 1.
inline double false_positives(std::size_t strategies, std::size_t n, std::size_t experiments, double grid = 0) {
  std::size_t found = 0;
  for (std::uint64_t i = 0; i < experiments; ++i) {
    std::vector<std::vector<double>> results;
    for (std::size_t s = 0; s < strategies; ++s) {
      results.push_back(drawn(n, 13 + s, i));
      for (double& value : results.back()) value = grid > 0 ? grid * std::ceil(value / grid) : value;
    }
    bool any = false;
    for (std::size_t a = 0; a < strategies; ++a) {
      for (std::size_t b = a + 1; b < strategies; ++b) {
        std::vector<double> differences(n);
        for (std::size_t k = 0; k < n; ++k) differences[k] = results[a][k] - results[b][k];
        const Interval seen = paired_t(coarse(differences, grid), strategies * (strategies - 1) / 2).interval;
        any = any || seen.low > 0 || seen.high < 0;
      }
    }
    if (any) ++found;
  }
  return static_cast<double>(found) / static_cast<double>(experiments);
}

}  // namespace psctl::stats
