#include "stats/interval.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/random.h"

namespace psctl::stats {
namespace {

constexpr std::size_t kResamples = 10'000;
constexpr std::size_t kEnoughForBootstrap = 20;

bool all_equal(std::span<const double> values) {
  return std::ranges::all_of(values, [&](double value) { return value == values[0]; });
}

// The whole line for one value, a point where all are the same.
Interval without_spread(std::span<const double> values, double level) {
  constexpr double kNoEnd = std::numeric_limits<double>::infinity();
  if (values.size() == 1) {
    return {.mean = values[0], .low = -kNoEnd, .high = kNoEnd, .n = 1, .method = Method::kNone, .level = level};
  }
  return {
      .mean = values[0], .low = values[0], .high = values[0], .n = values.size(), .method = Method::kT, .level = level};
}

}  // namespace

double mean(std::span<const double> values) {
  PSCTL_CHECK(!values.empty());
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values) {
  if (values.size() < 2 || all_equal(values)) return 0;
  const double centre = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double median(std::span<const double> values) {
  PSCTL_CHECK(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

double t_quantile(double probability, double degrees) {
  return boost::math::quantile(boost::math::students_t(degrees), probability);
}

const char* name_of(Method method) {
  switch (method) {
    case Method::kNone:
      return "none";
    case Method::kT:
      return "t";
    case Method::kBootstrap:
      return "bootstrap";
  }
  return "";
}

Interval t_interval(std::span<const double> values, double level) {
  PSCTL_CHECK(!values.empty() && level > 0 && level < 1);
  if (values.size() == 1 || all_equal(values)) return without_spread(values, level);
  const auto n = static_cast<double>(values.size());
  const double centre = mean(values);
  const double half = t_quantile((1 + level) / 2, n - 1) * standard_deviation(values) / std::sqrt(n);
  return {.mean = centre,
          .low = centre - half,
          .high = centre + half,
          .n = values.size(),
          .method = Method::kT,
          .level = level};
}

Interval bootstrap_interval(std::span<const double> values, std::uint64_t seed, double level) {
  PSCTL_CHECK(!values.empty() && level > 0 && level < 1);
  if (values.size() == 1 || all_equal(values)) {
    Interval none = without_spread(values, level);
    if (values.size() > 1) none.method = Method::kBootstrap;
    return none;
  }
  const double centre = mean(values);
  Draws draws({.seed = seed, .purpose = Purpose::kBootstrap});
  std::vector<double> means(kResamples);
  for (double& resampled : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[draws.below(values.size())];
    resampled = sum / static_cast<double>(values.size());
  }
  std::ranges::sort(means);

  // The share of resampled means below the mean corrects the bias; the skewness of the values, as the jackknife of a
  // mean has it, corrects for a spread that changes with the mean. (Efron 1987, sections 3 and 4.)
  const auto below = static_cast<double>(std::ranges::lower_bound(means, centre) - means.begin());
  const auto up_to = static_cast<double>(std::ranges::upper_bound(means, centre) - means.begin());
  const boost::math::normal normal;
  const double share = std::clamp((below + up_to) / 2, 1.0, kResamples - 1.0) / kResamples;
  const double bias = boost::math::quantile(normal, share);
  double cubes = 0, squares = 0;
  for (const double value : values) {
    const double off = value - centre;
    squares += off * off;
    cubes += off * off * off;
  }
  const double acceleration = cubes / (6 * std::pow(squares, 1.5));
  // Resampling n values shows the spread too small, by sqrt((n - 1) / n), and normal quantiles know nothing of the
  // doubt about it: without this, intervals of 20 values cover 93 % in place of 95 (Hesterberg 2015, section 3.1).
  const auto n = static_cast<double>(values.size());
  const double wider = std::sqrt(n / (n - 1));
  const auto end = [&](double probability) {
    const double shifted = bias + wider * t_quantile(probability, n - 1);
    const double place = boost::math::cdf(normal, bias + shifted / (1 - acceleration * shifted));
    const auto index = static_cast<std::size_t>(place * kResamples);
    return means[std::min(index, kResamples - 1)];
  };
  return {.mean = centre,
          .low = end((1 - level) / 2),
          .high = end((1 + level) / 2),
          .n = values.size(),
          .method = Method::kBootstrap,
          .level = level};
}

Interval interval(std::span<const double> values, double level) {
  return values.size() < kEnoughForBootstrap ? t_interval(values, level) : bootstrap_interval(values, 1, level);
}

}  // namespace psctl::stats
