#include "stats/tests.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "stats/coverage.h"

using namespace psctl;
using namespace psctl::stats;

namespace {

void check_near(const std::vector<double>& seen, const std::vector<double>& expected, double within = 1e-12) {
  BOOST_REQUIRE(seen.size() == expected.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    BOOST_TEST(std::abs(seen[i] - expected[i]) < within, seen[i] << ", expected " << expected[i]);
  }
}

std::vector<Difference> seen(const std::vector<double>& values) {
  std::vector<Difference> differences;
  for (const double value : values) differences.push_back({.value = value});
  return differences;
}

double p_of(const std::vector<double>& differences) { return paired_t(seen(differences)).p; }

}  // namespace

BOOST_AUTO_TEST_SUITE(tests)

BOOST_AUTO_TEST_CASE(a_paired_t_test_is_that_of_a_worked_example) {
  // Mean 2, standard deviation sqrt(2.5), t 2.8284 with 4 degrees of freedom.
  BOOST_TEST(std::abs(p_of({0, 1, 2, 3, 4}) - 0.047421) < 1e-6);
  BOOST_TEST(std::abs(p_of({0, -1, -2, -3, -4}) - 0.047421) < 1e-6);
}

BOOST_AUTO_TEST_CASE(the_interval_and_p_are_those_of_a_worked_example_and_simultaneous_ones_are_wider) {
  // Mean 0.02, standard error 0.0070711, t 2.776 at 5 % and 4.604 at 1 %.
  const auto differences = seen({0, 0.01, 0.02, 0.03, 0.04});
  const PairedTest alone = paired_t(differences);
  check_near({alone.interval.mean, alone.interval.low, alone.interval.high, alone.p},
             {0.02, 0.000367568, 0.039632432, 0.047421}, 1e-6);
  const PairedTest of_five = paired_t(differences, 5);
  check_near({of_five.interval.low, of_five.interval.high}, {0.02 - 4.604095 * 0.00707107, 0.02 + 4.604095 * 0.00707107},
             1e-6);
  BOOST_TEST(of_five.p == alone.p);
  BOOST_TEST(corrected(of_five.p, 5) > 0.05);
  BOOST_TEST(corrected(0.5, 5) == 1);
}

BOOST_AUTO_TEST_CASE(fewer_than_three_differences_and_equal_ones_of_unknown_resolution_show_nothing) {
  for (const std::vector<double>& values : {std::vector<double>{5}, {5, 5}, {5, 6}, {0.1, 0.1, 0.1}}) {
    const PairedTest test = paired_t(seen(values));
    BOOST_TEST(test.p == 1);
    BOOST_TEST(std::isinf(test.interval.low));
    BOOST_TEST(std::isinf(test.interval.high));
  }
  const PairedTest none = paired_t(seen({0, 0, 0}));
  BOOST_TEST(none.p == 1);
  BOOST_TEST(none.interval.low == 0);
  BOOST_TEST(none.interval.high == 0);
}

BOOST_AUTO_TEST_CASE(a_difference_within_the_resolution_is_none_however_often_it_is_seen) {
  // 20 against 22 s, evaluated every 2 s.
  for (const std::size_t n : {3U, 10U, 100U}) {
    const PairedTest one_step = paired_t(coarse(std::vector<double>(n, 2), 2));
    BOOST_TEST(one_step.p == 1, n);
    BOOST_TEST(one_step.interval.low <= 0, n);
  }
  BOOST_TEST(paired_t(coarse({-2, -2, -2}, 2)).p == 1);
  const PairedTest many_steps = paired_t(coarse(std::vector<double>(5, 10), 2));
  BOOST_TEST(many_steps.p > 0);  // rounding hides a spread
  BOOST_TEST(many_steps.p < 0.01);
  BOOST_TEST(many_steps.interval.low > 0);
}

