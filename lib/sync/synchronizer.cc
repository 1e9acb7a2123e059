#include "sync/synchronizer.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace psctl::sync {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw ProtocolError(what); }
[[noreturn]] void fault(const std::string& what) { throw StrategyFault("the strategy is wrong: " + what); }

const char* phase_name(Phase phase) {
  switch (phase) {
    case Phase::kAbsent:
      return "has not joined";
    case Phase::kComputing:
      return "computes";
    case Phase::kWaiting:
      return "waits";
    case Phase::kLeft:
      return "has left";
  }
  return "?";
}

Use use_of(PushId id, const PendingPush& push, double weight) {
  return {.push = id, .worker = push.worker, .step = push.step, .base = push.base, .weight = weight};
}

}  // namespace

Synchronizer::Synchronizer(std::unique_ptr<Strategy> strategy, std::size_t workers, std::size_t start_size)
    : strategy_(std::move(strategy)), cluster_(workers), start_size_(start_size) {
  PSCTL_CHECK(start_size_ >= 1 && start_size_ <= workers);
}

std::span<const Outcome> Synchronizer::handle(Instant now, const Event& event) {
  if (now < last_event_)
    refuse(fmt::format("time runs backwards, from {} to {} s", to_seconds(last_event_), to_seconds(now)));
  std::visit([&](const auto& e) { admit(now, e); }, event);
  last_event_ = now;
  outcomes_.clear();
  started_ = started_ || cluster_.present() >= start_size_;
  strategy_->observe(cluster_, now, event);
  if (!started_) return outcomes_;
  for (;;) {
    std::vector<Decision> decisions = strategy_->decide(cluster_, now);
    if (decisions.empty()) break;
    for (Decision& decision : decisions) {
      Outcome& outcome = outcomes_.emplace_back(Outcome{.decision = std::move(decision), .version = 0, .uses = {}});
      std::visit([&](const auto& d) { carry(now, d); }, outcome.decision);
      outcome.version = cluster_.version_;
    }
  }
  check_not_stuck(now);
  return outcomes_;
}

std::optional<Instant> Synchronizer::deadline() const {
  if (!started_) return std::nullopt;
  const std::optional<Instant> deadline = strategy_->deadline(cluster_);
  if (deadline && *deadline <= last_event_) fault("its deadline does not lie in the future");
  return deadline;
}

void Synchronizer::admit(Instant now, const Joined& event) {
  if (event.worker.value >= cluster_.workers_.size()) refuse(fmt::format("there is no worker {}", event.worker.value));
  Worker& worker = cluster_.workers_[event.worker.value];
  if (worker.phase != Phase::kAbsent) {
    refuse(fmt::format("worker {} joins, but it {}", event.worker.value, phase_name(worker.phase)));
  }
  worker = Worker{.phase = Phase::kWaiting,
                  .step = cluster_.present_ > 0 ? cluster_.min_step() : cluster_.furthest_step_,
                  .pushes = 0,
                  .last_push = {},
                  .model = cluster_.version_,
                  .local_steps = 0,
                  .overlap_steps = 0,
                  .overlap_allowed = 0,
                  .released = now,
                  .pushed = now,
                  .pushed_before = now};
  ++cluster_.present_;
  cluster_.by_step_.emplace(worker.step, event.worker);
  cluster_.waiting_.emplace(worker.step, event.worker);
}

void Synchronizer::admit(Instant now, const Pushed& event) {
  if (event.worker.value >= cluster_.workers_.size()) refuse(fmt::format("there is no worker {}", event.worker.value));
  Worker& worker = cluster_.workers_[event.worker.value];
  if (worker.phase != Phase::kComputing) {
    refuse(fmt::format("worker {} pushes, but it {}", event.worker.value, phase_name(worker.phase)));
  }
  check_steps(worker, event);
  auto place = cluster_.by_step_.extract({worker.step, event.worker});
  worker.step += event.steps;
  place.value().first = worker.step;
  cluster_.by_step_.insert(std::move(place));
  cluster_.furthest_step_ = std::max(cluster_.furthest_step_, worker.step);
  ++worker.pushes;
  worker.phase = Phase::kWaiting;
  worker.pushed_before = worker.pushed;
  worker.pushed = now;
  cluster_.waiting_.emplace(worker.step, event.worker);
  last_push_ = PushId(last_push_.value + 1);
  worker.last_push = last_push_;
  cluster_.pending_.emplace_hint(cluster_.pending_.end(), last_push_,
                                 PendingPush{.worker = event.worker,
                                             .step = worker.step,
                                             .steps = event.steps,
                                             .empty = event.empty,
                                             .base = worker.model,
                                             .at = now,
                                             .merged = {}});
}

void Synchronizer::admit(Instant, const Left& event) {
  if (event.worker.value >= cluster_.workers_.size()) refuse(fmt::format("there is no worker {}", event.worker.value));
  Worker& worker = cluster_.workers_[event.worker.value];
  if (worker.phase != Phase::kComputing && worker.phase != Phase::kWaiting) {
    refuse(fmt::format("worker {} leaves, but it {}", event.worker.value, phase_name(worker.phase)));
  }
  cluster_.by_step_.erase({worker.step, event.worker});
  if (worker.phase == Phase::kWaiting) cluster_.waiting_.erase({worker.step, event.worker});
  worker.phase = Phase::kLeft;
  --cluster_.present_;
}

