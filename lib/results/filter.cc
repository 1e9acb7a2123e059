#include "results/filter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace psctl::results {
namespace {

constexpr std::string_view kOfEvery[] = {"run", "status", "label", "stage"};

}  // namespace

std::optional<std::string> field(const Run& run, std::string_view key) {
  if (key == "run") return run.path();
  if (key == "status") return name_of(run.status());
  if (key == "label") return run.label();
  if (key != "stage") return run.value(key);
  if (run.stages().empty()) return std::nullopt;
  std::string stages;
  for (const std::string& stage : run.stages()) stages += (stages.empty() ? "" : "+") + stage;
  return stages;
}

std::optional<double> as_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(number) ? std::optional(number) : std::nullopt;
}

Condition parse_condition(const std::string& text) {
  using Relation = Condition::Relation;
  constexpr std::pair<std::string_view, Relation> kSigns[] = {
      {"!=", Relation::kNotEqual}, {"<=", Relation::kLessOrEqual}, {">=", Relation::kGreaterOrEqual},
      {"=", Relation::kEqual},     {"<", Relation::kLess},         {">", Relation::kGreater}};
  const auto at = text.find_first_of("=<>!");
  if (at != std::string::npos && at > 0) {
    for (const auto& [sign, relation] : kSigns) {
      if (text.compare(at, sign.size(), sign) == 0)
        return {text.substr(0, at), relation, text.substr(at + sign.size())};
    }
  }
  throw UserError(fmt::format("--where {}: neither KEY=VALUE nor one with !=, <, <=, > or >=", text));
}

bool holds(const Condition& condition, const Run& run) {
  using Relation = Condition::Relation;
  const bool equality = condition.relation == Relation::kEqual || condition.relation == Relation::kNotEqual;
  if (condition.key == "stage" && equality) {
    const bool is_of = std::ranges::find(run.stages(), condition.value) != run.stages().end();
    return is_of == (condition.relation == Relation::kEqual);
  }
  const auto seen = field(run, condition.key);
  if (!seen) return condition.relation == Relation::kNotEqual;
  const auto number = as_number(*seen), wanted = as_number(condition.value);
  const bool numbers = number && wanted;
  const bool equal = numbers ? *number == *wanted : *seen == condition.value;
  const bool less = numbers ? *number < *wanted : *seen < condition.value;
  switch (condition.relation) {
    case Relation::kEqual:
      return equal;
    case Relation::kNotEqual:
      return !equal;
    case Relation::kLess:
      return less;
    case Relation::kLessOrEqual:
      return less || equal;
    case Relation::kGreater:
      return !less && !equal;
    case Relation::kGreaterOrEqual:
      return !less;
  }
  return false;
}

std::vector<Run> matching(std::vector<Run> runs, std::span<const Condition> conditions) {
  std::erase_if(runs, [&](const Run& run) {
    return !std::ranges::all_of(conditions, [&](const Condition& condition) { return holds(condition, run); });
  });
  return runs;
}

void check_key(std::span<const Run> runs, std::string_view key, std::string_view what) {
  if (runs.empty() || std::ranges::find(kOfEvery, key) != std::end(kOfEvery)) return;
  std::set<std::string> known(std::begin(kOfEvery), std::end(kOfEvery));
  for (const Run& run : runs) {
    if (run.value(key)) return;
    for (const std::string_view name : run.keys()) known.emplace(name);
    for (const std::string_view name : run.config_keys()) known.emplace(name);
  }
  if (known.contains(std::string(key))) return;  // null in every run
  const std::vector<std::string> names(known.begin(), known.end());
  std::string near = nearest(key, names);
  // The last part alone, as staleness of strategy.staleness.
  for (const std::string& name : names) {
    if (near.empty() && name.ends_with(fmt::format(".{}", key))) near = name;
  }
  throw UserError(fmt::format("{} {}: no run has that key{}", what, key,
                              near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

}  // namespace psctl::results
