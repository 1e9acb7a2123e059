// Is there a difference? Tests over pairs, also where some differences are known only within bounds, and the
// correction for asking many questions at once.
#pragma once

#include <span>
#include <vector>

namespace psctl::stats {

// Two-sided, of the hypothesis that the mean of the differences is 0. 1 with fewer than two; 0 where all are the same
// and not 0.
double paired_t_p_value(std::span<const double> differences);

// A difference of which only bounds are known; low == high where all is.
struct Bounds {
  double low = 0;
  double high = 0;
};
// Never below the largest p-value that any differences within these finite bounds would give, and equal to it where
// all are known. 1 if the mean could have either sign.
double largest_paired_t_p_value(std::span<const Bounds> differences);

// Holm's step-down correction: each p-value's adjusted one, in the same order. If all below a level are taken for
// differences, the chance of one false among them is at most that level.
std::vector<double> holm(std::span<const double> p_values);

}  // namespace psctl::stats
