#include "verify/orders.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "base/error.h"
#include "verify/trial.h"

namespace psctl::verify {
namespace {

constexpr auto kNoLimit = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kMostWakesInOrder = 30;

// What can happen next: one event.
struct Act {
  sync::Event event;
  bool surprise = false;
};

// Walks the tree of orders from leaf to leaf: a strategy cannot be copied, so each order begins anew. Once a rule is
// broken the tree is cut at depth 1, 2, 3...: the first cut that shows a violation has the shortest story.
class Explorer {
 public:
  Explorer(const Subject& subject, const SmallCluster& cluster) : subject_(subject), cluster_(cluster) {
    // Small numbers, so that epochs end and shares of the work are done within a few pushes. A batch is one sample.
    setting_.workers = cluster.pushes.size();
    setting_.steps_per_epoch = 1;
    setting_.batch_size = 1;
    setting_.train_samples = setting_.workers;
    setting_.total_samples = 4 * setting_.workers;
    setting_.seed = 1;
  }

  std::optional<Violation> run() {
    std::optional<Violation> violation = walk_all(kNoLimit);
    if (!violation) return std::nullopt;
    for (std::size_t limit = 0; limit < path_.size(); ++limit) {
      if (auto shorter = Explorer(subject_, cluster_).walk_all(limit)) return shorter;
    }
    return violation;
  }
  std::size_t orders() const { return orders_; }

 private:
  struct Branch {
    std::size_t taken = 0, count = 0;
    std::uint64_t digest = 0;
  };

  std::optional<Violation> walk_all(std::size_t limit) {
    for (;;) {
      auto violation = walk(limit);
      ++orders_;
      if (violation) return violation;
      while (!path_.empty() && path_.back().taken + 1 == path_.back().count) path_.pop_back();
      if (path_.empty()) return std::nullopt;
      ++path_.back().taken;
    }
  }

  // One order: along the path as far as it goes, then the first of what can happen each time.
  std::optional<Violation> walk(std::size_t limit) {
    Trial trial(subject_, setting_, setting_.workers - cluster_.late);
    pushes_.assign(setting_.workers, 0);
    wakes_ = 0;
    std::size_t surprises = 0;
    Instant now{};
    const std::size_t known = path_.empty() ? 0 : path_.size() - 1;  // branches that were walked before
    try {
      for (std::uint32_t worker = 0; worker < setting_.workers - cluster_.late; ++worker) {
        trial.handle(now, sync::Joined{WorkerId(worker)});
      }
      for (std::size_t depth = 0;; ++depth) {
        if (depth == limit) return std::nullopt;
        const std::vector<Act> acts = possible(trial, now, surprises);
        if (acts.empty()) break;
        if (depth == path_.size()) path_.push_back({.taken = 0, .count = acts.size(), .digest = 0});
        Branch& branch = path_[depth];
        if (branch.count != acts.size()) not_repeatable();
        const Act& act = acts[branch.taken];
        surprises += act.surprise ? 1 : 0;
        const std::uint64_t digest = carry_out(trial, act.event, now);
        if (depth < known && branch.digest != digest) not_repeatable();
        branch.digest = digest;
      }
      trial.end();
    } catch (const Broken& broken) {
      return trial.violation(broken, false);
    }
    return std::nullopt;
  }

  [[noreturn]] static void not_repeatable() {
    throw Broken{"repeatable", "The same events give the same decisions.",
                 "another run of these events decided something else"};
  }

  std::vector<Act> possible(const Trial& trial, Instant now, std::size_t surprises) const {
    std::vector<Act> acts;
    const sync::Cluster& cluster = trial.cluster();
    const auto deadline = trial.deadline();
    if (deadline) acts.push_back({sync::Woke{}});
    // What happens at the deadline is told before it.
    if (deadline && *deadline < next(now)) return acts;
    const bool room = surprises < cluster_.surprises;
    for (std::uint32_t index = 0; index < setting_.workers; ++index) {
      const WorkerId worker(index);
      const sync::Worker& state = cluster.worker(worker);
      if (state.phase == sync::Phase::kAbsent) acts.push_back({sync::Joined{worker}});
      if (state.phase == sync::Phase::kComputing) add_pushes(trial, worker, state, room, acts);
      const bool there = state.phase == sync::Phase::kComputing || state.phase == sync::Phase::kWaiting;
      if (there && room) acts.push_back({sync::Left{worker}, true});
    }
    return acts;
  }

