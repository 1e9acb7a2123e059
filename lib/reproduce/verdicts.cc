#include "reproduce/verdicts.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <span>

#include "base/error.h"
#include "base/text.h"

namespace psctl::reproduce {
namespace {

using Values = std::vector<Measured>;

constexpr double kRounding = 1e-9;  // relative, of what planners came to

std::vector<Mode> modes_of(const Study& study) {
  if (study.kind != StudyKind::kRuns || study.rates == Rates::kGiven) return {Mode::kGiven};
  if (study.rates == Rates::kFailing) return {Mode::kFailing};
  return {Mode::kOneForAll, Mode::kOwnBest};
}

double mean_of(const Values& values, Scale scale) {
  double sum = 0;
  for (const Measured& value : values) sum += scale == Scale::kRatio ? std::log(value.value) : value.value;
  const double mean = sum / static_cast<double>(values.size());
  return scale == Scale::kRatio ? std::exp(mean) : mean;
}

// Measures of cells, read from run folders when they are first asked for.
class Book {
 public:
  Book(const Campaign& campaign, const std::string& folder, const std::map<Cell, std::vector<double>>& planners)
      : campaign_(campaign), folder_(folder), planners_(planners) {}

  const Study& study(const Cell& cell) const { return campaign_.presets()[cell.preset].studies[cell.study]; }

  std::optional<double> rate(const Cell& cell, Mode mode) const {
    const auto found = campaign_.results().find({cell, mode});
    return found == campaign_.results().end() ? std::nullopt : found->second.rate;
  }

  // A number a seed; none where there are no such runs, or one of them does not tell.
  std::optional<Values> values(const Cell& cell, Mode mode, const std::string& measure) {
    if (study(cell).kind != StudyKind::kRuns) {
      const auto found = planners_.find(cell);
      if (found == planners_.end() || measure != planner_measure(study(cell).kind)) return std::nullopt;
      Values values;
      for (double number : found->second) values.push_back({.value = number, .resolution = kRounding * number});
      return values;
    }
    const auto result = campaign_.results().find({cell, mode});
    if (result == campaign_.results().end()) return std::nullopt;
    std::optional<Values> targets;
    if (const auto name = reference_of(measure)) {
      Cell reference = cell;
      const Contender* contender = study(cell).find(*name);
      if (!contender) return std::nullopt;
      reference.contender = static_cast<std::size_t>(contender - study(cell).contenders.data());
      targets = final_targets(reference, mode);
      if (!targets) return std::nullopt;
    }
    const results::Horizon horizon = horizon_of(cell, mode);
    Values values;
    for (std::size_t i = 0; i < result->second.folders.size(); ++i) {
      const results::Run* of = run(result->second.folders[i]);
      if (!of) return std::nullopt;
      const auto value = targets ? results::time_to_accuracy(*of, (*targets)[i].value, horizon)
                                 : results::outcome(*of, measure, horizon);
      if (!value) return std::nullopt;
      values.push_back(*value);
    }
    return values;
  }

  std::optional<Values> values(Cell cell, Mode mode, const std::string& measure, const Rival& rival) {
    if (rival.parts.empty()) return Values(study(cell).seeds, Measured{.value = rival.number, .censored = false});
    std::optional<Values> sum;
    for (const auto& [name, weight] : rival.parts) {
      cell.contender = static_cast<std::size_t>(study(cell).find(name) - study(cell).contenders.data());
      const std::optional<Values> part = values(cell, mode, measure);
      if (!part) return std::nullopt;
      if (!sum) sum = Values(part->size());
      for (std::size_t i = 0; i < part->size(); ++i) {
        (*sum)[i].value += weight * (*part)[i].value;
        (*sum)[i].resolution = (*sum)[i].resolution.value_or(0) + weight * (*part)[i].resolution.value_or(0);
        (*sum)[i].censored = (*sum)[i].censored || (*part)[i].censored;
      }
    }
    return sum;
  }

