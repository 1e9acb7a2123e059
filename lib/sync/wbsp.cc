// WBSP: nobody waits; fast workers take and push steps of their own until the slowest has pushed too, then all take the
// same model.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "sync/registry.h"

namespace psctl::sync {
namespace {

// A round ends with the push of the slowest worker. Its number is all that has to be kept of it: who has pushed in it,
// and who took the model of its beginning.
class Wbsp final : public Strategy {
 public:
  struct Options {
    bool versioned = true;
    bool overlap = false;
    Traits::Rebase rebase = Traits::Rebase::kDiscard;
    bool fixed_slowest = false;
  };

  explicit Wbsp(const Options& options) : options_(options) {}

  Traits traits() const override {
    return {.kind = Traits::Kind::kLocal, .overlap = options_.overlap, .rebase = options_.rebase};
  }

  void observe(const Cluster& cluster, Instant, const Event& event) override {
    members_.resize(cluster.workers().size());
    round_ended_ = refresh_ = false;
    if (const auto* joined = std::get_if<Joined>(&event)) {
      member(joined->worker).taken = round_;
      ++missing_;
    } else if (const auto* pushed = std::get_if<Pushed>(&event)) {
      see_push(cluster, pushed->worker);
    } else if (const auto* left = std::get_if<Left>(&event)) {
      if (member(left->worker).pushed < round_) --missing_;
      end_round_if(cluster, missing_ == 0);
    }
  }

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    if (!options_.versioned) {
      apply_at_once(cluster, decisions);
    } else if (round_ended_) {
      commit(cluster, decisions);
    } else {
      merge_by_worker(cluster, decisions);
    }
    for (const auto& [step, worker] : cluster.waiting()) {
      const bool take = refresh_ || cluster.worker(worker).pushes == 0;
      decisions.emplace_back(Release{.worker = worker,
                                     .refresh = take ? Refresh::kTake : Refresh::kKeep,
                                     .local_steps = options_.overlap ? 0U : 1U,
                                     .overlap_steps = options_.overlap ? kAnyNumber : 0});
    }
    return decisions;
  }

 private:
  struct Member {
    std::uint64_t pushed = 0;  // the round in which it last pushed
    std::uint64_t taken = 0;   // the round whose model it was last told to take
    PushId pending;            // the push that its others are merged into
  };

  // The worker that the authors' code takes for the slowest.
  static constexpr WorkerId kFixedSlowest{1};

  Member& member(WorkerId worker) { return members_[worker.value]; }

  void see_push(const Cluster& cluster, WorkerId worker) {
    Member& pusher = member(worker);
    if (std::exchange(pusher.pushed, round_) < round_) --missing_;
    if (!cluster.pending().contains(pusher.pending)) pusher.pending = cluster.worker(worker).last_push;
    end_round_if(cluster, fixed_is_present(cluster) ? worker == kFixedSlowest : missing_ == 0);
    refresh_ = std::exchange(pusher.taken, round_) < round_;
  }

  bool fixed_is_present(const Cluster& cluster) const {
    if (!options_.fixed_slowest || cluster.workers().size() <= kFixedSlowest.value) return false;
    const Phase phase = cluster.worker(kFixedSlowest).phase;
    return phase == Phase::kComputing || phase == Phase::kWaiting;
  }

  void end_round_if(const Cluster& cluster, bool slowest_has_pushed) {
    if (!slowest_has_pushed) return;
    round_ended_ = true;
    ++round_;
    missing_ = cluster.present();
  }

  static void apply_at_once(const Cluster& cluster, std::vector<Decision>& decisions) {
    const double weight = 1.0 / static_cast<double>(std::max<std::size_t>(1, cluster.present()));
    for (const auto& [id, push] : cluster.pending()) {
      decisions.emplace_back(Apply{.shares = {{.push = id, .weight = weight}}});
    }
  }

