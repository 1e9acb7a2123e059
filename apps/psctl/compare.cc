#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "results/comparison.h"
#include "results/filter.h"
#include "results/run.h"
#include "stages.h"
#include "stats/tests.h"
#include "terminal.h"
#include "text_table.h"
#include "trace/line_file.h"
#include "verbs.h"

namespace psctl::app {
namespace {

using results::Comparison;
using results::Difference;
using results::Figure;
using results::Group;
using results::Judgement;
using results::Metric;
using results::Verdict;
using Json = nlohmann::ordered_json;

constexpr double kSignificantDigits = 4;

std::string number_text(double value) {
  // Large numbers in full, small ones with four digits that count.
  if (std::abs(value) >= std::pow(10, kSignificantDigits)) return fmt::format("{:.0f}", value);
  return fmt::format("{:.4g}", value);
}

std::string p_text(double p) { return p < 0.0001 ? "<0.0001" : fmt::format("{:.4f}", p); }

struct Shown {
  const char* key;    // of JSON and CSV
  const char* title;  // of tables
  double scale = 1;   // in tables
  const char* form;   // in tables
  std::function<std::optional<double>(const results::Run&)> of;
  std::optional<double> mean_of(const Group& group) const;
};

std::optional<double> Shown::mean_of(const Group& group) const {
  std::vector<double> values;
  for (const results::Run* run : group.runs) {
    if (const auto value = of(*run)) values.push_back(*value);
  }
  return values.empty() ? std::nullopt : std::optional(stats::mean(values));
}

constexpr const char* kCost = "worker_s_to_target";

// The median of a group, which is known also where some runs missed the target.
std::optional<double> cost_of(const Comparison& comparison, const Group& group) {
  std::vector<const results::Run*> all;
  for (const Group& each : comparison.groups) all.insert(all.end(), each.runs.begin(), each.runs.end());
  return results::standing_of(group.runs, kCost, results::horizon_of(all)).centre;
}

// Of what was computed, the part that no update used.
std::optional<double> unused_share(const results::Run& run) {
  double computed = 0;
  for (const char* key :
       {"samples_used", "samples_discarded", "samples_pending", "samples_lost", "samples_given_up"}) {
    const auto samples = run.number(key);
    if (!samples) return std::nullopt;
    computed += *samples;
  }
  return computed > 0 ? std::optional(1 - *run.number("samples_used") / computed) : std::nullopt;
}

const std::vector<Shown>& shown() {
  const auto summary = [](const char* key) { return [key](const results::Run& run) { return run.number(key); }; };
  static const std::vector<Shown> kAll = {
      {"unused_share", "samples unused %", 100, "{:.1f}", unused_share},
      {"best_accuracy", "best accuracy", 1, "{:.4f}", summary("best_accuracy")},
      {"time_s", "run s", 1, "{:.4g}", summary("time_s")},
      {"compute_share", "computing %", 100, "{:.1f}", summary("compute_share")},
      {"wait_share", "waiting %", 100, "{:.1f}", summary("wait_share")},
      {"staleness_p50", "staleness p50", 1, "{:.4g}", summary("staleness_p50")},
      {"staleness_p99", "p99", 1, "{:.4g}", summary("staleness_p99")},
      {"bytes", "MB moved", 1e-6, "{:.1f}",
       [](const results::Run& run) -> std::optional<double> {
         const auto up = run.number("bytes_pushed"), down = run.number("bytes_pulled");
         return up && down ? std::optional(*up + *down) : std::nullopt;
       }},
  };
  return kAll;
}

std::string interval_text(const stats::Interval& interval, const std::function<std::string(double)>& text) {
  if (interval.method == stats::Method::kNone) return text(interval.mean);
  return fmt::format("{} [{}, {}]", text(interval.mean), text(interval.low), text(interval.high));
}

std::string accuracy_text(double value) { return fmt::format("{:.4f}", value); }

std::string figure_text(const Figure& figure, Metric metric) {
  if (figure.n == 0) return "-";
  const auto text = metric == Metric::kFinalAccuracy ? accuracy_text : number_text;
  const results::Standing& standing = figure.standing;
  const std::string centre = standing.centre ? text(*standing.centre) : "-";
  if (!standing.is_median && standing.interval) return interval_text(*standing.interval, text);
  if (standing.censored == 0) return centre;
  return fmt::format("{}, not reached in {} of {} (up to {} s)", centre, figure.censored, figure.n,
                     number_text(figure.censored_at));
}

std::string marks_of(const Group& group) {
  std::vector<std::string> marks;
  if (group.diverged > 0) marks.push_back(fmt::format("{} diverged", group.diverged));
  if (group.disturbed > 0) marks.push_back(fmt::format("{} disturbed", group.disturbed));
  return enumerate(marks);
}

// Of the runs, the target that is the same in all.
std::string target_of(const Comparison& comparison) {
  for (const Group& group : comparison.groups) {
    for (const results::Run* run : group.runs) {
      if (const auto target = run->number("target_accuracy")) return fmt::format("{:.4g}", *target);
    }
  }
  return "-";
}

std::string title_of(const Comparison& comparison, Metric metric) {
  if (metric == Metric::kTimeToTarget) return fmt::format("s to accuracy {}", target_of(comparison));
  return metric == Metric::kFinalAccuracy ? "final accuracy" : "used samples/s";
}

TextTable groups_table(const Comparison& comparison) {
  TextTable table{.columns = {{"group", true}, {"runs"}}, .rows = {}};
  for (const Judgement& judgement : comparison.judgements) {
    const bool is_median = judgement.metric == Metric::kTimeToTarget;
    table.columns.push_back({(is_median ? "median " : "") + title_of(comparison, judgement.metric)});
  }
  const bool has_cost = std::ranges::any_of(
      comparison.groups, [&](const Group& group) { return cost_of(comparison, group).has_value(); });
  if (has_cost) table.columns.push_back({"worker s to it"});
  std::vector<const Shown*> measured;
  for (const Shown& column : shown()) {
    if (std::ranges::none_of(comparison.groups,
                             [&](const Group& group) { return column.mean_of(group).has_value(); })) {
      continue;
    }
    measured.push_back(&column);
    table.columns.push_back({column.title});
  }
  const bool marked =
      std::ranges::any_of(comparison.groups, [](const Group& group) { return !marks_of(group).empty(); });
  if (marked) table.columns.push_back({"marks", true});
  for (const Group& group : comparison.groups) {
    std::vector<std::string>& row = table.rows.emplace_back();
    row = {group.label, std::to_string(group.runs.size())};
    for (const Judgement& judgement : comparison.judgements) {
      row.push_back(figure_text(group.figures[static_cast<std::size_t>(judgement.metric)], judgement.metric));
    }
    const auto cost = cost_of(comparison, group);
    if (has_cost) row.push_back(cost ? number_text(*cost) : "-");
    for (const Shown* column : measured) {
      const auto value = column->mean_of(group);
      row.push_back(value ? fmt::format(fmt::runtime(column->form), *value * column->scale) : "-");
    }
    if (marked) row.push_back(marks_of(group));
  }
  return table;
}

std::string difference_text(const Difference& difference) {
  const bool ratio = results::is_ratio(difference.metric);
  const auto text = [&](double value) {
    return ratio ? fmt::format("{:.4g}", value) : fmt::format("{:+.2f}", value * 100);
  };
  switch (difference.known) {
    case Difference::Known::kAll:
      return interval_text(difference.interval, text);
    case Difference::Known::kAtLeast:
      return "at least " + text(difference.interval.mean);
    case Difference::Known::kAtMost:
      return "at most " + text(difference.interval.mean);
    case Difference::Known::kNothing:
      return "-";
  }
  return "";
}

std::string verdict_text(const Difference& difference) {
  const bool accuracy = difference.metric == Metric::kFinalAccuracy;
  if (difference.verdict == Verdict::kBetter) return accuracy ? "more accurate" : "faster";
  if (difference.verdict == Verdict::kWorse) return accuracy ? "less accurate" : "slower";
  return results::name_of(difference.verdict);
}

std::string pairs_text(const Difference& difference) {
  std::string text = std::to_string(difference.n);
  if (difference.n > difference.seeds) text += fmt::format(" of {}", counted(difference.seeds, "seed"));
  if (difference.censored > 0) text += fmt::format(" ({} censored)", difference.censored);
  return text;
}

std::vector<std::string> difference_cells(const Difference& difference) {
  return {difference_text(difference), pairs_text(difference),
          difference.seeds < stats::kLeastPairs ? "-" : p_text(difference.corrected_p), verdict_text(difference)};
}

// Whom the group is shown to be better than.
std::string beaten_by(const Comparison& comparison, const Judgement& judgement, std::size_t group) {
  std::vector<std::string> beaten;
  for (const Difference& pair : judgement.pairs) {
    const bool wins = (pair.first == group && pair.verdict == Verdict::kBetter) ||
                      (pair.second == group && pair.verdict == Verdict::kWorse);
    if (wins) beaten.push_back(comparison.groups[pair.first == group ? pair.second : pair.first].label);
  }
  if (beaten.empty()) return "none";
  const bool all = beaten.size() + 1 == judgement.ranking.size() && beaten.size() > 1;
  return all ? "all others" : enumerate(beaten);
}

// The groups as they rank, each against the baseline.
TextTable ranking_table(const Comparison& comparison, const Judgement& judgement) {
  const bool ratio = results::is_ratio(judgement.metric);
  TextTable table{.columns = {{"place"},
                              {"group", true},
                              {ratio ? "geometric mean" : "mean"},
                              {ratio ? "ratio" : "points"},
                              {"pairs"},
                              {"p"},
                              {"verdict", true}},
                  .rows = {}};
  const bool all_pairs = !judgement.pairs.empty();
  if (all_pairs) table.columns.push_back({"shown to be better than", true});
  for (std::size_t place = 0; place < judgement.ranking.size(); ++place) {
    const std::size_t group = judgement.ranking[place];
    const Figure& figure = comparison.groups[group].figures[static_cast<std::size_t>(judgement.metric)];
    const std::string mean =
        judgement.metric == Metric::kFinalAccuracy ? accuracy_text(figure.mean) : number_text(figure.mean);
    std::vector<std::string>& row = table.rows.emplace_back();
    row = {std::to_string(place + 1), comparison.groups[group].label,
           (figure.censored > 0 ? "at least " : "") + mean};
    const auto difference = std::ranges::find(judgement.against_baseline, group, &Difference::first);
    if (difference != judgement.against_baseline.end()) {
      std::ranges::move(difference_cells(*difference), std::back_inserter(row));
    } else {
      row.insert(row.end(), {"-", "-", "-", "baseline"});
    }
    if (all_pairs) row.push_back(beaten_by(comparison, judgement, group));
  }
  return table;
}

TextTable pairs_table(const Comparison& comparison, const Judgement& judgement) {
  TextTable table{.columns = {{"group", true},
                              {"to", true},
                              {results::is_ratio(judgement.metric) ? "ratio" : "points"},
                              {"pairs"},
                              {"p"},
                              {"verdict", true}},
                  .rows = {}};
  for (const Difference& pair : judgement.pairs) {
    std::vector<std::string>& row = table.rows.emplace_back();
    row = {comparison.groups[pair.first].label, comparison.groups[pair.second].label};
    std::ranges::move(difference_cells(pair), std::back_inserter(row));
  }
  return table;
}

std::string as_text(const Comparison& comparison, Format format) {
  const bool markdown = format == Format::kMarkdown;
  const auto heading = [&](const std::string& words) {
    return markdown ? fmt::format("\n## {}\n\n", words) : fmt::format("\n{}\n", words);
  };
  std::size_t runs = 0;
  for (const Group& group : comparison.groups) runs += group.runs.size();
  const std::string shared =
      comparison.block_keys.empty() ? "" : fmt::format(" of runs that share {}", enumerate(comparison.block_keys));
  std::string text =
      fmt::format("{}{} in {}, {}{}\n\n", markdown ? "# " : "", counted(runs, "run"),
                  counted(comparison.groups.size(), "group"), counted(comparison.blocks.size(), "block"), shared);
  text += to_text(groups_table(comparison), format);
  const double percent = comparison.level * 100;
  const std::string& baseline = comparison.groups[comparison.baseline].label;
  for (const Judgement& judgement : comparison.judgements) {
    if (comparison.groups.size() < 2) break;
    const char* title = results::title_of(judgement.metric);
    text += heading(fmt::format("{}: {} over the seeds, and {} {} (intervals and p after Bonferroni's correction for {})",
                                judgement.metric == Metric::kTimeToTarget ? title_of(comparison, judgement.metric) : title,
                                results::statistic_of(judgement.metric),
                                results::is_ratio(judgement.metric) ? "ratio to" : "difference in points from",
                                baseline, counted(judgement.comparisons, "comparison")));
    text += to_text(ranking_table(comparison, judgement), format);
    if (judgement.pairs.empty()) continue;
    text += heading(fmt::format("{}: all pairs", title));
    text += to_text(pairs_table(comparison, judgement), format);
  }
  const std::string item = markdown ? "- " : "  ";
  text += fmt::format(
      "\n{}First table: the median of times (Kaplan and Meier's where runs missed the target), the mean of all else with "
      "its {:.4g} % interval, as in psctl runs, report and plot.\n",
      item, percent);
  text += fmt::format(
      "{}Other tables: paired t over the seeds. The intervals are simultaneous (Bonferroni): a difference is shown where "
      "the interval excludes {}, that is where p is below {:.4g}. Intervals are widened by the resolution of a measure: "
      "the time between two evaluations, one test sample, one mini-batch of every worker. Where times are censored, p is "
      "the largest that any longer time would give.\n",
      item, "1 (points: 0)", 1 - comparison.level);
  if (!comparison.notes.empty()) text += heading("notes");
  for (const std::string& note : comparison.notes) text += item + note + "\n";
  if (!comparison.left_out.empty()) text += heading("left out");
  for (const std::string& run : comparison.left_out) text += item + run + "\n";
  return text;
}

Json number_json(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json number_json(const std::optional<double>& value) { return value ? number_json(*value) : Json(nullptr); }

Json interval_json(const stats::Interval& interval) {
  return {{"mean", number_json(interval.mean)},
          {"low", number_json(interval.low)},
          {"high", number_json(interval.high)},
          {"n", interval.n},
          {"level", interval.level},
          {"method", stats::name_of(interval.method)}};
}

Json difference_json(const Comparison& comparison, const Difference& difference) {
  static constexpr const char* kKnown[] = {"all", "at least", "at most", "nothing"};
  Json json = {{"first", comparison.groups[difference.first].label},
               {"second", comparison.groups[difference.second].label},
               {"scale", results::is_ratio(difference.metric) ? "ratio" : "difference"},
               {"known", kKnown[static_cast<std::size_t>(difference.known)]},
               {"pairs", difference.n},
               {"seeds", difference.seeds},
               {"censored", difference.censored}};
  json["value"] = difference.n > 0 ? interval_json(difference.interval) : Json(nullptr);
  json["p"] = difference.p;
  json["p_corrected"] = difference.corrected_p;
  json["verdict"] = results::name_of(difference.verdict);
  return json;
}

std::string as_json(const Comparison& comparison) {
  Json json = {{"format", 1},
               {"baseline", comparison.groups[comparison.baseline].label},
               {"level", comparison.level},
               {"blocks", Json::array()},
               {"groups", Json::array()},
               {"metrics", Json::object()}};
  for (const results::Block& block : comparison.blocks) json["blocks"].push_back(block.name);
  for (const Group& group : comparison.groups) {
    Json told = {{"label", group.label}, {"runs", Json::array()}};
    for (const results::Run* run : group.runs) told["runs"].push_back(run->path());
    for (const Judgement& judgement : comparison.judgements) {
      const Figure& figure = group.figures[static_cast<std::size_t>(judgement.metric)];
      told[results::key_of(judgement.metric)] = {
          {"n", figure.n},
          {"censored", figure.censored},
          {"mean", figure.n > 0 && figure.censored == 0 ? number_json(figure.mean) : Json(nullptr)},
          {"censored_at_s", figure.censored > 0 ? Json(figure.censored_at) : Json(nullptr)},
          {"median", figure.standing.is_median ? number_json(figure.standing.centre) : Json(nullptr)},
          {"interval", figure.interval ? interval_json(*figure.interval) : Json(nullptr)}};
    }
    told[kCost] = number_json(cost_of(comparison, group));
    for (const Shown& column : shown()) told[column.key] = number_json(column.mean_of(group));
    told["diverged"] = group.diverged;
    told["disturbed"] = group.disturbed;
    json["groups"].push_back(std::move(told));
  }
  for (const Judgement& judgement : comparison.judgements) {
    Json told = {{"statistic", results::statistic_of(judgement.metric)},
                 {"comparisons", judgement.comparisons},
                 {"ranking", Json::array()},
                 {"against_baseline", Json::array()},
                 {"pairs", Json::array()}};
    for (const std::size_t group : judgement.ranking) told["ranking"].push_back(comparison.groups[group].label);
    for (const Difference& difference : judgement.against_baseline) {
      told["against_baseline"].push_back(difference_json(comparison, difference));
    }
    for (const Difference& pair : judgement.pairs) told["pairs"].push_back(difference_json(comparison, pair));
    json["metrics"][results::key_of(judgement.metric)] = std::move(told);
  }
  json["notes"] = comparison.notes;
  json["left_out"] = comparison.left_out;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// One table for a spreadsheet, numbers in full: the groups, or the pairs.
std::string as_csv(const Comparison& comparison, bool all_pairs) {
  const auto cell = [](const std::optional<double>& value) {
    return value && std::isfinite(*value) ? fmt::format("{}", *value) : "";
  };
  TextTable table;
  if (all_pairs) {
    for (const char* title : {"metric", "first", "second", "scale", "known", "value", "low", "high", "interval",
                              "pairs", "seeds", "censored", "p", "p_corrected", "verdict"}) {
      table.columns.push_back({title});
    }
    for (const Judgement& judgement : comparison.judgements) {
      for (const Difference& pair : judgement.pairs) {
        const Json told = difference_json(comparison, pair);
        std::vector<std::string>& row = table.rows.emplace_back();
        row.push_back(results::key_of(judgement.metric));
        for (const char* key : {"first", "second", "scale", "known"}) row.push_back(told[key].get<std::string>());
        const bool any = pair.n > 0;
        row.push_back(any ? cell(pair.interval.mean) : "");
        row.push_back(any ? cell(pair.interval.low) : "");
        row.push_back(any ? cell(pair.interval.high) : "");
        row.push_back(stats::name_of(pair.interval.method));
        row.push_back(std::to_string(pair.n));
        row.push_back(std::to_string(pair.seeds));
        row.push_back(std::to_string(pair.censored));
        row.push_back(cell(pair.p));
        row.push_back(cell(pair.corrected_p));
        row.push_back(results::name_of(pair.verdict));
      }
    }
    return to_text(table, Format::kCsv);
  }
  table.columns = {{"group"}, {"runs"}, {"diverged"}, {"disturbed"}};
  for (const Judgement& judgement : comparison.judgements) {
    const std::string key = results::key_of(judgement.metric);
    for (const char* what : {"", "_low", "_high", "_interval", "_n"}) table.columns.push_back({key + what});
    if (judgement.metric != Metric::kTimeToTarget) continue;
    for (const char* what : {"_median", "_censored"}) table.columns.push_back({key + what});
  }
  table.columns.push_back({kCost});
  for (const Shown& column : shown()) table.columns.push_back({column.key});
  for (const Group& group : comparison.groups) {
    std::vector<std::string>& row = table.rows.emplace_back();
    row = {group.label, std::to_string(group.runs.size()), std::to_string(group.diverged),
           std::to_string(group.disturbed)};
    for (const Judgement& judgement : comparison.judgements) {
      const Figure& figure = group.figures[static_cast<std::size_t>(judgement.metric)];
      const auto& interval = figure.interval;
      row.push_back(cell(interval ? std::optional(interval->mean) : std::nullopt));
      row.push_back(cell(interval ? std::optional(interval->low) : std::nullopt));
      row.push_back(cell(interval ? std::optional(interval->high) : std::nullopt));
      row.push_back(interval ? stats::name_of(interval->method) : "");
      row.push_back(std::to_string(figure.n));
      if (judgement.metric != Metric::kTimeToTarget) continue;
      row.push_back(cell(figure.standing.centre));
      row.push_back(std::to_string(figure.censored));
    }
    row.push_back(cell(cost_of(comparison, group)));
    for (const Shown& column : shown()) row.push_back(cell(column.mean_of(group)));
  }
  return to_text(table, Format::kCsv);
}

void check_output_file(const std::string& path) {
  const std::filesystem::path file(path);
  std::error_code ignored;
  if (!file.has_filename() || std::filesystem::is_directory(file, ignored)) {
    throw UserError(fmt::format("--output '{}': this is no name of a file", path));
  }
  if (file.has_parent_path() && !std::filesystem::is_directory(file.parent_path(), ignored)) {
    throw UserError(fmt::format("--output {}: there is no folder {}", path, file.parent_path().string()));
  }
}

}  // namespace

int compare(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl compare",
       .description =
           "Groups of runs side by side, by strategy unless --by says otherwise, and which differences are more than "
           "luck. Runs of one seed share their luck (batches, first weights, slow steps), so groups are compared seed "
           "by seed: times and rates as ratios, accuracy in points, each with an interval and a verdict, both corrected for "
           "all comparisons with the baseline by Bonferroni's method. Fewer than three seeds and differences below the "
           "resolution of a measure give no verdict. A run that did not reach its target counts as slower than its "
           "time. Runs that do different things are refused.",
       .synopsis = "RUN ... [--by KEY,...] [--baseline GROUP] [--where KEY=VALUE] [-o FILE]",
       .examples = "  psctl compare results/quickstart-sweep\n"
                   "  psctl compare results/quickstart-sweep --baseline 'ssp(staleness=3)' --pairs\n"
                   "  psctl compare results --where strategy=ssp --by strategy.staleness\n"
                   "  psctl compare results/quickstart-sweep --format markdown -o comparison.md\n",
       .options = {{"run", Kind::kWords, "a run's folder, or a folder with runs in it, such as a sweep's"},
                   {"by", Kind::kWord, "what makes the groups: strategy, or keys of the configuration", "strategy"},
                   {"baseline", Kind::kWord, "the group that the others are held against (default: bsp, or the first)"},
                   {"where", Kind::kWords, "only runs with KEY=VALUE; also !=, <, <=, >, >="},
                   {"pairs", Kind::kFlag, "compare all pairs, and correct for as many; with --format csv, in place of the groups"},
                   {"format", Kind::kWord, kFormats, "table"},
                   {"o,output", Kind::kWord, "write it to this file"},
                   {"quiet", Kind::kFlag, "nothing is printed but the comparison"}},
       .positional = "run"},
      argc, argv);
  if (!arguments) return 0;
  const Format format = parse_format(arguments->word("format"));
  if (arguments->words("run").empty()) {
    throw UserError("psctl compare: name runs, or a folder with runs in it; psctl compare --help tells more");
  }
  if (arguments->given("output")) check_output_file(arguments->word("output"));
  std::vector<results::Condition> conditions;
  for (const std::string& where : arguments->words("where")) conditions.push_back(results::parse_condition(where));
  const bool all_pairs = arguments->flag("pairs");
  results::Options options{
      .by = parted_by_commas({arguments->word("by")}), .baseline = {}, .all_pairs = all_pairs};
  if (options.by.empty()) throw UserError("psctl compare: --by names no key");
  if (arguments->given("baseline")) options.baseline = arguments->word("baseline");

