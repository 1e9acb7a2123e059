#include "run/train.h"

#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "config/config.h"
#include "terminal.h"
#include "verbs.h"

namespace psctl::app {

int train(int argc, char** argv) {
  cxxopts::Options options("psctl train", "One run, in the world that the configuration's `clock` names.\n");
  options.positional_help("[KEY=VALUE ...]").custom_help("--config FILE [--out DIR] [--quiet] [--timeline]");
  options.add_options()("config", "the configuration, a YAML file", cxxopts::value<std::string>())(
      "out", "folder in which the run gets a new folder of its own",
      cxxopts::value<std::string>()->default_value("results"))("quiet", "no progress, no table")(
      "timeline", "also write timeline.json, for ui.perfetto.dev")(
      "override", "changes of the configuration: KEY=VALUE, +KEY=VALUE, ~KEY",
      cxxopts::value<std::vector<std::string>>());
  options.parse_positional("override");
  const Parsed parsed =
      parse(options,
            "  psctl train --config configs/quickstart.yaml\n"
            "  psctl train --config configs/quickstart.yaml strategy=asp optimizer.learning_rate=0.05\n"
            "  psctl train --config configs/quickstart.yaml clock=virtual cluster.workers=8 '~stragglers'\n",
            argc, argv);
  if (parsed.helped) return 0;
  if (parsed.options.count("config") == 0) throw UserError("psctl train: --config FILE is missing");

  run::Request request;
  if (parsed.options.count("override") > 0)
    request.overrides = parsed.options["override"].as<std::vector<std::string>>();
  const config::Loaded loaded = config::load_file(parsed.options["config"].as<std::string>(), request.overrides);
  const bool quiet = parsed.options.count("quiet") > 0;
  for (const std::string& notice : loaded.notices) print_notice(notice);
  request.config = loaded.run;
  request.config.trace.timeline = request.config.trace.timeline || parsed.options.count("timeline") > 0;
  request.out = parsed.options["out"].as<std::string>();
  request.interrupted = &catch_signals();

  run::Report report;
  {
    ProgressLine line(request.config.cluster.workers, quiet);
    request.progress = [&line](const lead::Progress& progress) { line.show(progress); };
    report = run::train(request);
  }
  if (!quiet) print_summary(report.summary, report.folder);
  return report.status == "interrupted" ? 130 : 0;
}

}  // namespace psctl::app
