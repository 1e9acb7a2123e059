#include "reproduce/campaign.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "config/config.h"

namespace psctl::reproduce {
namespace {

// Seeds of a search, so that no final run has one of them.
constexpr std::uint64_t kFirstSearchSeed = 1001;
constexpr const char* kRate = "optimizer.learning_rate";

Changes drawn_changes(const std::vector<Drawn>& drawn, std::size_t workers, std::uint64_t seed) {
  Changes changes;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    std::string list;
    for (std::size_t worker = 0; worker < workers; ++worker) {
      Draws draws({.seed = seed, .purpose = Purpose::kCluster, .worker = worker, .step = i});
      const double value = drawn[i].low + (drawn[i].high - drawn[i].low) * draws.uniform();
      list += fmt::format("{}{:.3f}", list.empty() ? "" : ", ", value);
    }
    changes.push_back(fmt::format("{}=[{}]", drawn[i].key, list));
  }
  return changes;
}

// Throws UserError where the runs of a study cannot tell what a claim asks for, which would be found out after hours.
void check_tells(const Preset& preset, const Study& of, const Setting& setting, const Claim& claim) {
  Changes changes = of.changes;
  std::ranges::copy(setting.changes, std::back_inserter(changes));
  changes.push_back("strategy=" + of.contenders.front().strategy);
  const config::RunConfig run = config::load_text(preset.base, preset.file, changes).run;
  const std::string& measure = claim.measure;
  const auto needs = [&](bool met, const char* what) {
    if (met) return;
    throw UserError(fmt::format("{}, claim {}: {} needs {}, and runs of {} in {} have none", preset.file, claim.id,
                                measure, what, of.name, setting.name()));
  };
  const bool of_target = measure == "time_to_target_s" || measure == "updates_to_target";
  const bool of_model =
      of_target || measure.starts_with("final_") || measure == "time_to_plateau_s" || reference_of(measure).has_value();
  needs(!of_model || run.model.kind != learn::ModelKind::kNone, "a model");
  needs(!of_target || run.evaluate.target_accuracy > 0 || run.stop.target_accuracy, "a target_accuracy");
  if (run.evaluate.every_updates) {
    throw UserError(fmt::format(
        "{}, study {}: evaluate.every_updates: an update is not the same amount of work under two strategies, so their "
        "runs cannot be compared; use every_epochs or every_s",
        preset.file, of.name));
  }
  needs(measure != "time_to_plateau_s" || run.stop.plateau, "a stop.plateau");
}

}  // namespace

const char* word(Mode mode) {
  switch (mode) {
    case Mode::kOneForAll:
      return "one rate for all";
    case Mode::kOwnBest:
      return "each its best";
    case Mode::kFailing:
      return "where others fail";
    case Mode::kGiven:
      break;
  }
  return "given";
}

void check_measures(const std::vector<Preset>& presets) {
  for (const Preset& preset : presets) {
    for (const Claim& claim : preset.claims) {
      const Study& of = preset.study(claim.study);
      if (of.kind != StudyKind::kRuns) continue;
      const Setting* before = nullptr;
      for (const Setting& setting : of.settings) {
        if (!before || before->profile != setting.profile) check_tells(preset, of, setting, claim);
        before = &setting;
      }
    }
  }
}

Campaign::Campaign(const std::vector<Preset>& presets, sweep::Planner& planner) : presets_(presets), planner_(planner) {
  plan_.name = "reproduce";
  for (std::size_t p = 0; p < presets.size(); ++p) {
    for (std::size_t s = 0; s < presets[p].studies.size(); ++s) {
      const Study& of = presets[p].studies[s];
      if (of.kind != StudyKind::kRuns) continue;
      if (!of.rates_from.empty()) continue;
      if (of.rates != Rates::kGiven) grids_[{p, s}] = presets[p].grid(of);
      for (const Cell& cell : cells(p, s)) {
        if (of.rates == Rates::kGiven) {
          add_final(cell, Mode::kGiven, std::nullopt);
        } else {
          add_search(cell, presets[p].grid(of));
        }
      }
    }
  }
}

std::vector<Cell> Campaign::cells(std::size_t preset, std::size_t of) const {
  std::vector<Cell> all;
  const Study& one = presets_[preset].studies[of];
  for (std::size_t setting = 0; setting < one.settings.size(); ++setting) {
    for (std::size_t contender = 0; contender < one.contenders.size(); ++contender) {
      all.push_back({.preset = preset, .study = of, .setting = setting, .contender = contender});
    }
  }
  return all;
}

