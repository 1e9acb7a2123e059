#include "stats/tests.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "stats/coverage.h"

using namespace psctl;
using namespace psctl::stats;

namespace {

void check_near(const std::vector<double>& seen, const std::vector<double>& expected) {
  BOOST_REQUIRE(seen.size() == expected.size());
  for (std::size_t i = 0; i < seen.size(); ++i) BOOST_TEST(std::abs(seen[i] - expected[i]) < 1e-12);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tests)

BOOST_AUTO_TEST_CASE(holm_is_that_of_worked_examples) {
  // 0.01 * 4, 0.02 * 3 = 0.06, 0.03 * 2 = 0.06, 0.04 is lifted to 0.06.
  check_near(holm(std::vector<double>{0.01, 0.04, 0.03, 0.02}), {0.04, 0.06, 0.06, 0.06});
  // 0.001 * 3, 0.3 * 2, 0.9.
  check_near(holm(std::vector<double>{0.9, 0.001, 0.3}), {0.9, 0.003, 0.6});
  check_near(holm(std::vector<double>{0.8, 0.7}), {1, 1});
  check_near(holm(std::vector<double>{0.03}), {0.03});
  check_near(holm({}), {});
}

BOOST_AUTO_TEST_CASE(a_paired_t_test_is_that_of_a_worked_example) {
  // Mean 2, standard deviation sqrt(2.5), t 2.8284 with 4 degrees of freedom.
  BOOST_TEST(std::abs(paired_t_p_value(std::vector<double>{0, 1, 2, 3, 4}) - 0.047421) < 1e-6);
  BOOST_TEST(std::abs(paired_t_p_value(std::vector<double>{0, -1, -2, -3, -4}) - 0.047421) < 1e-6);
}

BOOST_AUTO_TEST_CASE(one_difference_shows_nothing_and_equal_ones_are_certain) {
  BOOST_TEST(paired_t_p_value({}) == 1);
  BOOST_TEST(paired_t_p_value(std::vector<double>{5}) == 1);
  BOOST_TEST(paired_t_p_value(std::vector<double>{0, 0, 0}) == 1);
  BOOST_TEST(paired_t_p_value(std::vector<double>{0.1, 0.1, 0.1}) == 0);
}

BOOST_AUTO_TEST_CASE(a_difference_below_the_tables_value_is_not_shown_and_one_above_is) {
  // t of 4 degrees of freedom: 2.776 at 5 %. Differences with mean m and standard deviation 1: t = m sqrt(5).
  const std::vector<double> spread = {-std::sqrt(2.0), 0, 0, 0, std::sqrt(2.0)};
  for (const double t : {2.77, 2.78}) {
    std::vector<double> differences = spread;
    for (double& difference : differences) difference += t / std::sqrt(5.0);
    BOOST_TEST((paired_t_p_value(differences) < 0.05) == (t > 2.776), t);
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
      BOOST_REQUIRE(paired_t_p_value(differences) <= largest + 1e-12);
    }
    std::vector<double> inside;
    for (const Bounds& b : bounds) inside.push_back(b.low + draws.uniform() * (b.high - b.low));
    BOOST_REQUIRE(paired_t_p_value(inside) <= largest + 1e-12);
  }
  BOOST_TEST(shown > 200U);  // it is not just 1
}

BOOST_AUTO_TEST_CASE(bounds_that_are_no_bounds_give_the_ordinary_test_and_those_of_either_sign_show_nothing) {
  const std::vector<double> known = drawn(6, 7);
  std::vector<Bounds> bounds;
  for (const double value : known) bounds.push_back({value, value});
  BOOST_TEST(largest_paired_t_p_value(bounds) == paired_t_p_value(known));
  BOOST_TEST(largest_paired_t_p_value(std::vector<Bounds>{{1, 2}, {1, 1}, {-5, 1}}) == 1);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_seldom_found_in_2000_draws) {
  for (const std::size_t n : {5U, 10U}) {
    const double seen = false_positives(n, 2000);
    BOOST_TEST((seen > 0.035 && seen < 0.065), n << ": " << seen);
  }
  const double family = false_families(4, 5, 2000);
  BOOST_TEST((family > 0.01 && family < 0.06), family);
}

BOOST_AUTO_TEST_SUITE_END()
