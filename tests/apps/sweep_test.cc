#include <boost/test/unit_test.hpp>
#include <set>

#include "apps/app.h"
#include "support/paths.h"

using namespace psctl::test;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

namespace {

// Sweeps of small virtual runs in a folder of their own.
struct Sweeps : App {
  std::string sweep() const { return out() + "/trial-sweep"; }

  Words arguments(const Words& words) const {
    Words arguments = {"sweep", "--config", config(), "--out", out(), "clock=virtual"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return arguments;
  }
  struct Ended {
    int code;
    std::string out, error;
  };
  Ended run(const Words& words, Seconds limit = Seconds(60)) const {
    Process process(folder(), arguments(words));
    const int code = process.wait(limit);
    return {code, process.out(), process.error()};
  }
  // Folders of runs, by name; those under way have names that begin with a dot.
  Words folders(const std::string& what = "runs") const {
    Words names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(sweep() + "/" + what, error))
      names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }
  bool under_way() const {
    const Words names = folders();
    return std::ranges::any_of(names, [](const std::string& name) { return name.starts_with('.'); });
  }
  std::size_t whole() const {
    const Words names = folders();
    return static_cast<std::size_t>(
        std::ranges::count_if(names, [](const std::string& name) { return !name.starts_with('.'); }));
  }
  std::vector<pid_t> children() const { return processes_with({"train", sweep() + "/runs/."}); }
};

const Words kLong = {"stop.updates=100000000", "trace={steps: false, decisions: false}", "evaluate.every_epochs=0"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sweep, Sweeps)

BOOST_AUTO_TEST_CASE(runs_that_the_machine_disturbed_are_told_at_the_end) {
  const Sweeps sweeps;
  const Words words = {"sweep", "--config", sweeps.config(), "--out", sweeps.out(), "seed=1,2", "stop={updates: 3}"};
  const auto run = [&] {
    Process process(sweeps.folder(), words);
    BOOST_TEST_REQUIRE(process.wait() == 0, process.error());
    return process.error();
  };
  run();
  const std::string summary = sweeps.sweep() + "/runs/" + sweeps.folders().front() + "/summary.json";
  auto json = nlohmann::ordered_json::parse(read_file(summary));
  json["disturbed"] = true;
  write_file(summary, json.dump(2) + "\n");
  const std::string said = run();
  BOOST_TEST(contains(said, "the machine itself disturbed "), said);
}

BOOST_AUTO_TEST_CASE(every_point_is_a_run_and_only_what_is_missing_is_made_again) {
  const Ended first = run({"strategy=bsp,asp", "seed=1,2"});
  BOOST_TEST_REQUIRE(first.code == 0, first.error);
  BOOST_TEST(contains(first.out, "4 of 4 runs done, 4 of them now"));
  const Table table = read_table(sweep() + "/sweep.csv");
  BOOST_TEST_REQUIRE(table.rows.size() == 4U);
  BOOST_TEST(table.rows[2].at("strategy.name") == "asp");
  BOOST_TEST(table.rows[2].at("seed") == "1");
  BOOST_TEST(table.rows[2].at("status") == "done");
  const auto summary = App::summary(sweep() + "/runs/" + table.rows[2].at("id"));
  BOOST_TEST(table.number(2, "final_accuracy") == summary["final_accuracy"].get<double>());
  BOOST_TEST(summary["strategy"] == "asp");

  const Ended again = run({"strategy=bsp,asp", "seed=1,2"});
  BOOST_TEST(again.code == 0);
  BOOST_TEST(contains(again.out, "4 of 4 runs done, 0 of them now"));
  fs::remove_all(sweep() + "/runs/" + table.rows[1].at("id"));
  const std::string before = read_file(sweep() + "/sweep.csv");
  BOOST_TEST(contains(run({"strategy=bsp,asp", "seed=1,2"}).out, "4 of 4 runs done, 1 of them now"));
  BOOST_TEST(read_file(sweep() + "/sweep.csv") == before);
  // Another grid in the same folder uses what is there.
  const Ended more = run({"strategy=asp,bsp", "seed=range(1,4)"});
  BOOST_TEST(contains(more.out, "6 of 6 runs done, 2 of them now"));
}

BOOST_AUTO_TEST_CASE(a_run_of_a_sweep_is_the_run_that_train_makes) {
  const std::string alone = train({"clock=virtual", "strategy=asp"});
  BOOST_TEST_REQUIRE(run({"strategy=asp,bsp"}).code == 0);
  const Table table = read_table(sweep() + "/sweep.csv");
  const std::string swept = sweep() + "/runs/" + table.rows[0].at("id");
  for (const auto& entry : fs::directory_iterator(alone)) {
    const std::string name = entry.path().filename();
    if (name == "made.json" || name == "psctl.log") continue;
    BOOST_TEST(read_file(alone + "/" + name) == read_file(swept + "/" + name), name);
  }
}

BOOST_AUTO_TEST_CASE(what_is_said_with_closed_streams_is_in_no_file) {
  const std::string timing = folder() / "timing.yaml";
  write_file(timing,
             "name: trial\nclock: virtual\nmodel: {kind: none}\nstrategy: bsp\ncluster: {workers: 3}\n"
             "stop: {time_s: 5}\n");
  const auto says = [&](const std::string& command, const std::string& streams) {
    Process process(folder(),
                    {"-c", fmt::format("{} {} --config {} {}", psctl::test::kBinary, command, timing, streams)}, {},
                    "/bin/sh");
    BOOST_TEST_REQUIRE(process.wait() == 0);
    return process.error();
  };
  BOOST_TEST(contains(says("train --folder " + out() + "/open", ""), "updates"));  // there is something to say
  says("train --folder " + out() + "/closed", ">&- 2>&-");
  for (const char* name : {"/decisions.csv", "/steps.csv", "/workers.csv"}) {
    BOOST_TEST(read_file(out() + "/closed" + name) == read_file(out() + "/open" + name), name);
  }
}

BOOST_AUTO_TEST_CASE(a_dry_run_tells_what_is_missing_and_for_how_long_and_makes_nothing) {
  const Ended before = run({"strategy=bsp,asp", "seed=1,2", "--dry-run"});
  BOOST_TEST(before.code == 0, before.error);
  BOOST_TEST(contains(before.out, "4 runs in"));
  BOOST_TEST(contains(before.out, "0 there, 4 missing"));
  BOOST_TEST(contains(before.out, "from 2 short trials"));
  BOOST_TEST(!fs::exists(sweep()));
  BOOST_TEST_REQUIRE(run({"strategy=bsp,asp", "seed=1"}).code == 0);
  const Ended after = run({"strategy=bsp,asp", "seed=1,2", "--dry-run"});
  BOOST_TEST(contains(after.out, "2 there, 2 missing"));
  BOOST_TEST(contains(after.out, "from 2 runs that are there"));
}

BOOST_AUTO_TEST_CASE(real_runs_of_more_processes_than_cores_go_one_at_a_time) {
  Process process(folder(), {"sweep", "--config", config(), "--out", out(), "clock=real", "strategy=bsp,asp",
                             // With the server one process more than there are cores.
                             fmt::format("cluster={{workers: {}}}", std::thread::hardware_concurrency()),
                             "stop={updates: 20}", "--jobs", "4"});
  std::size_t most = 0;
  BOOST_TEST_REQUIRE(eventually(Seconds(60), [&] {
    const Words names = folders();
    const auto begins = [](const std::string& name) { return name.starts_with('.'); };
    most = std::max(most, static_cast<std::size_t>(std::ranges::count_if(names, begins)));
    return process.ended();
  }));
  BOOST_TEST(process.wait() == 0, process.error());
  BOOST_TEST(most == 1U);
  BOOST_TEST(whole() == 2U);
  BOOST_TEST(App::summary(sweep() + "/runs/" + folders().front())["clock"] == "real");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_told_before_anything_starts) {
  for (const Words& words :
       {Words{"strategy=bsp,nosuch"},
        {"seed=1,-2"},
        {"seed=1,2", "seed=3"},
        {"data.source=nosuch", "seed=1,2"},
        {"--grid", "nosuch.yaml"},
        {"--jobs", "-1"},
        {"seed=1,2", "--name", "a/b"},
        {"--tune", "optimizer.learning_rate=0.1"},
        {"--tune", "optimizer.learning_rate=0.1,1", "--tune-seeds", "0"},
        {"--tune", "optimizer.learning_rate=0.1,1", "strategy=bsp,asp", "evaluate={every_updates: 5}"}}) {
    const Ended ended = run(words);
    BOOST_TEST(ended.code == 2, words.front());
    BOOST_TEST(contains(ended.error, "psctl: error: "));
    BOOST_TEST(!fs::exists(out()));
  }
}

BOOST_AUTO_TEST_CASE(a_run_that_fails_is_named_and_the_others_go_on_or_not_as_was_asked) {
  const Words grid = {"strategy={name: bap, max_iteration_ms: 1},bsp,asp", "stop={samples: 20000}"};
  const Ended fast = run(with(grid, {"--fail-fast", "--jobs", "1"}));
  BOOST_TEST(fast.code == 1);
  BOOST_TEST(contains(fast.error, "raise strategy.max_iteration_ms"), fast.error);
  BOOST_TEST(contains(fast.error, "psctl: error: bap-seed3-"));
  BOOST_TEST(whole() == 0U);
  BOOST_TEST(folders("failed").size() == 1U);
  const Ended all = run(grid);
  BOOST_TEST(all.code == 1);
  BOOST_TEST(contains(all.out, "2 of 3 runs done, 2 of them now"));
  BOOST_TEST(whole() == 2U);
  const Table table = read_table(sweep() + "/sweep.csv");
  BOOST_TEST(table.rows.at(0).at("status") == "failed");
  BOOST_TEST(table.rows.at(1).at("status") == "done");
  BOOST_TEST(contains(run(grid).out, "2 of 3 runs done, 0 of them now"));  // tried again, in vain
}

BOOST_AUTO_TEST_CASE(what_is_not_whole_is_told_and_made_again) {
  const Words grid = {"strategy=bsp,asp", "seed=1,2"};
  BOOST_TEST_REQUIRE(run(grid).code == 0);
  const std::string plan = read_file(sweep() + "/plan.json"), table = read_file(sweep() + "/sweep.csv");
  const Words runs = folders();
  const std::string summary = read_file(sweep() + "/runs/" + runs[0] + "/summary.json");
  write_file(sweep() + "/runs/" + runs[0] + "/summary.json", summary.substr(0, summary.size() / 2));
  write_file(sweep() + "/runs/" + runs[1] + "/config.yaml", "name: trial\nseed: 5\n");
  fs::remove_all(sweep() + "/runs/" + runs[2]);
  write_file(sweep() + "/runs/" + runs[2], "no folder");
  write_file(sweep() + "/runs/" + runs[3] + "/summary.json", R"({"status": 5})");
  write_file(sweep() + "/plan.json", plan.substr(0, plan.size() / 2));
  const Ended ended = run(grid);
  BOOST_TEST_REQUIRE(ended.code == 0, ended.error);
  BOOST_TEST(contains(ended.error, "plan.json was damaged"));
  BOOST_TEST(contains(ended.error, runs[0] + " is not whole: summary.json is damaged at byte "));
  BOOST_TEST(contains(ended.error, runs[1] + " is not whole: config.yaml is not that of the run"));
  BOOST_TEST(contains(ended.error, runs[2] + " is not whole"));
  BOOST_TEST(contains(ended.error, runs[3] + " is not whole: summary.json has no status"));
  BOOST_TEST(contains(ended.out, "4 of 4 runs done, 4 of them now"));
  BOOST_TEST(read_file(sweep() + "/plan.json") == plan);
  BOOST_TEST(read_file(sweep() + "/sweep.csv") == table);
  BOOST_TEST(folders("damaged").size() == 4U);
  write_file(sweep() + "/plan.json", R"({"runs": [{"id": 5}, 7]})");
  BOOST_TEST(run(grid).code == 0);
  BOOST_TEST(read_file(sweep() + "/plan.json") == plan);
}

BOOST_AUTO_TEST_CASE(a_run_that_lost_its_steps_is_made_again) {
  const Words grid = {"strategy=bsp", "seed=1,2,3"};
  BOOST_TEST_REQUIRE(run(grid).code == 0);
  const Words runs = folders();
  const std::string steps = sweep() + "/runs/" + runs[0] + "/steps.csv", whole = read_file(steps);
  fs::remove(steps);
  write_file(sweep() + "/runs/" + runs[1] + "/steps.csv", whole.substr(0, whole.find('\n') + 1));
  write_file(sweep() + "/runs/" + runs[2] + "/evals.csv", "");
  const Ended ended = run(grid);
  BOOST_TEST(ended.code == 0, ended.error);
  BOOST_TEST(contains(ended.error, runs[0] + " is not whole: steps.csv is missing"), ended.error);
  BOOST_TEST(contains(ended.error, runs[1] + " is not whole: steps.csv has 0 of "), ended.error);
  BOOST_TEST(contains(ended.error, runs[2] + " is not whole: evals.csv has lost rows"), ended.error);
  BOOST_TEST(contains(ended.out, "3 of 3 runs done, 3 of them now"), ended.out);
  BOOST_TEST(read_file(steps) == whole);
}

BOOST_AUTO_TEST_CASE(of_a_search_in_which_all_runs_diverged_the_table_says_so) {
  const Ended ended = run({"strategy=bsp", "seed=1", "--tune", "optimizer.learning_rate=100000,1000000", "--tune-seeds", "2",
                           "--tune-widen", "0"});
  BOOST_TEST(contains(ended.error, "every run of the search diverged with bsp"), ended.error);
  BOOST_TEST(contains(ended.out, "diverged"), ended.out);
  const auto tuning = nlohmann::json::parse(read_file(sweep() + "/tuning.json"));
  for (const auto& trial : tuning["strategies"][0]["search"]) {
    BOOST_TEST(trial["diverged"] == 2);
    BOOST_TEST(trial["mean_accuracy"].is_null());
    BOOST_TEST(trial["accuracy"][0].is_null());
  }
}

BOOST_AUTO_TEST_CASE(runs_of_another_build_are_kept_and_told) {
  BOOST_TEST_REQUIRE(run({"seed=1,2"}).code == 0);
  BOOST_TEST(!contains(run({"seed=1,2"}).error, "another build"));
  const std::string path = sweep() + "/runs/" + folders().front() + "/made.json";
  auto made = nlohmann::json::parse(read_file(path));
  made["binary_sha256"] = std::string(64, '0');
  write_file(path, made.dump());
  const Ended ended = run({"seed=1,2"});
  BOOST_TEST(contains(ended.out, "2 of 2 runs done, 0 of them now"));
  BOOST_TEST(contains(ended.error, "made by another build of psctl, and kept: 1 run"), ended.error);
}

BOOST_AUTO_TEST_CASE(a_sweep_is_what_it_was_when_it_began_and_has_its_folder_for_itself) {
  const Words grid = with({"seed=range(0,3)", "--jobs", "1"}, kLong);
  Process process(folder(), arguments(grid));
  BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return !children().empty(); }));
  write_file(config(), "name: trial\nnonsense: 1\n");
  const Ended second = run(grid);
  BOOST_TEST(second.code == 2);  // of the configuration
  const auto killed = children();
  BOOST_TEST_REQUIRE(killed.size() == 1U);
  ::kill(killed.front(), SIGKILL);
  // The next one starts with the configuration as it was.
  BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] {
    const auto now = children();
    return !now.empty() && now != killed;
  }));
  process.signal(SIGINT);
  BOOST_TEST(process.wait(Seconds(20)) == 130, process.error());
  BOOST_TEST(contains(process.error(), "was killed by signal 9"));
  BOOST_TEST(!contains(process.error(), "nonsense"));
  BOOST_TEST(contains(process.out(), "interrupted; the same command goes on from here"));
  BOOST_TEST(children().empty());
  BOOST_TEST(!under_way());
  const Table table = read_table(sweep() + "/sweep.csv");
  BOOST_TEST(table.rows.at(0).at("status") == "failed");
  BOOST_TEST(table.rows.at(1).at("status") == "missing");
}

