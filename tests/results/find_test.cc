#include <boost/test/unit_test.hpp>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/error.h"
#include "results/run.h"
#include "results/support.h"

namespace fs = std::filesystem;
using namespace psctl;
using namespace psctl::results;
using psctl::test::summary_of;
using psctl::test::write_run;

namespace {

Found find(const std::vector<std::string>& paths) { return find_runs(paths); }

std::vector<std::string> paths_of(const Found& found, const std::string& root) {
  std::vector<std::string> paths;
  for (const Run& run : found.runs) paths.push_back(run.path().substr(root.size() + 1));
  return paths;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(finding)

BOOST_AUTO_TEST_CASE(runs_are_found_at_any_depth_and_in_the_order_of_their_numbers) {
  const test::TemporaryFolder folder;
  for (const char* name : {"run-10", "run-9", "sweep/runs/ssp-1", "sweep/runs/.bsp-1.77", "run-9/below"}) {
    write_run(folder / name, summary_of("bsp", 1));
  }
  fs::create_directories(folder / "empty/deeper");
  write_run(folder / ".hidden/run", summary_of("bsp", 1));
  const std::vector<std::string> expected = {"run-9", "run-10", "sweep/runs/.bsp-1.77", "sweep/runs/ssp-1"};
  BOOST_TEST(paths_of(find({folder.path()}), folder.path()) == expected, boost::test_tools::per_element());
  BOOST_TEST(paths_of(find({folder.path() + "/"}), folder.path()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_run_that_is_named_twice_is_found_once) {
  const test::TemporaryFolder folder;
  write_run(folder / "a", summary_of("bsp", 1));
  write_run(folder / "b", summary_of("bsp", 2));
  fs::create_directory_symlink(folder / "a", folder / "link");
  BOOST_TEST(find({folder / "a", folder.path(), folder / "link", folder / "./a/"}).runs.size() == 2U);
  BOOST_TEST(find({folder / "link"}).runs.size() == 1U);
}

BOOST_AUTO_TEST_CASE(links_that_lead_in_a_circle_are_not_followed) {
  const test::TemporaryFolder folder;
  write_run(folder / "a/run", summary_of("bsp", 1));
  fs::create_directory_symlink(folder.path(), folder / "a/up");
  BOOST_TEST(find({folder.path()}).runs.size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_unfinished_damaged_or_not_to_be_read_is_named) {
  const test::TemporaryFolder folder;
  write_run(folder / "good", summary_of("bsp", 1));
  write_run(folder / "failed", summary_of("bsp", 1, {{"status", "failed"}}));
  write_run(folder / "damaged", summary_of("bsp", 1));
  test::write_file(folder / "damaged/summary.json", "{\"status\": \"do");
  fs::create_directories(folder / "odd/summary.json");
  fs::create_directory(folder / "pipe");
  BOOST_REQUIRE(::mkfifo((folder / "pipe/summary.json").c_str(), 0600) == 0);
  fs::create_directory(folder / "running");
  test::write_file(folder / "running/config.yaml", "");
  const Found found = find({folder.path()});
  BOOST_TEST(paths_of(found, folder.path()) == (std::vector<std::string>{"failed", "good", "running"}),
             boost::test_tools::per_element());
  BOOST_TEST((found.runs[0].status() == Status::kFailed));
  BOOST_TEST((found.runs[2].status() == Status::kUnfinished));
  BOOST_REQUIRE(found.unreadable.size() == 3U);
  BOOST_TEST(found.unreadable[0].path == folder / "damaged");
  BOOST_TEST(found.unreadable[1].path == folder / "odd");
  BOOST_TEST(found.unreadable[2].path == folder / "pipe");
  for (const Unreadable& unreadable : found.unreadable) BOOST_TEST(!unreadable.why.empty());
}

BOOST_AUTO_TEST_CASE(a_path_that_is_no_folder_is_refused) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "file", "");
  BOOST_CHECK_THROW(find({folder / "none"}), UserError);
  BOOST_CHECK_THROW(find({folder / "file"}), UserError);
  BOOST_TEST(find({folder.path()}).runs.empty());
}

BOOST_AUTO_TEST_CASE(ten_thousand_runs_are_found_and_read_in_a_second) {
  const test::TemporaryFolder folder;
  const std::string text = summary_of("ssp", 1).dump(2);
  for (int i = 0; i < 10'000; ++i) {
    const std::string run = folder / fmt::format("run-{}", i);
    fs::create_directory(run);
    test::write_file(run + "/summary.json", text);
  }
  // Of all cores together: others may be at work on this machine.
  const std::clock_t began = std::clock();
  const Found found = find({folder.path()});
  const double took = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  BOOST_TEST(found.runs.size() == 10'000U);
  BOOST_TEST(took < 1, took << " s");
  BOOST_TEST_MESSAGE("10,000 runs in " << took << " s of processor time");
}

BOOST_AUTO_TEST_CASE(of_a_sweep_the_plan_tells_stages_and_what_is_missing) {
  const test::TemporaryFolder folder;
  for (const char* run : {"a", "b"}) write_run(folder / "sweep/runs/" + run, summary_of("bsp", 1));
  test::write_file(folder / "sweep/plan.json", R"({"runs": [
      {"folder": "runs/a", "stage": "one_for_all"}, {"folder": "runs/a", "stage": "own_best"},
      {"folder": "runs/b", "stage": ""}, {"folder": "runs/c", "stage": "own_best"}, {"folder": "runs/c"}]})");
  const Found found = find({folder.path()});
  BOOST_REQUIRE(found.runs.size() == 2U);
  BOOST_TEST(found.runs[0].stages() == (std::vector<std::string>{"one_for_all", "own_best"}),
             boost::test_tools::per_element());
  BOOST_TEST(found.runs[1].stages().empty());
  BOOST_TEST(found.missing == std::vector<std::string>{folder / "sweep/runs/c"}, boost::test_tools::per_element());
  // One of its runs alone is not the sweep.
  const Found alone = find({folder / "sweep/runs/a"});
  BOOST_TEST(alone.runs[0].stages().size() == 2U);
  BOOST_TEST(alone.missing.empty());
  for (const char* damage : {"", "{", "[]", "{\"runs\": 3}", "{\"runs\": [3]}"}) {
    test::write_file(folder / "sweep/plan.json", damage);
    const Found damaged = find({folder.path()});
    BOOST_TEST(damaged.runs.size() == 2U);
    BOOST_REQUIRE(damaged.unreadable.size() == 1U);
    BOOST_TEST(damaged.unreadable[0].path == folder / "sweep");
  }
}

BOOST_AUTO_TEST_SUITE_END()
