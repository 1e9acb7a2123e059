#include "data/dirichlet.h"

#include <algorithm>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/gamma.hpp>
#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/trigamma.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

using namespace psctl;
using namespace psctl::data;

namespace {

Draws stream(std::uint64_t seed) { return Draws({.seed = seed, .purpose = Purpose::kTest}); }

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double variance(const std::vector<double>& values) {
  const double middle = mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - middle) * (value - middle);
  return sum / static_cast<double>(values.size());
}

// Kolmogorov and Smirnov's statistic times the root of the count, over the values up to `end`: above 1.95 less than
// once in a thousand sound samples.
constexpr double kOnceInAThousand = 1.95;
double misfit(std::vector<double> values, const std::function<double(double)>& cumulated, double end = HUGE_VAL) {
  std::ranges::sort(values);
  const auto count = static_cast<double>(values.size());
  double most = 0;
  for (std::size_t i = 0; i < values.size() && values[i] <= end; ++i) {
    const double expected = cumulated(values[i]);
    most = std::max({most, expected - static_cast<double>(i) / count, static_cast<double>(i + 1) / count - expected});
  }
  return most * std::sqrt(count);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gamma_draws)

BOOST_AUTO_TEST_CASE(they_have_the_moments_and_the_law_of_gamma) {
  constexpr std::size_t kCount = 100'000;
  const double root = std::sqrt(static_cast<double>(kCount));
  for (const double shape : {0.05, 0.1, 0.5, 0.99, 1.0, 1.5, 2.5, 50.0, 1e6}) {
    BOOST_TEST_CONTEXT("shape " << shape) {
      Draws draws = stream(1);
      std::vector<double> logs, values;
      for (std::size_t i = 0; i < kCount; ++i) {
        logs.push_back(log_gamma(shape, draws));
        values.push_back(std::exp(logs.back()));
      }
      // Five standard errors each.
      BOOST_TEST(std::abs(mean(values) - shape) < 5 * std::sqrt(shape) / root);
      BOOST_TEST(std::abs(variance(values) - shape) < 5 * std::sqrt(2 * shape * shape + 6 * shape) / root);
      const double error_of_log = std::sqrt(boost::math::trigamma(shape)) / root;
      BOOST_TEST(std::abs(mean(logs) - boost::math::digamma(shape)) < 5 * error_of_log);
      const boost::math::gamma_distribution<double> law(shape);
      BOOST_TEST(misfit(values, [&](double x) { return boost::math::cdf(law, x); }) < kOnceInAThousand);
      // The test sees a law that is a little different.
      const boost::math::gamma_distribution<double> other(shape * 1.03 + 0.002 * std::sqrt(shape));
      BOOST_TEST(misfit(values, [&](double x) { return boost::math::cdf(other, x); }) > kOnceInAThousand);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_shape_whose_draws_would_underflow_keeps_its_logarithm) {
  constexpr double kShape = 1e-3;
  Draws draws = stream(2);
  std::vector<double> scaled;
  for (std::size_t i = 0; i < 20'000; ++i) {
    const double log = log_gamma(kShape, draws);
    BOOST_REQUIRE(std::isfinite(log));
    scaled.push_back(kShape * log);
  }
  BOOST_TEST(std::ranges::count_if(scaled, [](double s) { return std::exp(s / kShape) == 0; }) > 5000);
  // For a small shape and x, P(X < x) is x^shape / Gamma(1 + shape).
  const auto cumulated = [](double t) { return std::min(1.0, std::exp(t) / std::tgamma(1 + kShape)); };
  BOOST_TEST(misfit(scaled, cumulated) < kOnceInAThousand);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(dirichlet_draws)

BOOST_AUTO_TEST_CASE(they_have_the_moments_and_the_marginal_law_of_dirichlet) {
  constexpr std::size_t kCount = 20'000;
  for (const double alpha : {0.05, 0.5, 1.0, 10.0}) {
    for (const std::size_t count : {2, 4, 16}) {
      BOOST_TEST_CONTEXT("alpha " << alpha << ", " << count << " shares") {
        Draws draws = stream(3);
        std::vector<double> first, last, products;
        for (std::size_t i = 0; i < kCount; ++i) {
          const std::vector<double> shares = dirichlet(alpha, count, draws);
          BOOST_REQUIRE(shares.size() == count);
          BOOST_REQUIRE(std::ranges::min(shares) >= 0);
          BOOST_REQUIRE(std::abs(std::accumulate(shares.begin(), shares.end(), 0.0) - 1) < 1e-12);
          first.push_back(shares.front());
          last.push_back(shares.back());
          products.push_back(shares.front() * shares.back());
        }
        const auto n = static_cast<double>(count);
        const double expected_variance = (n - 1) / (n * n * (n * alpha + 1));
        const double error = std::sqrt(expected_variance / kCount);
        BOOST_TEST(std::abs(mean(first) - 1 / n) < 5 * error);
        BOOST_TEST(std::abs(mean(last) - 1 / n) < 5 * error);
        BOOST_TEST(std::abs(variance(first) / expected_variance - 1) < 0.1);
        // E[p_i p_j] = alpha^2 / (N alpha (N alpha + 1))
        const double expected_product = alpha / (n * (n * alpha + 1));
        BOOST_TEST(std::abs(mean(products) - expected_product) < 5 * std::sqrt(variance(products) / kCount));
        const boost::math::beta_distribution<double> law(alpha, (n - 1) * alpha);
        const auto cumulated = [&](double x) { return boost::math::cdf(law, x); };
        // Not up to 1: next to it a double tells shares apart by 1e-16, and a small alpha has many that are closer.
        BOOST_TEST(misfit(first, cumulated, 0.9) < kOnceInAThousand);
        BOOST_TEST(misfit(last, cumulated, 0.9) < kOnceInAThousand);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(with_the_least_alpha_one_takes_all_and_with_the_greatest_all_take_the_same) {
  std::vector<std::size_t> winners(4);
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Draws draws = stream(seed);
    const std::vector<double> lone = dirichlet(1e-6, 4, draws);
    const auto winner = std::ranges::max_element(lone);
    BOOST_TEST(*winner > 1 - 1e-9);
    ++winners[static_cast<std::size_t>(winner - lone.begin())];
    for (const double share : dirichlet(1e6, 4, draws)) BOOST_TEST(std::abs(share - 0.25) < 0.003);
  }
  for (const std::size_t times : winners) BOOST_TEST((times > 60 && times < 140));  // 100, standard deviation 8.7
  Draws draws = stream(5);
  BOOST_TEST(dirichlet(0.3, 1, draws) == std::vector<double>{1.0}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(they_depend_on_the_key_alone) {
  Draws once = stream(8), again = stream(8), other = stream(9);
  const auto shares = dirichlet(0.1, 10, once);
  BOOST_TEST((shares == dirichlet(0.1, 10, again)));
  BOOST_TEST((shares != dirichlet(0.1, 10, other)));
}

BOOST_AUTO_TEST_SUITE_END()
