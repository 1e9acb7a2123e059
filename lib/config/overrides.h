// KEY=VALUE, +KEY=VALUE and ~KEY on the tree of a configuration, before it is read.
#pragma once

#include <string>
#include <vector>

#include "config/faults.h"
#include "config/tree.h"

namespace psctl::config {

// Applies them in order. An override that cannot be applied is a fault and changes nothing. A new kind drops those
// keys of the file that it does not know, and a notice says so; keys that another override gives are never dropped.
void apply_overrides(Node& root, const std::vector<std::string>& overrides, Faults& faults,
                     std::vector<std::string>& notices);

}  // namespace psctl::config
