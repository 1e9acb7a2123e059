#include "run/roles.h"

#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "config/config.h"
#include "verbs.h"

namespace psctl::app {
namespace {

// What all roles share: --config and --parent. Returns nothing if help was all that was wanted.
std::optional<Parsed> parse_role(cxxopts::Options& options, const char* examples, int argc, char** argv) {
  options.add_options()("config", "the run's configuration, a YAML file, the same for all processes",
                        cxxopts::value<std::string>())("parent", "end when this process ends",
                                                       cxxopts::value<long>()->default_value("0"));
  Parsed parsed = parse(options, examples, argc, argv);
  if (parsed.helped) return std::nullopt;
  if (parsed.options.count("config") == 0) throw UserError(options.program() + ": --config FILE is missing");
  die_with(parsed.options["parent"].as<long>());
  return parsed;
}

config::RunConfig configuration(const Parsed& parsed) {
  config::RunConfig config = config::load_file(parsed.options["config"].as<std::string>()).run;
  if (config.clock != config::Clock::kReal)
    throw UserError("this configuration is for the virtual clock, which needs no processes");
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

std::vector<std::string> addresses(const Parsed& parsed, const char* name) {
  return parsed.options.count(name) > 0 ? parsed.options[name].as<std::vector<std::string>>()
                                        : std::vector<std::string>{};
}

}  // namespace

int server(int argc, char** argv) {
  cxxopts::Options options("psctl server", "One server of a run. The one of rank 0 leads, and writes the account.\n");
  options.add_options()("rank", "0 leads", cxxopts::value<std::size_t>()->default_value("0"))(
      "listen", "unix:NAME or HOST:PORT", cxxopts::value<std::string>())(
      "other", "rank 0: the address of server 1, then of server 2, ...", cxxopts::value<std::vector<std::string>>())(
      "folder", "rank 0: where the account goes", cxxopts::value<std::string>()->default_value("."));
  const auto parsed = parse_role(
      options, "  psctl server --config run.yaml --listen 127.0.0.1:5000 --folder results/by-hand\n", argc, argv);
  if (!parsed) return 0;
  if (parsed->options.count("listen") == 0) throw UserError("psctl server: --listen ADDRESS is missing");
  const auto rank = parsed->options["rank"].as<std::size_t>();
  return run_as(fmt::format("server {}", rank), [&] {
    run::serve({.config = configuration(*parsed),
                .rank = rank,
                .listen = parsed->options["listen"].as<std::string>(),
                .others = addresses(*parsed, "other"),
                .folder = parsed->options["folder"].as<std::string>()},
               catch_signals());
  });
}

int worker(int argc, char** argv) {
  cxxopts::Options options("psctl worker", "One worker of a run.\n");
  options.add_options()("worker", "its number, from 0", cxxopts::value<std::size_t>())(
      "server", "the address of server 0, then of server 1, ...", cxxopts::value<std::vector<std::string>>());
  const auto parsed =
      parse_role(options, "  psctl worker --config run.yaml --worker 2 --server 127.0.0.1:5000\n", argc, argv);
  if (!parsed) return 0;
  if (parsed->options.count("worker") == 0) throw UserError("psctl worker: --worker NUMBER is missing");
  const auto worker = parsed->options["worker"].as<std::size_t>();
  return run_as(fmt::format("worker {}", worker), [&] {
    run::work({.config = configuration(*parsed), .worker = worker, .servers = addresses(*parsed, "server")},
              catch_signals());
  });
}

int evaluator(int argc, char** argv) {
  cxxopts::Options options("psctl evaluator", "The evaluation process of a run, at idle priority.\n");
  options.add_options()("server", "the address of server 0, then of server 1, ...",
                        cxxopts::value<std::vector<std::string>>())(
      "folder", "where the last model goes, with model.save: final", cxxopts::value<std::string>()->default_value("."));
  const auto parsed = parse_role(options, "  psctl evaluator --config run.yaml --server 127.0.0.1:5000\n", argc, argv);
  if (!parsed) return 0;
  return run_as("the evaluation process", [&] {
    run::evaluate({.config = configuration(*parsed),
                   .servers = addresses(*parsed, "server"),
                   .folder = parsed->options["folder"].as<std::string>()},
                  catch_signals());
  });
}

}  // namespace psctl::app
