// Dynamic stale synchronous parallel: SSP whose fastest worker may run ahead, as far as it pays.
#include "sync/dssp.h"

#include <algorithm>

#include "sync/registry.h"

namespace psctl::sync {

// Both rows of expected pushes ascend. Of two that are compared, the earlier one can only be further from the pushes
// that follow the other.
Step extra_steps(const LastPushes& fast, const LastPushes& slow, Step range, Objective objective) {
  const Duration fast_interval = fast.latest - fast.before, slow_interval = slow.latest - slow.before;
  Instant of_fast = fast.latest, of_slow = slow.latest + slow_interval;
  Step steps = 0, best = 0;
  Duration least = Duration::max();
  for (Step of_slow_seen = 0; steps <= range && of_slow_seen <= range;) {
    const Duration wait = of_slow - of_fast;
    if (wait >= Duration::zero() || objective == Objective::kAbsolute) {
      if (std::chrono::abs(wait) < least) {
        least = std::chrono::abs(wait);
        best = steps;
      }
    }
    if (of_fast < of_slow) {
      of_fast += fast_interval;
      ++steps;
    } else {
      of_slow += slow_interval;
      ++of_slow_seen;
    }
  }
  return best;
}

namespace {

class Dssp final : public Strategy {
 public:
  struct Options {
    Step staleness = 3;
    Step range = 12;
    bool exact_credit = false;
    bool hard_cap = false;
    bool until_next_push = false;
    Objective objective = Objective::kAbsolute;
    bool any_fastest = false;
    UpdateScale scale = UpdateScale::kFull;
  };

  explicit Dssp(const Options& options) : options_(options) {}

  // The credits of a worker are spent, and the controller is asked, once a push.
  void observe(const Cluster& cluster, Instant, const Event& event) override {
    credits_.resize(cluster.workers().size());
    pusher_.reset();
    goes_on_ = slowest_pushed_ = false;
    if (const auto* pushed = std::get_if<Pushed>(&event)) {
      pusher_ = pushed->worker;
      goes_on_ = may_go_on(cluster, pushed->worker);
      slowest_pushed_ = pushed->worker == slowest_;
    }
    slowest_ = cluster.by_step().empty() ? WorkerId{} : cluster.by_step().begin()->second;
  }

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    for (const auto& [id, push] : cluster.pending()) {
      decisions.emplace_back(Apply{.shares = {{.push = id}}, .rate = rate_of_one_push(options_.scale, cluster)});
    }
    const bool all = options_.until_next_push && slowest_pushed_;
    const Step bound = cluster.min_step() + options_.staleness;
    for (const auto& [step, worker] : cluster.waiting()) {
      if (step > bound && !all) break;
      // The slowest's push does not bring the others nearer to it if another one is as slow.
      if (options_.hard_cap && step > bound + options_.range) break;
      if (step <= bound || worker != pusher_ || goes_on_) decisions.emplace_back(Release{.worker = worker});
    }
    if (goes_on_ && !all) {
      const Worker& pusher = cluster.worker(*pusher_);
      if (pusher.phase == Phase::kWaiting && pusher.step > bound) decisions.emplace_back(Release{.worker = *pusher_});
    }
    return decisions;
  }

 private:
  // Though it is more than the lower bound ahead.
  bool may_go_on(const Cluster& cluster, WorkerId worker) {
    Step& credit = credits_[worker.value];
    if (credit > 0) {
      --credit;
      return true;
    }
    const Worker& fast = cluster.worker(worker);
    const Step gap = fast.step - cluster.min_step();
    if (gap <= options_.staleness || !is_fastest(cluster, worker)) return false;
    const Worker& slow = cluster.worker(cluster.by_step().begin()->second);
    if (slow.pushes == 0) return false;
    Step more = extra_steps({fast.pushed, fast.pushed_before}, {slow.pushed, slow.pushed_before}, options_.range,
                            options_.objective);
    if (options_.hard_cap) {
      const Step most = options_.staleness + options_.range + 1;
      more = std::min(more, most > gap ? most - gap : 0);
    }
    if (more == 0) return false;
    credit = options_.exact_credit ? more - 1 : more;
    return true;
  }

