// What happens to a cluster, as a strategy sees it, and what a strategy answers. Plain values: the decision log
// holds them, the real server, the simulator and the replay exchange them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace psctl::sync {

// How long the parts of a step took; measured by the worker, or drawn by the simulator.
struct Timing {
  Duration data{};      // waited for mini-batches that were not assembled yet
  Duration compute{};   // of the gradients in this push
  Duration delay{};     // injected slowness that stands for computing
  Duration upload{};    // of this push
  Duration download{};  // of the model that was last taken
  friend bool operator==(const Timing&, const Timing&) = default;
};

// Events, in the past tense. Push and ask are one event: who has pushed waits from then on.
struct Joined {
  WorkerId worker;  // waits from now on
};
struct Pushed {
  WorkerId worker;
  Step steps = 1;       // mini-batches in this push
  bool empty = false;   // given up at Release::limit: no tensor came
  Step overlapped = 0;  // mini-batches that it took while the answer to its last push was on its way
  Step lost = 0;        // of those, the ones that the refresh threw away: they are not in `steps`
  Timing timing = {};
};
struct Left {
  WorkerId worker;  // its pushes still count
};
struct Woke {};  // the deadline that the strategy set has come
using Event = std::variant<Joined, Pushed, Left, Woke>;

// Decisions, in the imperative.
struct Share {
  PushId push;
  double weight = 1;
};
// Adds the tensor of one pending push to that of another; `from` leaves the picture.
struct Merge {
  PushId into;
  PushId from;
};
// One update of the model: version += 1. Without shares only to close a round whose pushes were all empty.
struct Apply {
  std::vector<Share> shares;  // summed in this order
  double rate = 1;            // multiplies the learning rate of this update only
  bool reset = false;         // the optimizer forgets its velocity or moments before this update
};
// The push is not used.
struct Discard {
  PushId push;
};
enum class Refresh { kKeep, kTake };
// The worker may go on. Names the model at this place among the decisions, even if a later Apply raises the version.
struct Release {
  WorkerId worker;
  Refresh refresh = Refresh::kTake;  // take that model, or keep the one at hand
  // Mini-batches to take from here to the next push. 0, where workers overlap: push as soon as there is one to push,
  // which may have been taken before this release came.
  Step local_steps = 1;
  Step overlap_steps = 0;              // most mini-batches to take while the answer to that push is on its way
  std::optional<Duration> limit = {};  // give the step up after this long
};
using Decision = std::variant<Merge, Apply, Discard, Release>;

// For overlap_steps that nothing bounds.
inline constexpr Step kAnyNumber = 1'000'000'000;

// One original push that an Apply or a Discard used up; merged pushes stand for themselves.
struct Use {
  PushId push;
  WorkerId worker;
  Step step = 0;     // the worker's clock after that push
  Version base = 0;  // the version that its gradient was computed on
  double weight = 0;
};
// A decision that has been carried out on the books.
struct Outcome {
  Decision decision;
  Version version = 0;    // of the model after it
  std::vector<Use> uses;  // what it used up: of Apply and Discard
};

}  // namespace psctl::sync
