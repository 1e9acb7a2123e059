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

Setting of_work(std::uint64_t samples, std::size_t batch_size = 1) {
  return {.workers = 8, .total_samples = samples, .batch_size = batch_size};
}
std::unique_ptr<Strategy> sync_switch(const test::Values& given, const Setting& setting) {
  return test::make_strategy("sync_switch", given, setting);
}

// Updates of rounds, then updates of one push.
struct Counts {
  std::size_t rounds = 0, ones = 0, resets = 0;
  bool in_order = true;  // no round after an update of one push
  std::set<double> rates_of_ones;

  void operator()(std::int64_t, std::uint32_t, std::span<const Outcome> outcomes) {
    for (const Apply& apply : only<Apply>(outcomes)) {
      resets += apply.reset ? 1 : 0;
      if (apply.shares.size() > 1) {
        ++rounds;
        in_order = in_order && ones == 0;
      } else {
        ++ones;
        rates_of_ones.insert(apply.rate);
      }
    }
  }
};

std::size_t waiting(const Synchronizer& sync) { return sync.cluster().waiting().size(); }

}  // namespace

BOOST_AUTO_TEST_SUITE(switching_protocols)

BOOST_AUTO_TEST_CASE(of_64000_steps_eight_workers_do_5_percent_in_400_rounds_and_the_rest_one_by_one) {
  Clockwork run(sync_switch({{"bsp_share", 0.05}}, of_work(64000)), std::vector<std::int64_t>(8, 10));
  Counts counts;
  std::size_t pushes = 0;
  run.run_until(80000, [&](std::int64_t tick, std::uint32_t worker, std::span<const Outcome> outcomes) {
    ++pushes;
    counts(tick, worker, outcomes);
  });
  BOOST_TEST(pushes == 64000U);
  BOOST_TEST(counts.rounds == 400U);
  BOOST_TEST(counts.ones == 60800U);
  BOOST_TEST(run.cluster().version() == 61200U);
  BOOST_TEST(counts.in_order);
  BOOST_TEST(counts.rates_of_ones == std::set<double>{0.125}, boost::test_tools::per_element());
  BOOST_TEST(counts.resets == 0U);
}

BOOST_AUTO_TEST_CASE(the_share_is_counted_in_samples_and_the_round_that_reaches_it_is_finished) {
  // 30 % of 1000 samples in batches of 16 by 4 workers: 64 samples a round, the fifth reaches 300.
  Clockwork run(sync_switch({{"bsp_share", 0.3}}, of_work(1000, 16)), {3, 5, 7, 11});
  Counts counts;
  run.run_until(200, std::ref(counts));
  BOOST_TEST(counts.rounds == 5U);
  BOOST_TEST(counts.in_order);
  BOOST_TEST(run.cluster().waiting().empty());
}

BOOST_AUTO_TEST_CASE(an_epoch_to_switch_at_takes_the_place_of_the_share) {
  Setting setting = of_work(1000);
  setting.total_samples.reset();
  BOOST_CHECK_THROW(sync_switch({}, setting), UserError);
  BOOST_CHECK_THROW(sync_switch({{"switch_epoch", 1.5}}, setting), UserError);
  setting.train_samples = 20;
  Clockwork run(sync_switch({{"switch_epoch", 1.5}}, setting), {2, 3});
  Counts counts;
  run.run_until(100, std::ref(counts));
  BOOST_TEST(counts.rounds == 15U);
  BOOST_TEST(counts.ones > 0U);
}

BOOST_AUTO_TEST_CASE(a_share_of_all_is_bsp_and_one_of_nothing_is_asp) {
  const std::vector<std::int64_t> intervals = {2, 3, 7};
  for (const double share : {0.0, 1.0}) {
    Clockwork run(sync_switch({{"bsp_share", share}}, of_work(1'000'000)), intervals);
    Clockwork same(test::make_strategy(share == 1 ? "bsp" : "asp"), intervals);
    run.run_until(210);
    same.run_until(210);
    BOOST_TEST(run.clocks() == same.clocks(), boost::test_tools::per_element());
    BOOST_TEST(run.cluster().version() == same.cluster().version());
  }
}

