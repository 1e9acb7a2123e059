// Both worlds, the number of servers and the number of threads make the same model.
#include "app.h"
#include "support/paths.h"

namespace psctl::test {
namespace {

const Overrides kDelays = {"+stragglers={workers: [1], kind: uniform, min_ms: 0, max_ms: 8}",
                           "+stragglers={workers: [2], kind: constant, delay_ms: 5, on: network}"};

void check_same_model(const Overrides& overrides, const std::vector<Overrides>& variants) {
  const App app;
  const std::string expected = App::digest(app.train(overrides + Overrides{"clock=virtual"}));
  for (const Overrides& variant : variants) {
    BOOST_TEST_CONTEXT(fmt::format("{} {}", variant.empty() ? "" : variant.back(), overrides.back())) {
      BOOST_TEST(App::digest(app.train(overrides + variant)) == expected);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_real_bsp_run_on_any_number_of_servers_and_threads_makes_the_model_of_the_virtual_one) {
  check_same_model({"stop={updates: 25}"}, {{},
                                            {"cluster.servers=2"},
                                            {"cluster.servers=3"},
                                            {"cluster.threads_per_worker=2"},
                                            {"clock=virtual", "cluster.threads_per_worker=2"},
                                            {"clock=virtual", "cluster.servers=3"},
                                            kDelays});
}

BOOST_AUTO_TEST_CASE(a_folder_and_the_file_prepared_from_it_make_the_same_model) {
  const App app;
  const std::string prepared = app.folder() / "prepared.psctl";
  Process import(app.folder(), {"data", "import", app.folder() / "data", "-o", prepared});
  BOOST_TEST_REQUIRE(import.wait() == 0, import.error());
  const std::string expected = App::digest(app.train({"clock=virtual"}));
  const std::string source = "data.source=" + prepared;
  for (const std::string clock : {"clock=virtual", "clock=real"}) {
    for (const std::string threads : {"cluster.threads_per_worker=1", "cluster.threads_per_worker=2"}) {
      BOOST_TEST(App::digest(app.train({clock, threads, source})) == expected, clock << " " << threads);
    }
  }
}

BOOST_AUTO_TEST_CASE(damage_that_a_run_meets_ends_it_in_either_world) {
  const App app;
  const std::string prepared = app.folder() / "prepared.psctl";
  Process import(app.folder(), {"data", "import", app.folder() / "data", "-o", prepared});
  BOOST_TEST_REQUIRE(import.wait() == 0, import.error());
  std::string bytes = read_file(prepared);
  bytes[4096] = static_cast<char>(bytes[4096] ^ 1);
  write_file(prepared, bytes);
  for (const std::string clock : {"clock=virtual", "clock=real"}) {
    // Without a look at the beginning, which would meet it first.
    Process run(app.folder(), app.train_arguments({clock, "data.source=" + prepared, "evaluate={every_epochs: 0}"}));
    const int code = run.wait();
    BOOST_TEST((code == 1 || code == 2), clock << ": " << code);
    BOOST_TEST(contains(run.error(), prepared + ": byte 4096: expected a block of rows of "), run.error());
  }
}

BOOST_AUTO_TEST_CASE(both_worlds_agree_when_epochs_end_the_run) {
  check_same_model({"data.train_limit=256", "stop={epochs: 3}"}, {{}, {"cluster.servers=2"}});
}

BOOST_AUTO_TEST_CASE(both_worlds_agree_when_steps_per_worker_end_the_run) {
  check_same_model({"stop={steps_per_worker: 12}"}, {{}, {"cluster.servers=2"}, kDelays});
}

BOOST_AUTO_TEST_CASE(both_worlds_agree_with_momentum_a_schedule_and_weight_decay) {
  check_same_model({"optimizer={kind: momentum, learning_rate: 0.05, weight_decay: 0.001, schedule: {kind: step, "
                    "every_epochs: 1, factor: 0.5}}"},
                   {{}, {"cluster.servers=2"}});
}

BOOST_AUTO_TEST_CASE(both_worlds_agree_on_a_warm_up_and_a_cosine_under_rounds_of_gradients_and_of_local_steps) {
  const std::string schedule = "optimizer.schedule={kind: cosine, epochs: 3, warmup_epochs: 0.5}";
  for (const std::string strategy : {"bsp", "{name: local_sgd, period: 3}"}) {
    check_same_model({schedule, "stop={updates: 12}", "strategy=" + strategy}, {{}, {"cluster.servers=2"}});
  }
}

BOOST_AUTO_TEST_CASE(another_seed_makes_another_model) {
  const App app;
  BOOST_TEST(App::digest(app.train({"clock=virtual"})) != App::digest(app.train({"clock=virtual", "seed=4"})));
}

BOOST_AUTO_TEST_CASE(a_virtual_run_repeated_writes_the_same_bytes) {
  for (const std::string strategy : {"bsp", "asp", "ssp"}) {
    const App app;
    const Overrides overrides = Overrides{"clock=virtual", "strategy=" + strategy} + kDelays;
    const std::string first = app.train(overrides), second = app.train(overrides);
    for (const std::string file : {"steps.csv", "evals.csv", "decisions.csv", "config.yaml", "workers.csv"}) {
      BOOST_TEST((read_file(first + "/" + file) == read_file(second + "/" + file)), strategy << ": " << file);
    }
    BOOST_TEST(read_table(first + "/steps.csv").rows.size() > 10U);
  }
}

BOOST_AUTO_TEST_CASE(clocks_and_waits_of_the_vectors_are_those_worked_out_by_hand) {
  struct Case {
    const char* strategy;
    std::vector<int> clocks, waits;
  };
  for (const Case& each : {Case{"strategy=bsp", {3, 3, 3}, {15, 12, 0}},
                           Case{"strategy={name: ssp, staleness: 0}", {3, 3, 3}, {15, 12, 0}},
                           Case{"strategy={name: ssp, staleness: 1}", {4, 4, 3}, {13, 9, 0}},
                           Case{"strategy={name: ssp, staleness: 2}", {5, 5, 3}, {11, 6, 0}},
                           Case{"strategy=asp", {10, 7, 3}, {0, 0, 0}}}) {
    const TemporaryFolder folder;
    Process process(folder, {"train", "--config", psctl::test::source_path("configs/vectors.yaml"), "--out",
                             folder / "runs", each.strategy});
    BOOST_TEST_REQUIRE(process.wait() == 0, process.error());
    const auto run = std::filesystem::directory_iterator(folder / "runs")->path();
    const auto summary = App::summary(run);
    BOOST_TEST(summary["time_s"].get<double>() == 21);
    for (std::size_t worker = 0; worker < 3; ++worker) {
      BOOST_TEST_CONTEXT(each.strategy << ", worker " << worker) {
        BOOST_TEST(summary["workers"][worker]["clock"].get<int>() == each.clocks[worker]);
        BOOST_TEST(summary["workers"][worker]["wait_s"].get<double>() == each.waits[worker]);
      }
    }
  }
}

}  // namespace psctl::test