BOOST_AUTO_TEST_CASE(an_interval_leaves_out_0_exactly_where_its_p_is_below_the_level) {
  Draws draws({.seed = 6, .purpose = Purpose::kTest});
  std::size_t shown = 0;
  for (int experiment = 0; experiment < 5000; ++experiment) {
    std::vector<Difference> differences(2 + draws.below(30));
    const double shift = 3 * draws.uniform();
    for (Difference& difference : differences) {
      difference = {.value = shift + draws.normal(), .below = draws.uniform(), .above = draws.uniform(), .rounding = 0.1};
    }
    const std::size_t comparisons = 1 + draws.below(20);
    const PairedTest test = paired_t(differences, comparisons);
    const bool excluded = test.interval.low > 0 || test.interval.high < 0;
    BOOST_REQUIRE(excluded == (corrected(test.p, comparisons) < 0.05));
    shown += excluded ? 1 : 0;
  }
  BOOST_TEST((shown > 1000 && shown < 4500), shown);
}

BOOST_AUTO_TEST_CASE(a_difference_below_the_tables_value_is_not_shown_and_one_above_is) {
  // t of 4 degrees of freedom: 2.776 at 5 %. Differences with mean m and standard deviation 1: t = m sqrt(5).
  const std::vector<double> spread = {-std::sqrt(2.0), 0, 0, 0, std::sqrt(2.0)};
  for (const double t : {2.77, 2.78}) {
    std::vector<double> differences = spread;
    for (double& difference : differences) difference += t / std::sqrt(5.0);
    BOOST_TEST((p_of(differences) < 0.05) == (t > 2.776), t);
  }
}

BOOST_AUTO_TEST_CASE(with_bounds_no_choice_within_them_gives_a_larger_p_value) {
  Draws draws({.seed = 5, .purpose = Purpose::kTest});
  std::size_t shown = 0;
  for (int experiment = 0; experiment < 2000; ++experiment) {
    std::vector<Bounds> bounds(3 + draws.below(5));
    for (Bounds& b : bounds) {
      b.low = 2 + draws.normal();
      b.high = b.low + (draws.below(2) == 0 ? 0 : draws.exponential());
    }
    const double largest = largest_paired_t_p_value(bounds);
    if (largest < 0.05) ++shown;
    for (std::size_t corner = 0; corner < (std::size_t{1} << bounds.size()); ++corner) {
      std::vector<double> differences;
      for (std::size_t i = 0; i < bounds.size(); ++i) {
        differences.push_back((corner >> i & 1) != 0 ? bounds[i].high : bounds[i].low);
      }
      BOOST_REQUIRE(p_of(differences) <= largest + 1e-12);
    }
    std::vector<double> inside;
    for (const Bounds& b : bounds) inside.push_back(b.low + draws.uniform() * (b.high - b.low));
    BOOST_REQUIRE(p_of(inside) <= largest + 1e-12);
  }
  BOOST_TEST(shown > 200U);  // it is not just 1
}

BOOST_AUTO_TEST_CASE(bounds_that_are_no_bounds_give_the_ordinary_test_and_those_of_either_sign_show_nothing) {
  const std::vector<double> known = drawn(6, 7);
  std::vector<Bounds> bounds;
  for (const double value : known) bounds.push_back({value, value});
  BOOST_TEST(largest_paired_t_p_value(bounds) == p_of(known));
  BOOST_TEST(largest_paired_t_p_value(std::vector<Bounds>{{1, 2}, {1, 1}, {-5, 1}}) == 1);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_seldom_found_in_2000_draws) {
  for (const std::size_t n : {5U, 10U}) {
    const double found = false_positives(2, n, 2000);
    BOOST_TEST((found > 0.035 && found < 0.065), n << ": " << found);
  }
  BOOST_TEST(false_positives(2, 2, 2000) == 0);
  const double family = false_positives(4, 5, 2000);
  BOOST_TEST((family > 0.01 && family < 0.06), family);
}

BOOST_AUTO_TEST_SUITE_END()
