// Rules of strategies that change between synchronous and asynchronous: a2s, sync_switch.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>
#include <tuple>

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
             "the "
             "first and the last form a group, none for less than two and never the last itself. Only they wait, until "
             "the group is complete or more than `relax_pushes` pushes have come; then one weighted update of theirs "
             "lets them go on. Every other push gets into the model at once."),
        relax_(static_cast<std::uint64_t>(parameters.integer("relax_pushes"))),
        weighting_(parameters.word("weighting")),
        any_push_(parameters.word("check") == "any_push"),
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
    std::set<WorkerId> waiting, held;
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
    const Step epochs = std::get<0>(rank.front()) - std::get<0>(rank.back());
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
  bool any_push_;
  Step epoch_;
  std::set<WorkerId> crossed_, group_, buffer_;
};

}  // namespace

void add_switch_rules(const Subject& subject, const sync::Setting& setting, Rules& rules) {
  if (subject.name == "a2s") rules.push_back(std::make_unique<FastGroup>(subject.parameters, setting));
}

}  // namespace psctl::verify
