#include "results/outcome.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "results/support.h"
#include "support/folder.h"

using namespace psctl;
using namespace psctl::results;
using psctl::test::summary_of;

namespace {

Run run_of(const test::Keys& change, const test::Keys& config = {}) {
  return {"r", summary_of("ssp", 1, change, config).dump()};
}

constexpr Horizon kFar{.time_s = 100, .updates = 900, .accuracy = 0.6};

}  // namespace

BOOST_AUTO_TEST_SUITE(outcomes)

BOOST_AUTO_TEST_CASE(a_run_that_reached_its_target_has_that_time_and_else_is_censored_at_its_end) {
  const auto reached = outcome(run_of({}), Metric::kTimeToTarget, kFar);
  BOOST_TEST(reached->value == 30);
  BOOST_TEST(!reached->censored);
  const auto missed = outcome(run_of({{"time_to_target_s", nullptr}}), Metric::kTimeToTarget, kFar);
  BOOST_TEST(missed->value == 60);
  BOOST_TEST(missed->censored);
  BOOST_TEST(!missed->diverged);
  BOOST_TEST(!outcome(run_of({{"target_accuracy", nullptr}}), Metric::kTimeToTarget, kFar));
}

BOOST_AUTO_TEST_CASE(a_run_that_diverged_after_its_target_reached_nothing_before_the_horizon) {
  const Run run = run_of({{"diverged", true}, {"final_accuracy", nullptr}, {"updates", 50}});
  const auto time = outcome(run, Metric::kTimeToTarget, kFar);
  BOOST_TEST(time->value == 100);
  BOOST_TEST(time->censored);
  BOOST_TEST(time->diverged);
  const auto length = outcome(run, "time_s", kFar);
  BOOST_TEST(length->value == 100);
  BOOST_TEST(length->censored);
  BOOST_TEST(outcome(run, "updates_to_target", kFar)->value == 900);
  BOOST_TEST(outcome(run, "time_to_plateau_s", kFar)->value == 100);
  BOOST_TEST(time_to_accuracy(run, 0.1, kFar)->value == 100);
  BOOST_TEST(!outcome(run, "best_accuracy", kFar));
  BOOST_TEST(outcome(run, Metric::kThroughput, kFar)->value == 100);
}

BOOST_AUTO_TEST_CASE(what_diverged_is_as_good_as_guessing_and_never_better_than_the_worst_that_did_not) {
  // Whatever stands in its file.
  const Run run = run_of({{"diverged", true}, {"final_accuracy", 0.79}});
  BOOST_TEST(outcome(run, Metric::kFinalAccuracy, kFar)->value == 0.25);
  BOOST_TEST(outcome(run, Metric::kFinalAccuracy, kFar)->diverged);
  BOOST_TEST(outcome(run, Metric::kFinalAccuracy, {.accuracy = 0.2})->value == 0.2);
}

BOOST_AUTO_TEST_CASE(the_horizon_is_that_of_the_runs_that_are_done) {
  const std::vector<Run> runs = {
      run_of({{"final_accuracy", 0.3}}), run_of({{"time_s", 40}, {"final_accuracy", 0.2}, {"updates", 70}}),
      run_of({{"time_s", 5}, {"diverged", true}, {"final_accuracy", 0.1}}, {{"stop.time_s", 600}}),
      run_of({{"time_s", 900}, {"status", "failed"}})};
  const Horizon horizon = horizon_of(runs);
  BOOST_TEST(horizon.time_s == 60);
  BOOST_TEST(horizon.updates == 70);
  BOOST_TEST(horizon.accuracy == 0.2);
}

BOOST_AUTO_TEST_CASE(where_all_diverged_the_horizon_is_the_time_that_they_were_given) {
  const std::vector<Run> runs = {run_of({{"time_s", 5}, {"diverged", true}}, {{"stop.time_s", 60}}),
                                 run_of({{"time_s", 7}, {"diverged", true}}, {{"stop.time_s", 60}})};
  BOOST_TEST(horizon_of(runs).time_s == 60);
}

