#include "sync/straggler_detector.h"

#include <iterator>

namespace psctl::sync {

void StragglerDetector::record(WorkerId worker, Duration interval) {
  History& history = histories_[worker];
  take_out(worker, history);
  history.intervals.push_back(interval);
  history.sum += interval;
  if (history.intervals.size() > window_) {
    history.sum -= history.intervals.front();
    history.intervals.pop_front();
  }
  if (history.intervals.size() < window_) return;
  // By way of low_, so that the greatest of both halves lies in high_ whatever their sizes are.
  low_.emplace(history.sum, worker);
  high_.insert(low_.extract(std::prev(low_.end())));
  balance();
}

void StragglerDetector::forget(WorkerId worker) {
  const auto found = histories_.find(worker);
  if (found == histories_.end()) return;
  take_out(worker, found->second);
  histories_.erase(found);
  balance();
}

std::vector<WorkerId> StragglerDetector::stragglers() const {
  std::vector<WorkerId> found;
  for (auto place = high_.rbegin(); place != high_.rend() && is_slow(place->first); ++place) {
    found.push_back(place->second);
  }
  return found;
}

bool StragglerDetector::is_slow(Duration sum) const {
  return static_cast<double>(sum.count()) > factor_ * static_cast<double>(low_.rbegin()->first.count());
}

void StragglerDetector::take_out(WorkerId worker, const History& history) {
  low_.erase({history.sum, worker});
  high_.erase({history.sum, worker});
}

void StragglerDetector::balance() {
  while (low_.size() > high_.size() + 1) high_.insert(low_.extract(std::prev(low_.end())));
  while (low_.size() < high_.size()) low_.insert(high_.extract(high_.begin()));
}

}  // namespace psctl::sync
