// ElasticBSP: barriers at the moments that a planner predicts to cost the least waiting, asynchronous steps in between.
#include <algorithm>
#include <utility>

#include "sync/planner.h"
#include "sync/registry.h"
#include "sync/round.h"

namespace psctl::sync {
namespace {

// A superstep is the time between two barriers. In it every worker pushes as often as its quota says.
class ElasticBsp final : public Strategy {
 public:
  struct Options {
    Step lookahead = 15;
    Planner planner = Planner::kZipline;
    bool final_on_arrival = false;
    std::uint64_t warmup_supersteps = 1;
    bool interval_between_pushes = false;
    UpdateScale scale = UpdateScale::kFull;
  };

  explicit ElasticBsp(const Options& options) : options_(options) {}

  void observe(const Cluster& cluster, Instant now, const Event& event) override {
    members_.resize(cluster.workers().size());
    at_once_.reset();
    goes_on_.reset();
    if (const auto* pushed = std::get_if<Pushed>(&event)) {
      Member& member = members_[pushed->worker.value];
      const Worker& worker = cluster.worker(pushed->worker);
      const Instant begun = options_.interval_between_pushes ? worker.pushed_before : worker.released;
      member.interval = std::max(now - begun, Duration(1));
      superstep_has_pushes_ = true;
      if (++member.done < member.quota) goes_on_ = pushed->worker;
      if (goes_on_ || options_.final_on_arrival) at_once_ = worker.last_push;
    }
    at_barrier_ = cluster.computing() == 0 && !goes_on_;
    if (at_barrier_) plan_superstep(cluster);
  }

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    if (at_once_ && cluster.pending().contains(*at_once_)) {
      decisions.emplace_back(Apply{.shares = {{.push = *at_once_}}, .rate = rate_of_one_push(options_.scale, cluster)});
    }
    if (goes_on_ && cluster.worker(*goes_on_).phase == Phase::kWaiting) {
      decisions.emplace_back(Release{.worker = *goes_on_});
    }
    if (at_barrier_) {
      if (!at_once_) decisions = update_of_round(cluster);
      for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }

 private:
  struct Member {
    Step quota = 1;
    Step done = 0;        // pushes in this superstep
    Duration interval{};  // of its last step; 0: it has made none
  };

  // The quotas of the superstep that begins now. They are kept by count: a wrong prediction costs waiting, no more.
  void plan_superstep(const Cluster& cluster) {
    if (std::exchange(superstep_has_pushes_, false)) ++supersteps_;
    std::vector<WorkerId> planned;
    std::vector<Forecast> forecasts;
    for (const auto& [step, worker] : cluster.by_step()) {
      Member& member = members_[worker.value];
      member = {.quota = 1, .done = 0, .interval = member.interval};
      if (member.interval == Duration(0)) continue;
      planned.push_back(worker);
    }
    if (supersteps_ < options_.warmup_supersteps) return;
    std::ranges::sort(planned);  // endings at the same time go by worker
    for (const WorkerId worker : planned) {
      const Duration interval = members_[worker.value].interval;
      forecasts.push_back({.first = interval, .interval = interval});
    }
    const Plan found = plan(options_.planner, forecasts, options_.lookahead);
    for (std::size_t i = 0; i < planned.size(); ++i) members_[planned[i].value].quota = found.quotas[i];
  }

  Options options_;
  std::vector<Member> members_;
  std::uint64_t supersteps_ = 0;  // that are over
  bool superstep_has_pushes_ = false;
  bool at_barrier_ = false;          // all have come to it with the last event
  std::optional<PushId> at_once_;    // the push of the last event, if it is not held for the barrier
  std::optional<WorkerId> goes_on_;  // whose push was the last event and not its last of the superstep
};

}  // namespace

Entry elastic_bsp_entry() {
  return {
      .name = "elastic_bsp",
      .brief = "supersteps: each worker makes as many pushes as a planner gives it, then all meet",
      .rule =
          "At a barrier a planner predicts when each worker will end its next steps and gives every worker a number of "
          "steps such that all end as close together as can be. Until a worker has done them, each push becomes an "
          "update at once and it goes on; then it waits. When all have done theirs, the last pushes become one update "
          "of their mean and all take the same model.",
      .source =
          "Zhao et al., ICDM 2019, sections III to V and Algorithm 2; ZipLineOpt and ZipLineOptBS: Zhao et al., DSAA "
          "2021 and Machine Learning 110, 2021",
      .stated =
          "Endings are predicted from the last interval of each worker. One of each is chosen so that the spread is "
          "least, of equal ones the first. Updates within a superstep are asynchronous, at the barrier gradients are "
          "aggregated as in BSP; the first superstep is one step of each.",
      .read =
          "Steps are counted, never timed. Endings count from the release at the barrier. interval: free leaves out "
          "the wait at a barrier, between_pushes does not, as the authors' generator. final_push: arrival applies "
          "also the last push at once. A worker whose speed is not known yet takes one step; one that joins enters "
          "with the next superstep, and the held push of one that left counts at the barrier. planner: zipline and "
          "lazy_queue give the result of Algorithm 2 without its search, zipline_paper is that search word by word.",
      .parameters =
          {lookahead_parameter(),
           planner_parameter(),
           {.name = "final_push",
            .default_value = std::string("barrier"),
            .choices = {"barrier", "arrival"},
            .meaning = "when a worker's last push of a superstep is applied: with the mean at the barrier, or at once",
            .origin = Origin::kOurs},
           {.name = "warmup_supersteps",
            .default_value = std::int64_t{1},
            .minimum = 1,
            .maximum = 1e6,
            .choices = {},
            .meaning = "supersteps of one step a worker at the start, before anything is predicted"},
           {.name = "interval",
            .default_value = std::string("free"),
            .choices = {"free", "between_pushes"},
            .meaning =
                "what predicts a worker's steps: the last time from a release to the push, or between two pushes",
            .origin = Origin::kOurs},
           update_scale_parameter("full")},
      .make = [](const Parameters& parameters, const Setting&) -> std::unique_ptr<Strategy> {
        return std::make_unique<ElasticBsp>(ElasticBsp::Options{
            .lookahead = static_cast<Step>(parameters.integer("lookahead")),
            .planner = planner(parameters),
            .final_on_arrival = parameters.word("final_push") == "arrival",
            .warmup_supersteps = static_cast<std::uint64_t>(parameters.integer("warmup_supersteps")),
            .interval_between_pushes = parameters.word("interval") == "between_pushes",
            .scale = update_scale(parameters)});
      },
  };
}

}  // namespace psctl::sync
