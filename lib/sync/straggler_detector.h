// The detector of Sync-Switch: which workers are much slower than the median of the workers over their last pushes.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace psctl::sync {

// A worker is slow when the sum of its last `window` intervals is above `factor` times the median of these sums. Only
// workers with a whole window are compared. Of an even number of sums the median is the lower of the two in the middle:
// with the mean of both, the slower of two workers would have to be much slower (factor 1.5: three times), and from
// factor 2 on it would never be found. Recording takes O(log workers).
class StragglerDetector {
 public:
  StragglerDetector(std::size_t window, double factor) : window_(window), factor_(factor) {}

  void record(WorkerId worker, Duration interval);
  void forget(WorkerId worker);

  std::vector<WorkerId> stragglers() const;  // the slowest first
  bool any() const { return !high_.empty() && is_slow(high_.rbegin()->first); }

 private:
  using Place = std::pair<Duration, WorkerId>;
  struct History {
    std::deque<Duration> intervals;
    Duration sum{};
  };

  bool is_slow(Duration sum) const;
  void take_out(WorkerId worker, const History& history);
  void balance();

  std::size_t window_;
  double factor_;
  std::map<WorkerId, History> histories_;
  std::set<Place> low_, high_;  // whole windows; none of low_ is above one of high_, and the last of low_ is the median
};

}  // namespace psctl::sync
