#include "sweep/tune.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "config/config.h"
#include "trace/line_file.h"

namespace psctl::sweep {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kFirstSearchSeed = 1001;
constexpr std::size_t kValidationShare = 10;  // a tenth of the training samples

const std::string* value_at(const Point& point, const std::string& key) {
  const auto found = std::ranges::find(point, key, &Point::value_type::first);
  return found == point.end() ? nullptr : &found->second;
}

Point without(const Point& point, const std::set<std::string>& keys) {
  Point rest;
  std::ranges::copy_if(point, std::back_inserter(rest), [&](const auto& pair) { return !keys.contains(pair.first); });
  return rest;
}

// The other axes: what strategies at one place of the grid have in common.
Point place_of(const Point& point) {
  Point rest;
  std::ranges::copy_if(point, std::back_inserter(rest),
                       [](const auto& pair) { return !pair.first.starts_with("strategy."); });
  return rest;
}

// "ssp(staleness=8)"; behind it the values of the other axes.
std::string label_of(const PlannedRun& run, const Point& point) {
  std::string label = sync::label(run.config.strategy);
  for (const auto& [key, value] : place_of(point)) label += fmt::format(" {}={}", key, value);
  return label;
}

// The grid with another axis of this key, or one more; without one for no values.
Grid with_axis(Grid grid, const std::string& key, std::vector<std::string> values) {
  std::erase_if(grid.axes, [&](const Axis& axis) { return axis.key == key; });
  if (!values.empty()) grid.axes.push_back({key, std::move(values)});
  return grid;
}

class Tuner {
 public:
  Tuner(const Search& search, Planner& planner, const Folder& folder, const Options& options)
      : search_(search), request_(search.request), planner_(planner), folder_(folder), options_(options) {
    tuning_.plan = search.planned.plan;
    tuning_.values = request_.values;
    tuning_.by_time = search.by_time;
    tuning_.target = search.target;
    tuning_.search_seeds = search.seeds;
  }

  Tuning run() {
    if (!carry_out(false)) return std::move(tuning_);
    choose();
    while (tuning_.widened < request_.widen && widen()) {
      if (!carry_out(false)) return std::move(tuning_);
      choose();
    }
    tell_edges();
    take_one_for_all();
    plan_final();
    if (!carry_out(true)) return std::move(tuning_);
    judge();
    write();
    return std::move(tuning_);
  }

 private:
  // False if not all of the plan is there.
  bool carry_out(bool last) {
    Options options = options_;
    options.more_to_come = !last;
    Outcome outcome = execute(tuning_.plan, folder_, options);
    Outcome& all = tuning_.outcome;
    all.made += outcome.made;
    all.done = outcome.done;
    all.wall_s += outcome.wall_s;
    all.children_cpu_s += outcome.children_cpu_s;
    all.interrupted = outcome.interrupted;
    all.failures = outcome.failures;
    return all.complete();
  }

  // The trials of all, and the best of each.
  void choose() {
    tuning_.choices.clear();
    std::map<std::string, std::size_t> numbers;
    std::map<std::string, std::map<double, std::vector<const PlannedRun*>>> runs;
    for (const PlannedRun& run : tuning_.plan.runs) {
      const Point point = without(run.point, {request_.key, "seed"});
      const std::string name = sweep::to_text(point);
      if (numbers.emplace(name, tuning_.choices.size()).second)
        tuning_.choices.push_back({.label = label_of(run, point), .point = point, .trials = {}});
      runs[name][to_double(*value_at(run.point, request_.key)).value()].push_back(&run);
    }
    for (const auto& [name, number] : numbers) {
      Choice& choice = tuning_.choices[number];
      std::vector<Candidate> candidates;
      for (const auto& [value, same] : runs[name]) candidates.push_back({value, folders_of(same)});
      choice.trials = read_trials(candidates);
      choice.best = best_of(choice.trials);
    }
  }