void Synchronizer::admit(Instant, const Woke&) {}

PendingPush Synchronizer::take(PushId push, const char* by) {
  const auto found = cluster_.pending_.find(push);
  if (found == cluster_.pending_.end()) {
    const bool known = push.value >= 1 && push <= last_push_;
    fault(fmt::format("it {} push {}, which {}", by, push.value, known ? "is used up already" : "there is not"));
  }
  PendingPush taken = std::move(found->second);
  cluster_.pending_.erase(found);
  return taken;
}

void Synchronizer::carry(Instant, const Merge& merge) {
  if (merge.into == merge.from) fault(fmt::format("it merges push {} with itself", merge.into.value));
  PendingPush from = take(merge.from, "merges");
  const auto into = cluster_.pending_.find(merge.into);
  if (into == cluster_.pending_.end())
    fault(fmt::format("it merges into push {}, which is not pending", merge.into.value));
  into->second.merged.push_back(use_of(merge.from, from, 0));
  into->second.merged.insert(into->second.merged.end(), from.merged.begin(), from.merged.end());
  into->second.empty = into->second.empty && from.empty;
}

void Synchronizer::carry(Instant, const Apply& apply) {
  if (apply.shares.empty() && last_push_.value <= cluster_.version_) {
    fault("it makes updates of nothing, more than there were pushes");
  }
  std::vector<Use>& uses = outcomes_.back().uses;
  uses.reserve(apply.shares.size());
  for (const Share& share : apply.shares) {
    const PendingPush push = take(share.push, "applies");
    uses.push_back(use_of(share.push, push, share.weight));
    for (Use merged : push.merged) {
      merged.weight = share.weight;
      uses.push_back(merged);
    }
  }
  ++cluster_.version_;
}

void Synchronizer::carry(Instant, const Discard& discard) {
  const PendingPush push = take(discard.push, "discards");
  std::vector<Use>& uses = outcomes_.back().uses;
  uses.push_back(use_of(discard.push, push, 0));
  uses.insert(uses.end(), push.merged.begin(), push.merged.end());
}

void Synchronizer::carry(Instant now, const Release& release) {
  if (release.worker.value >= cluster_.workers_.size())
    fault(fmt::format("it releases worker {}, which there is not", release.worker.value));
  Worker& worker = cluster_.workers_[release.worker.value];
  if (worker.phase != Phase::kWaiting) {
    fault(fmt::format("it releases worker {}, which {}", release.worker.value, phase_name(worker.phase)));
  }
  const Traits traits = strategy_->traits();
  if (release.local_steps < 1 && !traits.overlap) {
    fault(fmt::format("it releases worker {} for no step", release.worker.value));
  }
  if (release.local_steps > 1 && traits.kind == Traits::Kind::kGradient) {
    fault(fmt::format("it releases worker {}, which pushes gradients, for {} steps", release.worker.value,
                      release.local_steps));
  }
  if (release.overlap_steps > 0 && !traits.overlap) {
    fault(fmt::format("it lets worker {} overlap, but its workers do not", release.worker.value));
  }
  cluster_.waiting_.erase({worker.step, release.worker});
  worker.phase = Phase::kComputing;
  worker.released = now;
  worker.local_steps = release.local_steps;
  worker.overlap_allowed = std::exchange(worker.overlap_steps, release.overlap_steps);
  if (release.refresh == Refresh::kTake) worker.model = cluster_.version_;
}

// A push holds what the release asked for, and what the one before allowed meanwhile.
void Synchronizer::check_steps(const Worker& worker, const Pushed& push) const {
  const Step taken = push.steps + push.lost;
  const bool overlaps = push.overlapped <= worker.overlap_allowed && push.lost <= push.overlapped;
  const bool whole = push.overlapped <= taken && taken - push.overlapped <= std::max<Step>(1, worker.local_steps) &&
                     (push.empty || taken - push.overlapped >= worker.local_steps);
  if (push.steps >= 1 && overlaps && whole) return;
  refuse(fmt::format("worker {} pushes {} steps, {} of {} overlapped ones lost; it was released for {} and {}",
                     push.worker.value, push.steps, push.lost, push.overlapped, worker.local_steps,
                     worker.overlap_allowed));
}

void Synchronizer::check_not_stuck(Instant now) const {
  if (cluster_.waiting_.empty() || cluster_.computing() > 0) return;
  const std::optional<Instant> deadline = strategy_->deadline(cluster_);
  if (deadline && *deadline > now) return;
  const std::size_t waiting = cluster_.waiting_.size();
  throw StuckFault(fmt::format("the strategy is wrong: {} and nothing will ever release {}",
                               waiting == 1 ? "the only worker waits" : fmt::format("all {} workers wait", waiting),
                               waiting == 1 ? "it" : "them"));
}

}  // namespace psctl::sync
