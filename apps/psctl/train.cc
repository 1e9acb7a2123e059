#include "run/train.h"

#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "config/config.h"
#include "terminal.h"
#include "verbs.h"

namespace psctl::app {

int train(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl train",
       .description = "One run, in the world that the configuration's `clock` names.",
       .synopsis = "--config FILE [--out DIR] [--quiet] [--timeline] [KEY=VALUE ...]",
       .examples = "  psctl train --config configs/quickstart.yaml\n"
                   "  psctl train --config configs/quickstart.yaml strategy=asp optimizer.learning_rate=0.05\n"
                   "  psctl train --config configs/quickstart.yaml clock=virtual cluster.workers=8 '~stragglers'\n",
       .options = {{"config", Kind::kWord, "the configuration, a YAML file", nullptr, true},
                   {"out", Kind::kWord, "folder in which the run gets a new folder of its own", "results"},
                   {"quiet", Kind::kFlag, "no progress, no table"},
                   {"timeline", Kind::kFlag, "also write timeline.json, for ui.perfetto.dev"},
                   {"override", Kind::kWords, "changes of the configuration: KEY=VALUE, +KEY=VALUE, ~KEY"}},
       .positional = "override"},
      argc, argv);
  if (!arguments) return 0;

  run::Request request;
  request.overrides = arguments->words("override");
  const config::Loaded loaded = config::load_file(arguments->word("config"), request.overrides);
  const bool quiet = arguments->flag("quiet");
  for (const std::string& notice : loaded.notices) print_notice(notice);
  request.config = loaded.run;
  request.config.trace.timeline = request.config.trace.timeline || arguments->flag("timeline");
  request.out = arguments->word("out");
  request.interrupted = &catch_signals();
  request.notice = print_notice;

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
