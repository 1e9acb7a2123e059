// Rules of strategies that add pushes together until an update is complete: bap, wbsp.
#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <vector>

#include "verify/special.h"

namespace psctl::verify {
namespace {

using sync::Cluster;
using sync::Outcome;

class CompleteVersions final : public Rule {
 public:
  CompleteVersions()
      : Rule("complete versions",
             "Version k is made of everybody's step k and of nothing else, as soon as the slowest has pushed it.") {}
  void see(const Moment& moment) override {
    for (const Outcome& outcome : moment.outcomes) {
      if (!std::holds_alternative<sync::Apply>(outcome.decision)) continue;
      for (const sync::Use& use : outcome.uses) {
        if (use.step != outcome.version) {
          broken(fmt::format("worker {}'s step {} is in version {}", use.worker.value, use.step, outcome.version));
        }
      }
    }
    const Cluster& cluster = moment.cluster;
    const Step slowest = cluster.present() > 0 ? cluster.min_step() : cluster.furthest_step();
    if (cluster.version() != slowest) {
      broken(fmt::format("the slowest is at step {}, the model at version {}", slowest, cluster.version()));
    }
  }
};

class BoundedCache final : public Rule {
 public:
  explicit BoundedCache(Step staleness)
      : Rule("bound",
             fmt::format("A worker waits exactly while it is {} steps ahead of the model's version, and keeps the "
                         "model at hand only if there is no newer one.",
                         staleness)),
        staleness_(staleness) {}
  void see(const Moment& moment) override {
    const Cluster& cluster = moment.cluster;
    for (const Outcome& outcome : moment.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (!release) continue;
      const sync::Worker& worker = cluster.worker(release->worker);
      if (worker.step >= cluster.version() + staleness_) {
        broken(fmt::format("worker {} goes on at step {}, the model is at {}", release->worker.value, worker.step,
                           cluster.version()));
      }
      if (worker.model != cluster.version()) {
        broken(fmt::format("worker {} goes on with model {}, there is {}", release->worker.value, worker.model,
                           cluster.version()));
      }
    }
    if (!moment.started) return;
    for (const auto& [step, worker] : cluster.waiting()) {
      if (step < cluster.version() + staleness_) {
        broken(fmt::format("worker {} waits at step {}, the model is at {}", worker.value, step, cluster.version()));
      }
      if (step > cluster.version() + staleness_) broken(fmt::format("worker {} is at step {}", worker.value, step));
    }
  }

 private:
  Step staleness_;
};

class NobodyWaits final : public Rule {
 public:
  NobodyWaits() : Rule("nobody waits", "Nobody ever waits.") {}
  void see(const Moment& moment) override {
    if (moment.started && !moment.cluster.waiting().empty()) {
      broken(fmt::format("worker {} waits", moment.cluster.waiting().begin()->second.value));
    }
  }
};

// A round of wbsp: from one push of the slowest to the next.
class Commits final : public Rule {
 public:
  Commits(const Subject& subject, const sync::Setting& setting)
      : Rule("commits",
             subject.parameters.word("commit") == "arrival"
                 ? "A push gets into the model when it arrives, divided by the workers; after the slowest's "
                   "push each takes the model once, else it keeps its own."
                 : "The moves of all, divided by the workers, get into the model when the slowest has pushed: "
                   "each worker present has a push in it. Then each takes the model once, else it keeps its "
                   "own."),
        versioned_(subject.parameters.word("commit") == "versioned"),
        fixed_(subject.parameters.word("slowest") == "fixed"),
        owed_(setting.workers) {}

  void see(const Moment& moment) override {
    const Cluster& cluster = moment.cluster;
    if (const auto* joined = std::get_if<sync::Joined>(&moment.event)) owed_[joined->worker.value] = true;
    if (const auto* pushed = std::get_if<sync::Pushed>(&moment.event)) pushed_.insert(pushed->worker);
    if (!moment.started) return;
    const bool over = round_is_over(moment);
    if (over) {
      pushed_.clear();
      for (std::uint32_t i = 0; i < owed_.size(); ++i) owed_[i] = owed_[i] || is_present(cluster.worker(WorkerId(i)));
    }
    for (const Outcome& outcome : moment.outcomes) {
      if (const auto* release = std::get_if<sync::Release>(&outcome.decision)) check(*release);
      if (!std::holds_alternative<sync::Apply>(outcome.decision)) continue;
      if (versioned_ && !over) broken("the model changes, but somebody has not pushed since it last did");
      check_weights(cluster, outcome);
    }
    if ((over || !versioned_) && !cluster.pending().empty()) {
      broken(versioned_ ? "all have pushed since the last change of the model, but pushes are held" : "a push is held");
    }
  }

 private:
  bool round_is_over(const Moment& moment) const {
    const Cluster& cluster = moment.cluster;
    const auto* pushed = std::get_if<sync::Pushed>(&moment.event);
    if (fixed_ && is_present(cluster.worker(WorkerId(1))) && pushed) return pushed->worker == WorkerId(1);
    if (!pushed && !std::holds_alternative<sync::Left>(moment.event)) return false;
    return std::ranges::all_of(cluster.by_step(), [&](const auto& entry) { return pushed_.contains(entry.second); });
  }
  void check(const sync::Release& release) {
    const bool take = release.refresh == sync::Refresh::kTake;
    if (take != owed_[release.worker.value]) {
      broken(take ? fmt::format("worker {} takes the model again before the slowest has pushed", release.worker.value)
                  : fmt::format("worker {} keeps its model though the slowest has pushed", release.worker.value));
    }
    owed_[release.worker.value] = false;
  }
  void check_weights(const Cluster& cluster, const Outcome& outcome) const {
    std::set<WorkerId> workers;
    for (const auto& [step, worker] : cluster.by_step()) workers.insert(worker);
    for (const sync::Use& use : outcome.uses) {
      if (versioned_) workers.insert(use.worker);
    }
    const double weight = 1.0 / static_cast<double>(std::max<std::size_t>(1, workers.size()));
    for (const sync::Use& use : outcome.uses) {
      if (!near(use.weight, weight)) {
        broken(fmt::format("worker {}'s step {} weighs {}, not {}", use.worker.value, use.step, use.weight, weight));
      }
    }
  }

  bool versioned_, fixed_;
  std::set<WorkerId> pushed_;  // in this round
  std::vector<bool> owed_;     // the model of the last round's end
};

}  // namespace

void add_merge_rules(const Subject& subject, const sync::Setting& setting, Rules& rules) {
  if (subject.name == "bap") {
    rules.push_back(std::make_unique<CompleteVersions>());
    rules.push_back(std::make_unique<BoundedCache>(static_cast<Step>(subject.parameters.integer("staleness"))));
  }
  if (subject.name == "wbsp") {
    rules.push_back(std::make_unique<NobodyWaits>());
    rules.push_back(std::make_unique<Commits>(subject, setting));
  }
}

}  // namespace psctl::verify
