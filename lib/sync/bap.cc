// Bounded asynchronous parallel: complete updates only, and meanwhile steps on the model at hand, within a bound.
#include <map>

#include "sync/registry.h"

namespace psctl::sync {
namespace {

// Version k of the model holds the mean of everybody's step k. The pushes of one step are merged as they arrive, so at
// most `staleness` tensors are pending.
class Bap final : public Strategy {
 public:
  Bap(Step staleness, std::optional<Duration> limit) : staleness_(staleness), limit_(limit) {}

  void observe(const Cluster& cluster, Instant, const Event& event) override {
    sums_.erase(sums_.begin(), sums_.upper_bound(cluster.version()));
    const auto* pushed = std::get_if<Pushed>(&event);
    if (!pushed) return;
    const Worker& worker = cluster.worker(pushed->worker);
    newest_ = worker.last_push;
    if (!pushed->empty) sums_.emplace(worker.step, newest_);
  }

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    const auto newest = cluster.pending().find(newest_);
    if (newest != cluster.pending().end()) {
      const PendingPush& push = newest->second;
      if (push.empty) return {Discard{.push = newest_}};
      const PushId sum = sums_.at(push.step);
      if (sum != newest_) return {Merge{.into = sum, .from = newest_}};
    }
    std::vector<Decision> decisions;
    // A step is complete when the slowest has pushed it: nobody else can.
    const Step complete = cluster.present() > 0 ? cluster.min_step() : cluster.furthest_step();
    for (Step step = cluster.version() + 1; step <= complete; ++step) decisions.emplace_back(mean_of(cluster, step));
    if (!decisions.empty()) return decisions;
    for (const auto& [step, worker] : cluster.waiting()) {
      if (step >= complete + staleness_) break;
      const Worker& w = cluster.worker(worker);
      const bool keep = w.pushes > 0 && w.model == cluster.version();
      decisions.emplace_back(
          Release{.worker = worker, .refresh = keep ? Refresh::kKeep : Refresh::kTake, .limit = limit_});
    }
    return decisions;
  }

 private:
  Apply mean_of(const Cluster& cluster, Step step) const {
    const auto sum = sums_.find(step);
    if (sum == sums_.end()) return {};  // everybody gave this step up
    const auto contributors = static_cast<double>(cluster.pending().at(sum->second).contributors());
    return {.shares = {{.push = sum->second, .weight = 1 / contributors}}};
  }

  Step staleness_;
  std::optional<Duration> limit_;
  std::map<Step, PushId> sums_;  // of each step that is not complete, the push that the others are merged into
  PushId newest_;
};

}  // namespace

Entry bap_entry() {
  return {
      .name = "bap",
      .brief = "versions of complete rounds, up to `staleness` rounds late: workers go on with the model they have",
      .rule =
          "The model changes only by complete updates: version k is made of the mean of everybody's step k, when the "
          "slowest worker has pushed it. After its push a worker takes a newer version if there is one, else goes on "
          "with the model at hand if it is less than `staleness` steps ahead of the slowest, else waits. The schedule "
          "of bap with S is that of ssp with S - 1, and bap with 1 is bsp; the updates are others than ssp's.",
      .source =
          "Li et al., HPCC/SmartCity/DSS 2016, pp. 757-764: abstract; the rule as in MALib's documentation of its mode "
          "BAP",
      .stated =
          "Workers use stale parameters from a local cache instead of waiting for a new version, and the distance is "
          "bounded; the server updates after it has aggregated the gradients of all workers; a longest lifetime of an "
          "iteration may interrupt it, its gradient is left out.",
      .read =
          "The aggregate is the mean over the workers that pushed that step. Gradients of faster workers wait in one "
          "sum a step. A step that was given up counts as pushed. A worker that joins pushes from the slowest "
          "worker's step on, the pushes of one that left stay in their steps. The threshold is ours, the source's is "
          "not readable.",
      .merges = true,
      .parameters = {{.name = "staleness",
                      .default_value = std::int64_t{3},
                      .minimum = 1,
                      .maximum = 1e9,
                      .choices = {},
                      .meaning = "a worker this many steps ahead of the slowest waits; 1 is bsp"},
                     {.name = "max_iteration_ms",
                      .default_value = 0.0,
                      .minimum = 0,
                      .maximum = 1e9,
                      .choices = {},
                      .meaning = "a step that takes longer is given up and left out of the mean; 0: never"}},
      .make = [](const Parameters& parameters, const Setting&) -> std::unique_ptr<Strategy> {
        const double limit = parameters.number("max_iteration_ms");
        return std::make_unique<Bap>(static_cast<Step>(parameters.integer("staleness")),
                                     limit > 0 ? std::optional(from_milliseconds(limit)) : std::nullopt);
      },
  };
}

}  // namespace psctl::sync
