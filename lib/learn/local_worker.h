// The model of a local worker: it takes steps of its own between refreshes and pushes by how much it moved. Used by
// real workers, by the simulator and by the replay, so that all get the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "learn/config.h"
#include "learn/optimizer.h"
#include "learn/schedule.h"
#include "learn/tensor.h"
#include "sync/strategy.h"

namespace psctl::learn {

// Holds x, the live model, and base, what x was at the last push or refresh. Not thread-safe.
class LocalWorker {
 public:
  // `train_samples`: of an epoch of the schedule.
  LocalWorker(const OptimizerConfig& config, sync::Traits::Rebase rebase, std::size_t parameters,
              std::uint64_t train_samples);

  // Its last push was answered. Steps that it has taken since that push, and keeps, count from this place on.
  void released(const Pace& pace) { pace_ = pace; }
  // A refresh with model W. The first one, and every one under kDiscard: x = base = W. Under kReapply:
  // x = W + (x - base), base = W.
  void take(std::span<const float> model);
  // One step of the optimizer on x, at the rate of its place in the schedule; the optimizer's state stays over
  // refreshes (our reading). Uses `gradient` up.
  void step(std::span<float> gradient);
  // delta = x - base, then base = x.
  void push(std::span<float> delta);
  std::span<const float> parameters() const { return x_.values(); }

 private:
  sync::Traits::Rebase rebase_;
  Schedule schedule_;
  Optimizer optimizer_;
  Tensor x_, base_;
  bool begun_ = false;       // there was a first model
  Pace pace_;                // of the last release, advanced by what was pushed since
  std::uint64_t taken_ = 0;  // steps in x - base
};

}  // namespace psctl::learn
