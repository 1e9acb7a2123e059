// Strategies that are named on a command line.
#pragma once

#include <string>
#include <vector>

#include "sync/registry.h"

namespace psctl::app {

// Each once, in the order in which they are named; all of them if none is. Throws UserError for a name that there is
// not.
std::vector<const sync::Entry*> chosen_strategies(const std::vector<std::string>& names);

}  // namespace psctl::app