BOOST_AUTO_TEST_CASE(asp_may_come_first_and_no_push_is_lost_on_the_way_to_bsp) {
  // 75 % of 40 samples under ASP, then rounds; the first of them has what the workers had on their way.
  Synchronizer sync = test::all_joined(
      sync_switch({{"order", std::string("asp_bsp")}, {"bsp_share", 0.25}, {"momentum", std::string("reset")}},
                  of_work(40)),
      3);
  const auto push = [&](std::uint32_t worker) { return sync.handle(at(0), Pushed{.worker = WorkerId(worker)}); };
  for (int i = 0; i < 30; ++i) BOOST_TEST(only<Apply>(push(0)).size() == 1U);
  BOOST_TEST(push(1).empty());
  BOOST_TEST(push(0).empty());
  const auto first = push(2);
  BOOST_REQUIRE(only<Apply>(first).size() == 1U);
  BOOST_TEST(only<Apply>(first)[0].shares.size() == 3U);
  BOOST_TEST(only<Apply>(first)[0].reset);
  BOOST_TEST(waiting(sync) == 0U);
}

BOOST_AUTO_TEST_CASE(the_first_update_after_the_switch_resets_the_momentum_when_asked_to) {
  Synchronizer sync =
      test::all_joined(sync_switch({{"bsp_share", 0.5}, {"momentum", std::string("reset")}}, of_work(8)), 2);
  const auto push = [&](std::uint32_t worker) {
    return only<Apply>(sync.handle(at(0), Pushed{.worker = WorkerId(worker)}));
  };
  push(0);
  BOOST_TEST(!push(1)[0].reset);
  push(1);
  const auto last_round = push(0);
  BOOST_TEST(last_round[0].shares.size() == 2U);
  BOOST_TEST(!last_round[0].reset);
  const auto first = push(1);
  BOOST_TEST(first[0].shares.size() == 1U);
  BOOST_TEST(first[0].reset);
  BOOST_TEST(!push(1)[0].reset);
  BOOST_TEST(!push(0)[0].reset);
}

BOOST_AUTO_TEST_CASE(greedy_goes_to_asp_while_there_is_a_straggler_and_then_back_to_finish_the_share) {
  const test::Values given = {
      {"bsp_share", 0.5}, {"straggler_policy", std::string("greedy")}, {"detect_window", std::int64_t{2}}};
  Clockwork run(sync_switch(given, of_work(400)), {10, 10, 10, 10});
  std::string story;  // r: a round, 1: an update of one push
  std::size_t in_rounds = 0;
  const auto tell = [&](std::int64_t, std::uint32_t, std::span<const Outcome> outcomes) {
    for (const Apply& apply : only<Apply>(outcomes)) {
      const char kind = apply.shares.size() > 1 ? 'r' : '1';
      in_rounds += kind == 'r' ? apply.shares.size() : 0;
      if (story.empty() || story.back() != kind) story += kind;
    }
  };
  run.run_until(50, tell);
  BOOST_TEST(story == "r");
  run.set_interval(3, 40);
  run.run_until(300, tell);
  BOOST_TEST(story == "r1");
  run.set_interval(3, 10);
  run.run_until(500, tell);
  BOOST_TEST(story == "r1r");
  run.run_until(2000, tell);
  BOOST_TEST(story == "r1r1");
  // The share of bsp, but for the push of the round that the straggler broke up and those on the way back.
  BOOST_TEST(std::abs(static_cast<double>(in_rounds) - 200) <= 8);
}

BOOST_AUTO_TEST_CASE(greedy_applies_the_pushes_of_the_round_that_it_leaves_one_by_one_by_worker) {
  Synchronizer sync = test::all_joined(
      sync_switch({{"bsp_share", 0.5}, {"straggler_policy", std::string("greedy")}, {"detect_window", std::int64_t{1}}},
                  of_work(1000)),
      5);
  const auto push = [&](std::int64_t tick, std::uint32_t worker) {
    return sync.handle(at(tick), Pushed{.worker = WorkerId(worker)});
  };
  for (std::uint32_t worker = 0; worker < 5; ++worker) push(10, worker);  // a round
  push(20, 4);
  push(20, 1);
  const auto outcomes = push(40, 3);  // a straggler, while 0 and 2 compute
  const auto applies = only<Apply>(outcomes);
  BOOST_REQUIRE(applies.size() == 3U);
  const std::vector<std::uint64_t> expected = {7, 8, 6};  // pushes of the workers 1, 3, 4
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_REQUIRE(applies[i].shares.size() == 1U);
    BOOST_TEST(applies[i].shares[0].push.value == expected[i]);
    BOOST_TEST(applies[i].rate == 0.2);
  }
  BOOST_TEST(released(outcomes).size() == 3U);
}

