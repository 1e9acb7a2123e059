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

struct Whole {
  bool negative = false;
  std::string_view digits;  // without leading zeros: empty for 0
};

std::optional<Whole> as_whole(std::string_view text) {
  Whole whole{.negative = text.starts_with('-'), .digits = text};
  if (whole.negative) whole.digits.remove_prefix(1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (whole.digits.empty() || !std::ranges::all_of(whole.digits, is_digit)) return std::nullopt;
  whole.digits.remove_prefix(std::min(whole.digits.find_first_not_of('0'), whole.digits.size()));
  if (whole.digits.empty()) whole.negative = false;
  return whole;
}

std::strong_ordering compare(const Whole& a, const Whole& b) {
  if (a.negative != b.negative) return a.negative ? std::strong_ordering::less : std::strong_ordering::greater;
  const auto of_size = a.digits.size() <=> b.digits.size();
  const auto order = of_size == 0 ? a.digits <=> b.digits : of_size;
  return a.negative ? 0 <=> order : order;
}

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

std::optional<std::strong_ordering> compare_numbers(std::string_view a, std::string_view b) {
  if (const auto first = as_whole(a), second = as_whole(b); first && second) return compare(*first, *second);
  const auto first = as_number(a), second = as_number(b);
  if (!first || !second) return std::nullopt;
  return *first < *second   ? std::strong_ordering::less
         : *first > *second ? std::strong_ordering::greater
                            : std::strong_ordering::equal;
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
  const auto order = compare_numbers(*seen, condition.value).value_or(*seen <=> condition.value);
  switch (condition.relation) {
    case Relation::kEqual:
      return order == 0;
    case Relation::kNotEqual:
      return order != 0;
    case Relation::kLess:
      return order < 0;
    case Relation::kLessOrEqual:
      return order <= 0;
    case Relation::kGreater:
      return order > 0;
    case Relation::kGreaterOrEqual:
      return order >= 0;
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
