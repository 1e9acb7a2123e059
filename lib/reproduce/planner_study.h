// What is claimed of ElasticBSP's planners alone: whether they find the optimum, and how long they take. No run is
// needed for that.
#pragma once

#include <map>
#include <vector>

#include "reproduce/campaign.h"

namespace psctl::reproduce {

// Of every cell of the study, a number a seed: `misses` of a kPlannerExact study, `microseconds` of a kPlannerSpeed
// one. Throws UserError where a contender is no planner or a setting misses a key: `cases`, or `workers`, `lookahead`
// and `repeats`.
std::map<Cell, std::vector<double>> measure_planners(const std::vector<Preset>& presets, std::size_t preset,
                                                     std::size_t study);
// The same checks, and nothing measured.
void check_planner_study(const Preset& preset, const Study& study);

}  // namespace psctl::reproduce
