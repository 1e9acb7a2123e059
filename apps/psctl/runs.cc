#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "config/json.h"
#include "results/curve.h"
#include "results/filter.h"
#include "results/outcome.h"
#include "results/run.h"
#include "terminal.h"
#include "text_table.h"
#include "verbs.h"

namespace psctl::app {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string> kColumns = {"run",
                                           "status",
                                           "label",
                                           "stage",
                                           "clock",
                                           "seed",
                                           "time_s",
                                           "samples_per_s",
                                           "final_accuracy",
                                           "time_to_target_s",
                                           "worker_s_to_target",
                                           "samples_used",
                                           "samples_discarded",
                                           "samples_pending",
                                           "samples_lost",
                                           "compute_share",
                                           "wait_share",
                                           "staleness_p99"};

struct Row {
  const results::Run* run = nullptr;  // none of what cannot be read
  std::vector<std::optional<std::string>> cells;
  std::optional<std::string> order;  // what it is sorted by
};

// Without links, so that a folder is known by whichever name it is given.
std::string real_path(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  return error ? path : real.string();
}

// To be read: six digits.
std::string rounded(const std::string& cell) {
  const auto number = results::as_number(cell);
  if (!number || cell.find_first_of(".eE") == std::string::npos) return cell;
  return fmt::format("{:.6g}", *number);
}

bool comes_before(const Row& a, const Row& b, bool reverse) {
  if (!a.order || !b.order) return a.order.has_value() && !b.order;  // what is not known is last
  const auto first = results::as_number(*a.order), second = results::as_number(*b.order);
  if (const auto order = results::compare_numbers(*a.order, *b.order)) return reverse ? *order > 0 : *order < 0;
  if (first.has_value() != second.has_value()) return first.has_value() != reverse;
  return reverse ? *a.order > *b.order : *a.order < *b.order;
}

// Columns in which no row has anything.
void leave_out_empty(std::vector<Row>& rows, std::vector<std::string>& columns) {
  if (rows.empty()) return;
  for (std::size_t i = columns.size(); i-- > 0;) {
    if (std::ranges::any_of(rows, [&](const Row& row) { return row.cells[i].has_value(); })) continue;
    const auto at = static_cast<std::ptrdiff_t>(i);
    columns.erase(columns.begin() + at);
    for (Row& row : rows) row.cells.erase(row.cells.begin() + at);
  }
}

Json as_json(const std::vector<Row>& rows, const std::vector<std::string>& columns, const results::Horizon& horizon) {
  Json list = Json::array();
  for (const Row& row : rows) {
    Json object = Json::object();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!row.cells[i]) {
        object[columns[i]] = nullptr;
        continue;
      }
      const bool is_text = columns[i] == "run" || (row.run && row.run->is_text(columns[i]));
      const Json value = Json::parse(*row.cells[i], nullptr, false);  // a number, a flag or a list
      object[columns[i]] = is_text || value.is_discarded() ? Json(*row.cells[i]) : value;
    }
    if (row.run) object["outcomes"] = results::outcomes_of(*row.run, horizon);
    list.push_back(std::move(object));
  }
  return list;
}

