#include <boost/test/unit_test.hpp>
#include <random>

#include "apps/app.h"

using namespace psctl::test;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

namespace {

struct Sweeps : App {
  Words arguments(const std::string& name) const {
    return {"sweep",
            "--config",
            config(),
            "--out",
            out(),
            "--name",
            name,
            "clock=virtual",
            "strategy=bsp,asp,ssp,{name: dssp, range: 4},{name: local_sgd, period: 2}",
            "seed=range(0,6)",
            "optimizer.learning_rate=0.05,0.1",
            "stop.updates=60"};
  }
  void finish(const std::string& name) const {
    Process process(folder(), arguments(name));
    const int code = process.wait(Seconds(120));
    BOOST_TEST_REQUIRE(code == 0, process.error());
  }
};

// Every file below, with what is in it, but what tells when and by whom.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file() || name == "made.json" || name == "psctl.log") continue;
    files[fs::relative(entry.path(), folder)] = read_file(entry.path());
  }
  return files;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sweep, Sweeps)

BOOST_AUTO_TEST_CASE(a_sweep_that_is_killed_ten_times_leaves_the_files_of_one_that_was_not) {
  const auto began = steady_clock::now();
  finish("quiet");
  const Seconds whole = steady_clock::now() - began;
  const unsigned seed = std::random_device()();
  BOOST_TEST_MESSAGE("seed of the moments: " << seed);
  std::mt19937 random(seed);
  std::size_t killed = 0;
  for (int kill = 0; kill < 10; ++kill) {
    Process process(folder(), arguments("disturbed"));
    std::this_thread::sleep_for(whole / 8 * std::generate_canonical<double, 32>(random));
    killed += !process.ended();
    process.signal(SIGKILL);
    process.wait();
  }
  BOOST_TEST(killed > 0U);
  finish("disturbed");
  const auto quiet = contents(out() + "/quiet"), disturbed = contents(out() + "/disturbed");
  // Ten strategies and rates with six seeds: config, summary, steps, workers, evals and decisions of each at least.
  BOOST_TEST(quiet.size() >= 60U * 6U);
  for (const auto& [name, content] : quiet) {
    if (name == "plan.json") continue;  // the name of the sweep is in it
    BOOST_TEST_REQUIRE(disturbed.contains(name), name);
    BOOST_TEST((disturbed.at(name) == content), name << " differs; seed of the moments " << seed);
  }
  BOOST_TEST(disturbed.size() == quiet.size());
  auto plan = nlohmann::json::parse(quiet.at("plan.json")), other = nlohmann::json::parse(disturbed.at("plan.json"));
  plan.erase("name"), other.erase("name");
  BOOST_TEST((plan == other));
}

BOOST_AUTO_TEST_CASE(a_search_that_is_killed_goes_on_to_the_same_choices) {
  const auto tune = [&](const std::string& name) {
    return Words{"sweep",
                 "--config",
                 config(),
                 "--out",
                 out(),
                 "--name",
                 name,
                 "clock=virtual",
                 "strategy=bsp,asp",
                 "seed=1,2",
                 "stop={epochs: 2}",
                 "--tune",
                 "optimizer.learning_rate=0.003,0.03"};
  };
  const auto began = steady_clock::now();
  Process quiet(folder(), tune("quiet"));
  BOOST_TEST_REQUIRE(quiet.wait(Seconds(120)) == 0, quiet.error());
  const Seconds whole = steady_clock::now() - began;
  for (int kill = 1; kill <= 5; ++kill) {
    Process process(folder(), tune("disturbed"));
    std::this_thread::sleep_for(whole * (0.08 * kill));
    process.signal(SIGKILL);
    process.wait();
  }
  Process last(folder(), tune("disturbed"));
  BOOST_TEST_REQUIRE(last.wait(Seconds(120)) == 0, last.error());
  for (const char* name : {"tuning.json", "tuning.csv", "sweep.csv"}) {
    BOOST_TEST((read_file(out() + "/quiet/" + name) == read_file(out() + "/disturbed/" + name)), name);
  }
}

BOOST_AUTO_TEST_SUITE_END()
