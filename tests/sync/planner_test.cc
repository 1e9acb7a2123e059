#include "sync/planner.h"

#include <boost/test/unit_test.hpp>
#include <optional>

#include "base/error.h"
#include "base/random.h"

using namespace psctl;
using namespace psctl::sync;

namespace {

const std::vector<Planner> kExact = {Planner::kZipline, Planner::kZiplinePaper, Planner::kZiplineOpt,
                                     Planner::kZiplineOptBs, Planner::kLazyQueue};

Forecast forecast(std::int64_t base, std::int64_t interval) {
  return {.first = Duration(base + interval), .interval = Duration(interval)};
}

std::vector<std::int64_t> endings(const std::vector<Forecast>& workers, const Plan& plan) {
  std::vector<std::int64_t> times;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    times.push_back((workers[i].first + (plan.quotas[i] - 1) * workers[i].interval).count());
  }
  return times;
}

// Whether set `a` is complete before set `b` where endings come by (time, worker); then, both with the same last
// ending, which one a window that keeps the newest of each worker holds: the later endings.
std::vector<std::pair<std::int64_t, std::uint32_t>> in_order(const std::vector<std::int64_t>& times) {
  std::vector<std::pair<std::int64_t, std::uint32_t>> order;
  for (std::uint32_t i = 0; i < times.size(); ++i) order.emplace_back(times[i], i);
  std::ranges::sort(order);
  return order;
}

// All choices, one by one: the least spread; of those the one whose last ending comes first; of those the one that
// holds the newest endings.
Plan brute_force(const std::vector<Forecast>& workers, Step lookahead) {
  Plan plan{.quotas = std::vector<Step>(workers.size(), 1)};
  std::optional<Plan> best;
  for (;;) {
    const auto order = in_order(endings(workers, plan));
    plan.earliest = Duration(order.front().first);
    plan.latest = Duration(order.back().first);
    const auto better = [&] {
      if (!best) return true;
      if (plan.spread() != best->spread()) return plan.spread() < best->spread();
      const auto other = in_order(endings(workers, *best));
      if (order.back() != other.back()) return order.back() < other.back();
      return plan.quotas > best->quotas;
    };
    if (better()) best = plan;
    std::size_t digit = 0;
    while (digit < plan.quotas.size() && plan.quotas[digit] == lookahead) plan.quotas[digit++] = 1;
    if (digit == plan.quotas.size()) return *best;
    ++plan.quotas[digit];
  }
}

