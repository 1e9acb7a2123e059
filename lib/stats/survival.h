// Times of which some are known only from below: a run that ended before it reached its target.
#pragma once

#include <optional>
#include <span>

namespace psctl::stats {

struct Time {
  double value = 0;
  bool censored = false;  // it would have been longer than `value`
};

// The time by which half have got there, as Kaplan and Meier estimate it: between two times where exactly half have.
// Nothing if too many are censored to tell.
std::optional<double> median_time(std::span<const Time> times);

}  // namespace psctl::stats