  // A value more where a best lies at the edge, for all; false if there is none, or no more is allowed there.
  bool widen() {
    std::vector<double>& values = tuning_.values;
    const auto best_is = [&](double value) {
      return std::ranges::any_of(tuning_.choices,
                                 [&](const Choice& choice) { return choice.trials[choice.best].value == value; });
    };
    bool grown = false;
    for (const double value : next_values(values, best_is(values.front()), best_is(values.back()))) {
      try {
        const Planned planned =
            make_plan(request_.config, with_axis(search_.grid, request_.key, {request_.word_of(value)}),
                      tuning_.plan.name, planner_, kSearch);
        tuning_.plan.runs.insert(tuning_.plan.runs.end(), planned.plan.runs.begin(), planned.plan.runs.end());
      } catch (const UserError& error) {
        notice(fmt::format("{} cannot be {}: {}", request_.key, request_.word_of(value), error.what()));
        continue;
      }
      values.insert(value < values.front() ? values.begin() : values.end(), value);
      notice(fmt::format("a best lies at the edge: {}={} is tried with all strategies too", request_.key,
                         request_.word_of(value)));
      grown = true;
    }
    tuning_.widened += grown;
    return grown;
  }

  void tell_edges() {
    for (const Choice& choice : tuning_.choices) {
      if (choice.all_diverged()) {
        notice(
            fmt::format("every run of the search diverged with {}, at {} from {} to {}: its best value is not known; "
                        "search smaller values",
                        choice.label, request_.key, request_.word_of(choice.trials.front().value),
                        request_.word_of(choice.trials.back().value)));
        continue;
      }
      if (!choice.at_edge()) continue;
      notice(fmt::format("the best {} of {}, {}, still lies at the edge of the grid", request_.key, choice.label,
                         request_.word_of(choice.trials[choice.best].value)));
    }
  }

  // BSP's best, else that of the first strategy, at each place of the other axes.
  void take_one_for_all() {
    std::set<std::string> references;
    for (Choice& choice : tuning_.choices) {
      const Choice* reference = nullptr;
      for (const Choice& other : tuning_.choices) {
        if (place_of(other.point) != place_of(choice.point)) continue;
        const std::string* name = value_at(other.point, "strategy.name");
        const bool is_bsp = name && *name == "bsp";
        if (!reference || is_bsp) reference = &other;
        if (is_bsp) break;
      }
      choice.one_for_all = reference->trials[reference->best].value;
      if (references.insert(reference->label).second) tuning_.references.push_back(reference->label);
    }
    notice(fmt::format("one {} for all is the best of {}", request_.key, enumerate(tuning_.references)));
  }

  void plan_final() {
    for (const char* stage : {kOneForAll, kOwnBest}) {
      for (const Choice& choice : tuning_.choices) {
        const double value = stage == kOneForAll ? choice.one_for_all : choice.trials[choice.best].value;
        const Grid grid = with_axis(request_.grid, request_.key, {request_.word_of(value)});
        const Planned planned = make_plan(request_.config, grid, tuning_.plan.name, planner_, stage);
        for (const PlannedRun& run : planned.plan.runs) {
          if (without(run.point, {request_.key, "seed"}) == choice.point) tuning_.plan.runs.push_back(run);
        }
      }
    }
  }

  void judge() {
    for (Choice& choice : tuning_.choices) {
      std::vector<const PlannedRun*> one, own;
      for (const PlannedRun& run : tuning_.plan.runs) {
        if (without(run.point, {request_.key, "seed"}) != choice.point) continue;
        if (run.stage == kOneForAll) one.push_back(&run);
        if (run.stage == kOwnBest) own.push_back(&run);
      }
      const Candidate candidates[] = {{choice.one_for_all, folders_of(one)},
                                      {choice.trials[choice.best].value, folders_of(own)}};
      std::vector<Trial> trials = read_trials(candidates);
      choice.at_one_for_all = std::move(trials[0]);
      choice.at_own_best = std::move(trials[1]);
    }
  }