// --groups: what every group came to. `measures`: keys, as outcome() knows them.
nlohmann::ordered_json groups_as_json(const std::string& path, const std::vector<results::Run>& runs,
                                      const std::vector<std::string>& measures, std::optional<double> target,
                                      const std::vector<std::string>& curve) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw UserError(fmt::format("--groups {}: cannot be opened", path));
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  const auto asked = config::parse_json(text);
  const auto refuse = [&](const std::string& why) { throw UserError(fmt::format("--groups {}: {}", path, why)); };
  if (!asked.is_array()) refuse("expected a JSON list of groups, each a list of folders of runs");
  std::map<std::string, const results::Run*> known;
  for (const results::Run& run : runs) known.emplace(real_path(run.path()), &run);
  std::vector<std::vector<const results::Run*>> groups;
  std::vector<const results::Run*> all;
  for (const Json& group : asked) {
    if (!group.is_array()) refuse("expected a JSON list of groups, each a list of folders of runs");
    std::vector<const results::Run*>& members = groups.emplace_back();
    for (const Json& folder : group) {
      const std::string name = folder.is_string() ? folder.get<std::string>() : folder.dump();
      const auto found = known.find(real_path(name));
      if (found == known.end()) refuse(fmt::format("{} is none of the runs", name));
      members.push_back(found->second);
      all.push_back(found->second);
    }
  }
  const results::Horizon horizon = results::horizon_of(all);
  // With another target than their own the times of runs come from their evaluations.
  const auto came = [&](const results::Run& run, const std::string& measure) {
    const bool other = target && measure == "time_to_target_s" && run.number("target_accuracy") != target;
    return other ? results::time_to_accuracy(run, *target, horizon) : results::outcome(run, measure, horizon);
  };
  Json list = Json::array();
  for (const auto& group : groups) {
    Json members = Json::array(), figures = Json::object();
    for (const results::Run* run : group) {
      Json outcomes = Json::object();
      for (const std::string& measure : measures) {
        if (const auto outcome = came(*run, measure)) outcomes[measure] = *outcome;
      }
      members.push_back({{"run", run->path()}, {"status", name_of(run->status())}, {"outcomes", std::move(outcomes)}});
    }
    for (const std::string& measure : measures) {
      std::vector<results::Outcome> outcomes;
      for (const results::Run* run : group) {
        if (const auto outcome = came(*run, measure)) outcomes.push_back(*outcome);
      }
      figures[measure] = results::standing_of(outcomes, results::is_time_to(measure));
    }
    list.push_back({{"runs", std::move(members)}, {"measures", std::move(figures)}});
    if (curve.empty()) continue;
    std::vector<const results::Run*> whole;
    std::ranges::copy_if(group, std::back_inserter(whole), [](const results::Run* run) {
      return run->status() == results::Status::kDone && !run->diverged();
    });
    list.back()["curve"] = results::mean_curve(whole, curve[0], curve[1]);
  }
  return list;
}

TextTable as_table(const std::vector<Row>& rows, const std::vector<std::string>& columns, Format format) {
  TextTable table;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const bool numbers = std::ranges::all_of(
        rows, [&](const Row& row) { return !row.cells[i] || results::as_number(*row.cells[i]).has_value(); });
    table.columns.push_back({columns[i], !numbers});
  }
  for (const Row& row : rows) {
    std::vector<std::string>& cells = table.rows.emplace_back();
    for (const auto& cell : row.cells) {
      cells.push_back(format == Format::kCsv ? cell.value_or("") : cell ? rounded(*cell) : "-");
    }
  }
  return table;
}

}  // namespace

