#include "stats/tests.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/error.h"
#include "stats/interval.h"

namespace psctl::stats {
namespace {

// `deviation` of single differences about their mean, not of the mean.
double two_sided(double mean, double deviation, std::size_t n) {
  if (deviation == 0) return mean == 0 ? 1 : 0;
  const double t = std::abs(mean) * std::sqrt(static_cast<double>(n)) / deviation;
  return 2 * boost::math::cdf(boost::math::complement(boost::math::students_t(static_cast<double>(n - 1)), t));
}

}  // namespace

double paired_t_p_value(std::span<const double> differences) {
  if (differences.size() < 2) return 1;
  return two_sided(mean(differences), standard_deviation(differences), differences.size());
}

double largest_paired_t_p_value(std::span<const Bounds> differences) {
  const std::size_t n = differences.size();
  if (n < 2) return 1;
  std::vector<double> lows, highs, middles;
  bool known = true;
  for (const Bounds& bounds : differences) {
    PSCTL_CHECK(bounds.low <= bounds.high && std::isfinite(bounds.high - bounds.low));
    lows.push_back(bounds.low);
    highs.push_back(bounds.high);
    middles.push_back((bounds.low + bounds.high) / 2);
    known = known && bounds.low == bounds.high;
  }
  if (known) return paired_t_p_value(lows);
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

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return p_values[i]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double scaled = p_values[order[rank]] * static_cast<double>(order.size() - rank);
    largest = std::max(largest, std::min(1.0, scaled));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

}  // namespace psctl::stats
