// What would have been: the times of a run, played again on a virtual clock under another strategy, or with another
// worker in the place of one.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "delay/stragglers.h"
#include "explain/recorded.h"
#include "sim/recording.h"

namespace psctl::explain {

using sim::median;

// Where the times of a run come from when it is played again. Those of a virtual run are the laws of its configuration:
// what is played is what a run made under that strategy would have been, to the nanosecond. Those of a real run are the
// recorded ones of each mini-batch and transfer, without the injected delays: these follow their laws again.
struct Times {
  bool laws_alone = false;                    // the recording is empty
  std::vector<delay::Stragglers> stragglers;  // none: the injected delays are in the recording
  sim::Recording recording;
  std::vector<std::string> caveats;  // why, and by how much, what is played may differ from a run, a sentence each
};
// Of a virtual run whose laws do not give its times (a trace file is gone, a push is as long as its data say) the
// recorded ones, with a caveat.
Times times_of(const Recorded& run, const std::atomic<bool>* interrupted = nullptr);

// The run's recorded times of each mini-batch. The times of a push of several mini-batches are shared out in equal
// parts, but for the delays that `stragglers` tell, which are left out of the recording. What the end cut off is there
// too, as long as it is known to have taken, or as the worker's median if that is more.
sim::Recording recording_of(const Recorded& run, std::vector<delay::Stragglers> stragglers = {});

// The strategy under which to play, and what it would have come to. The work is that of the run: what its stop.samples,
// stop.epochs or stop.steps_per_worker asked for if that ended it, else as many samples as it had used or discarded.
struct Played {
  std::string label;
  Duration time{};    // until the work was done
  bool done = false;  // false: it stopped before, `stop` tells why
  std::string stop = {};
  Duration waited{}, wall{};  // of all workers together
  std::uint64_t updates = 0, pushes = 0, mini_batches = 0;
  trace::SampleCounts samples;
  double staleness_mean = 0;
  std::uint64_t staleness_p99 = 0, staleness_max = 0;
  // The time that a used sample took: the last pushes of one strategy bring more samples than those of another.
  double seconds_per_sample() const;
};

// The run as it was, in the same terms.
Played as_recorded(const Recorded& run);
// Throws UserError where the strategy cannot be made of what is known, or allows nobody to go on.
// `like_the_others`: a worker whose mini-batches and transfers take the median of the others'.
Played play(const Recorded& run, const Times& times, const sync::StrategyConfig& strategy,
            const std::atomic<bool>* interrupted = nullptr, std::optional<WorkerId> like_the_others = {});

// What a worker cost the run: the time that the same work would have taken less with it as fast as the others.
struct Cost {
  WorkerId worker;
  Duration with_median{};            // the time then, of as many samples
  Duration cost{};                   // less than the run's own times take
  std::uint64_t samples_unused = 0;  // with it as fast as the others
};

struct Costs {
  Played replay;            // of the recorded times
  std::vector<Cost> costs;  // by worker
  bool all = true;          // false: only of the slowest workers
};
// Of the slowest workers alone where all of them would take minutes. `progress` is told the share that is done.
Costs costs_of(const Recorded& run, const Times& times, const std::atomic<bool>* interrupted = nullptr,
               const std::function<void(double)>& progress = {});

// Strategies asked for: each `strategy=...` or `strategy.name=...` begins one, other strategy.KEY=VALUE belong to the
// one at hand. Throws UserError.
std::vector<sync::StrategyConfig> alternatives(const Recorded& run, const std::vector<std::string>& overrides);

}  // namespace psctl::explain
