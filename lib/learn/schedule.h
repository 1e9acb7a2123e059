// The learning rate over the run, by one convention for all strategies: an update of the samples a to b takes the
// schedule at a and the warm-up at b, so an update before the boundary of an epoch has the rate of that epoch, and none
// has rate 0 because of the warm-up. A step of a local worker follows the same rule for itself (Pace).
#pragma once

#include <cstdint>

#include "learn/config.h"

namespace psctl::learn {

// Where a local worker stands in the schedule when it is released: before its next step are `samples` settled ones
// (used in updates, or discarded), and every step is followed by `per_step` more, a mini-batch of each worker present:
// as if all advanced at its pace.
struct Pace {
  std::uint64_t samples = 0;
  std::uint64_t per_step = 0;
  friend bool operator==(const Pace&, const Pace&) = default;
};

class Schedule {
 public:
  // `train_samples` make an epoch; 0 (timing only): the rate never changes.
  Schedule(const OptimizerConfig& config, std::uint64_t train_samples);

  // Rate of an update of the samples `from` to `to` of the run, before Apply::rate and staleness.
  double rate(std::uint64_t from, std::uint64_t to) const;
  double first_rate(const Pace& pace) const { return rate(pace.samples, pace.samples + pace.per_step); }

 private:
  double learning_rate_;
  ScheduleConfig config_;
  double epoch_;  // samples
};

}  // namespace psctl::learn
