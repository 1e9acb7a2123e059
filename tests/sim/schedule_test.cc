// One convention of schedules and warm-up for all strategies, whoever takes the steps.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "sim/virtual_run.h"
#include "support/batches.h"

using namespace psctl;
using learn::ScheduleConfig;
using learn::ScheduleKind;

namespace {

struct Trained {
  std::vector<float> model;
  std::uint64_t settled = 0;  // samples
};

struct Cluster {
  std::size_t workers = 3;
  double latency_ms = 0;
};

Trained train(const test::Learner& learner, const Cluster& cluster, const lead::StopConfig& stop,
              std::unique_ptr<sync::Strategy> strategy) {
  lead::Setup setup;
  setup.cluster.workers = cluster.workers;
  setup.stop = stop;
  setup.batch_size = learner.batch_size;
  setup.train_samples = learner.splits.train->size();
  setup.optimizer = learner.optimizer;
  sim::Learning learning = learner.learning(cluster.workers);
  lead::Lead lead(setup, std::move(strategy));
  sim::Simulator simulator({.compute_ms = {10}, .network = {.latency_ms = cluster.latency_ms}}, learner.batch_size,
                           lead, test::stragglers({}, cluster.workers), &learning,
                           {.interrupted = nullptr, .progress = {}});
  simulator.run();
  const auto values = simulator.model()->values();
  return {{values.begin(), values.end()}, lead.account().samples().settled()};
}

std::unique_ptr<sync::Strategy> strategy_of(const sync::Entry& entry, const test::Learner& learner,
                                            std::size_t workers) {
  return test::strategy(entry.name, {}, test::setting_of(learner, workers));
}

lead::StopConfig updates(Version count) {
  lead::StopConfig stop;
  stop.updates = count;
  return stop;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(a[i]) - b[i]));
  return worst;
}

ScheduleConfig halved_every(double epochs) {
  return {.kind = ScheduleKind::kStep, .every_epochs = epochs, .factor = 0.5};
}

const std::vector<ScheduleConfig> kSchedules = {
    {},
    halved_every(0.25),
    {.kind = ScheduleKind::kExponential, .factor = 0.2},
    {.kind = ScheduleKind::kCosine, .epochs = 1.5},
};

