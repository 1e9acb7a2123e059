#include "results/outcome.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "results/filter.h"
#include "stats/survival.h"
#include "stats/sustained.h"

namespace psctl::results {
namespace {

constexpr double kRounding = 1e-9;  // relative, of numbers in files; in seconds of times

// Of a run that is done.
Outcome missed(const Run& run, double end, double horizon) {
  return {.value = run.diverged() ? std::max(end, horizon) : end, .censored = true, .diverged = run.diverged()};
}

std::optional<Outcome> plain(std::optional<double> value) {
  if (!value) return std::nullopt;
  return Outcome{.value = *value, .resolution = kRounding * std::abs(*value)};
}

// The part of a run's samples that may be under way when it ends.
std::optional<double> end_part(const Run& run) {
  const auto used = run.number("samples_used"), updates = run.number("updates");
  const auto workers = as_number(run.config("cluster.workers").value_or(""));
  const auto batch = as_number(run.config("data.batch_size").value_or(""));
  if (!used || !workers || !batch) return std::nullopt;
  const double batches = *used > 0 ? *workers * *batch / *used : 1, update = updates && *updates > 0 ? 1 / *updates : 0;
  return std::min(1.0, std::max(batches, update));
}

std::optional<Outcome> per_second(const Run& run, std::string_view count) {
  const auto counted = run.number(count), seconds = run.number("time_s");
  if (!counted || !seconds || *seconds <= 0) return std::nullopt;
  Outcome outcome{.value = *counted / *seconds};
  if (const auto part = end_part(run)) outcome.resolution = outcome.value * *part;
  return outcome;
}

// The time between evaluations as the configuration asks for them.
std::optional<double> evaluation_grid_s(const Run& run) {
  if (const auto every = as_number(run.config("evaluate.every_s").value_or(""))) return every;
  const auto every = as_number(run.config("evaluate.every_epochs").value_or(""));
  const auto epochs = run.number("epochs"), end_s = run.number("time_s");
  if (!every || !epochs || *epochs <= 0 || !end_s) return std::nullopt;
  return *every * *end_s / *epochs;
}

// `evaluations`: of the run; empty where there is no such file.
Outcome reached_at(const Run& run, double time_s, std::span<const Evaluation> evaluations) {
  Outcome outcome{.value = time_s};
  double before = 0;
  for (const Evaluation& evaluation : evaluations) {
    if (evaluation.time_s < time_s - kRounding) before = std::max(before, evaluation.time_s);
  }
  outcome.resolution = evaluations.empty() ? evaluation_grid_s(run) : time_s - before;
  return outcome;
}

// None of a file that is damaged: the time to the target stands in the summary, too.
std::vector<Evaluation> readable_evals(const Run& run) {
  try {
    return run.evals();
  } catch (const WorldError&) {
    return {};
  }
}

// The version of the evaluation at which the run reached its target.
std::optional<Outcome> updates_to_target(const Run& run) {
  const auto reached = run.number("time_to_target_s");
  if (!reached) return std::nullopt;
  double before = 0;
  for (const Evaluation& evaluation : run.evals()) {
    const auto version = static_cast<double>(evaluation.version);
    if (evaluation.time_s > *reached - kRounding) return Outcome{.value = version, .resolution = version - before};
    before = version;
  }
  return std::nullopt;
}

// A test sample's part of an accuracy.
std::optional<double> test_sample(const Run& run) {
  std::optional<double> samples = run.number("test_samples");
  if (!samples) {  // psctl writes it into made.json
    try {
      const auto made = run.made();
      const auto found = made.find("test_samples");
      if (found != made.end() && found->is_number()) samples = found->get<double>();
    } catch (const UserError&) {  // damaged
    }
  }
  return samples && *samples > 0 ? std::optional(1 / *samples) : std::nullopt;
}

bool is_quality(std::string_view measure) {
  return measure != "target_accuracy" && (measure.ends_with("_accuracy") || measure.ends_with("_loss"));
}

template <class Runs, class Deref>
Horizon horizon(const Runs& runs, Deref deref) {
  Horizon horizon;
  bool all_diverged = true;
  for (const auto& each : runs) {
    const Run& run = deref(each);
    if (run.status() != Status::kDone) continue;
    horizon.time_s = std::max(horizon.time_s, run.number("time_s").value_or(0));
    horizon.updates = std::max(horizon.updates, run.number("updates").value_or(0));
    if (run.diverged()) continue;
    all_diverged = false;
    horizon.accuracy = std::min(horizon.accuracy, run.number("final_accuracy").value_or(1));
  }
  for (const auto& each : runs) {
    const Run& run = deref(each);
    if (!all_diverged || run.status() != Status::kDone) continue;
    horizon.time_s = std::max(horizon.time_s, as_number(run.config("stop.time_s").value_or("")).value_or(0));
  }
  return horizon;
}

}  // namespace

const char* key_of(Metric metric) {
  switch (metric) {
    case Metric::kTimeToTarget:
      return "time_to_target_s";
    case Metric::kFinalAccuracy:
      return "final_accuracy";
    case Metric::kThroughput:
      return "samples_per_s";
  }
  return "";
}

const char* title_of(Metric metric) {
  switch (metric) {
    case Metric::kTimeToTarget:
      return "time to target";
    case Metric::kFinalAccuracy:
      return "final accuracy";
    case Metric::kThroughput:
      return "samples used per second";
  }
  return "";
}

bool is_ratio(Metric metric) { return metric != Metric::kFinalAccuracy; }
bool less_is_better(Metric metric) { return metric == Metric::kTimeToTarget; }

Horizon horizon_of(std::span<const Run* const> runs) {
  return horizon(runs, [](const Run* run) -> const Run& { return *run; });
}

Horizon horizon_of(std::span<const Run> runs) { return horizon(runs, std::identity()); }

std::optional<Outcome> outcome(const Run& run, std::string_view measure, const Horizon& horizon) {
  if (run.status() != Status::kDone) return std::nullopt;
  const auto number = run.number(measure);
  const auto end_s = run.number("time_s");
  if (measure == "time_to_target_s") {
    if (!run.number("target_accuracy") || !end_s) return std::nullopt;
    if (run.diverged() || !number) return missed(run, *end_s, horizon.time_s);
    return reached_at(run, *number, readable_evals(run));
  }
  if (measure == "updates_to_target") {
    const auto updates = run.number("updates");
    if (!run.number("target_accuracy") || !updates) return std::nullopt;
    const auto reached = run.diverged() ? std::nullopt : updates_to_target(run);
    return reached ? *reached : missed(run, *updates, horizon.updates);
  }
  if (measure == "time_to_plateau_s") {
    if (!end_s) return std::nullopt;
    if (run.diverged() || run.text("stop") != "plateau") return missed(run, *end_s, horizon.time_s);
    return reached_at(run, *end_s, readable_evals(run));
  }
  if (measure == "worker_s_to_target") {
    const auto workers = as_number(run.config("cluster.workers").value_or(""));
    if (!run.number("target_accuracy") || !run.has(measure) || !end_s || !workers) return std::nullopt;
    if (!run.diverged() && number) return plain(number);
    Outcome never = missed(run, *end_s, horizon.time_s);
    never.value *= *workers;
    return never;
  }
  if (measure == "updates_per_s") return per_second(run, "updates");
  if (measure == "samples_per_s") return per_second(run, "samples_used");
  if (run.diverged()) {
    if (measure == "time_s") return end_s ? std::optional(missed(run, *end_s, horizon.time_s)) : std::nullopt;
    if (measure == "final_accuracy") {
      const auto classes = run.number("classes");
      const double guessing = classes && *classes > 0 ? 1 / *classes : 0;
      return Outcome{.value = std::min(guessing, horizon.accuracy), .diverged = true, .resolution = test_sample(run)};
    }
    if (is_quality(measure)) return std::nullopt;
  }
  auto outcome = plain(number);
  if (outcome && measure.ends_with("_accuracy")) outcome->resolution = test_sample(run);
  return outcome;
}

std::optional<Outcome> outcome(const Run& run, Metric metric, const Horizon& horizon) {
  return outcome(run, key_of(metric), horizon);
}

std::optional<Outcome> time_to_accuracy(const Run& run, double target, const Horizon& horizon) {
  const auto end_s = run.number("time_s");
  if (run.status() != Status::kDone || !end_s) return std::nullopt;
  if (run.diverged()) return missed(run, *end_s, horizon.time_s);
  const std::vector<Evaluation> evals = run.evals();
  if (evals.empty()) return std::nullopt;
  std::vector<stats::Look> looks;
  for (const Evaluation& evaluation : evals) looks.push_back({evaluation.version, evaluation.accuracy});
  const auto reached = stats::first_sustained(looks, target);
  return reached ? reached_at(run, evals[*reached].time_s, evals) : missed(run, *end_s, horizon.time_s);
}

stats::Difference difference_of(const Outcome& a, const Outcome& b, bool ratio) {
  // How far the true value may lie from the measured one.
  const auto width = [&](const Outcome& outcome) {
    const double resolution = outcome.resolution.value_or(0);
    if (!ratio) return resolution;
    return resolution < outcome.value ? -std::log1p(-resolution / outcome.value)
                                      : std::numeric_limits<double>::infinity();
  };
  // Of numbers that are spread evenly over it; the logarithms of those down to 0 have a variance of 1.
  const auto variance = [&](double of_width) {
    return ratio ? std::min(1.0, of_width * of_width / 12) : of_width * of_width / 12;
  };
  const double below = width(a), above = width(b);
  return {.value = ratio ? std::log(a.value / b.value) : a.value - b.value,
          .below = below,
          .above = above,
          .rounding = std::sqrt(variance(below) + variance(above))};
}

stats::Bounds speed_of(const Outcome& time) {
  if (time.censored) return {.low = 0, .high = 1 / time.value};
  const double earliest = time.value - time.resolution.value_or(0);
  return {.low = 1 / time.value, .high = earliest > 0 ? 1 / earliest : std::numeric_limits<double>::infinity()};
}

Standing standing_of(std::span<const Outcome> outcomes, bool less_is_better) {
  Standing standing{.n = outcomes.size(), .is_median = less_is_better};
  std::vector<stats::Time> times;
  std::vector<double> values;
  for (const Outcome& outcome : outcomes) {
    standing.censored += outcome.censored ? 1 : 0;
    standing.diverged += outcome.diverged ? 1 : 0;
    times.push_back({outcome.value, outcome.censored});
    values.push_back(outcome.value);
  }
  if (outcomes.empty()) return standing;
  if (less_is_better) {
    standing.centre = stats::median_time(times);
  } else if (standing.censored == 0) {
    standing.centre = stats::mean(values);
  }
  if (standing.censored == 0 && outcomes.size() >= 2) standing.interval = stats::interval(values);
  return standing;
}

Standing standing_of(std::span<const Run* const> runs, std::string_view measure, const Horizon& horizon) {
  std::vector<Outcome> outcomes;
  for (const Run* run : runs) {
    if (const auto came = outcome(*run, measure, horizon)) outcomes.push_back(*came);
  }
  return standing_of(outcomes, is_time_to(measure));
}

bool is_time_to(std::string_view measure) {
  return measure == "time_to_target_s" || measure == "time_to_plateau_s" || measure == "updates_to_target" ||
         measure == "worker_s_to_target";
}

bool ranks_before(const Standing& a, const Standing& b, bool less_is_better) {
  if (a.centre.has_value() != b.centre.has_value()) return a.centre.has_value();
  if (a.centre && *a.centre != *b.centre) return (*a.centre < *b.centre) == less_is_better;
  const auto smaller_part = [&](std::size_t of_a, std::size_t of_b) { return of_a * b.n < of_b * a.n; };
  if (smaller_part(a.censored, b.censored) || smaller_part(b.censored, a.censored))
    return smaller_part(a.censored, b.censored);
  return smaller_part(a.diverged, b.diverged);
}

namespace {

nlohmann::ordered_json number_or_null(std::optional<double> value) {
  return value && std::isfinite(*value) ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

void to_json(nlohmann::ordered_json& json, const Outcome& outcome) {
  const bool none = outcome.diverged && !outcome.censored;  // an accuracy
  json = {{"value", none ? nlohmann::ordered_json(nullptr) : number_or_null(outcome.value)},
          {"censored", outcome.censored},
          {"diverged", outcome.diverged}};
}

void to_json(nlohmann::ordered_json& json, const Standing& standing) {
  const auto end_of = [&](double stats::Interval::*end) {
    return number_or_null(standing.interval ? std::optional((*standing.interval).*end) : std::nullopt);
  };
  const bool none = standing.n == standing.diverged;
  json = {{"n", standing.n},
          {"censored", standing.censored},
          {"diverged", standing.diverged},
          {standing.is_median ? "median" : "mean", number_or_null(none ? std::nullopt : standing.centre)},
          {"low", end_of(&stats::Interval::low)},
          {"high", end_of(&stats::Interval::high)}};
}

nlohmann::ordered_json outcomes_of(const Run& run, const Horizon& horizon) {
  nlohmann::ordered_json outcomes = nlohmann::ordered_json::object();
  for (const Metric metric : kMetrics) {
    if (const auto came = outcome(run, metric, horizon)) outcomes[key_of(metric)] = *came;
  }
  return outcomes;
}

}  // namespace psctl::results
