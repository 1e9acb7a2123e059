#include "sync/dssp.h"

#include <boost/test/unit_test.hpp>

#include "sync/drive.h"
#include "sync/turnover.h"

using namespace psctl;
using namespace psctl::sync;
using test::at;
using test::Clockwork;
using test::released;

namespace {

std::unique_ptr<Strategy> dssp(const test::Values& given) { return test::make_strategy("dssp", given); }
test::Values bounds(std::int64_t staleness, std::int64_t range) { return {{"staleness", staleness}, {"range", range}}; }
test::Values with(test::Values values, const std::string& name, const ParameterValue& value) {
  values[name] = value;
  return values;
}

struct Pushes {
  std::int64_t latest, before;
};

Step steps(Pushes fast, Pushes slow, Step range, Objective objective) {
  return extra_steps({at(fast.latest), at(fast.before)}, {at(slow.latest), at(slow.before)}, range, objective);
}

// The definition: all pairs, the least distance, of those the fewest steps.
Step by_definition(Pushes fast, Pushes slow, Step range, Objective objective) {
  Step best = 0;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (Step i = 0; i <= range; ++i) {
    for (Step k = 0; k <= range; ++k) {
      const std::int64_t of_fast = fast.latest + static_cast<std::int64_t>(i) * (fast.latest - fast.before);
      const std::int64_t of_slow = slow.latest + static_cast<std::int64_t>(k + 1) * (slow.latest - slow.before);
      const std::int64_t wait = of_slow - of_fast;
      if (wait < 0 && objective == Objective::kWait) continue;
      if (std::abs(wait) < least) {
        least = std::abs(wait);
        best = i;
      }
    }
  }
  return best;
}

// What worker 0 does at its pushes: `tick+gap` goes on at once though it is too far ahead, `tick-gap` is held.
std::string story_of_the_fastest(Clockwork& run, std::int64_t end, Step staleness) {
  std::string story;
  run.run_until(end, [&](std::int64_t tick, std::uint32_t worker, std::span<const Outcome> outcomes) {
    const auto went_on = released(outcomes);
    const bool goes = std::ranges::count(went_on, 0U) == 1;
    if (worker != 0) {
      if (goes) story += fmt::format("{}! ", tick);
      return;
    }
    const Step gap = run.cluster().worker(WorkerId(0)).step - run.cluster().min_step();
    if (gap > staleness) story += fmt::format("{}{}{} ", tick, goes ? '+' : '-', gap);
  });
  return story;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(dynamic_stale_synchronous_parallel)

BOOST_AUTO_TEST_CASE(the_controller_finds_the_steps_of_the_worked_examples) {
  BOOST_TEST(steps({35, 20}, {25, 0}, 4, Objective::kAbsolute) == 1U);
  BOOST_TEST(steps({55, 45}, {50, 25}, 4, Objective::kAbsolute) == 2U);
  BOOST_TEST(steps({85, 75}, {75, 50}, 4, Objective::kAbsolute) == 4U);
  BOOST_TEST(steps({90, 80}, {64, 40}, 4, Objective::kAbsolute) == 0U);
  BOOST_TEST(steps({90, 80}, {64, 40}, 4, Objective::kWait) == 2U);
}

BOOST_AUTO_TEST_CASE(the_controller_in_one_pass_is_the_definition_over_all_pairs) {
  Draws draws({.seed = 3, .purpose = Purpose::kTest});
  for (int i = 0; i < 5000; ++i) {
    const auto number = [&](std::uint64_t below) { return static_cast<std::int64_t>(draws.below(below)); };
    const std::int64_t now = 100 + number(50);
    const Pushes fast{now, now - number(12)}, slow{now - number(40), 0};
    const Pushes slow_with_before{slow.latest, slow.latest - number(40)};
    const Step range = draws.below(10);
    for (const Objective objective : {Objective::kAbsolute, Objective::kWait}) {
      BOOST_TEST(
          steps(fast, slow_with_before, range, objective) == by_definition(fast, slow_with_before, range, objective),
          "case " << i);
    }
  }
}

BOOST_AUTO_TEST_CASE(taken_literally_the_fastest_runs_on_in_the_worked_example) {
  // Held at 20, since the slowest has not pushed; grants at 35, 55 and 85, credits in between.
  Clockwork run(dssp(bounds(1, 4)), {10, 16, 25});
  BOOST_TEST(story_of_the_fastest(run, 135, 1) ==
             "20-2 25! 35+2 45+3 55+3 65+4 75+5 85+5 95+6 105+6 115+7 125+8 135+8 ");
}

BOOST_AUTO_TEST_CASE(with_exact_credits_and_a_cap_it_is_held_in_the_worked_example) {
  Clockwork run(dssp(with(with(bounds(1, 4), "credit", std::string("exact")), "hard_cap", true)), {10, 16, 25});
  BOOST_TEST(story_of_the_fastest(run, 160, 1) == "20-2 25! 35+2 45+3 55+3 65+4 75-5 150! 160+2 ");
}

BOOST_AUTO_TEST_CASE(literal_dssp_lets_a_worker_that_stays_fast_run_as_under_asp_and_the_cap_bounds_it) {
  Clockwork literal(dssp(bounds(3, 12)), {10, 23});
  literal.run_until(20000);
  BOOST_TEST(literal.clocks()[0] == 2000U);
  BOOST_TEST(literal.clocks()[0] - literal.clocks()[1] == 1131U);
  Clockwork capped(dssp(with(with(bounds(3, 12), "credit", std::string("exact")), "hard_cap", true)), {10, 23});
  Step most = 0;
  capped.run_until(20000, [&](std::int64_t, std::uint32_t, std::span<const Outcome>) {
    most = std::max(most, capped.cluster().max_step() - capped.cluster().min_step());
  });
  BOOST_TEST(most == 16U);
  BOOST_TEST(capped.clocks()[0] == 881U);
}

BOOST_AUTO_TEST_CASE(of_three_workers_only_the_fastest_gains) {
  Clockwork run(dssp(bounds(3, 12)), {10, 16, 25});
  run.run_until(20000);
  BOOST_TEST(run.clocks() == (std::vector<Step>{2000, 803, 800}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(exact_credits_and_the_cap_keep_the_bound) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Draws draws({.seed = seed, .purpose = Purpose::kTest});
    std::vector<std::int64_t> intervals(2 + draws.below(4));
    for (auto& interval : intervals) interval = 1 + static_cast<std::int64_t>(draws.below(30));
    const auto staleness = static_cast<std::int64_t>(draws.below(4)), range = static_cast<std::int64_t>(draws.below(8));
    Clockwork run(dssp(with(with(bounds(staleness, range), "credit", std::string("exact")), "hard_cap", true)),
                  intervals);
    run.run_until(600, [&](std::int64_t, std::uint32_t, std::span<const Outcome>) {
      const Step gap = run.cluster().max_step() - run.cluster().min_step();
      BOOST_TEST(gap <= static_cast<Step>(staleness + range + 1), "seed " << seed);
    });
  }
}

BOOST_AUTO_TEST_CASE(a_range_of_nothing_is_ssp) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Draws draws({.seed = seed, .purpose = Purpose::kTest});
    std::vector<std::int64_t> intervals(1 + draws.below(5));
    for (auto& interval : intervals) interval = 1 + static_cast<std::int64_t>(draws.below(20));
    const auto staleness = static_cast<std::int64_t>(draws.below(4));
    Clockwork dynamic(dssp(bounds(staleness, 0)), intervals);
    Clockwork fixed(test::make_strategy("ssp", {{"staleness", staleness}}), intervals);
    dynamic.run_until(200);
    fixed.run_until(200);
    BOOST_TEST(dynamic.clocks() == fixed.clocks(), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(release_at_the_lower_bound_or_at_the_next_push_of_the_slowest) {
  // Worker 0 runs four steps ahead with a hard cap, then it is held.
  for (const bool next_push : {false, true}) {
    test::Values given = with(with(bounds(1, 2), "credit", std::string("exact")), "hard_cap", true);
    given["release"] = std::string(next_push ? "next_push" : "lower_bound");
    Synchronizer sync = test::all_joined(dssp(given), 2);
    const auto push = [&](std::int64_t tick, std::uint32_t worker) {
      return released(sync.handle(at(tick), Pushed{.worker = WorkerId(worker)}));
    };
    push(20, 1);
    for (std::int64_t tick = 21; sync.cluster().waiting().empty(); ++tick) push(tick, 0);
    BOOST_TEST(sync.cluster().worker(WorkerId(0)).step - 1 == 4U);
    BOOST_TEST(std::ranges::count(push(60, 1), 0U) == (next_push ? 1 : 0));
    if (!next_push) {
      BOOST_TEST(std::ranges::count(push(80, 1), 0U) == 0);
      BOOST_TEST(std::ranges::count(push(100, 1), 0U) == 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(of_two_that_are_furthest_the_first_asks_or_any) {
  for (const bool any : {false, true}) {
    Synchronizer sync = test::all_joined(dssp(with(bounds(0, 4), "fastest", std::string(any ? "any" : "first"))), 3);
    const auto push = [&](std::int64_t tick, std::uint32_t worker) {
      return released(sync.handle(at(tick), Pushed{.worker = WorkerId(worker)}));
    };
    for (std::uint32_t worker = 0; worker < 3; ++worker) push(30, worker);
    push(40, 0);
    BOOST_TEST(sync.cluster().worker(WorkerId(0)).step == 2U);
    BOOST_TEST(push(40, 1).size() == (any ? 1U : 0U));  // ties with worker 0
  }
}

BOOST_AUTO_TEST_CASE(whoever_comes_and_goes_each_push_is_used_once) {
  for (const char* credit : {"literal", "exact"}) {
    for (const char* release : {"lower_bound", "next_push"}) {
      for (const bool cap : {false, true}) {
        const test::Values given = {{"staleness", std::int64_t{1}},
                                    {"range", std::int64_t{2}},
                                    {"credit", std::string(credit)},
                                    {"release", std::string(release)},
                                    {"hard_cap", cap},
                                    {"objective", std::string(cap ? "wait" : "absolute")},
                                    {"fastest", std::string(cap ? "any" : "first")}};
        test::Turnover turnover([&] { return dssp(with(given, "staleness", std::int64_t{cap ? 0 : 1})); }, {});
        const auto violation = turnover.run(300);
        BOOST_TEST(!violation, violation.value_or(""));
        BOOST_TEST(turnover.updates() > 300U);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
