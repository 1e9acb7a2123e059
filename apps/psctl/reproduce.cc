// psctl reproduce: the papers' claims on our harness. Presets, runs and verdicts are lib/reproduce's; this reads the
// arguments, has the runs made, and writes what came of them.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "reproduce/planner_study.h"
#include "reproduce/report.h"
#include "run/folder.h"
#include "run/version.h"
#include "shipped.h"
#include "sweep/runner.h"
#include "sweep_view.h"
#include "terminal.h"
#include "trace/line_file.h"
#include "verbs.h"

extern char** environ;

namespace psctl::app {
namespace {

namespace fs = std::filesystem;
using reproduce::Campaign;
using reproduce::Preset;
using reproduce::Size;

std::vector<std::string> preset_paths() {
  const std::string folder = shipped("papers", PSCTL_PAPERS);
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  }
  if (paths.empty()) throw UserError(fmt::format("psctl reproduce: there are no presets in {}", folder));
  std::ranges::sort(paths);
  return paths;
}

// Of the names given: presets, claims of presets, or files. Of a preset of which only claims are named, those alone.
std::vector<Preset> chosen_presets(const std::vector<std::string>& names, Size size) {
  std::vector<Preset> known, chosen;
  std::vector<std::string> words;
  for (const std::string& path : preset_paths()) {
    known.push_back(reproduce::load_preset(path, size));
    words.push_back(known.back().name);
  }
  if (names.empty()) return known;
  const auto add = [&](Preset preset) {
    const auto there = std::ranges::find(chosen, preset.file, &Preset::file);
    if (there == chosen.end()) {
      chosen.push_back(std::move(preset));
    } else {
      reproduce::merge(*there, preset);
    }
  };
  for (const std::string& name : names) {
    if (name.find('/') != std::string::npos || name.ends_with(".yaml")) {
      add(reproduce::load_preset(name, size));
      continue;
    }
    bool found = false;
    for (const Preset& preset : known) {
      if (preset.name == name) {
        add(preset);
        found = true;
      } else if (auto one = reproduce::only(preset, name)) {
        add(std::move(*one));
        found = true;
      } else if (std::ranges::find(preset.left_out, name) != preset.left_out.end()) {
        throw UserError(fmt::format("psctl reproduce: {} is not judged at this size; leave --quick out", name));
      }
      for (const reproduce::Claim& claim : preset.claims) words.push_back(claim.id);
    }
    if (found) continue;
    const std::string near = nearest(name, words);
    throw UserError(
        fmt::format("psctl reproduce: there is no preset and no claim {}{}; psctl reproduce --list shows them", name,
                    near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
  }
  return chosen;
}

void print_list(const std::vector<Preset>& presets) {
  for (const Preset& preset : presets) {
    fmt::print("{}: {}\n", preset.name, preset.title);
    for (const reproduce::Claim& claim : preset.claims) fmt::print("  {:<28} {}\n", claim.id, claim.says);
    for (const std::string& id : preset.left_out) fmt::print("  {:<28} (not at this size)\n", id);
  }
}

// What reproduce_pictures.py draws, as far as it is there: the guide, the claims paper by paper, the network.
std::vector<std::string> pictures_in(const std::string& folder) {
  std::vector<std::string> claims;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("claims-") && name.ends_with(".png")) claims.push_back(name);
  }
  std::ranges::sort(claims);
  if (fs::exists(folder + "/guide.png")) claims.insert(claims.begin(), "guide.png");
  if (fs::exists(folder + "/network.png")) claims.emplace_back("network.png");
  return claims;
}

void remove_pictures(const std::string& folder) {
  std::error_code ignored;
  for (const std::string& name : pictures_in(folder)) fs::remove(folder + "/" + name, ignored);
}

// Draws what the tables say. A picture that cannot be drawn is no reason to withhold the tables.
std::vector<std::string> draw(const std::string& folder) {
  remove_pictures(folder);  // of other tables
  const std::string python = drawing_python();
  const std::string script = shipped("reproduce_pictures.py", PSCTL_SCRIPTS "/reproduce_pictures.py");
  std::vector<const char*> words = {python.c_str(), script.c_str(), folder.c_str(), nullptr};
  pid_t child = 0;
  int status = 1;
  if (::posix_spawn(&child, python.c_str(), nullptr, nullptr, const_cast<char**>(words.data()), environ) == 0)
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  if (status != 0) print_notice(fmt::format("no pictures: {} {} failed; they need python3-matplotlib", python, script));
  return status == 0 ? pictures_in(folder) : std::vector<std::string>();
}

constexpr const char* kTables[] = {"claims.csv", "comparisons.csv", "outcomes.csv",
                                   "rates.csv",  "claims.json",     "report.md"};

void write_report(const std::string& folder, const Campaign& campaign, const reproduce::Verdicts& verdicts,
                  reproduce::Made made, const std::string& publish) {
  trace::write_whole(folder + "/claims.csv", reproduce::claims_csv(verdicts));
  trace::write_whole(folder + "/comparisons.csv", reproduce::comparisons_csv(verdicts));
  trace::write_whole(folder + "/outcomes.csv", reproduce::outcomes_csv(campaign, verdicts));
  trace::write_whole(folder + "/rates.csv", reproduce::rates_csv(campaign));
  trace::write_whole(folder + "/claims.json", reproduce::json(campaign, verdicts, made));
  made.pictures = draw(folder);
  trace::write_whole(folder + "/report.md", reproduce::markdown(campaign, verdicts, made));
  if (publish.empty()) return;
  remove_pictures(publish);
  std::vector<std::string> names(std::begin(kTables), std::end(kTables));
  std::ranges::copy(made.pictures, std::back_inserter(names));
  for (const std::string& name : names) {
    std::ifstream file(folder + "/" + name, std::ios::binary);
    std::ostringstream content;
    if (!file || !(content << file.rdbuf())) throw WorldError(fmt::format("cannot read {}/{}", folder, name));
    trace::write_whole(publish + "/" + name, content.view());
  }
}

// Hours of runs are not begun for a folder that nobody may write to.
void check_publish(const std::string& publish) {
  run::use_folder(publish);
  const std::string probe = fmt::format("{}/.psctl-{}", publish, ::getpid());
  try {
    trace::write_whole(probe, "");
  } catch (const WorldError& error) {
    throw UserError(fmt::format("--publish {}: {}", publish, error.what()));
  }
  std::error_code ignored;
  fs::remove(probe, ignored);
}

auto missing(const Campaign& campaign, const std::string& folder, const sweep::Options& options) {
  return std::ranges::count(sweep::present(campaign.plan(), folder, options.notice), false);
}

// How long it takes to make what the folder does not hold.
void print_estimate(const Campaign& campaign, const Campaign::Expected& more, const std::string& folder,
                    const sweep::Options& options) {
  say("some are tried out for an estimate\n");
  const sweep::Estimate first = sweep::estimate(campaign.plan(), folder, options);
  double seconds = first.seconds;
  if (more.runs > 0) {
    seconds += sweep::estimate(more.sample, folder, options).seconds * static_cast<double>(more.runs) /
               static_cast<double>(more.sample.runs.size());
  }
  say(seconds > 0 ? fmt::format("what is missing will take about {} ({})\n", duration_text(seconds), first.told)
                  : fmt::format("how long it will take is not known: {}\n", first.told));
}

// What would be run with what the folder holds, and how long that would take.
void print_dry_run(Campaign& campaign, const std::string& folder, const sweep::Options& options) {
  auto now = missing(campaign, folder, options);
  while (now == 0 && campaign.grow(folder)) now = missing(campaign, folder, options);
  const Campaign::Expected more = campaign.more_to_come() ? campaign.expected_more() : Campaign::Expected();
  say(fmt::format("{}, {} of them missing{}\n", counted(campaign.plan().runs.size(), "run"), now,
                  more.runs > 0 ? fmt::format(", and up to {} more when rates are chosen", more.runs) : ""));
  if (now == 0) return;
  print_estimate(campaign, more, folder, options);
}

}  // namespace

