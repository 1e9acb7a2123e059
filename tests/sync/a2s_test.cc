#include <boost/test/unit_test.hpp>

#include "sync/drive.h"
#include "sync/turnover.h"

using namespace psctl;
using namespace psctl::sync;
using test::at;
using test::Clockwork;
using test::only;
using test::released;

namespace {

std::unique_ptr<Strategy> a2s(test::Values given = {}, std::int64_t epoch_steps = 3) {
  given["epoch_steps"] = epoch_steps;
  return test::make_strategy("a2s", given);
}

std::string ids(const std::vector<WorkerId>& workers) {
  std::string text;
  for (const WorkerId worker : workers) text += fmt::format(" {}", worker.value);
  return text;
}

// `tick worker` of every push: `held`, or the clocks of the workers of each update and their weights.
std::string story_of(Clockwork& run, std::int64_t from, std::int64_t end) {
  std::string story;
  run.run_until(from - 1);
  run.run_until(end, [&](std::int64_t tick, std::uint32_t worker, std::span<const Outcome> outcomes) {
    story += fmt::format("{} {}:", tick, worker);
    if (outcomes.empty()) story += " held";
    for (const Outcome& outcome : outcomes) {
      if (!std::holds_alternative<Apply>(outcome.decision)) continue;
      for (const Use& use : outcome.uses) story += fmt::format(" {}@{}*{:.4f}", use.worker.value, use.step, use.weight);
    }
    story += "; ";
  });
  return story;
}

const std::vector<std::int64_t> kIntervals = {2, 3, 4, 9};

}  // namespace

BOOST_AUTO_TEST_SUITE(adaptive_synchronous)

BOOST_AUTO_TEST_CASE(the_worked_example_regroups_and_fires_as_it_should) {
  Clockwork run(a2s(), kIntervals);
  run.run_until(27);
  BOOST_TEST(run.clocks() == (std::vector<Step>{13, 9, 6, 3}), boost::test_tools::per_element());
  BOOST_TEST(story_of(run, 28, 31) == "28 0: held; 28 2: held; 30 1: 0@14*0.4516 1@10*0.3226 2@7*0.2258; ");
  std::string slow, last;
  run.run_until(60, [&](std::int64_t tick, std::uint32_t worker, std::span<const Outcome> outcomes) {
    if (worker == 3) {
      slow += fmt::format("{}: {} update, {} go on; ", tick, only<Apply>(outcomes).size(), released(outcomes).size());
    }
    if (tick == 58 && !only<Apply>(outcomes).empty())
      last += fmt::format("58: {} pushes; ", only<Apply>(outcomes)[0].shares.size());
    if (tick == 60 && worker == 0) last += fmt::format("60: {} updates", only<Apply>(outcomes).size());
  });
  BOOST_TEST(slow == "36: 1 update, 1 go on; 45: 1 update, 1 go on; 54: 1 update, 1 go on; ");
  // The barrier at 58 dissolves the group, the push at 60 makes a new one and waits in it.
  BOOST_TEST(last == "58: 3 pushes; 60: 0 updates");
}

