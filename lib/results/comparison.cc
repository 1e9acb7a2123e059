#include "results/comparison.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "results/filter.h"
#include "stats/tests.h"

namespace psctl::results {
namespace {

constexpr double kSignificant = 0.05;
constexpr std::size_t kFewSeeds = 4;
constexpr std::size_t kNamed = 8;  // of a long list, so many are named

// Keys that do not change what comes out.
bool is_idle(std::string_view key) {
  return key == "name" || key == "model.save" || key.starts_with("trace.") || key.starts_with("checkpoint.");
}

// Keys that say what is learnt, how long and how it is looked at: runs that differ in them answer other questions.
bool is_task(std::string_view key) {
  return key == "clock" || (key.starts_with("data.") && key != "data.batch_size") || key.starts_with("model.") ||
         key.starts_with("stop.") || key.starts_with("evaluate.");
}

std::string shortened(const std::string& value) {
  constexpr std::size_t kLongest = 32;
  return value.size() <= kLongest ? value : value.substr(0, kLongest - 3) + "...";
}

// "a, b, c and 4 more".
std::string some_of(const std::vector<std::string>& words) {
  if (words.size() <= kNamed) return enumerate(words);
  std::vector<std::string> named(words.begin(), words.begin() + kNamed);
  named.push_back(fmt::format("{} more", words.size() - kNamed));
  return enumerate(named);
}

constexpr const char* kNotSet = "not set";

class Comparing {
 public:
  Comparing(std::span<const Run> all, const Options& options) : options_(options) {
    result_.level = options.level;
    choose(all);
    group(all);
    refuse_other_tasks();
    find_block_keys();
    make_blocks();
    choose_baseline();
    count();
    for (const Metric metric : kMetrics) judge(metric);
    note_luck();
  }

  Comparison take() { return std::move(result_); }

 private:
  struct Chosen {
    const Run* run;
    std::size_t index;  // among all that were given
    std::size_t group = 0;
  };

  std::string value(const Run& run, std::string_view key) const { return run.config(key).value_or(kNotSet); }

  void choose(std::span<const Run> all) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Run& run = all[i];
      const auto leave_out = [&](const std::string& why) {
        result_.left_out.push_back(fmt::format("{}: {}", run.path(), why));
      };
      if (run.status() == Status::kFailed && run.text("error")) {
        leave_out(fmt::format("failed: {}", *run.text("error")));
      } else if (run.status() != Status::kDone) {
        leave_out(name_of(run.status()));
      } else if (run.config_keys().empty()) {
        leave_out("its summary does not tell its configuration: made by an older psctl; run it again");
      } else {
        runs_.push_back({&run, i});
      }
    }
    if (runs_.empty()) {
      std::string message = "there is no finished run to compare";
      for (const std::string& left_out : result_.left_out) message += "\n  " + left_out;
      throw UserError(message);
    }
    std::set<std::string_view> seen;
    for (const Chosen& chosen : runs_) {
      for (const std::string_view key : chosen.run->config_keys()) {
        if (seen.insert(key).second) keys_.push_back(key);
      }
    }
  }

