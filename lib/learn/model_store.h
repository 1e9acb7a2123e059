// The tensors of one server: executes decisions on them, in the order in which the lead made them, and never judges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "base/ids.h"
#include "learn/config.h"
#include "learn/optimizer.h"
#include "learn/push.h"
#include "learn/tensor.h"
#include "sync/events.h"
#include "sync/strategy.h"

namespace psctl::learn {

// A contiguous range of the model's parameters.
struct Range {
  std::size_t begin = 0;
  std::size_t size = 0;
};
// Most servers among which this many parameters can be divided, each with a part.
std::size_t most_servers(std::size_t parameters);
// The range of server `rank` of `servers`: all nearly equal, cut at multiples of 16 floats.
Range shard(std::size_t parameters, std::size_t servers, std::size_t rank);

// Not thread-safe; what it hands out (snapshots, tensors) may be read and dropped on any thread.
class ModelStore {
 public:
  // `initial` are the parameters of this server's range at version 0. With local workers the optimizer is theirs, and
  // not used here.
  ModelStore(const OptimizerConfig& config, std::span<const float> initial,
             sync::Traits::Kind kind = sync::Traits::Kind::kGradient);

  std::shared_ptr<Tensor> buffer() { return pool_.take(); }  // for a dense push to be received into; thread-safe
  // Whether pushes may be coordinates: with gradient workers, plain SGD and no delay compensation.
  bool takes_coordinates() const;
  // Pending from now on, and the store's alone to change; computed on the model that the worker had. Indices of
  // coordinates count from the beginning of this range.
  void accept(PushId push, WorkerId worker, Push what);
  // The worker has the current model from now on.
  void released(WorkerId worker);
  void merge(PushId into, PushId from);
  void discard(PushId push);
  // One update, written out of place in one pass: g = sum of weight * push in the order of the shares, then the
  // optimizer at `learning_rate`; of local workers w + learning_rate * g. An empty push adds nothing. No shares: the
  // model stays, version += 1. `reset`: the optimizer's state is that of the beginning before it. With delay
  // compensation (StalenessKind::kDc) each push is corrected first, before weight and weight decay: our reading, where
  // an update has several. Where all pushes are coordinates it is one copy of the model, and beyond that costs what
  // they are; the bits are those of the same pushes as dense ones.
  void apply(std::span<const sync::Share> shares, double learning_rate, bool reset = false);

  Version version() const { return version_; }
  Snapshot snapshot() const { return model_; }  // the current version, pinned
  // From now on the versions that updates leave behind stay, until they are forgotten.
  void keep_versions() { keeps_versions_ = true; }
  void forget_before(Version version) { older_.erase(older_.begin(), older_.lower_bound(version)); }
  Snapshot snapshot(Version version) const;  // the current one, or one that stays
  std::size_t tensors() const { return pool_.made(); }

 private:
  struct Pending {
    Push what;
    WorkerId worker;
    Snapshot base;  // that it was computed on; with delay compensation only
  };
  // With delay compensation, of each worker.
  struct Backup {
    Snapshot model;                 // that it has
    std::optional<Tensor> squares;  // adaptive: moving mean of its squared gradients
  };
  void check_pending(PushId push) const;
  Pending take_pending(PushId push);
  struct Addend {
    Pending push;
    float weight;
  };
  void apply_dense(std::span<const Addend> addends, float learning_rate, Tensor& out);
  void apply_coordinates(std::span<const Addend> addends, Tensor& out);
  // Replaces `gradient`, the floats of `push` from `begin` on.
  void compensate(const Pending& push, std::size_t begin, std::span<const float> model, std::span<float> gradient);

  StalenessConfig staleness_;
  TensorPool pool_;
  std::optional<Optimizer> optimizer_;  // none for local workers
  std::shared_ptr<const Tensor> model_;
  std::map<PushId, Pending> pending_;
  std::optional<Tensor> sums_;  // of coordinates; all zero between updates
  std::map<WorkerId, Backup> backups_;
  Version version_ = 0;
  bool keeps_versions_ = false;
  std::map<Version, Snapshot> older_;
};

}  // namespace psctl::learn
