#include "reproduce/judge.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "stats/tests.h"

namespace psctl::reproduce {
namespace {

// Where true numbers may lie that censoring hid.
struct Moves {
  bool up = false;    // the effect may be greater
  bool down = false;  // or less
};

bool bounded_below(const Region& region) { return std::isfinite(region.low); }
bool bounded_above(const Region& region) { return std::isfinite(region.high); }

bool contains(const Region& region, double effect) {
  return region.open ? effect > region.low && effect < region.high : effect >= region.low && effect <= region.high;
}
bool below(const Region& region, double effect) {
  return bounded_below(region) && (region.open ? effect <= region.low : effect < region.low);
}
bool above(const Region& region, double effect) {
  return bounded_above(region) && (region.open ? effect >= region.high : effect > region.high);
}

std::optional<double> p_value_against(const Region& region, std::span<const double> effects) {
  if (bounded_below(region) == bounded_above(region)) return std::nullopt;
  const double bound = bounded_below(region) ? region.low : region.high;
  std::vector<double> beyond;
  for (double effect : effects) beyond.push_back(effect - bound);
  return stats::paired_t_p_value(beyond);
}

// How sure it is that ratios lie on one side of exp(bound) whatever the true times of censored runs are: the largest
// p-value of the speeds 1 / subject - 1 / (exp(bound) * rival), which, unlike times, are known within bounds.
double p_value_of_speeds(double bound, bool faster, std::span<const Measured> subject,
                         std::span<const Measured> rival) {
  std::vector<stats::Bounds> differences;
  double least = 0, most = 0;
  for (std::size_t i = 0; i < subject.size(); ++i) {
    const double mine = 1 / subject[i].value, theirs = std::exp(-bound) / rival[i].value;
    differences.push_back(
        {.low = (subject[i].censored ? 0 : mine) - theirs, .high = mine - (rival[i].censored ? 0 : theirs)});
    least += differences.back().low;
    most += differences.back().high;
  }
  return (faster ? least > 0 : most < 0) ? stats::largest_paired_t_p_value(differences) : 1;
}

}  // namespace

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHeld:
      return "held";
    case Verdict::kNotHeld:
      return "not held";
    case Verdict::kInconclusive:
      break;
  }
  return "inconclusive";
}

Finding judge(Scale scale, const Region& region, std::span<const Measured> subject, std::span<const Measured> rival) {
  PSCTL_CHECK(subject.size() == rival.size(), "pairs");
  Finding finding;
  std::vector<double> effects;
  Moves moves;
  for (std::size_t i = 0; i < subject.size(); ++i) {
    const bool ratio = scale == Scale::kRatio;
    if (ratio && !(subject[i].value > 0 && rival[i].value > 0)) {
      finding.reason = "a number is not above 0: there is no ratio";
      return finding;
    }
    effects.push_back(ratio ? std::log(subject[i].value / rival[i].value) : subject[i].value - rival[i].value);
    moves.up = moves.up || subject[i].censored;
    moves.down = moves.down || rival[i].censored;
    if (subject[i].censored || rival[i].censored) ++finding.censored;
  }
  if (effects.size() < 2) {
    finding.effect.n = effects.size();
    if (!effects.empty()) finding.effect.mean = finding.effect.low = finding.effect.high = effects.front();
    finding.reason = "an interval takes two seeds at least";
    return finding;
  }
  finding.effect = stats::t_interval(effects);
  finding.p_value = p_value_against(region, effects);

  const double low = finding.effect.low, high = finding.effect.high;
  bool stands = false;
  bool less = false;  // than the bound that the verdict rests on
  if (contains(region, low) && contains(region, high)) {
    finding.verdict = Verdict::kHeld;
    stands = !(moves.up && bounded_above(region)) && !(moves.down && bounded_below(region));
    less = bounded_above(region);
  } else if (below(region, high)) {
    finding.verdict = Verdict::kNotHeld;
    stands = !moves.up;
    less = true;
  } else if (above(region, low)) {
    finding.verdict = Verdict::kNotHeld;
    stands = !moves.down;
  } else {
    return finding;
  }
  if (stands && finding.censored > 0 && scale == Scale::kRatio) {
    const double bound = less == (finding.verdict == Verdict::kHeld) ? region.high : region.low;
    const double p_value = p_value_of_speeds(bound, less, subject, rival);
    stands = p_value < 0.05;
    if (finding.p_value) finding.p_value = std::max(*finding.p_value, p_value);
  }
  if (!stands) {
    finding.reason =
        fmt::format("{}, but for {} in which a run ended before it was there: the true numbers may tell otherwise",
                    word(finding.verdict), counted(finding.censored, "pair"));
    finding.verdict = Verdict::kInconclusive;
  }
  return finding;
}

Verdict of_each(std::span<const Verdict> verdicts) {
  if (std::ranges::find(verdicts, Verdict::kNotHeld) != verdicts.end()) return Verdict::kNotHeld;
  const bool all = std::ranges::all_of(verdicts, [](Verdict verdict) { return verdict == Verdict::kHeld; });
  return all && !verdicts.empty() ? Verdict::kHeld : Verdict::kInconclusive;
}

Verdict of_any(std::span<const Verdict> verdicts) {
  if (std::ranges::find(verdicts, Verdict::kHeld) != verdicts.end()) return Verdict::kHeld;
  const bool none = std::ranges::all_of(verdicts, [](Verdict verdict) { return verdict == Verdict::kNotHeld; });
  return none && !verdicts.empty() ? Verdict::kNotHeld : Verdict::kInconclusive;
}

void correct_for_many(std::span<Finding> findings) {
  std::vector<Finding*> those;
  std::vector<double> p_values;
  for (Finding& finding : findings) {
    if (!finding.p_value) continue;
    those.push_back(&finding);
    p_values.push_back(*finding.p_value);
  }
  const std::vector<double> corrected = stats::holm(p_values);
  for (std::size_t i = 0; i < those.size(); ++i) {
    Finding& finding = *those[i];
    finding.p_value = corrected[i];
    if (finding.verdict == Verdict::kInconclusive || corrected[i] < 0.05) continue;
    finding.reason = fmt::format("{} on its own, but not after Holm's correction for {} (p = {:.3f})",
                                 word(finding.verdict), counted(those.size(), "comparison"), corrected[i]);
    finding.verdict = Verdict::kInconclusive;
  }
}

}  // namespace psctl::reproduce