  std::vector<std::string> folders_of(const std::vector<const PlannedRun*>& runs) const {
    std::vector<std::string> folders;
    for (const PlannedRun* run : runs) folders.push_back(folder_.path() + "/" + run->folder());
    return folders;
  }

  // Of a run that diverged the accuracy is null, and so is the mean where all did.
  static Json json_of(const Trial& trial) {
    Json accuracies = Json::array(), times = Json::array();
    for (const auto& accuracy : trial.accuracy)
      accuracies.push_back(accuracy.diverged ? Json(nullptr) : Json(accuracy.value));
    for (const auto& time : trial.time_s) times.push_back(time.censored ? Json(nullptr) : Json(time.value));
    const auto median = trial.median_time_s();
    return {{"value", trial.value},
            {"accuracy", std::move(accuracies)},
            {"mean_accuracy", trial.all_diverged() ? Json(nullptr) : Json(trial.mean_accuracy())},
            {"time_to_target_s", std::move(times)},
            {"median_time_to_target_s", median ? Json(*median) : Json(nullptr)},
            {"diverged", trial.diverged()}};
  }

  void write() const {
    Json root;
    root["format"] = 1;
    root["key"] = request_.key;
    root["values"] = tuning_.values;
    root["widened"] = tuning_.widened;
    root["criterion"] = tuning_.by_time ? "median_time_to_target_s" : "mean_accuracy";
    root["target_accuracy"] = tuning_.target > 0 ? Json(tuning_.target) : Json(nullptr);
    root["search_seeds"] = tuning_.search_seeds;
    root["one_for_all_from"] = tuning_.references;
    root["strategies"] = Json::array();
    std::string table =
        "strategy,stage,value,best,seeds,mean_accuracy,median_time_to_target_s,censored,diverged,"
        "factor_within_point,loss_one_step\n";
    for (const Choice& choice : tuning_.choices) {
      Json point = Json::object();
      for (const auto& [key, value] : choice.point) point[key] = value;
      Json trials = Json::array();
      for (const Trial& trial : choice.trials) trials.push_back(json_of(trial));
      root["strategies"].push_back({{"strategy", choice.label},
                                    {"point", std::move(point)},
                                    {"best", choice.trials[choice.best].value},
                                    {"at_edge", choice.at_edge()},
                                    {"factor_within_point", choice.factor_within_point()},
                                    {"loss_one_step", choice.loss_one_step()},
                                    {"search", std::move(trials)},
                                    {kOneForAll, json_of(*choice.at_one_for_all)},
                                    {kOwnBest, json_of(*choice.at_own_best)}});
      // Lists hold commas.
      const std::string text = choice.label;
      const std::string cell = text.find(',') == std::string::npos ? text : fmt::format("\"{}\"", text);
      const auto row = [&](const char* stage, const Trial& trial, bool best) {
        const auto median = trial.median_time_s();
        table += fmt::format(
            "{},{},{},{},{},{},{},{},{},{},{}\n", cell, stage, request_.word_of(trial.value), best ? 1 : 0,
            trial.accuracy.size(), trial.all_diverged() ? "" : fmt::format("{}", trial.mean_accuracy()),
            median ? fmt::format("{}", *median) : "", tuning_.by_time ? fmt::format("{}", trial.censored()) : "",
            trial.diverged(), best ? fmt::format("{}", choice.factor_within_point()) : "",
            best ? fmt::format("{}", choice.loss_one_step()) : "");
      };
      for (std::size_t i = 0; i < choice.trials.size(); ++i) row(kSearch, choice.trials[i], i == choice.best);
      row(kOneForAll, *choice.at_one_for_all, false);
      row(kOwnBest, *choice.at_own_best, false);
    }
    trace::write_whole(folder_.path() + "/tuning.csv", table);
    trace::write_whole(folder_.path() + "/tuning.json", root.dump(1) + "\n");
  }

