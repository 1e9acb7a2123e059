// psctl explain on runs of both worlds: what it tells, what it refuses, and that a real run's times played again take
// as long as they did.
#include "replay.h"

namespace psctl::test {
namespace {

struct Output {
  int code = -1;
  std::string out, error;
};

Output explain(const App& app, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "explain");
  Process process(app.folder(), arguments);
  const int code = process.wait();
  return {code, process.out(), process.error()};
}

nlohmann::json explained(const App& app, std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  const Output output = explain(app, arguments);
  BOOST_TEST_REQUIRE(output.code == 0, output.error);
  const auto pages = nlohmann::json::parse(output.out, nullptr, false);
  BOOST_TEST_REQUIRE((pages.is_array() && pages.size() == 1), output.out);
  return pages[0];
}

double replayed(const nlohmann::json& page) {
  return page["replay"]["time_s"].get<double>() / page["work_done_s"].get<double>();
}

const Overrides kSlow = {"+stragglers={workers: [0, 1], kind: uniform, min_ms: 4, max_ms: 10}",
                         "+stragglers={workers: [2], kind: uniform, min_ms: 15, max_ms: 40}"};

}  // namespace

BOOST_AUTO_TEST_CASE(the_times_of_a_real_bsp_run_played_again_take_as_long_within_three_percent) {
  const App app;
  const std::string run = app.train(kSlow + Overrides{"stop={updates: 60}"});
  const auto page = explained(app, {run});
  BOOST_TEST(page["clock"] == "real");
  BOOST_TEST(page["work_done_s"].get<double>() > 1.5);
  BOOST_TEST(std::abs(replayed(page) - 1) < 0.03, page["replay"].dump() << " of " << page["work_done_s"].dump());
}

BOOST_AUTO_TEST_CASE(so_do_those_of_a_run_whose_workers_wait_for_cores_and_for_each_other) {
  const App app;
  for (const char* servers : {"cluster.servers=1", "cluster.servers=2"}) {
    const auto page = explained(
        app, {app.train({"cluster={workers: 6}", servers, "model={kind: mlp, hidden: [256]}", "stop={updates: 60}"})});
    BOOST_TEST(std::abs(replayed(page) - 1) < 0.03, page["replay"].dump() << " of " << page["work_done_s"].dump());
  }
}

BOOST_AUTO_TEST_CASE(the_straggler_of_a_real_run_is_named_with_what_it_cost_and_how_long_it_held_the_others) {
  const App app;
  for (const std::string strategy : {"bsp", "{name: ssp, staleness: 1}"}) {
    const auto page = explained(app, {app.train(kSlow + Overrides{"stop={updates: 60}", "strategy=" + strategy})});
    BOOST_TEST_REQUIRE(!page["stragglers"].empty(), page.dump());
    const auto& first = page["stragglers"][0];
    BOOST_TEST(first["worker"] == 2);
    BOOST_TEST(first["pace"].get<double>() > 1.5);
    BOOST_TEST(first["held_share"].get<double>() > 0.8);
    BOOST_TEST(first["cost_s"].get<double>() > 0.2 * page["work_done_s"].get<double>());
  }
}

BOOST_AUTO_TEST_CASE(a_real_run_of_every_strategy_can_be_explained_and_played_under_every_other) {
  std::vector<std::string> strategies, asked;
  for (const sync::Entry& entry : sync::entries()) {
    strategies.push_back(entry.name);
    asked.insert(asked.end(), {"--as", "strategy=" + entry.name});
  }
  strategies.insert(strategies.end(), {"{name: wbsp, overlap: true}", "{name: pcp, overlap: false}"});
  for (const std::string& strategy : strategies) {
    BOOST_TEST_CONTEXT(strategy) {
      const App app;
      // Of mini-batches that were taken while a push was under way the log does not tell when each of them ended, and
      // PCP plans other rounds where a transfer took a little longer: only over many rounds does that even out.
      const bool plans = contains(strategy, "pcp");
      const std::string stop = plans ? "stop={samples: 12800}" : "stop={samples: 1600}";
      const std::string run = app.train(kSlow + Overrides{stop, "strategy=" + strategy});
      const auto page = explained(app, {run});
      BOOST_TEST(page["replay"]["done"] == true);
      const double most = plans || contains(strategy, "overlap: true") ? 0.15 : 0.03;
      BOOST_TEST(std::abs(replayed(page) - 1) < most, page["replay"].dump() << " of " << page["work_done_s"].dump());
      const auto wall = [](const nlohmann::json& worker) { return worker["wall_s"].get<double>(); };
      for (const auto& worker : page["workers"]) {
        BOOST_TEST(std::abs(worker["rest_s"].get<double>()) < 0.02 * wall(worker) + 0.005, worker.dump());
      }
      std::vector<std::string> arguments = {run};
      arguments.insert(arguments.end(), asked.begin(), asked.end());
      const auto played = explained(app, arguments)["played"];
      BOOST_TEST(played.size() == asked.size() / 2 + 2);
      for (const auto& line : played) BOOST_TEST(line["done"] == true, line.dump());
    }
  }
}

