// Groups of runs side by side: what each came to, and which differences between them are more than luck. Runs that
// shared their luck, those of one seed, are compared with each other; what cannot be compared is refused.
//
// A group is described by its Standing, as in every other table and picture. One statistic ranks and is compared: of
// times and rates the geometric mean, of accuracies the mean. One
// procedure gives interval, p and verdict: Student's t over the seeds' paired differences, widened by the resolution of
// the measure, with Bonferroni's correction for the comparisons of a measure. Where times are censored there is no
// interval, and p is the largest that any longer times would give.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "results/outcome.h"
#include "results/run.h"
#include "stats/interval.h"

namespace psctl::results {

struct Figure {  // of one group under one metric
  std::size_t n = 0;
  std::size_t censored = 0;
  std::size_t unresolved = 0;  // runs that do not tell the resolution of the measure
  double mean = 0;             // the statistic; with censored times it is at least that
  std::optional<stats::Interval> interval;  // of it; none if any is censored, or n is 0
  Standing standing;                        // what psctl runs, report and plot show of the group
  double censored_at = 0;                   // the longest of these times
  double coarseness = 0;                    // mean of resolution over value, of what tells both
};

struct Group {
  std::string label;
  std::vector<const Run*> runs;
  std::vector<Figure> figures;  // by metric, in the order of kMetrics
  std::size_t diverged = 0;
  std::size_t disturbed = 0;
};

enum class Verdict {
  kBetter,        // the first is, than the second
  kWorse,         //
  kNotShown,      // no difference shown
  kInconclusive,  // it hangs on times that are not known
  kFewSeeds,      // fewer than stats::kLeastPairs show nothing
  kNothing        // no pair at all
};
const char* name_of(Verdict verdict);  // "better", "worse", "no difference shown", ...
// "geometric mean" or "mean".
const char* statistic_of(Metric metric);

// Of the first group to the second, over the blocks that both have.
struct Difference {
  std::size_t first = 0, second = 0;
  Metric metric{};
  // Of the ratio first / second, or of first - second, simultaneous with the others of its family. Of censored times
  // only what is known: the ratio is at least, or at most, so large, or nothing, and there is no interval.
  enum class Known { kAll, kAtLeast, kAtMost, kNothing } known = Known::kNothing;
  stats::Interval interval;
  std::size_t n = 0;  // pairs
  // Different ones among the pairs. Pairs of one seed share its luck and are averaged: interval and p count seeds.
  std::size_t seeds = 0;
  std::size_t censored = 0;  // pairs with a censored time
  double p = 1;            // of this comparison alone
  double corrected_p = 1;  // by Bonferroni's correction
  Verdict verdict = Verdict::kNothing;
};

struct Judgement {  // under one metric
  Metric metric{};
  // Groups, the best first: those of which the smaller part of the runs was censored, then by the statistic.
  std::vector<std::size_t> ranking;
  std::size_t comparisons = 0;               // that are corrected for
  std::vector<Difference> against_baseline;  // of every other group to the baseline, in the order of the ranking
  std::vector<Difference> pairs;             // with all_pairs: each pair once, the better placed first
};

struct Block {
  std::string name;                              // "seed=1, cluster.workers=4"
  std::string seed;                              // or the name, where seeds are what is compared
  std::vector<std::optional<std::size_t>> runs;  // a group each: its run among Group::runs
};

struct Options {
  std::vector<std::string> by = {"strategy"};  // strategy: its label; else keys of the configuration
  std::string baseline = {};                   // a group's label or its strategy; empty: bsp, or else the first
  double level = 0.95;
  bool all_pairs = false;  // all are compared with each other, and corrected for; else with the baseline only
};

struct Comparison {
  std::vector<Group> groups;
  std::size_t baseline = 0;
  std::vector<Block> blocks;
  std::vector<std::string> block_keys;  // that name a block: seed, and what else varies within groups
  std::size_t seeds = 0;                // different ones
  std::vector<Judgement> judgements;    // of the metrics that were measured
  std::vector<std::string> left_out;    // runs that are not compared, and why
  std::vector<std::string> notes;       // what a reader must know to read the figures right
  double level = 0.95;
};

// Refers to the runs, which must live on. Throws UserError if they cannot be compared: nothing to compare, different
// data, models, ends, clocks or looks, or no such baseline; it says which key differs and how.
Comparison compare(std::span<const Run> runs, const Options& options);

}  // namespace psctl::results
