// Is there a difference? Tests over pairs, also where differences are known only within bounds, and the correction for
// asking many questions at once.
#pragma once

#include <cstddef>
#include <span>

#include "stats/interval.h"

namespace psctl::stats {

// With fewer pairs nothing is tested: two coarse numbers agree too often.
inline constexpr std::size_t kLeastPairs = 3;

// A difference as it was measured. The true one lies from value - below to value + above: no evaluation grid, test set
// or clock resolves finer.
struct Difference {
  double value = 0;
  double below = 0, above = 0;
  double rounding = 0;  // standard deviation of what the measurement rounds off
};

struct PairedTest {
  Interval interval;  // of the mean of the true differences; without end with fewer than kLeastPairs
  double p = 1;       // of one comparison; 1 where the mean is within the resolution
};

// Student's t over pairs, two-sided. The interval is widened by the resolution, and the spread is not below what
// rounding alone makes of it. All equal, nonzero differences of unknown resolution show nothing. With `comparisons` the
// intervals are simultaneous by Bonferroni's correction: the interval is without 0 exactly where p times `comparisons`
// is below 1 - level.
PairedTest paired_t(std::span<const Difference> differences, std::size_t comparisons = 1, double level = 0.95);
// p after Bonferroni's correction.
double corrected(double p, std::size_t comparisons);

// A difference of which only bounds are known; low == high where all is.
struct Bounds {
  double low = 0;
  double high = 0;
};
// Never below the largest p-value that any differences within these finite bounds would give, and equal to it where
// all are known. 1 if the mean could have either sign, or of fewer than kLeastPairs.
double largest_paired_t_p_value(std::span<const Bounds> differences);

}  // namespace psctl::stats
