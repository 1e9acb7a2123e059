// Rules that every strategy must keep.
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <set>

#include "base/text.h"
#include "verify/rule.h"

namespace psctl::verify {
namespace {

using sync::Cluster;
using sync::Outcome;
using sync::Phase;
using sync::Use;

// Keeps books of its own and compares.
class Books final : public Rule {
 public:
  explicit Books(const sync::Setting& setting)
      : Rule("books",
             "Each push is used exactly once, by an update or by being set aside; each worker that goes on had waited; "
             "when all have left nothing is pending."),
        workers_(setting.workers) {}

  void see(const Moment& moment) override {
    std::visit([&](const auto& event) { admit(event); }, moment.event);
    for (const Outcome& outcome : moment.outcomes) {
      for (const Use& use : outcome.uses) take(use);
      if (std::holds_alternative<sync::Apply>(outcome.decision)) ++version_;
      if (const auto* release = std::get_if<sync::Release>(&outcome.decision)) let_go(*release);
      if (outcome.version != version_) broken(fmt::format("the model is at {}, not {}", outcome.version, version_));
    }
    compare(moment.cluster);
  }

  void end(const Cluster&) override {
    if (pending_.empty()) return;
    const Entry& entry = pending_.begin()->second;
    broken(fmt::format("all have left and worker {}'s step {} was never used", entry.worker.value, entry.step));
  }

 private:
  struct Entry {
    WorkerId worker;
    Step step = 0;
    Version base = 0;
  };
  struct Mine {
    Phase phase = Phase::kAbsent;
    Step step = 0;
    Version model = 0;
  };

  void admit(const sync::Joined& joined) {
    std::optional<Step> least;
    for (const Mine& mine : workers_) {
      const bool there = mine.phase == Phase::kComputing || mine.phase == Phase::kWaiting;
      if (there && (!least || mine.step < *least)) least = mine.step;
    }
    workers_[joined.worker.value] = {Phase::kWaiting, least.value_or(furthest_), version_};
  }
  void admit(const sync::Pushed& pushed) {
    Mine& mine = workers_[pushed.worker.value];
    if (mine.phase != Phase::kComputing)
      broken(fmt::format("worker {} pushes, but was not released", pushed.worker.value));
    mine.phase = Phase::kWaiting;
    mine.step += pushed.steps;
    furthest_ = std::max(furthest_, mine.step);
    pending_.emplace(PushId(++pushes_), Entry{pushed.worker, mine.step, mine.model});
  }
  void admit(const sync::Left& left) { workers_[left.worker.value].phase = Phase::kLeft; }
  void admit(const sync::Woke&) {}

  void take(const Use& use) {
    const auto found = pending_.find(use.push);
    if (found == pending_.end()) {
      broken(fmt::format("worker {}'s step {} is used a second time", use.worker.value, use.step));
    }
    const Entry& entry = found->second;
    if (entry.worker != use.worker || entry.step != use.step || entry.base != use.base) {
      broken(fmt::format("push {} is worker {}'s step {} on model {}, but is used as worker {}'s step {} on model {}",
                         use.push.value, entry.worker.value, entry.step, entry.base, use.worker.value, use.step,
                         use.base));
    }
    pending_.erase(found);
  }
  void let_go(const sync::Release& release) {
    Mine& mine = workers_[release.worker.value];
    if (mine.phase != Phase::kWaiting) broken(fmt::format("worker {} goes on, but did not wait", release.worker.value));
    mine.phase = Phase::kComputing;
    if (release.refresh == sync::Refresh::kTake) mine.model = version_;
  }
  void compare(const Cluster& cluster) const {
    std::size_t pending = 0;
    for (const auto& [id, push] : cluster.pending()) pending += push.contributors();
    if (pending != pending_.size()) {
      broken(fmt::format("{} pushes should be pending, the cluster has {}", pending_.size(), pending));
    }
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
      const sync::Worker& worker = cluster.worker(WorkerId(i));
      if (worker.phase != workers_[i].phase || worker.step != workers_[i].step || worker.model != workers_[i].model) {
        broken(fmt::format("worker {} should be at step {} with model {}, the cluster has step {} and model {}", i,
                           workers_[i].step, workers_[i].model, worker.step, worker.model));
      }
    }
  }

  std::vector<Mine> workers_;
  std::map<PushId, Entry> pending_;
  std::uint64_t pushes_ = 0;
  Step furthest_ = 0;
  Version version_ = 0;
};

class Weights final : public Rule {
 public:
  Weights()
      : Rule("weights", "Weights and rates are finite and above 0, and no update uses a push that was given up.") {}

  void see(const Moment& moment) override {
    if (const auto* pushed = std::get_if<sync::Pushed>(&moment.event)) {
      ++pushes_;
      if (pushed->empty) empty_.insert(PushId(pushes_));
    }
    for (const Outcome& outcome : moment.outcomes) {
      const auto* apply = std::get_if<sync::Apply>(&outcome.decision);
      if (!apply) continue;
      if (!(apply->rate > 0) || !std::isfinite(apply->rate)) broken(fmt::format("a rate of {}", apply->rate));
      for (const sync::Share& share : apply->shares) {
        if (!(share.weight > 0) || !std::isfinite(share.weight)) broken(fmt::format("a weight of {}", share.weight));
      }
      for (const Use& use : outcome.uses) {
        if (empty_.contains(use.push)) {
          broken(fmt::format("worker {} gave its step {} up, but the update uses it", use.worker.value, use.step));
        }
      }
    }
  }

