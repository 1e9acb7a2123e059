// Rules of strategies that make an update of every push: asp, ssp, psp, dssp.
#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/text.h"
#include "verify/brute_force.h"
#include "verify/special.h"

namespace psctl::verify {
namespace {

using sync::Cluster;
using sync::Outcome;

class OnePush final : public Rule {
 public:
  explicit OnePush(bool mean)
      : Rule("update of one push",
             mean ? "An update is made of one push, at the learning rate divided by the workers present."
                  : "An update is made of one push, at the full learning rate."),
        mean_(mean) {}
  void see(const Moment& moment) override {
    for (const Outcome& outcome : moment.outcomes) {
      const auto* apply = std::get_if<sync::Apply>(&outcome.decision);
      if (!apply) continue;
      if (outcome.uses.size() != 1)
        broken(fmt::format("update {} is made of {}", outcome.version, outcome.uses.size()));
      const double rate = mean_ ? 1.0 / static_cast<double>(std::max<std::size_t>(1, moment.cluster.present())) : 1;
      if (!near(apply->rate, rate))
        broken(fmt::format("update {} is made at {} of the rate", outcome.version, apply->rate));
    }
  }

 private:
  bool mean_;
};

class AtOnce final : public Rule {
 public:
  AtOnce() : Rule("at once", "A push gets into the model when it arrives.") {}
  void see(const Moment& moment) override {
    if (!moment.cluster.pending().empty()) broken("a push is held");
  }
};

class HeldWithWorker final : public Rule {
 public:
  HeldWithWorker()
      : Rule("on release", "The push of a worker gets into the model when the worker goes on, or leaves.") {}
  void see(const Moment& moment) override {
    const Cluster& cluster = moment.cluster;
    for (const auto& [id, push] : cluster.pending()) {
      if (cluster.worker(push.worker).phase != sync::Phase::kWaiting) {
        broken(fmt::format("worker {} does not wait, but its step {} is held", push.worker.value, push.step));
      }
    }
    for (const auto& [step, worker] : cluster.waiting()) {
      const sync::Worker& state = cluster.worker(worker);
      if (state.pushes > 0 && !cluster.pending().contains(state.last_push)) {
        broken(fmt::format("worker {} waits, but its step {} is in the model", worker.value, step));
      }
    }
  }
};

class Prompt final : public Rule {
 public:
  explicit Prompt(Step bound)
      : Rule("no needless wait", bound == kNoBound ? "Nobody waits."
                                                   : fmt::format("Nobody waits who is at most {} ahead of the slowest.",
                                                                 counted(bound, "step"))),
        bound_(bound) {}
  static constexpr Step kNoBound = ~Step{0};

  void see(const Moment& moment) override {
    if (!moment.started) return;
    const Step slowest = moment.cluster.min_step();
    for (const auto& [step, worker] : moment.cluster.waiting()) {
      if (bound_ == kNoBound || step <= slowest + bound_) {
        broken(fmt::format("worker {} waits, {} ahead", worker.value, step - slowest));
      }
    }
  }

 private:
  Step bound_;
};

// Whoever goes on beyond the bound had a sample without a worker so far behind: there must have been one to draw.
class SampleExists final : public Rule {
 public:
  SampleExists(std::size_t sample, Step staleness)
      : Rule("sample",
             fmt::format(
                 "A worker goes on more than {} steps ahead of another only if {} workers, itself among them, can "
                 "be found that are not so far behind.",
                 staleness, sample)),
        sample_(sample),
        staleness_(staleness) {}
  void see(const Moment& moment) override {
    const Cluster& cluster = moment.cluster;
    for (const Outcome& outcome : moment.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (!release) continue;
      const Step step = cluster.worker(release->worker).step;
      std::size_t near_enough = 0;
      for (const auto& [other_step, other] : cluster.by_step()) near_enough += other_step + staleness_ >= step;
      if (near_enough < std::min(sample_, cluster.present())) {
        broken(fmt::format("worker {} goes on, only {} are", release->worker.value, near_enough));
      }
    }
  }

 private:
  std::size_t sample_;
  Step staleness_;
};

class CappedGap final : public Rule {
 public:
  explicit CappedGap(Step most)
      : Rule("hard cap", fmt::format("After a push nobody is more than staleness + range + 1 = {} steps ahead.", most)),
        most_(most) {}
  void see(const Moment& moment) override {
    const auto* pushed = std::get_if<sync::Pushed>(&moment.event);
    if (!pushed) return;
    const Step gap = moment.cluster.worker(pushed->worker).step - moment.cluster.min_step();
    if (gap > most_) broken(fmt::format("worker {} is {} ahead", pushed->worker.value, gap));
  }

 private:
  Step most_;
};

// Algorithms 1 and 2 of the paper, read off the events, with the controller as a double loop.
class Credits final : public Rule {
 public:
  Credits(const sync::Parameters& parameters, const sync::Setting& setting)
      : Rule("credits",
             "A worker within `staleness` of the slowest goes on. The fastest, once it exceeds that, goes on for the 0 "
             "to `range` steps whose push comes nearest to one of the slowest worker's, and is then looked at again. "
             "Everybody else waits."),
        staleness_(static_cast<Step>(parameters.integer("staleness"))),
        range_(static_cast<Step>(parameters.integer("range"))),
        exact_(parameters.word("credit") == "exact"),
        hard_cap_(parameters.flag("hard_cap")),
        next_push_(parameters.word("release") == "next_push"),
        not_before_(parameters.word("objective") == "wait"),
        any_(parameters.word("fastest") == "any"),
        workers_(setting.workers) {}

