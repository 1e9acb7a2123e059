#include "verify/verify.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <map>
#include <string_view>
#include <unistd.h>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "strategies.h"
#include "verbs.h"

namespace psctl::app {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) { return std::chrono::duration<double>(Clock::now() - began).count(); }

struct Found {
  const sync::Entry* entry;
  std::string parameters;
  verify::Result result;
};

class Table {
 public:
  explicit Table(const std::vector<const sync::Entry*>& entries) {
    for (const sync::Entry* entry : entries) width_ = std::max(width_, entry->name.size());
    line("strategy", "check", "cases", "result", "parameters");
  }
  void row(const std::string& strategy, const std::string& check, std::size_t cases, bool holds,
           const std::string& parameters) const {
    line(strategy, check, fmt::format("{}", cases), holds ? "holds" : "BROKEN", parameters);
  }

 private:
  void line(std::string_view strategy, std::string_view check, std::string_view cases, std::string_view result,
            std::string_view parameters) const {
    fmt::print("{:<{}} {:<20} {:>10}  {:<7} {}\n", strategy, width_, check, cases, result, parameters);
  }

  std::size_t width_ = 12;
};

void print_violation(const Found& found) {
  const verify::Violation& violation = *found.result.violation;
  fmt::print("\n{} ({}) breaks the rule '{}' ({}{}{})\n", found.entry->name, found.parameters, violation.rule,
             found.result.check, violation.cluster.empty() ? "" : ": ", violation.cluster);
  // The end tells most: a long story is cut in front.
  constexpr std::size_t kLines = 60;
  const std::size_t skipped = violation.story.size() > kLines ? violation.story.size() - kLines : 0;
  if (skipped > 0) fmt::print("  ({} events before these)\n", skipped);
  for (std::size_t i = skipped; i < violation.story.size(); ++i) fmt::print("  {:>3}. {}\n", i + 1, violation.story[i]);
  fmt::print("  seen      {}\n  expected  {}\n", violation.seen, violation.expected);
}

// A row a check, over all settings; or a row for each setting.
void print_rows(const Table& table, const std::vector<Found>& all, std::size_t settings, bool each) {
  if (each) {
    for (const Found& f : all) {
      table.row(f.entry->name, f.result.check, f.result.cases, !f.result.violation, f.parameters);
    }
    return;
  }
  std::vector<std::string> checks;
  for (const Found& f : all) {
    if (std::ranges::find(checks, f.result.check) == checks.end()) checks.push_back(f.result.check);
  }
  for (const std::string& check : checks) {
    std::size_t cases = 0, of = 0;
    bool holds = true;
    for (const Found& f : all) {
      if (f.result.check != check) continue;
      ++of;
      cases += f.result.cases;
      holds = holds && !f.result.violation;
    }
    table.row(all.front().entry->name, check, cases, holds, fmt::format("{} of {} settings", of, settings));
  }
}

}  // namespace

int verify(int argc, char** argv) {
  const auto arguments = Arguments::parse(
      {.program = "psctl verify",
       .description =
           "Holds strategies against the rules that they must keep: in every order of events of small clusters, in "
           "many random clusters, and against closed forms. Without a name all strategies, with a row for each check; "
           "with names a row for each setting of the parameters too. A rule that is broken is shown with the shortest "
           "sequence of events that was found; the exit code is 1 then.",
       .synopsis = "[NAME ...]",
       .examples = "  psctl verify                        all strategies\n"
                   "  psctl verify ssp --rules            one, and which rules it is held against\n"
                   "  psctl verify --quick                in a few seconds\n"
                   "  psctl verify bap --seed 7 --cases 5000\n",
       .options = {{"name", Option::Kind::kWords, "a strategy"},
                   {"seed", Option::Kind::kNumber, "of the random clusters and settings", "1"},
                   {"cases", Option::Kind::kNumber, "random clusters for each setting (default: 300, with --quick 10)"},
                   {"quick", Option::Kind::kFlag, "only the smallest clusters, and few random ones"},
                   {"rules", Option::Kind::kFlag, "tell the rules"},
                   {"quiet", Option::Kind::kFlag, "no progress"}},
       .positional = "name"},
      argc, argv);
  if (!arguments) return 0;
  verify::Effort effort;
  effort.seed = arguments->number("seed");
  effort.quick = arguments->flag("quick");
  effort.cases = arguments->given("cases") ? arguments->number("cases") : effort.quick ? 10 : 300;
  if (effort.cases == 0) throw UserError("psctl verify: --cases 0: at least 1");
  const std::vector<const sync::Entry*> entries = chosen_strategies(arguments->words("name"));
  const bool each = !arguments->words("name").empty();
  const bool live = ::isatty(STDERR_FILENO) && !arguments->flag("quiet");

  const auto began = Clock::now();
  std::size_t cases = 0, settings = 0;
  std::vector<Found> broken;
  const Table table(entries);
  for (const sync::Entry* entry : entries) {
    const std::vector<verify::Subject> subjects = verify::subjects_of(*entry, effort.seed);
    std::vector<Found> all;
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      const std::string parameters = verify::text_of(*entry, subjects[i].parameters);
      if (live) {
        fmt::print(stderr, "\r\033[K{} {} of {}: {}", entry->name, i + 1, subjects.size(), parameters);
        std::fflush(stderr);
      }
      for (verify::Result& result : verify::verify(subjects[i], effort)) {
        cases += result.cases;
        all.push_back({entry, parameters, std::move(result)});
      }
    }
    if (live) fmt::print(stderr, "\r\033[K");
    settings += subjects.size();
    print_rows(table, all, subjects.size(), each);
    std::fflush(stdout);
    for (Found& found : all) {
      if (found.result.violation) broken.push_back(std::move(found));
    }
    if (!arguments->flag("rules")) continue;
    std::map<std::string, std::string> rules;
    for (const verify::Subject& subject : subjects) {
      for (const auto& [name, expected] : verify::rules_of(subject)) rules.emplace(name, expected);
    }
    for (const auto& [name, expected] : rules) fmt::print("  {:<22} {}\n", name, expected);
  }
  // One story a strategy and rule, the shortest: the others are most likely the same fault.
  std::map<std::pair<std::string, std::string>, const Found*> shortest;
  for (const Found& found : broken) {
    const Found*& known = shortest[{found.entry->name, found.result.violation->rule}];
    if (!known || found.result.violation->story.size() < known->result.violation->story.size()) known = &found;
  }
  for (const auto& [rule, found] : shortest) print_violation(*found);
  fmt::print(
      "\n{}, {}, {} in {:.1f} s, seed {}: {}\n", counted(entries.size(), "strategy", "strategies"),
      counted(settings, "setting"), counted(cases, "case"), seconds_since(began), effort.seed,
      broken.empty() ? "all rules hold" : fmt::format("a rule is broken in {}", counted(broken.size(), "check")));
  return broken.empty() ? 0 : 1;
}

}  // namespace psctl::app
