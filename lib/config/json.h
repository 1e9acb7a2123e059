// A tree as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "config/tree.h"

namespace psctl::config {

// Numbers and flags as such; words, and whatever stands in quotes, as text.
nlohmann::ordered_json as_json(const Node& node);

}  // namespace psctl::config
