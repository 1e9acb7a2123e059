#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "results/comparison.h"
#include "results/filter.h"
#include "results/run.h"
#include "stages.h"
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

// The mean of a figure that is shown and not judged; nothing if no run has it.
std::optional<double> mean_of(const Group& group, const std::function<std::optional<double>(const results::Run&)>& of) {
  double sum = 0;
  std::size_t n = 0;
  for (const results::Run* run : group.runs) {
    const auto value = of(*run);
    if (!value) continue;
    sum += *value;
    ++n;
  }
  return n > 0 ? std::optional(sum / static_cast<double>(n)) : std::nullopt;
}

struct Shown {
  const char* key;    // of JSON and CSV
  const char* title;  // of tables
  double scale = 1;   // in tables
  const char* form;   // in tables
  std::function<std::optional<double>(const results::Run&)> of;
};

const std::vector<Shown>& shown() {
  const auto summary = [](const char* key) { return [key](const results::Run& run) { return run.number(key); }; };
  static const std::vector<Shown> kAll = {
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
  if (figure.interval) return interval_text(*figure.interval, text);
  const std::string missed =
      fmt::format("not reached in {} of {} (up to {} s)", figure.censored, figure.n, number_text(figure.censored_at));
  return figure.median ? fmt::format("median {}, {}", number_text(*figure.median), missed) : missed;
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
  return metric == Metric::kFinalAccuracy ? "final accuracy" : "samples/s used";
}

TextTable groups_table(const Comparison& comparison) {
  TextTable table{.columns = {{"group", true}, {"runs"}}, .rows = {}};
  for (const Judgement& judgement : comparison.judgements)
    table.columns.push_back({title_of(comparison, judgement.metric)});
  std::vector<const Shown*> measured;
  for (const Shown& column : shown()) {
    if (std::ranges::none_of(comparison.groups,
                             [&](const Group& group) { return mean_of(group, column.of).has_value(); })) {
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
    for (const Shown* column : measured) {
      const auto value = mean_of(group, column->of);
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

TextTable differences_table(const Comparison& comparison, const std::vector<Difference>& differences, bool pairs) {
  TextTable table{.columns = {{"group", true}}, .rows = {}};
  if (pairs) table.columns.push_back({"to", true});
  const bool ratio = !differences.empty() && results::is_ratio(differences.front().metric);
  for (const char* title : {ratio ? "ratio" : "points", "pairs", "p"}) table.columns.push_back({title});
  table.columns.push_back({"verdict", true});
  for (const Difference& difference : differences) {
    std::vector<std::string>& row = table.rows.emplace_back();
    row.push_back(comparison.groups[difference.first].label);
    if (pairs) row.push_back(comparison.groups[difference.second].label);
    row.push_back(difference_text(difference));
    std::string compared = std::to_string(difference.n);
    if (difference.n > difference.seeds) compared += fmt::format(" of {}", counted(difference.seeds, "seed"));
    if (difference.censored > 0) compared += fmt::format(" ({} censored)", difference.censored);
    row.push_back(compared);
    row.push_back(difference.seeds > 1 ? p_text(difference.adjusted_p) : "-");
    row.push_back(verdict_text(difference));
  }
  return table;
}

// Whom each is shown to be better than.
TextTable ranking_table(const Comparison& comparison, const Judgement& judgement) {
  TextTable table{.columns = {{"place"},
                              {"group", true},
                              {title_of(comparison, judgement.metric)},
                              {"shown to be better than", true}},
                  .rows = {}};
  for (std::size_t place = 0; place < judgement.ranking.size(); ++place) {
    const std::size_t group = judgement.ranking[place];
    std::vector<std::string> beaten;
    for (const Difference& pair : judgement.pairs) {
      const bool wins = (pair.first == group && pair.verdict == Verdict::kBetter) ||
                        (pair.second == group && pair.verdict == Verdict::kWorse);
      if (wins) beaten.push_back(comparison.groups[pair.first == group ? pair.second : pair.first].label);
    }
    const bool all = beaten.size() + 1 == judgement.ranking.size() && beaten.size() > 1;
    table.rows.push_back(
        {std::to_string(place + 1), comparison.groups[group].label,
         figure_text(comparison.groups[group].figures[static_cast<std::size_t>(judgement.metric)], judgement.metric),
         beaten.empty() ? "none"
         : all          ? "all others"
                        : enumerate(beaten)});
  }
  return table;
}

std::size_t family_size(const std::vector<Difference>& family) {
  return static_cast<std::size_t>(std::ranges::count_if(family, [](const Difference& d) { return d.seeds > 1; }));
}

std::string as_text(const Comparison& comparison, Format format, bool all_pairs) {
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
    text += heading(fmt::format("{}: {} {} (p after Holm's correction for {})", title,
                                results::is_ratio(judgement.metric) ? "ratio to" : "difference in points from",
                                baseline, counted(family_size(judgement.against_baseline), "comparison")));
    text += to_text(differences_table(comparison, judgement.against_baseline, false), format);
    if (comparison.groups.size() < 3) continue;
    text += heading(fmt::format("{}: ranking (after Holm's correction for {})", title,
                                counted(family_size(judgement.pairs), "pair")));
    text += to_text(ranking_table(comparison, judgement), format);
    if (!all_pairs) continue;
    text += heading(fmt::format("{}: all pairs", title));
    text += to_text(differences_table(comparison, judgement.pairs, true), format);
  }
  const std::string item = markdown ? "- " : "  ";
  text += fmt::format(
      "\n{}[low, high]: {:.4g} % interval of the mean over the seeds of the row, by Student's t below 20 of them, by "
      "bootstrap (BCa) from there on. Ratios are of geometric means.\n",
      item, percent);
  text += fmt::format(
      "{}p: two-sided paired t test over the blocks; below 0.05 a difference is taken as shown. Where "
      "times are censored, the largest p that any longer time would give. A ranking asks more questions than the "
      "comparison with {}, and so asks for more.\n",
      item, baseline);
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
  json["p_holm"] = difference.adjusted_p;
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
          {"censored_at_s", figure.censored > 0 ? Json(figure.censored_at) : Json(nullptr)},
          {"median", number_json(figure.median)},
          {"interval", figure.interval ? interval_json(*figure.interval) : Json(nullptr)}};
    }
    for (const Shown& column : shown()) told[column.key] = number_json(mean_of(group, column.of));
    told["diverged"] = group.diverged;
    told["disturbed"] = group.disturbed;
    json["groups"].push_back(std::move(told));
  }
  for (const Judgement& judgement : comparison.judgements) {
    Json told = {{"ranking", Json::array()}, {"against_baseline", Json::array()}, {"pairs", Json::array()}};
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
                              "pairs", "censored", "p", "p_holm", "verdict"}) {
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
        row.push_back(cell(pair.adjusted_p));
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
      row.push_back(cell(figure.median));
      row.push_back(std::to_string(figure.censored));
    }
    for (const Shown& column : shown()) row.push_back(cell(mean_of(group, column.of)));
  }
  return to_text(table, Format::kCsv);
}

