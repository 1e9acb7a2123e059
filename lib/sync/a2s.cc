// A2S, adaptive synchronous strategy: a group of fast workers behind a relaxed barrier, the slow ones asynchronous.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "sync/registry.h"

namespace psctl::sync {
namespace {

enum class Weighting { kPushCount, kMean, kSum };

// Everything is decided once a push, in observe(); decide() carries it out.
class A2s final : public Strategy {
 public:
  struct Options {
    std::uint64_t relax_pushes = 5;
    Weighting weighting = Weighting::kPushCount;
    Step epoch_steps = 1;
    bool whole_epochs = true;
    bool check_any_push = false;
    UpdateScale scale = UpdateScale::kFull;
  };

  explicit A2s(const Options& options) : options_(options) {}

  void observe(const Cluster& cluster, Instant, const Event& event) override {
    waited_for_.clear();
    barrier_.clear();
    alone_.reset();
    if (const auto* joined = std::get_if<Joined>(&event)) {
      free_.push_back(joined->worker);
    } else if (const auto* pushed = std::get_if<Pushed>(&event)) {
      free_.clear();
      see_push(cluster, pushed->worker);
    } else if (const auto* left = std::get_if<Left>(&event)) {
      crossed_.erase(left->worker);
      fire(cluster);
      group_.clear();
    }
  }

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    if (!barrier_.empty() && cluster.pending().contains(barrier_.front().push)) {
      decisions.emplace_back(Apply{.shares = barrier_});
    }
    if (alone_ && cluster.pending().contains(*alone_)) {
      decisions.emplace_back(Apply{.shares = {{.push = *alone_}}, .rate = rate_of_one_push(options_.scale, cluster)});
    }
    for (const WorkerId worker : free_) {
      if (cluster.worker(worker).phase == Phase::kWaiting) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }

  std::vector<WorkerId> waited_for() const override { return waited_for_; }

 private:
  void see_push(const Cluster& cluster, WorkerId worker) {
    const Worker& pusher = cluster.worker(worker);
    if (pusher.step % options_.epoch_steps == 0) crossed_.insert(worker);
    if (group_.empty() && everybody_crossed(cluster)) regroup(cluster);
    if (!buffer_.empty()) ++seen_;
    const bool member = group_.contains(worker);
    if (member) {
      buffer_.emplace(worker, pusher.last_push);
    } else {
      alone_ = pusher.last_push;
      free_.push_back(worker);
    }
    const bool complete = member && buffer_.size() == group_.size();
    const bool relaxed = (member || options_.check_any_push) && seen_ > options_.relax_pushes;
    if (buffer_.empty() || !(complete || relaxed)) return;
    if (!complete) {
      for (const WorkerId other : group_) {
        if (!buffer_.contains(other)) waited_for_.push_back(other);
      }
    }
    fire(cluster);
    if (everybody_crossed(cluster)) group_.clear();
  }

  bool everybody_crossed(const Cluster& cluster) const { return crossed_.size() == cluster.present(); }

