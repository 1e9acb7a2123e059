// The cluster as it stands: what a strategy looks at. Asking is O(1), changing O(log workers).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "sync/events.h"

namespace psctl::sync {

enum class Phase { kAbsent, kComputing, kWaiting, kLeft };

struct Worker {
  Phase phase = Phase::kAbsent;
  Step step = 0;  // its clock: mini-batches pushed; one that joins late begins at min_step, or where the last one left
  std::uint64_t pushes = 0;  // pushes received from it
  PushId last_push;          // the last of them
  Version model = 0;         // version of the model that it has
  Step local_steps = 0;      // that it was released for
  Step overlap_steps = 0;    // that it may take after the push that it works on
  Step overlap_allowed = 0;  // that it might take after its last push
  Instant released{};        // when it was last released
  Instant pushed{};          // when it last pushed; time 0 before its first push
  Instant pushed_before{};   // when it pushed the time before that; time 0 before its second push
};

struct PendingPush {
  WorkerId worker;
  Step step = 0;  // the worker's clock after it
  Step steps = 1;
  bool empty = false;
  Version base = 0;  // the version that it was computed on
  Instant at{};
  std::vector<Use> merged;  // other pushes that were added to it, in order
  std::size_t contributors() const { return 1 + merged.size(); }
};

class Cluster {
 public:
  explicit Cluster(std::size_t workers) : workers_(workers) {}

  // All workers ever named, by id; those that are absent or have left included.
  std::span<const Worker> workers() const { return workers_; }
  const Worker& worker(WorkerId id) const { return workers_.at(id.value); }

  std::size_t present() const { return present_; }  // computing or waiting
  std::size_t computing() const { return present_ - waiting_.size(); }
  // Who waits, by (step, id): who is furthest behind comes first.
  const std::set<std::pair<Step, WorkerId>>& waiting() const { return waiting_; }
  // Pushes that were neither applied nor discarded nor merged, by arrival.
  const std::map<PushId, PendingPush>& pending() const { return pending_; }

  Version version() const { return version_; }
  // The workers present by (step, id): who is furthest behind comes first.
  const std::set<std::pair<Step, WorkerId>>& by_step() const { return by_step_; }
  // Of the workers present; 0 when nobody is.
  Step min_step() const { return by_step_.empty() ? 0 : by_step_.begin()->first; }
  Step max_step() const { return by_step_.empty() ? 0 : by_step_.rbegin()->first; }
  // The furthest that any worker ever came.
  Step furthest_step() const { return furthest_step_; }

 private:
  friend class Synchronizer;  // the only one that keeps the books

  std::vector<Worker> workers_;
  std::size_t present_ = 0;
  std::set<std::pair<Step, WorkerId>> waiting_;
  std::map<PushId, PendingPush> pending_;
  std::set<std::pair<Step, WorkerId>> by_step_;
  Step furthest_step_ = 0;
  Version version_ = 0;
};

}  // namespace psctl::sync
