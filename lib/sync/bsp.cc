// Bulk synchronous parallel: rounds of one push of each worker, one update of their mean.
#include <algorithm>

#include "sync/registry.h"

namespace psctl::sync {
namespace {

class Bsp final : public Strategy {
 public:
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    std::vector<Decision> decisions;
    if (!cluster.pending().empty()) decisions.emplace_back(mean_of_round(cluster));
    for (const auto& [id, push] : cluster.pending()) {
      if (push.empty) decisions.emplace_back(Discard{.push = id});
    }
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  }

 private:
  // Shares by worker, so that the sum does not depend on the order of arrival. The weight is 1/N with N the workers
  // that are in this round: one that left after its push still counts, one that joined since does not (our reading).
  static Apply mean_of_round(const Cluster& cluster) {
    std::vector<std::pair<WorkerId, PushId>> round;
    for (const auto& [id, push] : cluster.pending()) {
      if (!push.empty) round.emplace_back(push.worker, id);
    }
    std::ranges::sort(round);
    Apply apply;
    for (const auto& [worker, id] : round) {
      apply.shares.push_back({.push = id, .weight = 1.0 / static_cast<double>(round.size())});
    }
    return apply;
  }
};

}  // namespace

Entry bsp_entry() {
  return {
      .name = "bsp",
      .rule =
          "Every worker pushes the gradient of one mini-batch and waits. When all have pushed, the server makes one "
          "update of their mean. Then all take the new model and go on.",
      .source = "Valiant, CACM 33(8), 1990; as the baseline of all the papers that psctl follows",
      .stated = "The update is the mean over the workers, all compute on the same model.",
      .read = "With joins and departures the mean is over the workers that pushed in the round.",
      .parameters = {},
      .make = [](const Parameters&, const Setting&) -> std::unique_ptr<Strategy> { return std::make_unique<Bsp>(); },
  };
}

}  // namespace psctl::sync