BOOST_AUTO_TEST_CASE(elastic_finishes_the_share_without_the_straggler_and_then_brings_it_back) {
  Synchronizer sync = test::all_joined(
      sync_switch(
          {{"bsp_share", 0.5}, {"straggler_policy", std::string("elastic")}, {"detect_window", std::int64_t{1}}},
          of_work(48)),
      4);
  const auto push = [&](std::int64_t tick, std::uint32_t worker) {
    return sync.handle(at(tick), Pushed{.worker = WorkerId(worker)});
  };
  for (std::uint32_t worker = 0; worker < 4; ++worker) push(10, worker);
  for (std::uint32_t worker = 0; worker < 3; ++worker) push(20, worker);
  const auto slow = push(50, 3);  // its push is in the round, then it is held
  BOOST_TEST(only<Apply>(slow)[0].shares.size() == 4U);
  BOOST_TEST(released(slow) == (std::vector<std::uint32_t>{0, 1, 2}), boost::test_tools::per_element());
  std::int64_t tick = 60;
  for (std::size_t pushes = 8; pushes < 24; tick += 10) {  // samples of the share: 24
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
      ++pushes;
      const auto outcomes = push(tick, worker);
      if (worker < 2) continue;
      BOOST_TEST(only<Apply>(outcomes)[0].shares.size() == 3U);
      BOOST_TEST(released(outcomes).size() == (pushes < 24 ? 3U : 4U));
    }
  }
  BOOST_TEST(only<Apply>(push(tick, 3)).size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_a_straggler_that_was_taken_out_had_on_its_way_is_dropped) {
  Synchronizer sync = test::all_joined(
      sync_switch(
          {{"bsp_share", 0.5}, {"straggler_policy", std::string("elastic")}, {"detect_window", std::int64_t{2}}},
          of_work(1000)),
      3);
  const auto push = [&](std::int64_t tick, std::uint32_t worker) {
    return sync.handle(at(tick), Pushed{.worker = WorkerId(worker)});
  };
  // Mean intervals 10, 13, 16: none above 1.5 times the median of 13. Then worker 1 becomes as fast as worker 0, and
  // worker 2 is above while it computes.
  for (const std::int64_t round : {0, 16}) {
    push(round + 10, 0);
    push(round + 13, 1);
    push(round + 16, 2);
  }
  push(33, 1);
  push(42, 0);
  BOOST_TEST(sync.cluster().version() == 3U);  // a round without worker 2
  const auto dropped = push(48, 2);
  BOOST_REQUIRE(only<Discard>(dropped).size() == 1U);
  BOOST_TEST(released(dropped).empty());
  // Nobody is stuck when all the others leave.
  sync.handle(at(50), Left{WorkerId(0)});
  BOOST_TEST(released(sync.handle(at(51), Left{WorkerId(1)})) == (std::vector<std::uint32_t>{2}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(of_two_workers_either_is_found_when_it_becomes_the_slower_one) {
  for (const std::uint32_t slow : {0U, 1U}) {
    for (const std::int64_t factor : {1, 2, 4}) {
      const test::Values given = {{"bsp_share", 1.0},
                                  {"straggler_policy", std::string("elastic")},
                                  {"detect_window", std::int64_t{1}},
                                  {"detect_factor", static_cast<double>(factor)}};
      Synchronizer sync = test::all_joined(sync_switch(given, of_work(1000)), 2);
      const auto push = [&](std::int64_t tick, std::uint32_t worker) {
        return sync.handle(at(tick), Pushed{.worker = WorkerId(worker)});
      };
      push(10, 0);
      push(10, 1);
      push(20, 1 - slow);
      BOOST_TEST_CONTEXT("worker " << slow << ", factor " << factor) {
        // Exactly the factor is not above it.
        BOOST_TEST(released(push(10 + 10 * factor, slow)).size() == 2U);
        const std::int64_t now = 10 + 10 * factor;
        push(now + 10, 1 - slow);
        BOOST_TEST(released(push(now + 10 * factor + 1, slow)) == (std::vector<std::uint32_t>{1 - slow}),
                   boost::test_tools::per_element());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(whoever_comes_and_goes_each_push_is_used_once) {
  for (const char* order : {"bsp_asp", "asp_bsp"}) {
    for (const char* policy : {"none", "greedy", "elastic"}) {
      const auto make = [&] {
        return sync_switch({{"order", std::string(order)},
                            {"bsp_share", 0.5},
                            {"straggler_policy", std::string(policy)},
                            {"detect_window", std::int64_t{1}},
                            {"detect_factor", 1.1}},
                           of_work(20));
      };
      test::Turnover turnover(make, {});
      const auto violation = turnover.run(500);
      BOOST_TEST(!violation, violation.value_or(""));
      BOOST_TEST(turnover.updates() > 500U);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
