#include <boost/test/unit_test.hpp>

#include "sim/virtual_run.h"

using namespace psctl;

namespace {

constexpr double kSecond = 1000;  // milliseconds
const sim::SimConfig kIntervals237{.compute_ms = {2 * kSecond, 3 * kSecond, 7 * kSecond}, .network = {}};

lead::Setup until_21() {
  lead::Setup setup;
  setup.cluster.workers = 3;
  setup.stop.time_s = 21;
  return setup;
}

void check_vector(std::unique_ptr<sync::Strategy> strategy, const std::vector<Step>& clocks,
                  const std::vector<double>& waits) {
  const auto summary = test::run(kIntervals237, until_21(), std::move(strategy)).summary;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& worker = summary["workers"][i];
    BOOST_TEST(worker["clock"].get<Step>() == clocks[i]);
    BOOST_TEST(worker["wait_s"].get<double>() == waits[i]);
    BOOST_TEST(worker["wall_s"].get<double>() == 21.0);
    BOOST_TEST(worker["other_s"].get<double>() == 0.0);
  }
  BOOST_TEST(summary["time_s"].get<double>() == 21.0);
}

}  // namespace

// Intervals 2, 3, 7; no network cost; pushes at one instant in the order of the workers; up to and including 21.
BOOST_AUTO_TEST_SUITE(vectors_of_the_literature)

BOOST_AUTO_TEST_CASE(bsp_has_clocks_3_3_3_and_waits_15_12_0) {
  check_vector(test::strategy("bsp"), {3, 3, 3}, {15, 12, 0});
}

BOOST_AUTO_TEST_CASE(ssp_0_has_the_schedule_of_bsp) {
  check_vector(test::strategy("ssp", {{"staleness", std::int64_t{0}}}), {3, 3, 3}, {15, 12, 0});
}

BOOST_AUTO_TEST_CASE(ssp_1_has_clocks_4_4_3_and_waits_13_9_0) {
  check_vector(test::strategy("ssp", {{"staleness", std::int64_t{1}}}), {4, 4, 3}, {13, 9, 0});
}

BOOST_AUTO_TEST_CASE(ssp_2_has_clocks_5_5_3_and_waits_11_6_0) {
  check_vector(test::strategy("ssp", {{"staleness", std::int64_t{2}}}), {5, 5, 3}, {11, 6, 0});
}

BOOST_AUTO_TEST_CASE(bap_has_the_schedule_of_ssp_with_one_less) {
  check_vector(test::strategy("bap", {{"staleness", std::int64_t{1}}}), {3, 3, 3}, {15, 12, 0});
  check_vector(test::strategy("bap", {{"staleness", std::int64_t{2}}}), {4, 4, 3}, {13, 9, 0});
  check_vector(test::strategy("bap", {{"staleness", std::int64_t{3}}}), {5, 5, 3}, {11, 6, 0});
}

BOOST_AUTO_TEST_CASE(all_that_the_fast_ones_wait_is_charged_to_the_slow_one) {
  const auto check = [](std::unique_ptr<sync::Strategy> strategy, double first, double second) {
    const auto workers = test::run(kIntervals237, until_21(), std::move(strategy)).summary["workers"];
    BOOST_TEST(workers[0]["held_by"] == nlohmann::json({{{"worker", 2}, {"s", first}}}));
    BOOST_TEST(workers[1]["held_by"] == nlohmann::json({{{"worker", 2}, {"s", second}}}));
    BOOST_TEST(workers[2]["held_by"].empty());
    BOOST_TEST(workers[0]["held_others_s"] == 0.0);
    BOOST_TEST(workers[1]["held_others_s"] == 0.0);
    BOOST_TEST(workers[2]["held_others_s"] == first + second);
  };
  check(test::strategy("bsp"), 15, 12);
  check(test::strategy("ssp", {{"staleness", std::int64_t{1}}}), 13, 9);
}

BOOST_AUTO_TEST_CASE(asp_has_clocks_10_7_3_and_nobody_waits) {
  check_vector(test::strategy("asp"), {10, 7, 3}, {0, 0, 0});
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(closed_forms)

BOOST_AUTO_TEST_CASE(bsp_takes_the_sum_of_the_slowest_steps) {
  // Uniform delays, keyed: the same draws give the closed form.
  const std::vector<delay::Rule> rules = {{.workers = {WorkerId(0), WorkerId(1), WorkerId(2)},
                                           .law = delay::Law::kUniform,
                                           .min_ms = 0,
                                           .max_ms = 50,
                                           .file = {}}};
  lead::Setup setup;
  setup.cluster.workers = 3;
  setup.stop.steps_per_worker = 40;
  const auto summary =
      test::run({.compute_ms = {10, 20, 30}, .network = {}}, setup, test::strategy("bsp"), rules).summary;
  auto draws = test::stragglers(rules, 3);
  Duration total{};
  for (Step step = 0; step < 40; ++step) {
    Duration slowest{};
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
      slowest = std::max(slowest, from_milliseconds(10.0 * (worker + 1)) + draws[worker].at(step, {}).compute);
    }
    total += slowest;
  }
  BOOST_TEST(summary["time_s"].get<double>() == to_seconds(total));
}

