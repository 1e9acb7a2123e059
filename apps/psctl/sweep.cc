#include <algorithm>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <utility>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "results/run.h"
#include "sweep/plan.h"
#include "sweep/runner.h"
#include "sweep/tune.h"
#include "sweep_view.h"
#include "terminal.h"
#include "verbs.h"

namespace psctl::app {
namespace {

void check_name(const std::string& name) {
  const auto fits = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) || letter == '.' || letter == '_' || letter == '-';
  };
  if (name.front() == '.' || !std::ranges::all_of(name, fits)) {
    throw UserError(
        fmt::format("--name '{}': expected letters, digits, '.', '_' and '-', not beginning with '.'", name));
  }
}

// A row a run: what there is and what is missing.
void print_plan(const sweep::Planned& planned, const std::string& folder, const sweep::Options& options) {
  const sweep::Plan& plan = planned.plan;
  const std::vector<bool> there = sweep::present(plan, folder, options.notice);
  const auto done = static_cast<std::size_t>(std::ranges::count(there, true));
  say(fmt::format("{} in {}: {} there, {} missing\n", counted(plan.runs.size(), "run"), folder, done,
                  plan.runs.size() - done));
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    say(fmt::format("{:<8} {}  {}\n", there[i] ? "there" : "missing", plan.runs[i].id,
                    sweep::to_text(plan.runs[i].point)));
  }
  if (done == plan.runs.size()) return;
  const sweep::Estimate estimate = sweep::estimate(plan, folder, options);
  say(estimate.seconds > 0
          ? fmt::format("what is missing will take about {}, {}\n", duration_text(estimate.seconds), estimate.told)
          : fmt::format("how long it will take is not known: {}\n", estimate.told));
}

std::string time_text(const sweep::Trial& trial) {
  const auto median = trial.median_time_s();
  return median ? fmt::format("in {:.2f} s", *median) : "not reached";
}

// What the search says of every strategy, and what it is worth.
void print_tuning(const sweep::Tuning& tuning, const std::string& key) {
  const auto result = [&](const sweep::Trial& trial) {
    if (trial.all_diverged()) return std::string("diverged");
    const std::string accuracy = fmt::format("{:.4f}", trial.mean_accuracy());
    return tuning.by_time ? fmt::format("{} {}", accuracy, time_text(trial)) : accuracy;
  };
  std::size_t width = 8;
  for (const sweep::Choice& choice : tuning.choices) width = std::max(width, choice.label.size());
  say(fmt::format("\n{} of {}, judged on validation samples; both results on test samples, means over seeds{}\n", key,
                  counted(tuning.values.size(), "value"), tuning.by_time ? ", times are medians" : ""));
  say(fmt::format("{:<{}} {:>10} {:>14} {:>14}  {:<26} {}\n", "strategy", width, "best", "within a point",
                  "one step away", "one for all", "its own best"));
  for (const sweep::Choice& choice : tuning.choices) {
    const sweep::Trial& best = choice.trials[choice.best];
    say(fmt::format("{:<{}} {:>9g}{} {:>12g} x {:>7.1f} points  {:<26} {}\n", choice.label, width, best.value,
                    choice.all_diverged()   ? "!"
                    : choice.all_diverged() ? "!"
                    : choice.at_edge()      ? "*"
                                            : " ",
                    choice.factor_within_point(), -100 * choice.loss_one_step(),
                    fmt::format("{} ({:g})", result(*choice.at_one_for_all), choice.one_for_all),
                    result(*choice.at_own_best)));
  }
  if (std::ranges::any_of(tuning.choices, [](const sweep::Choice& choice) { return choice.at_edge(); })) {
    say("* at the edge of the grid: there may be better ones beyond it\n");
  }
  if (std::ranges::any_of(tuning.choices, &sweep::Choice::all_diverged)) {
    say("! every run of the search diverged: the best value is not known; search smaller ones\n");
  }
}

// Real runs of the plan whose workers did not have the cores that they needed.
std::size_t disturbed_runs(const sweep::Plan& plan, const std::string& folder) {
  return static_cast<std::size_t>(std::ranges::count_if(plan.runs, [&](const sweep::PlannedRun& run) {
    if (run.config.clock == config::Clock::kVirtual) return false;
    try {
      const auto made = results::read_run(folder + "/" + run.folder());
      return made && made->flag("disturbed");
    } catch (const UserError&) {
      return false;
    }
  }));
}

