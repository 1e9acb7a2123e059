// Rules of strategies that work in rounds: bsp, local_sgd, backup.
#include <fmt/format.h>
#include <map>

#include "verify/special.h"

namespace psctl::verify {
namespace {

using sync::Outcome;

class Together final : public Rule {
 public:
  Together()
      : Rule("rounds together",
             "Workers go on together, when nobody computes any more, and with the same model: one update of all that "
             "was pushed in the round.") {}

  void see(const Moment& moment) override {
    if (std::holds_alternative<sync::Pushed>(moment.event)) ++pushed_;
    if (!moment.started) return;
    const std::size_t releases = releases_in(moment);
    const sync::Cluster& cluster = moment.cluster;
    if (releases == 0) {
      if (cluster.present() > 0 && cluster.computing() == 0) broken("nobody computes and nobody goes on");
    } else if (releases != cluster.present()) {
      broken(fmt::format("{} of {} workers go on", releases, cluster.present()));
    }
    std::size_t updates = 0, used = 0;
    bool released = false;
    for (const Outcome& outcome : moment.outcomes) {
      released = released || std::holds_alternative<sync::Release>(outcome.decision);
      used += outcome.uses.size();
      if (!std::holds_alternative<sync::Apply>(outcome.decision)) continue;
      ++updates;
      if (released) broken("an update comes after a worker has gone on");
    }
    if (updates > 1) broken(fmt::format("{} updates in a round", updates));
    const bool over = releases > 0 || cluster.present() == 0;
    if (over && used != pushed_) broken(fmt::format("{} pushes in the round, {} of them used", pushed_, used));
    if (!over && used > 0) broken("pushes are used before the round is over");
    if (over) pushed_ = 0;
  }

 private:
  std::size_t pushed_ = 0;  // in this round
};

class Period final : public Rule {
 public:
  explicit Period(Step period)
      : Rule("period", fmt::format("A worker goes on for {} steps of its own.", period)), period_(period) {}
  void see(const Moment& moment) override {
    for (const Outcome& outcome : moment.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (release && release->local_steps != period_) {
        broken(fmt::format("worker {} goes on for {}", release->worker.value, release->local_steps));
      }
    }
  }

 private:
  Step period_;
};

// Of the workers in a round (those that have pushed in it and those that compute) all but `backups` are in its update.
class Quorum final : public Rule {
 public:
  explicit Quorum(std::size_t backups)
      : Rule("quorum",
             fmt::format("A round ends as soon as at most {} of its workers have not pushed; only a push that was "
                         "computed on an older model is set aside, and no update has one.",
                         backups)),
        backups_(backups) {}

  void see(const Moment& moment) override {
    const sync::Cluster& cluster = moment.cluster;
    const std::size_t computed = cluster.computing() - releases_in(moment);
    const Version before = version_;
    for (const Outcome& outcome : moment.outcomes) {
      if (std::holds_alternative<sync::Apply>(outcome.decision)) {
        version_ = outcome.version;
        if (computed > backups_) broken(fmt::format("the round ended while {} computed", computed));
        for (const sync::Use& use : outcome.uses) {
          if (use.base != before) {
            broken(fmt::format("worker {}'s step {} was computed on model {}, not on {}", use.worker.value, use.step,
                               use.base, before));
          }
        }
      }
      if (std::holds_alternative<sync::Discard>(outcome.decision)) {
        for (const sync::Use& use : outcome.uses) {
          if (use.base == before && !given_up(moment, use)) {
            broken(fmt::format("worker {}'s step {} was in time, but is set aside", use.worker.value, use.step));
          }
        }
      }
    }
    if (!cluster.pending().empty() && cluster.computing() <= backups_) {
      broken(fmt::format("only {} compute, but the round goes on", cluster.computing()));
    }
    for (const auto& [id, push] : cluster.pending()) {
      if (push.base < version_) broken(fmt::format("worker {}'s late step {} is kept", push.worker.value, push.step));
    }
  }

 private:
  static bool given_up(const Moment& moment, const sync::Use& use) {
    const auto* pushed = std::get_if<sync::Pushed>(&moment.event);
    return pushed && pushed->empty && pushed->worker == use.worker;
  }

  std::size_t backups_;
  Version version_ = 0;
};

}  // namespace

void add_round_rules(const Subject& subject, const sync::Setting&, Rules& rules) {
  if (subject.name == "bsp" || subject.name == "local_sgd" || subject.name == "pcp")
    rules.push_back(std::make_unique<Together>());
  if (subject.name == "local_sgd") {
    rules.push_back(std::make_unique<Period>(static_cast<Step>(subject.parameters.integer("period"))));
  }
  if (subject.name == "backup") {
    rules.push_back(std::make_unique<Quorum>(static_cast<std::size_t>(subject.parameters.integer("backups"))));
  }
}

}  // namespace psctl::verify
