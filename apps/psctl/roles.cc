#include "run/roles.h"

#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "config/config.h"
#include "rpc/transport.h"
#include "run/ended.h"
#include "verbs.h"

namespace psctl::app {
namespace {

// What all roles share: --config and --parent. Nothing if help was all that was wanted.
std::optional<Arguments> parse_role(Usage usage, int argc, char** argv) {
  usage.options.push_back({"config", Option::Kind::kWord,
                           "the run's configuration, a YAML file, the same for all processes", nullptr, true});
  usage.options.push_back({"prepared", Option::Kind::kWord,
                           "the run's data as psctl prepared them; without, they are looked for as for psctl train",
                           "", false, true});
  usage.options.push_back({"run", Option::Kind::kWord,
                           "id of the run, the same for all its processes, which take in no others; its secret is in "
                           "PSCTL_RUN_TOKEN",
                           ""});
  usage.options.push_back({"told", Option::Kind::kNumber,
                           "a descriptor on which the cause of the end is told, a line of JSON; 0: none", "0", false,
                           true});
  usage.options.push_back({"parent", Option::Kind::kNumber, "end when this process ends", "0", false, true});
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

run::RoleSetup common(const Arguments& arguments) {
  return {.config = configuration(arguments), .prepared = arguments.word("prepared"), .run = arguments.word("run")};
}

// Runs a role; what it throws says who it is, since the processes of a run share a log. Why it ended is told to whoever
// started it.
template <class Run>
int run_as(const std::string& name, const Arguments& arguments, Run&& role) {
  using Cause = run::Ended::Cause;
  const int told = arguments.number("told") > 0 ? static_cast<int>(arguments.number("told")) : -1;
  const auto tell = [&](Cause cause, const std::exception& error) {
    run::tell(told, {.cause = cause, .signal = 0, .error = error.what()});
  };
  try {
    role(catch_signals_of_a_role(told));
    return 0;
  } catch (const UserError& error) {
    tell(Cause::kUser, error);
    throw UserError(name, error);
  } catch (const rpc::PeerError& error) {
    tell(Cause::kPeer, error);
    throw WorldError(name, error);
  } catch (const std::exception& error) {
    tell(Cause::kOwn, error);
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
  return run_as(fmt::format("server {}", arguments->number("rank")), *arguments,
                [&](const std::atomic<bool>& terminated) {
                  run::serve({common(*arguments), arguments->number("rank"), arguments->word("listen"),
                              arguments->words("other"), arguments->word("folder")},
                             terminated);
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
  return run_as(fmt::format("worker {}", arguments->number("worker")), *arguments,
                [&](const std::atomic<bool>& terminated) {
                  run::work({common(*arguments), arguments->number("worker"), arguments->words("server")}, terminated);
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
  return run_as("the evaluation process", *arguments, [&](const std::atomic<bool>& terminated) {
    run::evaluate({common(*arguments), arguments->words("server"), arguments->word("folder")}, terminated);
  });
}

}  // namespace psctl::app