  bool is_fastest(const Cluster& cluster, WorkerId worker) const {
    const Step most = cluster.max_step();
    if (options_.any_fastest) return cluster.worker(worker).step == most;
    return cluster.by_step().lower_bound({most, WorkerId{}})->second == worker;
  }

  Options options_;
  std::vector<Step> credits_;       // steps that a worker may take without being looked at, by worker
  std::optional<WorkerId> pusher_;  // of the last event
  bool goes_on_ = false;            // the pusher, wherever the others are
  WorkerId slowest_;                // after the last event
  bool slowest_pushed_ = false;     // the pusher was the slowest before its push
};

Parameter word(const char* name, const char* default_word, std::vector<std::string> choices, const char* meaning,
               Origin origin) {
  return {.name = name,
          .default_value = std::string(default_word),
          .choices = std::move(choices),
          .meaning = meaning,
          .origin = origin};
}

}  // namespace

Entry dssp_entry() {
  return {
      .name = "dssp",
      .brief = "as ssp, but the fastest may run on when that is predicted to save waiting",
      .rule =
          "As ssp with `staleness` as the bound, but the fastest worker may run ahead of it as far as it pays. When it "
          "exceeds the bound, a controller predicts from the last two pushes of that worker and of the slowest how "
          "many steps more, up to `range`, would let it wait least. These it takes without being looked at; if that "
          "is none, it waits as under ssp.",
      .source = "Zhao et al., ICDCS 2019 (arXiv 1908.11848), Algorithms 1 and 2",
      .stated =
          "The bounds are s_L = `staleness` and s_U = s_L + `range`; the published runs have 3 and 12. The controller "
          "minimises the absolute difference of predicted pushes.",
      .read =
          "Taken literally the grant is followed by one more look-free push (credit: literal), and nothing enforces "
          "s_U: the controller is asked again, so that a worker that stays fast runs as under asp (hard_cap: false). "
          "The figure, not the listing, releases at the slow worker's next push (release: next_push). An absolute "
          "difference may choose a push just after the slow one (objective: wait does not). The controller is not "
          "asked before the slowest worker has pushed; of ties it takes the fewest steps. An interval is the time "
          "between two pushes, waiting included.",
      .parameters =
          {{.name = "staleness",
            .default_value = std::int64_t{3},
            .minimum = 0,
            .maximum = 1e9,
            .choices = {},
            .meaning = "steps that every worker may be ahead of the slowest: s_L"},
           {.name = "range",
            .default_value = std::int64_t{12},
            .minimum = 0,
            .maximum = 1e5,
            .choices = {},
            .meaning = "most steps more that the controller grants: r_max"},
           word("credit", "literal", {"literal", "exact"},
                "a grant of r steps: literal is looked at again at push r + 1 as listed, exact at push r as drawn",
                Origin::kPaper),
           {.name = "hard_cap",
            .default_value = false,
            .choices = {},
            .meaning = "no grant beyond staleness + range + 1 steps ahead; credit: literal adds its one look-free push",
            .origin = Origin::kOurs},
           word("release", "lower_bound", {"lower_bound", "next_push"},
                "who waits goes on when it is within the lower bound as listed, or at the next push of the slowest as "
                "drawn",
                Origin::kPaper),
           word("objective", "absolute", {"absolute", "wait"},
                "the predicted push nearest to one of the slowest worker, or the nearest that is not after it",
                Origin::kOurs),
           word("fastest", "first", {"first", "any"},
                "of several workers that are furthest, the controller is asked for that of the lowest id, or for any",
                Origin::kOurs),
           update_scale_parameter("full")},
      .make = [](const Parameters& parameters, const Setting&) -> std::unique_ptr<Strategy> {
        return std::make_unique<Dssp>(
            Dssp::Options{.staleness = static_cast<Step>(parameters.integer("staleness")),
                          .range = static_cast<Step>(parameters.integer("range")),
                          .exact_credit = parameters.word("credit") == "exact",
                          .hard_cap = parameters.flag("hard_cap"),
                          .until_next_push = parameters.word("release") == "next_push",
                          .objective = parameters.word("objective") == "wait" ? Objective::kWait : Objective::kAbsolute,
                          .any_fastest = parameters.word("fastest") == "any",
                          .scale = update_scale(parameters)});
      },
  };
}

}  // namespace psctl::sync