BOOST_AUTO_TEST_CASE(why_a_worker_waited_is_told_in_words_and_as_data) {
  const App app;
  const std::string run = app.train({"clock=virtual"});
  const Output words = explain(app, {run, "--worker", "0", "--step", "3"});
  BOOST_TEST(words.code == 0, words.error);
  BOOST_TEST(
      contains(words.out, "worker 0 pushed step 3 at 0.023000 s and was released at 0.027000 s: it waited 4.00 ms"),
      words.out);
  BOOST_TEST(contains(words.out, "for worker 2: it worked on step 3 (compute 9.00 ms); its push of step 3 ended it"),
             words.out);
  const auto hold = explained(app, {run, "--worker", "0", "--step", "3"})["holds"][0];
  BOOST_TEST(hold["waited_s"].get<double>() == 0.004);
  BOOST_TEST(hold["causes"][0]["worker"] == 2);
  const Output csv = explain(app, {run, "--worker", "0", "--format", "csv"});
  BOOST_TEST(csv.code == 0, csv.error);
  BOOST_TEST(std::ranges::count(csv.out, '\n') == 11, csv.out);  // its ten longest waits
  BOOST_TEST(csv.out.starts_with("run,worker,step,pushed_s,released_s,from_s,to_s,held_by,charged_s\n"), csv.out);
}

BOOST_AUTO_TEST_CASE(a_run_that_was_killed_is_explained_up_to_the_last_whole_line_of_its_log) {
  const App app;
  const std::string run = app.train({"clock=virtual", "strategy={name: ssp, staleness: 1}"});
  const std::string log = read_file(run + "/decisions.csv");
  std::filesystem::remove(run + "/summary.json");
  std::size_t refused = 0;
  for (std::size_t cut = 0; cut < log.size(); cut += 97) {
    write_file(run + "/decisions.csv", log.substr(0, cut));
    const Output output = explain(app, {run, "--format", "csv"});
    if (output.code == 0) continue;
    ++refused;
    BOOST_TEST(output.code == 2, output.error);
    BOOST_TEST((contains(output.error, "no push was used or discarded before its end") ||
                contains(output.error, "no decision log")),
               output.error);
    BOOST_TEST(cut < 1000);
  }
  BOOST_TEST(refused >= 1);
  write_file(run + "/decisions.csv", log.substr(0, log.size() / 2));
  const Output output = explain(app, {run});
  BOOST_TEST(contains(output.out, "its log has no stop: the run was killed or goes on"), output.out);
  BOOST_TEST(contains(output.out, "(unfinished)"), output.out);
}

BOOST_AUTO_TEST_CASE(
    a_run_that_was_killed_before_it_looked_at_its_model_is_explained_under_strategies_that_count_epochs) {
  const App app;
  for (const std::string strategy : {"a2s", "sync_switch"}) {
    const std::string run = app.train({"clock=virtual", "stop={epochs: 2}", "strategy=" + strategy});
    const auto whole = explained(app, {run});
    std::filesystem::remove(run + "/summary.json");
    std::filesystem::remove(run + "/evals.csv");
    const auto killed = explained(app, {run});
    BOOST_TEST(killed["status"] == "unfinished");
    BOOST_TEST(killed["workers"] == whole["workers"]);
    std::filesystem::remove(run + "/made.json");
    const Output output = explain(app, {run});
    BOOST_TEST(output.code == 2);
    BOOST_TEST(contains(output.error, "the strategy of the run cannot be made of its config.yaml and made.json"),
               output.error);
  }
}

BOOST_AUTO_TEST_CASE(times_in_a_log_that_cannot_have_been_are_told) {
  const App app;
  const std::string run = app.train({"clock=virtual"});
  const std::string log = read_file(run + "/decisions.csv");
  const auto with = [&](const std::string& compute) {
    std::string changed = log;
    const std::size_t at = changed.find("compute_ns=");
    changed.replace(at, changed.find(' ', at) - at, "compute_ns=" + compute);
    write_file(run + "/decisions.csv", changed);
  };
  for (const std::string impossible : {"9000000000000000000", "-5"}) {
    with(impossible);
    const Output output = explain(app, {run});
    BOOST_TEST(output.code == 1);
    BOOST_TEST(contains(output.error, "one of its times is " + impossible + " ns"), output.error);
  }
  with("2000000000");
  const Output output = explain(app, {run});
  BOOST_TEST(output.code == 0, output.error);
  BOOST_TEST(contains(output.out, "the times that its log tells of worker 0 are"), output.out);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_explained_is_refused_with_the_reason) {
  const App app;
  const std::string run = app.train({"clock=virtual"});
  const std::string silent = app.train({"clock=virtual", "trace={decisions: false}"});
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& why, int code = 2) {
    const Output output = explain(app, arguments);
    BOOST_TEST(output.code == code, output.error);
    BOOST_TEST(output.out == "");
    BOOST_TEST(contains(output.error, why), output.error);
  };
  refused({}, "name the folder of a run");
  refused({app.folder() / "nowhere"}, "nowhere");
  refused({app.folder() / "data"}, "there is no run in");
  refused({silent}, "kept no decision log (trace.decisions: false)");
  refused({run, "--step", "3"}, "--step needs --worker");
  refused({run, "--worker", "3"}, "has no worker 3: its workers are 0 to 2");
  refused({run, "--worker", "0", "--step", "4000"}, "pushed steps 1 to 20, not step 4000");
  refused({run, "--as", "cluster.workers=3"}, "recorded times answer for another strategy alone");
  refused({run, "--as", "strategy=sspp"}, "sspp");
  refused({run, "--as", "strategy.name=ssp", "strategy.staleness=8"},
          "for another strategy write --as strategy.staleness=8");
  refused({run, "--format", "xml"}, "table, json or csv");
  std::string log = read_file(run + "/decisions.csv");
  const std::size_t at = log.find(",apply,");
  log.replace(at, 7, ",merge,");
  write_file(run + "/decisions.csv", log);
  refused({run}, "is not what follows from the log before it", 1);
}

}  // namespace psctl::test