int runs(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl runs",
       .description =
           "A table of runs: those in the folders that are named, at any depth, or in results. Columns are what "
           "summary.json has (final_accuracy), keys of the configuration (strategy.staleness, stragglers.0.delay_ms), "
           "run, status, label and stage; --format json adds what each run came to (outcomes). A run that failed, was "
           "interrupted, is not finished, cannot be read, or is "
           "missing from its sweep has that as its status.",
       .synopsis = "[DIR ...] [--columns KEY,...] [--where KEY=VALUE] [--sort KEY] [--top N]",
       .examples = "  psctl runs\n"
                   "  psctl runs results/tuned-sweep --sort final_accuracy --reverse --top 5\n"
                   "  psctl runs --where strategy=ssp --where 'strategy.staleness<8' --columns +strategy.staleness\n"
                   "  psctl runs --columns run,seed,time_s --format csv\n",
       .options = {{"folder", Kind::kWords, "a run, or a folder with runs in it; default: results"},
                   {"columns", Kind::kWords, "keys, by commas; +KEY adds to the usual ones"},
                   {"where", Kind::kWords, "KEY=VALUE, or with !=, <, <=, >, >=; all that are given must hold"},
                   {"sort", Kind::kWord, "by this key, the least first, the unknown last"},
                   {"reverse", Kind::kFlag, "the greatest first"},
                   {"top", Kind::kNumber, "most rows that are shown"},
                   {"format", Kind::kWord, kFormats, "table"},
                   {"groups", Kind::kWord,
                    "for scripts, with --format json: what groups of runs came to under the measures that --columns "
                    "names; a file (-: standard input) with a JSON list of lists of folders"},
                   {"target", Kind::kWord, "with --groups: the accuracy that time_to_target_s is the time to"},
                   {"curve", Kind::kWord, "with --groups: X,Y: the mean of this column of evals.csv along that one"},
                   {"quiet", Kind::kFlag, "no notes, only the table"}},
       .positional = "folder"},
      argc, argv);
  if (!arguments) return 0;
  const Format format = parse_format(arguments->word("format"));
  std::vector<std::string> columns;
  for (const std::string& column : parted_by_commas(arguments->words("columns"))) {
    const bool adds = column.starts_with('+');
    if (adds && columns.empty()) columns = kColumns;
    columns.push_back(adds ? column.substr(1) : column);
  }
  if (columns.empty() && arguments->given("groups")) {
    for (const results::Metric metric : results::kMetrics) columns.emplace_back(key_of(metric));
  }
  if (columns.empty()) columns = kColumns;
  std::vector<results::Condition> conditions;
  for (const std::string& where : arguments->words("where")) conditions.push_back(results::parse_condition(where));
  std::vector<std::string> folders = arguments->words("folder");
  if (folders.empty()) folders.emplace_back("results");

  results::Found found = results::find_runs(folders);
  // A usual column need not be in any run; what was asked for must.
  if (!arguments->words("columns").empty()) {
    for (const std::string& column : columns) {
      const bool asked = std::ranges::find(kColumns, column) == kColumns.end() && !arguments->given("groups");
      if (asked) results::check_key(found.runs, column, "--columns");
    }
  }
  for (const results::Condition& condition : conditions) results::check_key(found.runs, condition.key, "--where");
  const bool sorted = arguments->given("sort");
  if (sorted) results::check_key(found.runs, arguments->word("sort"), "--sort");

  const std::vector<results::Run> chosen = results::matching(std::move(found.runs), conditions);
  if (arguments->given("groups")) {
    if (format != Format::kJson) throw UserError("psctl runs: --groups needs --format json");
    std::vector<std::string> curve;
    if (arguments->given("curve")) curve = parted_by_commas({arguments->word("curve")});
    if (!curve.empty() && curve.size() != 2) throw UserError("--curve: expected two columns of evals.csv, X,Y");
    std::optional<double> target;
    if (arguments->given("target")) {
      target = results::as_number(arguments->word("target"));
      if (!target) throw UserError(fmt::format("--target {}: expected an accuracy", arguments->word("target")));
    }
    const auto groups = groups_as_json(arguments->word("groups"), chosen, columns, target, curve);
    fmt::print("{}\n", groups.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    std::fflush(stdout);
    return 0;
  }
  const std::vector<std::string> labels = results::labels(chosen);
  std::vector<Row> rows;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto cell = [&](const std::string& key) {
      return key == "label" ? std::optional(labels[i]) : results::field(chosen[i], key);
    };
    Row& row = rows.emplace_back();
    row.run = &chosen[i];
    for (const std::string& column : columns) row.cells.push_back(cell(column));
    if (sorted) row.order = cell(arguments->word("sort"));
  }
  const auto add_bare = [&](const std::string& path, const char* status) {
    if (!conditions.empty()) return;  // nobody knows what would hold
    Row& row = rows.emplace_back();
    for (const std::string& column : columns) {
      row.cells.push_back(column == "run"      ? std::optional(path)
                          : column == "status" ? std::optional<std::string>(status)
                                               : std::nullopt);
    }
  };
  for (const results::Unreadable& unreadable : found.unreadable) add_bare(unreadable.path, "unreadable");
  for (const std::string& path : found.missing) add_bare(path, "missing");
  const bool none = rows.empty();
  const bool reverse = arguments->flag("reverse");
  if (sorted) {
    std::ranges::stable_sort(rows, [&](const Row& a, const Row& b) { return comes_before(a, b, reverse); });
  } else if (reverse) {
    std::ranges::reverse(rows);
  }
  if (arguments->given("top")) rows.resize(std::min(rows.size(), arguments->number("top")));

  const bool for_people = format == Format::kTable || format == Format::kMarkdown;
  if (for_people && arguments->words("columns").empty()) leave_out_empty(rows, columns);
  if (format == Format::kJson) {
    fmt::print("{}\n", as_json(rows, columns, results::horizon_of(chosen))
                           .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}", to_text(as_table(rows, columns, format), format));
  }
  std::fflush(stdout);
  if (arguments->flag("quiet")) return 0;
  for (const results::Unreadable& unreadable : found.unreadable) {
    print_notice(fmt::format("{}: {}", unreadable.path, unreadable.why));
  }
  if (none) print_notice(fmt::format("no run {}in {}", conditions.empty() ? "" : "of that kind ", enumerate(folders)));
  return 0;
}

}  // namespace psctl::app