 private:
  // The accuracy that a contender ends with in each seed, as FinalTarget has it.
  std::optional<Values> final_targets(const Cell& cell, Mode mode) {
    const auto result = campaign_.results().find({cell, mode});
    const auto finals = values(cell, mode, "final_accuracy");
    if (result == campaign_.results().end() || !finals) return std::nullopt;
    const FinalTarget target;
    Values targets;
    for (std::size_t i = 0; i < finals->size(); ++i) {
      if ((*finals)[i].diverged) {
        targets.push_back((*finals)[i]);
        continue;
      }
      const std::vector<results::Evaluation> evals = run(result->second.folders[i])->evals();
      if (evals.empty()) return std::nullopt;
      const std::size_t last = std::min(target.evaluations, evals.size());
      double sum = 0;
      for (const results::Evaluation& one : std::span(evals).last(last)) sum += one.accuracy;
      targets.push_back({.value = sum / static_cast<double>(last) - target.margin});
    }
    return targets;
  }

  // Null where it is not done.
  const results::Run* run(const std::string& name) {
    const auto [place, fresh] = runs_.try_emplace(name);
    if (fresh) {
      try {
        place->second = results::read_run(folder_ + "/" + name);
      } catch (const UserError&) {  // damaged
      }
    }
    return place->second && place->second->status() == results::Status::kDone ? &*place->second : nullptr;
  }

  // Of all contenders of the setting.
  results::Horizon horizon_of(Cell cell, Mode mode) {
    std::vector<const results::Run*> runs;
    for (cell.contender = 0; cell.contender < study(cell).contenders.size(); ++cell.contender) {
      const auto result = campaign_.results().find({cell, mode});
      if (result == campaign_.results().end()) continue;
      for (const std::string& name : result->second.folders) {
        if (const results::Run* of = run(name)) runs.push_back(of);
      }
    }
    return results::horizon_of(runs);
  }

  const Campaign& campaign_;
  const std::string& folder_;
  const std::map<Cell, std::vector<double>>& planners_;
  std::map<std::string, std::optional<results::Run>> runs_;
};

class Judge {
 public:
  Judge(Book& book, const Preset& preset, std::size_t preset_index, const Claim& claim, Mode mode)
      : book_(book), preset_(preset), claim_(claim), study_(preset.study(claim.study)) {
    judged_.preset = &preset;
    judged_.claim = &claim;
    judged_.mode = mode;
    base_.preset = preset_index;
    base_.study = static_cast<std::size_t>(&study_ - preset.studies.data());
  }

  Judged judge() {
    std::vector<Verdict> of_settings;
    if (!claim_.grows_from.empty()) {
      of_settings = growth();
    } else {
      for (std::size_t setting = 0; setting < study_.settings.size(); ++setting) {
        const auto verdict = in_setting(setting);
        if (!verdict) continue;
        of_settings.push_back(*verdict);
        judged_.settings.push_back({&study_.settings[setting], *verdict});
      }
    }
    if (of_settings.empty() && claim_.where) {
      judged_.notes.push_back(fmt::format("in no setting do {} lie between {:g} and {:g}",
                                          enumerate(claim_.where->contenders), claim_.where->low, claim_.where->high));
    }
    judged_.verdict = of_each(of_settings);
    judged_.power = power_of(preset_, claim_, {.spread = spread()});
    if (missing_) {
      judged_.verdict = Verdict::kInconclusive;
      judged_.notes.push_back("not every run that it asks for is there, or tells what it asks for");
    }
    return std::move(judged_);
  }

 private:
  Cell cell(std::size_t setting, const std::string& contender) const {
    Cell of = base_;
    of.setting = setting;
    of.contender = static_cast<std::size_t>(study_.find(contender) - study_.contenders.data());
    return of;
  }

  bool speaks_of(std::size_t setting) {
    const std::string& profile = study_.settings[setting].profile;
    if (!claim_.profiles.empty() && std::ranges::find(claim_.profiles, profile) == claim_.profiles.end()) return false;
    if (!claim_.where) return true;
    return std::ranges::all_of(claim_.where->contenders, [&](const std::string& contender) {
      const auto values = book_.values(cell(setting, contender), judged_.mode, claim_.measure);
      if (!values) {  // then nobody knows
        missing_ = true;
        return false;
      }
      const double mean = mean_of(*values, claim_.scale);
      return mean >= claim_.where->low && mean <= claim_.where->high;
    });
  }