void check_example(const std::vector<Forecast>& workers, Step lookahead, const std::vector<Step>& quotas,
                   std::int64_t spread) {
  for (const Planner each : kExact) {
    const Plan found = plan(each, workers, lookahead);
    BOOST_TEST(found.quotas == quotas, boost::test_tools::per_element());
    BOOST_TEST(found.spread().count() == spread);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(planner_of_supersteps)

BOOST_AUTO_TEST_CASE(of_three_equal_optima_the_first_is_taken) {
  const std::vector<Forecast> workers = {forecast(0, 3), forecast(0, 4), forecast(0, 7)};
  check_example(workers, 4, {2, 2, 1}, 2);
  const Plan exact = plan(Planner::kZipline, workers, 4);
  BOOST_TEST(exact.earliest.count() == 6);
  BOOST_TEST(exact.latest.count() == 8);
  // GridScan finds another of the three.
  BOOST_TEST(endings(workers, plan(Planner::kGridScan, workers, 4)) == (std::vector<std::int64_t>{9, 8, 7}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_longer_lookahead_finds_a_smaller_spread) {
  const std::vector<Forecast> workers = {forecast(0, 10), forecast(0, 16), forecast(0, 25)};
  check_example(workers, 3, {3, 2, 1}, 7);
  check_example(workers, 6, {5, 3, 2}, 2);
  check_example(workers, 8, {5, 3, 2}, 2);
}

BOOST_AUTO_TEST_CASE(workers_may_start_at_different_times) {
  check_example({forecast(0, 10), forecast(2, 16), forecast(5, 25)}, 6, {3, 2, 1}, 4);
}

BOOST_AUTO_TEST_CASE(the_round_of_local_workers_with_a_network_is_planned_by_when_their_pushes_arrive) {
  // Steps of 2, 3 and 7, uploads of 1; the models are there.
  const std::vector<Forecast> workers = {forecast(1, 2), forecast(1, 3), forecast(1, 7)};
  check_example(workers, 6, {3, 2, 1}, 1);
  BOOST_TEST(plan(Planner::kZipline, workers, 6).latest.count() == 8);
}

BOOST_AUTO_TEST_CASE(one_worker_and_no_worker_have_a_plan) {
  check_example({forecast(0, 5)}, 7, {1}, 0);
  for (const Planner each : kExact) BOOST_TEST(plan(each, {}, 3).quotas.empty());
  BOOST_CHECK_THROW(plan(Planner::kZipline, std::vector<Forecast>{{Duration(1), Duration(0)}}, 3), InternalError);
  BOOST_CHECK_THROW(plan(Planner::kZipline, std::vector<Forecast>{{Duration(1), Duration(1)}}, 0), InternalError);
}

BOOST_AUTO_TEST_CASE(every_exact_planner_returns_the_set_that_brute_force_finds_and_the_others_are_never_better) {
  std::size_t grid_worse = 0, full_grid_worse = 0;
  for (std::uint64_t seed = 1; seed <= 6000; ++seed) {
    Draws draws({.seed = seed, .purpose = Purpose::kTest});
    const std::size_t count = 1 + draws.below(5);
    const Step lookahead = 1 + draws.below(5);
    const std::uint64_t longest = seed % 2 == 0 ? 8 : 60;  // short intervals make for ties
    std::vector<Forecast> workers;
    for (std::size_t i = 0; i < count; ++i) {
      workers.push_back(forecast(static_cast<std::int64_t>(draws.below(seed % 3 == 0 ? 1 : 40)),
                                 static_cast<std::int64_t>(1 + draws.below(longest))));
    }
    const Plan best = brute_force(workers, lookahead);
    BOOST_TEST_CONTEXT("seed " << seed << ", " << count << " workers, lookahead " << lookahead) {
      for (const Planner each : kExact) {
        const Plan found = plan(each, workers, lookahead);
        BOOST_TEST(found.quotas == best.quotas, "planner " << static_cast<int>(each));
        BOOST_TEST(found.spread().count() == best.spread().count());
      }
      const Plan grid = plan(Planner::kGridScan, workers, lookahead);
      const Plan full = plan(Planner::kFullGridScan, workers, lookahead);
      BOOST_TEST(full.spread().count() >= best.spread().count());
      BOOST_TEST(grid.spread().count() >= full.spread().count());
      for (const Plan* each : {&grid, &full}) {
        const auto order = in_order(endings(workers, *each));
        BOOST_TEST(each->spread().count() == order.back().first - order.front().first);
        for (const Step quota : each->quotas) BOOST_TEST((quota >= 1 && quota <= lookahead));
      }
      grid_worse += grid.spread() > best.spread() ? 1 : 0;
      full_grid_worse += full.spread() > best.spread() ? 1 : 0;
    }
  }
  BOOST_TEST(grid_worse > full_grid_worse);
  BOOST_TEST(full_grid_worse > 0U);
  BOOST_TEST_MESSAGE("worse than exact: grid_scan " << grid_worse << ", full_grid_scan " << full_grid_worse);
}

BOOST_AUTO_TEST_CASE(exact_planners_agree_on_clusters_that_brute_force_cannot_search) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Draws draws({.seed = seed, .purpose = Purpose::kTest});
    const std::size_t count = 2 + draws.below(40);
    const Step lookahead = 1 + draws.below(60);
    std::vector<Forecast> workers;
    for (std::size_t i = 0; i < count; ++i) {
      workers.push_back(forecast(static_cast<std::int64_t>(draws.below(200)),
                                 static_cast<std::int64_t>(1 + draws.below(seed % 2 == 0 ? 2000 : 20))));
    }
    const Plan paper = plan(Planner::kZiplinePaper, workers, lookahead);
    for (const Planner each : kExact) {
      BOOST_TEST(plan(each, workers, lookahead).quotas == paper.quotas,
                 "seed " << seed << ", planner " << static_cast<int>(each));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