  static void add_pushes(const Trial& trial, WorkerId worker, const sync::Worker& state, bool room,
                         std::vector<Act>& acts) {
    const sync::Release& release = trial.last_release(worker);
    const Step own = std::max<Step>(1, release.local_steps);
    acts.push_back({sync::Pushed{.worker = worker, .steps = own}});
    if (!room) return;
    if (release.limit) acts.push_back({sync::Pushed{.worker = worker, .steps = own, .empty = true}, true});
    for (const Step overlapped : {Step{1}, Step{2}}) {
      if (overlapped > state.overlap_allowed) break;
      const Step lost = trial.can_be_lost(worker) ? overlapped : 0;
      acts.push_back(
          {sync::Pushed{.worker = worker, .steps = own + overlapped - lost, .overlapped = overlapped, .lost = lost},
           true});
      if (release.local_steps == 0 && lost == 0) {
        acts.push_back({sync::Pushed{.worker = worker, .steps = overlapped, .overlapped = overlapped}, true});
      }
    }
  }

  // A worker that has made its last push leaves at once.
  std::uint64_t carry_out(Trial& trial, const sync::Event& event, Instant& now) {
    if (std::holds_alternative<sync::Woke>(event)) {
      if (++wakes_ > kMostWakesInOrder) throw deadlines_for_ever();
      now = trial.deadline().value();
      trial.handle(now, event);
      return trial.story().back().digest;
    }
    wakes_ = 0;
    now = next(now);
    const auto* pushed = std::get_if<sync::Pushed>(&event);
    if (!pushed) {
      trial.handle(now, event);
      return trial.story().back().digest;
    }
    sync::Pushed push = *pushed;
    push.timing.compute = now - trial.cluster().worker(push.worker).released;
    trial.handle(now, push);
    const std::uint64_t digest = trial.story().back().digest;
    if (++pushes_[push.worker.value] < cluster_.pushes[push.worker.value]) return digest;
    now = next(now);
    trial.handle(now, sync::Left{push.worker});
    return digest * 31 + trial.story().back().digest;
  }

  // The n-th event happens at the instant n.
  static Instant next(Instant now) { return now + std::chrono::milliseconds(1); }

  const Subject& subject_;
  const SmallCluster& cluster_;
  sync::Setting setting_;
  std::vector<Branch> path_;
  std::vector<std::uint64_t> pushes_;
  std::size_t wakes_ = 0;  // with nothing between them
  std::size_t orders_ = 0;
};

}  // namespace

std::vector<SmallCluster> small_clusters(bool quick) {
  std::vector<SmallCluster> clusters = {
      {{3}, 0, 2}, {{1, 1}, 0, 2}, {{3, 3}, 0, 1}, {{1, 4}, 0, 1}, {{1, 2, 2}, 0, 1}, {{2, 2}, 1, 1}, {{1, 2, 1}, 1, 0},
  };
  if (quick) return clusters;
  const std::vector<SmallCluster> more = {
      {{3, 3}, 0, 2},    {{5, 2}, 0, 2},    {{1, 6}, 0, 2},    {{2, 2, 2}, 0, 1},
      {{1, 2, 3}, 0, 1}, {{4, 1, 2}, 0, 1}, {{3, 3, 2}, 0, 0}, {{3, 2}, 1, 1},
      {{2, 2, 2}, 1, 0}, {{1, 1, 1}, 2, 1}, {{1, 2, 1}, 1, 1}, {{1, 1, 1}, 0, 2},
      {{7, 3}, 0, 0},    {{4, 4, 1}, 0, 0}, {{5, 1, 1}, 0, 1}, {{2, 1, 2, 1}, 0, 0},
  };
  clusters.insert(clusters.end(), more.begin(), more.end());
  return clusters;
}

Result every_order(const Subject& subject, const std::vector<SmallCluster>& clusters) {
  Result result{.check = "every order", .cases = 0, .violation = {}};
  for (const SmallCluster& cluster : clusters) {
    Explorer explorer(subject, cluster);
    std::optional<Violation> violation;
    try {
      violation = explorer.run();
    } catch (const UserError&) {
      continue;  // these parameters want more workers
    }
    result.cases += explorer.orders();
    if (!violation) continue;
    // A shorter story may wait in another cluster.
    if (!result.violation || violation->story.size() < result.violation->story.size()) {
      result.violation = std::move(violation);
    }
  }
  return result;
}

}  // namespace psctl::verify
