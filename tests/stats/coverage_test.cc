#include "stats/coverage.h"

#include <boost/test/unit_test.hpp>

using namespace psctl;
using namespace psctl::stats;

namespace {
constexpr std::size_t kExperiments = 20'000;
}  // namespace

BOOST_AUTO_TEST_SUITE(coverage_of_many)

BOOST_AUTO_TEST_CASE(t_intervals_cover_as_often_as_they_say) {
  for (const std::size_t n : {5U, 10U, 30U}) {
    const double seen = coverage(n, kExperiments, [](std::span<const double> values) { return t_interval(values); });
    BOOST_TEST((seen >= 0.93 && seen <= 0.97), "n " << n << ": " << seen);
    BOOST_TEST_MESSAGE("n " << n << ": " << seen);
  }
}

BOOST_AUTO_TEST_CASE(the_intervals_that_are_used_cover_as_often_as_they_say_whichever_kind_they_are) {
  for (const std::size_t n : {5U, 19U}) {
    const double seen = coverage(n, kExperiments, [](std::span<const double> values) { return interval(values); });
    BOOST_TEST((seen >= 0.93 && seen <= 0.97), "n " << n << ": " << seen);
  }
  for (const std::size_t n : {20U, 30U}) {  // of 10,000 resamples each
    const double seen = coverage(n, 4000, [](std::span<const double> values) { return interval(values); });
    BOOST_TEST((seen >= 0.93 && seen <= 0.97), "n " << n << ": " << seen);
    BOOST_TEST_MESSAGE("bootstrap, n " << n << ": " << seen);
  }
}

BOOST_AUTO_TEST_CASE(tests_find_what_is_not_there_as_seldom_as_they_say) {
  for (const std::size_t n : {3U, 5U, 10U, 30U}) {
    const double seen = false_positives(2, n, kExperiments);
    BOOST_TEST(seen <= 0.055, "n " << n << ": " << seen);
    BOOST_TEST(seen >= 0.045, "n " << n << ": " << seen);
  }
}

// A grid of 0.1 to 5 standard deviations: from one that hardly rounds to one in which most numbers are equal.
BOOST_AUTO_TEST_CASE(on_coarse_grids_tests_find_what_is_not_there_in_at_most_one_of_twenty) {
  for (const std::size_t n : {2U, 3U, 5U, 10U}) {
    for (const double grid : {0.1, 0.3, 1.0, 2.0, 5.0}) {
      const double seen = false_positives(2, n, kExperiments, grid);
      BOOST_TEST(seen <= 0.053, "n " << n << ", grid " << grid << ": " << seen);
      BOOST_TEST_MESSAGE("n " << n << ", grid " << grid << ": " << seen);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_family_finds_what_is_not_there_as_seldom_as_one_test) {
  for (const std::size_t strategies : {3U, 5U}) {
    const double seen = false_positives(strategies, 5, kExperiments);
    BOOST_TEST(seen <= 0.055, strategies << " strategies: " << seen);
    BOOST_TEST(seen >= 0.02, strategies << " strategies: " << seen);
  }
}

BOOST_AUTO_TEST_SUITE_END()
