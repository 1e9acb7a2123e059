#include "verify/clusters.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/random.h"

namespace psctl::verify {
namespace {

constexpr std::size_t kMostWakesInRun = 100'000;  // in a run
constexpr Duration kMillisecond = std::chrono::milliseconds(1);

Draws draws_of(std::uint64_t seed, std::uint64_t number) {
  return Draws({.seed = seed, .purpose = Purpose::kVerify, .worker = 0, .step = number});
}

Duration rounded(double duration, Duration unit) {
  const auto count = static_cast<Duration::rep>(duration / static_cast<double>(unit.count()));
  return unit * std::max<Duration::rep>(1, count);
}

// What is to come, in the order of the simulator: pushes, then leaves, joins and the strategy's deadline.
enum class Kind { kPush, kLeave, kJoin };
struct Coming {
  Instant at;
  Kind kind;
  std::uint32_t worker;
  std::uint64_t release = 0;  // of a push: it is dropped if its worker has left
  friend auto operator<=>(const Coming&, const Coming&) = default;
};

class Clock {
 public:
  Clock(const Plan& plan, Trial& trial)
      : plan_(plan), trial_(trial), pushes_(plan.members.size()), pending_(plan.members.size()) {}

  void run() {
    for (std::uint32_t i = 0; i < plan_.members.size(); ++i) {
      const Member& member = plan_.members[i];
      if (member.joins == Instant{}) {
        handle({}, sync::Joined{WorkerId(i)});
      } else {
        coming_.insert({member.joins, Kind::kJoin, i});
      }
      if (member.leaves) coming_.insert({*member.leaves, Kind::kLeave, i});
    }
    std::size_t wakes = 0;
    for (;;) {
      const auto deadline = trial_.deadline();
      if (deadline && (coming_.empty() || *deadline < coming_.begin()->at)) {
        if (++wakes > kMostWakesInRun) throw deadlines_for_ever();
        handle(*deadline, sync::Woke{});
        continue;
      }
      if (coming_.empty()) break;
      const Coming next = *coming_.begin();
      coming_.erase(coming_.begin());
      carry_out(next);
    }
    trial_.end();
  }

 private:
  sync::Phase phase(std::uint32_t worker) const { return trial_.cluster().worker(WorkerId(worker)).phase; }

  void carry_out(const Coming& next) {
    const WorkerId worker(next.worker);
    switch (next.kind) {
      case Kind::kJoin:
        handle(next.at, sync::Joined{worker});
        break;
      case Kind::kLeave:
        // One that was to leave before it came, or has done its work, is of no interest.
        if (phase(next.worker) == sync::Phase::kComputing || phase(next.worker) == sync::Phase::kWaiting) {
          handle(next.at, sync::Left{worker});
        }
        break;
      case Kind::kPush:
        if (phase(next.worker) != sync::Phase::kComputing) break;
        handle(next.at, pending_[next.worker]);
        if (++pushes_[next.worker] == plan_.members[next.worker].pushes) handle(next.at, sync::Left{worker});
        break;
    }
  }

  void handle(Instant now, const sync::Event& event) {
    for (const sync::Outcome& outcome : trial_.handle(now, event)) {
      if (const auto* release = std::get_if<sync::Release>(&outcome.decision)) compute(now, *release);
    }
  }

  // Works out the push that follows from this release, and when it comes.
  void compute(Instant now, const sync::Release& release) {
    const std::uint32_t index = release.worker.value;
    const Member& member = plan_.members[index];
    const sync::Worker& worker = trial_.cluster().worker(release.worker);
    sync::Pushed push{.worker = release.worker, .steps = 0};
    const std::uint64_t number = pushes_[index] + 1;
    if (plan_.overlaps && worker.overlap_allowed > 0) {
      Draws draws({.seed = plan_.seed, .purpose = Purpose::kVerify, .worker = index + 1U, .step = number});
      push.overlapped = draws.below(std::min<Step>(worker.overlap_allowed, 3) + 1);
    }
    if (trial_.can_be_lost(release.worker)) push.lost = push.overlapped;
    const Step kept = push.overlapped - push.lost;
    const Step own = release.local_steps == 0 && kept == 0 ? 1 : release.local_steps;
    push.steps = own + kept;
    Duration compute{};
    for (Step step = 1; step <= own; ++step) compute += step_time(plan_, index, worker.step + step);
    if (release.limit && compute > *release.limit) {
      compute = *release.limit;
      push.empty = true;
    }
    push.timing = {.compute = compute, .delay = {}, .upload = member.upload, .download = member.download};
    pending_[index] = push;
    coming_.insert({now + member.download + compute + member.upload, Kind::kPush, index, number});
  }