void check_output(const std::string& path) {
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
           "by seed: times and rates as ratios, accuracy in points, each with an interval and a verdict. A run that "
           "did "
           "not reach its target counts as slower than its time. Runs that do different things are refused.",
       .synopsis = "RUN ... [--by KEY,...] [--baseline GROUP] [--where KEY=VALUE] [-o FILE]",
       .examples = "  psctl compare results/quickstart-sweep\n"
                   "  psctl compare results/quickstart-sweep --baseline 'ssp(staleness=3)' --pairs\n"
                   "  psctl compare results --where strategy=ssp --by strategy.staleness\n"
                   "  psctl compare results/quickstart-sweep --format markdown -o comparison.md\n",
       .options = {{"run", Kind::kWords, "a run's folder, or a folder with runs in it, such as a sweep's"},
                   {"by", Kind::kWord, "what makes the groups: strategy, or keys of the configuration", "strategy"},
                   {"baseline", Kind::kWord, "the group that the others are held against (default: bsp, or the first)"},
                   {"where", Kind::kWords, "only runs with KEY=VALUE; also !=, <, <=, >, >="},
                   {"pairs", Kind::kFlag, "all pairs, too; with --format csv, in place of the groups"},
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
  if (arguments->given("output")) check_output(arguments->word("output"));
  std::vector<results::Condition> conditions;
  for (const std::string& where : arguments->words("where")) conditions.push_back(results::parse_condition(where));
  results::Options options{.by = parted_by_commas({arguments->word("by")}), .baseline = {}};
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
  const bool all_pairs = arguments->flag("pairs");
  const std::string text = format == Format::kJson  ? as_json(comparison)
                           : format == Format::kCsv ? as_csv(comparison, all_pairs)
                                                    : as_text(comparison, format, all_pairs);
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
