// What psctl report takes, refuses and puts into a page: everything but what a browser makes of it.
#include "report/report.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "apps/app.h"
#include "base/error.h"
#include "results/columns.h"
#include "report/timeline.h"
#include "support/folder.h"

namespace psctl::test {
namespace {

using Json = nlohmann::ordered_json;

// A run of so many workers and steps, each of which takes 1 s, of which 0.25 s are waiting.
void write_run(const std::string& folder, std::size_t workers, std::size_t steps, const Json& more = Json::object()) {
  std::filesystem::create_directories(folder);
  Json summary = {{"status", "done"},
                  {"strategy", "ssp"},
                  {"strategy_label", "ssp"},
                  {"clock", "virtual"},
                  {"seed", 1},
                  {"time_s", static_cast<double>(steps)},
                  {"final_accuracy", 0.75},
                  {"config", {{"strategy.name", "ssp"}, {"seed", 1}}}};
  summary["workers"] = Json::array();
  std::string rows =
      "time_s,worker,step,base_version,applied_version,staleness,gap,data_s,compute_s,delay_s,push_s,wait_s,pull_s,"
      "samples,loss\n";
  for (std::size_t worker = 0; worker < workers; ++worker) {
    const double wall = static_cast<double>(steps);
    summary["workers"].push_back({{"worker", worker},
                                  {"steps", steps},
                                  {"compute_s", wall * 0.75},
                                  {"wait_s", wall * 0.25},
                                  {"wall_s", wall},
                                  {"held_by", {{{"worker", (worker + 1) % workers}, {"s", wall * 0.25}}}},
                                  {"held_others_s", wall * 0.25}});
    for (std::size_t step = 1; step <= steps; ++step) {
      rows += fmt::format("{:.9f},{},{},0,1,{},{},0,0.750000000,0,0,0.250000000,0,64,1.5\n",
                          static_cast<double>(step) - 0.25, worker, step, step % 7, step % 3);
    }
  }
  summary.update(more);
  const Json of_workers = summary["workers"];  // they stand last, as psctl writes them
  summary.erase("workers");
  summary["workers"] = of_workers;
  write_file(folder + "/summary.json", summary.dump());
  write_file(folder + "/steps.csv", rows);
  write_file(
      folder + "/evals.csv",
      "time_s,version,epoch,samples,train_loss,test_loss,test_accuracy\n0,0,0,0,2.3,2.3,0.1\n1,1,1,64,nan,1,0.75\n");
}

report::Page page_of(const std::vector<std::string>& folders) {
  report::Request request{.title = "a title with </title> & <b>", .version = "1"};
  for (const std::string& folder : folders) request.runs.push_back({.folder = folder});
  return report::make_page(request);
}

Json data_of(const std::string& html) {
  const std::string begin = R"(<script type="application/json" id="data">)";
  const std::size_t from = html.find(begin) + begin.size();
  return Json::parse(html.substr(from, html.find("</script>", from) - from));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(report_page)

BOOST_AUTO_TEST_CASE(a_column_is_found_by_its_name_and_a_line_that_has_no_end_is_left_out) {
  const TemporaryFolder folder;
  write_file(folder / "a.csv", "one,two,three\n1,,3e2\n-4,nan,6\n7,8");
  const auto columns = results::read_columns(folder / "a.csv", {"three", "one", "two"});
  BOOST_TEST(columns[0] == (results::Column{300, 6}), boost::test_tools::per_element());
  BOOST_TEST(columns[1] == (results::Column{1, -4}), boost::test_tools::per_element());
  BOOST_TEST((columns[2].size() == 2 && std::isnan(columns[2][0]) && std::isnan(columns[2][1])));
}

BOOST_AUTO_TEST_CASE(a_damaged_table_is_told_by_file_and_line) {
  const TemporaryFolder folder;
  const auto told = [&](const std::string& content) -> std::string {
    write_file(folder / "a.csv", content);
    try {
      results::read_columns(folder / "a.csv", {"one", "two"});
    } catch (const WorldError& error) {
      return error.what();
    }
    return "nothing";
  };
  BOOST_TEST(told("one,two\n1,2\n1,x\n").ends_with("a.csv:3: 'x' is no number"));
  BOOST_TEST(told("one,two\n1\n").ends_with("a.csv:2: the line has fewer cells than the first one"));
  BOOST_TEST(told("one,three\n1,2\n").ends_with("a.csv: there is no column two"));
  BOOST_TEST(told("").ends_with("a.csv: is empty"));
  BOOST_TEST(told("one,two\n1,2\n") == "nothing");
  BOOST_CHECK_THROW(results::read_columns(folder / "none.csv", {"one"}), WorldError);
}

BOOST_AUTO_TEST_CASE(what_a_run_says_cannot_leave_its_place_in_the_page) {
  const TemporaryFolder folder;
  const std::string evil = "</script><script>alert(1)</script><!-- \xff {{data}} \xe2\x80\xa8";
  write_run(folder / "run", 2, 3, {{"status", "failed"}, {"error", "</ScRiPt>"}});
  Json summary = Json::parse(read_file(folder / "run/summary.json"));
  summary["strategy_label"] = "</script><script>alert(1)</script><!-- {{data}}";
  summary["config"]["name"] = "<img src=x onerror=alert(1)>";
  write_file(folder / "run/summary.json", summary.dump());
  write_file(folder / "run/made.json", R"({"host": "<script>"})");
  const std::string html = page_of({folder / "run"}).html;
  // Of the page itself: the data, the script, and the title, once each.
  BOOST_TEST(count(html, "<script") == 2U);
  BOOST_TEST(count(html, "</script>") == 2U);
  BOOST_TEST(count(html, "</title>") == 1U);
  BOOST_TEST(html.find("<img") == std::string::npos);
  const Json run = data_of(html)["runs"][0];
  BOOST_TEST(run["label"] == summary["strategy_label"]);
  BOOST_TEST(run["summary"]["error"] == "</ScRiPt>");
}

BOOST_AUTO_TEST_CASE(a_whole_number_that_a_script_would_round_is_a_text_with_all_its_digits) {
  const TemporaryFolder folder;
  for (const std::uint64_t seed : {9007199254740992U, 9007199254740993U, 18446744073709551615U}) {
    write_run(folder / std::to_string(seed), 1, 1, {{"seed", seed}, {"config", {{"seed", seed}}}});
  }
  std::vector<Json> seeds;
  const Json data = data_of(
      page_of({folder / "9007199254740992", folder / "9007199254740993", folder / "18446744073709551615"}).html);
  for (const Json& run : data["runs"]) seeds.push_back(run["summary"]["seed"]);
  BOOST_TEST((seeds == std::vector<Json>{9007199254740992U, "9007199254740993", "18446744073709551615"}));
}

BOOST_AUTO_TEST_CASE(the_page_names_no_other_place_to_load_from_and_runs_no_script_but_its_own) {
  const TemporaryFolder folder;
  write_run(folder / "run", 2, 3);
  const std::string html = page_of({folder / "run"}).html;
  BOOST_TEST(contains(html, "default-src 'none'"));
  BOOST_TEST(contains(html, "script-src 'sha256-"));
  for (const char* loads : {"src=", "@import", "url(http", "fetch(", "XMLHttpRequest", "import("})
    BOOST_TEST(html.find(loads) == std::string::npos, loads);
}

BOOST_AUTO_TEST_CASE(a_long_run_is_thinned_by_a_rule_that_is_told_and_the_page_stays_small) {
  const TemporaryFolder folder;
  write_run(folder / "long", 64, 1000);
  const report::Page page = page_of({folder / "long"});
  BOOST_TEST(page.html.size() < 3'000'000U);
  BOOST_TEST_REQUIRE(page.thinned.size() == 1U);
  BOOST_TEST(page.thinned[0].starts_with("timeline: the first 30000 steps"), page.thinned[0]);
  const Json data = data_of(page.html);
  BOOST_TEST(data["thinned"][0].get<std::string>() == page.thinned[0]);
  const Json& timeline = data["runs"][0]["timeline"];
  BOOST_TEST(timeline["rows"]["at"].size() == 30'000U);
  // All 64 workers begin their steps together, so what is whole ends between two steps.
  BOOST_TEST(timeline["until_s"] == 30'000 / 64);
  // In every stretch of every worker, a quarter of the time was waiting.
  for (const Json& worker : timeline["cells"]["shares"]) {
    double waiting = 0, all = 0;
    for (std::size_t i = 0; i < worker.size(); ++i) {
      all += worker[i].get<double>();
      if (i % report::kPartCount == 4) waiting += worker[i].get<double>();
    }
    BOOST_TEST(std::abs(waiting / all - 0.25) < 0.01);
    BOOST_TEST(std::abs(all / static_cast<double>(worker.size() / report::kPartCount) - 100) < 1);
  }
}

BOOST_AUTO_TEST_CASE(a_short_run_is_in_the_page_as_it_was) {
  const TemporaryFolder folder;
  write_run(folder / "short", 3, 20);
  const report::Page page = page_of({folder / "short"});
  BOOST_TEST(page.thinned.empty());
  BOOST_TEST(page.problems.empty());
  const Json run = data_of(page.html)["runs"][0];
  BOOST_TEST(!run["timeline"].contains("cells"));
  BOOST_TEST(run["timeline"]["rows"]["at"].size() == 60U);
  std::uint64_t pushes = 0;
  for (const Json& bar : run["staleness"]["counts"]) pushes += bar[1].get<std::uint64_t>();
  BOOST_TEST(pushes == 60U);
  BOOST_TEST(run["evals"]["train_loss"][1].is_null());
  BOOST_TEST(run["workers"]["held_by"][2] == Json({{0, 5}}));
}

BOOST_AUTO_TEST_CASE(of_many_runs_each_gets_less_and_the_page_of_150_stays_below_5_megabytes) {
  const TemporaryFolder folder;
  write_run(folder / "run-0", 64, 60);
  std::vector<std::string> folders{folder / "run-0"};
  const Json summary = Json::parse(read_file(folder / "run-0/summary.json"));
  for (int i = 1; i < 150; ++i) {
    const std::string run = folder / fmt::format("run-{}", i);
    std::filesystem::create_directory(run);
    Json own = summary;
    own["seed"] = own["config"]["seed"] = i % 3;
    own["config"]["cluster.delay_ms"] = i / 3;
    write_file(run + "/summary.json", own.dump());
    for (const char* name : {"steps.csv", "evals.csv"})
      std::filesystem::create_symlink(folder / "run-0/" + name, run + "/" + name);
    folders.push_back(run);
  }
  const report::Page page = page_of(folders);
  BOOST_TEST(page.html.size() < 5'000'000U);
  BOOST_TEST(page.html.size() > 100'000U);
  const Json data = data_of(page.html);
  BOOST_TEST(data["runs"].size() == 150U);
  BOOST_TEST(data["axes"].size() == 1U);
  BOOST_TEST(data["axes"][0]["key"] == "cluster.delay_ms");
  std::size_t timelines = 0;
  for (const Json& run : data["runs"]) timelines += run.contains("timeline");
  BOOST_TEST(timelines == 24U);
  BOOST_TEST(page.thinned.size() >= 2U);
}

BOOST_AUTO_TEST_CASE(runs_that_differ_in_their_seed_alone_are_one_configuration) {
  const TemporaryFolder folder;
  int number = 0;
  std::vector<std::string> folders;
  for (const int seed : {1, 2, 3}) {
    for (const int delay : {5, 50}) {
      // What a strategy alone has, and what always goes with it, is no axis.
      for (const std::string strategy : {"bsp", "ssp"}) {
        Json config = {{"seed", seed},
                       {"name", fmt::format("n{}", number)},
                       {"strategy.name", strategy},
                       {"optimizer.learning_rate", strategy == "bsp" ? 0.1 : 0.01},
                       {"stragglers", {{{"kind", "constant"}, {"delay_ms", delay}}}}};
        if (strategy == "ssp") config["strategy.staleness"] = 3;
        folders.push_back(folder / fmt::format("run-{}", number++));
        write_run(folders.back(), 2, 2, {{"config", config}, {"strategy_label", strategy}});
      }
    }
  }
  const Json data = data_of(page_of(folders).html);
  BOOST_TEST(data["groups"].size() == 4U);
  for (const Json& group : data["groups"]) BOOST_TEST(group["runs"].size() == 3U);
  BOOST_TEST(data["axes"] == Json({{{"key", "stragglers.0.delay_ms"}, {"values", {5, 50}}}}));
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_virtual_run_is_no_other_seed) {
  const TemporaryFolder folder;
  const auto runs_of = [&](const std::string& clock) {
    std::vector<std::string> folders;
    for (const char* name : {"one", "copy"}) {
      folders.push_back(folder / (clock + name));
      write_run(folders.back(), 2, 2, {{"clock", clock}, {"config", {{"name", name}, {"seed", 1}}}});
    }
    return page_of(folders);
  };
  const report::Page page = runs_of("virtual");
  BOOST_TEST(page.runs == 1U);
  BOOST_REQUIRE(page.problems.size() == 1U);
  BOOST_TEST(page.problems.front().text == "the same run as " + (folder / "virtualone") + ", and counted once");
  BOOST_TEST(runs_of("real").runs == 2U);  // repeated, and as good as another seed there
}

BOOST_AUTO_TEST_CASE(what_a_label_does_not_tell_apart_an_axis_does) {
  const TemporaryFolder folder;
  std::vector<std::string> folders;
  for (const int staleness : {3, 8}) {
    folders.push_back(folder / fmt::format("{}", staleness));
    write_run(folders.back(), 2, 2, {{"config", {{"strategy.name", "ssp"}, {"strategy.staleness", staleness}}}});
  }
  const Json data = data_of(page_of(folders).html);
  BOOST_TEST(data["groups"].size() == 2U);
  BOOST_TEST(data["axes"] == Json({{{"key", "strategy.staleness"}, {"values", {3, 8}}}}));
}

BOOST_AUTO_TEST_CASE(keys_that_differ_between_the_same_runs_are_one_axis) {
  const TemporaryFolder folder;
  std::vector<std::string> folders;
  for (const int workers : {4, 16}) {
    for (const int delay : {5, 50, 500}) {
      const Json config = {{"seed", 1},
                           {"cluster.compute_ms", 10 * workers},
                           {"cluster.workers", workers},
                           {"stop.epochs", delay == 5 ? 1 : 2},
                           {"stragglers", {{{"delay_ms", delay}}}}};
      folders.push_back(folder / fmt::format("run-{}-{}", workers, delay));
      write_run(folders.back(), 2, 2, {{"config", config}});
    }
  }
  BOOST_TEST(data_of(page_of(folders).html)["axes"] ==
             Json({{{"key", "cluster.compute_ms"}, {"values", {40, 160}}, {"also", {"cluster.workers"}}},
                   {{"key", "stop.epochs"}, {"values", {1, 2}}},
                   {{"key", "stragglers.0.delay_ms"}, {"values", {5, 50, 500}}}}));
}

BOOST_AUTO_TEST_CASE(a_figure_that_is_no_number_is_told_and_is_none) {
  const TemporaryFolder folder;
  write_run(folder / "run", 2, 2, {{"time_s", "soon"}, {"target_accuracy", true}});
  const report::Page page = page_of({folder / "run"});
  BOOST_TEST(page.problems.size() == 2U);
  BOOST_TEST(page.problems.front().text == "summary.json: time_s is no number");
  BOOST_TEST(data_of(page.html)["runs"][0]["summary"]["time_s"].is_null());
}

BOOST_AUTO_TEST_CASE(an_interval_is_that_of_the_runs_that_came_to_their_end) {
  const TemporaryFolder folder;
  std::vector<std::string> folders;
  for (const int seed : {1, 2, 3}) {
    folders.push_back(folder / fmt::format("run-{}", seed));
    write_run(folders.back(), 2, 2,
              {{"config", {{"seed", seed}}},
               {"seed", seed},
               {"time_s", seed == 3 ? 1000 : 9 + seed},
               {"status", seed == 3 ? "interrupted" : "done"}});
  }
  const Json group = data_of(page_of(folders).html)["groups"][0];
  BOOST_TEST(group["runs"].size() == 3U);
  BOOST_TEST(group["measures"]["time_s"]["mean"] == 10.5);
}

BOOST_AUTO_TEST_CASE(a_request_that_is_wrong_ends_with_exit_code_2_and_writes_nothing) {
  const TemporaryFolder folder;
  write_run(folder / "run", 2, 3);
  std::filesystem::create_directory(folder / "empty");
  std::filesystem::create_directory(folder / "taken.html");
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& because) {
    std::vector<std::string> words{"report"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    Process process(folder, words);
    BOOST_TEST(process.wait() == 2, process.error());
    BOOST_TEST(contains(process.error(), because), process.error());
    BOOST_TEST(!std::filesystem::exists(folder / "out.html"));
  };
  refused({folder / "run"}, "output");
  refused({"-o", folder / "out.html"}, "name");
  refused({folder / "none", "-o", folder / "out.html"}, "none");
  refused({folder / "empty", "-o", folder / "out.html"}, "empty");
  refused({folder / "run", "-o", folder / "nowhere/out.html"}, "nowhere");
  refused({folder / "run", "-o", folder / "taken.html"}, "folder");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_named_and_the_rest_is_shown) {
  const TemporaryFolder folder;
  write_run(folder / "runs/good", 2, 3);
  write_run(folder / "runs/cut", 2, 3, {{"seed", 2}});
  write_file(folder / "runs/cut/steps.csv", "time_s,worker\n1,x\n");
  std::filesystem::create_directory(folder / "runs/damaged");
  write_file(folder / "runs/damaged/summary.json", R"({"status": "do)");
  std::filesystem::create_directory(folder / "runs/killed");
  write_file(folder / "runs/killed/config.yaml", "name: killed\n");
  Process process(folder, {"report", folder / "runs", "-o", folder / "out.html"});
  BOOST_TEST(process.wait() == 0, process.error());
  for (const char* name : {"runs/cut", "runs/damaged", "runs/killed"})
    BOOST_TEST(contains(process.error(), name), process.error());
  const Json data = data_of(read_file(folder / "out.html"));
  BOOST_TEST(data["runs"].size() == 3U);
  BOOST_TEST(data["problems"].size() == 3U);
}

BOOST_AUTO_TEST_CASE(of_a_sweep_that_searched_the_best_are_shown_and_what_is_missing_is_named) {
  const TemporaryFolder folder;
  const std::string sweep = folder / "sweep";
  for (const char* name : {"a", "b", "c"}) write_run(sweep + "/runs/" + name, 2, 3, {{"seed", name}});
  write_file(sweep + "/plan.json", R"({"format": 1, "runs": [
      {"id": "c", "stage": "search", "folder": "runs/c"}, {"id": "a", "stage": "search", "folder": "runs/a"},
      {"id": "c", "stage": "own_best", "folder": "runs/c"}, {"id": "b", "stage": "own_best", "folder": "runs/b"},
      {"id": "d", "stage": "own_best", "folder": "runs/d"}]})");
  const auto shown = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"report", sweep, "-o", folder / "out.html"};
    words.insert(words.end(), more.begin(), more.end());
    Process process(folder, words);
    BOOST_TEST(process.wait() == 0, process.error());
    BOOST_TEST(contains(process.error(), "runs/d: missing"), process.error());
    std::string names;
    const Json data = data_of(read_file(folder / "out.html"));
    for (const Json& run : data["runs"]) names += run["name"].get<std::string>();
    return names + ": " + data["note"].get<std::string>();
  };
  BOOST_TEST(shown({}).starts_with("bc: of the sweep's stages this is own_best"));
  BOOST_TEST(shown({"--where", "stage=search"}) == "ac: only runs with stage=search: 2 of 3");
}

BOOST_AUTO_TEST_CASE(only_the_runs_that_are_asked_for_are_shown_and_the_page_says_so) {
  const TemporaryFolder folder;
  for (int i = 0; i < 12; ++i) write_run(folder / fmt::format("runs/{}", i), 2, 3, {{"seed", i}});
  Process process(folder,
                  {"report", folder / "runs", "-o", folder / "out.html", "--where", "seed>8", "--where", "seed!=10"});
  BOOST_TEST(process.wait() == 0, process.error());
  const Json data = data_of(read_file(folder / "out.html"));
  BOOST_TEST(data["runs"].size() == 2U);
  BOOST_TEST(data["note"] == "only runs with seed>8 and seed!=10: 2 of 12");
  Process unknown(folder, {"report", folder / "runs", "-o", folder / "none.html", "--where", "sead=1"});
  BOOST_TEST(unknown.wait() == 2);
  BOOST_TEST(contains(unknown.error(), "seed"), unknown.error());
}

BOOST_AUTO_TEST_CASE(means_come_with_intervals_and_a_run_that_diverged_counts_as_guessing) {
  const TemporaryFolder folder;
  std::vector<std::string> folders;
  for (int seed = 0; seed < 3; ++seed) {
    folders.push_back(folder / fmt::format("{}", seed));
    Json more = {{"seed", seed}, {"final_accuracy", 0.7 + 0.1 * seed}, {"classes", 10}};
    if (seed == 2) {
      more["diverged"] = true;
      more["final_accuracy"] = nullptr;
    }
    write_run(folders.back(), 2, 3, more);
  }
  const Json measure = data_of(page_of(folders).html)["groups"][0]["measures"]["final_accuracy"];
  BOOST_TEST(std::abs(measure["mean"].get<double>() - (0.7 + 0.8 + 0.1) / 3) < 1e-5);
  BOOST_TEST(measure["low"].get<double>() < measure["mean"].get<double>());
  BOOST_TEST(measure["high"].get<double>() > measure["mean"].get<double>());
}

BOOST_AUTO_TEST_CASE(the_same_runs_give_the_same_page_to_the_byte) {
  const TemporaryFolder folder;
  for (int i = 0; i < 12; ++i) write_run(folder / fmt::format("runs/{}", i), 4, 30, {{"seed", i}});
  std::vector<std::string> pages;
  for (const char* name : {"a.html", "b.html"}) {
    Process process(folder, {"report", folder / "runs", "-o", folder / name, "--quiet"});
    BOOST_TEST(process.wait() == 0, process.error());
    BOOST_TEST(process.out().empty());
    pages.push_back(read_file(folder / name));
  }
  BOOST_TEST((pages[0] == pages[1]));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace psctl::test
