// psctl runs and psctl compare, on run folders made by hand and on runs that were trained.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <sys/resource.h>

#include "apps/app.h"
#include "results/support.h"
#include "support/paths.h"

using psctl::test::App;
using psctl::test::contains;
using psctl::test::Process;
using psctl::test::read_file;
using psctl::test::Seconds;
using psctl::test::split;
using psctl::test::summary_of;
using psctl::test::TemporaryFolder;
using psctl::test::write_run;
using Json = nlohmann::json;

namespace {

struct Said {
  int code = 0;
  std::string out, error;
};

Said psctl_says(const TemporaryFolder& folder, const std::vector<std::string>& arguments) {
  Process process(folder, arguments);
  const int code = process.wait();
  return {code, process.out(), process.error()};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines = split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// Two strategies and three seeds, the second twice as fast in each; one run failed, one is not finished, one damaged.
class Folder {
 public:
  Folder() {
    for (int seed = 1; seed <= 3; ++seed) {
      write_run(runs() + fmt::format("/bsp-{}", seed),
                summary_of("bsp", seed, {{"time_to_target_s", 40.0 + seed}, {"samples_per_s", 100.0 + seed}}));
      write_run(
          runs() + fmt::format("/asp-{}", seed),
          summary_of("asp", seed, {{"time_to_target_s", 20.0 + 0.6 * seed}, {"samples_per_s", 201.0 + 2 * seed}}));
    }
    write_run(runs() + "/failed", summary_of("asp", 4, {{"status", "failed"}, {"error", "worker 1 is gone"}}));
    write_run(runs() + "/damaged", summary_of("asp", 5));
    psctl::test::write_file(runs() + "/damaged/summary.json", "{");
    std::filesystem::create_directories(runs() + "/unfinished");
    psctl::test::write_file(runs() + "/unfinished/config.yaml", "");
  }
  std::string runs() const { return folder_ / "runs"; }
  std::string file(const std::string& name) const { return folder_ / name; }

  Said says(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin() + 1, runs());
    return psctl_says(folder_, arguments);
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(runs_verb)

BOOST_AUTO_TEST_CASE(every_run_is_a_row_whatever_became_of_it) {
  const Said said = Folder().says({"runs"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(lines_of(said.out).size() == 10U);
  for (const char* status : {"done", "failed", "unfinished", "unreadable"}) BOOST_TEST(contains(said.out, status));
  BOOST_TEST(contains(said.error, "/damaged: summary.json is damaged"));
}

BOOST_AUTO_TEST_CASE(rows_are_chosen_sorted_and_cut_and_columns_are_those_that_are_asked_for) {
  const Said said = Folder().says({"runs", "--where", "status=done", "--where", "seed>1", "--columns",
                                   "label,seed,samples_per_s,stragglers.0.delay_ms", "--sort", "samples_per_s",
                                   "--reverse", "--top", "3", "--format", "csv"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(said.out ==
             "label,seed,samples_per_s,stragglers.0.delay_ms\nasp,3,207.0,2.5\nasp,2,205.0,2.5\nbsp,3,103.0,2.5\n");
}

BOOST_AUTO_TEST_CASE(what_is_not_known_is_last_however_it_is_sorted) {
  for (const std::vector<std::string>& order : {std::vector<std::string>{}, {"--reverse"}}) {
    std::vector<std::string> arguments = {"runs", "--columns", "run,time_s", "--sort", "time_s", "--format", "csv"};
    arguments.insert(arguments.end(), order.begin(), order.end());
    const auto lines = lines_of(Folder().says(arguments).out);
    BOOST_REQUIRE(lines.size() == 10U);
    for (std::size_t i = 8; i < 10; ++i) BOOST_TEST(lines[i].ends_with(","), lines[i]);
    BOOST_TEST(!lines[7].ends_with(","));
  }
}

BOOST_AUTO_TEST_CASE(each_format_holds_the_same_rows) {
  const Folder folder;
  const auto json = Json::parse(folder.says({"runs", "--format", "json"}).out);
  BOOST_TEST(json.size() == 9U);
  BOOST_TEST(json[0]["label"] == "asp");
  BOOST_TEST(json[0]["seed"] == 1);
  BOOST_TEST(lines_of(folder.says({"runs", "--format", "csv"}).out).size() == 10U);
  const auto markdown = lines_of(folder.says({"runs", "--format", "markdown"}).out);
  BOOST_TEST(markdown.size() == 11U);
  for (const std::string& line : markdown) BOOST_TEST((line.starts_with("|") && line.ends_with("|")), line);
}

BOOST_AUTO_TEST_CASE(wrong_requests_are_refused_with_what_was_meant) {
  const Folder folder;
  const std::pair<std::vector<std::string>, const char*> kWrong[] = {
      {{"runs", "--columns", "final_acuracy"}, "did you mean final_accuracy?"},
      {{"runs", "--sort", "sed"}, "did you mean seed?"},
      {{"runs", "--where", "staleness"}, "KEY=VALUE"},
      {{"runs", "--where", "strategy.nam=ssp"}, "did you mean strategy.name?"},
      {{"runs", "--format", "xml"}, "markdown"},
      {{"runs", "/no/such/folder"}, "no such folder"}};
  for (const auto& [arguments, hint] : kWrong) {
    const Said said = folder.says(arguments);
    BOOST_TEST(said.code == 2, hint);
    BOOST_TEST(contains(said.error, hint), said.error);
    BOOST_TEST(said.out.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_table_that_cannot_be_written_ends_with_1) {
  const Folder folder;
  const TemporaryFolder said;
  for (const char* verb : {"runs", "compare"}) {
    Process process(said, {"-c", fmt::format("{} {} {} >/dev/full", psctl::test::kBinary, verb, folder.runs())}, {}, "/bin/sh");
    BOOST_TEST(process.wait() == 1, verb);
    BOOST_TEST(contains(process.error(), "cannot write"), process.error());
  }
}

BOOST_AUTO_TEST_CASE(ten_thousand_runs_are_a_table_in_a_second) {
  const TemporaryFolder folder;
  const std::string text = summary_of("ssp", 1).dump(2);
  for (int i = 0; i < 10'000; ++i) {
    const std::string run = folder / fmt::format("runs/run-{}", i);
    std::filesystem::create_directories(run);
    psctl::test::write_file(run + "/summary.json", text);
  }
  // Of all cores together: others may be at work on this machine.
  const auto used = [] {
    rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  };
  const double before = used();
  const Said said = psctl_says(folder, {"runs", folder / "runs", "--sort", "final_accuracy"});
  const double took = used() - before;
  BOOST_TEST(said.code == 0);
  BOOST_TEST(lines_of(said.out).size() == 10'001U);
  BOOST_TEST(took < 1, took << " s");
  BOOST_TEST_MESSAGE("psctl runs on 10,000 runs: " << took << " s of processor time");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(compare_verb)

BOOST_AUTO_TEST_CASE(a_comparison_says_what_is_faster_by_how_much_and_what_was_left_out) {
  const Said said = Folder().says({"compare"});
  BOOST_TEST(said.code == 0, said.error);
  for (const char* part :
       {"s to accuracy 0.75", "faster", "no difference shown", "geometric mean over the seeds, and ratio to bsp", "Bonferroni's correction for 1 comparison",
        "95 % interval", "baseline", "failed: worker 1 is gone", "/unfinished: unfinished", "/damaged: summary.json is damaged"}) {
    BOOST_TEST(contains(said.out, part), part);
  }
}

BOOST_AUTO_TEST_CASE(every_format_says_the_same_and_a_file_is_written_whole) {
  const Folder folder;
  const auto json = Json::parse(folder.says({"compare", "--format", "json"}).out);
  const auto& difference = json["metrics"]["time_to_target_s"]["against_baseline"][0];
  BOOST_TEST(difference["first"] == "asp");
  BOOST_TEST(difference["second"] == "bsp");
  BOOST_TEST(difference["verdict"] == "better");
  BOOST_TEST(difference["pairs"] == 3);
  BOOST_TEST(difference["value"]["method"] == "t");
  BOOST_TEST(json["metrics"]["final_accuracy"]["against_baseline"][0]["verdict"] == "no difference shown");
  const auto groups = lines_of(folder.says({"compare", "--format", "csv", "--quiet"}).out);
  BOOST_TEST(groups.size() == 3U);
  const auto pairs = lines_of(folder.says({"compare", "--format", "csv", "--pairs", "--quiet"}).out);
  BOOST_REQUIRE(pairs.size() == 4U);
  for (const std::string& row : pairs) BOOST_TEST(split(row, ',').size() == 15U, row);
  BOOST_TEST(
      pairs[1].starts_with(fmt::format("time_to_target_s,asp,bsp,ratio,all,{}", difference["value"]["mean"].dump())),
      pairs[1]);
  const Said quiet = folder.says({"compare", "--format", "markdown", "-o", folder.file("c.md"), "--quiet"});
  BOOST_TEST(quiet.code == 0);
  BOOST_TEST(quiet.out.empty());
  BOOST_TEST(quiet.error.empty());
  BOOST_TEST(read_file(folder.file("c.md")) == folder.says({"compare", "--format", "markdown"}).out);
}

BOOST_AUTO_TEST_CASE(a_target_that_was_not_reached_is_counted) {
  const Folder folder;
  for (int seed = 1; seed <= 3; ++seed) {
    const auto summary =
        summary_of("asp", seed, {{"time_to_target_s", seed < 3 ? Json() : Json(50.0)}, {"time_s", 90.0}});
    write_run(folder.runs() + fmt::format("/asp-{}", seed), summary);
  }
  const Said said = folder.says({"compare"});
  BOOST_TEST(contains(said.out, "not reached in 2 of 3 (up to 90 s)"), said.out);
  BOOST_TEST(contains(said.out, "at least "), said.out);
  BOOST_TEST(contains(said.out, "3 (2 censored)"), said.out);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_compared_ends_with_2_and_the_key_and_with_one_value_it_goes) {
  const Folder folder;
  write_run(folder.runs() + "/longer", summary_of("asp", 1, {}, {{"stop.epochs", 9}}));
  const Said said = folder.says({"compare"});
  BOOST_TEST(said.code == 2);
  BOOST_TEST(said.out.empty());
  BOOST_TEST(contains(said.error, "stop.epochs: 5 (6 runs"), said.error);
  BOOST_TEST(folder.says({"compare", "--where", "stop.epochs=5"}).code == 0);
  BOOST_TEST(folder.says({"compare", "--by", "strategy,stop.epochs"}).code == 0);
}

BOOST_AUTO_TEST_CASE(wrong_requests_end_with_2) {
  const Folder folder;
  const std::pair<std::vector<std::string>, const char*> kWrong[] = {
      {{"compare", "--by", "strategy.nam"}, "did you mean strategy.name?"},
      {{"compare", "--by", ","}, "--by names no key"},
      {{"compare", "--baseline", "ssp"}, "there is no such group"},
      {{"compare", "--where", "seed=77"}, "there is no run of that kind"},
      {{"compare", "--format", "pdf"}, "markdown"},
      {{"compare", "-o", "/no/such/folder/file"}, "there is no folder /no/such/folder"},
      {{"compare", "-o", "/tmp"}, "no name of a file"},
      {{"compare", "/no/such/folder"}, "no such folder"}};
  for (const auto& [arguments, hint] : kWrong) {
    const Said said = folder.says(arguments);
    BOOST_TEST(said.code == 2, hint);
    BOOST_TEST(contains(said.error, hint), said.error);
  }
  const TemporaryFolder empty;
  BOOST_TEST(psctl_says(empty, {"compare", empty.path()}).code == 2);
  BOOST_TEST(psctl_says(empty, {"compare"}).code == 2);
}

BOOST_AUTO_TEST_CASE(runs_that_were_trained_are_compared_and_one_seed_shows_nothing) {
  const App app;
  for (const char* strategy : {"bsp", "asp"}) {
    app.train({"clock=virtual", "stop={epochs: 2}", fmt::format("strategy={}", strategy), "seed=1"});
  }
  const Said one = psctl_says(app.folder(), {"compare", app.out()});
  BOOST_TEST(one.code == 0, one.error);
  BOOST_TEST(contains(one.out, "one seed shows nothing"), one.out);
  for (const char* strategy : {"bsp", "asp"}) {
    for (const int seed : {2, 3})
      app.train({"clock=virtual", "stop={epochs: 2}", fmt::format("strategy={}", strategy), fmt::format("seed={}", seed)});
  }
  const auto json = Json::parse(psctl_says(app.folder(), {"compare", app.out(), "--format", "json"}).out);
  BOOST_TEST(json["groups"].size() == 2U);
  // Of the virtual clock, and so the same in each seed: 3 workers of 5, 6 and 9 ms.
  BOOST_TEST(json["metrics"]["samples_per_s"]["against_baseline"][0]["verdict"] == "better");
  BOOST_TEST(json["blocks"] == Json({"seed=1", "seed=2", "seed=3"}));
}

BOOST_AUTO_TEST_CASE(backup_workers_whose_pushes_come_too_late_are_slower) {
  const App app;
  for (const char* strategy : {"bsp", "{name: backup, backups: 6}"}) {
    for (int seed = 1; seed <= 3; ++seed) {
      app.train({"clock=virtual", "cluster={workers: 8, compute_ms: 10}", "stop={samples: 20000}", "model={kind: none}",
                 "stragglers=[{workers: all, kind: exponential, delay_ms: 5}]", "evaluate={}", "data={batch_size: 10}",
                 fmt::format("strategy={}", strategy), fmt::format("seed={}", seed)});
    }
  }
  const auto json = Json::parse(psctl_says(app.folder(), {"compare", app.out(), "--format", "json"}).out);
  const auto& rate = json["metrics"]["samples_per_s"]["against_baseline"][0];
  BOOST_TEST(rate["first"] == "backup(backups=6)");
  BOOST_TEST(rate["verdict"] == "worse");
  BOOST_TEST(rate["value"]["high"] < 1);
  for (const auto& group : json["groups"]) {
    BOOST_TEST((group["unused_share"] > 0.3) == (group["label"] == "backup(backups=6)"), group.dump());
  }
}

BOOST_AUTO_TEST_CASE(of_a_sweep_that_searched_the_best_of_each_is_compared_unless_another_stage_is_asked_for) {
  const TemporaryFolder folder;
  Json plan = {{"runs", Json::array()}};
  const auto add = [&](const std::string& stage, const std::string& strategy, int seed, double rate, double accuracy) {
    const std::string name = fmt::format("runs/{}-{}-{}", strategy, seed, rate);
    write_run(folder / "sweep/" + name, summary_of(strategy, seed, {{"final_accuracy", accuracy}},
                                                   {{"optimizer.learning_rate", rate},
                                                    {"evaluate.on", stage == "search" ? "validation" : "test"}}));
    plan["runs"].push_back({{"folder", name}, {"stage", stage}});
  };
  for (int seed = 1; seed <= 3; ++seed) {
    add("search", "bsp", 1000 + seed, 0.1, 0.5);
    add("search", "asp", 1000 + seed, 0.05, 0.5);
    add("one_for_all", "bsp", seed, 0.1, 0.8);
    add("own_best", "bsp", seed, 0.1, 0.8);
    add("one_for_all", "asp", seed, 0.1, 0.6 + 0.001 * seed);
    add("own_best", "asp", seed, 0.05, 0.9 + 0.001 * seed);
  }
  plan["runs"].push_back({{"folder", "runs/gone"}, {"stage", "own_best"}});
  psctl::test::write_file(folder / "sweep/plan.json", plan.dump());
  const auto verdict = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"compare", folder / "sweep", "--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto json = Json::parse(psctl_says(folder, arguments).out);
    return json["metrics"]["final_accuracy"]["against_baseline"][0]["verdict"].get<std::string>() +
           json["baseline"].get<std::string>();
  };
  BOOST_TEST(verdict({}) == "betterbsp");
  BOOST_TEST(verdict({"--where", "stage=own_best"}) == "betterbsp");
  BOOST_TEST(verdict({"--where", "stage=one_for_all"}) == "worsebsp");
  const Said said = psctl_says(folder, {"compare", folder / "sweep"});
  BOOST_TEST(contains(said.out, "own_best"), said.out);
  BOOST_TEST(contains(said.out, "optimizer.learning_rate differs too: 0.05 in asp and 0.1 in bsp"), said.out);
  BOOST_TEST(contains(said.out, "runs/gone: missing"), said.out);
  const Said runs = psctl_says(folder, {"runs", folder.path(), "--format", "csv"});
  BOOST_TEST(contains(runs.out, "one_for_all+own_best"), runs.out);
  BOOST_TEST(contains(runs.out, "runs/gone,missing"), runs.out);
}

BOOST_AUTO_TEST_SUITE_END()
