#include "stages.h"

#include <algorithm>
#include <fmt/format.h>

#include "sweep/tune.h"

namespace psctl::app {

std::string choose_stage(std::vector<results::Run>& runs, const std::vector<results::Condition>& conditions) {
  const auto asks = [](const results::Condition& condition) { return condition.key == "stage"; };
  const results::Condition own_best = {"stage", results::Condition::Relation::kEqual, sweep::kOwnBest};
  const auto is_best = [&](const results::Run& run) { return holds(own_best, run); };
  if (std::ranges::any_of(conditions, asks) || std::ranges::none_of(runs, is_best)) return {};
  // Runs that belong to no search are as they were asked for.
  std::erase_if(runs, [&](const results::Run& run) { return !run.stages().empty() && !is_best(run); });
  return fmt::format(
      "of the sweep's stages this is {}: each strategy with its own best of what was searched; --where "
      "stage={} has one value for all",
      sweep::kOwnBest, sweep::kOneForAll);
}

}  // namespace psctl::app