BOOST_AUTO_TEST_CASE(weights_are_by_pushes_or_the_mean_or_the_sum) {
  const std::map<std::string, std::vector<double>> expected = {
      {"push_count", {14.0 / 31, 10.0 / 31, 7.0 / 31}}, {"mean", {1.0 / 3, 1.0 / 3, 1.0 / 3}}, {"sum", {1, 1, 1}}};
  for (const auto& [weighting, weights] : expected) {
    Clockwork run(a2s({{"weighting", weighting}}), kIntervals);
    std::vector<double> found;
    run.run_until(30, [&](std::int64_t tick, std::uint32_t, std::span<const Outcome> outcomes) {
      if (tick < 30) return;
      for (const Apply& apply : only<Apply>(outcomes)) {
        for (const Share& share : apply.shares) found.push_back(share.weight);
      }
    });
    BOOST_TEST(found == weights, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(after_enough_pushes_the_barrier_opens_without_those_that_are_missing) {
  // Worker 1 of the group stops; worker 3 pushes on, asynchronously.
  for (const bool any : {false, true}) {
    Synchronizer sync = test::all_joined(
        a2s({{"relax_pushes", std::int64_t{2}}, {"check", std::string(any ? "any_push" : "member_push")}}), 4);
    const auto push = [&](std::uint32_t worker) { return sync.handle(at(0), Pushed{.worker = WorkerId(worker)}); };
    for (int i = 0; i < 12; ++i) push(0);
    for (int i = 0; i < 9; ++i) push(1);
    for (int i = 0; i < 6; ++i) push(2);
    for (int i = 0; i < 3; ++i) push(3);  // the group is 0, 1, 2
    BOOST_TEST(push(0).empty());
    for (int i = 0; i < 2; ++i) BOOST_TEST(only<Apply>(push(3)).size() == 1U);  // seen: 2
    const auto third = push(3);                                                 // seen: 3, of nobody in the group
    BOOST_TEST(only<Apply>(third).size() == (any ? 2U : 1U));
    BOOST_TEST(ids(sync.strategy().waited_for()) == (any ? " 1 2" : ""));
    if (any) continue;
    const auto member = push(2);
    BOOST_REQUIRE(only<Apply>(member).size() == 1U);
    BOOST_TEST(only<Apply>(member)[0].shares.size() == 2U);
    BOOST_TEST(ids(sync.strategy().waited_for()) == " 1");
    BOOST_TEST(push(1).empty());  // the first of the next barrier
    BOOST_TEST(ids(sync.strategy().waited_for()) == "");
  }
}

BOOST_AUTO_TEST_CASE(the_group_is_as_large_as_the_staleness_in_epochs_and_never_has_the_slowest) {
  // Clocks of five workers before the last push, of worker 4, makes them regroup; epochs of three steps.
  struct Case {
    std::vector<int> epochs;
    std::size_t held;
  };
  for (const Case& each :
       {Case{{2, 1, 1, 1, 1}, 0}, Case{{3, 3, 2, 1, 1}, 2}, Case{{4, 1, 1, 3, 1}, 3}, Case{{9, 2, 2, 2, 1}, 4}}) {
    Synchronizer sync = test::all_joined(a2s(), 5);
    for (std::uint32_t worker = 0; worker < 5; ++worker) {
      for (int i = 0; i < 3 * each.epochs[worker]; ++i) sync.handle(at(0), Pushed{.worker = WorkerId(worker)});
    }
    BOOST_TEST(sync.cluster().waiting().empty());
    std::size_t held = 0;
    for (std::uint32_t worker = 0; worker < 5; ++worker) {
      const bool last_of_group = held + 1 == each.held;
      const auto outcomes = sync.handle(at(0), Pushed{.worker = WorkerId(worker)});
      if (worker == 4) BOOST_TEST(only<Apply>(outcomes).size() == 1U);
      if (outcomes.empty() || (last_of_group && only<Apply>(outcomes)[0].shares.size() == each.held)) ++held;
    }
    BOOST_TEST(held == each.held);
  }
}

BOOST_AUTO_TEST_CASE(staleness_is_counted_in_finished_epochs_or_in_steps) {
  // When worker 3 leaves, the others have crossed. At clocks 10, 5 and 5 that is 3 epochs and 1, but 5 steps: not two
  // epochs of three.
  for (const char* unit : {"epoch", "iteration"}) {
    Synchronizer sync = test::all_joined(a2s({{"stale_unit", std::string(unit)}}), 4);
    const auto push = [&](std::uint32_t worker) { return sync.handle(at(0), Pushed{.worker = WorkerId(worker)}); };
    for (int i = 0; i < 9; ++i) push(0);
    for (int i = 0; i < 5; ++i) push(1);
    for (int i = 0; i < 5; ++i) push(2);
    sync.handle(at(0), Left{WorkerId(3)});
    BOOST_TEST(push(0).empty() == (unit == std::string("epoch")));
  }
}

BOOST_AUTO_TEST_CASE(asynchronous_pushes_have_the_rate_that_was_asked_for) {
  Synchronizer sync = test::all_joined(a2s({{"update_scale", std::string("mean")}}), 4);
  BOOST_TEST(only<Apply>(sync.handle(at(1), Pushed{.worker = WorkerId(0)}))[0].rate == 0.25);
}

BOOST_AUTO_TEST_CASE(a_departure_applies_what_is_buffered_and_dissolves_the_group) {
  for (const std::uint32_t leaver : {0U, 1U, 3U}) {
    Synchronizer sync = test::all_joined(a2s(), 4);
    const auto push = [&](std::uint32_t worker) { return sync.handle(at(0), Pushed{.worker = WorkerId(worker)}); };
    for (int i = 0; i < 12; ++i) push(0);
    for (int i = 0; i < 9; ++i) push(1);
    for (int i = 0; i < 6; ++i) push(2);
    for (int i = 0; i < 3; ++i) push(3);
    BOOST_TEST(push(0).empty());
    BOOST_TEST(push(2).empty());
    const auto outcomes = sync.handle(at(0), Left{WorkerId(leaver)});
    BOOST_REQUIRE(only<Apply>(outcomes).size() == 1U);
    BOOST_TEST(only<Apply>(outcomes)[0].shares.size() == 2U);
    BOOST_TEST(released(outcomes).size() == (leaver == 0 ? 1U : 2U));
    BOOST_TEST(only<Apply>(push(2)).size() == 1U);  // asynchronous now
  }
}

BOOST_AUTO_TEST_CASE(an_epoch_of_unknown_length_is_refused) {
  BOOST_CHECK_THROW(test::make_strategy("a2s"), UserError);
  BOOST_CHECK_NO_THROW(test::make_strategy("a2s", {}, {.workers = 2, .steps_per_epoch = 7}));
}

BOOST_AUTO_TEST_CASE(whoever_comes_and_goes_each_push_is_used_once) {
  for (const char* check : {"member_push", "any_push"}) {
    for (const std::int64_t relax : {0, 1, 5}) {
      const auto make = [&] { return a2s({{"check", std::string(check)}, {"relax_pushes", relax}}, 1); };
      test::Turnover turnover(make, {});
      const auto violation = turnover.run(400);
      BOOST_TEST(!violation, violation.value_or(""));
      BOOST_TEST(turnover.updates() > 400U);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
