// Every strategy in the real world: a run ends, every account adds up, and its replay comes to the same model; also
// when workers come and go.
#include "replay.h"

namespace psctl::test {
namespace {

// Steps long enough for the rest of a step to be small beside them.
const Overrides kRun = {"stop={samples: 2400, time_s: 20}",
                        "+stragglers={workers: [0, 1, 2], kind: constant, delay_ms: 4}"};

// All that are registered, and what some do only when asked.
std::vector<std::string> strategies() {
  std::vector<std::string> all;
  for (const sync::Entry& entry : sync::entries()) all.push_back(entry.name);
  for (const char* asked : {"{name: wbsp, overlap: true}", "{name: wbsp, overlap: true, rebase: reapply}",
                            "{name: pcp, overlap: false}", "{name: bap, max_iteration_ms: 8}"}) {
    all.emplace_back(asked);
  }
  return all;
}

void check_accounts(const std::string& run) {
  const nlohmann::json summary = App::summary(run);
  BOOST_TEST(summary["status"] == "done");
  BOOST_TEST(summary["stop"] == "samples");
  std::uint64_t samples = 0;
  for (const auto& worker : summary["workers"]) {
    BOOST_TEST_CONTEXT(worker.dump()) {
      const auto seconds = [&](const char* key) { return worker[key].get<double>(); };
      const double parts = seconds("data_s") + seconds("compute_s") + seconds("delay_s") + seconds("push_s") +
                           seconds("wait_s") + seconds("pull_s");
      for (const char* key : {"data_s", "compute_s", "delay_s", "push_s", "wait_s", "pull_s"})
        BOOST_TEST(seconds(key) >= 0);
      BOOST_TEST(std::abs(seconds("wall_s") - parts) < 0.02 * seconds("wall_s") + 0.01);
      BOOST_TEST(worker["steps"].get<int>() > 0);
    }
    samples += worker["samples"].get<std::uint64_t>();
  }
  BOOST_TEST(summary["samples"].get<std::uint64_t>() == samples);
  const auto count = [&](const char* key) { return summary[key].get<std::uint64_t>(); };
  BOOST_TEST(count("samples_used") + count("samples_discarded") + count("samples_pending") == samples);
  BOOST_TEST(summary["samples_per_s"].get<double>() ==
             static_cast<double>(count("samples_used")) / summary["time_s"].get<double>());

  // A push that is not empty carries the whole model.
  const auto pushed = summary["bytes_pushed"].get<std::uint64_t>(),
             pulled = summary["bytes_pulled"].get<std::uint64_t>();
  std::uint64_t pushes = 0, models = 0;
  for (const auto& row : read_table(run + "/decisions.csv").rows) {
    pushes += row.at("kind") == "pushed" && !contains(row.at("detail"), "empty");
    models += row.at("kind") == "release" && contains(row.at("detail"), "refresh=take");
  }
  constexpr std::uint64_t kModel = (64 * 16 + 16 + 16 * 4 + 4) * sizeof(float);
  BOOST_TEST(pushed == pushes * kModel);
  BOOST_TEST(pulled <= models * kModel);
  BOOST_TEST(pulled + 3 * kModel >= models * kModel);  // of the last releases none may have been taken
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_real_run_of_every_strategy_ends_and_adds_up_on_one_server_and_on_two) {
  for (const std::string& strategy : strategies()) {
    for (const int servers : {1, 2}) {
      BOOST_TEST_CONTEXT(strategy << " on " << servers) {
        const App app;
        const std::string run =
            app.train(kRun + Overrides{"strategy=" + strategy, fmt::format("cluster.servers={}", servers)});
        check_accounts(run);
        check_equal(app, run);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_worker_that_leaves_and_one_that_joins_block_nobody_under_any_strategy) {
  const std::vector<const char*> members = {"[{worker: 1, leave_step: 9}, {worker: 2, join_step: 7}]",
                                            "[{worker: 1, leave_s: 0.12}, {worker: 2, join_s: 0.08}]"};
  std::size_t turn = 0;
  for (const std::string& strategy : strategies()) {
    const char* const membership = members[turn % 2];
    const std::size_t servers = 1 + turn / 2 % 2;
    ++turn;
    BOOST_TEST_CONTEXT(strategy << " on " << servers << " with " << membership) {
      const App app;
      const std::string run =
          app.train(kRun + Overrides{"strategy=" + strategy, fmt::format("cluster.servers={}", servers),
                                     fmt::format("cluster.membership={}", membership)});
      check_accounts(run);
      check_equal(app, run);
      const auto workers = App::summary(run)["workers"];
      const auto wall = [&](int worker) { return workers[worker]["wall_s"].get<double>(); };
      BOOST_TEST(wall(1) < wall(0));
      BOOST_TEST(wall(2) < wall(0));
      BOOST_TEST(workers[0]["steps"].get<int>() > workers[1]["steps"].get<int>());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_strategy_that_cannot_be_made_is_told_before_anything_is_written) {
  for (const char* clock : {"clock=real", "clock=virtual"}) {
    const App app;
    Process psctl(app.folder(), app.train_arguments({clock, "cluster.workers=1", "cluster.compute_ms=5",
                                                     "strategy={name: wbsp, slowest: fixed}"}));
    BOOST_TEST(psctl.wait() == 2);
    BOOST_TEST(contains(psctl.error(), "has only worker 0"), psctl.error());
    BOOST_TEST(app.runs().empty());
  }
}

}  // namespace psctl::test
