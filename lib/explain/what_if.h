// What would have been: the recorded times of a run, played again on a virtual clock under another strategy, or with
// another worker in the place of one.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "explain/recorded.h"
#include "sim/recording.h"

namespace psctl::explain {

// The middle one of them, or the mean of the two in the middle. Not of none.
Duration median(std::vector<Duration>& values);

// The run's times, of each mini-batch. The times of a push of several mini-batches are shared out in equal parts. What
// the end cut off is there too, as long as it is known to have taken, or as the worker's median if that is more.
sim::Recording recording_of(const Recorded& run);

// A recording with one worker as fast as the others: its n-th mini-batch, and the transfers around it, take the median
// of what the others' n-th took.
class MedianWorkers {
 public:
  explicit MedianWorkers(const sim::Recording& recording);
  sim::Recording with(WorkerId worker) const;

 private:
  // Of the n-th values of all workers by size, those in the middle that a median without one of them can need.
  struct Middle {
    std::array<Duration, 3> values{};
    Duration without(Duration value) const;
    bool two = false;  // the median is the mean of two
  };
  struct Middles {
    Middle time, upload, download, answer;
  };

  const sim::Recording& recording_;
  std::vector<Middles> middles_;
};

// The strategy under which to play, and what it would have come to. The work is that of the run: so many mini-batches
// received, or of each worker where stop.steps_per_worker says so.
struct Played {
  std::string label;
  Duration time{};    // until the work was done; where the last pushes brought more, its part of the time
  bool done = false;  // false: it stopped before, `stop` tells why
  std::string stop = {};
  Duration waited{}, wall{};  // of all workers together
  std::uint64_t updates = 0, pushes = 0, mini_batches = 0, samples_unused = 0;
  double staleness_mean = 0;
  std::uint64_t staleness_p99 = 0, staleness_max = 0;
};

// The run as it was, in the same terms.
Played as_recorded(const Recorded& run);
// Throws UserError where the strategy cannot be made of what is known, or allows nobody to go on.
Played play(const Recorded& run, const sim::Recording& recording, const sync::StrategyConfig& strategy,
            const std::atomic<bool>* interrupted = nullptr);

// What a worker cost the run: the time that the same work would have taken less with it as fast as the others.
struct Cost {
  WorkerId worker;
  Duration with_median{};            // the time then
  Duration cost{};                   // less than the run's own times take
  std::uint64_t samples_unused = 0;  // with it as fast as the others
};

struct Costs {
  Played replay;            // of the recorded times
  std::vector<Cost> costs;  // by worker
  bool all = true;          // false: only of the slowest workers
};
// Of the slowest workers alone where all of them would take minutes. `progress` is told the share that is done.
Costs costs_of(const Recorded& run, const sim::Recording& recording, const std::atomic<bool>* interrupted = nullptr,
               const std::function<void(double)>& progress = {});

// Strategies asked for: each `strategy=...` or `strategy.name=...` begins one, other strategy.KEY=VALUE belong to the
// one at hand. Throws UserError.
std::vector<sync::StrategyConfig> alternatives(const Recorded& run, const std::vector<std::string>& overrides);

}  // namespace psctl::explain
