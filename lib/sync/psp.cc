// Probabilistic synchronous parallel: SSP that looks at a random sample of the workers instead of at all.
#include <algorithm>

#include "base/random.h"
#include "sync/registry.h"

namespace psctl::sync {
namespace {

class Psp final : public Strategy {
 public:
  Psp(std::size_t sample, Step staleness, UpdateScale scale, std::uint64_t seed)
      : sample_(sample), staleness_(staleness), scale_(scale), seed_(seed) {}

  void observe(const Cluster&, Instant, const Event& event) override {
    if (std::holds_alternative<Pushed>(event)) ++pushes_;
  }

  // The draws depend on the picture and on nothing else: asked again, those who wait draw the same sample. What it
  // costs grows with the workers that wait and those that they wait for.
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    for (const auto& [id, push] : cluster.pending()) {
      decisions.emplace_back(Apply{.shares = {{.push = id}}, .rate = rate_of_one_push(scale_, cluster)});
    }
    std::size_t behind = 0;  // workers more than `staleness` behind the one that waits
    auto next = cluster.by_step().begin();
    for (const auto& [step, worker] : cluster.waiting()) {
      for (; next != cluster.by_step().end() && next->first + staleness_ < step; ++next) ++behind;
      if (passes(cluster, worker, step, behind)) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }

 private:
  // Draws workers without replacement until one is too far behind. Which one does not matter, so that each draw is only
  // whether it is one of the `behind` among those that have not been drawn.
  bool passes(const Cluster& cluster, WorkerId worker, Step step, std::size_t behind) const {
    if (behind == 0) return true;
    const std::uint64_t own = Draws({seed_, Purpose::kStrategy, worker.value, step}).bits();
    Draws draws({.seed = own, .purpose = Purpose::kStrategy, .worker = worker.value, .step = pushes_});
    const std::size_t sampled = std::min(sample_, cluster.present());
    for (std::size_t drawn = 0; drawn < sampled; ++drawn) {
      if (draws.below(cluster.present() - drawn) < behind) return false;
    }
    return true;
  }

  std::size_t sample_;
  Step staleness_;
  UpdateScale scale_;
  std::uint64_t seed_;
  std::uint64_t pushes_ = 0;  // received so far
};

}  // namespace

Entry psp_entry() {
  return {
      .name = "psp",
      .brief = "as ssp, but a worker compares itself with a random sample of the others",
      .rule =
          "As ssp, but a worker looks at a random sample of `sample` workers only: it goes on if none of them is more "
          "than `staleness` steps behind it, else it waits and looks again. A sample of all workers gives ssp, one of "
          "none gives asp.",
      .source = "Wang et al., arXiv 1709.07772, as told in the chapter on distributed computing of the book on Owl",
      .stated =
          "At the barrier a worker samples some workers without replacement and waits if one of them is more than the "
          "bound behind. No global state is needed.",
      .read =
          "One sample for each worker that waits at each event of the cluster, of the workers present, itself "
          "included. The draws are keyed by seed, worker, step and pushes received. The slowest worker always passes. "
          "The defaults are ours.",
      .parameters = {{.name = "sample",
                      .default_value = std::int64_t{2},
                      .minimum = 0,
                      .maximum = 1e9,
                      .choices = {},
                      .meaning = "workers in a sample; as many as there are is ssp, 0 is asp"},
                     {.name = "staleness",
                      .default_value = std::int64_t{3},
                      .minimum = 0,
                      .maximum = 1e9,
                      .choices = {},
                      .meaning = "most steps that a worker may be ahead of those in its sample"},
                     update_scale_parameter("full")},
      .make = [](const Parameters& parameters, const Setting& setting) -> std::unique_ptr<Strategy> {
        return std::make_unique<Psp>(static_cast<std::size_t>(parameters.integer("sample")),
                                     static_cast<Step>(parameters.integer("staleness")), update_scale(parameters),
                                     setting.seed);
      },
  };
}

}  // namespace psctl::sync