BOOST_AUTO_TEST_CASE(two_sweeps_in_one_folder_at_once_are_refused) {
  const Words grid = with({"seed=1,2"}, kLong);
  Process process(folder(), arguments(grid));
  BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return !children().empty(); }));
  const Ended second = run(grid);
  BOOST_TEST(second.code == 2);
  BOOST_TEST(contains(second.error, "another sweep is at work in"));
  BOOST_TEST(run({"--name", "other", "seed=1,2"}).code == 0);
  process.signal(SIGTERM);
  BOOST_TEST(process.wait(Seconds(20)) == 130);
}

BOOST_AUTO_TEST_CASE(no_run_outlives_a_sweep_that_is_killed_and_the_next_one_clears_what_it_left) {
  Process process(folder(), arguments(with({"seed=1,2"}, kLong)));
  BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return children().size() == 2; }));
  process.signal(SIGKILL);
  BOOST_TEST(process.wait(Seconds(20)) == 128 + SIGKILL);
  BOOST_TEST(eventually(Seconds(20), [&] { return children().empty(); }));
  BOOST_TEST(under_way());
  BOOST_TEST_REQUIRE(run({"seed=1,2"}).code == 0);
  BOOST_TEST(!under_way());
  BOOST_TEST(whole() == 2U);
}

