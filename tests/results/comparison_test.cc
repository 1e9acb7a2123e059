#include "results/comparison.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <deque>
#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "results/filter.h"
#include "results/support.h"
#include "support/text.h"

using namespace psctl;
using namespace psctl::results;
using psctl::test::Keys;
using psctl::test::summary_of;

namespace {

using test::contains;

class Runs {
 public:
  void add(const std::string& strategy, int seed, const Keys& change = {}, const Keys& config = {}) {
    const auto summary = summary_of(strategy, seed, change, config);
    all_.emplace_back(fmt::format("run-{}", all_.size() + 1), summary.dump());
  }
  // One of a time to its target, with the seed's luck in it.
  void add_time(const std::string& strategy, int seed, double time) {
    add(strategy, seed, {{"time_to_target_s", time}});
  }
  void add_missed(const std::string& strategy, int seed, double budget) {
    add(strategy, seed, {{"time_to_target_s", nullptr}, {"time_s", budget}});
  }
  void add_unfinished() { all_.push_back(Run::unfinished("run-unfinished")); }

  Comparison compared(const Options& options = {}) const { return compare(all_, options); }
  std::string refusal(const Options& options = {}) const {
    try {
      compared(options);
    } catch (const UserError& error) {
      return error.what();
    }
    return {};
  }

