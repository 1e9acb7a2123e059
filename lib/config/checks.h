// What no single key can tell: how the parts of a configuration fit together.
#pragma once

#include "config/faults.h"
#include "config/run_config.h"
#include "config/tree.h"

namespace psctl::config {

// Adds a fault for everything that does not fit. What could not be read itself is not judged. `root` is what `run` was
// read from; an empty list of a rule's workers stands for all of them.
void check_together(const RunConfig& run, const Node& root, Faults& faults);

}  // namespace psctl::config