BOOST_AUTO_TEST_CASE(the_closing_of_its_terminal_does_not_end_a_sweep) {
  Process process(folder(), arguments({"seed=range(0,6)", "--jobs", "1"}));
  BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return !children().empty(); }));
  process.signal(SIGHUP);
  BOOST_TEST(process.wait(Seconds(60)) == 0, process.error());
  BOOST_TEST(whole() == 6U);
}

BOOST_AUTO_TEST_CASE(every_strategy_gets_the_same_search_and_two_results) {
  const Words words = {"strategy=asp,bsp", "seed=1,2", "stop={epochs: 2}", "--tune", "optimizer.learning_rate=0.1,0.01",
                       "--tune-seeds",     "2",        "--tune-widen",     "1"};
  const Ended ended = run(words);
  BOOST_TEST_REQUIRE(ended.code == 0, ended.error);
  BOOST_TEST(contains(ended.error, "data.validation=60"));
  const auto tuning = nlohmann::json::parse(read_file(sweep() + "/tuning.json"));
  BOOST_TEST(tuning["criterion"] == "mean_accuracy");
  BOOST_TEST(tuning["one_for_all_from"] == nlohmann::json::parse(R"(["bsp"])"));
  // Of every strategy the same values, each with the same seeds, none of which is one of the final runs.
  std::map<std::string, std::map<std::string, std::multiset<std::string>>> seeds;
  const Table table = read_table(sweep() + "/sweep.csv");
  for (const auto& row : table.rows) {
    const auto yaml = read_file(sweep() + "/runs/" + row.at("id") + "/config.yaml");
    const bool search = row.at("stage") == "search";
    BOOST_TEST(contains(yaml, search ? "on: validation" : "on: test"));
    BOOST_TEST(contains(yaml, search ? "validation: 60" : "validation: 0"));
    const bool final_seed = row.at("seed") == "1" || row.at("seed") == "2";
    BOOST_TEST(final_seed != search);
    if (search) seeds[row.at("strategy.name")][row.at("optimizer.learning_rate")].insert(row.at("seed"));
  }
  BOOST_TEST_REQUIRE(seeds.size() == 2U);
  BOOST_TEST((seeds["asp"] == seeds["bsp"]));
  BOOST_TEST(seeds["asp"].size() == tuning["values"].size());
  // The best is the best of what was searched, and both results are those of the runs.
  for (const auto& strategy : tuning["strategies"]) {
    double best = 0, value = 0;
    for (const auto& trial : strategy["search"]) {
      if (trial["mean_accuracy"].get<double>() > best) best = trial["mean_accuracy"], value = trial["value"];
    }
    BOOST_TEST(strategy["best"].get<double>() == value);
    BOOST_TEST(strategy["own_best"]["value"].get<double>() == value);
    if (strategy["strategy"] == "bsp") {
      for (const auto& other : tuning["strategies"]) BOOST_TEST(other["one_for_all"]["value"].get<double>() == value);
    }
    for (const char* stage : {"one_for_all", "own_best"}) {
      double sum = 0;
      int count = 0;
      for (std::size_t i = 0; i < table.rows.size(); ++i) {
        if (table.rows[i].at("stage") != stage || table.rows[i].at("strategy.name") != strategy["strategy"]) continue;
        sum += table.number(i, "final_accuracy"), ++count;
      }
      BOOST_TEST(count == 2);
      BOOST_TEST(strategy[stage]["mean_accuracy"].get<double>() == sum / 2, boost::test_tools::tolerance(1e-12));
    }
  }
  const std::string plan = read_file(sweep() + "/plan.json"), before = read_file(sweep() + "/tuning.csv");
  const Ended again = run(words);
  BOOST_TEST(contains(again.out, "0 of them now"));
  BOOST_TEST(!contains(again.error, "the plan has changed"));
  BOOST_TEST(read_file(sweep() + "/plan.json") == plan);
  BOOST_TEST(read_file(sweep() + "/tuning.csv") == before);
}

BOOST_AUTO_TEST_SUITE_END()
