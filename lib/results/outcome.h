// What a finished run came to: the one definition behind every table, picture, choice and verdict.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string_view>

#include "results/run.h"
#include "stats/interval.h"
#include "stats/tests.h"

namespace psctl::results {

// What is judged. Of the other figures none is.
enum class Metric { kTimeToTarget, kFinalAccuracy, kThroughput };
inline constexpr Metric kMetrics[] = {Metric::kTimeToTarget, Metric::kFinalAccuracy, Metric::kThroughput};
const char* key_of(Metric metric);    // in summary.json
const char* title_of(Metric metric);  // "time to target"
bool is_ratio(Metric metric);         // compared as ratio; else as difference
bool less_is_better(Metric metric);

// How far a comparison sees: what a run that diverged is given there, since it ranks below every other run.
struct Horizon {
  double time_s = 0;    // the longest run; where all diverged, also the longest stop.time_s
  double updates = 0;   // the most updates of a run
  double accuracy = 1;  // the lowest final accuracy of a run that did not diverge
};
// Of the runs that are compared with each other; those that are not done are left out.
Horizon horizon_of(std::span<const Run* const> runs);
Horizon horizon_of(std::span<const Run> runs);

struct Outcome {
  double value = 0;
  bool censored = false;  // the value would have been greater: the run ended before it was reached
  bool diverged = false;
  // What the measurement resolves: differences up to it are none. Nothing where the run does not tell.
  std::optional<double> resolution = {};
};

// What a run came to under a measure: a number of summary.json, or
//   time_to_target_s   censored at the run's end where the target was not reached;
//   updates_to_target  the version that reached it, censored likewise;
//   time_to_plateau_s  the time of a run that stop.plateau ended, else censored at its end;
//   updates_per_s;
//   samples_per_s      of samples that updates used; nothing of an older psctl, whose summaries do not tell them.
//   worker_s_to_target the seconds of all workers until the target, censored at those of the whole run.
// A run that diverged reached nothing: its times and updates are censored at the horizon, and its final accuracy is
// that of guessing (1 / classes), or the horizon's if that is lower. Of its other measures of quality there are none.
// Nothing where the run is not done, or does not tell.
//
// The resolution of a time or of updates to a target is the distance to the evaluation before; of an accuracy one test
// sample; of samples_per_s and updates_per_s a mini-batch of every worker, or the samples of an update if those are
// more, since so much may be under way when a run ends; of all else the rounding of files.
std::optional<Outcome> outcome(const Run& run, std::string_view measure, const Horizon& horizon);
std::optional<Outcome> outcome(const Run& run, Metric metric, const Horizon& horizon);
// The time to another accuracy than the run's own target, of its evaluations. Nothing where it has none.
std::optional<Outcome> time_to_accuracy(const Run& run, double target, const Horizon& horizon);

// Of two outcomes a - b, or of positive ones ln(a / b), with what their resolutions hide.
stats::Difference difference_of(const Outcome& a, const Outcome& b, bool ratio);
// Within which bounds 1 / time lies: of a censored time from 0 on. Without end where the time is within its resolution.
stats::Bounds speed_of(const Outcome& time);

// What a group of runs came to: of times the median by Kaplan and Meier, of all else the mean.
struct Standing {
  std::size_t n = 0, censored = 0, diverged = 0;
  bool is_median = false;
  std::optional<double> centre = {};  // nothing where n is 0, or too many are censored to tell
  // Of the mean over the seeds, 95 %; nothing of fewer than two, or where any is censored.
  std::optional<stats::Interval> interval = {};
};
Standing standing_of(std::span<const Outcome> outcomes, bool less_is_better);
// Of the runs that are done and tell.
Standing standing_of(std::span<const Run* const> runs, std::string_view measure, const Horizon& horizon);
// Whether the runs of a group are told by their median under this measure, and less is better.
bool is_time_to(std::string_view measure);
// Whether `a` ranks before `b`: by the centre, an unknown one last; of equal ones by the smaller part that is censored,
// then by the smaller part that diverged.
bool ranks_before(const Standing& a, const Standing& b, bool less_is_better);

// As psctl runs and psctl report hand them on: {"value", "censored", "diverged"}, and {"n", "censored", "diverged",
// "mean" or "median", "low", "high"}, null where it is not known. The accuracy of a run that diverged is null.
void to_json(nlohmann::ordered_json& json, const Outcome& outcome);
void to_json(nlohmann::ordered_json& json, const Standing& standing);
// Those of a run that it has: time_to_target_s, final_accuracy, samples_per_s.
nlohmann::ordered_json outcomes_of(const Run& run, const Horizon& horizon);

}  // namespace psctl::results
