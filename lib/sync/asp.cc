// Asynchronous parallel: every push is an update at once, nobody ever waits.
#include "sync/registry.h"

namespace psctl::sync {
namespace {

class Asp final : public Strategy {
 public:
  explicit Asp(UpdateScale scale) : scale_(scale) {}

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    for (const auto& [id, push] : cluster.pending()) {
      decisions.emplace_back(Apply{.shares = {{.push = id}}, .rate = rate_of_one_push(scale_, cluster)});
    }
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  }

 private:
  UpdateScale scale_;
};

}  // namespace

Entry asp_entry() {
  return {
      .name = "asp",
      .brief = "nobody waits, every push is an update at once",
      .rule =
          "Every push becomes an update as soon as it arrives, and nobody waits. The worker takes the new model and "
          "goes on at once. Nothing bounds the staleness.",
      .source =
          "Recht et al., NIPS 2011 (Hogwild); Dean et al., NIPS 2012 (Downpour); as the baseline of the papers that "
          "psctl follows",
      .stated = "An update of one push moves the model by the full learning rate in most papers.",
      .read =
          "update_scale: mean divides the rate by the number of workers, so that an epoch moves the model as far as "
          "under BSP.",
      .parameters = {update_scale_parameter("full")},
      .make = [](const Parameters& parameters, const Setting&) -> std::unique_ptr<Strategy> {
        return std::make_unique<Asp>(update_scale(parameters));
      },
  };
}

}  // namespace psctl::sync
