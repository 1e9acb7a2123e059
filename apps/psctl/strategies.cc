#include "strategies.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "verbs.h"

namespace psctl::app {
namespace {

std::string text_of(const sync::ParameterValue& value) {
  return std::visit([](const auto& v) { return fmt::format("{}", v); }, value);
}

std::string range_of(const sync::Parameter& parameter) {
  if (std::holds_alternative<bool>(parameter.default_value.value_or(parameter.type_of_absent))) return "true or false";
  if (!parameter.choices.empty()) return enumerate(parameter.choices, "or");
  if (std::isfinite(parameter.minimum) && std::isfinite(parameter.maximum)) {
    return fmt::format("{} to {}", parameter.minimum, parameter.maximum);
  }
  if (std::isfinite(parameter.minimum)) return fmt::format("at least {}", parameter.minimum);
  return "";
}

// With which values of others the parameter has no effect.
std::string condition_of(const sync::Entry& entry, const sync::Parameter& parameter) {
  if (!parameter.replaced_by.empty()) return "; not beside " + parameter.replaced_by;
  if (parameter.needs.empty()) return "";
  const auto needed = std::ranges::find(entry.parameters, parameter.needs, &sync::Parameter::name);
  return fmt::format("; not with {}: {}", parameter.needs, text_of(needed->default_value.value()));
}

void print_entry(const sync::Entry& entry) {
  fmt::print("{}: {}\n\n  rule    {}\n  source  {}\n  stated  {}\n  read    {}\n", entry.name, entry.brief, entry.rule,
             entry.source, entry.stated, entry.read);
  for (const sync::Parameter& parameter : entry.parameters) {
    fmt::print("\n  {} (default {}; {}{}; {})\n      {}\n", parameter.name,
               parameter.default_value ? text_of(*parameter.default_value) : "none", range_of(parameter),
               condition_of(entry, parameter), parameter.origin == sync::Origin::kPaper ? "from the source" : "ours",
               parameter.meaning);
  }
}

}  // namespace

std::vector<const sync::Entry*> chosen_strategies(const std::vector<std::string>& names) {
  std::vector<const sync::Entry*> entries;
  std::vector<std::string> known;
  for (const sync::Entry& entry : sync::entries()) {
    known.push_back(entry.name);
    if (names.empty()) entries.push_back(&entry);
  }
  for (const std::string& name : names) {
    const sync::Entry* entry = sync::find(name);
    if (!entry) {
      const std::string near = nearest(name, known);
      throw UserError(fmt::format("there is no strategy {}{}; psctl strategies lists them", name,
                                  near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
    }
    if (std::ranges::find(entries, entry) == entries.end()) entries.push_back(entry);
  }
  return entries;
}

int strategies(int argc, char** argv) {
  const auto arguments = Arguments::parse({.program = "psctl strategies",
                                           .description = "What strategies there are; with a name, all about one.",
                                           .synopsis = "[NAME ...]",
                                           .examples = "  psctl strategies\n  psctl strategies ssp\n",
                                           .options = {{"name", Option::Kind::kWords, "a strategy"}},
                                           .positional = "name"},
                                          argc, argv);
  if (!arguments) return 0;
  if (arguments->words("name").empty()) {
    for (const sync::Entry& entry : sync::entries()) {
      fmt::print("{:<14}{}\n", entry.name, entry.brief);
    }
    fmt::print("\npsctl strategies NAME tells the rule, its source, what we read into it and the parameters.\n");
    return 0;
  }
  for (const sync::Entry* entry : chosen_strategies(arguments->words("name"))) print_entry(*entry);
  return 0;
}

}  // namespace psctl::app
