// The same search for every strategy: one grid of one key, the same seeds, judged on validation samples. Then every
// strategy at one value for all, and at its own best, judged as the configuration says.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sweep/plan.h"
#include "sweep/runner.h"
#include "sweep/search.h"

namespace psctl::sweep {

// The stages of the plan.
inline constexpr const char* kSearch = "search";
inline constexpr const char* kOneForAll = "one_for_all";
inline constexpr const char* kOwnBest = "own_best";

// Accuracies closer than that to the best are as good, for how sensitive a strategy is.
inline constexpr double kPoint = 0.01;

struct TuneRequest {
  std::string config;                        // path
  Grid grid;                                 // without the key that is tuned; its seeds are those of the final runs
  std::string name;                          // of the sweep; empty: the configuration's name and -sweep
  std::string key;                           // such as optimizer.learning_rate
  std::vector<double> values;                // two or more, above 0, ascending
  std::map<double, std::string> words = {};  // those values as they were typed
  std::size_t seeds = 3;                     // of the search, none of them a seed of the final runs
  std::size_t widen = 2;                     // most times that the grid grows

  // What a run is given: as typed, and for other values the fewest digits that read back as the same number.
  std::string word_of(double value) const;
};

// KEY=V1,V2: the key and the values. Throws UserError.
void parse_tuned_key(const std::string& word, TuneRequest& request);

// What the search says of one strategy at one point of the other axes, and what came of it.
struct Choice {
  std::string label;          // the strategy's, and what else of the point is not the same for all
  Point point;                // without the tuned key and seeds
  std::vector<Trial> trials;  // of the search, by ascending value
  std::size_t best = 0;       // of the trials
  double one_for_all = 0;     // the value that all strategies at this point of the other axes get
  std::optional<Trial> at_one_for_all = {}, at_own_best = {};  // the final runs; none: they are not complete

  bool all_diverged() const;
  bool at_edge() const { return best == 0 || best + 1 == trials.size(); }
  // The greatest over the least of the values around the best one that lose less than a point of accuracy.
  double factor_within_point() const;
  // What is lost of accuracy one value away from the best, on the worse side.
  double loss_one_step() const;
};

struct Tuning {
  Plan plan;  // of all stages, as far as they came
  Outcome outcome;
  std::vector<Choice> choices;
  std::vector<double> values;  // with what was added
  std::size_t widened = 0;
  bool by_time = false;
  double target = 0;
  std::vector<std::uint64_t> search_seeds;
  std::vector<std::string> references;  // whose best is the one for all: bsp, or the first strategy of the grid
  std::vector<std::string> notices;     // a sentence each
};

// What is searched, before anything starts: checks the request and tells what the search will be. Throws UserError.
struct Search {
  TuneRequest request;
  Grid grid;  // of the search: what is changed at every point for it
  bool by_time = false;
  double target = 0;
  std::vector<std::uint64_t> seeds;
  Planned planned;
  std::size_t final_runs = 0;  // of each of both stages behind it
  std::vector<std::string> notices;
};
Search prepare_search(const TuneRequest& request, Planner& planner);

// Searches, chooses, makes the final runs, and writes tuning.csv and tuning.json into the folder when all is there.
Tuning tune(const Search& search, Planner& planner, const Folder& folder, const Options& options);

}  // namespace psctl::sweep
