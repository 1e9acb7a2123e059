// The same search for every strategy: one grid of one key, the same seeds, judged on validation samples; then every
// strategy with one value for all, and with its own best.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sweep/plan.h"
#include "sweep/runner.h"

namespace psctl::sweep {

inline constexpr const char* kSearch = "search";
inline constexpr const char* kOneForAll = "one_for_all";
inline constexpr const char* kOwnBest = "own_best";

struct TuneRequest {
  std::string config;          // path
  Grid grid;                   // without the key that is tuned; `seed` of it is of the final runs
  std::string name;            // of the sweep
  std::string key;             // such as optimizer.learning_rate
  std::vector<double> values;  // above 0, ascending, two or more
  std::size_t seeds = 3;       // of the search, none of them a seed of the final runs
  std::size_t widen = 2;       // times that the grid grows when a best lies at its edge
};

// How one value did under one strategy, over the seeds of the search.
struct Trial {
  double value = 0;
  std::vector<double> accuracy;                         // final, on validation samples; chance where it diverged
  std::vector<std::optional<double>> time_to_target_s;  // none: censored
  std::vector<double> time_s;                           // of each run
  double score_accuracy = 0;                            // mean
  std::optional<double> score_time_s;                   // median; none: half or more are censored
};

// What the search says of one strategy, and what came of it.
struct Choice {
  std::string label;  // the point without the tuned key and without seeds
  std::vector<Trial> trials;
  double best = 0;
  double one_for_all = 0;
  bool at_edge = false;            // still, after the last widening
  double factor_within_point = 1;  // greatest value over least one among those within 1 point of the best, around it
  std::optional<double> loss_one_step = {};  // points of accuracy lost one step away, the worse side
};

struct Tuned {
  Outcome outcome;  // of all stages together
  Plan plan;        // of all stages
  std::vector<Choice> choices;
  std::size_t widened = 0;
  std::vector<std::string> notices;
};

// Searches, chooses and makes the final runs; writes tuning.csv and tuning.json beside plan.json. Throws UserError
// before anything starts where the request cannot be carried out.
Tuned tune(const TuneRequest& request, Planner& planner, const Folder& folder, const Options& options);

}  // namespace psctl::sweep
