#include "stats/survival.h"

#include <boost/test/unit_test.hpp>
#include <vector>

using psctl::stats::median_time;
using psctl::stats::Time;

BOOST_AUTO_TEST_SUITE(survival)

BOOST_AUTO_TEST_CASE(where_nothing_is_censored_it_is_the_median) {
  BOOST_TEST(median_time(std::vector<Time>{{3}, {1}, {2}}).value() == 2);
  BOOST_TEST(median_time(std::vector<Time>{{4}, {1}, {2}, {3}}).value() == 2.5);
  BOOST_TEST(median_time(std::vector<Time>{{7}}).value() == 7);
  BOOST_TEST(median_time(std::vector<Time>{{5}, {5}, {5}, {5}}).value() == 5);
}

BOOST_AUTO_TEST_CASE(censored_times_count_as_long_as_they_were_seen) {
  BOOST_TEST(median_time(std::vector<Time>{{1}, {2}, {3}, {9, true}, {9, true}}).value() == 3);
  // Of the three that were left after the one that was lost sight of at 2, each is a third: 4/5, 8/15, 4/15.
  BOOST_TEST(median_time(std::vector<Time>{{1}, {2, true}, {3}, {4}, {5}}).value() == 4);
  // After the one that was lost first, each of three is a third: 2/3 are left at 10, 1/3 at 25.
  BOOST_TEST(median_time(std::vector<Time>{{5, true}, {10}, {25}, {40}}).value() == 25);
}

BOOST_AUTO_TEST_CASE(where_too_many_are_censored_there_is_none) {
  BOOST_TEST(!median_time(std::vector<Time>{{1}, {2}, {9, true}, {9, true}, {9, true}}));
  BOOST_TEST(!median_time(std::vector<Time>{{1}, {2}, {9, true}, {9, true}}));
  BOOST_TEST(!median_time(std::vector<Time>{{9, true}}));
  BOOST_TEST(!median_time({}));
}

BOOST_AUTO_TEST_SUITE_END()