  // All that is pending, by worker; N counts whoever is present, and whoever left since it pushed.
  static void commit(const Cluster& cluster, std::vector<Decision>& decisions) {
    if (cluster.pending().empty()) return;
    std::vector<std::pair<WorkerId, PushId>> pushes;
    std::size_t workers = cluster.present();
    for (const auto& [id, push] : cluster.pending()) {
      pushes.emplace_back(push.worker, id);
      if (cluster.worker(push.worker).phase == Phase::kLeft) ++workers;
    }
    std::ranges::sort(pushes);
    Apply apply;
    for (const auto& [worker, id] : pushes) {
      apply.shares.push_back({.push = id, .weight = 1.0 / static_cast<double>(workers)});
    }
    decisions.emplace_back(std::move(apply));
  }

  // So that at most one push of each worker is pending, however many the slowest lets it make.
  void merge_by_worker(const Cluster& cluster, std::vector<Decision>& decisions) {
    if (cluster.pending().empty()) return;
    const auto& [newest, push] = *cluster.pending().rbegin();
    const PushId into = member(push.worker).pending;
    if (into != newest) decisions.emplace_back(Merge{.into = into, .from = newest});
  }

  Options options_;
  std::vector<Member> members_;
  std::uint64_t round_ = 1;
  std::size_t missing_ = 0;   // of the workers present, those that have not pushed in this round
  bool round_ended_ = false;  // by the last event
  bool refresh_ = false;      // the worker that has just pushed takes the model
};

}  // namespace

Entry wbsp_entry() {
  return {
      .name = "wbsp",
      .brief = "nobody waits: local steps, and a new model whenever the slowest has pushed",
      .rule =
          "Every worker takes steps of its own and pushes each by how much its model moved; nobody ever waits. When "
          "the slowest has pushed, the moves of all, divided by the number of workers, become the next version. Each "
          "worker takes it after its own next push and goes on from there.",
      .source =
          "Yang et al., Parallel Computing 121, 103092, 2024: the abstract; and its authors' code, "
          "github.com/Dora233/WBSP, with WBSP-PCC, here overlap",
      .stated =
          "Abstract: the global model is updated only when the slowest worker uploads, so that all take the same one. "
          "Code: each move is divided by N and added on arrival, the push of worker 1, fixed to be the slowest, flags "
          "all others to take the model at their next push; with PCC steps that were taken meanwhile are overwritten.",
      .read =
          "commit: versioned follows the abstract, arrival the code. slowest: all_pushed ends a round when each worker "
          "present has pushed in it; fixed is the code's worker 1, and all_pushed while that one is not there. N "
          "counts the workers present and, in versioned, those that left after a push of the round. A worker that "
          "joins counts from then on. rebase: reapply keeps the steps taken during a push and its answer.",
      .kind = Traits::Kind::kLocal,
      .merges = true,
      .parameters =
          {{.name = "commit",
            .default_value = std::string("versioned"),
            .choices = {"versioned", "arrival"},
            .meaning = "when moves reach the model: all of a round when the slowest pushes, or each at once"},
           {.name = "overlap",
            .default_value = false,
            .choices = {},
            .meaning = "compute on while a push and its answer are on their way; a push then holds all steps since the "
                       "last (WBSP-PCC)"},
           {.name = "rebase",
            .default_value = std::string("discard"),
            .choices = {"discard", "reapply"},
            .meaning =
                "what a new model does to the steps taken while it was on its way: they are lost, or taken again "
                "from it",
            .origin = Origin::kOurs,
            .needs = "overlap"},
           {.name = "slowest",
            .default_value = std::string("all_pushed"),
            .choices = {"all_pushed", "fixed"},
            .meaning = "whose push ends a round: the last worker's that had not pushed in it, or worker 1's",
            .origin = Origin::kOurs}},
      .make = [](const Parameters& parameters, const Setting& setting) -> std::unique_ptr<Strategy> {
        const bool fixed = parameters.word("slowest") == "fixed";
        if (fixed && setting.workers < 2) {
          throw UserError("strategy.slowest: fixed is worker 1, but cluster.workers: 1 has only worker 0");
        }
        return std::make_unique<Wbsp>(Wbsp::Options{
            .versioned = parameters.word("commit") == "versioned",
            .overlap = parameters.flag("overlap"),
            .rebase = parameters.word("rebase") == "reapply" ? Traits::Rebase::kReapply : Traits::Rebase::kDiscard,
            .fixed_slowest = fixed});
      },
  };
}

}  // namespace psctl::sync
