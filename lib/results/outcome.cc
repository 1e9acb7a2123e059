#include "results/outcome.h"

#include <algorithm>
#include <functional>

#include "results/filter.h"
#include "stats/interval.h"
#include "stats/survival.h"
#include "stats/sustained.h"

namespace psctl::results {
namespace {

// Of a run that is done.
Outcome missed(const Run& run, double end, double horizon) {
  return {.value = run.diverged() ? std::max(end, horizon) : end, .censored = true, .diverged = run.diverged()};
}

std::optional<Outcome> plain(std::optional<double> value) {
  return value ? std::optional(Outcome{.value = *value}) : std::nullopt;
}

std::optional<Outcome> quotient(std::optional<double> count, std::optional<double> seconds) {
  return count && seconds && *seconds > 0 ? plain(*count / *seconds) : std::nullopt;
}

// The version of the evaluation at which the run reached its target.
std::optional<double> updates_to_target(const Run& run) {
  const auto reached = run.number("time_to_target_s");
  if (!reached) return std::nullopt;
  constexpr double kNanosecond = 1e-9;  // times of evals.csv have nine digits
  for (const Evaluation& evaluation : run.evals()) {
    if (evaluation.time_s > *reached - kNanosecond) return static_cast<double>(evaluation.version);
  }
  return std::nullopt;
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
    return run.diverged() || !number ? missed(run, *end_s, horizon.time_s) : plain(number);
  }
  if (measure == "updates_to_target") {
    const auto updates = run.number("updates");
    if (!run.number("target_accuracy") || !updates) return std::nullopt;
    const auto reached = run.diverged() ? std::nullopt : updates_to_target(run);
    return reached ? plain(reached) : missed(run, *updates, horizon.updates);
  }
  if (measure == "time_to_plateau_s") {
    if (!end_s) return std::nullopt;
    return !run.diverged() && run.text("stop") == "plateau" ? plain(end_s) : missed(run, *end_s, horizon.time_s);
  }
  if (measure == "updates_per_s") return quotient(run.number("updates"), end_s);
  if (measure == "samples_per_s") {
    const auto used = quotient(run.number("samples_used"), end_s);
    return used ? used : plain(number);
  }
  if (run.diverged()) {
    if (measure == "time_s") return end_s ? std::optional(missed(run, *end_s, horizon.time_s)) : std::nullopt;
    if (measure == "final_accuracy") {
      const auto classes = run.number("classes");
      const double guessing = classes && *classes > 0 ? 1 / *classes : 0;
      return Outcome{.value = std::min(guessing, horizon.accuracy), .diverged = true};
    }
    if (is_quality(measure)) return std::nullopt;
  }
  return plain(number);
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
  return reached ? plain(evals[*reached].time_s) : missed(run, *end_s, horizon.time_s);
}

Standing standing_of(std::span<const Outcome> outcomes, bool less_is_better) {
  Standing standing{.n = outcomes.size()};
  std::vector<stats::Time> times;
  std::vector<double> values;
  for (const Outcome& outcome : outcomes) {
    standing.censored += outcome.censored ? 1 : 0;
    standing.diverged += outcome.diverged ? 1 : 0;
    times.push_back({outcome.value, outcome.censored});
    values.push_back(outcome.value);
  }
  if (outcomes.empty()) return standing;
  standing.centre = less_is_better ? stats::median_time(times) : std::optional(stats::mean(values));
  return standing;
}

bool ranks_before(const Standing& a, const Standing& b, bool less_is_better) {
  if (a.centre.has_value() != b.centre.has_value()) return a.centre.has_value();
  if (a.centre && *a.centre != *b.centre) return (*a.centre < *b.centre) == less_is_better;
  const auto smaller_part = [&](std::size_t of_a, std::size_t of_b) { return of_a * b.n < of_b * a.n; };
  if (smaller_part(a.censored, b.censored) || smaller_part(b.censored, a.censored))
    return smaller_part(a.censored, b.censored);
  return smaller_part(a.diverged, b.diverged);
}

}  // namespace psctl::results