  void group(std::span<const Run> all) {
    const bool by_strategy = std::ranges::find(options_.by, "strategy") != options_.by.end();
    const std::vector<std::string> strategies = by_strategy ? labels(all) : std::vector<std::string>();
    for (const std::string& key : options_.by) {
      const bool known = key == "strategy" ||
                         std::ranges::any_of(runs_, [&](const Chosen& c) { return c.run->config(key).has_value(); });
      if (known) continue;
      const std::string near = nearest(key, std::vector<std::string>(keys_.begin(), keys_.end()));
      throw UserError(fmt::format("no run has the key {}, to compare by{}", key,
                                  near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
    }
    std::map<std::string, std::size_t, std::less<>> places;
    for (Chosen& chosen : runs_) {
      std::string label;
      for (const std::string& key : options_.by) {
        if (!label.empty()) label += ", ";
        label += key == "strategy" ? strategies[chosen.index]
                                   : fmt::format("{}={}", key, shortened(value(*chosen.run, key)));
      }
      const auto [place, is_new] = places.emplace(label, result_.groups.size());
      if (is_new) result_.groups.push_back({.label = label, .runs = {}, .figures = {}, .diverged = 0, .disturbed = 0});
      chosen.group = place->second;
    }
  }

  // What the runs are compared by need not be the same in all.
  bool compared_by(std::string_view key) const {
    return std::ranges::any_of(options_.by, [&](const std::string& by) {
      return by == key || (by == "strategy" && key.starts_with("strategy.")) ||
             (by.size() > key.size() && by.starts_with(key) && by[key.size()] == '.');
    });
  }

  std::map<std::string, std::vector<const Run*>> by_value(std::string_view key) const {
    std::map<std::string, std::vector<const Run*>> found;
    for (const Chosen& chosen : runs_) found[value(*chosen.run, key)].push_back(chosen.run);
    return found;
  }

  void refuse_other_tasks() const {
    std::string message;
    for (const std::string_view key : keys_) {
      if (!is_task(key) || is_idle(key) || compared_by(key)) continue;
      const auto values = by_value(key);
      if (values.size() < 2) continue;
      std::vector<std::string> told;
      std::string one;
      for (const auto& [value, runs] : values) {
        told.push_back(
            fmt::format("{} ({}, such as {})", shortened(value), counted(runs.size(), "run"), runs.front()->path()));
        if (one.empty() && value != kNotSet) one = value;
      }
      message += fmt::format("\n  {}: {}", key, some_of(told));
      message += fmt::format("; choose with --where {}={}, or compare by it with --by {},{}", key, shortened(one),
                             fmt::join(options_.by, ","), key);
    }
    if (!message.empty()) throw UserError("these runs cannot be compared, they differ in what they do:" + message);
    if (result_.groups.size() < 2) return;
    for (const Chosen& chosen : runs_) {
      const std::string every = value(*chosen.run, "evaluate.every_updates");
      if (every == kNotSet) continue;
      throw UserError(fmt::format(
          "these runs cannot be compared: with evaluate.every_updates ({}, as in {}) an update of one strategy is not "
          "that of another, so each would be looked at at other times; use evaluate.every_epochs or evaluate.every_s",
          every, chosen.run->path()));
    }
  }

  void find_block_keys() {
    for (const std::string_view key : keys_) {
      if (is_idle(key) || compared_by(key)) continue;
      if (key == "seed") {
        result_.block_keys.emplace_back(key);
        continue;
      }
      std::vector<std::set<std::string>> values(result_.groups.size());
      std::set<std::string> all;
      for (const Chosen& chosen : runs_) {
        const std::string here = value(*chosen.run, key);
        values[chosen.group].insert(here);
        all.insert(here);
      }
      if (all.size() < 2) continue;
      if (std::ranges::any_of(values, [](const auto& of_group) { return of_group.size() > 1; })) {
        result_.block_keys.emplace_back(key);
        continue;
      }
      // It goes with the groups: part of what is compared, as where each strategy has a learning rate of its own.
      std::vector<std::string> told;
      for (std::size_t g = 0; g < values.size(); ++g) {
        told.push_back(fmt::format("{} in {}", shortened(*values[g].begin()), result_.groups[g].label));
      }
      result_.notes.push_back(fmt::format("{} differs too: {}", key, some_of(told)));
    }
  }

  static bool same_result(const Run& a, const Run& b) {
    const char* const keys[] = {"time_s", "samples", "final_accuracy", "time_to_target_s", "model_digest"};
    return std::ranges::all_of(keys, [&](const char* key) { return a.value(key) == b.value(key); });
  }

  void make_blocks() {
    std::map<std::string, std::size_t, std::less<>> places;
    for (const Chosen& chosen : runs_) {
      Group& group = result_.groups[chosen.group];
      std::string key, name;  // values in full, and as they are shown
      for (const std::string& block_key : result_.block_keys) {
        const std::string here = value(*chosen.run, block_key);
        key += fmt::format("{}={}\n", block_key, here);
        name += fmt::format("{}{}={}", name.empty() ? "" : ", ", block_key, shortened(here));
      }
      // Another run of the same configuration is the same once more on the virtual clock, and a repetition on the real.
      bool again = false;
      for (int repetition = 1;; ++repetition) {
        const std::string suffix = repetition > 1 ? fmt::format(", repetition {}", repetition) : "";
        const auto [place, is_new] = places.emplace(key + suffix, result_.blocks.size());
        if (is_new) {
          result_.blocks.push_back({.name = name + suffix,
                                    .seed = compares_seeds() ? name + suffix : value(*chosen.run, "seed"),
                                    .runs = std::vector<std::optional<std::size_t>>(result_.groups.size())});
        }
        auto& seat = result_.blocks[place->second].runs[chosen.group];
        if (!seat) {
          seat = group.runs.size();
          break;
        }
        const Run& before = *group.runs[*seat];
        if (chosen.run->text("clock") == "virtual") {
          again = same_result(before, *chosen.run);
          if (again) {
            result_.left_out.push_back(fmt::format("{}: the same run as {}", chosen.run->path(), before.path()));
            break;
          }
          result_.notes.push_back(
              fmt::format("{} and {} have one configuration and different results: made by different "
                          "versions of psctl, or on different machines",
                          before.path(), chosen.run->path()));
        }
      }
      if (!again) group.runs.push_back(chosen.run);
    }
    std::vector<std::string> lacking;
    for (const Block& block : result_.blocks) {
      std::vector<std::string> missing;
      for (std::size_t g = 0; g < block.runs.size(); ++g) {
        if (!block.runs[g]) missing.push_back(result_.groups[g].label);
      }
      if (!missing.empty()) lacking.push_back(fmt::format("{} (not in {})", block.name, some_of(missing)));
    }
    if (!lacking.empty()) {
      result_.notes.push_back(fmt::format("not in every group, and left out of the pairs there: {}", some_of(lacking)));
    }
  }

  void choose_baseline() {
    const auto& groups = result_.groups;
    const std::string wanted = options_.baseline.empty() ? "bsp" : options_.baseline;
    std::vector<std::size_t> exact, begun;
    std::vector<std::string> labels;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      labels.push_back(groups[g].label);
      if (groups[g].label == wanted) exact.push_back(g);
      if (groups[g].label.starts_with(wanted + "(") || groups[g].label.starts_with(wanted + ",")) begun.push_back(g);
    }
    if (!exact.empty()) {
      result_.baseline = exact.front();
    } else if (begun.size() == 1) {
      result_.baseline = begun.front();
    } else if (!options_.baseline.empty()) {
      throw UserError(fmt::format("--baseline {}: {}; there are {}", wanted,
                                  begun.empty() ? "there is no such group" : "that could be more than one",
                                  enumerate(labels)));
    }
  }

  void count() {
    std::vector<const Run*> compared;
    for (const Group& group : result_.groups) compared.insert(compared.end(), group.runs.begin(), group.runs.end());
    horizon_ = horizon_of(compared);
    std::set<std::string> seeds;
    for (Group& group : result_.groups) {
      for (const Run* run : group.runs) {
        seeds.insert(value(*run, "seed"));
        group.diverged += run->diverged() ? 1 : 0;
        group.disturbed += run->flag("disturbed") ? 1 : 0;
      }
      for (const Metric metric : kMetrics) group.figures.push_back(figure(group, metric));
    }
    result_.seeds = seeds.size();
  }

  bool compares_seeds() const { return compared_by("seed"); }
  // Runs of one share their luck.
  std::string seed_of(const Run& run) const { return compares_seeds() ? run.path() : value(run, "seed"); }

  static std::vector<double> means_of(const std::map<std::string, std::vector<double>>& by_seed) {
    std::vector<double> means;
    for (const auto& [seed, values] : by_seed) means.push_back(stats::mean(values));
    return means;
  }

  Figure figure(const Group& group, Metric metric) const {
    Figure figure;
    std::map<std::string, std::vector<double>> by_seed;
    std::vector<Outcome> outcomes;
    for (const Run* run : group.runs) {
      const auto came = outcome(*run, metric, horizon_);
      if (!came) continue;
      by_seed[seed_of(*run)].push_back(came->value);
      outcomes.push_back(*came);
      if (!came->censored) continue;
      ++figure.censored;
      figure.censored_at = std::max(figure.censored_at, came->value);
    }
    figure.n = outcomes.size();
    if (outcomes.empty()) return figure;
    figure.median = standing_of(outcomes, true).centre;
    if (figure.censored == 0) figure.interval = stats::interval(means_of(by_seed), options_.level);
    return figure;
  }

  Difference difference(std::size_t first, std::size_t second, Metric metric) const {
    Difference difference{.first = first, .second = second, .metric = metric, .interval = {}};
    std::map<std::string, std::vector<double>> by_seed, slowest, fastest;
    std::size_t first_censored = 0, second_censored = 0;
    bool comparable = true;
    for (const Block& block : result_.blocks) {
      if (!block.runs[first] || !block.runs[second]) continue;
      const auto a = outcome(*result_.groups[first].runs[*block.runs[first]], metric, horizon_);
      const auto b = outcome(*result_.groups[second].runs[*block.runs[second]], metric, horizon_);
      if (!a || !b) continue;
      if (is_ratio(metric) && (a->value <= 0 || b->value <= 0)) {
        comparable = false;
        continue;
      }
      ++difference.n;
      by_seed[block.seed].push_back(is_ratio(metric) ? std::log(a->value / b->value) : a->value - b->value);
      first_censored += a->censored ? 1 : 0;
      second_censored += b->censored ? 1 : 0;
      difference.censored += a->censored || b->censored ? 1 : 0;
      // Of what takes longer than it was seen, the speed lies between 0 and that of its end.
      slowest[block.seed].push_back((a->censored ? 0 : 1 / a->value) - 1 / b->value);
      fastest[block.seed].push_back(1 / a->value - (b->censored ? 0 : 1 / b->value));
    }
    if (difference.n == 0) return difference;
    const std::vector<double> values = means_of(by_seed), low = means_of(slowest), high = means_of(fastest);
    difference.seeds = values.size();
    std::vector<stats::Bounds> speeds;
    for (std::size_t i = 0; i < low.size(); ++i) speeds.push_back({low[i], high[i]});
    difference.interval = stats::interval(values, options_.level);
    if (is_ratio(metric)) {
      for (double* end : {&difference.interval.mean, &difference.interval.low, &difference.interval.high}) {
        *end = std::exp(*end);
      }
    }
    using Known = Difference::Known;
    const bool both = first_censored > 0 && second_censored > 0;
    difference.known = difference.censored == 0 ? Known::kAll
                       : both                   ? Known::kNothing
                       : first_censored > 0     ? Known::kAtLeast
                                                : Known::kAtMost;
    if (difference.censored == 0) {
      difference.p = stats::paired_t_p_value(values);
    } else {
      // The test is of speeds, which are known within bounds. Where it says the one is faster and the ratios of times
      // that are shown say the other, neither is.
      double least = 0;
      for (const stats::Bounds& speed : speeds) least += speed.low;
      const bool faster = least > 0;
      difference.p = faster == (difference.interval.mean < 1) ? stats::largest_paired_t_p_value(speeds) : 1;
    }
    if (!comparable) difference.p = 1;
    return difference;
  }

  void correct(std::vector<Difference>& family) const {
    std::vector<double> p_values;
    for (const Difference& difference : family) {
      if (difference.seeds >= 2) p_values.push_back(difference.p);
    }
    const std::vector<double> adjusted = stats::holm(p_values);
    auto next = adjusted.begin();
    for (Difference& difference : family) {
      if (difference.seeds < 2) {
        difference.verdict = difference.n == 0 ? Verdict::kNothing : Verdict::kOneSeed;
        continue;
      }
      difference.adjusted_p = *next++;
      if (difference.adjusted_p >= kSignificant) {
        difference.verdict = difference.censored > 0 ? Verdict::kInconclusive : Verdict::kNotShown;
        continue;
      }
      const double no_difference = is_ratio(difference.metric) ? 1 : 0;
      const bool less = difference.interval.mean < no_difference;
      difference.verdict = less == less_is_better(difference.metric) ? Verdict::kBetter : Verdict::kWorse;
    }
  }

  // Smaller is better placed.
  double place(const Figure& figure, Metric metric) const {
    constexpr double kLast = std::numeric_limits<double>::infinity();
    if (figure.n == 0) return kLast;
    if (metric == Metric::kTimeToTarget) return figure.median.value_or(kLast);
    return -figure.interval->mean;
  }

  void judge(Metric metric) {
    const auto index = static_cast<std::size_t>(std::ranges::find(kMetrics, metric) - std::begin(kMetrics));
    const auto figure_of = [&](std::size_t g) -> const Figure& { return result_.groups[g].figures[index]; };
    Judgement judgement{.metric = metric, .ranking = {}, .against_baseline = {}, .pairs = {}};
    for (std::size_t g = 0; g < result_.groups.size(); ++g) {
      if (figure_of(g).n > 0) judgement.ranking.push_back(g);
    }
    if (judgement.ranking.empty()) return;
    std::ranges::stable_sort(judgement.ranking, [&](std::size_t a, std::size_t b) {
      const double place_a = place(figure_of(a), metric), place_b = place(figure_of(b), metric);
      if (place_a != place_b) return place_a < place_b;
      return figure_of(a).censored * figure_of(b).n < figure_of(b).censored * figure_of(a).n;
    });
    for (std::size_t g = 0; g < result_.groups.size(); ++g) {
      if (g != result_.baseline) judgement.against_baseline.push_back(difference(g, result_.baseline, metric));
    }
    correct(judgement.against_baseline);
    for (std::size_t i = 0; i < judgement.ranking.size(); ++i) {
      for (std::size_t j = i + 1; j < judgement.ranking.size(); ++j) {
        judgement.pairs.push_back(difference(judgement.ranking[i], judgement.ranking[j], metric));
      }
    }
    correct(judgement.pairs);
    const bool all_the_same = std::ranges::all_of(judgement.pairs, [](const Difference& d) {
      return d.seeds > 1 && d.censored == 0 && d.interval.low == d.interval.high;
    });
    if (all_the_same && !judgement.pairs.empty() && result_.seeds > 1) {
      // Between two looks a time is not known: what is the same to the look need not be without luck.
      result_.notes.push_back(fmt::format("{}: the same differences in every block: {}", title_of(metric),
                                          metric == Metric::kTimeToTarget
                                              ? "a time is that of an evaluation, and more of them would tell more"
                                              : "luck has no part in them"));
    }
    const bool cut_short =
        std::ranges::any_of(judgement.pairs, [](const Difference& d) { return d.verdict == Verdict::kInconclusive; });
    if (cut_short) {
      result_.notes.push_back(
          "runs that ended before their target leave the time to it open: more time (stop) or a "
          "lower target would tell");
    }
    result_.judgements.push_back(std::move(judgement));
  }

  void note_luck() {
    if (result_.groups.size() < 2) {
      result_.notes.push_back("there is one group only: nothing to compare it with");
    } else if (result_.seeds < 2) {
      result_.notes.push_back(
          "one seed shows nothing: what differs may be the luck of that seed. Run more seeds, as in "
          "psctl sweep ... 'seed=range(0,5)'");
    }
    std::size_t seeds = 0;
    bool averaged = false;
    for (const Judgement& judgement : result_.judgements) {
      for (const Difference& pair : judgement.pairs) {
        seeds = std::max(seeds, pair.seeds);
        averaged = averaged || pair.n > pair.seeds;
      }
    }
    if (averaged) {
      result_.notes.push_back("pairs of one seed share its luck: they are averaged, and a seed counts once");
    }
    if (seeds > 1 && seeds < kFewSeeds) {
      result_.notes.push_back(
          fmt::format("{} seeds are few: an interval of so few rests on the differences being normal; "
                      "five or more are better",
                      seeds));
    }
    for (const Group& group : result_.groups) {
      if (group.diverged > 0) {
        result_.notes.push_back(
            fmt::format("{}: {} of {} diverged: counted as not reaching the target, with the "
                        "accuracy of guessing",
                        group.label, group.diverged, counted(group.runs.size(), "run")));
      }
      if (group.disturbed > 0) {
        result_.notes.push_back(
            fmt::format("{}: {} of {} disturbed by the machine: its times are not those that were "
                        "asked for",
                        group.label, group.disturbed, counted(group.runs.size(), "run")));
      }
    }
  }

  const Options& options_;
  Comparison result_;
  std::vector<Chosen> runs_;
  std::vector<std::string_view> keys_;  // of all configurations
  Horizon horizon_;
};

}  // namespace

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kBetter:
      return "better";
    case Verdict::kWorse:
      return "worse";
    case Verdict::kNotShown:
      return "no difference shown";
    case Verdict::kInconclusive:
      return "inconclusive";
    case Verdict::kOneSeed:
      return "one seed shows nothing";
    case Verdict::kNothing:
      return "no pair";
  }
  return "";
}

Comparison compare(std::span<const Run> runs, const Options& options) { return Comparing(runs, options).take(); }

}  // namespace psctl::results