 private:
  std::vector<Run> all_;
};

const Judgement& judgement(const Comparison& comparison, Metric metric) {
  for (const Judgement& judgement : comparison.judgements) {
    if (judgement.metric == metric) return judgement;
  }
  throw std::runtime_error("it was not measured");
}

const Difference& to_baseline(const Comparison& comparison, Metric metric, const std::string& group) {
  for (const Difference& difference : judgement(comparison, metric).against_baseline) {
    if (comparison.groups[difference.first].label == group) return difference;
  }
  throw std::runtime_error("there is no such group");
}

bool noted(const std::vector<std::string>& notes, const std::string& part) {
  return std::ranges::any_of(notes, [&](const std::string& note) { return contains(note, part); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(comparisons)

BOOST_AUTO_TEST_CASE(runs_of_one_seed_are_paired_so_that_their_common_luck_falls_out) {
  // The seeds differ by a factor of three, the strategies in every seed by 1.1 and a little.
  Runs runs;
  const double luck[] = {10, 14, 20, 25, 30};
  const double little[] = {1.09, 1.10, 1.11, 1.10, 1.10};
  for (int seed = 0; seed < 5; ++seed) {
    runs.add_time("bsp", seed, luck[seed] * little[seed]);
    runs.add_time("ssp", seed, luck[seed]);
  }
  const Comparison comparison = runs.compared();
  BOOST_TEST(comparison.blocks.size() == 5U);
  const Difference& seen = to_baseline(comparison, Metric::kTimeToTarget, "ssp");
  BOOST_TEST(seen.n == 5U);
  BOOST_TEST(std::abs(seen.interval.mean - 1 / 1.1) < 0.001);
  BOOST_TEST(seen.interval.high < 0.93);
  BOOST_TEST((seen.verdict == Verdict::kBetter));
  BOOST_TEST((to_baseline(comparison, Metric::kFinalAccuracy, "ssp").verdict == Verdict::kNotShown));
}

BOOST_AUTO_TEST_CASE(differences_of_accuracy_are_of_means_and_have_the_interval_of_a_worked_example) {
  Runs runs;
  const double differences[] = {0.00, 0.01, 0.02, 0.03, 0.04};
  for (int seed = 0; seed < 5; ++seed) {
    const auto run = [](double accuracy) {
      return Keys{{"final_accuracy", accuracy}, {"test_samples", 1'000'000'000}};
    };
    runs.add("bsp", seed, run(0.7));
    runs.add("asp", seed, run(0.7 - differences[seed]));
  }
  const Difference seen = to_baseline(runs.compared(), Metric::kFinalAccuracy, "asp");
  // Mean 0.02, standard error 0.0070711, t 2.776: +- 0.019632; p of t = 2.8284.
  BOOST_TEST(std::abs(seen.interval.mean + 0.02) < 1e-9);
  BOOST_TEST(std::abs(seen.interval.low + 0.039632) < 1e-5);
  BOOST_TEST(std::abs(seen.interval.high + 0.000368) < 1e-5);
  BOOST_TEST(std::abs(seen.p - 0.047421) < 1e-5);
  BOOST_TEST((seen.verdict == Verdict::kWorse));
}

BOOST_AUTO_TEST_CASE(among_equal_strategies_a_difference_is_seldom_shown) {
  std::size_t found = 0;
  constexpr int kExperiments = 300;
  for (int experiment = 0; experiment < kExperiments; ++experiment) {
    Draws draws({.seed = 1, .purpose = Purpose::kTest, .step = static_cast<std::uint64_t>(experiment)});
    Runs runs;
    for (const char* strategy : {"bsp", "asp", "ssp", "dssp"}) {
      for (int seed = 0; seed < 5; ++seed) runs.add(strategy, seed, {{"final_accuracy", 0.8 + 0.01 * draws.normal()}});
    }
    const Comparison comparison = runs.compared({.all_pairs = true});
    const auto& pairs = judgement(comparison, Metric::kFinalAccuracy).pairs;
    BOOST_REQUIRE(pairs.size() == 6U);
    BOOST_REQUIRE(judgement(comparison, Metric::kFinalAccuracy).comparisons == 6U);
    const bool any = std::ranges::any_of(pairs, [](const Difference& pair) {
      return pair.verdict == Verdict::kBetter || pair.verdict == Verdict::kWorse;
    });
    found += any ? 1 : 0;
  }
  BOOST_TEST(found <= 0.09 * kExperiments, found << " of " << kExperiments);  // 5 %, and three deviations
}

BOOST_AUTO_TEST_CASE(one_seed_shows_nothing) {
  Runs runs;
  runs.add_time("bsp", 1, 100);
  runs.add_time("asp", 1, 1);
  const Comparison comparison = runs.compared();
  const Difference& seen = to_baseline(comparison, Metric::kTimeToTarget, "asp");
  BOOST_TEST((seen.verdict == Verdict::kFewSeeds));
  BOOST_TEST((seen.interval.method == stats::Method::kNone));
  BOOST_TEST(noted(comparison.notes, "one seed shows nothing"));
}

BOOST_AUTO_TEST_CASE(a_target_that_was_never_reached_is_slower_only_where_every_longer_time_says_so) {
  Runs runs;
  for (int seed = 0; seed < 5; ++seed) {
    runs.add_time("bsp", seed, 10 + 0.5 * seed);
    runs.add_missed("asp", seed, 60);
    runs.add_missed("ssp", seed, 10.5 + 0.5 * seed);  // a budget that bsp nearly needed
  }
  const Comparison comparison = runs.compared();
  const Difference& never = to_baseline(comparison, Metric::kTimeToTarget, "asp");
  BOOST_TEST(never.censored == 5U);
  BOOST_TEST((never.known == Difference::Known::kAtLeast));
  BOOST_TEST(never.interval.mean > 5);
  BOOST_TEST((never.verdict == Verdict::kWorse));
  const Difference& nearly = to_baseline(comparison, Metric::kTimeToTarget, "ssp");
  BOOST_TEST((nearly.verdict == Verdict::kInconclusive));
  const auto& figures = comparison.groups[never.first].figures;
  BOOST_TEST(figures[0].n == 5U);
  BOOST_TEST(figures[0].censored == 5U);
  BOOST_TEST(!figures[0].standing.centre);
  BOOST_TEST(!figures[0].interval);
  BOOST_TEST(comparison.groups[judgement(comparison, Metric::kTimeToTarget).ranking.front()].label == "bsp");
}

BOOST_AUTO_TEST_CASE(runs_that_diverged_count_as_never_there_in_a_median) {
  Runs runs;
  for (int seed = 0; seed < 5; ++seed) runs.add_time("bsp", seed, 20 + seed);
  for (int seed = 0; seed < 3; ++seed) {
    runs.add("asp", seed, {{"time_to_target_s", nullptr}, {"diverged", true}, {"time_s", 0.1}});
  }
  runs.add_time("asp", 3, 5);
  runs.add_time("asp", 4, 6);
  runs.add("ssp", 0, {{"time_to_target_s", nullptr}, {"diverged", true}, {"time_s", 0.1}});
  for (int seed = 1; seed < 5; ++seed) runs.add_time("ssp", seed, 10.0 * seed);
  const Comparison comparison = runs.compared();
  const auto figure = [&](std::size_t group) { return comparison.groups[group].figures[0]; };
  BOOST_TEST(!figure(1).standing.centre);               // three of five never get there
  BOOST_TEST(figure(1).censored_at == 60);     // the horizon of the comparison, not where they died
  BOOST_TEST(figure(2).standing.centre.value() == 30);  // the third of 10, 20, 30, 40, never
  const auto ranking = judgement(comparison, Metric::kTimeToTarget).ranking;
  BOOST_TEST(comparison.groups[ranking.back()].label == "asp");
}

BOOST_AUTO_TEST_CASE(nothing_is_said_where_speeds_and_ratios_of_times_disagree) {
  Runs runs;
  for (int seed = 0; seed < 6; ++seed) {
    runs.add_time("bsp", seed, 2);
    runs.add_time("asp", seed, 1);
  }
  runs.add_time("bsp", 6, 10);
  runs.add_missed("asp", 6, 1000);  // its speed is next to nothing, and the ratio of times at least 100
  const Difference& seen = to_baseline(runs.compared(), Metric::kTimeToTarget, "asp");
  BOOST_TEST((seen.known == Difference::Known::kAtLeast));
  BOOST_TEST(seen.interval.mean > 1);
  BOOST_TEST((seen.verdict == Verdict::kInconclusive));
}

BOOST_AUTO_TEST_CASE(two_seeds_give_no_verdict_and_no_interval) {
  Runs runs;
  for (int seed = 0; seed < 2; ++seed) {
    runs.add_time("bsp", seed, 40);
    runs.add_time("asp", seed, 10);
  }
  const Comparison comparison = runs.compared();
  for (const Metric metric : kMetrics) {
    const Difference& seen = to_baseline(comparison, metric, "asp");
    BOOST_TEST((seen.verdict == Verdict::kFewSeeds));
    BOOST_TEST(seen.p == 1);
    BOOST_TEST((seen.interval.method == stats::Method::kNone));
  }
  BOOST_TEST(noted(comparison.notes, "two seeds show nothing"));
}

BOOST_AUTO_TEST_CASE(times_that_differ_by_a_step_of_the_evaluation_grid_do_not_differ) {
  // Evaluated every 2 s: 20 against 22 s is a step, in however many seeds; 20 against 40 s is not.
  for (const double of_bsp : {22.0, 40.0}) {
    Runs runs;
    for (int seed = 0; seed < 10; ++seed) {
      runs.add("bsp", seed, {{"time_to_target_s", of_bsp}}, {{"evaluate.every_s", 2}});
      runs.add("asp", seed, {{"time_to_target_s", 20}}, {{"evaluate.every_s", 2}});
    }
    const Difference& seen = to_baseline(runs.compared(), Metric::kTimeToTarget, "asp");
    BOOST_TEST((seen.verdict == (of_bsp == 22 ? Verdict::kNotShown : Verdict::kBetter)), of_bsp);
    BOOST_TEST((seen.interval.high >= 1) == (of_bsp == 22));
    BOOST_TEST(std::abs(seen.interval.mean - 20 / of_bsp) < 1e-9);
    BOOST_TEST(seen.p > 0);
  }
}

BOOST_AUTO_TEST_CASE(unequal_work_behind_accuracies_and_coarse_evaluations_are_noted) {
  const auto compared = [](double used, double every_epochs) {
    Runs runs;
    for (int seed = 0; seed < 5; ++seed) {
      const Keys config = {{"evaluate.every_epochs", every_epochs}};
      runs.add("bsp", seed, {{"stop", "epochs"}, {"samples_used", 6000}, {"time_to_target_s", 30 + seed}}, config);
      runs.add("asp", seed, {{"stop", "epochs"}, {"samples_used", used}, {"time_to_target_s", 31 + seed}}, config);
    }
    return runs.compared().notes;
  };
  BOOST_TEST(noted(compared(5500, 0.01), "final accuracy is after unequal work: 5500 samples used in asp, 6000 in bsp"));
  BOOST_TEST(!noted(compared(5950, 0.01), "unequal work"));
  BOOST_TEST(noted(compared(6000, 1), "time to target: two evaluations are up to"));
  BOOST_TEST(!noted(compared(6000, 0.01), "two evaluations"));
}

BOOST_AUTO_TEST_CASE(the_first_evaluation_tells_no_lower_bound_of_a_time_but_an_upper_one) {
  Runs runs;
  for (int seed = 0; seed < 5; ++seed) {
    runs.add("bsp", seed, {{"time_to_target_s", 20 + 2 * seed}}, {{"evaluate.every_s", 2}});
    runs.add("asp", seed, {{"time_to_target_s", 2}}, {{"evaluate.every_s", 2}});
  }
  const Difference& seen = to_baseline(runs.compared(), Metric::kTimeToTarget, "asp");
  BOOST_TEST(seen.interval.low == 0);
  BOOST_TEST(seen.interval.high < 0.4);
  BOOST_TEST((seen.verdict == Verdict::kBetter));
}

BOOST_AUTO_TEST_CASE(accuracies_that_differ_by_a_test_sample_do_not_differ) {
  Runs runs;
  for (int seed = 0; seed < 5; ++seed) {
    runs.add("bsp", seed, {{"final_accuracy", 0.4 + 0.1 * (seed % 2)}, {"test_samples", 10}});
    runs.add("asp", seed, {{"final_accuracy", 0.3 + 0.1 * (seed % 2)}, {"test_samples", 10}});
  }
  const Difference& seen = to_baseline(runs.compared(), Metric::kFinalAccuracy, "asp");
  BOOST_TEST((seen.verdict == Verdict::kNotShown));
  BOOST_TEST(seen.p > 0.9);
  BOOST_TEST(seen.interval.high >= 0);
}

BOOST_AUTO_TEST_CASE(rates_that_differ_by_a_rounding_or_by_a_mini_batch_of_each_worker_do_not_differ) {
  for (const double time_s : {60.00000000000001, 60.4}) {  // 48 of 6000 samples may be under way
    Runs runs;
    for (int seed = 0; seed < 5; ++seed) {
      runs.add("bsp", seed, {{"time_s", 60.0}, {"samples_used", 6000}});
      runs.add("asp", seed, {{"time_s", time_s}, {"samples_used", 6000}});
    }
    const Difference& seen = to_baseline(runs.compared(), Metric::kThroughput, "asp");
    BOOST_TEST((seen.verdict == Verdict::kNotShown), time_s);
    BOOST_TEST(seen.p == 1);
  }
}

BOOST_AUTO_TEST_CASE(late_pushes_are_no_throughput_and_runs_that_do_not_tell_them_apart_are_not_judged) {
  Runs runs, older;
  for (int seed = 0; seed < 5; ++seed) {
    runs.add("bsp", seed, {{"samples", 6000}, {"samples_used", 6000}});
    runs.add("backup", seed,
             {{"samples", 9000}, {"samples_used", 3000 + seed}, {"samples_discarded", 6000}, {"samples_per_s", 150}});
    older.add("bsp", seed, {{"samples_used", nullptr}});
    older.add("backup", seed, {{"samples_used", nullptr}, {"samples_per_s", 150}});
  }
  const Difference seen = to_baseline(runs.compared(), Metric::kThroughput, "backup");
  BOOST_TEST((seen.verdict == Verdict::kWorse));
  BOOST_TEST(std::abs(seen.interval.mean - 0.5) < 0.001);
  const Comparison comparison = older.compared();
  BOOST_TEST(std::ranges::none_of(comparison.judgements,
                                  [](const Judgement& one) { return one.metric == Metric::kThroughput; }));
  BOOST_TEST(noted(comparison.notes, "10 runs of an older psctl do not tell how many samples were used"));
}

BOOST_AUTO_TEST_CASE(an_interval_leaves_out_equality_exactly_where_a_difference_is_shown) {
  // Four groups that differ by more and more, from nothing to much, in 3 to 25 seeds.
  std::size_t shown = 0, not_shown = 0;
  for (int experiment = 0; experiment < 60; ++experiment) {
    Draws draws({.seed = 2, .purpose = Purpose::kTest, .step = static_cast<std::uint64_t>(experiment)});
    Runs runs;
    const char* const strategies[] = {"bsp", "asp", "ssp", "dssp"};
    const int seeds = 3 + experiment % 23;
    for (int s = 0; s < 4; ++s) {
      for (int seed = 0; seed < seeds; ++seed) {
        runs.add(strategies[s], seed,
                 {{"time_to_target_s", 30 * std::exp(0.1 * draws.normal() - 0.1 * s)},
                  {"samples_per_s", 100 * std::exp(0.1 * draws.normal() + 0.1 * s)},
                  {"final_accuracy", 0.8 + 0.02 * draws.normal() - 0.02 * s}});
      }
    }
    for (const bool all_pairs : {false, true}) {
      const Comparison comparison = runs.compared({.all_pairs = all_pairs});
      for (const Judgement& judgement : comparison.judgements) {
        BOOST_REQUIRE(judgement.comparisons == (all_pairs ? 6U : 3U));
        std::vector<Difference> all = judgement.against_baseline;
        all.insert(all.end(), judgement.pairs.begin(), judgement.pairs.end());
        for (const Difference& one : all) {
          const double equal = is_ratio(judgement.metric) ? 1 : 0;
          const bool left_out = one.interval.low > equal || one.interval.high < equal;
          const bool verdict = one.verdict == Verdict::kBetter || one.verdict == Verdict::kWorse;
          BOOST_REQUIRE(left_out == verdict);
          BOOST_REQUIRE(left_out == (one.corrected_p < 0.05));
          ++(verdict ? shown : not_shown);
        }
        // What stands against the baseline is what stands among the pairs.
        for (const Difference& one : judgement.against_baseline) {
          for (const Difference& pair : judgement.pairs) {
            const bool turned = pair.second == one.first && pair.first == one.second;
            if (!turned && !(pair.first == one.first && pair.second == one.second)) continue;
            const Verdict other = one.verdict == Verdict::kBetter  ? Verdict::kWorse
                                  : one.verdict == Verdict::kWorse ? Verdict::kBetter
                                                                   : one.verdict;
            BOOST_REQUIRE((pair.verdict == (turned ? other : one.verdict)));
          }
        }
      }
    }
  }
  BOOST_TEST(shown > 100U);
  BOOST_TEST(not_shown > 100U);
}

BOOST_AUTO_TEST_CASE(one_statistic_ranks_is_shown_and_is_compared) {
  // The median has asp first, the arithmetic mean ssp; the geometric mean has dssp.
  Runs runs;
  const std::map<std::string, std::vector<double>> times = {
      {"bsp", {40, 40, 40}}, {"asp", {9, 10, 60}}, {"ssp", {18, 20, 22}}, {"dssp", {2, 22, 60}}};
  for (const auto& [strategy, of] : times) {
    for (int seed = 0; seed < 3; ++seed) runs.add_time(strategy, seed, of[static_cast<std::size_t>(seed)]);
  }
  const Comparison comparison = runs.compared();
  const Judgement& time = judgement(comparison, Metric::kTimeToTarget);
  std::vector<std::string> order;
  for (const std::size_t g : time.ranking) order.push_back(comparison.groups[g].label);
  BOOST_TEST(order == (std::vector<std::string>{"dssp", "asp", "ssp", "bsp"}), boost::test_tools::per_element());
  double before = 0;
  for (const std::size_t g : time.ranking) {
    const Figure& figure = comparison.groups[g].figures[0];
    BOOST_TEST(figure.mean > before);
    BOOST_TEST(std::abs(figure.interval->mean - figure.mean) < 1e-9);
    before = figure.mean;
  }
  for (const Difference& one : time.against_baseline) {
    const double ratio = comparison.groups[one.first].figures[0].mean / comparison.groups[one.second].figures[0].mean;
    BOOST_TEST(std::abs(one.interval.mean - ratio) < 1e-9);
  }
}

BOOST_AUTO_TEST_CASE(a_group_that_missed_the_target_ranks_below_those_that_did_not) {
  Runs runs;
  for (int seed = 0; seed < 5; ++seed) {
    runs.add_time("bsp", seed, 50);
    runs.add_time("asp", seed, 5);
    if (seed < 4) runs.add_time("ssp", seed, 5);
  }
  runs.add_missed("ssp", 4, 60);
  const Comparison comparison = runs.compared();
  const Judgement& time = judgement(comparison, Metric::kTimeToTarget);
  BOOST_TEST(comparison.groups[time.ranking.back()].label == "ssp");
  const Figure& figure = comparison.groups[time.ranking.back()].figures[0];
  BOOST_TEST(!figure.interval);
  BOOST_TEST(std::abs(figure.mean - 5 * std::pow(12, 0.2)) < 1e-9);  // at least that
}

BOOST_AUTO_TEST_CASE(of_two_that_never_reached_the_target_nothing_is_said_of_time) {
  Runs runs;
  for (int seed = 0; seed < 5; ++seed) {
    runs.add_missed("bsp", seed, 60);
    runs.add_missed("asp", seed, 20);
  }
  const Difference seen = to_baseline(runs.compared(), Metric::kTimeToTarget, "asp");
  BOOST_TEST((seen.known == Difference::Known::kNothing));
  BOOST_TEST((seen.verdict == Verdict::kInconclusive));
}

BOOST_AUTO_TEST_CASE(blocks_that_lack_a_run_are_named_and_left_out_of_the_pairs) {
  Runs runs;
  for (int seed = 0; seed < 4; ++seed) runs.add_time("bsp", seed, 20 + seed);
  for (int seed = 2; seed < 6; ++seed) runs.add_time("asp", seed, 10 + seed);
  runs.add_unfinished();
  const Comparison comparison = runs.compared();
  BOOST_TEST(to_baseline(comparison, Metric::kTimeToTarget, "asp").n == 2U);
  BOOST_TEST(noted(comparison.notes, "seed=0 (not in asp)"));
  BOOST_TEST(noted(comparison.notes, "seed=5 (not in bsp)"));
  BOOST_TEST(noted(comparison.notes, "two seeds show nothing"));
  BOOST_TEST(noted(comparison.left_out, "run-unfinished: unfinished"));
}

BOOST_AUTO_TEST_CASE(what_varies_within_a_group_makes_blocks_and_what_goes_with_it_is_noted) {
  Runs runs;
  for (int seed = 0; seed < 2; ++seed) {
    for (const int workers : {4, 8}) {
      runs.add("bsp", seed, {}, {{"cluster.workers", workers}, {"optimizer.learning_rate", 0.1}});
      runs.add("asp", seed, {}, {{"cluster.workers", workers}, {"optimizer.learning_rate", 0.02}});
    }
  }
  const Comparison comparison = runs.compared();
  BOOST_TEST(comparison.block_keys == (std::vector<std::string>{"seed", "cluster.workers"}),
             boost::test_tools::per_element());
  BOOST_TEST(comparison.blocks.size() == 4U);
  BOOST_TEST(noted(comparison.notes, "optimizer.learning_rate differs too: 0.1 in bsp and 0.02 in asp"));
}

BOOST_AUTO_TEST_CASE(pairs_of_one_seed_count_once_however_many_they_are) {
  // Three seeds with the differences 0.01, 0.02 and 0.06, at ten learning rates each: three values, not thirty.
  Runs many, few;
  const double differences[] = {0.01, 0.02, 0.06};
  for (int seed = 0; seed < 3; ++seed) {
    for (int rate = 1; rate <= 10; ++rate) {
      for (Runs* runs : {&many, &few}) {
        if (runs == &few && rate > 1) continue;
        const Keys config = {{"optimizer.learning_rate", 0.01 * rate}};
        runs->add("bsp", seed, {{"final_accuracy", 0.7}}, config);
        runs->add("asp", seed, {{"final_accuracy", 0.7 + differences[seed]}}, config);
      }
    }
  }
  const Difference seen = to_baseline(many.compared(), Metric::kFinalAccuracy, "asp");
  BOOST_TEST(seen.n == 30U);
  BOOST_TEST(seen.seeds == 3U);
  BOOST_TEST(seen.interval.n == 3U);
  BOOST_TEST(std::abs(seen.p - to_baseline(few.compared(), Metric::kFinalAccuracy, "asp").p) < 1e-9);
  BOOST_TEST((seen.verdict == Verdict::kNotShown));
}

BOOST_AUTO_TEST_CASE(runs_that_do_different_things_are_refused_with_the_key_that_differs) {
  const std::pair<const char*, nlohmann::ordered_json> kOthers[] = {
      {"data.source", "large"}, {"data.train_limit", 100},         {"model.hidden", {8}},
      {"stop.epochs", 6},       {"evaluate.every_epochs", 0.5},    {"evaluate.every_s", 3},
      {"clock", "real"},        {"evaluate.target_accuracy", 0.9}, {"data.partition.alpha", 1}};
  for (const auto& [key, value] : kOthers) {
    Runs runs;
    runs.add("bsp", 1);
    runs.add("asp", 1, {}, {{key, value}});
    BOOST_TEST(contains(runs.refusal(), key), key);
    BOOST_TEST(contains(runs.refusal(), "run-2"), key);
    // Unless they are compared by it.
    BOOST_TEST(runs.refusal({.by = {"strategy", key}, .baseline = {}}).empty(), key);
  }
  for (const char* key : {"name", "trace.steps", "data.batch_size", "model.save"}) {
    Runs runs;
    runs.add("bsp", 1, {}, {{key, "a"}});
    runs.add("asp", 1, {}, {{key, "b"}});
    BOOST_TEST(runs.refusal().empty(), key);
  }
}

BOOST_AUTO_TEST_CASE(looks_that_are_counted_in_updates_are_refused_across_strategies) {
  Runs runs;
  runs.add("bsp", 1, {}, {{"evaluate.every_updates", 10}});
  BOOST_TEST(runs.refusal().empty());
  runs.add("asp", 1, {}, {{"evaluate.every_updates", 10}});
  BOOST_TEST(contains(runs.refusal(), "evaluate.every_updates"));
}

BOOST_AUTO_TEST_CASE(groups_may_be_made_by_any_key) {
  Runs runs;
  for (int seed = 0; seed < 3; ++seed) {
    for (const double delay : {2.5, 7.5}) {
      nlohmann::ordered_json rule = {{"workers", {1}}, {"delay_ms", delay}};
      runs.add("bsp", seed, {{"samples_per_s", 100 / delay + seed * 0.1}},
               {{"stragglers", nlohmann::ordered_json::array({rule})}});
    }
  }
  const Comparison comparison =
      runs.compared({.by = {"stragglers.0.delay_ms"}, .baseline = "stragglers.0.delay_ms=7.5"});
  BOOST_TEST(comparison.groups.size() == 2U);
  const auto& seen = to_baseline(comparison, Metric::kThroughput, "stragglers.0.delay_ms=2.5");
  BOOST_TEST(seen.n == 3U);
  BOOST_TEST((seen.verdict == Verdict::kBetter));
  BOOST_TEST(contains(runs.refusal({.by = {"cluster.worker"}, .baseline = {}}), "did you mean cluster.workers?"));
}

BOOST_AUTO_TEST_CASE(the_baseline_is_bsp_the_first_or_the_one_that_is_named) {
  Runs runs;
  runs.add("asp", 1);
  runs.add("ssp", 1, {{"strategy_label", "ssp(staleness=8)"}});
  BOOST_TEST(runs.compared().baseline == 0U);
  BOOST_TEST(runs.compared({.baseline = "ssp"}).baseline == 1U);
  BOOST_TEST(runs.compared({.baseline = "ssp(staleness=8)"}).baseline == 1U);
  BOOST_TEST(contains(runs.refusal({.baseline = "bap"}), "there is no such group"));
  runs.add("bsp", 1);
  BOOST_TEST(runs.compared().baseline == 2U);
}

BOOST_AUTO_TEST_CASE(the_same_virtual_run_twice_counts_once_and_a_real_one_is_a_repetition) {
  Runs virtual_runs, real_runs;
  for (int i = 0; i < 2; ++i) {
    virtual_runs.add("bsp", 1);
    real_runs.add("bsp", 1, {{"clock", "real"}, {"time_to_target_s", 30 + i}}, {{"clock", "real"}});
  }
  BOOST_TEST(virtual_runs.compared().groups[0].runs.size() == 1U);
  BOOST_TEST(noted(virtual_runs.compared().left_out, "the same run as run-1"));
  BOOST_TEST(real_runs.compared().groups[0].runs.size() == 2U);
  BOOST_TEST(real_runs.compared().blocks.size() == 2U);
  virtual_runs.add("bsp", 1, {{"time_s", 61.0}});
  BOOST_TEST(noted(virtual_runs.compared().notes, "one configuration and different results"));
}

BOOST_AUTO_TEST_CASE(nothing_to_compare_is_refused_with_the_reasons) {
  Runs runs;
  runs.add("bsp", 1, {{"status", "failed"}, {"error", "worker 1 is gone"}});
  runs.add_unfinished();
  BOOST_TEST(contains(runs.refusal(), "failed: worker 1 is gone"));
  BOOST_TEST(contains(runs.refusal(), "run-unfinished: unfinished"));
  BOOST_TEST(!Runs().refusal().empty());
}

BOOST_AUTO_TEST_CASE(runs_are_chosen_by_figures_and_by_keys_of_their_configuration) {
  const Run run("r", summary_of("ssp", 3, {}, {{"strategy.staleness", 8}}).dump());
  for (const char* text :
       {"strategy=ssp", "strategy.staleness=8.0", "strategy.staleness<9", "strategy.staleness>=8", "final_accuracy>0.5",
        "status=done", "nothing!=3", "strategy!=bsp", "stragglers.0.kind=constant"}) {
    BOOST_TEST(holds(parse_condition(text), run), text);
  }
  for (const char* text : {"strategy=bsp", "strategy.staleness<8", "nothing=3", "nothing<3", "seed!=3", "run=x"}) {
    BOOST_TEST(!holds(parse_condition(text), run), text);
  }
  const Run beyond("r", summary_of("ssp", 3, {{"seed", 9007199254740993}, {"updates", 5}}).dump());
  for (const char* text : {"seed=9007199254740993", "seed>9007199254740992", "seed!=9007199254740992", "updates<20",
                           "seed<9007199254740994", "updates>-20", "seed<=1e16", "updates=005", "updates>=5.0"}) {
    BOOST_TEST(holds(parse_condition(text), beyond), text);
  }
  for (const char* text : {"seed=9007199254740992", "seed=9007199254740994", "seed<9007199254740993", "updates<-6"}) {
    BOOST_TEST(!holds(parse_condition(text), beyond), text);
  }
  for (const char* text : {"", "ssp", "=3", "<"}) BOOST_CHECK_THROW(parse_condition(text), UserError);
}

BOOST_AUTO_TEST_SUITE_END()