  void notice(const std::string& text) {
    tuning_.notices.push_back(text);
    if (options_.notice) options_.notice(text);
  }

  const Search& search_;
  const TuneRequest& request_;
  Planner& planner_;
  const Folder& folder_;
  const Options& options_;
  Tuning tuning_;
};

// The seeds of the final runs: those of the grid, or the configuration's.
std::set<std::uint64_t> final_seeds(const Planned& planned) {
  std::set<std::uint64_t> seeds;
  for (const PlannedRun& run : planned.plan.runs) seeds.insert(run.config.seed);
  return seeds;
}

}  // namespace

void parse_tuned_key(const std::string& word, TuneRequest& request) {
  const auto refuse = [&](const std::string& why) {
    throw UserError(fmt::format("--tune {}: {}, as in --tune optimizer.learning_rate=0.01,0.1,1", word, why));
  };
  const Grid grid = parse_grid({word});
  if (grid.axes.size() != 1) refuse("expected a key with two values or more");
  request.key = grid.axes.front().key;
  for (const std::string& text : grid.axes.front().values) {
    const std::optional<double> value = to_double(text);
    if (!value || !(*value > 0) || !std::isfinite(*value)) {
      refuse(fmt::format("expected numbers above 0, found '{}'", text));
    }
    const auto [same, is_new] = request.words.emplace(*value, text);
    if (is_new) request.values.push_back(*value);
    if (same->second != text) refuse(fmt::format("'{}' and '{}' are one number", same->second, text));
  }
  std::ranges::sort(request.values);
  if (request.values.size() < 2) refuse("expected two different values or more");
}

std::string TuneRequest::word_of(double value) const {
  const auto found = words.find(value);
  return found == words.end() ? fmt::format("{}", value) : found->second;
}

bool Choice::all_diverged() const { return std::ranges::all_of(trials, &Trial::all_diverged); }

double Choice::factor_within_point() const {
  const auto near = [&](std::size_t i) { return trials[i].mean_accuracy() >= trials[best].mean_accuracy() - kPoint; };
  std::size_t low = best, high = best;
  while (low > 0 && near(low - 1)) --low;
  while (high + 1 < trials.size() && near(high + 1)) ++high;
  return trials[high].value / trials[low].value;
}

double Choice::loss_one_step() const {
  double worst = 0;
  const double here = trials[best].mean_accuracy();
  if (best > 0) worst = std::max(worst, here - trials[best - 1].mean_accuracy());
  if (best + 1 < trials.size()) worst = std::max(worst, here - trials[best + 1].mean_accuracy());
  return worst;
}