  // Of the runs that are there, over all comparisons.
  std::optional<double> spread() const {
    double squares = 0, n = 0;
    for (const Comparison& one : judged_.comparisons) {
      if (!one.spread) continue;
      squares += *one.spread * *one.spread;
      ++n;
    }
    return n > 0 ? std::optional(std::sqrt(squares / n)) : std::nullopt;
  }

  // None where the claim does not speak of the setting.
  std::optional<Verdict> in_setting(std::size_t setting) {
    if (!speaks_of(setting)) return std::nullopt;
    const std::size_t first = judged_.comparisons.size();
    const std::size_t rivals = claim_.order.empty() ? claim_.rivals.size() : 1;
    // Rankings and choices of one among several ask many questions at once.
    const std::size_t comparisons = !claim_.order.empty()  ? claim_.order.size() - 1
                                    : claim_.any_subject ? claim_.subjects.size() * rivals
                                                         : 1;
    if (claim_.order.empty()) {
      for (const std::string& subject : claim_.subjects) {
        for (const Rival& rival : claim_.rivals) compare(setting, subject, rival, comparisons);
      }
    } else {
      for (std::size_t i = 1; i < claim_.order.size(); ++i) {
        compare(setting, claim_.order[i],
                {.name = claim_.order[i - 1], .parts = {{claim_.order[i - 1], 1.0}}, .number = 0}, comparisons);
      }
    }
    const std::span<Comparison> fresh = std::span(judged_.comparisons).subspan(first);
    std::vector<Verdict> of_subjects;
    for (std::size_t i = 0; i < fresh.size(); i += rivals) {
      std::vector<Verdict> of_rivals;
      for (const Comparison& one : fresh.subspan(i, rivals)) of_rivals.push_back(one.finding.verdict);
      of_subjects.push_back(of_each(of_rivals));
    }
    return claim_.any_subject ? of_any(of_subjects) : of_each(of_subjects);
  }

  void compare(std::size_t setting, const std::string& subject, const Rival& rival, std::size_t comparisons) {
    const Cell of = cell(setting, subject);
    Comparison comparison{.setting = study_.settings[setting].name(),
                          .network_part = study_.settings[setting].network_part,
                          .subject = subject,
                          .rival = rival.name,
                          .rival_is_number = rival.parts.empty(),
                          .subject_rate = book_.rate(of, judged_.mode),
                          .rival_rate = rival.parts.size() == 1
                                            ? book_.rate(cell(setting, rival.parts[0].first), judged_.mode)
                                            : std::nullopt,
                          .finding = {}};
    const auto mine = book_.values(of, judged_.mode, claim_.measure);
    const auto theirs = book_.values(of, judged_.mode, claim_.measure, rival);
    if (mine && theirs) {
      comparison.subject_mean = mean_of(*mine, claim_.scale);
      comparison.rival_mean = mean_of(*theirs, claim_.scale);
      comparison.finding = reproduce::judge(claim_.scale, claim_.region, *mine, *theirs, comparisons);
      comparison.spread = spread_of(*mine, *theirs);
    } else {
      missing_ = true;
      comparison.finding.reason = "runs are missing";
    }
    judged_.comparisons.push_back(std::move(comparison));
  }

  std::optional<double> spread_of(const Values& mine, const Values& theirs) const {
    std::vector<double> effects;
    for (std::size_t i = 0; i < mine.size(); ++i) {
      if (mine[i].censored || theirs[i].censored) return std::nullopt;
      effects.push_back(results::difference_of(mine[i], theirs[i], claim_.scale == Scale::kRatio).value);
      if (!std::isfinite(effects.back())) return std::nullopt;
    }
    return effects.size() >= stats::kLeastPairs ? std::optional(stats::standard_deviation(effects)) : std::nullopt;
  }

