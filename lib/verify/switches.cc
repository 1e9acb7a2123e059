// Rules of strategies that change between synchronous and asynchronous: a2s, sync_switch.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "verify/brute_force.h"
#include "verify/special.h"

namespace psctl::verify {
namespace {

using sync::Cluster;
using sync::Outcome;

// The state machine of A2S's authors, worked out from the events.
class FastGroup final : public Rule {
 public:
  FastGroup(const sync::Parameters& parameters, const sync::Setting& setting)
      : Rule("fast group",
             "When all have finished an epoch since the last time, as many of the fastest as there are epochs between "
             "the first and the last form a group, none for less than two and never the last itself. Only they wait, "
             "until the group is complete or more than `relax_pushes` pushes have come; then one weighted update of "
             "theirs lets them go on. Every other push gets into the model at once."),
        relax_(static_cast<std::uint64_t>(parameters.integer("relax_pushes"))),
        weighting_(parameters.word("weighting")),
        any_push_(parameters.word("check") == "any_push"),
        by_steps_(parameters.word("stale_unit") == "iteration"),
        epoch_(static_cast<Step>(parameters.integer("epoch_steps"))) {
    if (epoch_ == 0) epoch_ = setting.steps_per_epoch;
  }

  void see(const Moment& moment) override {
    const Cluster& cluster = moment.cluster;
    std::set<WorkerId> fired;
    std::optional<WorkerId> alone;
    if (const auto* pushed = std::get_if<sync::Pushed>(&moment.event)) {
      push(cluster, pushed->worker, fired, alone);
    }
    if (const auto* left = std::get_if<sync::Left>(&moment.event)) {
      crossed_.erase(left->worker);
      fired = std::exchange(buffer_, {});
      group_.clear();
      clock_ = 0;
    }
    check_updates(moment, fired, alone);
    if (!moment.started) return;
    std::set<WorkerId> waiting;
    for (const auto& [step, id] : cluster.waiting()) waiting.insert(id);
    if (waiting != buffer_) {
      broken(fmt::format("workers {{{}}} wait, it should be {{{}}}", text(waiting), text(buffer_)));
    }
  }

 private:
  static std::string text(const std::set<WorkerId>& workers) {
    std::vector<std::uint32_t> ids;
    for (const WorkerId worker : workers) ids.push_back(worker.value);
    return fmt::format("{}", fmt::join(ids, ", "));
  }

  void push(const Cluster& cluster, WorkerId id, std::set<WorkerId>& fired, std::optional<WorkerId>& alone) {
    if (cluster.worker(id).step % epoch_ == 0) crossed_.insert(id);
    if (group_.empty() && crossed_.size() == cluster.present()) regroup(cluster);
    if (!buffer_.empty()) ++clock_;
    const bool member = group_.contains(id);
    if (member) {
      buffer_.insert(id);
    } else {
      alone = id;
    }
    if (buffer_.empty()) return;
    const bool complete = member && buffer_ == group_;
    if (!complete && !(clock_ > relax_ && (member || any_push_))) return;
    fired = std::exchange(buffer_, {});
    clock_ = 0;
    if (crossed_.size() == cluster.present()) group_.clear();
  }
  void regroup(const Cluster& cluster) {
    crossed_.clear();
    // By epochs, then by clocks, then the lower id.
    std::vector<std::tuple<Step, Step, std::int64_t, WorkerId>> rank;
    for (const auto& [step, id] : cluster.by_step()) {
      rank.emplace_back(step / epoch_, step, -static_cast<std::int64_t>(id.value), id);
    }
    std::ranges::sort(rank, std::greater());
    Step epochs = std::get<0>(rank.front()) - std::get<0>(rank.back());
    if (by_steps_) epochs = (std::get<1>(rank.front()) - std::get<1>(rank.back())) / epoch_;
    if (epochs <= 1) return;
    const std::size_t size = epochs >= rank.size() ? rank.size() - 1 : epochs;
    for (std::size_t i = 0; i < size; ++i) group_.insert(std::get<3>(rank[i]));
  }
  void check_updates(const Moment& moment, const std::set<WorkerId>& fired, std::optional<WorkerId> alone) const {
    bool saw_alone = false, saw_group = false;
    for (const Outcome& outcome : moment.outcomes) {
      if (!std::holds_alternative<sync::Apply>(outcome.decision)) continue;
      if (outcome.uses.size() == 1 && alone == outcome.uses.front().worker) {
        saw_alone = true;
        if (!near(outcome.uses.front().weight, 1)) broken("the push of a worker outside of the group does not weigh 1");
        continue;
      }
      saw_group = true;
      std::set<WorkerId> workers;
      double clocks = 0;
      for (const sync::Use& use : outcome.uses) {
        workers.insert(use.worker);
        clocks += static_cast<double>(use.step);
      }
      if (workers != fired)
        broken(fmt::format("the group's update is of {{{}}}, not of {{{}}}", text(workers), text(fired)));
      for (const sync::Use& use : outcome.uses) {
        double weight = static_cast<double>(use.step) / clocks;
        if (weighting_ == "mean") weight = 1.0 / static_cast<double>(outcome.uses.size());
        if (weighting_ == "sum") weight = 1;
        if (!near(use.weight, weight))
          broken(fmt::format("worker {} weighs {}, not {}", use.worker.value, use.weight, weight));
      }
    }
    if (alone && !saw_alone) broken(fmt::format("worker {} is not in the group, but its push is held", alone->value));
    if (saw_group != !fired.empty()) broken(saw_group ? "the barrier opens too early" : "the barrier does not open");
  }