// The run's folder, in that of the campaign.
std::string Campaign::add(const Cell& cell, std::optional<double> rate, std::uint64_t seed, bool search,
                          sweep::Plan& plan) const {
  const Preset& preset = presets_[cell.preset];
  const Study& of = study(cell);
  const Setting& setting = of.settings[cell.setting];
  const Contender& contender = of.contenders[cell.contender];
  Changes changes = of.changes;
  std::ranges::copy(setting.changes, std::back_inserter(changes));
  changes.push_back("strategy=" + contender.strategy);
  if (rate) changes.push_back(fmt::format("{}={}", kRate, *rate));
  changes.push_back(fmt::format("seed={}", seed));
  if (search || !setting.drawn.empty()) {
    const config::RunConfig plain = config::load_text(preset.base, preset.file, changes).run;
    std::ranges::copy(drawn_changes(setting.drawn, plain.cluster.workers, seed), std::back_inserter(changes));
    if (search) {  // samples that no final run is judged on; it trains on as many as a final run does
      const std::size_t limit = plain.data.train_limit;
      if (limit > 0) changes.push_back(fmt::format("data.train_limit={}", limit + preset.search.validation));
      changes.push_back(fmt::format("data.validation={}", preset.search.validation));
      changes.push_back("evaluate.on=validation");
    }
  }
  std::string asked = preset.base;
  for (const std::string& change : changes) asked += "\n" + change;
  const auto known = ids_.find(asked);
  if (known != ids_.end()) return known->second;

  sweep::Point point = {{"paper", preset.name},
                        {"study", of.name},
                        {"setting", config::to_line(config::Node::word(setting.name()))},
                        {"contender", contender.name},
                        {"seed", std::to_string(seed)}};
  try {
    sweep::PlannedRun run = planner_.plan(config::load_text(preset.base, preset.file, changes).run, std::move(point),
                                          search ? "search" : "final", changes);
    std::string folder = run.folder();
    const bool there = std::ranges::find(plan.runs, run.id, &sweep::PlannedRun::id) != plan.runs.end();
    if (!there) plan.runs.push_back(std::move(run));
    if (&plan == &plan_) ids_.emplace(std::move(asked), folder);
    return folder;
  } catch (const UserError& error) {
    throw UserError(
        fmt::format("{}, study {}, {} in {}: {}", preset.file, of.name, contender.name, setting.name(), error.what()));
  }
}

void Campaign::add_search(const Cell& cell, const std::vector<double>& rates) {
  for (double rate : rates) {
    std::vector<std::string>& folders = searches_[{cell, rate}];
    for (std::size_t i = 0; i < presets_[cell.preset].search.seeds; ++i) {
      folders.push_back(add(cell, rate, kFirstSearchSeed + i, true, plan_));
    }
  }
}

void Campaign::add_final(const Cell& cell, Mode mode, std::optional<double> rate) {
  Result result{.rate = rate, .folders = {}};
  for (std::size_t i = 0; i < study(cell).seeds; ++i) result.folders.push_back(add(cell, rate, 1 + i, false, plan_));
  results_[{cell, mode}] = std::move(result);
}

void Campaign::choose(const std::string& folder) {
  chosen_.clear();
  for (const auto& [of, grid] : grids_) {
    for (const Cell& cell : cells(of.first, of.second)) {
      std::vector<sweep::Candidate> candidates;
      for (double rate : grid) {
        sweep::Candidate& candidate = candidates.emplace_back(sweep::Candidate{.value = rate});
        for (const std::string& name : searches_.at({cell, rate})) candidate.folders.push_back(folder + "/" + name);
      }
      Chosen chosen{.tried = sweep::read_trials(candidates)};
      const std::size_t best = sweep::best_of(chosen.tried);
      chosen.best = chosen.tried[best].value;
      chosen.at_edge = best == 0 || best + 1 == chosen.tried.size();
      chosen.all_diverged = std::ranges::all_of(chosen.tried, &sweep::Trial::all_diverged);
      chosen_[cell] = std::move(chosen);
    }
  }
}

// A best at the edge of a study's grid widens it for all contenders, by the step that it has there.
bool Campaign::widen(const std::string& folder) {
  choose(folder);
  bool grown = false;
  for (auto& [of, grid] : grids_) {
    const Preset& preset = presets_[of.first];
    if (preset.studies[of.second].rates != Rates::kSearch || widened_[of] >= preset.search.widen) continue;
    bool low = false, high = false;
    for (const Cell& cell : cells(of.first, of.second)) {
      low = low || chosen_.at(cell).best == grid.front();
      high = high || chosen_.at(cell).best == grid.back();
    }
    const std::vector<double> more = sweep::next_values(grid, low, high);
    if (more.empty()) continue;
    for (const Cell& cell : cells(of.first, of.second)) add_search(cell, more);
    std::ranges::copy(more, std::back_inserter(grid));
    std::ranges::sort(grid);
    ++widened_[of];
    grown = true;
  }
  return grown;
}