  // ln(time of the fastest rival / time of the subject), seed by seed. Greater where the rival's time is censored; none
  // where the subject's is.
  std::optional<Values> gains(std::size_t setting) {
    const Cell of = cell(setting, claim_.subjects.front());
    const auto mine = book_.values(of, judged_.mode, claim_.measure);
    if (!mine) return std::nullopt;
    Values gains(mine->size());
    for (std::size_t r = 0; r < claim_.rivals.size(); ++r) {
      const auto theirs = book_.values(of, judged_.mode, claim_.measure, claim_.rivals[r]);
      if (!theirs) return std::nullopt;
      for (std::size_t i = 0; i < gains.size(); ++i) {
        if ((*mine)[i].censored) return std::nullopt;
        const stats::Difference gain = results::difference_of((*theirs)[i], (*mine)[i], true);
        if (r > 0 && gain.value >= gains[i].value) continue;
        gains[i] = {.value = gain.value,
                    .censored = (*theirs)[i].censored,
                    .resolution = std::max(gain.below, gain.above)};
      }
    }
    return gains;
  }

  std::vector<Verdict> growth() {
    std::vector<Verdict> verdicts;
    for (std::size_t to = 0; to < study_.settings.size(); ++to) {
      const Setting& last = study_.settings[to];
      if (last.profile != claim_.grows_to) continue;
      const auto first = std::ranges::find_if(study_.settings, [&](const Setting& setting) {
        return setting.profile == claim_.grows_from && setting.network_part == last.network_part;
      });
      const auto from = static_cast<std::size_t>(first - study_.settings.begin());
      const auto late = gains(to), early = gains(from);
      Comparison comparison{.setting = last.name(),
                            .network_part = last.network_part,
                            .subject = fmt::format("{} at {}", claim_.subjects.front(), claim_.grows_to),
                            .rival = fmt::format("at {}", claim_.grows_from),
                            .subject_rate = {},
                            .rival_rate = {},
                            .finding = {}};
      if (late && early) {
        comparison.subject_mean = mean_of(*late, Scale::kDifference);
        comparison.rival_mean = mean_of(*early, Scale::kDifference);
        comparison.finding = reproduce::judge(Scale::kDifference, claim_.region, *late, *early);
      } else {
        comparison.finding.reason = "runs are missing, or did not reach the target";
      }
      verdicts.push_back(comparison.finding.verdict);
      judged_.settings.push_back({&last, comparison.finding.verdict});
      judged_.comparisons.push_back(std::move(comparison));
    }
    return verdicts;
  }