  void see(const Moment& moment) override {
    const Cluster& cluster = moment.cluster;
    bool slowest_pushed = false;
    std::set<WorkerId> waiting = waiting_;
    if (const auto* joined = std::get_if<sync::Joined>(&moment.event)) {
      workers_[joined->worker.value] = {.latest = moment.now, .before = moment.now};
      waiting.insert(joined->worker);
    }
    if (const auto* left = std::get_if<sync::Left>(&moment.event)) waiting.erase(left->worker);
    if (const auto* pushed = std::get_if<sync::Pushed>(&moment.event)) {
      Mine& mine = workers_[pushed->worker.value];
      mine.before = std::exchange(mine.latest, moment.now);
      ++mine.pushes;
      if (!goes_on(cluster, pushed->worker)) waiting.insert(pushed->worker);
      slowest_pushed = slowest_ == pushed->worker;
    }
    if (moment.started) {
      std::erase_if(waiting, [&](WorkerId id) {
        const Step gap = cluster.worker(id).step - cluster.min_step();
        const bool capped = hard_cap_ && gap > staleness_ + range_;
        // Its own push is not the one that it waits for.
        const bool next = next_push_ && slowest_pushed && slowest_ != id;
        return gap <= staleness_ || (next && !capped);
      });
      std::set<WorkerId> seen;
      for (const auto& [step, id] : cluster.waiting()) seen.insert(id);
      for (const WorkerId id : waiting) {
        if (!seen.contains(id)) broken(fmt::format("worker {} goes on, and should wait", id.value));
      }
      for (const WorkerId id : seen) {
        if (!waiting.contains(id)) broken(fmt::format("worker {} waits, and should go on", id.value));
      }
    }
    waiting_ = std::move(waiting);
    slowest_ = cluster.by_step().empty() ? std::nullopt : std::optional(cluster.by_step().begin()->second);
  }

 private:
  struct Mine {
    Instant latest{}, before{};
    std::uint64_t pushes = 0;
    Step credit = 0;
  };

  bool goes_on(const Cluster& cluster, WorkerId id) {
    Mine& mine = workers_[id.value];
    if (mine.credit > 0) {
      --mine.credit;
      return true;
    }
    const auto& by_step = cluster.by_step();
    const Step step = cluster.worker(id).step, gap = step - by_step.begin()->first;
    if (gap <= staleness_) return true;
    // Who is furthest; of several the lowest id.
    const Step furthest = by_step.rbegin()->first;
    const auto fastest = std::ranges::find(by_step, furthest, &std::pair<Step, WorkerId>::first);
    if (any_ ? step < furthest : fastest->second != id) return false;
    const Mine& slow = workers_[by_step.begin()->second.value];
    if (slow.pushes == 0) return false;
    Step steps = nearest_steps(mine.latest, mine.latest - mine.before, slow.latest, slow.latest - slow.before, range_,
                               not_before_);
    const Step most = staleness_ + range_ + 1;
    if (hard_cap_) steps = std::min(steps, gap < most ? most - gap : 0);
    if (steps == 0) return false;
    mine.credit = exact_ ? steps - 1 : steps;
    return true;
  }

  Step staleness_, range_;
  bool exact_, hard_cap_, next_push_, not_before_, any_;
  std::vector<Mine> workers_;
  std::set<WorkerId> waiting_;
  std::optional<WorkerId> slowest_;  // before the event
};

}  // namespace

void add_arrival_rules(const Subject& subject, const sync::Setting& setting, Rules& rules) {
  const std::string& name = subject.name;
  const sync::Parameters& parameters = subject.parameters;
  if (name != "asp" && name != "ssp" && name != "psp" && name != "dssp") return;
  rules.push_back(std::make_unique<OnePush>(parameters.word("update_scale") == "mean"));
  if (name == "ssp" && parameters.word("apply") == "on_release") {
    rules.push_back(std::make_unique<HeldWithWorker>());
  } else {
    rules.push_back(std::make_unique<AtOnce>());
  }
  if (name == "asp") {
    rules.push_back(std::make_unique<Prompt>(Prompt::kNoBound));
    return;
  }
  const auto staleness = static_cast<Step>(parameters.integer("staleness"));
  // After a long run dssp's `next_push` lets a worker go that is still ahead; it never holds one that is not.
  rules.push_back(std::make_unique<Prompt>(staleness));
  if (name == "psp") {
    const auto sample = static_cast<std::size_t>(parameters.integer("sample"));
    if (sample == 0) rules.push_back(std::make_unique<Prompt>(Prompt::kNoBound));
    rules.push_back(std::make_unique<SampleExists>(sample, staleness));
  }
  if (name == "dssp") rules.push_back(std::make_unique<Credits>(parameters, setting));
  if (name == "dssp" && parameters.flag("hard_cap") && parameters.word("credit") == "exact") {
    const auto range = static_cast<Step>(parameters.integer("range"));
    rules.push_back(std::make_unique<CappedGap>(staleness + range + 1));
  }
}

}  // namespace psctl::verify
