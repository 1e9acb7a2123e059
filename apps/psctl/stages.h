// Which runs of a sweep that searched are looked at.
#pragma once

#include <string>
#include <vector>

#include "results/filter.h"
#include "results/run.h"

namespace psctl::app {

// Keeps of a sweep that searched first what it searched for: the search itself is not to be compared. What the
// conditions leave open is told in the note that comes back; it is empty where there was nothing to choose.
std::string choose_stage(std::vector<results::Run>& runs, const std::vector<results::Condition>& conditions);

}  // namespace psctl::app