  Book& book_;
  const Preset& preset_;
  const Claim& claim_;
  const Study& study_;
  Cell base_;
  Judged judged_;
  bool missing_ = false;
};

// What the report lists of every cell.
constexpr const char* kListed[] = {"final_accuracy", "time_to_target_s", "time_s",      "compute_share",
                                   "updates_per_s",  "misses",           "microseconds"};

}  // namespace

const Comparison* Judged::tightest() const {
  // How far the mean lies within the region, from the nearer bound.
  const auto room = [&](const Comparison& one) {
    return std::min(one.finding.effect.mean - claim->region.low, claim->region.high - one.finding.effect.mean);
  };
  const auto least = [&](const std::function<bool(const Comparison&)>& meant) {
    const Comparison* found = nullptr;
    for (const Comparison& one : comparisons) {
      if (one.finding.effect.n > 0 && meant(one) && (!found || room(one) < room(*found))) found = &one;
    }
    return found;
  };
  if (claim->any_subject) {  // of the subject that comes nearest to bearing it out
    const Comparison* best = nullptr;
    for (const std::string& subject : claim->subjects) {
      const Comparison* worst = least([&](const Comparison& one) { return one.subject == subject; });
      if (worst && (!best || room(*worst) > room(*best))) best = worst;
    }
    return best;
  }
  // A wide interval about a mean that is further off decides nothing: it is one of those that the verdict is.
  const Comparison* decides = least([&](const Comparison& one) { return one.finding.verdict == verdict; });
  return decides ? decides : least([](const Comparison&) { return true; });
}

Verdicts judge(const Campaign& campaign, const std::string& folder,
               const std::map<Cell, std::vector<double>>& planners) {
  Verdicts verdicts;
  Book book(campaign, folder, planners);
  for (std::size_t p = 0; p < campaign.presets().size(); ++p) {
    const Preset& preset = campaign.presets()[p];
    for (const Claim& claim : preset.claims) {
      for (Mode mode : modes_of(preset.study(claim.study))) {
        verdicts.judged.push_back(Judge(book, preset, p, claim, mode).judge());
      }
    }
    for (std::size_t s = 0; s < preset.studies.size(); ++s) {
      const Study& study = preset.studies[s];
      for (Mode mode : modes_of(study)) {
        for (std::size_t setting = 0; setting < study.settings.size(); ++setting) {
          for (std::size_t c = 0; c < study.contenders.size(); ++c) {
            const Cell cell{.preset = p, .study = s, .setting = setting, .contender = c};
            Outcome outcome{.cell = cell, .mode = mode, .rate = book.rate(cell, mode), .measures = {}};
            for (const char* measure : kListed) {
              if (auto values = book.values(cell, mode, measure)) outcome.measures.emplace(measure, std::move(*values));
            }
            if (!outcome.measures.empty()) verdicts.outcomes.push_back(std::move(outcome));
          }
        }
      }
    }
  }
  return verdicts;
}

std::string verdict_text(const Judged& judged) {
  if (!judged.power.low()) return word(judged.verdict);
  return fmt::format("{} (power {:.2f})", word(judged.verdict), *judged.power.power);
}

std::string where_text(const Judged& judged) {
  const auto& all = judged.settings;
  const auto same = [&](const Judged::InSetting& one) { return one.verdict == all.front().verdict; };
  if (all.size() < 2 || std::ranges::all_of(all, same)) return {};
  std::string text;
  for (Verdict verdict : {Verdict::kHeld, Verdict::kNotHeld, Verdict::kInconclusive}) {
    std::string where;
    std::size_t count = 0;
    for (std::size_t i = 0; i < all.size();) {
      // Neighbours on the network of one profile, told by the first and the last.
      std::size_t end = i + 1;
      const auto next = [&](std::size_t j) {
        return all[j].setting->profile == all[i].setting->profile && all[j].setting->network_part &&
               all[j].verdict == verdict;
      };
      if (all[i].verdict == verdict) {
        while (end < all.size() && next(end)) ++end;
        count += end - i;
        where += (where.empty() ? "" : "; ") + all[i].setting->name();
        if (end - i > 1) where += fmt::format(" to {:g} %", 100 * *all[end - 1].setting->network_part);
      }
      i = end;
    }
    if (count > 0)
      text += fmt::format("{}{} in {} of {} ({})", text.empty() ? "" : ", ", word(verdict), count, all.size(), where);
  }
  return text;
}

std::string effect_text(const Claim& claim, const Finding& finding) {
  const double mean = finding.effect.mean, low = finding.effect.low, high = finding.effect.high;
  if (finding.effect.n == 0) return "-";
  const bool points = is_share(claim.measure);
  if (!std::isfinite(low) && !std::isfinite(high)) {  // too few seeds
    return claim.scale == Scale::kRatio || !claim.grows_from.empty()
               ? fmt::format("{:.3g} times", std::exp(mean))
               : fmt::format("{:+.3g}{}", (points ? 100 : 1) * mean, points ? " points" : "");
  }
  if (claim.scale == Scale::kRatio) {
    return fmt::format("{:.3g} [{:.3g}, {:.3g}] times", std::exp(mean), std::exp(low), std::exp(high));
  }
  if (!claim.grows_from.empty())
    return fmt::format("{:.3g} [{:.3g}, {:.3g}] times the gain", std::exp(mean), std::exp(low), std::exp(high));
  const double unit = points ? 100 : 1;
  return fmt::format("{:+.3g} [{:+.3g}, {:+.3g}]{}", unit * mean, unit * low, unit * high, points ? " points" : "");
}

std::string number_text(std::string_view measure, double value) {
  if (is_share(measure)) return fmt::format("{:.1f} %", 100 * value);
  if (measure.starts_with("time_")) return fmt::format("{:.4g} s", value);
  if (measure == "microseconds") return fmt::format("{:.4g} us", value);
  return fmt::format("{:.4g}", value);
}

}  // namespace psctl::reproduce
