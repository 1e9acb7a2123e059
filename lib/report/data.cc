#include "report/data.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <string_view>
#include <tbb/parallel_for.h>

#include "base/error.h"
#include "base/text.h"
#include "report/timeline.h"
#include "results/columns.h"
#include "results/outcome.h"
#include "results/run.h"

namespace psctl::report {
namespace {

using Json = nlohmann::ordered_json;

// How much of each run goes into a page of so many runs, for the page to stay below a few megabytes.
struct Limits {
  explicit Limits(std::size_t runs, std::size_t timelines)
      : evaluations(std::clamp<std::size_t>(24'000 / std::max<std::size_t>(runs, 1), 20, 1000)),
        workers(std::clamp<std::size_t>(12'000 / std::max<std::size_t>(runs, 1), 8, 256)),
        holds(std::clamp<std::size_t>(120'000 / std::max<std::size_t>(runs, 1), 64, 20'000)) {
    timeline.rows = std::min<std::size_t>(30'000, 60'000 / std::max<std::size_t>(timelines, 1));
    timeline.cells = std::min<std::size_t>(20'000, 60'000 / std::max<std::size_t>(timelines, 1));
  }
  std::size_t evaluations;     // of a run
  std::size_t workers;         // of a run
  std::size_t holds;           // waits by pairs of workers, of a run
  std::size_t different = 60;  // values of a distribution
  TimelineLimits timeline;
};
// What the page shows as a number, of a summary.
constexpr const char* kNumbers[] = {"time_s",        "time_to_target_s", "target_accuracy", "final_accuracy",
                                    "best_accuracy", "final_loss",       "updates",         "samples_per_s",
                                    "wait_share",    "compute_share",    "staleness_mean",  "evaluations_missed",
                                    "classes"};
constexpr std::size_t kTimelinesForAll = 8, kTimelines = 24;

// What the page shows of a group, over its runs that are done.
constexpr const char* kMeasures[] = {"final_accuracy",  "time_to_target_s", "worker_s_to_target", "time_s",
                                     "updates",         "samples_per_s",    "samples_used",       "samples_discarded",
                                     "samples_pending", "samples_lost",     "wait_share",         "compute_share",
                                     "staleness_mean",  "final_loss"};

// Of six digits: more cannot be drawn, and would be carried by the page for nothing.
Json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return to_double(fmt::format("{:.6g}", value)).value_or(value);
}

double number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : std::nan("");
}
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Keys of maps, and of maps in lists, joined by dots: a rule of stragglers has a key for each of its parts.
void flatten(const std::string& key, const Json& value, Json& into) {
  const bool is_list = value.is_array() && !value.empty() &&
                       std::ranges::all_of(value, [](const Json& element) { return element.is_object(); });
  if (!value.is_object() && !is_list) {
    into[key] = value;
    return;
  }
  for (const auto& [inner, of] : value.items()) flatten(key.empty() ? inner : key + "." + inner, of, into);
}

// `most` of `count` places: the first, the last, and evenly between them.
std::vector<std::size_t> evenly(std::size_t count, std::size_t most) {
  std::vector<std::size_t> places;
  if (count <= most) {
    places.resize(count);
    std::iota(places.begin(), places.end(), 0);
    return places;
  }
  for (std::size_t i = 0; i < most; ++i) places.push_back(i * (count - 1) / (most - 1));
  return places;
}

struct Thinned {
  std::size_t evaluations = 0, workers = 0, holds = 0, rows = 0;  // runs of which some were left out
  std::size_t timelines = 0;                                      // runs that have none
};

class Collector {
 public:
  explicit Collector(const Request& request) : request_(request) { result_.problems = request.problems; }

  Data collect() {
    read_summaries();
    group();
    measure();
    choose_timelines();
    read_details();
    gather_problems();
    describe_thinning();
    Json runs = Json::array();
    for (Entry& entry : entries_) runs.push_back(std::move(entry.json));
    Json problems = Json::array();
    for (const Problem& problem : result_.problems)
      problems.push_back({{"path", problem.path}, {"text", problem.text}});
    result_.json = {{"title", request_.title},    {"version", request_.version},
                    {"note", request_.note},      {"config", common_config_},
                    {"made", common_made_},       {"axes", axes_},
                    {"groups", groups_},          {"problems", problems},
                    {"thinned", result_.thinned}, {"runs", runs}};
    return std::move(result_);
  }

 private:
  struct Entry {
    const Run* run;
    results::Run read;
    std::string label;
    Json summary, config, made;
    Json json = Json::object();
    Json outcomes = Json::object();
    bool has_timeline = false;
    std::vector<std::string> problems = {};
  };

  void read_summaries() {
    std::map<std::string, std::string> seen;  // what a virtual run came to, and where it lies
    for (const Run& run : request_.runs) {
      const auto problem = [&](const std::string& text) { result_.problems.push_back({run.folder, text}); };
      std::optional<results::Run> read;
      std::optional<Json> summary;
      try {
        read = results::read_run(run.folder);
        if (read) summary = read->whole_summary();
      } catch (const UserError& fault) {
        problem(fault.what());
        continue;
      }
      if (!read) {
        problem("there is neither summary.json nor config.yaml");
        continue;
      }
      if (read->status() == results::Status::kUnfinished) {
        problem("there is no summary.json: the run did not end, or was killed; what it wrote is shown");
        (*summary)["status"] = name_of(read->status());
      } else if (const std::string lacking = results::lacking(*read);
                 read->status() == results::Status::kDone && !lacking.empty()) {
        problem(lacking);
      }
      Json config = Json::object();
      if (const auto found = summary->find("config"); found != summary->end() && found->is_object())
        flatten("", *found, config);
      Json made = Json::object();
      try {
        made = read->made();
      } catch (const UserError& fault) {
        problem(fault.what());
      }
      summary->erase("config");
      if (text_of(*summary, "clock") == "virtual") {  // a copy of it is no other seed
        Json same = {config, *summary, run.label};
        for (Json* part : {&same[0], &same[1]}) part->erase("name");
        const auto [first, is_new] =
            seen.emplace(same.dump(-1, ' ', false, Json::error_handler_t::replace), run.folder);
        if (!is_new) {
          result_.problems.push_back({run.folder, "the same run as " + first->second + ", and counted once"});
          continue;
        }
      }
      for (const char* key : kNumbers) {
        if (const auto found = summary->find(key);
            found != summary->end() && !found->is_number() && !found->is_null()) {
          result_.problems.push_back({run.folder, fmt::format("summary.json: {} is no number", key)});
          *found = nullptr;
        }
      }
      Entry entry{.run = &run,
                  .read = std::move(*read),
                  .label = run.label.empty() ? text_of(*summary, "strategy_label") : run.label,
                  .summary = std::move(*summary),
                  .config = std::move(config),
                  .made = std::move(made)};
      entries_.push_back(std::move(entry));
    }
    if (entries_.empty()) return;
    common_config_ = entries_.front().config;
    common_made_ = entries_.front().made;
  }

  // Runs that differ in nothing but their seed are a group; what differs else between groups, other than the strategy
  // and what always goes with it, is an axis. Of keys that differ between the same runs one is the axis, and names the
  // others.
  void group() {
    std::map<std::string, std::set<std::string>> values;                           // of a key
    std::map<std::string, std::map<std::string, std::set<std::string>>> by_label;  // of a key under a strategy
    std::set<std::string> keys;
    const auto value_of = [](const Entry& entry, const std::string& key) -> Json {
      const auto found = entry.config.find(key);
      return found == entry.config.end() ? Json() : *found;
    };
    const auto is_identity = [](const std::string& key) { return key == "seed" || key == "name"; };
    for (const Entry& entry : entries_) {
      for (const auto& [key, value] : entry.config.items()) keys.insert(key);
    }
    for (const Entry& entry : entries_) {
      for (const std::string& key : keys) {
        if (is_identity(key)) continue;
        const std::string value = value_of(entry, key).dump(-1, ' ', false, Json::error_handler_t::replace);
        values[key].insert(value);
        by_label[key][entry.label].insert(value);
      }
    }
    std::vector<std::string> axes;
    std::map<std::vector<std::size_t>, std::string> axis_of;  // for each run the first that has its value
    std::map<std::string, std::vector<std::string>> also;
    for (const auto& [key, seen] : values) {
      const bool free =
          std::ranges::any_of(by_label.at(key), [](const auto& label) { return label.second.size() > 1; });
      if (seen.size() < 2 || !free) continue;
      std::map<std::string, std::size_t> firsts;
      std::vector<std::size_t> division;
      for (const Entry& entry : entries_) {
        const std::string value = value_of(entry, key).dump(-1, ' ', false, Json::error_handler_t::replace);
        division.push_back(firsts.emplace(value, division.size()).first->second);
      }
      const auto [axis, is_new] = axis_of.emplace(std::move(division), key);
      if (is_new) {
        axes.push_back(key);
      } else {
        also[axis->second].push_back(key);
      }
    }
    std::map<std::string, std::size_t> known;
    groups_ = Json::array();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      Entry& entry = entries_[i];
      Json identity = {{"label", entry.label}, {"config", entry.config}};
      for (const char* key : {"seed", "name"}) identity["config"].erase(key);
      const auto [place, fresh] =
          known.emplace(identity.dump(-1, ' ', false, Json::error_handler_t::replace), groups_.size());
      if (fresh) {
        Json point = Json::object();
        for (const std::string& axis : axes) point[axis] = value_of(entry, axis);
        groups_.push_back({{"label", entry.label}, {"point", point}, {"runs", Json::array()}});
      }
      groups_[place->second]["runs"].push_back(i);
    }
    axes_ = Json::array();
    for (const std::string& axis : axes) {
      std::vector<Json> in_order;
      for (const Json& group : groups_) {
        if (std::ranges::find(in_order, group["point"][axis]) == in_order.end())
          in_order.push_back(group["point"][axis]);
      }
      if (std::ranges::all_of(in_order, [](const Json& value) { return value.is_number(); }))
        std::ranges::sort(in_order);
      axes_.push_back({{"key", axis}, {"values", in_order}});
      if (const auto others = also.find(axis); others != also.end()) axes_.back()["also"] = others->second;
    }
  }

  // What each run came to, and each group over its runs that are done.
  void measure() {
    std::vector<const results::Run*> all;
    for (const Entry& entry : entries_) all.push_back(&entry.read);
    const results::Horizon horizon = results::horizon_of(all);
    for (Entry& entry : entries_) entry.outcomes = results::outcomes_of(entry.read, horizon);
    for (Json& group : groups_) {
      std::vector<const results::Run*> runs;
      for (const Json& run : group["runs"]) runs.push_back(all[run.get<std::size_t>()]);
      Json& measures = group["measures"] = Json::object();
      for (const char* key : kMeasures) {
        const results::Standing standing = results::standing_of(runs, key, horizon);
        if (standing.n == 0) continue;
        measures[key] = standing;
        for (const char* figure : {"mean", "median", "low", "high"}) {
          if (measures[key].contains(figure)) measures[key][figure] = number(number_of(measures[key], figure));
        }
      }
    }
  }

  // A few runs have a timeline each; of many runs the first of each group has.
  void choose_timelines() {
    if (entries_.size() <= kTimelinesForAll) {
      for (Entry& entry : entries_) entry.has_timeline = true;
      timelines_ = entries_.size();
      return;
    }
    for (const Json& group : groups_) {
      if (timelines_ == kTimelines) break;
      entries_[group["runs"][0].get<std::size_t>()].has_timeline = true;
      ++timelines_;
    }
    thinned_.timelines = entries_.size() - timelines_;
  }

  void read_details() {
    const Limits limits(entries_.size(), timelines_);
    std::size_t done = 0;
    tbb::parallel_for(std::size_t{0}, entries_.size(), [&](std::size_t i) {
      Entry& entry = entries_[i];
      describe(entry);
      const std::vector<std::size_t> workers = add_workers(entry, limits);
      const auto guarded = [&](auto&& add) {
        try {
          add();
        } catch (const Error& error) {
          entry.problems.emplace_back(error.what());
        }
      };
      guarded([&] { add_evaluations(entry, limits); });
      guarded([&] { add_steps(entry, workers, limits); });
      const std::lock_guard lock(mutex_);
      ++done;
      if (request_.progress) request_.progress(static_cast<double>(done) / static_cast<double>(entries_.size()));
    });
  }

  // What differs from the first run; null for what this one has not.
  static Json differences(const Json& from, const Json& to) {
    Json result = Json::object();
    for (const auto& [key, value] : to.items()) {
      if (!from.contains(key) || from[key] != value) result[key] = value;
    }
    for (const auto& [key, value] : from.items()) {
      if (!to.contains(key)) result[key] = nullptr;
    }
    return result;
  }

  void describe(Entry& entry) const {
    Json summary = Json::object();
    for (const auto& [key, value] : entry.summary.items()) {
      if (key != "workers") summary[key] = value.is_number_float() ? number(value.get<double>()) : value;
    }
    const std::filesystem::path folder(entry.run->folder);
    entry.json = {{"path", entry.run->folder},
                  {"name", (folder.has_filename() ? folder : folder.parent_path()).filename().string()},
                  {"label", entry.label},
                  {"summary", std::move(summary)},
                  {"outcomes", entry.outcomes},
                  {"config", differences(common_config_, entry.config)},
                  {"made", differences(common_made_, entry.made)}};
  }

  // Columns of numbers, and waits by cause. Returns the workers that are on the page.
  std::vector<std::size_t> add_workers(Entry& entry, const Limits& limits) {
    const Json all = entry.summary.value("workers", Json::array());
    if (!all.is_array() || !std::ranges::all_of(all, [](const Json& worker) { return worker.is_object(); })) {
      entry.problems.emplace_back("summary.json: `workers` is not a list of workers");
      return {};
    }
    static const char* kColumns[] = {"steps",         "samples",       "data_s",        "compute_s",
                                     "delay_s",       "push_s",        "wait_s",        "pull_s",
                                     "other_s",       "wall_s",        "compute_share", "staleness_mean",
                                     "staleness_p99", "staleness_max", "gap_max",       "held_others_s"};
    // Of too many: those that held the others longest, and the rest evenly.
    std::vector<std::size_t> longest(all.size());
    std::iota(longest.begin(), longest.end(), 0);
    const std::size_t most_holders = std::min(all.size(), limits.workers / 4);
    std::partial_sort(longest.begin(), longest.begin() + static_cast<std::ptrdiff_t>(most_holders), longest.end(),
                      [&](std::size_t a, std::size_t b) {
                        const double x = number_of(all[a], "held_others_s"), y = number_of(all[b], "held_others_s");
                        return (std::isnan(x) ? 0 : x) > (std::isnan(y) ? 0 : y);
                      });
    std::set<std::size_t> chosen;
    if (all.size() > limits.workers) {
      chosen.insert(longest.begin(), longest.begin() + static_cast<std::ptrdiff_t>(most_holders));
      for (const std::size_t i : evenly(all.size(), limits.workers - most_holders)) chosen.insert(i);
    } else {
      chosen.insert(longest.begin(), longest.end());
    }
    Json table = {{"total", all.size()}, {"worker", chosen}, {"host", Json::array()}};
    bool has_hosts = false;
    for (const std::size_t i : chosen) {
      table["host"].push_back(text_of(all[i], "host"));
      has_hosts = has_hosts || !text_of(all[i], "host").empty();
    }
    if (!has_hosts) table.erase("host");
    for (const char* column : kColumns) {
      for (const std::size_t i : chosen) table[column].push_back(number(number_of(all[i], column)));
    }
    // [cause, seconds] of each, the longest first; -1 is a deadline, -2 the rest.
    const std::size_t most = std::max<std::size_t>(4, limits.holds / std::max<std::size_t>(chosen.size(), 1));
    bool cut = false;
    for (const std::size_t i : chosen) {
      const auto held_by = all[i].find("held_by");
      Json list = Json::array();
      double rest = number_of(all[i], "held_by_rest_s");
      if (std::isnan(rest)) rest = 0;
      if (held_by != all[i].end() && held_by->is_array()) {
        for (const Json& hold : *held_by) {
          const double seconds = number_of(hold, "s");
          if (std::isnan(seconds)) continue;
          const double worker = number_of(hold, "worker");
          if (list.size() < most) {
            list.push_back({std::isnan(worker) ? Json(-1) : number(worker), number(seconds)});
          } else {
            rest += seconds;
            cut = true;
          }
        }
      }
      if (rest > 0) list.push_back({-2, number(rest)});
      table["held_by"].push_back(std::move(list));
    }
    entry.json["workers"] = std::move(table);
    const std::lock_guard lock(mutex_);
    thinned_.workers += chosen.size() < all.size() ? 1 : 0;
    thinned_.holds += cut ? 1 : 0;
    return {chosen.begin(), chosen.end()};
  }

  void add_evaluations(Entry& entry, const Limits& limits) {
    const std::string path = entry.run->folder + "/evals.csv";
    if (!std::filesystem::exists(path)) return;  // timing only
    const std::vector<std::string> names{"time_s",     "version",   "epoch",        "samples",
                                         "train_loss", "test_loss", "test_accuracy"};
    const std::vector<results::Column> columns = results::read_columns(path, names);
    const std::vector<std::size_t> kept = evenly(columns.front().size(), limits.evaluations);
    for (std::size_t i = 0; i < names.size(); ++i) {
      Json& column = entry.json["evals"][names[i]] = Json::array();
      for (const std::size_t row : kept) column.push_back(number(columns[i][row]));
    }
    if (kept.size() == columns.front().size()) return;
    const std::lock_guard lock(mutex_);
    ++thinned_.evaluations;
  }

  // [[value, how many], ...]; of many different values, counts of stretches that begin at the value.
  static Json distribution(const results::Column& values, std::size_t most) {
    std::map<double, std::uint64_t> counts;
    double sum = 0;
    for (const double value : values) {
      if (!std::isfinite(value)) continue;
      ++counts[value];
      sum += value;
    }
    if (counts.empty()) return {{"width", 1}, {"sum", 0}, {"counts", Json::array()}};
    const double range = counts.rbegin()->first + 1;
    double width = 1;
    for (double decade = 1; range / width > static_cast<double>(most) && counts.size() > most; decade *= 10) {
      for (const double step : {1, 2, 5}) {
        width = decade * step;
        if (range / width <= static_cast<double>(most)) break;
      }
    }
    std::map<double, std::uint64_t> binned;
    for (const auto& [value, count] : counts) binned[std::floor(value / width) * width] += count;
    Json list = Json::array();
    for (const auto& [value, count] : binned) list.push_back({number(value), count});
    return {{"width", number(width)}, {"sum", number(sum)}, {"counts", std::move(list)}};
  }

  void add_steps(Entry& entry, std::span<const std::size_t> workers, const Limits& limits) {
    const std::string path = entry.run->folder + "/steps.csv";
    if (!std::filesystem::exists(path)) return;  // trace.steps was off
    const std::vector<results::Column> columns =
        results::read_columns(path, {"staleness", "gap", "time_s", "worker", "step", "data_s", "compute_s", "delay_s",
                                     "push_s", "wait_s", "pull_s"});
    entry.json["staleness"] = distribution(columns[0], limits.different);
    entry.json["gap"] = distribution(columns[1], limits.different);
    if (!entry.has_timeline) return;
    std::vector<StepRow> rows(columns[0].size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto cell = [&](std::size_t column) {
        const double value = columns[column][i];
        return std::isfinite(value) ? std::clamp(value, 0.0, 1e12) : 0.0;
      };
      rows[i] = {.at = cell(2), .worker = static_cast<std::size_t>(cell(3)), .step = cell(4)};
      for (std::size_t part = 0; part < kPartCount; ++part) rows[i].parts[part] = cell(5 + part);
    }
    double time = number_of(entry.summary, "time_s");
    if (std::isnan(time) && !rows.empty()) time = std::ranges::max(rows, {}, &StepRow::at).at;  // it did not end
    entry.json["timeline"] = timeline(std::move(rows), workers, std::isfinite(time) ? time : 0, limits.timeline);
    if (!entry.json["timeline"].contains("cells")) return;
    const std::lock_guard lock(mutex_);
    ++thinned_.rows;
  }

  // In the order of the runs, whichever was read first.
  void gather_problems() {
    for (const Entry& entry : entries_) {
      for (const std::string& text : entry.problems) result_.problems.push_back({entry.run->folder, text});
    }
  }

  void describe_thinning() {
    const Limits limits(entries_.size(), timelines_);
    const auto tell = [&](std::size_t runs, const std::string& text) {
      if (runs) result_.thinned.push_back(fmt::format("{} (of {})", text, counted(runs, "run")));
    };
    tell(thinned_.evaluations,
         fmt::format("evaluations: {} of a run, the first, the last and evenly between", limits.evaluations));
    tell(thinned_.workers,
         fmt::format(
             "workers: {} of a run, a quarter of them those that held the others longest, the rest evenly by number",
             limits.workers));
    tell(thinned_.holds, "waits by cause: the longest holds of each worker, the others in one");
    tell(thinned_.rows, fmt::format("timeline: the first {} steps of a run as they were; of the rest the shares of "
                                    "time in stretches of equal length",
                                    limits.timeline.rows));
    tell(thinned_.timelines,
         "timeline: none but for the first run of each configuration; a report of that run alone has it");
  }

  const Request& request_;
  Data result_;
  std::vector<Entry> entries_;
  Json common_config_ = Json::object(), common_made_ = Json::object(), axes_, groups_;
  std::size_t timelines_ = 0;
  std::mutex mutex_;  // of thinned_ and the progress, while runs are read side by side
  Thinned thinned_;
};

}  // namespace

Data collect(const Request& request) { return Collector(request).collect(); }

}  // namespace psctl::report
