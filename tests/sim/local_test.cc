// Workers that take several steps a push, compute while their push and its answer are on their way, or give up.
#include <boost/test/unit_test.hpp>
#include <functional>
#include <sstream>

#include "base/sha256.h"
#include "sim/virtual_run.h"
#include "support/batches.h"
#include "support/folder.h"

using namespace psctl;
using sync::Refresh;
using sync::Traits;

namespace {

// Applies every push at once and lets its worker go on; or holds all until the last has pushed, and applies the mean.
class Plain final : public sync::Strategy {
 public:
  struct Options {
    Traits traits{.kind = Traits::Kind::kLocal, .overlap = true};
    bool rounds = false;
    Refresh refresh = Refresh::kTake;
    std::vector<Step> local_steps = {0};  // of each worker, or of all
    std::vector<Step> overlap_steps = {sync::kAnyNumber};
    std::optional<Duration> limit;
  };
  explicit Plain(Options options) : options_(std::move(options)) {}

  Traits traits() const override { return options_.traits; }
  std::vector<sync::Decision> decide(const sync::Cluster& cluster, Instant) override {
    if (options_.rounds && cluster.computing() > 0) return {};
    std::vector<sync::Decision> decisions;
    sync::Apply apply;
    for (const auto& [id, push] : cluster.pending()) {
      apply.shares.push_back({id, 1.0 / static_cast<double>(std::max<std::size_t>(1, cluster.present()))});
    }
    if (!apply.shares.empty()) decisions.emplace_back(apply);
    for (const auto& [step, worker] : cluster.waiting()) {
      const bool first = cluster.worker(worker).pushes == 0;
      decisions.emplace_back(sync::Release{.worker = worker,
                                           .refresh = first ? Refresh::kTake : options_.refresh,
                                           .local_steps = of(options_.local_steps, worker),
                                           .overlap_steps = of(options_.overlap_steps, worker),
                                           .limit = options_.limit});
    }
    return decisions;
  }