BOOST_AUTO_TEST_CASE(a_run_that_is_not_done_came_to_nothing) {
  for (const char* status : {"failed", "interrupted"}) {
    for (const Metric metric : kMetrics) BOOST_TEST(!outcome(run_of({{"status", status}}), metric, kFar));
  }
  BOOST_TEST(!outcome(Run::unfinished("r"), Metric::kFinalAccuracy, kFar));
}

BOOST_AUTO_TEST_CASE(samples_per_second_are_those_that_updates_used) {
  const Run run = run_of({{"samples_used", 3000}});
  BOOST_TEST(outcome(run, Metric::kThroughput, kFar)->value == 50);
}

BOOST_AUTO_TEST_CASE(evaluations_tell_updates_to_the_target_and_the_time_to_any_accuracy) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "run";
  test::write_run(path, summary_of("ssp", 1, {{"updates", 60}}));
  test::write_file(path + "/evals.csv",
                   "time_s,version,epoch,samples,train_loss,test_loss,test_accuracy\n"
                   "0.000000000,0,0,0,2,2,0.1\n"
                   "20.000000000,20,1,100,1,1,0.7\n"
                   "30.000000000,30,2,200,1,1,0.75\n"
                   "40.000000000,30,2,200,1,1,0.75\n"
                   "50.000000000,50,3,300,1,1,0.7\n"
                   "60.000000000,60,4,400,nan,-nan,0.8\n");
  const std::vector<std::string> paths{path};
  const Found found = find_runs(paths);
  BOOST_REQUIRE(found.runs.size() == 1);
  const Run& run = found.runs.front();
  BOOST_TEST(outcome(run, "updates_to_target", kFar)->value == 30);
  BOOST_TEST(time_to_accuracy(run, 0.7, kFar)->value == 20);
  // The two evaluations at 0.75 are of one version.
  BOOST_TEST(time_to_accuracy(run, 0.75, kFar)->value == 60);
  BOOST_TEST(time_to_accuracy(run, 0.9, kFar)->censored);
  BOOST_TEST(!time_to_accuracy(run_of({}), 0.9, kFar));
}

BOOST_AUTO_TEST_CASE(a_group_stands_by_the_median_of_times_and_the_mean_of_all_else) {
  const std::vector<Outcome> times = {{5, true}, {10}, {25}, {40}};
  BOOST_TEST(standing_of(times, true).centre.value() == 25);
  BOOST_TEST(standing_of(times, true).censored == 1U);
  BOOST_TEST(!standing_of(times, false).centre);  // no mean of values of which one is a lower bound
  const std::vector<Outcome> values = {{5}, {10}, {25}, {40}};
  BOOST_TEST(standing_of(values, false).centre.value() == 20);
  const std::vector<Outcome> open = {{5}, {10, true}, {10, true, true}};
  BOOST_TEST(!standing_of(open, true).centre);
  BOOST_TEST(standing_of(open, true).diverged == 1U);
  BOOST_TEST(!standing_of({}, false).centre);
}

BOOST_AUTO_TEST_CASE(what_diverged_ranks_below_everything) {
  const Standing bad{.n = 3, .centre = 0.08}, diverged{.n = 3, .diverged = 3, .centre = 0.08};
  BOOST_TEST(ranks_before(bad, diverged, false));
  BOOST_TEST(!ranks_before(diverged, bad, false));
  BOOST_TEST(ranks_before({.n = 3, .centre = 0.1}, bad, false));
  BOOST_TEST(ranks_before({.n = 3, .centre = 20}, {.n = 3, .centre = 30}, true));
  const Standing open{.n = 3, .censored = 3}, never{.n = 3, .censored = 3, .diverged = 3};
  BOOST_TEST(ranks_before({.n = 3, .centre = 1e9}, open, true));
  BOOST_TEST(ranks_before(open, never, true));
  BOOST_TEST(ranks_before({.n = 3, .censored = 2}, open, true));
  BOOST_TEST(!ranks_before(bad, bad, false));
}

BOOST_AUTO_TEST_SUITE_END()
