#include "verify/references.h"

#include <algorithm>
#include <fmt/format.h>
#include <functional>

#include "verify/clusters.h"

namespace psctl::verify {
namespace {

// Of each worker, when it goes on after each of its pushes but the last.
using Schedule = std::vector<std::vector<Instant>>;

// From a release to the push after it: the n-th of this worker, of so many local steps.
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
  return std::nullopt;
}

Result check_schedule(const Subject& subject, const Reference& reference, std::uint64_t seed, std::size_t cases) {
  Result result{.check = reference.name, .cases = 0, .violation = {}};
  for (std::uint64_t n = 0; n < cases; ++n) {
    const Plan plan = steady_plan(seed, n);
    Trial trial(subject, setting_of(plan), plan.members.size());
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

}  // namespace

std::vector<Result> check_references(const Subject& subject, std::uint64_t seed, std::size_t cases) {
  std::vector<Result> results;
  if (const auto reference = schedule_reference(subject)) {
    results.push_back(check_schedule(subject, *reference, seed, cases));
  }
  return results;
}

}  // namespace psctl::verify
