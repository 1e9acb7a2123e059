#include <boost/test/unit_test.hpp>

#include "sync/drive.h"
#include "sync/turnover.h"

using namespace psctl;
using namespace psctl::sync;
using test::Clockwork;
using test::released;

namespace {

std::unique_ptr<Strategy> psp(std::int64_t sample, std::int64_t staleness, std::uint64_t seed = 1) {
  return test::make_strategy("psp", {{"sample", sample}, {"staleness", staleness}}, {.workers = 5, .seed = seed});
}

// Who goes on when, and how many updates there are.
std::string story_of(std::unique_ptr<Strategy> strategy, const std::vector<std::int64_t>& intervals) {
  std::string story;
  Clockwork run(std::move(strategy), intervals);
  run.run_until(150, [&](std::int64_t tick, std::uint32_t, std::span<const Outcome> outcomes) {
    for (const std::uint32_t worker : released(outcomes)) story += fmt::format("{}:{} ", tick, worker);
  });
  return story + fmt::format("v{}", run.cluster().version());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(probabilistic_synchronous_parallel)

BOOST_AUTO_TEST_CASE(a_sample_of_all_is_ssp_and_one_of_none_is_asp) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Draws draws({.seed = seed, .purpose = Purpose::kTest});
    std::vector<std::int64_t> intervals(1 + draws.below(5));
    for (auto& interval : intervals) interval = 1 + static_cast<std::int64_t>(draws.below(20));
    const auto staleness = static_cast<std::int64_t>(draws.below(4));
    const auto all = static_cast<std::int64_t>(intervals.size() + draws.below(2));
    BOOST_TEST(story_of(psp(all, staleness), intervals) ==
               story_of(test::make_strategy("ssp", {{"staleness", staleness}}), intervals));
    BOOST_TEST(story_of(psp(0, staleness), intervals) == story_of(test::make_strategy("asp"), intervals));
  }
}

BOOST_AUTO_TEST_CASE(a_sample_is_passed_as_often_as_the_hypergeometric_law_says) {
  // One of five workers is far behind: a sample of two has it with probability 2/5.
  std::size_t passed = 0;
  constexpr std::size_t kRuns = 4000;
  for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
    Synchronizer sync = test::all_joined(psp(2, 0, seed), 5);
    for (std::uint32_t worker = 1; worker < 4; ++worker) sync.handle(test::at(1), Pushed{.worker = WorkerId(worker)});
    const auto outcomes = sync.handle(test::at(2), Pushed{.worker = WorkerId(4)});
    for (const std::uint32_t worker : released(outcomes)) passed += worker == 4 ? 1 : 0;
  }
  const double share = static_cast<double>(passed) / kRuns;
  BOOST_TEST(std::abs(share - 0.6) < 4 * std::sqrt(0.24 / kRuns));
}

BOOST_AUTO_TEST_CASE(who_waits_looks_again_and_passes_when_the_slowest_has_caught_up) {
  // Of two workers the first pushes first. Samples of one.
  std::size_t again = 0, held = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Synchronizer sync = test::all_joined(psp(1, 0, seed), 2);
    sync.handle(test::at(1), Pushed{.worker = WorkerId(0)});
    const bool waits = !sync.cluster().waiting().empty();
    held += waits ? 1 : 0;
    const auto outcomes = released(sync.handle(test::at(2), Pushed{.worker = WorkerId(1)}));
    again += waits && std::ranges::count(outcomes, 0U) == 1 ? 1 : 0;
  }
  BOOST_TEST(held > 50U);
  BOOST_TEST(again == held);
}

BOOST_AUTO_TEST_CASE(asked_twice_it_answers_the_same) {
  Synchronizer sync = test::all_joined(psp(1, 0), 4);
  for (int i = 1; i < 40; ++i) {
    for (std::uint32_t worker = 0; worker < 4; ++worker) {
      if (sync.cluster().worker(WorkerId(worker)).phase != Phase::kComputing) continue;
      sync.handle(test::at(i), Pushed{.worker = WorkerId(worker)});
      BOOST_TEST(const_cast<Strategy&>(sync.strategy()).decide(sync.cluster(), test::at(i)).empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(departures_and_joins_at_any_point_block_nobody) {
  for (std::int64_t sample = 0; sample <= 3; ++sample) {
    test::Turnover turnover([&] { return psp(sample, sample % 2); }, {});
    const auto violation = turnover.run(400);
    BOOST_TEST(!violation, violation.value_or(""));
    BOOST_TEST(turnover.updates() > 400U);
  }
}

BOOST_AUTO_TEST_SUITE_END()
