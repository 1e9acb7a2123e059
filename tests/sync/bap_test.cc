#include <boost/test/unit_test.hpp>

#include "sync/drive.h"
#include "sync/turnover.h"

using namespace psctl;
using namespace psctl::sync;
using test::all_joined;
using test::at;
using test::only;
using test::released;

namespace {

std::unique_ptr<Strategy> bap(std::int64_t staleness, double limit_ms = 0) {
  return test::make_strategy("bap", {{"staleness", staleness}, {"max_iteration_ms", limit_ms}});
}
Pushed push(std::uint32_t worker, bool empty = false) { return {.worker = WorkerId(worker), .empty = empty}; }

Refresh refresh_of(std::span<const Outcome> outcomes) {
  const auto releases = only<Release>(outcomes);
  BOOST_REQUIRE(releases.size() == 1);
  return releases[0].refresh;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bounded_asynchronous_parallel)

BOOST_AUTO_TEST_CASE(the_worked_example_runs_on_stale_models_blocks_and_publishes_when_it_should) {
  // Intervals 2, 3, 7 and a bound of 2.
  test::Clockwork run(bap(2), {2, 3, 7});
  std::string story;
  run.run_until(21, [&](std::int64_t tick, std::uint32_t, std::span<const Outcome> outcomes) {
    story += fmt::format("{}:", tick);
    for (const Outcome& outcome : outcomes) {
      if (std::holds_alternative<Apply>(outcome.decision)) story += fmt::format(" v{}", outcome.version);
      if (const auto* release = std::get_if<Release>(&outcome.decision)) {
        story += fmt::format(" {}{}", release->worker.value, release->refresh == Refresh::kKeep ? "k" : "t");
      }
    }
    story += "; ";
  });
  BOOST_TEST(story == "2: 0k; 3: 1k; 4:; 6:; 7: v1 2t 0t 1t; 9:; 10:; 14: v2 2t 0t 1t; 16:; 17:; 21: v3 2t 0t 1t; ");
}

BOOST_AUTO_TEST_CASE(a_version_is_the_mean_of_everybodys_push_of_one_step) {
  Synchronizer sync = all_joined(bap(2), 3);
  sync.handle(at(1), push(0));                                        // push 1, step 1
  sync.handle(at(2), push(0));                                        // push 2, step 2
  BOOST_TEST(only<Merge>(sync.handle(at(3), push(2))).size() == 1U);  // push 3, step 1
  const auto outcomes = sync.handle(at(4), push(1));                  // push 4, step 1
  const auto applied = std::ranges::find_if(
      outcomes, [](const Outcome& outcome) { return std::holds_alternative<Apply>(outcome.decision); });
  BOOST_REQUIRE((applied != outcomes.end()));
  std::vector<std::uint64_t> pushes;
  for (const Use& use : applied->uses) {
    pushes.push_back(use.push.value);
    BOOST_TEST(use.weight == 1.0 / 3);
  }
  BOOST_TEST(pushes == (std::vector<std::uint64_t>{1, 3, 4}), boost::test_tools::per_element());
  BOOST_TEST(sync.cluster().pending().size() == 1U);  // step 2 of worker 0
}

BOOST_AUTO_TEST_CASE(a_worker_takes_a_newer_version_and_else_keeps_its_own) {
  Synchronizer sync = all_joined(bap(3), 2);
  BOOST_TEST((refresh_of(sync.handle(at(1), push(0))) == Refresh::kKeep));
  sync.handle(at(2), push(1));  // version 1
  BOOST_TEST((refresh_of(sync.handle(at(3), push(0))) == Refresh::kTake));
  BOOST_TEST((refresh_of(sync.handle(at(4), push(0))) == Refresh::kKeep));
}

BOOST_AUTO_TEST_CASE(who_joins_gets_a_model_though_no_version_is_newer) {
  Synchronizer sync(bap(3), 2, 1);
  BOOST_TEST((refresh_of(sync.handle(at(0), Joined{WorkerId(0)})) == Refresh::kTake));
  sync.handle(at(1), push(0));
  BOOST_TEST((refresh_of(sync.handle(at(2), Joined{WorkerId(1)})) == Refresh::kTake));
}

BOOST_AUTO_TEST_CASE(at_most_as_many_tensors_are_pending_as_the_bound_says) {
  for (std::int64_t staleness = 1; staleness <= 4; ++staleness) {
    test::Clockwork run(bap(staleness), {1, 2, 5, 40});
    std::size_t most = 0;
    run.run_until(500, [&](std::int64_t, std::uint32_t, std::span<const Outcome>) {
      most = std::max(most, run.cluster().pending().size());
      BOOST_TEST(run.cluster().version() == run.cluster().min_step());
    });
    BOOST_TEST(most == static_cast<std::size_t>(staleness));
  }
}

BOOST_AUTO_TEST_CASE(the_schedule_is_that_of_ssp_with_one_less) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Draws draws({.seed = seed, .purpose = Purpose::kTest});
    std::vector<std::int64_t> intervals(2 + draws.below(4));
    for (auto& interval : intervals) interval = 1 + static_cast<std::int64_t>(draws.below(20));
    const auto bound = static_cast<std::int64_t>(1 + draws.below(5));
    std::string of_bap, of_ssp;
    const auto write_to = [](std::string& story) {
      return [&story](std::int64_t tick, std::uint32_t, std::span<const Outcome> outcomes) {
        for (const std::uint32_t worker : released(outcomes)) story += fmt::format("{}:{} ", tick, worker);
      };
    };
    test::Clockwork(bap(bound), intervals).run_until(200, write_to(of_bap));
    test::Clockwork(test::make_strategy("ssp", {{"staleness", bound - 1}}), intervals).run_until(200, write_to(of_ssp));
    BOOST_TEST(of_bap == of_ssp, "seed " << seed);
    BOOST_TEST(!of_bap.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_step_that_was_given_up_counts_as_pushed_and_is_not_in_the_mean) {
  Synchronizer sync = all_joined(bap(2, 5), 3);
  BOOST_TEST((only<Release>(sync.handle(at(1), push(0)))[0].limit == from_milliseconds(5)));
  sync.handle(at(2), push(1, true));
  const auto outcomes = sync.handle(at(3), push(2));
  double weights = 0;
  for (const Outcome& outcome : outcomes) {
    if (!std::holds_alternative<Apply>(outcome.decision)) continue;
    BOOST_TEST(outcome.uses.size() == 2U);
    for (const Use& use : outcome.uses) weights += use.weight;
  }
  BOOST_TEST(weights == 1.0);
  BOOST_TEST(sync.cluster().version() == 1U);
}

BOOST_AUTO_TEST_CASE(a_step_that_everybody_gave_up_is_closed_by_an_update_of_nothing) {
  Synchronizer sync = all_joined(bap(2, 5), 2);
  BOOST_TEST(only<Discard>(sync.handle(at(1), push(0, true))).size() == 1U);
  const auto outcomes = sync.handle(at(2), push(1, true));
  BOOST_REQUIRE(only<Apply>(outcomes).size() == 1U);
  BOOST_TEST(only<Apply>(outcomes)[0].shares.empty());
  BOOST_TEST(sync.cluster().version() == 1U);
}

BOOST_AUTO_TEST_CASE(a_departure_publishes_what_waited_for_it_alone) {
  Synchronizer sync = all_joined(bap(2), 3);
  sync.handle(at(1), push(0));
  sync.handle(at(2), push(0));
  sync.handle(at(3), push(1));
  BOOST_TEST(sync.cluster().version() == 0U);
  const auto outcomes = sync.handle(at(4), Left{WorkerId(2)});
  BOOST_TEST(sync.cluster().version() == 1U);
  BOOST_REQUIRE(only<Apply>(outcomes).size() == 1U);
  BOOST_TEST(only<Apply>(outcomes)[0].shares[0].weight == 0.5);
  BOOST_TEST(released(outcomes) == std::vector<std::uint32_t>{0}, boost::test_tools::per_element());
  // Of two that leave one after the other, the pushes ahead are published with the last.
  sync.handle(at(5), Left{WorkerId(1)});
  sync.handle(at(6), push(0));
  sync.handle(at(7), Left{WorkerId(0)});
  BOOST_TEST(sync.cluster().pending().empty());
  BOOST_TEST(sync.cluster().version() == 3U);
}

BOOST_AUTO_TEST_CASE(departures_joins_and_steps_given_up_at_any_point_block_nobody) {
  const auto check = [](const Synchronizer& sync, const Event&, std::span<const Outcome> outcomes) -> std::string {
    const Cluster& cluster = sync.cluster();
    const Version complete = cluster.present() > 0 ? cluster.min_step() : cluster.furthest_step();
    if (cluster.version() != complete) return fmt::format("version {}, not {}", cluster.version(), complete);
    for (const Outcome& outcome : outcomes) {
      double weights = 0;
      for (const Use& use : outcome.uses) weights += use.weight;
      if (std::holds_alternative<Apply>(outcome.decision) && !outcome.uses.empty() && std::abs(weights - 1) > 1e-12) {
        return fmt::format("the weights of its pushes sum to {}", weights);
      }
    }
    return "";
  };
  for (std::int64_t staleness = 1; staleness <= 4; ++staleness) {
    for (const double limit_ms : {0, 5}) {
      test::Turnover turnover([&] { return bap(staleness, limit_ms); }, {.weights_sum_to_one = false, .check = check});
      const auto violation = turnover.run(300);
      BOOST_TEST(!violation, violation.value_or(""));
      BOOST_TEST(turnover.updates() > 300U);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
