#include "sweep/search.h"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "results/support.h"
#include "support/folder.h"

using namespace psctl;
using namespace psctl::sweep;
using results::Outcome;

namespace {

// A time of nothing is censored after all the others.
Trial trial(double value, const std::vector<double>& accuracies, const std::vector<std::optional<double>>& times = {}) {
  Trial trial{.value = value};
  for (const double accuracy : accuracies) trial.accuracy.push_back({.value = accuracy});
  for (const auto& time : times) trial.time_s.push_back({.value = time.value_or(100), .censored = !time});
  return trial;
}
constexpr std::nullopt_t kCensored = std::nullopt;

}  // namespace

BOOST_AUTO_TEST_SUITE(search)

BOOST_AUTO_TEST_CASE(by_accuracy_the_greater_mean_is_better) {
  BOOST_TEST(better(trial(1, {0.5, 0.7}), trial(2, {0.5, 0.6})));
  BOOST_TEST(!better(trial(1, {0.5, 0.6}), trial(2, {0.6, 0.5})));
}

BOOST_AUTO_TEST_CASE(by_time_the_smaller_median_is_better_and_one_that_is_not_known_comes_last) {
  const Trial fast = trial(1, {0.5, 0.5, 0.5}, {3.0, 5.0, kCensored});
  const Trial slow = trial(2, {0.9, 0.9, 0.9}, {6.0, 6.0, 6.0});
  const Trial late = trial(3, {0.8, 0.8, 0.8}, {1.0, kCensored, kCensored});
  const Trial never = trial(4, {0.6, 0.6, 0.6}, {kCensored, kCensored, kCensored});
  const Trial better_never = trial(5, {0.9, 0.9, 0.9}, {kCensored, kCensored, kCensored});
  BOOST_TEST(*fast.median_time_s() == 5.0);
  BOOST_TEST(!late.median_time_s().has_value());
  BOOST_TEST(late.censored() == 2U);
  BOOST_TEST(better(fast, slow));
  BOOST_TEST(!better(slow, fast));
  BOOST_TEST(better(slow, late));
  BOOST_TEST(!better(late, slow));
  BOOST_TEST(better(late, never));  // both never get there by the median: by accuracy
  BOOST_TEST(better(better_never, late));
  BOOST_TEST(best_of(std::vector<Trial>{never, late, slow, fast}) == 3U);
}

BOOST_AUTO_TEST_CASE(a_value_at_which_all_diverged_is_worse_than_any_that_trains) {
  const test::TemporaryFolder folder;
  std::vector<Candidate> candidates(3);
  for (int seed = 0; seed < 3; ++seed) {
    const auto add = [&](std::size_t candidate, const std::string& name, const test::Keys& change) {
      const std::string path = fmt::format("{}/{}-{}", folder.path(), name, seed);
      candidates[candidate].folders.push_back(path);
      if (!change.empty()) test::write_run(path, test::summary_of("bsp", seed, change));
    };
    const test::Keys diverged = {{"diverged", true}, {"final_accuracy", nullptr}, {"time_s", 0.1}};
    // Of four classes guessing is right in a quarter: what trains is worse here.
    add(0, "large", diverged);
    add(1, "small", {{"final_accuracy", 0.2 + 0.01 * seed}, {"time_to_target_s", nullptr}});
    add(2, "failed", {});
  }
  const std::vector<Trial> trials = read_trials(candidates);
  BOOST_TEST(trials[0].all_diverged());
  BOOST_TEST(trials[0].mean_accuracy() == 0.2, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(trials[0].time_s.front().value == 60);  // not where it died
  BOOST_TEST(trials[1].diverged() == 0U);
  BOOST_TEST(trials[2].all_diverged());
  BOOST_TEST(best_of(trials) == 1U);
  BOOST_TEST(better(trials[1], trials[2]));
}

BOOST_AUTO_TEST_CASE(values_go_on_beyond_an_end_by_the_ratio_that_they_have_there) {
  const std::vector<double> values = {0.03, 0.1, 0.4};
  BOOST_TEST(next_values(values, true, true) == (std::vector<double>{0.009, 1.6}), boost::test_tools::per_element());
  BOOST_TEST(next_values(values, false, true) == std::vector<double>{1.6}, boost::test_tools::per_element());
  BOOST_TEST(next_values(values, false, false).empty());
  BOOST_TEST(next_values(std::vector<double>{0.1, 0.3}, true, false) == std::vector<double>{0.0333},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
