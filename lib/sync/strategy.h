// The seam that everything hangs on: a synchronization strategy is a pure state machine. It does no I/O, holds no
// thread, reads no clock and never sees a gradient. The real server, the simulator and the replay drive it alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sync/cluster.h"
#include "sync/events.h"

namespace psctl::sync {

// What a strategy may know of the run when it is made.
struct Setting {
  std::size_t workers = 0;                          // all ever named in the configuration
  Step steps_per_epoch = 0;                         // full batches in an even share of the samples; 0: unknown
  std::optional<std::uint64_t> total_samples = {};  // of the run, where stop.epochs or stop.samples tells
  std::uint64_t train_samples = 0;                  // in one epoch; 0: unknown (timing only)
  std::size_t batch_size = 0;
  std::uint64_t seed = 0;
};

struct Traits {
  // Gradient workers push the gradient at the model that they were released with. Local workers take steps of
  // their own and push by how much they moved.
  enum class Kind { kGradient, kLocal };
  Kind kind = Kind::kGradient;
  bool overlap = false;  // a worker computes on while its push is on the way
  // What a refresh with model W does to the steps that a local worker took since its push. Discard: they are lost,
  // x = base = W. Reapply: x = W + (x - x at the push), base = W, so that they are in the next push.
  enum class Rebase { kDiscard, kReapply };
  Rebase rebase = Rebase::kDiscard;
};

class Strategy {
 public:
  virtual ~Strategy() = default;

  virtual Traits traits() const { return {}; }

  // Told of every event once, after it stands in the picture: to learn, and to decide what is decided once a push.
  virtual void observe(const Cluster&, Instant /*now*/, const Event&) {}

  // What should happen now. Asked again and again until it has nothing to add; a function of the picture and of
  // what observe() stored. Every decision must use up a pending push or a waiting worker.
  virtual std::vector<Decision> decide(const Cluster&, Instant now) = 0;

  // Whom the workers that the last event released had been waiting for, where that is not the worker whose event it
  // was. Asked after decide().
  virtual std::vector<WorkerId> waited_for() const { return {}; }

  // When to be asked again though nothing has happened; after now. Never, by default.
  virtual std::optional<Instant> deadline(const Cluster&) const { return std::nullopt; }
};

}  // namespace psctl::sync
