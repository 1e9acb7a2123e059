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

std::optional<double> median(std::vector<Measured> values) {
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values, {}, [](const Measured& m) { return std::pair(m.censored, m.value); });
  const std::size_t middle = values.size() / 2;
  if (values[middle].censored) return std::nullopt;
  return values.size() % 2 == 1 ? values[middle].value : (values[middle - 1].value + values[middle].value) / 2;
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

double Tried::mean_accuracy() const {
  double sum = 0;
  for (double value : accuracy) sum += value;
  return accuracy.empty() ? 0 : sum / static_cast<double>(accuracy.size());
}

std::optional<double> Tried::median_time_s() const { return median(time_s); }

std::size_t best_of(const std::vector<Tried>& tried) {
  PSCTL_CHECK(!tried.empty());
  std::size_t best = 0;
  const auto score = [](const Tried& one) {
    return std::pair(one.median_time_s().value_or(std::numeric_limits<double>::infinity()), -one.mean_accuracy());
  };
  for (std::size_t i = 1; i < tried.size(); ++i) {
    if (score(tried[i]) < score(tried[best])) best = i;
  }
  return best;
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
    const std::size_t classes = presets_[of.first].classes;
    for (const Cell& cell : cells(of.first, of.second)) {
      Chosen chosen;
      for (double rate : grid) {
        Tried tried{.rate = rate, .accuracy = {}, .time_s = {}};
        std::vector<RunFigures> runs;
        double longest_s = 0;
        for (const std::string& name : searches_.at({cell, rate})) {
          if (auto run = read_figures(folder + "/" + name)) {
            longest_s = std::max(longest_s, run->numbers.at("time_s"));
            runs.push_back(std::move(*run));
          } else {  // a run that failed chooses no rate
            tried.accuracy.push_back(0);
            tried.time_s.push_back({.value = longest_s, .censored = true});
          }
        }
        for (const RunFigures& run : runs) {
          tried.accuracy.push_back(measured(run, "final_accuracy", classes, longest_s)->value);
          if (run.numbers.contains("target_accuracy")) {
            tried.time_s.push_back(*measured(run, "time_to_target_s", classes, longest_s));
          }
        }
        chosen.tried.push_back(std::move(tried));
      }
      const std::size_t best = best_of(chosen.tried);
      chosen.best = chosen.tried[best].rate;
      chosen.at_edge = best == 0 || best + 1 == chosen.tried.size();
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
    std::vector<double> more;
    // Rounded to three digits, so that grids that grew alike stay alike.
    const auto rounded = [](double rate) { return std::stod(fmt::format("{:.3g}", rate)); };
    if (low) more.push_back(rounded(grid[0] * grid[0] / grid[1]));
    if (high) more.push_back(rounded(grid.back() * grid.back() / grid[grid.size() - 2]));
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

// Where the grid could not be widened far enough.
void Campaign::tell_edges() {
  for (const auto& [of, grid] : grids_) {
    const Preset& preset = presets_[of.first];
    const Study& one = preset.studies[of.second];
    std::vector<std::string> edges;
    for (const Cell& cell : cells(of.first, of.second)) {
      if (one.rates != Rates::kSearch || !chosen_.at(cell).at_edge) continue;
      edges.push_back(fmt::format("{}{} ({:g})", one.contenders[cell.contender].name,
                                  one.settings.size() > 1 ? " in " + one.settings[cell.setting].name() : "",
                                  chosen_.at(cell).best));
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

std::optional<RunFigures> read_figures(const std::string& folder) {
  RunFigures run;
  std::ifstream file(folder + "/summary.json", std::ios::binary);
  const auto summary = nlohmann::json::parse(file, nullptr, false);
  if (!summary.is_object() || summary.value("status", "") != "done") return std::nullopt;
  for (const auto& [key, value] : summary.items()) {
    if (value.is_number()) run.numbers.emplace(key, value.get<double>());
  }
  run.diverged = summary.value("diverged", false);
  run.stop = summary.value("stop", "");
  std::ifstream evals(folder + "/evals.csv");
  std::string line;
  std::getline(evals, line);
  while (std::getline(evals, line)) {
    double fields[7] = {};
    std::size_t begin = 0;
    for (double& field : fields) {
      const std::size_t end = std::min(line.find(',', begin), line.size());
      field = std::strtod(line.substr(begin, end - begin).c_str(), nullptr);
      begin = std::min(end + 1, line.size());
    }
    run.looks.push_back({.time_s = fields[0], .accuracy = fields[6], .updates = fields[1]});
  }
  return run;
}

std::optional<Measured> measured(const RunFigures& run, std::string_view measure, std::size_t classes, double longest_s,
                                 std::optional<double> target) {
  const auto number = [&](std::string_view key) -> std::optional<double> {
    const auto found = run.numbers.find(key);
    return found == run.numbers.end() ? std::nullopt : std::optional(found->second);
  };
  const double end_s = number("time_s").value_or(0);
  const Measured missed{.value = run.diverged ? std::max(longest_s, end_s) : end_s, .censored = true};
  if (measure == "final_accuracy") {
    if (run.diverged) return Measured{.value = 1.0 / static_cast<double>(classes), .censored = false};
  } else if (measure == "time_to_target_s") {
    if (!number("target_accuracy")) return std::nullopt;
    if (run.diverged || !number(measure)) return missed;
  } else if (measure == "updates_to_target") {
    const auto reached = number("time_to_target_s");
    const auto look =
        std::ranges::find_if(run.looks, [&](const Look& one) { return reached && one.time_s > *reached - 1e-9; });
    if (run.diverged || look == run.looks.end())
      return Measured{.value = number("updates").value_or(0), .censored = true};
    return Measured{.value = look->updates, .censored = false};
  } else if (measure == "updates_per_s") {
    if (!(end_s > 0) || !number("updates")) return std::nullopt;
    return Measured{.value = *number("updates") / end_s, .censored = false};
  } else if (reference_of(measure)) {
    if (!target) return std::nullopt;
    // As the time to a target is everywhere: the first of two looks in a row; the last counts alone.
    for (std::size_t i = 0; !run.diverged && i < run.looks.size(); ++i) {
      const bool next = i + 1 == run.looks.size() || run.looks[i + 1].accuracy >= *target;
      if (run.looks[i].accuracy >= *target && next) return Measured{.value = run.looks[i].time_s, .censored = false};
    }
    return missed;
  } else if (measure == "time_to_plateau_s") {
    return !run.diverged && run.stop == "plateau" ? Measured{.value = end_s, .censored = false} : missed;
  } else if (measure == "time_s" && run.diverged) {
    return missed;
  }
  const auto found = number(measure);
  return found ? std::optional(Measured{.value = *found, .censored = false}) : std::nullopt;
}

}  // namespace psctl::reproduce
