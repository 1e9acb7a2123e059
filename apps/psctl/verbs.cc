#include "verbs.h"

#include <fmt/format.h>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace psctl::app {

void print_verbs(std::span<const Verb> verbs) {
  for (const Verb& verb : verbs) fmt::print("  {:<12}{}\n", verb.name, verb.does);
}

const Verb& find_verb(std::span<const Verb> verbs, std::string_view name, const std::string& program) {
  std::vector<std::string> names;
  for (const Verb& verb : verbs) {
    if (name == verb.name) return verb;
    names.emplace_back(verb.name);
  }
  const std::string near = nearest(name, names);
  throw UserError(fmt::format("there is no verb {}{}; {} --help lists them", name,
                              near.empty() ? "" : fmt::format(" (did you mean {}?)", near), program));
}

}  // namespace psctl::app
