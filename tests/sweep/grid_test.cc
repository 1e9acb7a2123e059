#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "support/folder.h"
#include "support/text.h"
#include "sweep/plan.h"

using namespace psctl;
using namespace psctl::sweep;
using psctl::test::TemporaryFolder;
using psctl::test::write_file;
using Words = std::vector<std::string>;

namespace {

constexpr const char* kTiming =
    "name: timing\n"
    "clock: virtual\n"
    "model: {kind: none}\n"
    "strategy: bsp\n"
    "cluster: {workers: 3, compute_ms: 20}\n"
    "stop: {steps_per_worker: 4}\n";

// A configuration of timing only, and what becomes of command lines with it.
struct Sweep {
  Sweep() { write_file(config(), kTiming); }
  std::string config() const { return folder / "timing.yaml"; }

  Planned plan(const Words& words, const std::string& grid = {}) {
    if (!grid.empty()) write_file(folder / "grid.yaml", grid);
    return make_plan(config(), parse_grid(words, grid.empty() ? "" : folder / "grid.yaml"), "trial", planner);
  }
  // The points, a line each.
  Words points(const Words& words, const std::string& grid = {}) {
    Words lines;
    for (const PlannedRun& run : plan(words, grid).plan.runs) lines.push_back(to_text(run.point));
    return lines;
  }
  std::string fault(const Words& words, const std::string& grid = {}) {
    try {
      plan(words, grid);
    } catch (const UserError& error) {
      return error.what();
    }
    return "none";
  }

