#include "sweep/search.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace psctl::sweep {
namespace {

using results::Metric;

// The run in this folder if it is done.
std::optional<results::Run> read_done(const std::string& folder) {
  try {
    auto run = results::read_run(folder);
    return run && run->status() == results::Status::kDone ? std::move(run) : std::nullopt;
  } catch (const UserError&) {
    return std::nullopt;
  }
}

results::Standing by_accuracy(const Trial& trial) { return results::standing_of(trial.accuracy, false); }
results::Standing by_time(const Trial& trial) { return results::standing_of(trial.time_s, true); }

}  // namespace

double Trial::mean_accuracy() const { return by_accuracy(*this).centre.value_or(0); }
std::optional<double> Trial::median_time_s() const { return by_time(*this).centre; }
std::size_t Trial::censored() const { return by_time(*this).censored; }
std::size_t Trial::diverged() const { return by_accuracy(*this).diverged; }

std::vector<Trial> read_trials(std::span<const Candidate> candidates) {
  std::vector<std::vector<std::optional<results::Run>>> runs;
  std::vector<const results::Run*> compared;
  bool has_target = false;
  for (const Candidate& candidate : candidates) {
    auto& of_value = runs.emplace_back();
    for (const std::string& folder : candidate.folders) of_value.push_back(read_done(folder));
    for (const auto& run : of_value) {
      if (!run) continue;
      compared.push_back(&*run);
      has_target = has_target || run->number("target_accuracy");
    }
  }
  const results::Horizon horizon = results::horizon_of(compared);
  const results::Outcome no_accuracy{.value = compared.empty() ? 0 : horizon.accuracy, .diverged = true};
  const results::Outcome no_time{.value = horizon.time_s, .censored = true, .diverged = true};
  std::vector<Trial> trials;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    Trial& trial = trials.emplace_back(Trial{.value = candidates[i].value});
    for (const auto& run : runs[i]) {
      const auto came = [&](Metric metric) { return run ? results::outcome(*run, metric, horizon) : std::nullopt; };
      trial.accuracy.push_back(came(Metric::kFinalAccuracy).value_or(no_accuracy));
      if (has_target) trial.time_s.push_back(came(Metric::kTimeToTarget).value_or(no_time));
    }
  }
  return trials;
}

bool better(const Trial& a, const Trial& b) {
  const auto time_a = a.median_time_s(), time_b = b.median_time_s();
  if (time_a.has_value() != time_b.has_value()) return time_a.has_value();
  if (time_a && *time_a != *time_b) return *time_a < *time_b;
  return results::ranks_before(by_accuracy(a), by_accuracy(b), false);
}

std::size_t best_of(std::span<const Trial> trials) {
  PSCTL_CHECK(!trials.empty());
  std::size_t best = 0;
  for (std::size_t i = 1; i < trials.size(); ++i) {
    if (better(trials[i], trials[best])) best = i;
  }
  return best;
}

std::vector<double> next_values(std::span<const double> values, bool below, bool above) {
  PSCTL_CHECK(values.size() >= 2);
  const auto rounded = [](double value) { return to_double(fmt::format("{:.3g}", value)).value_or(value); };
  const auto beyond = [&](double end, double inner) { return rounded(end * end / inner); };
  std::vector<double> next;
  if (below) next.push_back(beyond(values[0], values[1]));
  if (above) next.push_back(beyond(values[values.size() - 1], values[values.size() - 2]));
  return next;
}

}  // namespace psctl::sweep