BOOST_AUTO_TEST_CASE(asp_takes_each_workers_own_sum) {
  lead::Setup setup;
  setup.cluster.workers = 2;
  setup.stop.steps_per_worker = 10;
  const auto summary = test::run({.compute_ms = {10, 35}, .network = {}}, setup, test::strategy("asp")).summary;
  BOOST_TEST(summary["workers"][0]["wall_s"].get<double>() == 0.1);
  BOOST_TEST(summary["workers"][1]["wall_s"].get<double>() == 0.35);
}

// What an epoch, or a number of samples, means for a round: it counts when it closes, so that no strategy pays for a
// last round that is in no model.
BOOST_AUTO_TEST_CASE(identical_workers_use_equally_many_samples_a_second_under_every_strategy_that_discards_none) {
  for (const sync::Entry& entry : sync::entries()) {
    if (entry.name == "backup") continue;
    for (const std::uint64_t samples : {100U, 300U, 301U, 1'000U}) {
      lead::Setup setup;
      setup.cluster.workers = 4;
      setup.stop.samples = samples;
      const sync::Setting setting{
          .workers = 4, .steps_per_epoch = 10, .total_samples = samples, .train_samples = 40, .batch_size = 1};
      std::map<std::string, sync::ParameterValue, std::less<>> given;
      if (entry.name == "local_sgd") given["period"] = std::int64_t{7};
      const auto made =
          test::run({.compute_ms = {7}, .network = {}}, setup, test::strategy(entry.name, given, setting));
      BOOST_TEST_CONTEXT(entry.name << " to " << samples << " samples") {
        BOOST_TEST(made.summary["samples_pending"].get<int>() == 0);
        BOOST_TEST(made.summary["samples_used"].get<std::uint64_t>() >= samples);
        BOOST_TEST(std::abs(made.summary["samples_per_s"].get<double>() - 4 / 0.007) < 1e-6);
      }
    }
  }
}

// Workers that overlap and throw their steps away when a model comes compute ten times what they push.
BOOST_AUTO_TEST_CASE(every_sample_that_was_computed_is_used_discarded_pending_lost_or_given_up) {
  lead::Setup setup;
  setup.cluster.workers = 4;
  setup.stop.time_s = 10;
  setup.batch_size = 1;
  const auto made = test::run({.compute_ms = {10}, .network = {.latency_ms = 60}}, setup,
                              test::strategy("wbsp", {{"overlap", true}}, {.workers = 4, .batch_size = 1}));
  const auto count = [&](const char* key) { return made.summary[key].get<std::uint64_t>(); };
  BOOST_TEST(count("samples") >= count("pushes"));
  BOOST_TEST(count("samples_used") + count("samples_discarded") + count("samples_pending") == count("samples"));
  BOOST_TEST(count("samples_given_up") == 0U);
  // All computed all the time; what was not pushed yet at the end is at most what two transfers take.
  const std::uint64_t computed = count("samples") + count("samples_lost");
  BOOST_TEST(computed <= 4'000U);
  BOOST_TEST(computed >= 4'000U - 4 * 20);
  BOOST_TEST(made.summary["samples_per_s"].get<double>() == static_cast<double>(count("samples_used")) / 10);
}

BOOST_AUTO_TEST_CASE(workers_that_join_and_leave_block_nobody) {
  for (const char* name : {"bsp", "asp", "ssp", "dssp", "psp", "backup", "bap", "a2s", "sync_switch"}) {
    lead::Setup setup;
    setup.cluster.workers = 4;
    setup.cluster.membership = {
        {.worker = WorkerId(1), .join_s = 0.105, .leave_s = {}, .join_step = {}, .leave_step = {}},
        {.worker = WorkerId(2), .join_s = {}, .leave_s = 0.333, .join_step = {}, .leave_step = {}},
        {.worker = WorkerId(3), .join_s = {}, .leave_s = {}, .join_step = 5, .leave_step = 9}};
    setup.stop.time_s = 1;
    const auto summary =
        test::run({.compute_ms = {10, 10, 10, 10}, .network = {}}, setup, test::strategy(name)).summary;
    BOOST_TEST(summary["workers"][0]["steps"].get<int>() == 100, name);
    BOOST_TEST(summary["workers"][1]["steps"].get<int>() >= 88, name);
    BOOST_TEST(summary["workers"][2]["steps"].get<int>() == 33, name);
    BOOST_TEST(summary["workers"][3]["clock"].get<int>() == 9, name);
    for (const auto& worker : summary["workers"]) BOOST_TEST(std::abs(worker["other_s"].get<double>()) < 1e-9, name);
  }
}

BOOST_AUTO_TEST_SUITE_END()