Search prepare_search(const TuneRequest& request, Planner& planner) {
  Search search{.request = request, .grid = {}, .seeds = {}, .planned = {}, .notices = {}};
  const std::string& key = request.key;
  if (request.seeds == 0) throw UserError("--tune-seeds: expected 1 or more");
  // A strategy's own parameter is not one of all; another task, cluster or end would be another question.
  if (!key.starts_with("optimizer.") && key != "data.batch_size") {
    throw UserError(fmt::format(
        "--tune {}: it is to be tuned for every strategy alike, on the same task; name a key of optimizer, or "
        "data.batch_size",
        key));
  }
  const auto is_given = [&](const std::vector<std::string>& changes) {
    return std::ranges::any_of(changes, [&](const std::string& change) { return change.starts_with(key + "="); });
  };
  if (is_given(request.grid.changes) ||
      std::ranges::any_of(request.grid.axes, [&](const Axis& axis) { return axis.key == key; })) {
    throw UserError(fmt::format("{} is tuned, and given too; give it to --tune alone", key));
  }
  if (!request.grid.include.empty()) {
    throw UserError("include: with --tune every point is one of the grid; give it as an axis");
  }
  // What the final runs will be, whichever value they get.
  const Planned final_runs = make_plan(
      request.config, with_axis(request.grid, key, {request.word_of(request.values.front())}), request.name, planner);
  search.notices = final_runs.notices;
  search.final_runs = final_runs.plan.runs.size();
  std::set<std::string> strategies;
  for (const PlannedRun& run : final_runs.plan.runs) strategies.insert(run.config.strategy.name);
  const config::RunConfig& first = final_runs.plan.runs.front().config;
  for (const PlannedRun& run : final_runs.plan.runs) {
    const config::RunConfig& config = run.config;
    if (config.model.kind == learn::ModelKind::kNone) {
      throw UserError(fmt::format("--tune {}: with model.kind: none there is no accuracy to tune for", key));
    }
    if (config.evaluate.every_updates && strategies.size() > 1) {
      throw UserError(
          "evaluate.every_updates: an update is not the same amount of work under two strategies, so their searches "
          "would not be equal; give evaluate.every_epochs or evaluate.every_s");
    }
    if (config.evaluate.on != learn::EvaluateOn::kTest) {
      throw UserError(
          "evaluate.on: the search looks at validation samples by itself, the final runs at test; remove it");
    }
    const auto target_of = [](const config::RunConfig& each) {
      return std::max(each.evaluate.target_accuracy, each.stop.target_accuracy.value_or(0));
    };
    if (target_of(config) != target_of(first)) {
      throw UserError("evaluate.target_accuracy: one target for all is needed to tune");
    }
    search.target = target_of(config);
  }
  search.by_time = search.target > 0;

  const std::set<std::uint64_t> taken = final_seeds(final_runs);
  for (std::uint64_t seed = kFirstSearchSeed; search.seeds.size() < request.seeds; ++seed) {
    if (!taken.contains(seed)) search.seeds.push_back(seed);
  }
  search.grid = request.grid;
  const PlannedRun& run = final_runs.plan.runs.front();
  const data::DataConfig& data = first.data;
  if (data.validation.count == 0 && run.data->prepared->size(data::Part::kValidation) == 0) {
    std::size_t samples = run.data->prepared->size(data::Part::kTrain) - data.test.count;
    if (data.train_limit > 0) samples = std::min(samples, data.train_limit);
    search.grid.changes.push_back(fmt::format("data.validation={}", samples / kValidationShare));
    search.notices.push_back(
        fmt::format("the search keeps a tenth of the training samples back to judge on, "
                    "data.validation={}; the final runs train on all of them",
                    samples / kValidationShare));
  }
  search.grid.changes.push_back("evaluate.on=validation");
  std::erase_if(search.grid.changes, [](const std::string& change) { return change.starts_with("seed="); });
  std::vector<std::string> values, seeds;
  for (const double value : request.values) values.push_back(request.word_of(value));
  for (const std::uint64_t seed : search.seeds) seeds.push_back(std::to_string(seed));
  std::erase_if(search.grid.exclude, [](const Point& point) { return value_at(point, "seed"); });
  search.grid = with_axis(std::move(search.grid), "seed", seeds);
  search.planned = make_plan(request.config, with_axis(search.grid, key, values), request.name, planner, kSearch);
  search.planned.plan.axes = request.grid.axes;
  search.planned.plan.axes.push_back({key, values});
  if (search.planned.plan.name.empty()) search.planned.plan.name = first.name + "-sweep";
  search.notices.push_back(fmt::format(
      "the search: {} of {} for each strategy, {} and {}, judged by {} on validation samples",
      counted(request.values.size(), "value"), key, counted(search.seeds.size(), "seed"), "the same for all",
      search.by_time ? fmt::format("the median time to an accuracy of {}", search.target)
                     : "the mean accuracy at the end"));
  return search;
}

Tuning tune(const Search& search, Planner& planner, const Folder& folder, const Options& options) {
  return Tuner(search, planner, folder, options).run();
}

}  // namespace psctl::sweep
