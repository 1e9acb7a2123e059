// The whole way on tiny sizes: a preset of a test's own, its runs, its verdicts and its report.
#include "apps/app.h"

namespace psctl::test {
namespace {

std::string preset_of(const App& app) {
  const std::string path = app.folder() / "mine.yaml";
  write_file(path, fmt::format(R"(title: mine
source: none
stated: nothing
read: all of it
base:
  clock: virtual
  model: {{kind: logistic}}
  data: {{source: {}, batch_size: 8}}
  optimizer: {{learning_rate: 0.1}}
  cluster: {{workers: 3, compute_ms: [5, 6, 20]}}
  stop: {{epochs: 2}}
  evaluate: {{every_epochs: 1}}
search: {{rates: [0.05, 0.2], seeds: 1, validation: 100, widen: 1}}
studies:
  pace:
    says: steps alone
    seeds: 3
    change: {{model: {{kind: none}}, stop: {{time_s: 2}}, data: {{batch_size: 8}}, evaluate: {{}}}}
    network: {{step_ms: 5, parts: [0, 0.5]}}
    contenders: {{bsp: bsp, asp: asp}}
  training:
    says: a model
    rates: search
    seeds: 3
    contenders: {{bsp: bsp, asp: asp}}
claims:
  - {{id: planted-true, says: ASP computes more, known_from: arithmetic, study: pace, measure: compute_share, of: asp, against: bsp, is: more}}
  - {{id: planted-false, says: ASP computes less, known_from: arithmetic, study: pace, measure: compute_share, of: asp, against: bsp, is: less}}
  - {{id: accurate, says: ASP is about as accurate, known_from: nowhere, study: training, measure: final_accuracy, of: asp, against: bsp, is: about, margin: 0.9}}
)",
                               app.folder() / "data"));
  return path;
}

Process reproduce(const App& app, std::vector<std::string> more) {
  std::vector<std::string> arguments = {"reproduce", "--out", app.out()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return Process(app.folder(), arguments);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reproduce_verb)

BOOST_AUTO_TEST_CASE(a_claim_that_does_not_hold_is_a_result) {
  const App app;
  const std::string preset = preset_of(app), published = app.folder() / "published";
  Process first = reproduce(app, {preset, "--publish", published, "--quiet"});
  BOOST_TEST_REQUIRE(first.wait() == 0, first.error());
  const Table claims = read_table(published + "/claims.csv");
  BOOST_TEST_REQUIRE(claims.rows.size() == 4U);
  std::map<std::string, std::string> verdicts;
  for (const auto& row : claims.rows) verdicts[row.at("claim") + ", " + row.at("rates")] = row.at("verdict");
  BOOST_TEST(verdicts.at("planted-true, given") == "held");
  BOOST_TEST(verdicts.at("planted-false, given") == "not held");
  BOOST_TEST(verdicts.at("accurate, one rate for all") == "held");
  BOOST_TEST(verdicts.at("accurate, each its best") == "held");
  BOOST_TEST(contains(first.out(), "planted-false"));

  const std::string report = read_file(published + "/report.md");
  for (const char* part : {"planted-true", "not held", "network 50 %", "each its best"})
    BOOST_TEST(contains(report, part), part);
  const auto json = nlohmann::json::parse(read_file(published + "/claims.json"));
  BOOST_TEST(json.at("claims").size() == 3U);
  BOOST_TEST(json.at("claims")[2].at("verdicts").size() == 2U);

  // Each rate of the search, widened once at most; no run is judged on what it was chosen by.
  const Table rates = read_table(published + "/rates.csv");
  BOOST_TEST(rates.rows.size() >= 4U);
  std::size_t searched = 0;
  for (const auto& run : std::filesystem::directory_iterator(app.out() + "/reproduce/runs")) {
    const std::string config = read_file(run.path().string() + "/config.yaml");
    const bool validation = contains(config, "on: validation");
    BOOST_TEST(validation == contains(run.path().filename().string(), "seed1001"), run.path());
    searched += validation;
  }
  BOOST_TEST(searched == rates.rows.size());

  // Nothing is run again, and the verdicts are the same.
  const auto runs_made = [&] {
    std::map<std::string, std::filesystem::file_time_type> made;
    for (const auto& run : std::filesystem::directory_iterator(app.out() + "/reproduce/runs")) {
      made[run.path().filename()] = std::filesystem::last_write_time(run.path() / "summary.json");
    }
    return made;
  };
  const auto before = runs_made();
  Process second = reproduce(app, {preset, "--quiet"});
  BOOST_TEST_REQUIRE(second.wait() == 0, second.error());
  BOOST_TEST((runs_made() == before));
  BOOST_TEST(read_file(app.out() + "/reproduce/claims.csv") == read_file(published + "/claims.csv"));
  BOOST_TEST(!contains(second.error(), "the plan has changed"), second.error());

  // A dry run knows what rates were chosen, and that nothing is missing.
  Process dry = reproduce(app, {preset, "--dry-run"});
  BOOST_TEST_REQUIRE(dry.wait() == 0, dry.error());
  BOOST_TEST(contains(dry.out(), " 0 of them missing\n"), dry.out());
}

BOOST_AUTO_TEST_CASE(what_is_published_is_not_left_over_from_before) {
  const App app;
  const std::string published = app.folder() / "published";
  std::filesystem::create_directories(published);
  write_file(published + "/network.png", "of another campaign");
  Process process(app.folder(), {"reproduce", preset_of(app), "--out", app.out(), "--publish", published, "--quiet"},
                  {"PSCTL_PYTHON=/bin/false"});
  BOOST_TEST_REQUIRE(process.wait() == 0, process.error());
  BOOST_TEST(contains(process.error(), "no pictures"));
  BOOST_TEST(!std::filesystem::exists(published + "/network.png"));
  BOOST_TEST(!contains(read_file(published + "/report.md"), ".png"));
}

BOOST_AUTO_TEST_CASE(the_full_size_says_beforehand_how_long_it_takes) {
  const App app;
  Process process = reproduce(app, {preset_of(app), "--full"});
  BOOST_TEST_REQUIRE(process.wait() == 0, process.error());
  BOOST_TEST(contains(process.out(), "\nwhat is missing will take about "), process.out());
}

BOOST_AUTO_TEST_CASE(a_dry_run_tells_what_would_be_run_and_runs_nothing) {
  const App app;
  Process process = reproduce(app, {preset_of(app), "--dry-run"});
  BOOST_TEST_REQUIRE(process.wait() == 0, process.error());
  BOOST_TEST(process.out().starts_with("3 claims of 1 preset\n"), process.out());  // before anything is tried out
  BOOST_TEST(contains(process.out(), "16 runs, 16 of them missing, and up to 12 more when rates are chosen\n"),
             process.out());
  BOOST_TEST(!std::filesystem::exists(app.out()));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_judged_is_refused_before_anything_starts) {
  const App app;
  const auto check = [&](const std::vector<std::string>& arguments, const std::string& part) {
    Process process = reproduce(app, arguments);
    BOOST_TEST(process.wait() == 2);
    BOOST_TEST(contains(process.error(), part), process.error());
    BOOST_TEST(!std::filesystem::exists(app.out()));
  };
  check({"wpsb"}, "did you mean wbsp?");
  check({"wbsp-shar"}, "did you mean wbsp-share?");
  check({"--quick", "--full"}, "not both");
  check({"--quick", "wbsp-time-h1"}, "not judged at this size");
  check({app.folder() / "none.yaml"}, "cannot read the preset");
  check({preset_of(app), "--publish", app.folder() / "mine.yaml/below"}, "cannot make the folder");
  check({preset_of(app), "--publish", "/proc/self"}, "--publish /proc/self: cannot");
  const std::string path = preset_of(app);
  std::string text = read_file(path);
  write_file(path, text.replace(text.find("asp: asp"), 8, "asp: sap"));
  check({path}, "sap");
}

BOOST_AUTO_TEST_CASE(presets_and_claims_are_listed) {
  const App app;
  Process process = reproduce(app, {"--list", "wbsp", "zipline-exact"});
  BOOST_TEST_REQUIRE(process.wait() == 0, process.error());
  for (const char* part : {"wbsp-share", "zipline-exact"}) BOOST_TEST(contains(process.out(), part));
  BOOST_TEST(!contains(process.out(), "zipline-speed"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace psctl::test
