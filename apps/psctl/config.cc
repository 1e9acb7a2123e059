#include "config/config.h"

#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "terminal.h"
#include "verbs.h"

namespace psctl::app {

int config(int argc, char** argv) {
  cxxopts::Options options("psctl config",
                           "What a configuration resolves to, whether it is right, and what keys there are.\n");
  options.positional_help("show|check|schema [KEY=VALUE ...]").custom_help("[--config FILE] [--json]");
  options.add_options()("config", "the configuration, a YAML file", cxxopts::value<std::string>())(
      "json", "schema: as JSON")("words", "show, check or schema; then changes of the configuration",
                                 cxxopts::value<std::vector<std::string>>());
  options.parse_positional("words");
  const Parsed parsed = parse(options,
                              "  psctl config check --config configs/quickstart.yaml\n"
                              "  psctl config show --config configs/quickstart.yaml strategy=asp\n"
                              "  psctl config schema\n",
                              argc, argv);
  if (parsed.helped) return 0;
  std::vector<std::string> words;
  if (parsed.options.count("words") > 0) words = parsed.options["words"].as<std::vector<std::string>>();
  const std::string verb = words.empty() ? "" : words.front();
  if (verb == "schema") {
    fmt::print("{}", parsed.options.count("json") > 0 ? config::schema_json() : config::schema_text());
    return 0;
  }
  if (verb != "show" && verb != "check") throw UserError("psctl config: say show, check or schema");
  if (parsed.options.count("config") == 0) throw UserError("psctl config " + verb + ": --config FILE is missing");
  const config::Loaded loaded =
      config::load_file(parsed.options["config"].as<std::string>(), {words.begin() + 1, words.end()});
  for (const std::string& notice : loaded.notices) print_notice(notice);
  if (verb == "show") fmt::print("{}", config::to_yaml(loaded.run));
  if (verb == "check") fmt::print("{} is right\n", parsed.options["config"].as<std::string>());
  return 0;
}

}  // namespace psctl::app