  const Plan& plan_;
  Trial& trial_;
  std::set<Coming> coming_;
  std::vector<std::uint64_t> pushes_;
  std::vector<sync::Pushed> pending_;
};

// Throws UserError if the parameters want other clusters.
std::optional<Violation> violation_of(const Subject& subject, const Plan& plan) {
  std::size_t late = 0;
  for (const Member& member : plan.members) late += member.joins == Instant{} ? 0 : 1;
  Trial trial(subject, setting_of(plan), plan.members.size() - late);
  try {
    run(plan, trial);
    Trial again(subject, setting_of(plan), plan.members.size() - late);
    for (std::size_t i = 0; i < trial.story().size(); ++i) {
      const Trial::Happening& happening = trial.story()[i];
      again.handle(happening.now, happening.event);
      if (again.story()[i].digest != happening.digest) {
        throw Broken{"repeatable", "The same events give the same decisions.",
                     "another run of these events decided something else"};
      }
    }
  } catch (const Broken& broken) {
    return trial.violation(broken, true);
  }
  return std::nullopt;
}

// Plans that are a little simpler than this one.
std::vector<Plan> simpler(const Plan& plan) {
  std::vector<Plan> plans;
  const auto with = [&](auto change) {
    Plan changed = plan;
    change(changed);
    plans.push_back(std::move(changed));
  };
  const std::size_t count = plan.members.size();
  // Without the last one: the others keep their draws.
  if (count > 2) with([](Plan& p) { p.members.pop_back(); });
  for (std::size_t i = 0; i < count; ++i) {
    const Member& member = plan.members[i];
    if (count > 2 && i + 1 < count) {
      with([&](Plan& p) { p.members.erase(p.members.begin() + static_cast<std::ptrdiff_t>(i)); });
    }
    if (member.leaves) with([&](Plan& p) { p.members[i].leaves.reset(); });
    if (member.joins != Instant{}) with([&](Plan& p) { p.members[i].joins = {}; });
    if (member.spread > 0) with([&](Plan& p) { p.members[i].spread = 0; });
    if (member.upload + member.download > Duration{}) {
      with([&](Plan& p) { p.members[i].upload = p.members[i].download = {}; });
    }
    if (member.pushes > 1) with([&](Plan& p) { p.members[i].pushes /= 2; });
    if (member.pushes > 1) with([&](Plan& p) { p.members[i].pushes -= 1; });
  }
  if (plan.overlaps) with([](Plan& p) { p.overlaps = false; });
  if (plan.unit < kMillisecond) with([](Plan& p) { p.unit = kMillisecond; });
  std::erase_if(plans, [](const Plan& p) {
    return std::ranges::none_of(p.members, [](const Member& m) { return m.joins == Instant{}; });
  });
  return plans;
}

// As short a story as taking away one thing after another gives.
Violation shortened(const Subject& subject, Plan plan, Violation violation) {
  for (bool shorter = true; shorter;) {
    shorter = false;
    for (const Plan& candidate : simpler(plan)) {
      std::optional<Violation> found;
      try {
        found = violation_of(subject, candidate);
      } catch (const UserError&) {
        continue;
      }
      if (!found || found->rule != violation.rule || found->story.size() > violation.story.size()) continue;
      plan = candidate;
      violation = std::move(*found);
      shorter = true;
      break;
    }
  }
  return violation;
}

}  // namespace

Duration step_time(const Plan& plan, std::size_t worker, Step step) {
  const Member& member = plan.members[worker];
  Draws draws({.seed = plan.seed, .purpose = Purpose::kVerify, .worker = 1000 + worker, .step = step});
  return rounded(static_cast<double>(member.step.count()) * (1 + member.spread * draws.uniform()), plan.unit);
}

Plan random_plan(std::uint64_t seed, std::uint64_t number) {
  Plan plan = steady_plan(seed, number);
  Draws draws({.seed = seed, .purpose = Purpose::kVerify, .worker = 2000, .step = number});
  const auto moment = [&] { return Instant{} + rounded(draws.uniform() * 60e6, plan.unit); };
  plan.overlaps = draws.below(2) == 0;
  const bool moves = draws.below(4) != 0;
  for (std::size_t i = 0; moves && i < plan.members.size(); ++i) {
    Member& member = plan.members[i];
    // The first is there from the start.
    if (i > 0 && draws.below(4) == 0) member.joins = moment();
    if (draws.below(4) == 0) member.leaves = moment();
  }
  return plan;
}

Plan steady_plan(std::uint64_t seed, std::uint64_t number) {
  Draws draws = draws_of(seed, number);
  Plan plan;
  plan.seed = draws.bits();
  plan.members.resize(2 + draws.below(7));
  // Half of the clusters have ties: steps of whole milliseconds.
  plan.unit = draws.below(2) == 0 ? kMillisecond : Duration(1);
  const bool long_run = draws.below(16) == 0;
  const std::uint64_t most = long_run ? 120 : 16;
  const bool alike = draws.below(3) == 0;
  const std::uint64_t pushes = 1 + draws.below(most);
  for (Member& member : plan.members) {
    member.pushes = alike ? pushes : 1 + draws.below(most);
    member.step = rounded((1 + 9 * draws.uniform() * draws.uniform()) * 1e6, plan.unit);
    member.spread = draws.below(3) == 0 ? 0 : 2 * draws.uniform();
    if (draws.below(2) == 0) {
      member.upload = rounded(draws.uniform() * 1e6, plan.unit);
      member.download = rounded(draws.uniform() * 1e6, plan.unit);
    }
  }
  return plan;
}

sync::Setting setting_of(const Plan& plan) {
  sync::Setting setting;
  setting.workers = plan.members.size();
  setting.steps_per_epoch = 3;
  setting.batch_size = 1;
  setting.train_samples = setting.steps_per_epoch * setting.workers;
  std::uint64_t samples = 0;
  for (const Member& member : plan.members) samples += member.pushes;
  setting.total_samples = samples;
  setting.seed = plan.seed;
  return setting;
}

void run(const Plan& plan, Trial& trial) { Clock(plan, trial).run(); }

Result random_clusters(const Subject& subject, std::uint64_t seed, std::size_t cases) {
  Result result{.check = "random clusters", .cases = 0, .violation = {}};
  for (std::uint64_t number = 0; number < cases; ++number) {
    const Plan plan = random_plan(seed, number);
    std::optional<Violation> violation;
    try {
      violation = violation_of(subject, plan);
    } catch (const UserError&) {
      continue;
    }
    ++result.cases;
    if (!violation) continue;
    result.violation = shortened(subject, plan, std::move(*violation));
    break;
  }
  return result;
}

}  // namespace psctl::verify
