// Rules of strategies that plan how many steps each worker takes before all meet: elastic_bsp, pcp.
#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "verify/brute_force.h"
#include "verify/special.h"

namespace psctl::verify {
namespace {

using sync::Cluster;
using sync::Outcome;

class Quotas final : public Rule {
 public:
  Quotas(Step most, bool overlap)
      : Rule("quotas", fmt::format("A worker goes on for 1 to {} steps{}.", most,
                                   overlap ? "" : ", and takes none while it waits")),
        most_(most),
        overlap_(overlap) {}
  void see(const Moment& moment) override {
    for (const Outcome& outcome : moment.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (!release) continue;
      if (release->local_steps < 1 || release->local_steps > most_) {
        broken(fmt::format("worker {} goes on for {}", release->worker.value, release->local_steps));
      }
      if (!overlap_ && release->overlap_steps > 0) broken(fmt::format("worker {} overlaps", release->worker.value));
    }
  }

 private:
  Step most_;
  bool overlap_;
};

// Works out every superstep of ElasticBSP from the events, with a planner that tries all.
class Supersteps final : public Rule {
 public:
  Supersteps(const sync::Parameters& parameters, const sync::Setting& setting)
      : Rule("supersteps",
             "Inside a superstep a worker goes on at once until it has made as many pushes as the plan with the least "
             "spread gives it, 1 to `lookahead`; it then waits for all others, and all go on with the same model."),
        lookahead_(static_cast<Step>(parameters.integer("lookahead"))),
        warmup_(static_cast<std::uint64_t>(parameters.integer("warmup_supersteps"))),
        exact_(parameters.word("planner").find("grid") == std::string::npos),
        from_release_(parameters.word("interval") == "free"),
        on_arrival_(parameters.word("final_push") == "arrival"),
        workers_(setting.workers) {}

  void see(const Moment& moment) override {
    const Cluster& cluster = moment.cluster;
    learn(moment);
    if (!moment.started) return;
    const std::size_t releases = releases_in(moment);
    const bool barrier = releases > 0 && releases == cluster.present() && !inside(moment);
    for (const auto& [step, id] : cluster.by_step()) {
      const Mine& mine = workers_[id.value];
      const bool waits = cluster.worker(id).phase == sync::Phase::kWaiting;
      if (mine.done > lookahead_) broken(fmt::format("worker {} has made {} pushes", id.value, mine.done));
      if (barrier || !exact_) continue;
      if (!waits && mine.member && mine.done >= mine.quota) {
        broken(fmt::format("worker {} goes on after {} of {} pushes", id.value, mine.done, mine.quota));
      }
      if (waits && mine.member && mine.done < mine.quota) {
        broken(fmt::format("worker {} waits after {} of {} pushes", id.value, mine.done, mine.quota));
      }
    }
    if (exact_ && !barrier && cluster.present() > 0 && cluster.computing() == 0)
      broken("all are there, but nobody goes on");
    if (exact_ && barrier && !all_done(cluster)) broken("the barrier ends before all have made their pushes");
    if (!barrier && releases > 1) broken(fmt::format("{} workers go on, but not all", releases));
    check_updates(moment, barrier || cluster.present() == 0);
    if (barrier) plan_next(moment);
    for (const auto& [step, id] : cluster.by_step()) {
      if (cluster.worker(id).phase == sync::Phase::kComputing) workers_[id.value].released = released_at(moment, id);
    }
  }

 private:
  struct Mine {
    bool member = false;  // of the superstep
    Step quota = 1, done = 0;
    Duration interval{};
    Instant released{}, pushed{};
  };

  // Whether the only release is one of a worker that has pushes left.
  bool inside(const Moment& moment) const {
    const auto* pushed = std::get_if<sync::Pushed>(&moment.event);
    if (!pushed || moment.cluster.present() > 1) return false;
    // What an inexact planner gave it is not known: a push that is still held is none of a barrier.
    if (!exact_) return !moment.cluster.pending().empty();
    const Mine& mine = workers_[pushed->worker.value];
    return mine.done < mine.quota;
  }
  bool all_done(const Cluster& cluster) const {
    return std::ranges::all_of(cluster.by_step(), [&](const auto& entry) {
      const Mine& mine = workers_[entry.second.value];
      return !mine.member || mine.done >= mine.quota;
    });
  }
  void learn(const Moment& moment) {
    if (const auto* joined = std::get_if<sync::Joined>(&moment.event)) {
      workers_[joined->worker.value] = {.released = moment.now, .pushed = moment.now};
    }
    if (const auto* pushed = std::get_if<sync::Pushed>(&moment.event)) {
      Mine& mine = workers_[pushed->worker.value];
      mine.interval = std::max(moment.now - (from_release_ ? mine.released : mine.pushed), Duration(1));
      mine.pushed = moment.now;
      ++mine.done;
      any_pushed_ = true;
    }
  }
  static bool released(const Moment& moment, WorkerId id) {
    return std::ranges::any_of(moment.outcomes, [&](const Outcome& outcome) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      return release && release->worker == id;
    });
  }
  Instant released_at(const Moment& moment, WorkerId id) const {
    return released(moment, id) ? moment.now : workers_[id.value].released;
  }
  // Inside, an update is the push that came; the held ones make one update at the barrier.
  void check_updates(const Moment& moment, bool barrier) const {
    std::size_t updates = 0;
    for (const Outcome& outcome : moment.outcomes) {
      if (!std::holds_alternative<sync::Apply>(outcome.decision)) continue;
      ++updates;
      if (outcome.uses.size() > 1 && (!barrier || on_arrival_)) {
        broken(fmt::format("update {} inside a superstep is made of {} pushes", outcome.version, outcome.uses.size()));
      }
    }
    if (updates > 1) broken(fmt::format("{} updates at once", updates));
    if ((barrier || on_arrival_) && !moment.cluster.pending().empty()) broken("a push is held beyond its time");
  }
  void plan_next(const Moment& moment) {
    if (std::exchange(any_pushed_, false)) ++supersteps_;
    std::vector<WorkerId> known;
    std::vector<std::pair<Duration, Duration>> forecasts;
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
      Mine& mine = workers_[i];
      if (!is_present(moment.cluster.worker(WorkerId(i)))) continue;
      mine.member = true;
      mine.done = 0;
      mine.quota = 1;
      if (mine.interval == Duration{}) continue;
      known.push_back(WorkerId(i));
      forecasts.emplace_back(mine.interval, mine.interval);
    }
    if (supersteps_ < warmup_ || !exact_ || known.empty()) return;
    const Selection best = first_least_spread(forecasts, lookahead_);
    for (std::size_t i = 0; i < known.size(); ++i) workers_[known[i].value].quota = best.quotas[i];
  }

  Step lookahead_;
  std::uint64_t warmup_, supersteps_ = 0;
  bool exact_, from_release_, on_arrival_;
  std::vector<Mine> workers_;
  bool any_pushed_ = false;
};

}  // namespace

void add_planned_rules(const Subject& subject, const sync::Setting& setting, Rules& rules) {
  const sync::Parameters& parameters = subject.parameters;
  if (subject.name == "elastic_bsp") rules.push_back(std::make_unique<Supersteps>(parameters, setting));
  if (subject.name == "pcp") {
    const auto cap = static_cast<Step>(parameters.integer("max_local_steps"));
    const auto lookahead = static_cast<Step>(parameters.integer("lookahead"));
    rules.push_back(
        std::make_unique<Quotas>(cap == 0 ? lookahead : std::min(cap, lookahead), parameters.flag("overlap")));
  }
}

}  // namespace psctl::verify
