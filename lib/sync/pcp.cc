// Synchronous rounds of local steps with a prediction of computing and communication: every worker takes as many steps
// as let all pushes arrive together, and computes on while the synchronization runs.
#include <algorithm>
#include <cmath>

#include "sync/planner.h"
#include "sync/registry.h"
#include "sync/round.h"

namespace psctl::sync {
namespace {

class Pcp final : public Strategy {
 public:
  struct Options {
    Step most_steps = 15;  // of a worker's quota
    double smoothing = 0.5;
    bool simple = false;
    bool overlap = true;
  };

  explicit Pcp(const Options& options) : options_(options) {}

  Traits traits() const override {
    return {.kind = Traits::Kind::kLocal,
            .overlap = options_.overlap,
            .rebase = options_.overlap ? Traits::Rebase::kReapply : Traits::Rebase::kDiscard};
  }

  void observe(const Cluster& cluster, Instant, const Event& event) override {
    members_.resize(cluster.workers().size());
    if (const auto* pushed = std::get_if<Pushed>(&event)) learn(members_[pushed->worker.value], *pushed);
    if (cluster.computing() == 0) plan_round(cluster);
  }

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    std::vector<Decision> decisions = update_of_round(cluster);
    for (const auto& [step, worker] : cluster.waiting()) {
      const Member& member = members_[worker.value];
      decisions.emplace_back(
          Release{.worker = worker, .local_steps = member.quota, .overlap_steps = member.overlap_steps});
    }
    return decisions;
  }

 private:
  // Moving averages, in nanoseconds.
  struct Member {
    bool known = false;
    double compute = 0;  // of a step, injected delay included
    double upload = 0;   // of its push
    double download = 0;
    Step quota = 1;
    Step overlap_steps = 0;
  };

  // Of a worker whose times are known.
  struct Speed {
    WorkerId worker;
    Duration compute, upload, download;
    Duration first_arrival() const { return download + compute + upload; }
  };

  void learn(Member& member, const Pushed& push) const {
    const auto average = [&](double& old, Duration now, Step parts) {
      const double sample = static_cast<double>(now.count()) / static_cast<double>(parts);
      old = member.known ? options_.smoothing * old + (1 - options_.smoothing) * sample : sample;
    };
    average(member.compute, push.timing.data + push.timing.compute + push.timing.delay, push.steps);
    average(member.upload, push.timing.upload, 1);
    average(member.download, push.timing.download, 1);
    member.known = true;
  }

  // What every worker does in the round that begins now: the quota whose push arrives when the others' do, and as many
  // whole steps as are predicted to fit in between the end of the quota and the next model.
  void plan_round(const Cluster& cluster) {
    std::vector<Speed> speeds;
    for (const auto& [step, worker] : cluster.by_step()) {
      Member& member = members_[worker.value];
      member.quota = 1;
      member.overlap_steps = 0;
      if (member.known) speeds.push_back(speed_of(worker, member));
    }
    std::ranges::sort(speeds, {}, &Speed::worker);  // arrivals at the same time go by worker
    const Duration synchronization = options_.simple ? plan_by_slowest(speeds) : plan_by_spread(speeds);
    if (!options_.overlap) return;
    for (const Speed& speed : speeds) {
      Member& member = members_[speed.worker.value];
      const Duration computed = speed.download + member.quota * speed.compute;
      const Duration model_is_back = synchronization + speed.download;
      member.overlap_steps = static_cast<Step>(std::max(model_is_back - computed, Duration(0)) / speed.compute);
    }
  }

  static Speed speed_of(WorkerId worker, const Member& member) {
    const auto whole = [](double nanoseconds) { return Duration(std::llround(nanoseconds)); };
    return {.worker = worker,
            .compute = std::max(whole(member.compute), Duration(1)),
            .upload = whole(member.upload),
            .download = whole(member.download)};
  }

  // Both set the quotas and return when the last push is predicted to arrive.