  // As many workers behind the barrier as the slowest is epochs behind the fastest, but never the slowest itself; none
  // for less than two.
  void regroup(const Cluster& cluster) {
    crossed_.clear();
    const std::size_t workers = cluster.present();
    const Step epoch = options_.epoch_steps, first = cluster.max_step(), last = cluster.min_step();
    const Step stale = options_.whole_epochs ? first / epoch - last / epoch : (first - last) / epoch;
    if (stale < 2) return;
    std::vector<std::pair<Step, WorkerId>> rank(cluster.by_step().begin(), cluster.by_step().end());
    std::ranges::sort(rank, [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    rank.resize(std::min<Step>(stale, workers - 1));
    for (const auto& [step, worker] : rank) group_.insert(worker);
  }

  // The update of what has been buffered; its workers go on.
  void fire(const Cluster& cluster) {
    seen_ = 0;
    double clocks = 0;
    for (const auto& [worker, push] : buffer_) clocks += static_cast<double>(cluster.worker(worker).step);
    for (const auto& [worker, push] : buffer_) {
      double weight = 1;
      if (options_.weighting == Weighting::kMean) weight = 1 / static_cast<double>(buffer_.size());
      if (options_.weighting == Weighting::kPushCount) {
        weight = static_cast<double>(cluster.worker(worker).step) / clocks;
      }
      barrier_.push_back({.push = push, .weight = weight});
      free_.push_back(worker);
    }
    buffer_.clear();
  }

  Options options_;
  std::set<WorkerId> crossed_;         // an epoch boundary since the last regrouping
  std::set<WorkerId> group_;           // the fast ones; empty: everybody is asynchronous
  std::map<WorkerId, PushId> buffer_;  // behind the barrier
  std::uint64_t seen_ = 0;             // pushes of anybody since the buffer began to fill
  std::vector<Share> barrier_;         // the update that the last event made of the buffer
  std::optional<PushId> alone_;        // the last push, if it does not go through the barrier
  std::vector<WorkerId> free_;         // who wait for nothing
  std::vector<WorkerId> waited_for_;
};

Weighting weighting(const std::string& word) {
  if (word == "mean") return Weighting::kMean;
  return word == "sum" ? Weighting::kSum : Weighting::kPushCount;
}

}  // namespace

Entry a2s_entry() {
  return {
      .name = "a2s",
      .brief = "the fastest workers wait for each other behind a relaxed barrier, the others run as under asp",
      .rule =
          "When every worker has finished an epoch of its own since the last time, as many of the fastest as the "
          "slowest is epochs behind (never the slowest itself, none for less than two) become a group; the others go "
          "on as under asp. A push of the group waits at a barrier that opens when the whole group is there, or at a "
          "push of a member after more than `relax_pushes` pushes of anybody. It opens with one update, in which those "
          "that have pushed more weigh more.",
      .source = "Tan et al., IJIS 37(12), 2022, abstract; the rule as in the authors' code, mqdigihub/A2S",
      .stated =
          "The code counts staleness in epochs, regroups when all have crossed an epoch and no group is left, "
          "dissolves the group at a barrier when all have crossed one again, weighs by push counts, and relaxes after "
          "5 pushes (3 for ResNet). Asynchronous pushes have the full learning rate.",
      .read =
          "Workers of one epoch are ranked by their clock, then by the lower id. Clocks stand for push counts, so that "
          "one that joins late ranks and weighs as the slowest. When anybody leaves, what is buffered is applied and "
          "the group dissolved. The decay of the learning rate is optimizer.schedule. The authors' trial of a mean "
          "with a momentum of its own is left out.",
      .parameters =
          {{.name = "relax_pushes",
            .default_value = std::int64_t{5},
            .minimum = 0,
            .maximum = 1e9,
            .choices = {},
            .meaning = "the barrier opens incomplete after more pushes than this"},
           {.name = "weighting",
            .default_value = std::string("push_count"),
            .choices = {"push_count", "mean", "sum"},
            .meaning = "weight of a push in the group's update: by its worker's clock, 1/size, or 1"},
           {.name = "epoch_steps",
            .default_value = std::int64_t{0},
            .minimum = 0,
            .maximum = 1e9,
            .choices = {},
            .meaning = "steps in a worker's epoch; 0: the full batches of an even share of the samples",
            .origin = Origin::kOurs},
           {.name = "stale_unit",
            .default_value = std::string("epoch"),
            .choices = {"epoch", "iteration"},
            .meaning = "how far the slowest is behind: epochs that it has finished less, as in the code, or steps that "
                       "it is behind in whole epochs",
            .origin = Origin::kOurs},
           {.name = "check",
            .default_value = std::string("member_push"),
            .choices = {"member_push", "any_push"},
            .meaning = "whose push may open the barrier incomplete: of the group alone, as in the code, or anybody's",
            .origin = Origin::kOurs},
           update_scale_parameter("full")},
      .make = [](const Parameters& parameters, const Setting& setting) -> std::unique_ptr<Strategy> {
        auto epoch_steps = static_cast<Step>(parameters.integer("epoch_steps"));
        if (epoch_steps == 0) epoch_steps = setting.steps_per_epoch;
        if (epoch_steps == 0) {
          throw UserError(
              "strategy.epoch_steps: a2s must know the steps in a worker's epoch, and a worker's partition does not "
              "tell (timing only, or less than a batch); set strategy.epoch_steps");
        }
        return std::make_unique<A2s>(
            A2s::Options{.relax_pushes = static_cast<std::uint64_t>(parameters.integer("relax_pushes")),
                         .weighting = weighting(parameters.word("weighting")),
                         .epoch_steps = epoch_steps,
                         .whole_epochs = parameters.word("stale_unit") == "epoch",
                         .check_any_push = parameters.word("check") == "any_push",
                         .scale = update_scale(parameters)});
      },
  };
}

}  // namespace psctl::sync
