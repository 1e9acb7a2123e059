#include "verify/references.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "base/random.h"
#include "sync/planner.h"
#include "sync/straggler_detector.h"
#include "verify/brute_force.h"
#include "verify/clusters.h"

namespace psctl::verify {
namespace {

// Of each worker, when it goes on after each of its pushes but the last.
using Schedule = std::vector<std::vector<Instant>>;

// From a release to the push after it: the n-th of this worker, of `local_steps` steps.
Duration exchange(const Plan& plan, std::size_t worker, std::uint64_t n, Step local_steps) {
  const Member& member = plan.members[worker];
  Duration sum = member.download + member.upload;
  for (Step step = (n - 1) * local_steps + 1; step <= n * local_steps; ++step) sum += step_time(plan, worker, step);
  return sum;
}

std::uint64_t most_pushes(const Plan& plan) { return std::ranges::max(plan.members, {}, &Member::pushes).pushes; }

// Nobody waits: the sums of each worker's own times.
Schedule own_sums(const Plan& plan) {
  Schedule schedule(plan.members.size());
  for (std::size_t p = 0; p < plan.members.size(); ++p) {
    Instant at{};
    for (std::uint64_t n = 1; n < plan.members[p].pushes; ++n) {
      at += exchange(plan, p, n, 1);
      schedule[p].push_back(at);
    }
  }
  return schedule;
}

// Rounds: the sum over the rounds of the longest time in each.
Schedule sum_of_maxima(const Plan& plan, Step local_steps) {
  Schedule schedule(plan.members.size());
  Instant end{};
  for (std::uint64_t n = 1; n <= most_pushes(plan); ++n) {
    Duration longest{};
    for (std::size_t p = 0; p < plan.members.size(); ++p) {
      if (plan.members[p].pushes >= n) longest = std::max(longest, exchange(plan, p, n, local_steps));
    }
    end += longest;
    for (std::size_t p = 0; p < plan.members.size(); ++p) {
      if (plan.members[p].pushes > n) schedule[p].push_back(end);
    }
  }
  return schedule;
}

// At most s ahead: push_p(n + 1) = go_p(n) + time, go_p(n) = max(push_p(n), max over q of push_q(n - s)). Of a worker
// that has made its last push, that one counts.
Schedule max_plus(const Plan& plan, std::uint64_t s) {
  const std::size_t workers = plan.members.size();
  Schedule pushes(workers), schedule(workers);
  for (std::uint64_t n = 1; n <= most_pushes(plan); ++n) {
    for (std::size_t p = 0; p < workers; ++p) {
      if (plan.members[p].pushes < n) continue;
      const Instant began = n == 1 ? Instant{} : schedule[p].back();
      pushes[p].push_back(began + exchange(plan, p, n, 1));
    }
    for (std::size_t p = 0; p < workers; ++p) {
      if (plan.members[p].pushes <= n) continue;
      Instant go = pushes[p].back();
      for (std::size_t q = 0; q < workers && n > s; ++q) {
        go = std::max(go, pushes[q][std::min(n - s, plan.members[q].pushes) - 1]);
      }
      schedule[p].push_back(go);
    }
  }
  return schedule;
}

Schedule schedule_of(const Trial& trial) {
  Schedule schedule(trial.cluster().workers().size());
  std::vector<bool> pushed(schedule.size());
  for (const Trial::Happening& happening : trial.story()) {
    if (const auto* push = std::get_if<sync::Pushed>(&happening.event)) pushed[push->worker.value] = true;
    for (const sync::Outcome& outcome : happening.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (release && pushed[release->worker.value]) schedule[release->worker.value].push_back(happening.now);
    }
  }
  // A worker that leaves with its last push may be let go first: that is no part of a schedule.
  return schedule;
}

struct Reference {
  std::string name;      // "max-plus recurrence of SSP"
  std::string expected;  // in a sentence
  std::function<Schedule(const Plan&)> schedule;
};

void compare(const Reference& reference, const Plan& plan, Trial& trial) {
  run(plan, trial);
  const Schedule expected = reference.schedule(plan);
  const Schedule seen = schedule_of(trial);
  for (std::size_t p = 0; p < expected.size(); ++p) {
    for (std::size_t n = 0; n < expected[p].size(); ++n) {
      const auto ms = [](Instant instant) { return to_seconds(instant) * 1e3; };
      if (n >= seen[p].size()) {
        throw Broken{reference.name, reference.expected,
                     fmt::format("worker {} never goes on after push {}", p, n + 1)};
      }
      if (seen[p][n] != expected[p][n]) {
        throw Broken{reference.name, reference.expected,
                     fmt::format("worker {} goes on after push {} at {:.6f} ms, and should at {:.6f} ms", p, n + 1,
                                 ms(seen[p][n]), ms(expected[p][n]))};
      }
    }
  }
}

std::optional<Reference> schedule_reference(const Subject& subject) {
  const std::string& name = subject.name;
  const sync::Parameters& parameters = subject.parameters;
  const auto number = [&](const char* key) { return static_cast<std::uint64_t>(parameters.integer(key)); };
  const Reference asp{"sums of ASP", "Nobody waits: a worker goes on after the sum of its own times.", own_sums};
  const auto bsp = [](Step steps) {
    return Reference{"sum of maxima", "A round takes as long as its slowest worker, and rounds follow each other.",
                     [steps](const Plan& plan) { return sum_of_maxima(plan, steps); }};
  };
  const auto ssp = [](std::uint64_t s) {
    return Reference{"max-plus of SSP",
                     fmt::format("A worker goes on after push n when all others have made push n - {}.", s),
                     [s](const Plan& plan) { return max_plus(plan, s); }};
  };
  // More than any of the clusters has workers.
  constexpr std::uint64_t kEverybody = 8;
  if (name == "bsp") return bsp(1);
  if (name == "local_sgd") return bsp(number("period"));
  if (name == "backup" && number("backups") == 0) return bsp(1);
  if (name == "asp") return asp;
  if (name == "wbsp" && !parameters.flag("overlap")) return asp;
  if (name == "ssp") return number("staleness") == 0 ? bsp(1) : ssp(number("staleness"));
  if (name == "bap" && parameters.number("max_iteration_ms") == 0) return ssp(number("staleness") - 1);
  if (name == "psp" && number("sample") == 0) return asp;
  if (name == "psp" && number("sample") >= kEverybody) return ssp(number("staleness"));
  if (name == "dssp" && number("range") == 0 && parameters.word("release") == "lower_bound") {
    return ssp(number("staleness"));
  }
  if (name == "elastic_bsp" && number("lookahead") == 1) return bsp(1);
  if (name == "pcp" && number("lookahead") == 1 && !parameters.flag("overlap")) return bsp(1);
  if (name == "sync_switch" && parameters.word("straggler_policy") == "none" && !parameters.has("switch_epoch")) {
    if (parameters.number("bsp_share") == 0) return asp;
    if (parameters.number("bsp_share") == 1) return bsp(1);
  }
  return std::nullopt;
}

Result check_schedule(const Subject& subject, const Reference& reference, std::uint64_t seed, std::size_t cases) {
  Result result{.check = reference.name, .cases = 0, .violation = {}};
  for (std::uint64_t n = 0; n < cases; ++n) {
    const Plan plan = steady_plan(seed, n);
    // By the schedule alone.
    Trial trial(subject, setting_of(plan), plan.members.size(), Trial::Watch::kNone);
    ++result.cases;
    try {
      compare(reference, plan, trial);
    } catch (const Broken& broken) {
      Violation violation = trial.violation(broken, true);
      if (result.violation && violation.story.size() >= result.violation->story.size()) continue;
      result.violation = std::move(violation);
    }
  }
  return result;
}

Forecasts random_forecasts(Draws& draws) {
  Forecasts forecasts(2 + draws.below(4));
  // Small numbers, so that there are ties.
  for (auto& [first, interval] : forecasts) {
    interval = Duration(1 + draws.below(12));
    first = draws.below(2) == 0 ? interval : Duration(draws.below(12));
  }
  return forecasts;
}

std::string text_of_forecasts(const Forecasts& forecasts, Step lookahead) {
  std::string text = fmt::format("lookahead {}, first ending and interval of each worker:", lookahead);
  for (const auto& [first, interval] : forecasts) text += fmt::format(" ({}, {})", first.count(), interval.count());
  return text;
}

// The slowest worker is silent, the others push on: whoever waits looks at a new sample at each push and goes on as
// often as drawing without replacement tells. A strategy that samples once and sticks to it is far off.
Result check_sampling(const Subject& subject, std::uint64_t seed, std::size_t cases) {
  Result result{.check = "sampling", .cases = 0, .violation = {}};
  constexpr std::size_t kWorkers = 6;
  constexpr double kFar = 6;  // standard deviations
  const auto sample = static_cast<std::size_t>(subject.parameters.integer("sample"));
  const auto staleness = static_cast<Step>(subject.parameters.integer("staleness"));
  double looks = 0, passed = 0, expected = 0, variance = 0;
  for (std::uint64_t n = 0; n < cases; ++n) {
    sync::Setting setting = setting_of(steady_plan(seed, 0));
    setting.workers = kWorkers;
    setting.seed = seed + n;
    std::unique_ptr<sync::Strategy> strategy = subject.make(setting);
    sync::Synchronizer synchronizer(std::move(strategy), kWorkers, kWorkers);
    const sync::Cluster& cluster = synchronizer.cluster();
    for (std::uint32_t i = 0; i < kWorkers; ++i) synchronizer.handle({}, sync::Joined{WorkerId(i)});
    Draws draws({.seed = seed, .purpose = Purpose::kVerify, .worker = 5000, .step = n});
    for (int push = 1; push <= 60; ++push) {
      std::vector<WorkerId> able;
      for (std::uint32_t i = 1; i < kWorkers; ++i) {
        if (cluster.worker(WorkerId(i)).phase == sync::Phase::kComputing) able.push_back(WorkerId(i));
      }
      if (able.empty()) break;
      const std::set<std::pair<Step, WorkerId>> waited = cluster.waiting();
      synchronizer.handle(Instant(Duration(push)), sync::Pushed{.worker = able[draws.below(able.size())]});
      for (const auto& [step, worker] : waited) {
        double behind = 0;
        for (const auto& [other, id] : cluster.by_step()) behind += other + staleness < step;
        double chance = 1;
        for (std::size_t i = 0; i < std::min(sample, kWorkers); ++i) {
          const double left = static_cast<double>(kWorkers - i);
          chance *= std::max(0.0, left - behind) / left;
        }
        ++looks;
        passed += cluster.worker(worker).phase == sync::Phase::kComputing ? 1 : 0;
        expected += chance;
        variance += chance * (1 - chance);
      }
    }
    ++result.cases;
  }
  if (std::abs(passed - expected) <= kFar * std::sqrt(variance) + 1e-9) return result;
  result.violation = Violation{
      .rule = "sampling",
      .expected = fmt::format("Of {} looks at a sample {:.1f} should let the worker go on, give or take {:.1f}.", looks,
                              expected, std::sqrt(variance)),
      .seen = fmt::format("{} did", passed),
      .story = {
          fmt::format("worker 0 never pushes, the other {} push in random order ({} runs)", kWorkers - 1, cases)}};
  return result;
}

}  // namespace

Result check_planner(const PlanOf& plan_of, bool exact, std::uint64_t seed, std::size_t cases) {
  Result result{.check = "planner", .cases = 0, .violation = {}};
  for (std::uint64_t n = 0; n < cases; ++n) {
    Draws draws({.seed = seed, .purpose = Purpose::kVerify, .worker = 4000, .step = n});
    const Forecasts forecasts = random_forecasts(draws);
    const Step lookahead = 1 + draws.below(4);
    std::vector<sync::Forecast> given;
    for (const auto& [first, interval] : forecasts) given.push_back({.first = first, .interval = interval});
    const sync::Plan plan = plan_of(given, lookahead);
    ++result.cases;
    Duration first = Duration::max(), last = Duration::min();
    bool in_range = plan.quotas.size() == forecasts.size();
    for (std::size_t i = 0; in_range && i < forecasts.size(); ++i) {
      in_range = plan.quotas[i] >= 1 && plan.quotas[i] <= lookahead;
      const Duration ending = forecasts[i].first + static_cast<Duration::rep>(plan.quotas[i] - 1) * forecasts[i].second;
      first = std::min(first, ending);
      last = std::max(last, ending);
    }
    const Duration least = least_spread(forecasts, lookahead);
    const Selection expected = first_least_spread(forecasts, lookahead);
    std::string seen;
    if (!in_range) {
      seen = fmt::format("quotas {}", fmt::join(plan.quotas, ", "));
    } else if (plan.earliest != first || plan.latest != last || last - first < least) {
      seen = fmt::format("it tells a spread of {}, it is {}, the least is {}", plan.spread().count(),
                         (last - first).count(), least.count());
    } else if (exact && (last - first != least || plan.quotas != expected.quotas)) {
      seen = fmt::format("quotas {} with a spread of {}, trying all gives {} with {}", fmt::join(plan.quotas, ", "),
                         (last - first).count(), fmt::join(expected.quotas, ", "), least.count());
    }
    if (seen.empty()) continue;
    result.violation =
        Violation{.rule = "planner",
                  .expected = "One ending of each worker with the least spread; of equal ones the first.",
                  .seen = seen,
                  .story = {text_of_forecasts(forecasts, lookahead)}};
    break;
  }
  return result;
}

Result check_controller(const StepsOf& steps_of, bool not_before, std::uint64_t seed, std::size_t cases) {
  Result result{.check = "controller", .cases = 0, .violation = {}};
  for (std::uint64_t n = 0; n < cases; ++n) {
    Draws draws({.seed = seed, .purpose = Purpose::kVerify, .worker = 6000, .step = n});
    // Small numbers, so that there are ties.
    const auto instant = [&](std::uint64_t most) { return Instant(Duration(draws.below(most + 1))); };
    sync::LastPushes fast, slow;
    slow.before = instant(10);
    slow.latest = slow.before + Duration(1 + draws.below(12));
    fast.latest = slow.latest + Duration(draws.below(20));
    fast.before = fast.latest - Duration(1 + draws.below(8));
    const Step range = draws.below(9);
    const Step seen = steps_of(fast, slow, range);
    const Step expected = nearest_steps(fast.latest, fast.latest - fast.before, slow.latest, slow.latest - slow.before,
                                        range, not_before);
    ++result.cases;
    if (seen == expected) continue;
    const auto text = [](const sync::LastPushes& pushes) {
      return fmt::format("{} and {}", pushes.before.time_since_epoch().count(),
                         pushes.latest.time_since_epoch().count());
    };
    result.violation = Violation{
        .rule = "controller",
        .expected = "The steps whose predicted push is nearest to one of the slow worker's; the fewest on ties.",
        .seen = fmt::format("{} steps, trying all pairs gives {}", seen, expected),
        .story = {
            fmt::format("the fast worker pushed at {}, the slow one at {}; range {}", text(fast), text(slow), range)}};
    break;
  }
  return result;
}

Result check_detector(const StragglersOf& stragglers_of, std::uint64_t seed, std::size_t cases) {
  Result result{.check = "detector", .cases = 0, .violation = {}};
  for (std::uint64_t n = 0; n < cases; ++n) {
    Draws draws({.seed = seed, .purpose = Purpose::kVerify, .worker = 7000, .step = n});
    const std::uint64_t workers = 1 + draws.below(6);
    const auto window = static_cast<std::size_t>(1 + draws.below(3));
    const double factor = 1 + 0.25 * static_cast<double>(draws.below(5));
    std::vector<Observation> history;
    std::map<WorkerId, std::vector<Duration>> intervals;
    for (std::uint64_t count = 1 + draws.below(30); count > 0; --count) {
      Observation& next = history.emplace_back();
      next.worker = WorkerId(static_cast<std::uint32_t>(draws.below(workers)));
      if (draws.below(10) == 0) {
        intervals.erase(next.worker);
        continue;
      }
      // Small numbers, so that there are ties.
      next.interval = Duration(1 + draws.below(12));
      intervals[next.worker].push_back(*next.interval);
    }
    std::map<WorkerId, Duration> sums;
    for (const auto& [worker, own] : intervals) {
      if (own.size() < window) continue;
      sums[worker] = std::accumulate(own.end() - static_cast<std::ptrdiff_t>(window), own.end(), Duration{});
    }
    std::vector<WorkerId> seen = stragglers_of(history, window, factor);
    std::ranges::sort(seen);
    const std::vector<WorkerId> expected = above_median(sums, factor);
    ++result.cases;
    if (seen == expected) continue;
    const auto text = [](const std::vector<WorkerId>& slow) {
      std::vector<std::uint32_t> ids;
      for (const WorkerId worker : slow) ids.push_back(worker.value);
      return fmt::format("{{{}}}", fmt::join(ids, ", "));
    };
    Violation violation{
        .rule = "detector",
        .expected = fmt::format("Stragglers are the workers whose last {} intervals take more than {} "
                                "times the median; of an even number the lower of the two in the middle.",
                                window, factor),
        .seen = fmt::format("stragglers {}, sorting gives {}", text(seen), text(expected)),
        .story = {}};
    for (const Observation& each : history) {
      violation.story.push_back(each.interval
                                    ? fmt::format("worker {} takes {}", each.worker.value, each.interval->count())
                                    : fmt::format("worker {} is forgotten", each.worker.value));
    }
    if (result.violation && result.violation->story.size() <= violation.story.size()) continue;
    result.violation = std::move(violation);
  }
  return result;
}

std::vector<Result> check_references(const Subject& subject, std::uint64_t seed, std::size_t cases) {
  std::vector<Result> results;
  if (const auto reference = schedule_reference(subject)) {
    results.push_back(check_schedule(subject, *reference, seed, cases));
  }
  if (subject.name == "elastic_bsp") {
    const std::string& word = subject.parameters.word("planner");
    const bool exact = word.find("grid") == std::string::npos;
    const sync::Planner planner = sync::planner(subject.parameters);
    const auto plan_of = [planner](std::span<const sync::Forecast> forecasts, Step lookahead) {
      return sync::plan(planner, forecasts, lookahead);
    };
    results.push_back(check_planner(plan_of, exact, seed, 10 * cases));
  }
  if (subject.name == "dssp") {
    const bool wait = subject.parameters.word("objective") == "wait";
    const auto steps_of = [wait](const sync::LastPushes& fast, const sync::LastPushes& slow, Step range) {
      return sync::extra_steps(fast, slow, range, wait ? sync::Objective::kWait : sync::Objective::kAbsolute);
    };
    results.push_back(check_controller(steps_of, wait, seed, 10 * cases));
  }
  if (subject.name == "psp") results.push_back(check_sampling(subject, seed, cases));
  if (subject.name == "sync_switch" && subject.parameters.word("straggler_policy") != "none") {
    const auto stragglers_of = [](std::span<const Observation> history, std::size_t window, double factor) {
      sync::StragglerDetector detector(window, factor);
      for (const Observation& each : history) {
        each.interval ? detector.record(each.worker, *each.interval) : detector.forget(each.worker);
      }
      return detector.stragglers();
    };
    results.push_back(check_detector(stragglers_of, seed, 10 * cases));
  }
  return results;
}

}  // namespace psctl::verify
