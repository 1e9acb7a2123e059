// A tree as JSON, and the one reader of JSON files.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "config/tree.h"

namespace psctl::config {

// Numbers and flags as such; words, and whatever stands in quotes, as text.
nlohmann::ordered_json as_json(const Node& node);

// A whole file of JSON; discarded (is_discarded) if it is none, or nested more deeply than anything that psctl writes: the
// library copies and prints values recursively, and would run out of stack.
nlohmann::ordered_json parse_json(std::string_view text);
inline constexpr int kDeepestJson = 64;

}  // namespace psctl::config
