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

// How sure it is that ratios lie on one side of exp(bound) whatever the true times of censored runs are: the largest
// p-value of the speeds 1 / subject - 1 / (exp(bound) * rival), which, unlike times, are known within bounds.
double p_value_of_speeds(double bound, bool faster, std::span<const Measured> subject,
                         std::span<const Measured> rival) {
  std::vector<stats::Bounds> differences;
  double least = 0, most = 0;
  for (std::size_t i = 0; i < subject.size(); ++i) {
    const stats::Bounds mine = results::speed_of(subject[i]), theirs = results::speed_of(rival[i]);
    differences.push_back(
        {.low = mine.low - theirs.high * std::exp(-bound), .high = mine.high - theirs.low * std::exp(-bound)});
    least += differences.back().low;
    most += differences.back().high;
  }
  if (!std::isfinite(least) || !std::isfinite(most)) return 1;
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

Finding judge(Scale scale, const Region& region, std::span<const Measured> subject, std::span<const Measured> rival,
              std::size_t comparisons) {
  PSCTL_CHECK(subject.size() == rival.size(), "pairs");
  Finding finding;
  std::vector<stats::Difference> differences;
  Moves moves;
  const bool ratio = scale == Scale::kRatio;
  for (std::size_t i = 0; i < subject.size(); ++i) {
    if (ratio && !(subject[i].value > 0 && rival[i].value > 0)) {
      finding.reason = "a number is not above 0: there is no ratio";
      return finding;
    }
    differences.push_back(results::difference_of(subject[i], rival[i], ratio));
    moves.up = moves.up || subject[i].censored;
    moves.down = moves.down || rival[i].censored;
    if (subject[i].censored || rival[i].censored) ++finding.censored;
  }
  if (differences.empty()) {
    finding.reason = "there is no pair of runs";
    return finding;
  }
  finding.effect = stats::paired_t(differences, comparisons).interval;
  if (differences.size() < stats::kLeastPairs) {
    finding.reason = fmt::format("an interval takes {} seeds at least", stats::kLeastPairs);
    return finding;
  }

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
    stands = stats::corrected(p_value, comparisons) < 1 - finding.effect.level;
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

}  // namespace psctl::reproduce
