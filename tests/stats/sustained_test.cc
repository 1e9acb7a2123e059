#include "stats/sustained.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

using psctl::stats::first_sustained;
using psctl::stats::Look;
using psctl::stats::sustained;

BOOST_AUTO_TEST_SUITE(sustained_targets)

BOOST_AUTO_TEST_CASE(a_target_is_reached_at_the_first_of_two_versions_in_a_row) {
  BOOST_TEST(first_sustained(std::vector<Look>{{0, 0.1}, {1, 0.8}, {2, 0.7}, {3, 0.8}, {4, 0.9}}, 0.8).value() == 3U);
  BOOST_TEST(first_sustained(std::vector<Look>{{0, 0.8}, {1, 0.8}}, 0.8).value() == 0U);
  BOOST_TEST(!first_sustained(std::vector<Look>{{0, 0.1}, {1, 0.8}, {2, 0.7}}, 0.8));
  BOOST_TEST(!first_sustained({}, 0.8));
}

BOOST_AUTO_TEST_CASE(the_last_evaluation_counts_alone) {
  BOOST_TEST(first_sustained(std::vector<Look>{{0, 0.1}, {1, 0.8}}, 0.8).value() == 1U);
  BOOST_TEST(first_sustained(std::vector<Look>{{7, 0.9}}, 0.8).value() == 0U);
}

BOOST_AUTO_TEST_CASE(two_evaluations_of_one_version_are_one_look) {
  BOOST_TEST(!first_sustained(std::vector<Look>{{0, 0.1}, {1, 0.8}, {1, 0.8}, {2, 0.7}}, 0.8));
  BOOST_TEST(first_sustained(std::vector<Look>{{0, 0.1}, {1, 0.8}, {1, 0.8}, {2, 0.9}}, 0.8).value() == 1U);
  BOOST_TEST(first_sustained(std::vector<Look>{{0, 0.1}, {1, 0.8}, {1, 0.8}}, 0.8).value() == 1U);
  BOOST_TEST(!sustained({1, 0.8}, {1, 0.8}, 0.8));
  BOOST_TEST(sustained({1, 0.8}, {2, 0.8}, 0.8));
}

BOOST_AUTO_TEST_CASE(a_model_of_no_numbers_reaches_nothing) {
  BOOST_TEST(!first_sustained(std::vector<Look>{{0, 0.9}, {1, std::nan("")}, {2, std::nan("")}}, 0.8));
}

BOOST_AUTO_TEST_SUITE_END()
