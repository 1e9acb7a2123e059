// Sync-Switch: a share of the work under BSP, the rest under ASP, switched while the workers run.
#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "sync/registry.h"
#include "sync/round.h"
#include "sync/straggler_detector.h"

namespace psctl::sync {
namespace {

enum class StragglerPolicy { kNone, kGreedy, kElastic };

class SyncSwitch final : public Strategy {
 public:
  struct Options {
    bool bsp_first = true;
    std::uint64_t switch_samples = 0;  // received under the first protocol
    std::uint64_t batch_size = 1;
    StragglerPolicy policy = StragglerPolicy::kNone;
    std::size_t detect_window = 5;
    double detect_factor = 1.5;
    bool reset = false;
    UpdateScale scale = UpdateScale::kMean;
  };

  explicit SyncSwitch(const Options& options)
      : options_(options),
        detector_(options.detect_window, options.detect_factor),
        switched_(options.switch_samples == 0),
        planned_asp_(options.bsp_first == switched_) {}

  void observe(const Cluster& cluster, Instant now, const Event& event) override {
    const bool asp_before = asp();
    last_round_ = false;
    rejected_.reset();
    if (const auto* pushed = std::get_if<Pushed>(&event)) see_push(cluster, now, *pushed);
    if (const auto* left = std::get_if<Left>(&event)) {
      detector_.forget(left->worker);
      out_.erase(left->worker);
    }
    if (!planned_asp_) deal_with_stragglers(cluster);
    const bool round_is_complete = computing_in_round(cluster) == 0;
    if (!planned_asp_ && !switched_ && received_ >= options_.switch_samples && (detour_ || round_is_complete)) {
      switched_ = planned_asp_ = true;
      detour_ = false;
      out_.clear();
    }
    if (asp() == asp_before) return;
    last_round_ = asp() && round_is_complete;
    const bool update_before = last_round_ && cluster.pending().size() > (rejected_ ? 1U : 0U);
    if (options_.reset) reset_at_ = cluster.version() + (update_before ? 1 : 0);
  }

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    if (rejected_ && cluster.pending().contains(*rejected_)) return {Discard{.push = *rejected_}};
    std::vector<Decision> decisions;
    if (asp() && !last_round_) {
      decisions = updates_of_one(cluster);
    } else if (last_round_ || computing_in_round(cluster) == 0) {
      decisions = update_of_round(cluster);
    } else {
      return {};
    }
    if (!decisions.empty() && cluster.version() == reset_at_) std::get<Apply>(decisions.front()).reset = true;
    for (const auto& [step, worker] : cluster.waiting()) {
      if (!out_.contains(worker)) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }

 private:
  bool asp() const { return planned_asp_ || detour_; }

  void see_push(const Cluster& cluster, Instant now, const Pushed& pushed) {
    // The push that completes the share of ASP is still one of its own.
    if (planned_asp_ && !switched_ && received_ >= options_.switch_samples) {
      switched_ = true;
      planned_asp_ = false;
    }
    const Worker& worker = cluster.worker(pushed.worker);
    if (out_.contains(pushed.worker)) {
      rejected_ = worker.last_push;
    } else if (options_.policy != StragglerPolicy::kNone) {
      detector_.record(pushed.worker, now - std::max(worker.pushed_before, worker.released));
    }
    if (!switched_ && !detour_ && !pushed.empty) received_ += options_.batch_size;
  }

  void deal_with_stragglers(const Cluster& cluster) {
    if (options_.policy == StragglerPolicy::kGreedy) detour_ = detector_.any();
    if (options_.policy != StragglerPolicy::kElastic) return;
    for (const WorkerId worker : detector_.stragglers()) {
      out_.insert(worker);
      detector_.forget(worker);
    }
    if (out_.size() >= cluster.present()) out_.clear();  // nobody else is left to finish the share
  }

  // Computing workers that the open round waits for.
  std::size_t computing_in_round(const Cluster& cluster) const {
    const auto others =
        std::ranges::count_if(out_, [&](WorkerId worker) { return cluster.worker(worker).phase == Phase::kComputing; });
    return cluster.computing() - static_cast<std::size_t>(others);
  }

  // Several only where BSP is left within a round.
  std::vector<Decision> updates_of_one(const Cluster& cluster) const {
    std::vector<std::pair<WorkerId, PushId>> pushes;
    for (const auto& [id, push] : cluster.pending()) pushes.emplace_back(push.worker, id);
    std::ranges::sort(pushes);
    std::vector<Decision> decisions;
    for (const auto& [worker, id] : pushes) {
      decisions.emplace_back(Apply{.shares = {{.push = id}}, .rate = rate_of_one_push(options_.scale, cluster)});
    }
    return decisions;
  }