// One worker's mini-batches one after the other, each an update of the next samples.
std::vector<float> plain_training(const test::Learner& learner, std::uint64_t steps) {
  std::vector<float> model(learner.model.parameter_count()), gradient(model.size());
  learner.model.initialise(model, 1);
  learn::Optimizer optimizer(learner.optimizer, model.size());
  auto batches = learner.learning(1).batches[0];
  learn::Workspace workspace;
  const ScheduleConfig& schedule = learner.optimizer.schedule;
  const auto epoch = [&](std::uint64_t step) {
    return static_cast<double>(step * learner.batch_size) / static_cast<double>(learner.splits.train->size());
  };
  for (std::uint64_t step = 0; step < steps; ++step) {
    double rate = learner.optimizer.learning_rate;
    if (schedule.kind == ScheduleKind::kStep) rate *= std::pow(schedule.factor, std::floor(epoch(step) * 4));
    if (schedule.kind == ScheduleKind::kExponential) rate *= std::pow(schedule.factor, epoch(step));
    if (schedule.kind == ScheduleKind::kCosine) rate *= 0.5 + 0.5 * std::cos(M_PI * std::min(1.0, epoch(step) / 1.5));
    if (schedule.warmup_epochs > 0) rate *= std::min(1.0, epoch(step + 1) / schedule.warmup_epochs);
    learner.model.gradient(model, test::batch_of(*learner.splits.train, batches.batch(step)), gradient, workspace);
    optimizer.begin_step(rate);
    optimizer.step(0, model, gradient, model);
  }
  return model;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(schedule)

BOOST_AUTO_TEST_CASE(up_to_its_first_boundary_a_step_schedule_is_a_constant_rate_to_the_bit_under_every_strategy) {
  for (const sync::Entry& entry : sync::entries()) {
    BOOST_TEST_CONTEXT(entry.name) {
      test::Learner learner;
      const auto run = [&] { return train(learner, {}, updates(14), strategy_of(entry, learner, 3)); };
      const Trained constant = run();
      const auto samples = static_cast<double>(learner.splits.train->size());
      const auto end = static_cast<double>(constant.settled) / samples;
      learner.optimizer.schedule = halved_every(end);
      BOOST_TEST((run().model == constant.model));
      // The last mini-batch of each worker begins at the boundary, or beyond it.
      learner.optimizer.schedule = halved_every(end - 3 * static_cast<double>(learner.batch_size) / samples);
      BOOST_TEST((run().model != constant.model));
    }
  }
}

BOOST_AUTO_TEST_CASE(one_worker_takes_the_steps_of_plain_training_under_every_strategy_and_schedule) {
  constexpr double kLatency = 15;  // some overlap
  for (const sync::Entry& entry : sync::entries()) {
    for (ScheduleConfig schedule : kSchedules) {
      for (const double warmup : {0.0, 0.4}) {
        schedule.warmup_epochs = warmup;
        BOOST_TEST_CONTEXT(entry.name << ", schedule " << static_cast<int>(schedule.kind) << ", warm-up " << warmup) {
          test::Learner learner;
          learner.optimizer.schedule = schedule;
          const Trained seen = train(learner, {1, kLatency}, updates(20), strategy_of(entry, learner, 1));
          const std::uint64_t steps = seen.settled / learner.batch_size;
          BOOST_TEST(steps >= 20);
          BOOST_TEST(distance(seen.model, plain_training(learner, steps)) < 2e-5);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(wbsp_that_keeps_what_it_overlaps_takes_the_steps_of_plain_training) {
  for (ScheduleConfig schedule : kSchedules) {
    schedule.warmup_epochs = 0.4;
    test::Learner learner;
    learner.optimizer.schedule = schedule;
    const Trained seen = train(
        learner, {1, 15}, updates(12),
        test::strategy("wbsp", {{"overlap", true}, {"rebase", std::string("reapply")}}, test::setting_of(learner, 1)));
    const std::uint64_t steps = seen.settled / learner.batch_size;
    BOOST_TEST(steps > 24);
    BOOST_TEST(distance(seen.model, plain_training(learner, steps)) < 2e-5);
  }
}

BOOST_AUTO_TEST_CASE(bsp_and_rounds_of_one_local_step_are_one_algorithm_under_every_schedule) {
  for (ScheduleConfig schedule : kSchedules) {
    for (const double warmup : {0.0, 0.1, 0.4}) {
      schedule.warmup_epochs = warmup;
      BOOST_TEST_CONTEXT("schedule " << static_cast<int>(schedule.kind) << ", warm-up " << warmup) {
        test::Learner learner;
        learner.optimizer.schedule = schedule;
        const test::Learner constant;
        const auto bsp = [](const test::Learner& l) { return train(l, {}, updates(30), test::strategy("bsp")).model; };
        const auto local = [](const test::Learner& l) {
          return train(l, {}, updates(30), test::strategy("local_sgd", {{"period", std::int64_t{1}}})).model;
        };
        BOOST_TEST(distance(bsp(learner), local(learner)) < 1e-5);
        const bool differs = schedule.kind != ScheduleKind::kConstant || warmup > 0;
        BOOST_TEST((distance(bsp(constant), local(learner)) > 1e-3) == differs);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(with_one_update_an_epoch_cosine_trains_at_the_full_rate_and_warm_up_is_over) {
  for (const char* strategy : {"bsp", "local_sgd"}) {
    test::Learner learner;
    learner.batch_size = 400;
    const auto run = [&](const ScheduleConfig& schedule) {
      learner.optimizer.schedule = schedule;
      const bool local = strategy == std::string("local_sgd");
      return train(learner, {}, updates(1),
                   local ? test::strategy(strategy, {{"period", std::int64_t{1}}}) : test::strategy(strategy))
          .model;
    };
    const std::vector<float> constant = run({});
    BOOST_TEST((run({.kind = ScheduleKind::kCosine, .epochs = 1}) == constant));
    BOOST_TEST((run({.warmup_epochs = 1}) == constant));
    BOOST_TEST((run({.warmup_epochs = 2}) != constant));
  }
}

// A worker in the middle of a round of many steps is as far in the schedule as if all had taken as many.
BOOST_AUTO_TEST_CASE(the_rate_within_a_round_follows_the_steps_of_its_worker) {
  test::Learner learner;
  const auto rounds = [&](const ScheduleConfig& schedule) {
    learner.optimizer.schedule = schedule;
    return train(learner, {}, updates(1), test::strategy("local_sgd", {{"period", std::int64_t{4}}})).model;
  };
  const double step = 3.0 * static_cast<double>(learner.batch_size) / static_cast<double>(learner.splits.train->size());
  const std::vector<float> constant = rounds({});
  BOOST_TEST((rounds(halved_every(4 * step)) == constant));
  BOOST_TEST((rounds(halved_every(3 * step)) != constant));
  BOOST_TEST((rounds({.warmup_epochs = step}) == constant));
  BOOST_TEST((rounds({.warmup_epochs = 2 * step}) != constant));
}

BOOST_AUTO_TEST_SUITE_END()
