// What a recorded run has to tell: who was slow, when it was slow, and why somebody waited.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "explain/what_if.h"

namespace psctl::explain {

// A worker that takes its mini-batches more slowly than the others.
struct Straggler {
  WorkerId worker;
  double pace = 1;               // its mean time of a mini-batch with transfers, in medians of the others
  double held_share = 0;         // of all waiting, what the others waited for it
  std::optional<Duration> cost;  // none: not worked out
};

// A stretch of the run in which less got done than in the whole.
struct Stretch {
  Instant from{}, to{};
  double rate = 0;                     // mini-batches a second
  double waiting = 0;                  // share of the workers' time
  std::vector<trace::Charge> held_by;  // what they waited for then, the longest first
};

// Mean time that a worker takes for a mini-batch, transfers included; zero if it pushed none.
std::vector<Duration> means(const Recorded& run);
// In medians of the other workers' means; 1 where there is nothing to compare.
std::vector<double> paces(const std::vector<Duration>& means);

// Those that are at least 20 % slower than the others; after them those that are 5 % slower, if that cost a twentieth
// of the run. Of each the costliest first.
std::vector<Straggler> stragglers(const Recorded& run, const Costs& costs);

// At most `most`, the slowest first; none in a run that is too short to be cut into stretches, or even.
std::vector<Stretch> slow_stretches(const Recorded& run, std::size_t most = 3);
// Mini-batches a second, over the run.
double rate(const Recorded& run);

// One link in the chain of causes of a hold.
struct Cause {
  trace::HoldPart part;
  // What the worker that is charged did in the meantime: its pushes that arrived then, all of them together.
  std::size_t pushes = 0;
  Step first_step = 0, last_step = 0;
  sync::Timing timing;
  // What of it ended the stretch; none: the charge goes to it because it was furthest behind, or not yet there.
  std::optional<Happening::Kind> ended;
};

// The hold after the push that holds this step of the worker's clock. Throws UserError if there is none.
const Hold& hold_after(const Recorded& run, WorkerId worker, Step step);
// Its causes by time; of a hold of no time none.
std::vector<Cause> causes(const Recorded& run, const Hold& hold);
// The worker's longest holds, the longest first. Throws UserError if there is no such worker.
std::vector<const Hold*> longest_holds(const Recorded& run, WorkerId worker, std::size_t most);

}  // namespace psctl::explain
