// Which parameter settings of a strategy are tried.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

#include "base/error.h"
#include "base/random.h"
#include "verify/clusters.h"
#include "verify/rule.h"

namespace psctl::verify {
namespace {

using sync::Parameter;
using sync::Parameters;
using sync::ParameterValue;
using Values = std::map<std::string, ParameterValue, std::less<>>;

template <class Number>
std::vector<ParameterValue> numbers(const Parameter& parameter, std::vector<Number> candidates) {
  std::vector<ParameterValue> values;
  for (const Number number : candidates) {
    const auto value = static_cast<double>(number);
    if (value < parameter.minimum || value > parameter.maximum) continue;
    if (std::ranges::find(values, ParameterValue(number)) == values.end()) values.emplace_back(number);
  }
  return values;
}

// Small ones, for small clusters must reach the bounds.
std::vector<ParameterValue> values_of(const Parameter& parameter) {
  const ParameterValue type = parameter.default_value.value_or(parameter.type_of_absent);
  if (std::holds_alternative<bool>(type)) return {false, true};
  if (std::holds_alternative<std::string>(type)) return {parameter.choices.begin(), parameter.choices.end()};
  const double least = std::isfinite(parameter.minimum) ? parameter.minimum : 0;
  if (const auto* whole = std::get_if<std::int64_t>(&type)) {
    const auto first = static_cast<std::int64_t>(least);
    return numbers<std::int64_t>(parameter, {*whole, first, first + 1, first + 2});
  }
  const double usual = std::get<double>(type);
  std::vector<double> candidates = {usual, least, least + 1, least + 2.5};
  if (parameter.maximum <= 1) candidates = {usual, least, (least + parameter.maximum) / 2, parameter.maximum};
  return numbers<double>(parameter, candidates);
}

// What a configuration refuses cannot be told from the defaults.
bool all_have_effect(const sync::Entry& entry, const Values& values) {
  return std::ranges::all_of(entry.parameters, [&](const Parameter& parameter) {
    return sync::has_effect(entry, parameter, Parameters(values)) ||
           values.at(parameter.name) == *parameter.default_value;
  });
}

class Collector {
 public:
  explicit Collector(const sync::Entry& entry) : entry_(entry) {}

  // With the default of every parameter that is not in `changes`.
  void add(const Values& changes) {
    Values values = sync::defaults(entry_).values();
    for (const auto& [name, value] : changes) values[name] = value;
    if (!all_have_effect(entry_, values) || std::ranges::find(seen_, values) != seen_.end()) return;
    seen_.push_back(values);
    Parameters parameters(values);
    Subject subject{
        .name = entry_.name,
        .parameters = parameters,
        .make = [make = entry_.make, parameters](const sync::Setting& setting) { return make(parameters, setting); }};
    try {
      subject.make(setting_of(steady_plan(1, 1)));
    } catch (const UserError&) {
      return;  // these do not go together
    }
    subjects_.push_back(std::move(subject));
  }

  std::vector<Subject> take() { return std::move(subjects_); }

