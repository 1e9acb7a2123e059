// The arithmetic of one worker between two pushes, when it is known beforehand: for the simulator and the replay.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "data/batches.h"
#include "learn/local_worker.h"
#include "learn/model.h"
#include "learn/push.h"
#include "sync/strategy.h"

namespace psctl::learn {

// What a worker does from one push to the next.
struct Leg {
  Step overlapped = 0;  // mini-batches taken before the answer to the last push was in place
  Snapshot model;       // then this model is taken; null: the worker keeps its own
  Step steps = 1;       // then this many mini-batches
  Pace pace = {};       // of the answer; local workers only
  bool empty = false;   // the last mini-batch is given up: there is nothing to push
};

// Scratch for those who compute at the same time, not for every worker. Thread-safe.
class Workspaces {
 public:
  std::unique_ptr<Workspace> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Workspace>();
    std::unique_ptr<Workspace> workspace = std::move(free_.back());
    free_.pop_back();
    return workspace;
  }
  void give_back(std::unique_ptr<Workspace> workspace) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(workspace));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> free_;
};

class Trainer {
 public:
  // `coordinates`: of gradients on sparse samples it pushes coordinates where they are smaller.
  Trainer(const Model& model, const data::Dataset& dataset, data::BatchOrder batches, const OptimizerConfig& optimizer,
          const sync::Traits& traits, bool coordinates = false);

  // Follows the leg and leaves what is pushed in `push` (a gradient, or a delta); returns the mean loss over the
  // samples in it, 0 if it is empty. What a local worker did before it gave up goes into its next push. One leg after
  // the other, each perhaps on another thread. `buffer` gives room for a dense push.
  using Buffers = std::function<std::shared_ptr<Tensor>()>;
  double run(const Leg& leg, Push& push, const Buffers& buffer, Workspace& workspace);
  // The same into a place that is there: every push is dense.
  double run(const Leg& leg, std::span<float> push, Workspace& workspace);
  Step begun() const { return begun_; }  // mini-batches, those given up or lost included

 private:
  double compute(std::span<const float> parameters, std::span<float> gradient, Workspace& workspace);

  const Model& model_;
  const data::Dataset& dataset_;
  data::BatchOrder batches_;
  sync::Traits traits_;
  bool coordinates_;
  Snapshot snapshot_;                 // of a gradient worker
  std::optional<LocalWorker> local_;  // of a local worker
  Step begun_ = 0;
};

}  // namespace psctl::learn
