#include "run/roles.h"

#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "config/config.h"
#include "verbs.h"

namespace psctl::app {
namespace {

// What all roles share: --config and --parent. Nothing if help was all that was wanted.
std::optional<Arguments> parse_role(Usage usage, int argc, char** argv) {
  usage.options.push_back({"config", Option::Kind::kWord,
                           "the run's configuration, a YAML file, the same for all processes", nullptr, true});
  usage.options.push_back({"prepared", Option::Kind::kWord,
                           "the run's data as psctl prepared them; without, they are looked for as for psctl train",
                           ""});
  usage.options.push_back({"parent", Option::Kind::kNumber, "end when this process ends", "0"});
  std::optional<Arguments> arguments = Arguments::parse(usage, argc, argv);
  if (arguments) die_with(arguments->number("parent"));
  return arguments;
}

config::RunConfig configuration(const Arguments& arguments) {
  config::RunConfig config = config::load_file(arguments.word("config")).run;
  if (config.clock != config::Clock::kReal) {
    throw UserError("this configuration is for the virtual clock, which needs no processes");
  }
  return config;
}

// Runs a role; what it throws says who it is, since the processes of a run share a log.
template <class Role>
int run_as(const std::string& name, Role&& role) {
  try {
    role();
    return 0;
  } catch (const UserError& error) {
    throw UserError(name, error);
  } catch (const std::exception& error) {
    throw WorldError(name, error);
  }
}

constexpr auto kServers = "the address of server 0, then of server 1, ...";

}  // namespace

int server(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments =
      parse_role({.program = "psctl server",
                  .description = "One server of a run. The one of rank 0 leads, and writes the account.",
                  .synopsis = "--config FILE --listen ADDRESS [--rank N] [--other ADDRESS ...] [--folder DIR]",
                  .examples = "  psctl server --config run.yaml --listen 127.0.0.1:5000 --folder results/by-hand\n",
                  .options = {{"rank", Kind::kNumber, "0 leads", "0"},
                              {"listen", Kind::kWord, "unix:NAME or HOST:PORT", nullptr, true},
                              {"other", Kind::kWords, "rank 0: the address of server 1, then of server 2, ..."},
                              {"folder", Kind::kWord, "rank 0: where the account goes", "."}},
                  .positional = {}},
                 argc, argv);
  if (!arguments) return 0;
  return run_as(fmt::format("server {}", arguments->number("rank")), [&] {
    run::serve({.config = configuration(*arguments),
                .prepared = arguments->word("prepared"),
                .rank = arguments->number("rank"),
                .listen = arguments->word("listen"),
                .others = arguments->words("other"),
                .folder = arguments->word("folder")},
               catch_signals());
  });
}

int worker(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = parse_role(
      {.program = "psctl worker",
       .description = "One worker of a run.",
       .synopsis = "--config FILE --worker NUMBER --server ADDRESS ...",
       .examples = "  psctl worker --config run.yaml --worker 2 --server 127.0.0.1:5000\n",
       .options = {{"worker", Kind::kNumber, "its number, from 0", nullptr, true}, {"server", Kind::kWords, kServers}},
       .positional = {}},
      argc, argv);
  if (!arguments) return 0;
  return run_as(fmt::format("worker {}", arguments->number("worker")), [&] {
    run::work({.config = configuration(*arguments),
               .prepared = arguments->word("prepared"),
               .worker = arguments->number("worker"),
               .servers = arguments->words("server")},
              catch_signals());
  });
}

int evaluator(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments =
      parse_role({.program = "psctl evaluator",
                  .description = "The evaluation process of a run, at idle priority.",
                  .synopsis = "--config FILE --server ADDRESS ... [--folder DIR]",
                  .examples = "  psctl evaluator --config run.yaml --server 127.0.0.1:5000\n",
                  .options = {{"server", Kind::kWords, kServers},
                              {"folder", Kind::kWord, "where the last model goes, with model.save: final", "."}},
                  .positional = {}},
                 argc, argv);
  if (!arguments) return 0;
  return run_as("the evaluation process", [&] {
    run::evaluate({.config = configuration(*arguments),
                   .prepared = arguments->word("prepared"),
                   .servers = arguments->words("server"),
                   .folder = arguments->word("folder")},
                  catch_signals());
  });
}

}  // namespace psctl::app