int reproduce(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl reproduce",
       .description =
           "The papers' claims on this harness: held, not held or inconclusive, with figures. A NAME is a preset, a "
           "claim, or a "
           "preset's file; without one, all of configs/papers. What has been run is not run again, so an interrupted "
           "campaign goes on where it was. A claim that does not hold is a result: the exit code is 0 all the same.",
       .synopsis = "[NAME ...]",
       .examples =
           "  psctl reproduce --list               which claims there are\n"
           "  psctl reproduce --quick              in minutes: what needs no training, and one claim that does\n"
           "  psctl reproduce --power              which claims could be shown if they are true\n"
           "  psctl reproduce wbsp --dry-run       what would be run, and how long it would take\n"
           "  psctl reproduce wbsp-share           one claim\n"
           "  psctl reproduce --publish results/published\n",
       .options = {{"name", Kind::kWords, "a preset, a claim or a preset's file"},
                   {"quick", Kind::kFlag, "few seeds, few rates, hardly any training"},
                   {"full", Kind::kFlag, "more seeds, more clusters: hours"},
                   {"list", Kind::kFlag, "only list presets and claims"},
                   {"power", Kind::kFlag, "only simulate how likely each claim is held if its source is right"},
                   {"dry-run", Kind::kFlag, "only tell what would be run, and estimate how long"},
                   {"jobs", Kind::kNumber, "runs side by side; 0: as many as there are cores", "0"},
                   {"out", Kind::kWord, "folder in which the folder `reproduce` holds runs and report", "results"},
                   {"publish", Kind::kWord, "folder that gets a copy of the report, its tables and pictures"},
                   {"quiet", Kind::kFlag, "no progress"}},
       .positional = "name"},
      argc, argv);
  if (!arguments) return 0;
  if (arguments->flag("quick") && arguments->flag("full"))
    throw UserError("psctl reproduce: --quick or --full, not both");
  const Size size = arguments->flag("quick") ? Size::kQuick : arguments->flag("full") ? Size::kFull : Size::kDefault;
  const std::vector<Preset> presets = chosen_presets(arguments->words("name"), size);
  if (arguments->flag("list")) {
    print_list(presets);
    return 0;
  }
  const bool dry_run = arguments->flag("dry-run"), quiet = arguments->flag("quiet") && !dry_run;
  std::size_t claims = 0, left_out = 0;
  for (const Preset& preset : presets) {
    claims += preset.claims.size();
    left_out += preset.left_out.size();
    for (const reproduce::Study& study : preset.studies) {
      if (study.kind != reproduce::StudyKind::kRuns) reproduce::check_planner_study(preset, study);
    }
  }
  if (!quiet)
    say(fmt::format("{} of {}{}\n", counted(claims, "claim"), counted(presets.size(), "preset"),
                    left_out > 0 ? fmt::format(" ({} more at a larger size)", left_out) : ""));
  reproduce::check_measures(presets);
  sweep::Planner planner;
  Campaign campaign(presets, planner);
  const Campaign::Expected more = campaign.expected_more();  // of which all is checked, too
  const std::string folder = arguments->word("out") + "/reproduce";
  std::signal(SIGHUP, SIG_IGN);  // the closing of its terminal does not end it

  sweep::Options options;
  options.jobs = arguments->number("jobs");
  options.interrupted = &catch_signals();
  SweepView view(quiet);
  options.progress = [&view](const sweep::Progress& progress) { view.show(progress); };
  options.notice = [&view](const std::string& text) { view.note(text); };
  if (dry_run) {
    print_dry_run(campaign, folder, options);
    return *options.interrupted ? 130 : 0;
  }
  if (arguments->flag("power")) {
    while (missing(campaign, folder, options) == 0 && campaign.grow(folder)) {
    }
    fmt::print("{}", reproduce::power_table(reproduce::judge(campaign, folder, {})));
    return 0;
  }
  const std::string publish = arguments->given("publish") ? arguments->word("publish") : "";
  if (arguments->given("publish")) check_publish(publish);
  run::use_folder(arguments->word("out"));
  if (!quiet)
    say(fmt::format("{}{}\n", counted(campaign.plan().runs.size(), "run"),
                    more.runs > 0 ? fmt::format(" now, and up to {} when rates are chosen", more.runs) : ""));
  // Where it takes hours, a minute for the estimate is well spent.
  if (!quiet && size == Size::kFull && (campaign.more_to_come() || missing(campaign, folder, options) > 0))
    print_estimate(campaign, more, folder, options);
  const auto interrupted = [&] {
    if (*options.interrupted) print_notice("interrupted; the same command goes on from here");
    return options.interrupted->load();
  };

  std::vector<std::string> failures;
  {
    const sweep::Folder held(folder);
    do {
      options.more_to_come = campaign.more_to_come();
      const sweep::Outcome outcome = sweep::execute(campaign.plan(), held, options);
      view.clear();
      if (interrupted()) return 130;
      failures.clear();
      for (const sweep::Failure& failure : outcome.failures) {
        failures.push_back(fmt::format("{}: {} ({})", sweep::to_text(campaign.plan().runs[failure.run].point),
                                       failure.reason, failure.folder));
      }
    } while (campaign.grow(folder));

    std::map<reproduce::Cell, std::vector<double>> planners;
    for (std::size_t p = 0; p < presets.size(); ++p) {
      for (std::size_t s = 0; s < presets[p].studies.size(); ++s) {
        if (presets[p].studies[s].kind != reproduce::StudyKind::kRuns)
          planners.merge(reproduce::measure_planners(presets, p, s));
        if (interrupted()) return 130;
      }
    }
    const reproduce::Verdicts verdicts = reproduce::judge(campaign, folder, planners);
    write_report(folder, campaign, verdicts,
                 {.size = size,
                  .version = run::kVersion,
                  .host = run::host_name(),
                  .cores = std::thread::hardware_concurrency(),
                  .runs = campaign.plan().runs.size(),
                  .pictures = {}},
                 publish);
    if (interrupted()) return 130;
    fmt::print("{}", reproduce::table(verdicts));
  }
  fmt::print("\n{}/report.md\n", folder);
  std::fflush(stdout);
  for (const std::string& notice : campaign.notices()) print_notice(notice);
  if (failures.empty()) return 0;
  for (const std::string& failure : failures) print_error(failure);
  throw WorldError(
      fmt::format("{} failed; claims that rest on them are inconclusive", counted(failures.size(), "run")));
}

}  // namespace psctl::app