  std::uint64_t relax_, clock_ = 0;
  std::string weighting_;
  bool any_push_, by_steps_;
  Step epoch_;
  std::set<WorkerId> crossed_, group_, buffer_;
};

// Sync-Switch: rounds and single pushes, when the one gives way to the other, and what a straggler does to the rounds.
class SwitchPoint final : public Rule {
 public:
  SwitchPoint(const sync::Parameters& parameters, const sync::Setting& setting)
      : Rule("switch", text_of(parameters.word("straggler_policy"))),
        bsp_first_(parameters.word("order") == "bsp_asp"),
        mean_(parameters.word("update_scale") == "mean"),
        reset_(parameters.word("momentum") == "reset"),
        greedy_(parameters.word("straggler_policy") == "greedy"),
        elastic_(parameters.word("straggler_policy") == "elastic"),
        window_(static_cast<std::size_t>(parameters.integer("detect_window"))),
        factor_(parameters.number("detect_factor")),
        batch_(setting.batch_size),
        began_(setting.workers) {
    if (parameters.has("switch_epoch")) {
      share_ = parameters.number("switch_epoch") * static_cast<double>(setting.train_samples);
    } else {
      const double bsp = parameters.number("bsp_share");
      share_ = (bsp_first_ ? bsp : 1 - bsp) * static_cast<double>(setting.total_samples.value_or(0));
    }
    share_ = std::round(share_);
    switched_ = share_ == 0;
  }

  void see(const Moment& moment) override {
    const bool asp_before = asp();
    rejected_.reset();
    if (const auto* pushed = std::get_if<sync::Pushed>(&moment.event)) see_push(moment, *pushed);
    if (const auto* joined = std::get_if<sync::Joined>(&moment.event)) began_[joined->worker.value] = moment.now;
    if (const auto* left = std::get_if<sync::Left>(&moment.event)) {
      intervals_.erase(left->worker);
      out_.erase(left->worker);
    }
    if (bsp_first_ != switched_) see_stragglers(moment.cluster);
    const bool complete = computed_in_round(moment) == 0;
    if (bsp_first_ && !switched_ && received_ >= share_ && (detour_ || complete)) {
      switched_ = true;
      detour_ = false;
      out_.clear();
    }
    if (moment.started) {
      check_discards(moment);
      const bool last_round = asp() && !asp_before && complete;
      if (asp() && !last_round) {
        see_asp(moment);
      } else {
        see_bsp(moment, complete);
      }
    }
    check_reset(moment);
    for (const Outcome& outcome : moment.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (release) began_[release->worker.value] = moment.now;
    }
  }

 private:
  static std::string text_of(const std::string& policy) {
    std::string text =
        "The first protocol runs until its share of the samples has come: bsp to the end of that round, asp to the "
        "push that completes it. Under bsp all go on together after one update of the round at the full rate, under "
        "asp nobody waits and an update is one push at the rate divided by the workers (update_scale: mean).";
    if (policy == "none") return text;
    text +=
        " A straggler's last detect_window intervals take more than detect_factor times the median of the workers "
        "(of an even number the lower of the two in the middle).";
    return text + (policy == "greedy"
                       ? " While there is one, bsp gives way to asp."
                       : " The rounds of bsp do without it: it is held, and what it had on its way is discarded.");
  }

  bool asp() const { return bsp_first_ == switched_ || detour_; }

