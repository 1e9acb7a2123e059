// Local SGD: rounds of a fixed number of local steps, then one average of the models.
#include "sync/registry.h"
#include "sync/round.h"

namespace psctl::sync {
namespace {

class LocalSgd final : public Strategy {
 public:
  explicit LocalSgd(Step period) : period_(period) {}

  Traits traits() const override { return {.kind = Traits::Kind::kLocal}; }

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    std::vector<Decision> decisions = update_of_round(cluster);
    for (const auto& [step, worker] : cluster.waiting()) {
      decisions.emplace_back(Release{.worker = worker, .local_steps = period_});
    }
    return decisions;
  }

 private:
  Step period_;
};

}  // namespace

Entry local_sgd_entry() {
  return {
      .name = "local_sgd",
      .brief = "rounds of `period` local steps, then the mean of the models",
      .rule =
          "Every worker takes `period` steps of its own, pushes by how much its model moved and waits. When all have "
          "pushed, the server moves the model by the mean. Then all take the new model and go on.",
      .source = "Stich, ICLR 2019; as the baseline of ADACOMM in Zhao et al., ICDM 2019 (ElasticBSP), section VI",
      .stated = "All workers take the same number of local steps, then their models are averaged: BSP on models.",
      .read =
          "The mean of the moves from a common model is the mean of the models. With joins and departures it is over "
          "the workers that pushed in the round; one that joins enters with the next round.",
      .kind = Traits::Kind::kLocal,
      .parameters = {{.name = "period",
                      .default_value = std::int64_t{4},
                      .minimum = 1,
                      .maximum = 1e6,
                      .choices = {},
                      .meaning = "local steps between two averages; 1 averages after every step"}},
      .make = [](const Parameters& parameters, const Setting&) -> std::unique_ptr<Strategy> {
        return std::make_unique<LocalSgd>(static_cast<Step>(parameters.integer("period")));
      },
  };
}

}  // namespace psctl::sync
