// What the shipped configurations promise.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string>

#include "support/folder.h"
#include "sync/registry.h"
#include "support/paths.h"

using namespace psctl;

namespace {

nlohmann::json summary_of(const std::string& arguments) {
  const psctl::test::TemporaryFolder folder;
  const std::string line = fmt::format("cd '{}' && '{}' train --config configs/{} --out '{}' > '{}' 2>&1",
                                       psctl::test::kSource, psctl::test::kBinary, arguments, folder / "runs", folder / "output");
  BOOST_REQUIRE_MESSAGE(std::system(line.c_str()) == 0, psctl::test::read_file(folder / "output"));
  for (const auto& run : std::filesystem::directory_iterator(folder / "runs")) {
    return nlohmann::json::parse(psctl::test::read_file(run.path().string() + "/summary.json"));
  }
  return {};
}

void check_accuracy(const std::string& arguments, double promised) {
  const auto summary = summary_of(arguments);
  BOOST_TEST(summary["status"].get<std::string>() == "done");
  BOOST_TEST(summary["final_accuracy"].get<double>() >= promised, arguments);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(shipped_configurations)

BOOST_AUTO_TEST_CASE(the_quickstart_reaches_0_87_with_processes) { check_accuracy("quickstart.yaml", 0.87); }

BOOST_AUTO_TEST_CASE(softmax_regression_reaches_0_83) { check_accuracy("logistic.yaml clock=virtual", 0.83); }

BOOST_AUTO_TEST_CASE(the_multilayer_perceptron_reaches_0_88) { check_accuracy("mlp.yaml clock=virtual", 0.88); }

BOOST_AUTO_TEST_CASE(every_strategy_has_a_configuration_and_reaches_0_85_in_both_worlds) {
  for (const sync::Entry& entry : sync::entries()) {
    const std::string config = "strategies/" + entry.name + ".yaml";
    check_accuracy(config, 0.85);
    check_accuracy(config + " clock=real cluster.workers=3 stragglers.0.workers=[1]", 0.85);
  }
}

BOOST_AUTO_TEST_CASE(the_lenet_reaches_0_89) { check_accuracy("lenet.yaml clock=virtual", 0.89); }

BOOST_AUTO_TEST_SUITE_END()