  void see_push(const Moment& moment, const sync::Pushed& pushed) {
    // Under asp the push that completes the share is still one of its own; the next one is not.
    if (!bsp_first_ && !switched_ && received_ >= share_) switched_ = true;
    if (!switched_ && !detour_) received_ += static_cast<double>(pushed.empty ? 0 : batch_);
    if (out_.contains(pushed.worker)) {
      rejected_ = pushed.worker;
      return;
    }
    ++round_;
    std::vector<Duration>& own = intervals_[pushed.worker];
    own.push_back(moment.now - began_[pushed.worker.value]);
    if (own.size() > window_) own.erase(own.begin());
  }
  void see_stragglers(const Cluster& cluster) {
    std::map<WorkerId, Duration> sums;
    for (const auto& [worker, own] : intervals_) {
      if (own.size() == window_) sums[worker] = std::accumulate(own.begin(), own.end(), Duration{});
    }
    const std::vector<WorkerId> slow = above_median(sums, factor_);
    if (greedy_) detour_ = !slow.empty();
    if (!elastic_) return;
    for (const WorkerId worker : slow) {
      out_.insert(worker);
      intervals_.erase(worker);
    }
    if (out_.size() >= cluster.present()) out_.clear();
  }
  // Workers whose pushes the round waited for when the event had come.
  std::size_t computed_in_round(const Moment& moment) const {
    std::set<WorkerId> released;
    for (const Outcome& outcome : moment.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (release) released.insert(release->worker);
    }
    return static_cast<std::size_t>(std::ranges::count_if(moment.cluster.by_step(), [&](const auto& place) {
      const WorkerId id = place.second;
      return moment.cluster.worker(id).phase == sync::Phase::kComputing && !released.contains(id) && !out_.contains(id);
    }));
  }

  void check_discards(const Moment& moment) const {
    std::size_t discards = 0;
    for (const Outcome& outcome : moment.outcomes) {
      if (!std::holds_alternative<sync::Discard>(outcome.decision)) continue;
      ++discards;
      if (outcome.uses.front().worker != rejected_) {
        broken(fmt::format("a push of worker {}, which is not out, is discarded", outcome.uses.front().worker.value));
      }
    }
    if (rejected_ && discards == 0) broken(fmt::format("worker {} is out, but its push is kept", rejected_->value));
  }
  void see_bsp(const Moment& moment, bool complete) {
    const Cluster& cluster = moment.cluster;
    for (const auto& [step, id] : cluster.waiting()) {
      if (complete && !out_.contains(id)) broken(fmt::format("worker {} waits after a round", id.value));
    }
    for (const Outcome& outcome : moment.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (!release) continue;
      if (!complete) broken("somebody goes on before the round is over");
      if (out_.contains(release->worker)) broken(fmt::format("worker {} is out, and goes on", release->worker.value));
    }
    std::size_t used = 0;
    for (const Outcome& outcome : moment.outcomes) {
      const auto* apply = std::get_if<sync::Apply>(&outcome.decision);
      if (!apply) continue;
      if (!near(apply->rate, 1)) broken(fmt::format("a round's update is made at {} of the rate", apply->rate));
      used += outcome.uses.size();
      if (outcome.uses.size() != round_)
        broken(fmt::format("a round of {} pushes, an update of {}", round_, outcome.uses.size()));
    }
    if (!complete && used > 0) broken("a push is used before the round is over");
    if (complete) round_ = 0;
  }
  void see_asp(const Moment& moment) {
    round_ = 0;
    const Cluster& cluster = moment.cluster;
    if (!cluster.waiting().empty()) broken(fmt::format("worker {} waits", cluster.waiting().begin()->second.value));
    if (!cluster.pending().empty()) broken("a push is held");
    const double rate = mean_ ? 1.0 / static_cast<double>(std::max<std::size_t>(1, cluster.present())) : 1;
    for (const Outcome& outcome : moment.outcomes) {
      const auto* apply = std::get_if<sync::Apply>(&outcome.decision);
      if (!apply) continue;
      if (outcome.uses.size() != 1) broken(fmt::format("an update of {} pushes", outcome.uses.size()));
      if (!near(apply->rate, rate))
        broken(fmt::format("an update is made at {} of the rate, not {}", apply->rate, rate));
    }
  }
  void check_reset(const Moment& moment) {
    for (const Outcome& outcome : moment.outcomes) {
      const auto* apply = std::get_if<sync::Apply>(&outcome.decision);
      if (!apply || !apply->reset) continue;
      if (!reset_) broken("the optimizer forgets its momentum, and should keep it");
      if (std::exchange(was_reset_, true) && !greedy_) broken("the optimizer forgets its momentum a second time");
    }
  }

  bool bsp_first_, mean_, reset_, greedy_, elastic_;
  std::size_t window_;
  double factor_;
  std::size_t batch_, round_ = 0;  // pushes in the open round
  double share_ = 0, received_ = 0;
  bool switched_ = false, detour_ = false, was_reset_ = false;
  std::vector<Instant> began_;                           // each worker's step at hand
  std::map<WorkerId, std::vector<Duration>> intervals_;  // the last ones, up to a window
  std::set<WorkerId> out_;
  std::optional<WorkerId> rejected_;  // who is out and has pushed now
};

}  // namespace

void add_switch_rules(const Subject& subject, const sync::Setting& setting, Rules& rules) {
  if (subject.name == "sync_switch") rules.push_back(std::make_unique<SwitchPoint>(subject.parameters, setting));
  if (subject.name == "a2s") rules.push_back(std::make_unique<FastGroup>(subject.parameters, setting));
}

}  // namespace psctl::verify