void Campaign::add_finals() {
  for (const auto& [of, grid] : grids_) {
    const Preset& preset = presets_[of.first];
    const Study& one = preset.studies[of.second];
    for (std::size_t setting = 0; setting < one.settings.size(); ++setting) {
      const auto cell_of = [&](const std::string& contender) {
        return Cell{of.first, of.second, setting,
                    static_cast<std::size_t>(one.find(contender) - one.contenders.data())};
      };
      if (one.rates != Rates::kSearch) {
        std::optional<double> rate;
        for (std::size_t i = 0; i < grid.size() && !rate; ++i) {
          const bool all = std::ranges::all_of(one.failing, [&](const std::string& contender) {
            return chosen_.at(cell_of(contender)).tried[i].mean_accuracy() < one.failing_below;
          });
          if (all) rate = grid[i];
        }
        if (!rate) {
          notices_.push_back(fmt::format("{}, study {}: at no rate from {:g} to {:g} do {} all end below {:g} %",
                                         preset.name, one.name, grid.front(), grid.back(), enumerate(one.failing),
                                         100 * one.failing_below));
          continue;
        }
        for (const Contender& contender : one.contenders) add_final(cell_of(contender.name), Mode::kFailing, rate);
        continue;
      }
      add_finals(of.first, of.second, of.second);
      break;
    }
  }
  for (std::size_t p = 0; p < presets_.size(); ++p) {
    for (std::size_t s = 0; s < presets_[p].studies.size(); ++s) {
      const std::string& from = presets_[p].studies[s].rates_from;
      if (!from.empty())
        add_finals(p, s, static_cast<std::size_t>(&presets_[p].study(from) - presets_[p].studies.data()));
    }
  }
}

// With the rates that were found for `searched`, contender by contender, in the same setting, else in the first one of
// the same profile, else in the first one.
void Campaign::add_finals(std::size_t preset, std::size_t of, std::size_t searched) {
  const Study& one = presets_[preset].studies[of];
  const Study& source = presets_[preset].studies[searched];
  for (const Cell& cell : cells(preset, of)) {
    const Setting& setting = one.settings[cell.setting];
    auto there =
        std::ranges::find_if(source.settings, [&](const Setting& other) { return other.name() == setting.name(); });
    if (there == source.settings.end()) there = std::ranges::find(source.settings, setting.profile, &Setting::profile);
    if (there == source.settings.end()) there = source.settings.begin();
    const auto best = [&](const std::string& contender) {
      const Contender* found = source.find(contender);
      PSCTL_CHECK(found);
      return chosen_
          .at({preset, searched, static_cast<std::size_t>(there - source.settings.begin()),
               static_cast<std::size_t>(found - source.contenders.data())})
          .best;
    };
    add_final(cell, Mode::kOneForAll, best(presets_[preset].search.reference));
    add_final(cell, Mode::kOwnBest, best(one.contenders[cell.contender].name));
  }
}

// Where the grid could not be widened far enough, or nothing in it trains.
void Campaign::tell_edges() {
  for (const auto& [of, grid] : grids_) {
    const Preset& preset = presets_[of.first];
    const Study& one = preset.studies[of.second];
    std::vector<std::string> edges, diverged;
    for (const Cell& cell : cells(of.first, of.second)) {
      const Chosen& chosen = chosen_.at(cell);
      const std::string name = one.contenders[cell.contender].name +
                               (one.settings.size() > 1 ? " in " + one.settings[cell.setting].name() : std::string());
      if (one.rates != Rates::kSearch) continue;
      if (chosen.all_diverged) {
        diverged.push_back(name);
      } else if (chosen.at_edge) {
        edges.push_back(fmt::format("{} ({:g})", name, chosen.best));
      }
    }
    if (!diverged.empty()) {
      notices_.push_back(
          fmt::format("{}, study {}: at every rate from {:g} to {:g} all runs of the search diverged, for "
                      "{}: the best rate is not known",
                      preset.name, one.name, grid.front(), grid.back(), enumerate(diverged)));
    }
    if (edges.empty()) continue;
    notices_.push_back(fmt::format("{}, study {}: the best rate is still at the edge of the grid, {:g} to {:g}, for {}",
                                   preset.name, one.name, grid.front(), grid.back(), enumerate(edges)));
  }
}

bool Campaign::grow(const std::string& folder) {
  if (stage_ == Stage::kDone) return false;
  if (stage_ == Stage::kFinal || grids_.empty()) {
    stage_ = Stage::kDone;
    return false;
  }
  if (widen(folder)) return true;
  tell_edges();
  add_finals();
  stage_ = Stage::kFinal;
  return true;
}

Campaign::Expected Campaign::expected_more() const {
  Expected more;
  more.sample.name = plan_.name;
  for (std::size_t p = 0; p < presets_.size(); ++p) {
    for (std::size_t s = 0; s < presets_[p].studies.size(); ++s) {
      const Study& of = presets_[p].studies[s];
      if (of.kind != StudyKind::kRuns || of.rates == Rates::kGiven) continue;
      const std::vector<double>& grid = presets_[p].grid(of);
      for (const Cell& cell : cells(p, s)) {
        add(cell, grid[grid.size() / 2], 1, false, more.sample);
        more.runs += of.seeds * (of.rates == Rates::kSearch ? 2 : 1);
      }
    }
  }
  return more;
}

}  // namespace psctl::reproduce
