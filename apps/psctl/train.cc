#include "run/train.h"

#include <cstdio>
#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "config/config.h"
#include "terminal.h"
#include "verbs.h"

namespace psctl::app {
namespace {

void print_as_json(const lead::Progress& progress) {
  fmt::print("{{\"time_s\":{},\"updates\":{},\"samples\":{},\"epoch\":{},\"accuracy\":{}}}\n", progress.time_s,
             progress.updates, progress.samples, progress.epoch,
             progress.accuracy ? fmt::format("{}", *progress.accuracy) : "null");
  std::fflush(stdout);
}

}  // namespace

int train(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl train",
       .description =
           "Trains one model under one strategy, on the clock that the configuration names (real: processes; virtual: "
           "simulated time). A run that diverges stops and says DIVERGED first. That is a result: the exit code is 0, "
           "summary.json has `diverged: true` and no final accuracy.",
       .synopsis = "--config FILE [--out DIR] [--quiet] [--timeline] [KEY=VALUE ...]",
       .examples = "  psctl train --config configs/quickstart.yaml\n"
                   "  psctl train --config configs/quickstart.yaml strategy=asp optimizer.learning_rate=0.05\n"
                   "  psctl train --config configs/quickstart.yaml clock=virtual cluster.workers=8 '~stragglers'\n",
       .options = {{"config", Kind::kWord, "the configuration, a YAML file", nullptr, true},
                   {"out", Kind::kWord, "folder in which the run gets a new folder of its own", "results"},
                   {"quiet", Kind::kFlag, "no progress, no table"},
                   {"timeline", Kind::kFlag, "also write timeline.json, for ui.perfetto.dev"},
                   {"folder", Kind::kWord, "the run's folder itself, in place of a new one in --out", ""},
                   {"replace", Kind::kFlag, "with --folder: replace the run that has ended there"},
                   {"threads", Kind::kNumber, "threads that a virtual run computes on; 0: one for each core", "0"},
                   {"prepared", Kind::kWord, "the run's data as psctl prepared them", "", false, true},
                   {"parent", Kind::kNumber, "end when this process ends", "0", false, true},
                   {"report", Kind::kFlag, "on standard output nothing but the progress, a line of JSON each", nullptr, false, true},
                   {"override", Kind::kWords, "changes of the configuration: KEY=VALUE, +KEY=VALUE, ~KEY"}},
       .positional = "override"},
      argc, argv);
  if (!arguments) return 0;

  run::Request request;
  request.overrides = arguments->words("override");
  die_with(arguments->number("parent"));
  const config::Loaded loaded = config::load_file(arguments->word("config"), request.overrides);
  const bool report_progress = arguments->flag("report");
  const bool quiet = arguments->flag("quiet") || report_progress;
  for (const std::string& notice : loaded.notices) print_notice(notice);
  request.config = loaded.run;
  request.config.trace.timeline = request.config.trace.timeline || arguments->flag("timeline");
  request.out = arguments->word("out");
  request.folder = arguments->word("folder");
  request.replace = arguments->flag("replace");
  request.prepared = arguments->word("prepared");
  request.threads = arguments->number("threads");
  request.interrupted = &catch_signals();
  request.notice = print_notice;

  run::Report report;
  {
    ProgressLine line(request.config.cluster.workers, quiet);
    request.progress = [&line](const lead::Progress& progress) { line.show(progress); };
    if (report_progress) request.progress = print_as_json;
    report = run::train(request);
  }
  if (!quiet) print_summary(report.summary, report.folder);
  return report.status == "interrupted" ? 130 : 0;
}

}  // namespace psctl::app
