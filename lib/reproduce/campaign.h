// The runs that presets ask for, and what came of them: the search for rates, then every study on its seeds. What two
// studies share is run once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "reproduce/preset.h"
#include "sweep/plan.h"
#include "sweep/search.h"

namespace psctl::reproduce {

// By which rate the runs of a study were made; each has a verdict of its own.
enum class Mode { kGiven, kOneForAll, kOwnBest, kFailing };
const char* word(Mode mode);  // "given", "one rate for all", "each its best", "where others fail"

struct Chosen {
  std::vector<sweep::Trial> tried;  // by rate, ascending; on validation samples
  double best = 0;
  bool at_edge = false;       // of the grid, after the last widening
  bool all_diverged = false;  // every run at every rate: the best is not known
};

// Throws UserError where the runs of a study will not tell what a claim asks for: the time to a target that they do not
// have, the accuracy of steps alone.
void check_measures(const std::vector<Preset>& presets);

// One contender in one setting of one study, by their places in the preset.
struct Cell {
  std::size_t preset = 0, study = 0, setting = 0, contender = 0;
  friend auto operator<=>(const Cell&, const Cell&) = default;
};

class Campaign {
 public:
  // Presets must outlive it. Throws UserError where a preset describes what cannot be run.
  Campaign(const std::vector<Preset>& presets, sweep::Planner& planner);

  // All runs that are known to be wanted. It grows: first the search and what needs none; then, with what `folder`
  // holds of it, wider grids; then the rest. `grow` returns false when nothing is missing any more.
  const sweep::Plan& plan() const { return plan_; }
  bool grow(const std::string& folder);
  // Whether the next call of grow may add runs.
  bool more_to_come() const { return stage_ == Stage::kSearch && !grids_.empty(); }
  // What comes when rates are chosen, for an estimate: the most runs, and the first seed of them at a rate in
  // the middle of the grid.
  struct Expected {
    std::size_t runs = 0;
    sweep::Plan sample;
  };
  Expected expected_more() const;

  // How a cell came out in every seed under one mode: the runs' folders.
  struct Result {
    std::optional<double> rate;
    std::vector<std::string> folders;  // relative to that of the campaign
  };
  const std::map<std::pair<Cell, Mode>, Result>& results() const { return results_; }
  const std::map<Cell, Chosen>& chosen() const { return chosen_; }
  const std::vector<Preset>& presets() const { return presets_; }
  const std::vector<std::string>& notices() const { return notices_; }

 private:
  enum class Stage { kSearch, kFinal, kDone };
  std::string add(const Cell& cell, std::optional<double> rate, std::uint64_t seed, bool search,
                  sweep::Plan& plan) const;
  void add_search(const Cell& cell, const std::vector<double>& rates);
  void add_final(const Cell& cell, Mode mode, std::optional<double> rate);
  bool widen(const std::string& folder);
  void choose(const std::string& folder);
  void tell_edges();
  void add_finals();
  void add_finals(std::size_t preset, std::size_t of, std::size_t searched);
  std::vector<Cell> cells(std::size_t preset, std::size_t study) const;
  const Study& study(const Cell& cell) const { return presets_[cell.preset].studies[cell.study]; }

  const std::vector<Preset>& presets_;
  sweep::Planner& planner_;
  sweep::Plan plan_;
  mutable std::map<std::string, std::string> ids_;                            // of runs, by what they were asked for as
  std::map<std::pair<Cell, double>, std::vector<std::string>> searches_;      // folders, one a seed
  std::map<std::pair<std::size_t, std::size_t>, std::vector<double>> grids_;  // of a study
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> widened_;
  std::map<Cell, Chosen> chosen_;
  std::map<std::pair<Cell, Mode>, Result> results_;
  std::vector<std::string> notices_;
  Stage stage_ = Stage::kSearch;
};

}  // namespace psctl::reproduce
