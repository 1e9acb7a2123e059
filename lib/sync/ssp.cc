// Stale synchronous parallel: a worker may be at most `staleness` steps ahead of the slowest.
#include "sync/registry.h"

namespace psctl::sync {
namespace {

class Ssp final : public Strategy {
 public:
  Ssp(Step staleness, bool apply_on_release, UpdateScale scale)
      : staleness_(staleness), apply_on_release_(apply_on_release), scale_(scale) {}

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    const double rate = rate_of_one_push(scale_, cluster);
    if (!apply_on_release_) {
      for (const auto& [id, push] : cluster.pending()) {
        decisions.emplace_back(Apply{.shares = {{.push = id}}, .rate = rate});
      }
    }
    for (const auto& [step, worker] : cluster.waiting()) {
      if (step > cluster.min_step() + staleness_) break;
      if (apply_on_release_) apply_last_push(cluster, worker, rate, decisions);
      decisions.emplace_back(Release{.worker = worker});
    }
    // One that left is held by nobody any more: its push is due.
    if (apply_on_release_ && left_) apply_last_push(cluster, *left_, rate, decisions);
    return decisions;
  }

  void observe(const Cluster&, Instant, const Event& event) override {
    if (const auto* left = std::get_if<Left>(&event)) left_ = left->worker;
  }

 private:
  static void apply_last_push(const Cluster& cluster, WorkerId worker, double rate, std::vector<Decision>& decisions) {
    const PushId push = cluster.worker(worker).last_push;
    if (cluster.pending().contains(push)) decisions.emplace_back(Apply{.shares = {{.push = push}}, .rate = rate});
  }

  Step staleness_;
  bool apply_on_release_;
  UpdateScale scale_;
  std::optional<WorkerId> left_;
};

}  // namespace

Entry ssp_entry() {
  return {
      .name = "ssp",
      .brief = "as asp, but nobody may be more than `staleness` steps ahead of the slowest",
      .rule =
          "Every push becomes an update as soon as it arrives, but a worker waits while it is more than `staleness` "
          "steps ahead of the slowest. 0 gives the schedule of BSP (not its update), a bound that is never reached "
          "gives ASP.",
      .source =
          "Ho et al., NIPS 2013; push-side form as in Zhao et al., ICDCS 2019 (DSSP), section I-A and Algorithm 1",
      .stated =
          "A worker may go on if clock - slowest clock <= staleness, counted after its push; the gradient is applied "
          "on arrival.",
      .read =
          "apply: on_release holds the gradient of a blocked worker until it is released, as the code of A2S's authors "
          "does.",
      .parameters = {{.name = "staleness",
                      .default_value = std::int64_t{3},
                      .minimum = 0,
                      .maximum = 1e9,
                      .choices = {},
                      .meaning = "most steps that a worker may be ahead of the slowest"},
                     {.name = "apply",
                      .default_value = std::string("on_arrival"),
                      .choices = {"on_arrival", "on_release"},
                      .meaning = "when the push of a worker that must wait becomes an update"},
                     update_scale_parameter("full")},
      .make = [](const Parameters& parameters, const Setting&) -> std::unique_ptr<Strategy> {
        return std::make_unique<Ssp>(static_cast<Step>(parameters.integer("staleness")),
                                     parameters.word("apply") == "on_release", update_scale(parameters));
      },
      .largest_gap = [](const Parameters& parameters) -> std::optional<Step> {
        return static_cast<Step>(parameters.integer("staleness"));
      },
  };
}

}  // namespace psctl::sync
