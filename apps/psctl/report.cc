#include "report/report.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "partition_view.h"
#include "results/filter.h"
#include "results/run.h"
#include "run/version.h"
#include "stages.h"
#include "terminal.h"
#include "trace/line_file.h"
#include "verbs.h"

namespace psctl::app {
namespace {

namespace fs = std::filesystem;

std::string name_of(const std::string& folder) {
  const fs::path path = fs::path(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

}  // namespace

int report(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl report",
       .description = "One page of HTML about a run, several runs or a sweep: pictures to look into, and everything "
                      "the page needs "
                      "is in it.",
       .synopsis = "RUN ... -o FILE.html [--where KEY=VALUE] [--title TEXT] [--quiet]",
       .examples = "  psctl report results/quickstart-20260102-030405 -o run.html\n"
                   "  psctl report results/quickstart-sweep -o sweep.html --title \"One slow worker\"\n"
                   "  psctl report results/quickstart-sweep -o bsp.html --where strategy.name=bsp\n",
       .options = {{"run", Kind::kWords, "the folder of a run, or one below which there are folders of runs"},
                   {"o,output", Kind::kWord, "the page to write: a name that ends in .html", nullptr, true},
                   {"where", Kind::kWords, "only runs with KEY=VALUE; also !=, <, <=, >, >="},
                   {"title", Kind::kWord, "of the page; without it, the names of what it is about"},
                   {"quiet", Kind::kFlag, "say nothing but what is wrong"}},
       .positional = "run"},
      argc, argv);
  if (!arguments) return 0;
  const std::string& output = arguments->word("output");
  const std::vector<std::string>& folders = arguments->words("run");
  if (folders.empty())
    throw UserError("psctl report: name the folder of a run or of a sweep; psctl report --help tells more");
  check_output(output, {".html", ".htm"});
  if (fs::is_directory(output)) throw UserError(fmt::format("--output: {} is a folder", output));
  const bool quiet = arguments->flag("quiet");

  std::vector<results::Condition> conditions;
  for (const std::string& where : arguments->words("where")) conditions.push_back(results::parse_condition(where));
  results::Found found = results::find_runs(folders);
  for (const results::Condition& condition : conditions) results::check_key(found.runs, condition.key, "--where");
  report::Request request;
  request.version = run::kVersion;
  const std::size_t all = found.runs.size();
  std::vector<results::Run> runs = results::matching(std::move(found.runs), conditions);
  if (runs.size() < all)
    request.note = fmt::format("only runs with {}: {} of {}", enumerate(arguments->words("where")), runs.size(), all);
  const std::string stage = choose_stage(runs, conditions);
  if (!stage.empty()) request.note += (request.note.empty() ? "" : "; ") + stage;
  const std::vector<std::string> labels = results::labels(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) request.runs.push_back({.folder = runs[i].path(), .label = labels[i]});
  for (const results::Unreadable& one : found.unreadable) request.problems.push_back({one.path, one.why});
  for (const std::string& path : found.missing) request.problems.push_back({path, "missing; the sweep's plan has it"});
  std::vector<std::string> names;
  for (const std::string& folder : folders) names.push_back(name_of(folder));
  request.title = arguments->given("title") ? arguments->word("title")
                  : names.size() <= 3       ? enumerate(names)
                                            : counted(request.runs.size(), "run");
  report::Page page;
  {
    ProgressLine line(0, quiet);
    request.progress = [&](double share) { line.show("reading " + counted(request.runs.size(), "run"), share); };
    page = report::make_page(request);
  }
  for (const report::Problem& problem : page.problems) print_notice(fmt::format("{}: {}", problem.path, problem.text));
  if (page.runs == 0)
    throw UserError(fmt::format("psctl report: there is no run that can be read in {}", enumerate(folders)));
  trace::write_whole(output, page.html);
  if (quiet) return 0;
  for (const std::string& thinned : page.thinned) fmt::print("thinned: {}\n", thinned);
  fmt::print("{}: {}, {}\n", output, counted(page.runs, "run"), in_bytes(page.html.size()));
  return 0;
}

}  // namespace psctl::app
