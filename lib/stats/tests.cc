#include "stats/tests.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstddef>
#include <limits>

#include "base/error.h"
#include "stats/interval.h"

namespace psctl::stats {
namespace {

// `deviation` of single differences about their mean, not of the mean.
double two_sided(double mean, double deviation, std::size_t n) {
  const double t = std::abs(mean) * std::sqrt(static_cast<double>(n)) / deviation;
  return 2 * boost::math::cdf(boost::math::complement(boost::math::students_t(static_cast<double>(n - 1)), t));
}

}  // namespace

PairedTest paired_t(std::span<const Difference> differences, std::size_t comparisons, double level) {
  constexpr double kNoEnd = std::numeric_limits<double>::infinity();
  PSCTL_CHECK(!differences.empty() && comparisons > 0);
  const auto n = static_cast<double>(differences.size());
  std::vector<double> values;
  double lowest = 0, highest = 0, rounding = 0;
  for (const Difference& difference : differences) {
    values.push_back(difference.value);
    lowest += (difference.value - difference.below) / n;
    highest += (difference.value + difference.above) / n;
    rounding += difference.rounding * difference.rounding / n;
  }
  PairedTest test{
      .interval = {
          .mean = mean(values), .low = -kNoEnd, .high = kNoEnd, .n = values.size(), .method = Method::kNone, .level = level}};
  if (values.size() < kLeastPairs) return test;
  test.interval.method = Method::kT;
  const double deviation = std::max(standard_deviation(values), std::sqrt(rounding));
  if (deviation == 0 && test.interval.mean != 0) return test;
  const double error = deviation / std::sqrt(n);
  const double reach = t_quantile(1 - (1 - level) / 2 / static_cast<double>(comparisons), n - 1) * error;
  test.interval.low = lowest - reach;
  test.interval.high = highest + reach;
  const double beyond = lowest > 0 ? lowest : highest < 0 ? -highest : 0;
  if (beyond > 0) test.p = two_sided(beyond, deviation, values.size());
  return test;
}

double corrected(double p, std::size_t comparisons) { return std::min(1.0, p * static_cast<double>(comparisons)); }

double largest_paired_t_p_value(std::span<const Bounds> differences) {
  const std::size_t n = differences.size();
  if (n < kLeastPairs) return 1;
  std::vector<double> lows, highs, middles;
  std::vector<Difference> known;
  for (const Bounds& bounds : differences) {
    PSCTL_CHECK(bounds.low <= bounds.high && std::isfinite(bounds.high - bounds.low));
    lows.push_back(bounds.low);
    highs.push_back(bounds.high);
    middles.push_back((bounds.low + bounds.high) / 2);
    if (bounds.low == bounds.high) known.push_back({.value = bounds.low});
  }
  if (known.size() == n) return paired_t(known).p;
  const double low = mean(lows), high = mean(highs);
  if (low <= 0 && high >= 0) return 1;
  // The sum of squares about the mean is not above that about any other point, so this is not below the largest spread.
  const double centre = mean(middles);
  double squares = 0;
  for (const Bounds& bounds : differences) {
    const double farthest = std::max(std::abs(bounds.low - centre), std::abs(bounds.high - centre));
    squares += farthest * farthest;
  }
  return two_sided(low > 0 ? low : high, std::sqrt(squares / static_cast<double>(n - 1)), n);
}

}  // namespace psctl::stats