 private:
  static Step of(const std::vector<Step>& steps, WorkerId worker) {
    return steps.size() == 1 ? steps[0] : steps[worker.value];
  }
  Options options_;
};

std::unique_ptr<sync::Strategy> plain(Plain::Options options) { return std::make_unique<Plain>(std::move(options)); }

Traits local(bool overlap, Traits::Rebase rebase = Traits::Rebase::kReapply) {
  return {.kind = Traits::Kind::kLocal, .overlap = overlap, .rebase = rebase};
}

sim::SimConfig config(std::vector<double> compute_ms, double latency_ms = 0) {
  return {.compute_ms = std::move(compute_ms), .network = {.latency_ms = latency_ms}};
}

lead::Setup setup(std::size_t workers, double time_s) {
  lead::Setup setup;
  setup.cluster.workers = workers;
  setup.stop.time_s = time_s;
  return setup;
}

double idle(const nlohmann::json& worker) {
  return worker["push_s"].get<double>() + worker["wait_s"].get<double>() + worker["pull_s"].get<double>();
}
double busy(const nlohmann::json& worker) {
  return worker["compute_s"].get<double>() + worker["delay_s"].get<double>();
}

const auto kNear = boost::test_tools::tolerance(1e-9);

const std::vector<delay::Rule> kDelays = {
    {.workers = {WorkerId(0), WorkerId(1), WorkerId(2)},
     .law = delay::Law::kUniform,
     .min_ms = 0,
     .max_ms = 9,
     .file = {}},
    {.workers = {WorkerId(1)},
     .law = delay::Law::kUniform,
     .on = delay::Target::kNetwork,
     .min_ms = 0,
     .max_ms = 30,
     .file = {}},
    {.workers = {WorkerId(2)}, .law = delay::Law::kSlowdown, .factor = 1.7, .file = {}}};

// Every way to combine what a release may ask for.
std::vector<Plain::Options> all_options() {
  std::vector<Plain::Options> all;
  for (const auto rebase : {Traits::Rebase::kDiscard, Traits::Rebase::kReapply}) {
    for (const Refresh refresh : {Refresh::kTake, Refresh::kKeep}) {
      for (const bool rounds : {false, true}) {
        all.push_back({.traits = local(true, rebase), .rounds = rounds, .refresh = refresh, .limit = {}});
        all.push_back({.traits = local(true, rebase),
                       .rounds = rounds,
                       .refresh = refresh,
                       .local_steps = {2},
                       .overlap_steps = {2},
                       .limit = from_milliseconds(17)});
      }
    }
  }
  all.push_back({.traits = local(false), .rounds = true, .local_steps = {3}, .overlap_steps = {0}, .limit = {}});
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(overlap)

BOOST_AUTO_TEST_CASE(quotas_3_2_1_leave_3_3_2_seconds_idle_a_round_and_1_0_2_with_one_step_of_overlap) {
  // Steps of 2, 3 and 7 s, transfers of 1 s each way; the first model arrives at 1 s, the next at 10 and 19 s.
  for (const bool overlap : {false, true}) {
    const auto strategy = [&] {
      return plain({.traits = local(overlap),
                    .rounds = true,
                    .local_steps = {3, 2, 1},
                    .overlap_steps = overlap ? std::vector<Step>{1, 1, 0} : std::vector<Step>{0},
                    .limit = {}});
    };
    const std::vector<double> idle_of_round = overlap ? std::vector<double>{1, 0, 2} : std::vector<double>{3, 3, 2};
    const std::vector<Step> clocks = overlap ? std::vector<Step>{7, 5, 2} : std::vector<Step>{6, 4, 2};
    for (const double rounds : {1.0, 2.0}) {
      const auto summary = test::run(config({2000, 3000, 7000}, 1000), setup(3, 1 + 9 * rounds), strategy()).summary;
      for (std::size_t i = 0; i < 3; ++i) {
        const auto& worker = summary["workers"][i];
        BOOST_TEST(idle(worker) == 1 + rounds * idle_of_round[i], kNear);
        BOOST_TEST(busy(worker) == rounds * (9 - idle_of_round[i]), kNear);
        if (rounds == 2) BOOST_TEST(worker["clock"].get<Step>() == clocks[i]);
      }
      BOOST_TEST(summary["updates"].get<int>() == rounds);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_interval_is_the_longer_of_computing_and_communication_in_whole_steps) {
  for (const double step : {10.0, 7.0}) {
    for (const double latency : {0.0, 1.0, 4.0, 5.0, 7.0, 15.0, 33.0}) {
      for (const auto rebase : {Traits::Rebase::kDiscard, Traits::Rebase::kReapply}) {
        const auto summary =
            test::run(config({step}, latency), setup(1, 10), plain({.traits = local(true, rebase), .limit = {}}))
                .summary;
        // A step that begins when the answer is there is not overlapped; a discarded one is taken anew.
        const double meanwhile = std::ceil(2 * latency / step) * step;
        const double interval = rebase == Traits::Rebase::kDiscard ? meanwhile + step : std::max(meanwhile, step);
        const auto& worker = summary["workers"][0];
        BOOST_TEST_INFO("step " << step << ", latency " << latency << ", rebase " << static_cast<int>(rebase));
        BOOST_TEST(summary["pushes"].get<double>() == std::floor((10'000 - 2 * latency - step) / interval) + 1);
        BOOST_TEST(idle(worker) == latency / 1000, kNear);  // of the first model alone
        BOOST_TEST(busy(worker) == 10 - latency / 1000, kNear);
        BOOST_TEST(worker["other_s"].get<double>() == 0);
        const double pushed = rebase == Traits::Rebase::kDiscard ? step : interval;
        BOOST_TEST(worker["clock"].get<double>() ==
                   1 + (summary["pushes"].get<double>() - 1) * std::round(pushed / step));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(overlap_over_a_free_network_changes_nothing) {
  for (const auto& slow : {std::vector<delay::Rule>{}, kDelays}) {
    const auto run_with = [&](bool overlap) {
      auto summary = test::run(config({2, 3, 7}), setup(3, 0.5),
                               plain({.traits = local(overlap, Traits::Rebase::kDiscard),
                                      .local_steps = {1},
                                      .overlap_steps = {overlap ? Step{5} : Step{0}},
                                      .limit = {}}),
                               slow.empty() ? slow : std::vector<delay::Rule>{slow[0], slow[2]})
                         .summary;
      return summary["workers"].dump();
    };
    BOOST_TEST(run_with(true) == run_with(false));
  }
}

BOOST_AUTO_TEST_CASE(the_parts_of_every_worker_add_up_to_its_time_wherever_a_leave_or_the_stop_cuts_it_off) {
  sim::SimConfig world = config({5, 8, 11}, 3);
  world.network.bandwidth_mbps = 100;
  world.update_ms = 1.5;
  for (const Plain::Options& options : all_options()) {
    std::vector<double> busy_before(3), idle_before(3);
    constexpr int kMilliseconds = 150;
    for (int at = 1; at <= kMilliseconds; ++at) {
      const double cut = at / 1000.0;
      lead::Setup stopped = setup(3, cut);
      const auto whole = test::run(world, stopped, plain(options), kDelays).summary;
      lead::Setup leaving = setup(3, 0.2);
      leaving.cluster.membership = {
          {.worker = WorkerId(1), .join_s = {}, .leave_s = cut, .join_step = {}, .leave_step = {}}};
      const auto left = test::run(world, leaving, plain(options), kDelays).summary;
      for (std::size_t i = 0; i < 3; ++i) {
        const auto& worker = whole["workers"][i];
        BOOST_TEST(std::abs(worker["other_s"].get<double>()) < 1e-9);
        BOOST_TEST(std::abs(left["workers"][i]["other_s"].get<double>()) < 1e-9);
        BOOST_TEST(worker["wall_s"].get<double>() == cut, kNear);
        // Of every millisecond a part between none and all was computed in, and the rest was idle: no time is moved.
        for (const auto& [now, before] :
             {std::pair{busy(worker), &busy_before[i]}, std::pair{idle(worker), &idle_before[i]}}) {
          BOOST_TEST(now - *before > -1e-9);
          BOOST_TEST(now - *before < 0.001 + 1e-9);
          *before = now;
        }
      }
      const auto& gone = left["workers"][1];
      BOOST_TEST(gone["wall_s"].get<double>() == cut, kNear);
      BOOST_TEST(busy(gone) == busy(whole["workers"][1]), kNear);
      BOOST_TEST(left["workers"][0]["wall_s"].get<double>() == 0.2, kNear);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_worker_that_leaves_with_its_push_is_accounted_for) {
  for (const Plain::Options& options : all_options()) {
    lead::Setup steps = setup(3, 5);
    steps.stop = {};
    steps.stop.steps_per_worker = 9;
    const auto summary = test::run(config({5, 8, 11}, 3), steps, plain(options), kDelays).summary;
    for (const auto& worker : summary["workers"]) {
      BOOST_TEST(std::abs(worker["other_s"].get<double>()) < 1e-9);
      BOOST_TEST(worker["steps"].get<Step>() >= 9);
    }
    BOOST_TEST(summary["stop"].get<std::string>() == "steps_per_worker");
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(vectors_of_wbsp)

BOOST_AUTO_TEST_CASE(
    wbsp_to_15_has_clocks_7_5_2_nobody_waits_and_commits_at_7_and_14_that_each_takes_after_its_own_push) {
  const test::TemporaryFolder folder;
  lead::Setup to_15 = setup(3, 15);
  to_15.folder = folder.path();
  const auto summary = test::run(config({2000, 3000, 7000}), to_15, test::strategy("wbsp")).summary;
  const std::vector<Step> clocks = {7, 5, 2};
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(summary["workers"][i]["clock"].get<Step>() == clocks[i]);
    BOOST_TEST(idle(summary["workers"][i]) == 0);
  }
  BOOST_TEST(summary["updates"].get<int>() == 2);
  std::map<std::string, std::vector<std::string>> taken;
  std::istringstream rows(test::read_file(folder / "decisions.csv"));
  for (std::string row; std::getline(rows, row);) {
    std::vector<std::string> fields;
    std::istringstream line(row);
    for (std::string field; std::getline(line, field, ',');) fields.push_back(field);
    if (fields[2] == "release" && row.find("take") != std::string::npos) taken[fields[3]].push_back(fields[1]);
  }
  const auto at = [](std::vector<int> seconds) {
    std::vector<std::string> texts;
    for (const int second : seconds) texts.push_back(std::to_string(second) + ".000000000");
    return texts;
  };
  // The slowest takes the model with the push that makes it; the others one push later, worker 0 not yet the second.
  BOOST_TEST(taken["0"] == at({0, 8}), boost::test_tools::per_element());
  BOOST_TEST(taken["1"] == at({0, 9, 15}), boost::test_tools::per_element());
  BOOST_TEST(taken["2"] == at({0, 7, 14}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(limits)

BOOST_AUTO_TEST_CASE(a_step_that_takes_too_long_is_given_up_and_its_batch_is_gone) {
  // Every third mini-batch would take 50 ms: it is given up after 25, and the word of it goes over the network alone.
  const std::vector<delay::Rule> slow = {{.workers = {WorkerId(0)},
                                          .law = delay::Law::kPeriodic,
                                          .delay_ms = 40,
                                          .every_steps = 3,
                                          .for_steps = 1,
                                          .file = {}}};
  const test::Learner learner;
  lead::Setup learning = setup(1, 100);
  learning.stop = {};
  learning.stop.steps_per_worker = 12;
  const auto outcome = test::run(
      config({10}, 1), learning,
      plain({.traits = {}, .local_steps = {1}, .overlap_steps = {0}, .limit = from_milliseconds(25)}), slow, &learner);
  const auto& summary = outcome.summary;
  BOOST_TEST(summary["pushes"].get<int>() == 12);
  BOOST_TEST(summary["samples"].get<std::size_t>() == 8 * learner.batch_size);
  BOOST_TEST(summary["bytes_pushed"].get<std::size_t>() == 8 * learner.model.parameter_count() * sizeof(float));
  // Four given up, eight whole, and the model and the push of each take 1 ms.
  BOOST_TEST(summary["time_s"].get<double>() == 4 * 0.025 + 8 * 0.010 + 12 * 0.002, kNear);
  BOOST_TEST(summary["workers"][0]["compute_s"].get<double>() == 12 * 0.010, kNear);
  BOOST_TEST(summary["workers"][0]["delay_s"].get<double>() == 4 * 0.015, kNear);
  BOOST_TEST(summary["workers"][0]["other_s"].get<double>() == 0);

  std::vector<float> expected(learner.model.parameter_count()), gradient(expected.size());
  learner.model.initialise(expected, 1);
  auto batches = learner.learning(1).batches[0];
  learn::Workspace workspace;
  for (Step step = 0; step < 12; ++step) {
    if (step % 3 == 0) continue;
    learner.model.gradient(expected, test::batch_of(*learner.splits.train, batches.batch(step)), gradient, workspace);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] -= static_cast<float>(learner.optimizer.learning_rate) * gradient[i];
    }
  }
  BOOST_TEST(outcome.digest == sha256(std::as_bytes(std::span(expected))));
}

BOOST_AUTO_TEST_CASE(a_step_that_takes_exactly_as_long_as_it_may_is_not_given_up) {
  for (const auto& [limit, samples] : {std::pair{10.0, 10}, std::pair{9.999, 0}}) {
    lead::Setup steps = setup(1, 100);
    steps.stop.steps_per_worker = 10;
    const auto summary =
        test::run(config({10}), steps,
                  plain({.traits = {}, .local_steps = {1}, .overlap_steps = {0}, .limit = from_milliseconds(limit)}))
            .summary;
    BOOST_TEST(summary["samples"].get<int>() == samples);
    BOOST_TEST(summary["time_s"].get<double>() == limit / 100, kNear);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(local_learning)

namespace {

struct Trained {
  std::vector<float> model;
  Step steps = 0;  // pushed
  Step pushes = 0;
};

// One worker that pushes this many times, with steps of 10 ms and 15 ms each way.
Trained run(const test::Learner& learner, const Plain::Options& options, Version updates) {
  lead::Setup setup;
  setup.stop.updates = updates;
  setup.train_samples = learner.splits.train->size();
  setup.optimizer = learner.optimizer;
  sim::Learning learning = learner.learning(1);
  lead::Lead lead(setup, plain(options));
  sim::Simulator simulator(config({10}, 15), learner.batch_size, lead, test::stragglers({}, 1), &learning,
                           {.interrupted = nullptr, .progress = {}});
  simulator.run();
  const auto values = simulator.model()->values();
  return {{values.begin(), values.end()}, lead.account().workers()[0].steps, lead.account().pushes()};
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(a[i]) - b[i]));
  return worst;
}

// One worker's mini-batches one after the other, those that `uses` names.
std::vector<float> trained(const test::Learner& learner, Step steps, const std::function<bool(Step)>& uses) {
  std::vector<float> model(learner.model.parameter_count()), gradient(model.size());
  learner.model.initialise(model, 1);
  learn::Optimizer optimizer(learner.optimizer, model.size());
  auto batches = learner.learning(1).batches[0];
  learn::Workspace workspace;
  for (Step step = 0; step < steps; ++step) {
    if (!uses(step)) continue;
    learner.model.gradient(model, test::batch_of(*learner.splits.train, batches.batch(step)), gradient, workspace);
    optimizer.begin_step(learner.optimizer.learning_rate);
    optimizer.step(0, model, gradient, model);
  }
  return model;
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_local_worker_takes_the_steps_of_plain_training_whenever_it_pushes) {
  for (const auto kind :
       {learn::OptimizerKind::kSgd, learn::OptimizerKind::kMomentum, learn::OptimizerKind::kNesterov}) {
    test::Learner learner;
    learner.optimizer.kind = kind;
    learner.optimizer.learning_rate = 0.02;
    learner.optimizer.weight_decay = 0.01;
    const std::vector<Plain::Options> all = {
        {.traits = local(false), .local_steps = {4}, .overlap_steps = {0}, .limit = {}},
        {.traits = local(true), .limit = {}},
        {.traits = local(true), .refresh = Refresh::kKeep, .local_steps = {2}, .overlap_steps = {1}, .limit = {}}};
    for (const Plain::Options& options : all) {
      const Trained seen = run(learner, options, 15);
      const std::vector<float> expected = trained(learner, seen.steps, [](Step) { return true; });
      BOOST_TEST(seen.steps >= 20);
      BOOST_TEST(distance(seen.model, expected) < 1e-5);
      BOOST_TEST(distance(seen.model, trained(learner, seen.steps - 1, [](Step) { return true; })) > 1e-4);
    }
  }
}

BOOST_AUTO_TEST_CASE(discarded_steps_use_their_batches_up_and_move_nothing) {
  // Steps of 10 ms, 15 ms each way: three steps are lost, the next is pushed.
  const test::Learner learner;
  const Trained seen = run(learner, {.traits = local(true, Traits::Rebase::kDiscard), .limit = {}}, 15);
  BOOST_TEST(seen.steps == seen.pushes);
  BOOST_TEST(distance(seen.model, trained(learner, 4 * seen.pushes - 3, [](Step step) { return step % 4 == 0; })) <
             1e-5);
}

BOOST_AUTO_TEST_CASE(local_workers_give_the_same_bytes_whatever_the_number_of_threads) {
  test::Learner learner;
  learner.optimizer.kind = learn::OptimizerKind::kMomentum;
  learner.optimizer.learning_rate = 0.01;
  for (const Plain::Options& options : all_options()) {
    const test::TemporaryFolder first, second;
    std::vector<std::string> digests;
    for (const test::TemporaryFolder* folder : {&first, &second}) {
      lead::Setup learning = setup(3, 0.4);
      learning.evaluate.every_s = 0.1;
      learning.folder = folder->path();
      learning.cluster.membership = {
          {.worker = WorkerId(2), .join_s = {}, .leave_s = 0.321, .join_step = {}, .leave_step = {}}};
      digests.push_back(
          test::run(config({5, 8, 11}, 3), learning, plain(options), kDelays, &learner, folder == &first ? 1 : 2)
              .digest);
    }
    BOOST_TEST(digests[0] == digests[1]);
    for (const char* file : {"steps.csv", "evals.csv", "decisions.csv", "workers.csv", "summary.json"}) {
      const std::string content = test::read_file(first / file);
      BOOST_TEST(content.size() > 100);
      BOOST_TEST(content == test::read_file(second / file), file);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