  results::Found found = results::find_runs(arguments->words("run"));
  for (const results::Condition& condition : conditions) results::check_key(found.runs, condition.key, "--where");
  std::vector<results::Run> runs = results::matching(std::move(found.runs), conditions);
  const std::string stage_note = choose_stage(runs, conditions);
  if (runs.empty()) {
    std::string message = fmt::format("there is no run {}in {}", conditions.empty() ? "" : "of that kind ",
                                      enumerate(arguments->words("run")));
    for (const results::Unreadable& unreadable : found.unreadable) {
      message += fmt::format("\n  {}: {}", unreadable.path, unreadable.why);
    }
    throw UserError(message);
  }
  if (!arguments->flag("quiet")) {
    for (const results::Unreadable& unreadable : found.unreadable) {
      print_notice(fmt::format("left out: {}: {}", unreadable.path, unreadable.why));
    }
  }
  Comparison comparison = results::compare(runs, options);
  for (const results::Unreadable& unreadable : found.unreadable) {
    comparison.left_out.push_back(fmt::format("{}: {}", unreadable.path, unreadable.why));
  }
  for (const std::string& path : found.missing) {
    comparison.left_out.push_back(fmt::format("{}: missing; the sweep's plan has it", path));
  }
  if (!stage_note.empty()) comparison.notes.insert(comparison.notes.begin(), stage_note);
  const std::string text = format == Format::kJson  ? as_json(comparison)
                           : format == Format::kCsv ? as_csv(comparison, all_pairs)
                                                    : as_text(comparison, format);
  if (arguments->given("output")) {
    trace::write_whole(arguments->word("output"), text);
    return 0;
  }
  fmt::print("{}", text);
  std::fflush(stdout);
  // What stands in the text of the others.
  if (format == Format::kCsv && !arguments->flag("quiet")) {
    for (const std::string& note : comparison.notes) print_notice(note);
    for (const std::string& run : comparison.left_out) print_notice("left out: " + run);
  }
  return 0;
}

}  // namespace psctl::app
