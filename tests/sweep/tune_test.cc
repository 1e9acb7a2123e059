#include "sweep/tune.h"

#include <boost/test/unit_test.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "support/folder.h"

using namespace psctl;
using namespace psctl::sweep;

namespace {

constexpr std::nullopt_t kCensored = std::nullopt;

Trial trial(double value, std::vector<double> accuracy, std::vector<std::optional<double>> times = {}) {
  return {.value = value, .accuracy = std::move(accuracy), .time_to_target_s = std::move(times)};
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

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(tune)

BOOST_AUTO_TEST_CASE(by_accuracy_the_greater_mean_is_better) {
  BOOST_TEST(better(trial(1, {0.5, 0.7}), trial(2, {0.5, 0.6}), false));
  BOOST_TEST(!better(trial(1, {0.5, 0.6}), trial(2, {0.6, 0.5}), false));
  // The target does not count then.
  BOOST_TEST(better(trial(1, {0.7}, {kCensored}), trial(2, {0.6}, {1.0}), false));
}

BOOST_AUTO_TEST_CASE(by_time_the_smaller_median_is_better_and_censored_ones_come_last) {
  const Trial fast = trial(1, {0.5, 0.5, 0.5}, {3.0, 5.0, kCensored});
  const Trial slow = trial(2, {0.9, 0.9, 0.9}, {6.0, 6.0, 6.0});
  const Trial late = trial(3, {0.8, 0.8, 0.8}, {1.0, kCensored, kCensored});
  const Trial never = trial(4, {0.6, 0.6, 0.6}, {kCensored, kCensored, kCensored});
  BOOST_TEST(*fast.median_time_s() == 5.0);
  BOOST_TEST(!late.median_time_s().has_value());
  BOOST_TEST(late.censored() == 2U);
  BOOST_TEST(better(fast, slow, true));
  BOOST_TEST(!better(slow, fast, true));
  BOOST_TEST(better(slow, late, true));
  BOOST_TEST(!better(late, slow, true));
  BOOST_TEST(better(late, never, true));  // both never get there by the median: by accuracy
  // Of an even number the middle two count; a censored one among them censors the median.
  BOOST_TEST(*trial(1, {1, 1}, {2.0, 4.0}).median_time_s() == 3.0);
  BOOST_TEST(!trial(1, {1, 1}, {2.0, kCensored}).median_time_s().has_value());
}

BOOST_AUTO_TEST_CASE(how_sensitive_a_strategy_is_is_told_by_the_values_around_its_best) {
  Choice choice{.label = "bsp",
                .point = {},
                .trials = {trial(0.01, {0.50}), trial(0.03, {0.895}), trial(0.1, {0.90}), trial(0.3, {0.893}),
                           trial(1, {0.2}), trial(3, {0.9})},
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
  for (const char* wrong : {"optimizer.learning_rate", "optimizer.learning_rate=0.1", "optimizer.kind=sgd,adam",
                            "optimizer.learning_rate=0,1", "optimizer.learning_rate=-1,1",
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
}

BOOST_AUTO_TEST_SUITE_END()
