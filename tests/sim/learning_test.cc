#include <boost/test/unit_test.hpp>

#include "sim/virtual_run.h"
#include "support/batches.h"
#include "support/folder.h"

using namespace psctl;

namespace {

const std::vector<delay::Rule> kRules = {
    {.workers = {WorkerId(1)}, .law = delay::Law::kLognormal, .median_ms = 15, .sigma = 1, .file = {}}};

lead::Setup setup_of(const std::string& folder) {
  lead::Setup setup;
  setup.cluster.workers = 4;
  setup.stop.epochs = 3;
  setup.evaluate.every_epochs = 0.5;
  setup.folder = folder;
  return setup;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(learning)

BOOST_AUTO_TEST_CASE(two_runs_of_one_configuration_write_the_same_bytes_whatever_the_number_of_threads) {
  const test::Learner learner;
  for (const sync::Entry& entry : sync::entries()) {
    const std::string& name = entry.name;
    const auto strategy = [&] { return test::strategy(name, {}, test::setting_of(learner, 4)); };
    const test::TemporaryFolder first, second;
    const auto a = test::run({.compute_ms = {20, 23, 20, 31}, .network = {}}, setup_of(first.path()), strategy(),
                             kRules, &learner, 1);
    const auto b = test::run({.compute_ms = {20, 23, 20, 31}, .network = {}}, setup_of(second.path()), strategy(),
                             kRules, &learner, 3);
    BOOST_TEST(a.digest == b.digest);
    for (const char* file : {"steps.csv", "evals.csv", "decisions.csv", "workers.csv", "summary.json"}) {
      const std::string content = test::read_file(first / file);
      BOOST_TEST(content.size() > 100);
      BOOST_TEST(content == test::read_file(second / file), name << ": " << file);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_model_learns_and_the_account_says_so) {
  const test::Learner learner;
  const auto summary =
      test::run({.compute_ms = {20}, .network = {}}, setup_of(""), test::strategy("asp"), {}, &learner).summary;
  BOOST_TEST(summary["final_accuracy"].get<double>() > 0.75);
  BOOST_TEST(summary["samples"].get<int>() == 3600);
  BOOST_TEST(summary["pushes"].get<int>() == 180);
  BOOST_TEST(summary["bytes_pushed"].get<std::size_t>() == 180 * learner.model.parameter_count() * 4);
}

BOOST_AUTO_TEST_CASE(bsp_over_n_workers_is_plain_sgd_on_the_joined_batch) {
  const test::Learner learner;
  lead::Setup setup;
  setup.cluster.workers = 3;
  setup.stop.updates = 15;
  setup.train_samples = learner.splits.train->size();
  setup.optimizer = learner.optimizer;
  sim::Learning learning = learner.learning(3);
  lead::Lead lead(setup, test::strategy("bsp"));
  sim::Simulator simulator({.compute_ms = {20, 25, 30}, .network = {}}, learner.batch_size, lead,
                           test::stragglers({}, 3), &learning, {.interrupted = nullptr, .progress = {}});
  simulator.run();

  std::vector<float> plain(learner.model.parameter_count());
  learner.model.initialise(plain, 1);
  sim::Learning fresh = learner.learning(3);
  learn::Workspace workspace;
  std::vector<float> gradient(plain.size());
  for (Step step = 0; step < 15; ++step) {
    std::vector<std::uint32_t> joined;
    for (auto& batches : fresh.batches) {
      const auto batch = batches.batch(step);
      joined.insert(joined.end(), batch.begin(), batch.end());
    }
    learner.model.gradient(plain, test::batch_of(*learner.splits.train, joined), gradient, workspace);
    for (std::size_t i = 0; i < plain.size(); ++i)
      plain[i] -= static_cast<float>(learner.optimizer.learning_rate) * gradient[i];
  }
  double worst = 0;
  for (std::size_t i = 0; i < plain.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(plain[i] - simulator.model()->values()[i])));
  BOOST_TEST(worst < 2e-6);
  BOOST_TEST(worst > 0);  // the sums run in another order: equal bits would mean that nothing was compared
}

BOOST_AUTO_TEST_CASE(a_target_ends_the_run_at_the_second_evaluation_in_a_row_that_reaches_it) {
  const test::Learner learner;
  lead::Setup setup = setup_of("");
  setup.stop.epochs = 50;
  setup.stop.target_accuracy = 0.7;
  const auto summary =
      test::run({.compute_ms = {20}, .network = {}}, setup, test::strategy("bsp"), {}, &learner).summary;
  BOOST_TEST(summary["stop"].get<std::string>() == "target_accuracy");
  // Two evaluations in a row: the target was reached at the first, half an epoch before the stop at the second.
  BOOST_TEST(summary["final_accuracy"].get<double>() >= 0.7);
  const double half_an_epoch = 30 / 4 * 0.02;
  BOOST_TEST(summary["time_to_target_s"].get<double>() < summary["time_s"].get<double>());
  BOOST_TEST(summary["time_to_target_s"].get<double>() > summary["time_s"].get<double>() - 1.5 * half_an_epoch);
  BOOST_TEST(summary["epochs"].get<double>() < 50);
}

// BSP with a worker ten times as slow makes an update a second.
BOOST_AUTO_TEST_CASE(how_often_a_version_is_evaluated_changes_neither_the_stop_nor_the_time_to_target) {
  const test::Learner learner;
  const auto run = [&](double every_s, bool plateau, const std::string& folder) {
    lead::Setup setup;
    setup.cluster.workers = 4;
    setup.folder = folder;
    setup.evaluate.every_s = every_s;
    setup.evaluate.target_accuracy = 0.75;
    setup.stop.time_s = 100;
    if (plateau) setup.stop.plateau = {.smoothing = 0.5, .below = 0.004};
    return test::run({.compute_ms = {100, 100, 100, 1000}, .network = {}}, setup, test::strategy("bsp"), {}, &learner)
        .summary;
  };
  for (const bool plateau : {false, true}) {
    const test::TemporaryFolder often;
    const auto once = run(1, plateau, ""), ten_times = run(0.1, plateau, often.path());
    for (const char* key : {"stop", "updates", "time_s", "time_to_target_s", "final_accuracy"}) {
      BOOST_TEST(once[key] == ten_times[key], key << ": " << once[key] << " and " << ten_times[key]);
    }
    BOOST_TEST(once["time_to_target_s"].is_number());
    BOOST_TEST(once["updates"].get<int>() > 5);
    BOOST_TEST(once["stop"] == (plateau ? "plateau" : "time_s"));
    const std::string rows = test::read_file(often / "evals.csv");
    BOOST_TEST(std::ranges::count(rows, '\n') == 2 + 10 * once["updates"].get<int>());
  }
}

BOOST_AUTO_TEST_CASE(an_evaluation_sees_every_push_of_its_instant) {
  const test::Learner learner;
  for (const int period : {1, 5}) {
    const test::TemporaryFolder folder;
    lead::Setup setup = setup_of(folder.path());
    setup.evaluate.every_epochs = 0.2;
    const std::string name = period == 1 ? "asp" : "local_sgd";
    std::map<std::string, sync::ParameterValue, std::less<>> given;
    if (period > 1) given["period"] = std::int64_t{period};
    test::run({.compute_ms = {20}, .network = {}}, setup, test::strategy(name, given), {}, &learner);
    std::istringstream rows(test::read_file(folder / "evals.csv"));
    std::string row;
    std::getline(rows, row);
    std::size_t looks = 0;
    while (std::getline(rows, row)) {
      std::istringstream fields(row);
      double time_s = 0;
      char comma = 0;
      std::int64_t version = 0;
      fields >> time_s >> comma >> version;
      const std::int64_t rounds = std::llround(time_s / 0.02) / period;
      BOOST_TEST(version == (period == 1 ? 4 * rounds : rounds), row);
      ++looks;
    }
    BOOST_TEST(looks > 8U);
  }
}

BOOST_AUTO_TEST_CASE(a_run_whose_numbers_are_not_finite_ends_as_diverged) {
  test::Learner learner;
  learner.optimizer.learning_rate = 1e30;
  const auto summary =
      test::run({.compute_ms = {20}, .network = {}}, setup_of(""), test::strategy("asp"), {}, &learner).summary;
  BOOST_TEST(summary["diverged"].get<bool>());
  BOOST_TEST(summary["stop"].get<std::string>() == "diverged");
  BOOST_TEST(summary["epochs"].get<double>() < 3);
}

BOOST_AUTO_TEST_CASE(evaluation_happens_at_time_0_on_the_grid_and_at_the_end) {
  const test::Learner learner;
  const test::TemporaryFolder folder;
  test::run({.compute_ms = {20}, .network = {}}, setup_of(folder.path()), test::strategy("bsp"), {}, &learner);
  std::istringstream rows(test::read_file(folder / "evals.csv"));
  std::string row;
  std::vector<std::string> epochs;
  std::getline(rows, row);
  while (std::getline(rows, row)) {
    std::istringstream fields(row);
    std::string field;
    for (int i = 0; i < 3; ++i) std::getline(fields, field, ',');
    epochs.push_back(field);
  }
  // A round is one instant and 80 of the 1200 samples: half an epoch is full with the 8th, an epoch with the 15th.
  const std::vector<std::string> expected = {"0.000000", "0.533333", "1.000000", "1.533333",
                                             "2.000000", "2.533333", "3.000000"};
  BOOST_TEST(epochs == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