 private:
  std::uint64_t pushes_ = 0;
  std::set<PushId> empty_;
};

class Declared final : public Rule {
 public:
  explicit Declared(const sync::Entry& entry)
      : Rule("as declared", "A strategy adds pushes together only if its entry says that it merges."),
        merges_(entry.merges) {}

  void see(const Moment& moment) override {
    if (merges_) return;
    for (const Outcome& outcome : moment.outcomes) {
      if (std::holds_alternative<sync::Merge>(outcome.decision)) broken("it merges two pushes");
    }
  }

 private:
  bool merges_;
};

// A worker that waits while each of the others makes many pushes would wait for ever if they went on. The limit is far
// above the steps that it is ahead.
class Patience final : public Rule {
 public:
  Patience()
      : Rule("nobody waits for ever", fmt::format("While the others go on, nobody waits for more than {} pushes of "
                                                  "each of them beyond the steps that it is ahead.",
                                                  kMost)) {}

  void see(const Moment& moment) override {
    const Cluster& cluster = moment.cluster;
    if (!moment.started) return;
    if (const auto* pushed = std::get_if<sync::Pushed>(&moment.event)) {
      for (auto& [waiting, seen] : waits_) ++seen.pushes[pushed->worker];
      waits_[pushed->worker] = {.lead = cluster.worker(pushed->worker).step - cluster.min_step(), .pushes = {}};
    }
    if (const auto* joined = std::get_if<sync::Joined>(&moment.event)) waits_[joined->worker] = {};
    std::erase_if(waits_, [&](const auto& wait) { return cluster.worker(wait.first).phase != Phase::kWaiting; });
    for (const auto& [waiting, seen] : waits_) check(cluster, waiting, seen);
  }

 private:
  static constexpr std::uint64_t kMost = 40;
  struct Wait {
    Step lead = 0;
    std::map<WorkerId, std::uint64_t> pushes;
  };

  void check(const Cluster& cluster, WorkerId waiting, const Wait& wait) const {
    if (wait.pushes.size() + 1 < cluster.present() || wait.pushes.empty()) return;
    for (const auto& [step, other] : cluster.by_step()) {
      if (other == waiting) continue;
      const auto found = wait.pushes.find(other);
      if (found == wait.pushes.end() || found->second <= kMost + wait.lead) return;
    }
    broken(fmt::format("worker {} still waits", waiting.value));
  }

  std::map<WorkerId, Wait> waits_;
};

class Memory final : public Rule {
 public:
  explicit Memory(std::size_t most)
      : Rule("memory", fmt::format("No more than {} held at a time, however fast some workers are.",
                                   counted(most, "push is", "pushes are"))),
        most_(most) {}

  void see(const Moment& moment) override {
    if (moment.cluster.pending().size() > most_) broken(fmt::format("{} are held", moment.cluster.pending().size()));
  }

 private:
  std::size_t most_;
};

class DeclaredGap final : public Rule {
 public:
  explicit DeclaredGap(Step most)
      : Rule("gap", fmt::format("A worker that goes on is at most {} ahead of the slowest.", counted(most, "step"))),
        most_(most) {}

  void see(const Moment& moment) override {
    for (const Outcome& outcome : moment.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (!release || moment.cluster.present() == 0) continue;
      const Step step = moment.cluster.worker(release->worker).step;
      if (step > moment.cluster.min_step() + most_) {
        broken(fmt::format("worker {} goes on, {} ahead", release->worker.value, step - moment.cluster.min_step()));
      }
    }
  }

 private:
  Step most_;
};

// Pushes that may be held: one a worker, and for a strategy that merges by step one for each step of its bound.
std::size_t most_pending(const Subject& subject, const sync::Setting& setting) {
  std::size_t most = setting.workers;
  if (subject.name == "bap") most += static_cast<std::size_t>(subject.parameters.integer("staleness"));
  return most;
}

}  // namespace

Rules common_rules(const Subject& subject, const sync::Setting& setting) {
  Rules rules;
  rules.push_back(std::make_unique<Books>(setting));
  rules.push_back(std::make_unique<Weights>());
  // Sync-Switch with elastic holds a straggler until asp begins, however long that takes.
  const bool holds = subject.name == "sync_switch" && subject.parameters.word("straggler_policy") == "elastic";
  if (!holds) rules.push_back(std::make_unique<Patience>());
  rules.push_back(std::make_unique<Memory>(most_pending(subject, setting)));
  if (const sync::Entry* entry = sync::find(subject.name)) {
    rules.push_back(std::make_unique<Declared>(*entry));
    const auto gap = entry->largest_gap ? entry->largest_gap(subject.parameters) : std::nullopt;
    if (gap) rules.push_back(std::make_unique<DeclaredGap>(*gap));
  }
  return rules;
}

Rules make_rules(const Subject& subject, const sync::Setting& setting) {
  Rules rules = common_rules(subject, setting);
  add_special_rules(subject, setting, rules);
  return rules;
}

}  // namespace psctl::verify
