#include "config/config.h"

#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "terminal.h"
#include "verbs.h"

namespace psctl::app {

int config(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl config",
       .description = "What a configuration resolves to, whether it is right, and what keys there are.",
       .synopsis = "show|check|schema [--config FILE] [--json] [KEY=VALUE ...]",
       .examples = "  psctl config check --config configs/quickstart.yaml\n"
                   "  psctl config show --config configs/quickstart.yaml strategy=asp\n"
                   "  psctl config schema\n",
       .options = {{"config", Kind::kWord, "the configuration, a YAML file"},
                   {"json", Kind::kFlag, "schema: as JSON"},
                   {"words", Kind::kWords, "show, check or schema; then changes of the configuration"}},
       .positional = "words"},
      argc, argv);
  if (!arguments) return 0;
  const std::vector<std::string>& words = arguments->words("words");
  const std::string verb = words.empty() ? "" : words.front();
  if (verb == "schema") {
    fmt::print("{}", arguments->flag("json") ? config::schema_json() : config::schema_text());
    return 0;
  }
  if (verb != "show" && verb != "check") throw UserError("psctl config: say show, check or schema");
  if (arguments->words("config").empty()) throw UserError("psctl config " + verb + ": --config FILE is missing");
  const config::Loaded loaded = config::load_file(arguments->word("config"), {words.begin() + 1, words.end()});
  for (const std::string& notice : loaded.notices) print_notice(notice);
  if (verb == "show") fmt::print("{}", config::to_yaml(loaded.run));
  if (verb == "check") fmt::print("{} is right\n", arguments->word("config"));
  return 0;
}

}  // namespace psctl::app
