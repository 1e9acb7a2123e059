// How many tensors a run holds: a bound by the number of workers, whatever their speeds and however long the run.
#include <boost/test/unit_test.hpp>

#include "sim/virtual_run.h"

using namespace psctl;

namespace {

// With one thread a model stays pinned until the push that was computed on it is due: the most that it can be.
std::size_t tensors(const test::Learner& learner, std::unique_ptr<sync::Strategy> strategy, std::size_t workers,
                    double slowest_ms, double time_s) {
  sim::SimConfig config{.compute_ms = std::vector<double>(workers, 1.0), .network = {.latency_ms = 0.3}};
  config.compute_ms.back() = slowest_ms;
  lead::Setup setup;
  setup.cluster.workers = workers;
  setup.stop.time_s = time_s;
  setup.evaluate.every_s = 0.1;
  return test::run(config, setup, std::move(strategy), {}, &learner, 1).tensors;
}

// The live model and room for the next, and two that are being evaluated.
constexpr std::size_t kFew = 4;

}  // namespace

BOOST_AUTO_TEST_SUITE(memory)

BOOST_AUTO_TEST_CASE(no_strategy_holds_more_than_a_model_a_push_on_its_way_and_a_pending_one_of_each_worker) {
  const test::Learner learner;
  for (const sync::Entry& entry : sync::entries()) {
    const auto strategy = [&](std::size_t workers) {
      return test::strategy(entry.name, {}, test::setting_of(learner, workers));
    };
    // bap keeps a sum for each step within its bound as well.
    const std::size_t sums =
        entry.name == "bap" ? static_cast<std::size_t>(sync::defaults(entry).integer("staleness")) : 0;
    for (const std::size_t workers : {3UL, 12UL}) {
      for (const double slowest_ms : {1.0, 100.0}) {
        BOOST_TEST_INFO(entry.name << ", " << workers << " workers, 1:" << slowest_ms);
        BOOST_TEST(tensors(learner, strategy(workers), workers, slowest_ms, 0.35) <= 3 * workers + sums + kFew);
      }
      const auto half = tensors(learner, strategy(workers), workers, 100, 0.35);
      BOOST_TEST_INFO(entry.name << ", " << workers << " workers, twice as long");
      BOOST_TEST(tensors(learner, strategy(workers), workers, 100, 0.7) <= half + kFew);
    }
  }
}

BOOST_AUTO_TEST_CASE(bap_holds_a_sum_a_step_of_its_bound_and_no_more) {
  const test::Learner learner;
  constexpr std::size_t kWorkers = 3;
  for (const std::size_t staleness : {5UL, 40UL}) {
    const auto held = tensors(learner, test::strategy("bap", {{"staleness", static_cast<std::int64_t>(staleness)}}),
                              kWorkers, 100, 0.5);
    BOOST_TEST(held >= staleness);
    BOOST_TEST(held <= 2 * kWorkers + staleness + kFew);
  }
}

BOOST_AUTO_TEST_CASE(delay_compensation_pins_a_model_of_each_worker_and_copies_none) {
  test::Learner learner;
  learner.optimizer.staleness.kind = learn::StalenessKind::kDc;
  for (const char* name : {"bsp", "asp", "ssp"}) {
    for (const double slowest_ms : {1.0, 100.0}) {
      BOOST_TEST(tensors(learner, test::strategy(name), 12, slowest_ms, 0.35) <= 3 * 12 + kFew, name);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
