#include "stats/interval.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "stats/coverage.h"

using namespace psctl;
using namespace psctl::stats;

BOOST_AUTO_TEST_SUITE(intervals)

// From the tables of any textbook.
BOOST_AUTO_TEST_CASE(quantiles_of_t_are_those_of_the_tables) {
  struct Row {
    double probability, degrees, expected;
  };
  const std::vector<Row> table = {{0.975, 1, 12.706}, {0.975, 2, 4.303},  {0.975, 4, 2.776},  {0.975, 9, 2.262},
                                  {0.975, 29, 2.045}, {0.95, 4, 2.132},   {0.995, 4, 4.604},  {0.995, 9, 3.250},
                                  {0.9, 19, 1.328},   {0.99, 120, 2.358}, {0.025, 4, -2.776}, {0.5, 7, 0}};
  for (const Row& row : table) {
    BOOST_TEST(std::abs(t_quantile(row.probability, row.degrees) - row.expected) < 5.1e-4,
               row.probability << " at " << row.degrees);
  }
}

BOOST_AUTO_TEST_CASE(a_t_interval_is_that_of_a_worked_example) {
  // Mean 3, standard deviation sqrt(2.5), t 2.776: 3 +- 1.963.
  const std::vector<double> values = {1, 2, 3, 4, 5};
  const Interval seen = t_interval(values);
  BOOST_TEST(seen.mean == 3);
  BOOST_TEST(std::abs(seen.low - 1.0367) < 1e-4);
  BOOST_TEST(std::abs(seen.high - 4.9633) < 1e-4);
  BOOST_TEST(seen.n == 5U);
  BOOST_TEST((seen.method == Method::kT));
}

BOOST_AUTO_TEST_CASE(one_value_has_no_interval_and_equal_values_have_a_point) {
  const Interval one = interval(std::vector<double>{0.7});
  BOOST_TEST(std::isinf(one.low));
  BOOST_TEST(std::isinf(one.high));
  BOOST_TEST((one.method == Method::kNone));
  // 0.1 three times has a mean that is not 0.1, by rounding.
  const Interval equal = interval(std::vector<double>{0.1, 0.1, 0.1});
  BOOST_TEST(equal.low == 0.1);
  BOOST_TEST(equal.high == 0.1);
}

BOOST_AUTO_TEST_CASE(from_twenty_values_on_the_bootstrap_is_used_and_gives_the_same_each_time) {
  const std::vector<double> values = drawn(20, 1);
  const Interval seen = interval(values), again = interval(values);
  BOOST_TEST((seen.method == Method::kBootstrap));
  BOOST_TEST((interval(std::span(values).first(19)).method == Method::kT));
  BOOST_TEST(seen.low == again.low);
  BOOST_TEST(seen.high == again.high);
  BOOST_TEST(seen.low < seen.mean);
  BOOST_TEST(seen.mean < seen.high);
}

BOOST_AUTO_TEST_CASE(of_many_normal_values_bootstrap_and_t_nearly_agree) {
  const std::vector<double> values = drawn(400, 2);
  const Interval t = t_interval(values), bootstrap = bootstrap_interval(values);
  const double width = t.high - t.low;
  BOOST_TEST(std::abs(t.low - bootstrap.low) < 0.05 * width);
  BOOST_TEST(std::abs(t.high - bootstrap.high) < 0.05 * width);
}

BOOST_AUTO_TEST_CASE(of_skewed_values_the_bootstrap_interval_reaches_further_where_the_tail_is) {
  Draws draws({.seed = 3, .purpose = Purpose::kTest});
  std::vector<double> values(60);
  for (double& value : values) value = draws.exponential();
  const Interval seen = bootstrap_interval(values);
  BOOST_TEST(seen.high - seen.mean > 1.1 * (seen.mean - seen.low));
  for (double& value : values) value = -value;
  const Interval mirrored = bootstrap_interval(values);
  BOOST_TEST(mirrored.mean - mirrored.low > 1.1 * (mirrored.high - mirrored.mean));
}

BOOST_AUTO_TEST_CASE(intervals_cover_as_often_as_they_say_in_2000_draws) {
  for (const std::size_t n : {5U, 10U, 30U}) {
    const double seen = coverage(n, 2000, [](std::span<const double> values) { return t_interval(values); });
    BOOST_TEST((seen >= 0.93 && seen <= 0.97), "n " << n << ": " << seen);
  }
}

BOOST_AUTO_TEST_CASE(the_median_is_the_middle_one_or_between_two) {
  BOOST_TEST(median(std::vector<double>{3, 1, 2}) == 2);
  BOOST_TEST(median(std::vector<double>{4, 1, 2, 3}) == 2.5);
}

BOOST_AUTO_TEST_SUITE_END()
