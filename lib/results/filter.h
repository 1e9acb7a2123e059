// Asking for runs: by status, figures or keys of the configuration.
#pragma once

#include <compare>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "results/run.h"

namespace psctl::results {

// What stands in a column of that name: `run` (its path), `status`, `label`, `stage` (with a + between several), else
// Run::value.
std::optional<std::string> field(const Run& run, std::string_view key);

// The number that all of a text is; nothing if it is none.
std::optional<double> as_number(std::string_view text);

// How two numbers compare, whole ones by all their digits; nothing unless both are numbers.
std::optional<std::strong_ordering> compare_numbers(std::string_view a, std::string_view b);

struct Condition {
  enum class Relation { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
  std::string key;
  Relation relation{};
  std::string value;
};

// KEY=VALUE, KEY!=VALUE, KEY<VALUE, KEY<=VALUE, KEY>VALUE, KEY>=VALUE. Throws UserError for what is none of these.
Condition parse_condition(const std::string& text);

// Numbers are compared as numbers, all else letter by letter. A run without the key differs from every value, and is
// neither less nor greater. A run of several stages is of each of them.
bool holds(const Condition& condition, const Run& run);

// Of those for which all hold, in their order.
std::vector<Run> matching(std::vector<Run> runs, std::span<const Condition> conditions);

// Throws UserError, with the likeliest slip, if no run has the key; `what` asked for it, as "--where". A finding
// without runs has every key.
void check_key(std::span<const Run> runs, std::string_view key, std::string_view what);

}  // namespace psctl::results
