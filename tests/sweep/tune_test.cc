#include "sweep/tune.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "support/folder.h"
#include "support/text.h"

using namespace psctl;
using namespace psctl::sweep;

namespace {

Trial trial_of(double value, const std::vector<double>& accuracies) {
  Trial trial{.value = value};
  for (const double accuracy : accuracies) trial.accuracy.push_back({.value = accuracy});
  return trial;
}

std::string fault_of(const TuneRequest& request) {
  Planner planner;
  try {
    prepare_search(request, planner);
  } catch (const UserError& error) {
    return error.what();
  }
  return "none";
}

using test::contains;

}  // namespace

BOOST_AUTO_TEST_SUITE(tune)

BOOST_AUTO_TEST_CASE(how_sensitive_a_strategy_is_is_told_by_the_values_around_its_best) {
  Choice choice{.label = "bsp",
                .point = {},
                .trials = {trial_of(0.01, {0.50}), trial_of(0.03, {0.895}), trial_of(0.1, {0.90}), trial_of(0.3, {0.893}),
                           trial_of(1, {0.2}), trial_of(3, {0.9})},
                .best = 2};
  BOOST_TEST(choice.factor_within_point() == 10, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(choice.loss_one_step() == 0.007, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(!choice.at_edge());
  choice.best = 0;
  BOOST_TEST(choice.at_edge());
  BOOST_TEST(choice.factor_within_point() == 30, boost::test_tools::tolerance(1e-12));  // better ones are within it
}

BOOST_AUTO_TEST_CASE(the_values_of_the_tuned_key_are_numbers_above_0_in_order) {
  TuneRequest request;
  parse_tuned_key("optimizer.learning_rate=1,0.01,0.1,0.1", request);
  BOOST_TEST(request.key == "optimizer.learning_rate");
  BOOST_TEST(request.values == (std::vector<double>{0.01, 0.1, 1}), boost::test_tools::per_element());
  TuneRequest exact;  // no digit is lost
  parse_tuned_key("optimizer.learning_rate=0.0012345678901234,0.1", exact);
  BOOST_TEST(exact.values.front() == 0.0012345678901234);
  BOOST_TEST(exact.word_of(exact.values.front()) == "0.0012345678901234");
  TuneRequest typed;  // what runs is the word, which the configuration reads
  parse_tuned_key("data.batch_size=017,9007199254740993", typed);
  BOOST_TEST(typed.values.size() == 2U);
  BOOST_TEST(typed.word_of(17) == "017");
  BOOST_TEST(typed.word_of(9007199254740992) == "9007199254740993");
  BOOST_TEST(typed.word_of(0.3) == "0.3");
  for (const char* wrong :
       {"data.batch_size=9007199254740992,9007199254740993", "optimizer.learning_rate", "optimizer.learning_rate=0.1",
        "optimizer.kind=sgd,adam", "optimizer.learning_rate=0,1", "optimizer.learning_rate=-1,1",
        "optimizer.learning_rate=0.1,0.1", "optimizer.learning_rate=nan,1"}) {
    TuneRequest refused;
    BOOST_CHECK_THROW(parse_tuned_key(wrong, refused), UserError);
  }
}

BOOST_AUTO_TEST_CASE(a_search_that_would_not_be_fair_is_refused) {
  const psctl::test::TemporaryFolder folder;
  const std::string timing = folder / "timing.yaml";
  psctl::test::write_file(timing,
                          "clock: virtual\nmodel: {kind: none}\nstrategy: bsp\ncluster: {workers: 2}\n"
                          "stop: {updates: 2}\n");
  const auto request = [&](const std::string& key, const std::vector<std::string>& words) {
    return TuneRequest{.config = timing, .grid = parse_grid(words), .name = {}, .key = key, .values = {0.1, 1}};
  };
  BOOST_TEST(contains(fault_of(request("optimizer.learning_rate", {})), "no accuracy to tune for"));
  BOOST_TEST(contains(fault_of(request("strategy.staleness", {})), "for every strategy alike"));
  for (const char* key : {"seed", "stop.epochs", "evaluate.every_epochs", "data.train_limit", "cluster.workers"}) {
    BOOST_TEST(contains(fault_of(request(key, {})), "on the same task"), key);
  }
  BOOST_TEST(contains(fault_of(request("data.batch_size", {"data.batch_size=8"})), "give it to --tune alone"));
  TuneRequest typed = request("data.batch_size", {});
  typed.values.clear();
  parse_tuned_key("data.batch_size=017,32", typed);
  BOOST_TEST(contains(fault_of(typed), "found '017'"), fault_of(typed));
}

BOOST_AUTO_TEST_SUITE_END()
