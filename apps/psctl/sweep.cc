#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <utility>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "sweep/plan.h"
#include "sweep/runner.h"
#include "sweep_view.h"
#include "verbs.h"

namespace psctl::app {
namespace {

// A row a point, without the seeds: what there is and what is missing.
void print_plan(const sweep::Planned& planned, const std::string& folder, const sweep::Options& options) {
  const sweep::Plan& plan = planned.plan;
  const std::vector<bool> there = sweep::present(plan, folder, options.notice);
  const auto done = static_cast<std::size_t>(std::ranges::count(there, true));
  say(fmt::format("{} in {}: {} there, {} missing\n", counted(plan.runs.size(), "run"), folder, done,
                  plan.runs.size() - done));
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    say(fmt::format("{:<8} {}  {}\n", there[i] ? "there" : "missing", plan.runs[i].id, sweep::to_text(plan.runs[i].point)));
  }
  if (done == plan.runs.size()) return;
  const sweep::Estimate estimate = sweep::estimate(plan, folder, options);
  say(estimate.seconds > 0
          ? fmt::format("what is missing will take about {}, {}\n", duration_text(estimate.seconds), estimate.told)
          : fmt::format("how long it will take is not known: {}\n", estimate.told));
}

int tell_end(const sweep::Plan& plan, const sweep::Outcome& outcome, const std::string& folder, bool quiet) {
  if (!quiet) {
    say(fmt::format("{}: {} of {} done, {} of them there before, in {}\n", folder, outcome.reused + outcome.made,
                    counted(plan.runs.size(), "run"), outcome.reused, duration_text(outcome.wall_s)));
    if (outcome.made > 0) {
      say(fmt::format("the runs took {} of processor time, {:.0f} % of the cores\n",
                      duration_text(outcome.children_cpu_s), outcome.busy() * 100));
    }
  }
  for (const sweep::Failure& failure : outcome.failures) {
    const sweep::PlannedRun& run = plan.runs[failure.run];
    std::fputs(fmt::format("psctl: error: {} ({}): {}\n  what there is of it is in {}\n", run.id, sweep::to_text(run.point),
                           failure.reason, failure.folder)
                   .c_str(),
               stderr);
  }
  if (outcome.interrupted) {
    if (!quiet) say("interrupted; the same command goes on from here\n");
    return 130;
  }
  return outcome.failures.empty() ? 0 : 1;
}

}  // namespace

int sweep(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl sweep",
       .description =
           "A grid of runs, a process each, side by side. KEY=V1,V2 is an axis of the grid, as is "
           "KEY=range(A,B[,STEP]), "
           "which excludes B; commas in brackets, braces and quotes do not count. A key with one value is changed at "
           "every point. What is there already and whole is kept, what is missing or failed is made: the same command "
           "again goes on after whatever ended it.",
       .synopsis =
           "--config FILE [--grid FILE] [--name NAME] [--out DIR] [--jobs N] [--dry-run] [--fail-fast] [--quiet] "
           "[KEY=V1,V2 ...]",
       .examples =
           "  psctl sweep --config configs/quickstart.yaml clock=virtual strategy=bsp,asp,'{name: ssp, staleness: 8}' "
           "seed='range(0,5)'\n"
           "  psctl sweep --config configs/vectors.yaml strategy=bsp,asp cluster.compute_ms='[2000,3000,7000],4000' "
           "--dry-run\n"
           "  psctl sweep --config configs/quickstart.yaml clock=virtual --grid grid.yaml --name staleness\n\n"
           "A grid file has the keys `grid: {KEY: [values]}`, `include: [{KEY: value}]`, points of their own, and\n"
           "`exclude: [{KEY: value}]`, points that are left out.\n",
       .options = {{"config", Kind::kWord, "the configuration, a YAML file", nullptr, true},
                   {"grid", Kind::kWord, "axes, points to include and to exclude, a YAML file", ""},
                   {"name", Kind::kWord, "of the sweep's folder; default: the configuration's name and -sweep", ""},
                   {"out", Kind::kWord, "folder in which the sweep has its folder", "results"},
                   {"jobs", Kind::kNumber, "runs side by side; 0: as many as there are cores", "0"},
                   {"dry-run", Kind::kFlag, "say what there is, what is missing and how long it will take"},
                   {"fail-fast", Kind::kFlag, "start no run after one that failed"},
                   {"quiet", Kind::kFlag, "no progress, no table"},
                   {"axis", Kind::kWords, "KEY=V1,V2 and changes of every point: KEY=VALUE, +KEY=VALUE, ~KEY"}},
       .positional = "axis"},
      argc, argv);
  if (!arguments) return 0;
  const bool quiet = arguments->flag("quiet");
  const std::string& path = arguments->word("config");
  SweepView view(quiet);

  const sweep::Grid grid = sweep::parse_grid(arguments->words("axis"), arguments->word("grid"));
  sweep::Planner planner;
  sweep::Planned planned = sweep::make_plan(path, grid, arguments->word("name"), planner);
  sweep::Plan& plan = planned.plan;
  if (plan.name.empty()) plan.name = plan.runs.front().config.name + "-sweep";
  const std::string folder = arguments->word("out") + "/" + plan.name;
  for (const std::vector<std::string>* notices : {&std::as_const(planned.notices), &planner.notices()}) {
    for (const std::string& notice : *notices) view.note(notice);
  }
  if (planned.duplicates > 0) {
    view.note(fmt::format("{} of the grid {} the same run as another and {} counted once",
                          counted(planned.duplicates, "point"), planned.duplicates == 1 ? "is" : "are",
                          planned.duplicates == 1 ? "is" : "are"));
  }

  // The closing of its terminal does not end it.
  std::signal(SIGHUP, SIG_IGN);
  const sweep::Options options{.jobs = arguments->number("jobs"),
                               .fail_fast = arguments->flag("fail-fast"),
                               .interrupted = &catch_signals(),
                               .progress = [&view](const sweep::Progress& progress) { view.show(progress); },
                               .notice = [&view](const std::string& text) { view.note(text); }};
  if (arguments->flag("dry-run")) {
    print_plan(planned, folder, options);
    return 0;
  }
  const sweep::Outcome outcome = sweep::execute(plan, folder, options);
  return tell_end(plan, outcome, folder, quiet);
}

}  // namespace psctl::app