  TemporaryFolder folder;
  Planner planner;
};

using test::contains;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(grid, Sweep)

BOOST_AUTO_TEST_CASE(commas_within_brackets_braces_and_quotes_do_not_cut) {
  const Grid grid = parse_grid({"strategy=bsp,{name: ssp, staleness: 8}, asp", "cluster.compute_ms=[1,2,3],20",
                                "name='a,b','c'", "stop.steps_per_worker=4"});
  BOOST_TEST_REQUIRE(grid.axes.size() == 3U);
  BOOST_TEST(grid.axes[0].values == (Words{"bsp", "{name: ssp, staleness: 8}", "asp"}),
             boost::test_tools::per_element());
  BOOST_TEST(grid.axes[1].values == (Words{"[1, 2, 3]", "20"}), boost::test_tools::per_element());
  BOOST_TEST(grid.axes[2].values.size() == 2U);
  BOOST_TEST(grid.changes == Words{"stop.steps_per_worker=4"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_range_is_its_numbers_without_the_end) {
  const auto values = [](const std::string& word) { return parse_grid({word}).axes.at(0).values; };
  BOOST_TEST(values("seed=range(0,3)") == (Words{"0", "1", "2"}), boost::test_tools::per_element());
  BOOST_TEST(values("seed=7,range(3,0,-1)") == (Words{"7", "3", "2", "1"}), boost::test_tools::per_element());
  BOOST_TEST(values("x=range(0.1,0.4,0.1)") == (Words{"0.1", "0.2", "0.3"}), boost::test_tools::per_element());
  BOOST_TEST(values("x=range(0,1,0.25)") == (Words{"0", "0.25", "0.5", "0.75"}), boost::test_tools::per_element());
  BOOST_TEST(values("x=range(0.0012345678901234,0.004,0.001)") ==
                 (Words{"0.0012345678901234", "0.0022345678901234", "0.0032345678901234"}),
             boost::test_tools::per_element());
  BOOST_TEST(values("x=range(0.0001,0.0005,0.0001)") == (Words{"0.0001", "0.0002", "0.0003", "0.0004"}),
             boost::test_tools::per_element());
  BOOST_TEST(values("x=range(1e-5,5e-5,1e-5)") == (Words{"1e-05", "2e-05", "3e-05", "4e-05"}),
             boost::test_tools::per_element());
  BOOST_TEST(values("x=range(1e3,-1e3,-500)") == (Words{"1000", "500", "0", "-500"}), boost::test_tools::per_element());
  BOOST_TEST(values("seed=range(18446744073709551613,18446744073709551616)") ==
                 (Words{"18446744073709551613", "18446744073709551614", "18446744073709551615"}),
             boost::test_tools::per_element());
  BOOST_TEST(values("x=range(0,0.31,0.1)") == (Words{"0", "0.1", "0.2", "0.3"}), boost::test_tools::per_element());
  BOOST_TEST(parse_grid({"seed=range(4,5)"}).changes == Words{"seed=4"}, boost::test_tools::per_element());
  for (const char* wrong : {"seed=range(3,0)", "seed=range(1)", "seed=range(a,b)", "seed=range(0,1,0)",
                            "seed=range(0,1e18)", "seed=1,,2", "seed=1,[2", "seed=range()", "seed=range(0,017)",
                            "seed=range(0x1,0x5)", "seed=range(0,inf)", "x=range(1e-40,1,1e-40)", "x=range(0,1e300)",
                            "x=range(1e999,2e999)", "x=range(0,1,1e-40)", "x=range(.,1)", "x=range(1e,2)"}) {
    BOOST_CHECK_THROW(parse_grid({wrong}), UserError);
  }
}

BOOST_AUTO_TEST_CASE(a_value_is_what_was_typed_in_words_and_in_a_grid_file) {
  BOOST_TEST(parse_grid({"data.source=it's #1.csv,&a b.csv,'c #2.csv'"}).axes.at(0).values ==
                 (Words{"\"it's #1.csv\"", "\"&a b.csv\"", "\"c #2.csv\""}),
             boost::test_tools::per_element());
  BOOST_CHECK_THROW(parse_grid({"model.hidden=[1 #2],[3]"}), UserError);
  const auto values = [&](const std::string& text) {
    std::ofstream(folder / "words.yaml") << text;
    return parse_grid({}, folder / "words.yaml").axes.at(0).values;
  };
  BOOST_TEST(
      values("grid:\n  data.source: ['run #1.csv', 'null', '7']\n") == (Words{"\"run #1.csv\"", "\"null\"", "\"7\""}),
      boost::test_tools::per_element());
  BOOST_TEST(values("grid:\n  data.source:\n    - [a]\n    -\n      - b, c\n") == (Words{"[a]", "[\"b, c\"]"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_grid_of_too_many_points_is_refused_with_their_number) {
  const std::string one = fault({"seed=range(0,100000)", "stop.steps_per_worker=range(1,100001)"});
  BOOST_TEST(one ==
             "the grid has 10000000000 points, at most 1000000 are allowed: 100000 of seed and 100000 of "
             "stop.steps_per_worker; give fewer values");
}

BOOST_AUTO_TEST_CASE(the_last_axis_turns_fastest_and_a_strategy_stands_down_to_its_parameters) {
  BOOST_TEST(
      points({"strategy=asp,{name: ssp, staleness: 8}", "seed=range(1,3)"}) ==
          (Words{"strategy.name=asp seed=1", "strategy.name=asp seed=2",
                 "strategy.name=ssp strategy.staleness=8 seed=1", "strategy.name=ssp strategy.staleness=8 seed=2"}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_key_within_a_section_is_not_undone_by_the_section_that_is_given_behind_it) {
  for (const Words& words :
       {Words{"strategy=ssp", "strategy.staleness=1,2"}, {"strategy.staleness=1,2", "strategy=ssp"}}) {
    const Planned planned = plan(words);
    BOOST_TEST_REQUIRE(planned.plan.runs.size() == 2U);
    BOOST_TEST(planned.plan.runs[1].config.strategy.parameters.integer("staleness") == 2);
  }
}

BOOST_AUTO_TEST_CASE(a_grid_file_excludes_and_includes_and_gives_way_to_the_command_line) {
  const std::string grid =
      "grid: {strategy: [bsp, asp], seed: 'range(0,3)'}\n"
      "exclude: [{strategy: bsp, seed: 1}]\n"
      "include: [{strategy: {name: ssp, staleness: 1}, seed: 9}]\n";
  BOOST_TEST(points({}, grid) == (Words{"strategy.name=bsp seed=0", "strategy.name=bsp seed=2",
                                        "strategy.name=asp seed=0", "strategy.name=asp seed=1",
                                        "strategy.name=asp seed=2", "strategy.name=ssp strategy.staleness=1 seed=9"}),
             boost::test_tools::per_element());
  BOOST_TEST(points({"seed=1,5"}, grid).size() == 4U);
  BOOST_TEST(contains(fault({"seed=5,6"}, grid), "exclude: no point of the grid has strategy=bsp seed=1"));
  BOOST_TEST(contains(fault({}, "axes: {}\n"), "unknown key 'axes'"));
  BOOST_TEST(contains(fault({}, "grid: {seed: []}\n"), "has no values"));
  BOOST_TEST(contains(fault({}, "include: {seed: 1}\n"), "expected a list of maps"));
  BOOST_TEST(contains(fault({}, "grid: {seed: [1]\n"), "grid.yaml"));
}

BOOST_AUTO_TEST_CASE(every_fault_is_told_with_the_points_that_have_it_before_anything_starts) {
  const std::string one = fault({"strategy=bsp,asp", "strategy.staleness=2,3", "seed=-1,1"});
  BOOST_TEST(contains(one, "strategy.staleness"));
  BOOST_TEST(contains(one, "seed"));
  BOOST_TEST(contains(one, "at strategy=bsp strategy.staleness=2 seed=-1"));
  BOOST_TEST(contains(fault({"stop.nosuch=1", "seed=1,2"}), "(at every point)"));
  BOOST_TEST(contains(fault({"seed=1,2", "seed=3"}), "seed is given twice"));
  BOOST_TEST(contains(fault({"seed"}), "this is no override"));
  BOOST_TEST(contains(fault({"strategy=bsp,asp", "stragglers=[{workers: all, kind: trace, file: nosuch.csv}]"}),
                      "nosuch.csv"));
}

BOOST_AUTO_TEST_CASE(points_that_resolve_to_one_run_are_counted_once) {
  const Planned planned = plan({"strategy=ssp,{name: ssp, staleness: 3},bsp"});
  BOOST_TEST(planned.plan.runs.size() == 2U);
  BOOST_TEST(planned.duplicates == 1U);
}

BOOST_AUTO_TEST_CASE(a_run_is_named_by_its_content_alone) {
  const auto id = [&](const Words& words) { return plan(words).plan.runs.at(0).id; };
  const std::string first = id({});
  BOOST_TEST(first.starts_with("bsp-seed1-"));
  BOOST_TEST(first.size() == std::string("bsp-seed1-").size() + 16);
  BOOST_TEST(id({"name=other"}) == first);
  BOOST_TEST(id({"strategy=bsp", "seed=1"}) == first);
  BOOST_TEST(id({"cluster.compute_ms=21"}) != first);
  BOOST_TEST(id({"seed=2"}) != first);
  // A file that a rule reads is part of it, by its content.
  const std::string file = folder / "trace.csv";
  const Words traced = {fmt::format("stragglers=[{{workers: all, kind: trace, file: {}}}]", file)};
  write_file(file, "worker,step,delay_ms\n0,1,5\n");
  const std::string with_trace = id(traced);
  write_file(file, "worker,step,delay_ms\n0,1,6\n");
  BOOST_TEST(id(traced) != with_trace);
}

BOOST_AUTO_TEST_CASE(the_plan_as_text_has_axes_points_and_folders) {
  const auto text = to_json(plan({"strategy=bsp,asp", "seed=1,2"}).plan);
  const auto json = nlohmann::json::parse(text);
  BOOST_TEST(json["format"] == 1);
  BOOST_TEST(json["axes"][1]["values"] == nlohmann::json::parse("[1, 2]"));
  BOOST_TEST(json["runs"].size() == 4U);
  BOOST_TEST(json["runs"][3]["point"] == nlohmann::json::parse(R"({"strategy.name": "asp", "seed": 2})"));
  BOOST_TEST(json["runs"][3]["folder"] == "runs/" + json["runs"][3]["id"].get<std::string>());
}

BOOST_AUTO_TEST_SUITE_END()
