#include "results/comparison.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "results/filter.h"
#include "stats/tests.h"

namespace psctl::results {
namespace {

constexpr std::size_t kNamed = 8;  // most that are named of a long list

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
    note_work();
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
      std::vector<Outcomes>& outcomes = outcomes_.emplace_back();
      for (const Run* run : group.runs) {
        seeds.insert(value(*run, "seed"));
        group.diverged += run->diverged() ? 1 : 0;
        group.disturbed += run->flag("disturbed") ? 1 : 0;
        Outcomes& of_run = outcomes.emplace_back();
        for (const Metric metric : kMetrics) of_run.push_back(outcome(*run, metric, horizon_));
      }
      for (const Metric metric : kMetrics) group.figures.push_back(figure(group, outcomes, metric));
    }
    result_.seeds = seeds.size();
  }

  bool compares_seeds() const { return compared_by("seed"); }
  // Runs of one share their luck.
  std::string seed_of(const Run& run) const { return compares_seeds() ? run.path() : value(run, "seed"); }

  using Outcomes = std::vector<std::optional<Outcome>>;  // by metric
  static std::size_t index_of(Metric metric) { return static_cast<std::size_t>(metric); }

  // On the scale of the statistic, where its mean is arithmetic.
  static double scaled(Metric metric, double value) { return is_ratio(metric) ? std::log(value) : value; }
  static double unscaled(Metric metric, double value) { return is_ratio(metric) ? std::exp(value) : value; }

  static void unscale(Metric metric, stats::Interval& interval) {
    for (double* end : {&interval.mean, &interval.low, &interval.high}) *end = unscaled(metric, *end);
  }

  Figure figure(const Group& group, const std::vector<Outcomes>& all, Metric metric) const {
    Figure figure;
    std::map<std::string, std::vector<double>> by_seed;
    std::vector<Outcome> outcomes;
    for (std::size_t r = 0; r < group.runs.size(); ++r) {
      const auto& came = all[r][index_of(metric)];
      if (!came) continue;
      by_seed[seed_of(*group.runs[r])].push_back(scaled(metric, came->value));
      outcomes.push_back(*came);
      if (!came->resolution && !came->censored) ++figure.unresolved;
      if (came->resolution && came->value > 0) figure.coarseness += *came->resolution / came->value;
      if (!came->censored) continue;
      ++figure.censored;
      figure.censored_at = std::max(figure.censored_at, came->value);
    }
    figure.n = outcomes.size();
    if (outcomes.empty()) return figure;
    figure.coarseness /= static_cast<double>(figure.n);
    figure.standing = standing_of(outcomes, is_time_to(key_of(metric)));
    std::vector<double> means;
    for (const auto& [seed, values] : by_seed) means.push_back(stats::mean(values));
    figure.mean = unscaled(metric, stats::mean(means));
    if (figure.censored > 0) return figure;
    figure.interval = stats::t_interval(means, options_.level);
    unscale(metric, *figure.interval);
    return figure;
  }

  struct Pairs {  // of one seed
    std::vector<stats::Difference> differences;
    std::vector<stats::Bounds> speeds;  // of the first less that of the second
  };

  static stats::Difference mean_of(const std::vector<stats::Difference>& all) {
    stats::Difference mean;
    const auto n = static_cast<double>(all.size());
    for (const stats::Difference& one : all) {
      mean.value += one.value / n;
      mean.below += one.below / n;
      mean.above += one.above / n;
      mean.rounding += one.rounding / n;
    }
    return mean;
  }

  static stats::Bounds mean_of(const std::vector<stats::Bounds>& all) {
    stats::Bounds mean;
    for (const stats::Bounds& one : all) {
      mean.low += one.low / static_cast<double>(all.size());
      mean.high += one.high / static_cast<double>(all.size());
    }
    return mean;
  }

  // Corrected for the number of comparisons.
  Difference difference(std::size_t first, std::size_t second, Metric metric, std::size_t comparisons) const {
    Difference difference{.first = first, .second = second, .metric = metric, .interval = {}};
    std::map<std::string, Pairs> by_seed;
    std::size_t first_censored = 0, second_censored = 0;
    for (const Block& block : result_.blocks) {
      if (!block.runs[first] || !block.runs[second]) continue;
      const auto& a = outcomes_[first][*block.runs[first]][index_of(metric)];
      const auto& b = outcomes_[second][*block.runs[second]][index_of(metric)];
      if (!a || !b) continue;
      if (is_ratio(metric) && (a->value <= 0 || b->value <= 0)) continue;
      ++difference.n;
      Pairs& pairs = by_seed[block.seed];
      pairs.differences.push_back(difference_of(*a, *b, is_ratio(metric)));
      const stats::Bounds speed_a = speed_of(*a), speed_b = speed_of(*b);
      pairs.speeds.push_back({.low = speed_a.low - speed_b.high, .high = speed_a.high - speed_b.low});
      first_censored += a->censored ? 1 : 0;
      second_censored += b->censored ? 1 : 0;
      difference.censored += a->censored || b->censored ? 1 : 0;
    }
    if (difference.n == 0) return difference;
    std::vector<stats::Difference> differences;
    std::vector<stats::Bounds> speeds;
    for (const auto& [seed, pairs] : by_seed) {
      differences.push_back(mean_of(pairs.differences));
      speeds.push_back(mean_of(pairs.speeds));
    }
    difference.seeds = differences.size();
    using Known = Difference::Known;
    difference.known = difference.censored == 0                    ? Known::kAll
                       : first_censored > 0 && second_censored > 0 ? Known::kNothing
                       : first_censored > 0                        ? Known::kAtLeast
                                                                   : Known::kAtMost;
    const stats::PairedTest test = stats::paired_t(differences, comparisons, options_.level);
    difference.interval = test.interval;
    difference.p = test.p;
    bool shown = test.interval.low > 0 || test.interval.high < 0;
    if (difference.censored > 0) {
      constexpr double kNoEnd = std::numeric_limits<double>::infinity();
      difference.interval = {
          .mean = test.interval.mean, .low = -kNoEnd, .high = kNoEnd, .n = differences.size(), .level = options_.level};
      difference.p = p_of_speeds(speeds, test.interval.mean < 0);
      shown = stats::corrected(difference.p, comparisons) < 1 - options_.level;
    }
    difference.corrected_p = stats::corrected(difference.p, comparisons);
    unscale(metric, difference.interval);
    const bool better = (test.interval.mean < 0) == less_is_better(metric);
    difference.verdict = difference.seeds < stats::kLeastPairs ? Verdict::kFewSeeds
                         : shown                               ? (better ? Verdict::kBetter : Verdict::kWorse)
                         : difference.censored > 0             ? Verdict::kInconclusive
                                                               : Verdict::kNotShown;
    return difference;
  }

  // Where the speeds say that the first is faster and the ratios of times that are shown say the other, neither is.
  static double p_of_speeds(std::span<const stats::Bounds> speeds, bool shorter) {
    double least = 0;
    for (const stats::Bounds& speed : speeds) {
      if (!std::isfinite(speed.low) || !std::isfinite(speed.high)) return 1;
      least += speed.low;
    }
    return (least > 0) == shorter ? stats::largest_paired_t_p_value(speeds) : 1;
  }

  void judge(Metric metric) {
    const auto figure_of = [&](std::size_t g) -> const Figure& { return result_.groups[g].figures[index_of(metric)]; };
    Judgement judgement{.metric = metric, .ranking = {}, .against_baseline = {}, .pairs = {}};
    std::size_t unresolved = 0;
    for (std::size_t g = 0; g < result_.groups.size(); ++g) {
      if (figure_of(g).n > 0) judgement.ranking.push_back(g);
      unresolved += figure_of(g).unresolved;
    }
    note_missing(metric);
    if (judgement.ranking.empty()) return;
    std::ranges::stable_sort(judgement.ranking, [&](std::size_t a, std::size_t b) {
      const Figure &of_a = figure_of(a), &of_b = figure_of(b);
      const std::size_t part_a = of_a.censored * of_b.n, part_b = of_b.censored * of_a.n;
      if (part_a != part_b) return part_a < part_b;
      return less_is_better(metric) ? of_a.mean < of_b.mean : of_a.mean > of_b.mean;
    });
    const std::size_t groups = judgement.ranking.size();
    const bool baseline_ranked = std::ranges::find(judgement.ranking, result_.baseline) != judgement.ranking.end();
    judgement.comparisons = options_.all_pairs ? groups * (groups - 1) / 2 : groups - (baseline_ranked ? 1 : 0);
    const std::size_t corrected_for = std::max<std::size_t>(judgement.comparisons, 1);
    for (const std::size_t g : judgement.ranking) {
      if (g == result_.baseline) continue;
      judgement.against_baseline.push_back(difference(g, result_.baseline, metric, corrected_for));
    }
    for (std::size_t i = 0; options_.all_pairs && i < groups; ++i) {
      for (std::size_t j = i + 1; j < groups; ++j) {
        judgement.pairs.push_back(difference(judgement.ranking[i], judgement.ranking[j], metric, corrected_for));
      }
    }
    if (unresolved > 0 && groups > 1) {
      result_.notes.push_back(
          fmt::format("{}: {} {} not tell the resolution (made by an older psctl, or without evals.csv), so smaller "
                      "differences than that may be shown",
                      title_of(metric), counted(unresolved, "run"), unresolved == 1 ? "does" : "do"));
    }
    const bool cut_short = std::ranges::any_of(judgement.against_baseline,
                                               [](const Difference& d) { return d.verdict == Verdict::kInconclusive; });
    if (cut_short) {
      result_.notes.push_back(
          "runs that ended before their target leave the time to it open: more time (stop) or a "
          "lower target would tell");
    }
    note_coarseness(judgement);
    result_.judgements.push_back(std::move(judgement));
  }

  // Intervals are widened by the time between two evaluations.
  void note_coarseness(const Judgement& judgement) {
    constexpr double kCoarse = 0.1;
    const bool hidden = std::ranges::any_of(judgement.against_baseline,
                                            [](const Difference& d) { return d.verdict == Verdict::kNotShown; });
    if (judgement.metric != Metric::kTimeToTarget || !hidden) return;
    double coarsest = 0;
    for (const std::size_t g : judgement.ranking) {
      coarsest = std::max(coarsest, result_.groups[g].figures[index_of(judgement.metric)].coarseness);
    }
    if (coarsest < kCoarse) return;
    result_.notes.push_back(fmt::format(
        "{}: two evaluations are up to {:.0f} % of it apart, and intervals are wider by as much; evaluate more "
        "often (evaluate.every_epochs) to show smaller differences",
        title_of(judgement.metric), 100 * coarsest));
  }

  // Accuracies of runs that were given the same budget, of which they used unlike parts.
  void note_work() {
    constexpr double kUnlike = 1.02;
    double least = std::numeric_limits<double>::infinity(), most = 0;
    std::string of_least, of_most;
    for (const Group& group : result_.groups) {
      double sum = 0;
      for (const Run* run : group.runs) {
        const auto used = run->number("samples_used");
        const auto stop = run->text("stop");
        const bool by_work = stop == "epochs" || stop == "samples" || stop == "updates" || stop == "steps_per_worker";
        if (!used || !by_work) return;
        sum += *used;
      }
      const double mean = sum / static_cast<double>(group.runs.size());
      if (mean < least) std::tie(least, of_least) = std::pair(mean, group.label);
      if (mean > most) std::tie(most, of_most) = std::pair(mean, group.label);
    }
    if (!(most > kUnlike * least)) return;
    result_.notes.push_back(fmt::format("final accuracy is after unequal work: {:.0f} samples used in {}, {:.0f} in {}",
                                        least, of_least, most, of_most));
  }

  // Only samples that were used count as throughput.
  void note_missing(Metric metric) {
    if (metric != Metric::kThroughput) return;
    std::size_t lacking = 0;
    for (const auto& group : outcomes_) {
      lacking += static_cast<std::size_t>(
          std::ranges::count_if(group, [&](const Outcomes& run) { return !run[index_of(metric)]; }));
    }
    if (lacking == 0) return;
    result_.notes.push_back(
        fmt::format("{}: {} of an older psctl {} not tell how many samples were used, and {} left out there; run {} "
                    "again to compare it",
                    title_of(metric), counted(lacking, "run"), lacking == 1 ? "does" : "do",
                    lacking == 1 ? "is" : "are", lacking == 1 ? "it" : "them"));
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
      for (const Difference& pair : judgement.against_baseline) {
        seeds = std::max(seeds, pair.seeds);
        averaged = averaged || pair.n > pair.seeds;
      }
    }
    if (averaged) {
      result_.notes.push_back("pairs of one seed share its luck: they are averaged, and a seed counts once");
    }
    if (seeds == 2) {
      result_.notes.push_back(
          "two seeds show nothing: two differences agree by chance too often. Run more seeds, as in "
          "psctl sweep ... 'seed=range(0,5)'");
    } else if (seeds == 3) {
      result_.notes.push_back(
          "3 seeds are few: an interval of so few rests on the differences being normal; five or more are better");
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
  std::vector<std::vector<Outcomes>> outcomes_;  // of groups and their runs
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
    case Verdict::kFewSeeds:
      return "too few seeds";
    case Verdict::kNothing:
      return "no pair";
  }
  return "";
}

const char* statistic_of(Metric metric) { return is_ratio(metric) ? "geometric mean" : "mean"; }

Comparison compare(std::span<const Run> runs, const Options& options) { return Comparing(runs, options).take(); }

}  // namespace psctl::results