  Options options_;
  StragglerDetector detector_;
  std::uint64_t received_ = 0;       // samples, under the first protocol
  bool switched_;                    // as planned
  bool planned_asp_;                 // what the plan wants now
  bool detour_ = false;              // greedy: ASP while there is a straggler, though the plan wants BSP
  std::set<WorkerId> out_;           // elastic: stragglers that the rounds do without
  bool last_round_ = false;          // the last event completed a round, after which comes ASP
  std::optional<PushId> rejected_;   // what a worker that is out had on its way
  std::optional<Version> reset_at_;  // the update of this version is the first after a switch
};

// Samples under the first protocol.
std::uint64_t switch_samples(const Parameters& parameters, const Setting& setting, bool bsp_first) {
  if (parameters.has("switch_epoch")) {
    if (setting.train_samples == 0) {
      throw UserError(
          "strategy.switch_epoch: sync_switch cannot count epochs without data; leave it out, and give stop.samples "
          "and strategy.bsp_share");
    }
    return static_cast<std::uint64_t>(
        std::llround(parameters.number("switch_epoch") * static_cast<double>(setting.train_samples)));
  }
  if (!setting.total_samples) {
    throw UserError(
        "strategy.bsp_share: sync_switch must know the work of the run, of which this is a share; give stop.epochs or "
        "stop.samples, or strategy.switch_epoch");
  }
  const double share = parameters.number("bsp_share");
  return static_cast<std::uint64_t>(
      std::llround((bsp_first ? share : 1 - share) * static_cast<double>(*setting.total_samples)));
}

StragglerPolicy straggler_policy(const std::string& word) {
  if (word == "greedy") return StragglerPolicy::kGreedy;
  return word == "elastic" ? StragglerPolicy::kElastic : StragglerPolicy::kNone;
}

}  // namespace

Entry sync_switch_entry() {
  return {
      .name = "sync_switch",
      .brief = "bsp for a share of the work, then asp",
      .rule =
          "The first `bsp_share` of the work, in samples, is done under bsp, the rest under asp. The switch comes at "
          "the barrier of the last round, while the workers run. While there are stragglers the share of bsp can be "
          "interrupted (greedy) or finished without them (elastic).",
      .source = "Li et al., ICDCS 2021 (arXiv 2104.08364): abstract; code and data of cake-lab/Sync-Switch",
      .stated =
          "A step of bsp is the work of N steps of asp: of W steps, bsp runs share * W / N. Batch and learning rate "
          "are divided by N at the switch. Shares from 0.0625 to 0.5 were found by a search; bsp first is better than "
          "asp first.",
      .read =
          "A worker's batch is the same in both phases, so an update of one push has the rate 1/N (update_scale). "
          "Switching is done in place, not by a restart. A straggler's mean interval over its last pushes is above "
          "detect_factor times the median of the workers (of an even number the lower of the two in the middle, so "
          "that the slower of two workers can be found); waiting does not count. Greedy: pending pushes of a round "
          "that is left are "
          "applied one by one, by worker; a fresh round begins when no straggler is left, and the time in between does "
          "not count in the share. Elastic: a straggler is held and its push on the way is dropped, until asp begins "
          "or nobody else is left.",
      .parameters =
          {{.name = "bsp_share",
            .default_value = 0.0625,
            .minimum = 0,
            .maximum = 1,
            .choices = {},
            .meaning = "share of the work of the run (stop.epochs or stop.samples) that is done under bsp",
            .replaced_by = "switch_epoch"},
           {.name = "switch_epoch",
            .default_value = {},
            .type_of_absent = 0.0,
            .minimum = 0,
            .maximum = 1e6,
            .choices = {},
            .meaning = "epochs under the first protocol; takes the place of bsp_share",
            .origin = Origin::kOurs},
           {.name = "order",
            .default_value = std::string("bsp_asp"),
            .choices = {"bsp_asp", "asp_bsp"},
            .meaning = "which protocol comes first"},
           {.name = "straggler_policy",
            .default_value = std::string("none"),
            .choices = {"none", "greedy", "elastic"},
            .meaning = "what a straggler does to the share of bsp: nothing, asp until it is gone, or go on without it"},
           {.name = "detect_window",
            .default_value = std::int64_t{5},
            .minimum = 1,
            .maximum = 1e6,
            .choices = {},
            .meaning = "pushes over which a worker's interval is averaged to detect a straggler",
            .origin = Origin::kOurs,
            .needs = "straggler_policy"},
           {.name = "detect_factor",
            .default_value = 1.5,
            .minimum = 1,
            .maximum = 1e6,
            .choices = {},
            .meaning = "a worker is a straggler while its mean interval exceeds this multiple of the workers' median",
            .origin = Origin::kOurs,
            .needs = "straggler_policy"},
           {.name = "momentum",
            .default_value = std::string("keep"),
            .choices = {"keep", "reset"},
            .meaning = "what the first update after a switch does with the optimizer's velocity or moments",
            .origin = Origin::kOurs},
           update_scale_parameter("mean")},
      .make = [](const Parameters& parameters, const Setting& setting) -> std::unique_ptr<Strategy> {
        const bool bsp_first = parameters.word("order") == "bsp_asp";
        return std::make_unique<SyncSwitch>(
            SyncSwitch::Options{.bsp_first = bsp_first,
                                .switch_samples = switch_samples(parameters, setting, bsp_first),
                                .batch_size = setting.batch_size,
                                .policy = straggler_policy(parameters.word("straggler_policy")),
                                .detect_window = static_cast<std::size_t>(parameters.integer("detect_window")),
                                .detect_factor = parameters.number("detect_factor"),
                                .reset = parameters.word("momentum") == "reset",
                                .scale = update_scale(parameters)});
      },
  };
}

}  // namespace psctl::sync