  Duration plan_by_spread(const std::vector<Speed>& speeds) {
    std::vector<Forecast> arrivals;
    for (const Speed& speed : speeds) arrivals.push_back({.first = speed.first_arrival(), .interval = speed.compute});
    const Plan found = plan(Planner::kZipline, arrivals, options_.most_steps);
    for (std::size_t i = 0; i < speeds.size(); ++i) members_[speeds[i].worker.value].quota = found.quotas[i];
    return found.latest;
  }

  Duration plan_by_slowest(const std::vector<Speed>& speeds) {
    Duration slowest{};
    for (const Speed& speed : speeds) slowest = std::max(slowest, speed.first_arrival());
    for (const Speed& speed : speeds) {
      const auto fitting = static_cast<Step>((slowest - speed.download - speed.upload) / speed.compute);
      members_[speed.worker.value].quota = std::min(fitting, options_.most_steps);
    }
    return slowest;
  }

  Options options_;
  std::vector<Member> members_;
};

}  // namespace

Entry pcp_entry() {
  return {
      .name = "pcp",
      .brief = "rounds of as many local steps as predictions of computing and communication give each worker",
      .rule =
          "From the computing, upload and download times of each worker the server predicts when its pushes would "
          "arrive, and gives each the number of local steps with which all arrive closest together. When all have, the "
          "server moves the model by the mean of the pushes. While a push and the next model are on their way a worker "
          "takes as many steps as are predicted to fit, which stay on top of that model.",
      .source =
          "Zeng et al., CollaborateCom 2023, doi 10.1007/978-3-031-54531-3_21: the abstract, more of it could not be "
          "read",
      .stated =
          "A threshold chosen by hand makes workers wait long; the best moment for the synchronization is predicted "
          "instead, and fast nodes go on training locally while it runs.",
      .read =
          "All but that: the predictor is a moving average of measured times, the moment is chosen by ZipLine over "
          "arrivals (simple: when the slowest has done one step), the update is the mean over the workers that pushed "
          "in the round. A worker that has not pushed yet, in the first round or after it joined, takes one step. "
          "There is no time-out.",
      .kind = Traits::Kind::kLocal,
      .parameters =
          {[] {
             Parameter lookahead = lookahead_parameter();
             lookahead.meaning = "most steps before a push that are planned";
             lookahead.origin = Origin::kOurs;
             return lookahead;
           }(),
           {.name = "smoothing",
            .default_value = 0.5,
            .minimum = 0,
            .maximum = 0.999,
            .choices = {},
            .meaning = "of the moving averages, the part of the old value that is kept; 0: the last round alone",
            .origin = Origin::kOurs},
           {.name = "max_local_steps",
            .default_value = std::int64_t{0},
            .minimum = 0,
            .maximum = 1e6,
            .choices = {},
            .meaning = "most steps before a push, whatever the plan; 0: no limit. Those that a worker takes during the "
                       "synchronization are not counted",
            .origin = Origin::kOurs},
           {.name = "planner",
            .default_value = std::string("zipline"),
            .choices = {"zipline", "simple"},
            .meaning = "zipline: the arrivals that are closest together; simple: as many steps as fit until the "
                       "slowest worker's first push arrives",
            .origin = Origin::kOurs},
           {.name = "overlap",
            .default_value = true,
            .choices = {},
            .meaning = "compute on while a push and the next model are on their way"}},
      .make = [](const Parameters& parameters, const Setting&) -> std::unique_ptr<Strategy> {
        const auto cap = static_cast<Step>(parameters.integer("max_local_steps"));
        const auto lookahead = static_cast<Step>(parameters.integer("lookahead"));
        return std::make_unique<Pcp>(Pcp::Options{.most_steps = cap == 0 ? lookahead : std::min(lookahead, cap),
                                                  .smoothing = parameters.number("smoothing"),
                                                  .simple = parameters.word("planner") == "simple",
                                                  .overlap = parameters.flag("overlap")});
      },
  };
}

}  // namespace psctl::sync
