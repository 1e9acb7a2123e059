// What the strategies' planners look for, found by trying.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace psctl::verify {

// One ending of each worker: its step i, from 1 on, ends at first + (i - 1) * interval.
struct Selection {
  std::vector<Step> quotas;
  Duration spread{};
};
using Forecasts = std::vector<std::pair<Duration, Duration>>;  // first, interval

// Of all that can be chosen the least spread: tries all of them.
Duration least_spread(const Forecasts& forecasts, Step lookahead);

// The selection that a student finds who adds endings one by one in the order of (time, worker), keeps the newest of
// each worker and looks at the spread each time: the first with the least.
Selection first_least_spread(const Forecasts& forecasts, Step lookahead);

// DSSP's controller as a double loop over all pairs of predicted pushes: the steps, 0 to range, whose push is nearest
// to one of the slow worker's; with `not_before` only slow pushes that do not come before count. The fewest steps on
// ties.
Step nearest_steps(Instant fast, Duration fast_interval, Instant slow, Duration slow_interval, Step range,
                   bool not_before);

// Workers with more than `factor` times the median of these times; of an even number the median is the lower of the two
// in the middle. By worker.
std::vector<WorkerId> above_median(const std::map<WorkerId, Duration>& times, double factor);

}  // namespace psctl::verify
