// Bulk synchronous parallel: rounds of one push of each worker, one update of their mean.
#include "sync/registry.h"
#include "sync/round.h"

namespace psctl::sync {
namespace {

class Bsp final : public Strategy {
 public:
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    std::vector<Decision> decisions = update_of_round(cluster);
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  }
};

}  // namespace

Entry bsp_entry() {
  return {
      .name = "bsp",
      .brief = "rounds: all wait for the slowest, one update of the mean",
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