 private:
  const sync::Entry& entry_;
  std::vector<Values> seen_;
  std::vector<Subject> subjects_;
};

std::string text_of_value(const ParameterValue& value) {
  return std::visit([](const auto& v) { return fmt::format("{}", v); }, value);
}

}  // namespace

std::vector<Values> combinations_of(const std::string& name) {
  const auto number = [](std::int64_t value) { return ParameterValue(value); };
  const auto word = [](const char* value) { return ParameterValue(std::string(value)); };
  if (name == "ssp") return {{{"staleness", number(1)}, {"apply", word("on_release")}}};
  if (name == "psp") {
    return {{{"sample", number(8)}, {"staleness", number(0)}}, {{"sample", number(100)}, {"staleness", number(1)}}};
  }
  if (name == "wbsp") {
    return {{{"overlap", true}, {"rebase", word("reapply")}},
            {{"overlap", true}, {"commit", word("arrival")}},
            {{"slowest", word("fixed")}, {"commit", word("arrival")}}};
  }
  if (name == "dssp") {
    std::vector<Values> all;
    for (const char* credit : {"literal", "exact"}) {
      for (const char* release : {"lower_bound", "next_push"}) {
        for (const bool cap : {false, true}) {
          all.push_back({{"staleness", number(1)},
                         {"range", number(2)},
                         {"credit", word(credit)},
                         {"release", word(release)},
                         {"hard_cap", cap}});
        }
      }
    }
    for (const char* fastest : {"first", "any"}) {
      all.push_back({{"staleness", number(0)},
                     {"range", number(4)},
                     {"credit", word("exact")},
                     {"hard_cap", true},
                     {"objective", word("wait")},
                     {"fastest", word(fastest)}});
    }
    return all;
  }
  if (name == "a2s") {
    return {{{"relax_pushes", number(1)}, {"epoch_steps", number(1)}, {"check", word("any_push")}},
            {{"relax_pushes", number(1)}, {"epoch_steps", number(1)}, {"weighting", word("mean")}},
            {{"relax_pushes", number(0)}, {"epoch_steps", number(1)}, {"weighting", word("sum")}}};
  }
  if (name == "sync_switch") {
    return {{{"bsp_share", 0.5}, {"order", word("asp_bsp")}},
            {{"bsp_share", 0.5}, {"momentum", word("reset")}},
            {{"bsp_share", 0.5}, {"update_scale", word("full")}},
            {{"bsp_share", 1.0}, {"straggler_policy", word("greedy")}, {"detect_window", number(1)}},
            {{"bsp_share", 1.0}, {"straggler_policy", word("elastic")}, {"detect_window", number(1)}},
            {{"bsp_share", 0.5},
             {"straggler_policy", word("elastic")},
             {"detect_window", number(2)},
             {"detect_factor", 1.1}},
            {{"bsp_share", 0.5},
             {"straggler_policy", word("greedy")},
             {"detect_window", number(1)},
             {"detect_factor", 1.1},
             {"order", word("asp_bsp")}}};
  }
  if (name == "pcp") {
    return {{{"overlap", false}, {"lookahead", number(1)}}, {{"overlap", false}, {"lookahead", number(3)}}};
  }
  return {};
}

std::vector<Subject> subjects_of(const sync::Entry& entry, std::uint64_t seed) {
  Collector collector(entry);
  collector.add({});
  for (const Parameter& parameter : entry.parameters) {
    for (const ParameterValue& value : values_of(parameter)) {
      collector.add({{parameter.name, value}});
      if (parameter.needs.empty()) continue;
      const auto needed = std::ranges::find(entry.parameters, parameter.needs, &Parameter::name);
      for (const ParameterValue& on : values_of(*needed)) {
        collector.add({{parameter.name, value}, {parameter.needs, on}});
      }
    }
  }
  for (const Values& combination : combinations_of(entry.name)) collector.add(combination);
  constexpr std::uint64_t kDrawn = 6;
  for (std::uint64_t n = 0; n < kDrawn && entry.parameters.size() > 1; ++n) {
    Draws draws({.seed = seed, .purpose = Purpose::kVerify, .worker = 3000, .step = n});
    Values changes;
    for (const Parameter& parameter : entry.parameters) {
      const auto values = values_of(parameter);
      if (!parameter.default_value && draws.below(2) == 0) continue;
      if (!values.empty()) changes[parameter.name] = values[draws.below(values.size())];
    }
    collector.add(changes);
  }
  return collector.take();
}

std::string text_of(const sync::Entry& entry, const Parameters& parameters) {
  std::vector<std::string> parts;
  for (const Parameter& parameter : entry.parameters) {
    const auto found = parameters.values().find(parameter.name);
    if (found == parameters.values().end()) continue;
    if (parameter.default_value && *parameter.default_value == found->second) continue;
    parts.push_back(fmt::format("{}={}", parameter.name, text_of_value(found->second)));
  }
  return parts.empty() ? "defaults" : fmt::format("{}", fmt::join(parts, " "));
}

}  // namespace psctl::verify