int tell_end(const sweep::Plan& plan, const sweep::Outcome& outcome, const std::string& folder, bool quiet) {
  if (!quiet) {
    say(fmt::format("{}: {} of {} done, {} of them now, in {}\n", folder, outcome.done,
                    counted(plan.runs.size(), "run"), outcome.made, duration_text(outcome.wall_s)));
    if (const std::size_t disturbed = disturbed_runs(plan, folder); disturbed > 0) {
      print_notice(fmt::format("the machine itself disturbed {} of these runs, their times are not those that were asked "
                               "for: use fewer --jobs or workers, or clock=virtual",
                               disturbed));
    }
    if (outcome.made > 0) {
      say(fmt::format("the runs took {} of processor time, {:.0f} % of the cores\n",
                      duration_text(outcome.children_cpu_s), outcome.busy() * 100));
    }
  }
  for (const sweep::Failure& failure : outcome.failures) {
    const sweep::PlannedRun& run = plan.runs[failure.run];
    std::fputs(fmt::format("psctl: error: {} ({}): {}\n  what there is of it is in {}\n", run.id,
                           sweep::to_text(run.point), failure.reason, failure.folder)
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
       .synopsis = "--config FILE [--grid FILE] [--name NAME] [--out DIR] [--jobs N] [--tune KEY=V1,V2] [--dry-run] "
                   "[--fail-fast] [--quiet] [KEY=V1,V2 ...]",
       .examples =
           "  psctl sweep --config configs/quickstart.yaml clock=virtual strategy=bsp,asp,'{name: ssp, staleness: 8}' "
           "seed='range(0,5)'\n"
           "  psctl sweep --config configs/vectors.yaml strategy=bsp,asp cluster.compute_ms='[2000,3000,7000],4000' "
           "--dry-run\n"
           "  psctl sweep --config configs/quickstart.yaml clock=virtual --grid grid.yaml --name staleness\n\n"
           "--tune tries the same values with the same seeds for every strategy and judges them on validation samples: "
           "by\n"
           "the time to evaluate.target_accuracy where that is given, else by the accuracy at the end. A best at the "
           "edge\n"
           "of the values adds one, for all. Then every strategy of the grid runs with one value for all (the best of\n"
           "bsp, or of the first strategy) and with its own best, as the configuration says. tuning.csv and "
           "tuning.json\n"
           "hold what was seen and chosen.\n\n"
           "  psctl sweep --config configs/quickstart.yaml clock=virtual strategy=bsp,asp seed='range(0,5)' "
           "--tune optimizer.learning_rate=0.01,0.03,0.1,0.3\n\n"
           "A grid file has the keys `grid: {KEY: [values]}`, `include: [{KEY: value}]`, points of their own, and\n"
           "`exclude: [{KEY: value}]`, points that are left out.\n",
       .options = {{"config", Kind::kWord, "the configuration, a YAML file", nullptr, true},
                   {"grid", Kind::kWord, "axes, points to include and to exclude, a YAML file", ""},
                   {"name", Kind::kWord, "of the sweep's folder; default: the configuration's name and -sweep", ""},
                   {"out", Kind::kWord, "folder in which the sweep has its folder", "results"},
                   {"jobs", Kind::kNumber, "runs side by side; 0: as many as there are cores", "0"},
                   {"tune", Kind::kWord,
                    "KEY=V1,V2,...: search the best value for every strategy, on validation samples"},
                   {"tune-seeds", Kind::kNumber, "seeds of the search, others than those of the final runs", "3"},
                   {"tune-widen", Kind::kNumber, "most times that the values grow where a best lies at their edge",
                    "2"},
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
  const bool tuned = !arguments->words("tune").empty();
  sweep::Search search;
  if (tuned) {
    sweep::TuneRequest request{.config = path,
                               .grid = grid,
                               .name = arguments->word("name"),
                               .key = {},
                               .values = {},
                               .seeds = arguments->number("tune-seeds"),
                               .widen = arguments->number("tune-widen")};
    sweep::parse_tuned_key(arguments->word("tune"), request);
    search = sweep::prepare_search(request, planner);
    for (const std::string& notice : search.notices) view.note(notice);
  }
  sweep::Planned planned = tuned ? search.planned : sweep::make_plan(path, grid, arguments->word("name"), planner);
  sweep::Plan& plan = planned.plan;
  if (plan.name.empty()) plan.name = plan.runs.front().config.name + "-sweep";
  check_name(plan.name);
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
    if (tuned) {
      say(fmt::format(
          "this is the search; behind it come {} twice, and more of the search where a best lies at an edge\n",
          counted(search.final_runs, "run")));
    }
    return 0;
  }
  if (tuned) {
    const sweep::Tuning tuning = sweep::tune(search, planner, sweep::Folder(folder), options);
    view.clear();
    const int code = tell_end(tuning.plan, tuning.outcome, folder, quiet);
    if (code == 0 && !quiet) print_tuning(tuning, search.request.key);
    return code;
  }
  const sweep::Outcome outcome = sweep::execute(plan, folder, options);
  view.clear();
  return tell_end(plan, outcome, folder, quiet);
}

}  // namespace psctl::app
