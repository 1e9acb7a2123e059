// Whether measurements bear a claim out. A claim is a region of an effect: the paired difference of two contenders, or
// the logarithm of their ratio. It is held where the whole interval over the seeds lies within the region, not held
// where all of it lies outside, and else inconclusive. Pure: numbers in, a verdict out.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "results/outcome.h"
#include "stats/interval.h"

namespace psctl::reproduce {

enum class Verdict { kHeld, kNotHeld, kInconclusive };
const char* word(Verdict verdict);  // "held", "not held", "inconclusive"

using Measured = results::Outcome;  // what a run came to

// kDifference: subject - rival. kRatio: ln(subject / rival), of positive numbers.
enum class Scale { kDifference, kRatio };

// Where the effect of a true claim lies.
struct Region {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open = false;  // the bounds do not belong to it
};

struct Finding {
  Verdict verdict = Verdict::kInconclusive;
  stats::Interval effect;    // on the scale; without ends where n < stats::kLeastPairs
  std::size_t censored = 0;  // pairs in which a number is censored
  std::string reason;        // of what is not held by its interval alone; may be empty
};

// `subject` and `rival` are of the same seeds in the same order. The interval is that of stats::paired_t, as one of so
// many comparisons. A censored number counts as what it was censored at; the verdict stands only if greater numbers in
// its place would move the effect further to where the verdict is and, of ratios, if a test of the speeds gives it
// whatever those numbers are; else it is inconclusive. So are fewer than stats::kLeastPairs pairs.
Finding judge(Scale scale, const Region& region, std::span<const Measured> subject, std::span<const Measured> rival,
              std::size_t comparisons = 1);

// A claim against several: held if held by each, not held if refuted by one. Nothing at all is inconclusive.
Verdict of_each(std::span<const Verdict> verdicts);
// A claim that one of several is enough for: held if held by one, not held if refuted by each.
Verdict of_any(std::span<const Verdict> verdicts);

}  // namespace psctl::reproduce
