#include "base/random.h"

#include <boost/test/unit_test.hpp>
#include <numeric>
#include <set>
#include <vector>

using namespace psctl;

BOOST_AUTO_TEST_SUITE(keyed_draws)

BOOST_AUTO_TEST_CASE(a_draw_depends_on_its_key_alone) {
  Draws a({.seed = 1, .purpose = Purpose::kTest, .worker = 2, .step = 3});
  Draws b({.seed = 1, .purpose = Purpose::kTest, .worker = 2, .step = 3});
  for (int i = 0; i < 100; ++i) BOOST_TEST(a.bits() == b.bits());
}

BOOST_AUTO_TEST_CASE(every_part_of_the_key_changes_the_draw) {
  std::set<std::uint64_t> firsts;
  for (std::uint64_t seed = 0; seed < 4; ++seed)
    for (std::uint64_t worker = 0; worker < 4; ++worker)
      for (std::uint64_t step = 0; step < 4; ++step)
        for (Purpose purpose : {Purpose::kTest, Purpose::kStraggler})
          firsts.insert(Draws({.seed = seed, .purpose = purpose, .worker = worker, .step = step}).bits());
  BOOST_TEST(firsts.size() == 128);
}

BOOST_AUTO_TEST_CASE(the_laws_are_pinned_because_recorded_results_rest_on_them) {
  Draws draws({.seed = 7, .purpose = Purpose::kTest, .worker = 1, .step = 1});
  const std::uint64_t first = draws.bits();
  BOOST_TEST(first == 0xd132e363ae3f2a69ULL);
}

BOOST_AUTO_TEST_CASE(moments_are_those_of_the_laws) {
  Draws draws({.seed = 3, .purpose = Purpose::kTest});
  constexpr int kDraws = 200'000;
  double uniform = 0, normal = 0, square = 0, exponential = 0, below = 0;
  for (int i = 0; i < kDraws; ++i) {
    uniform += draws.uniform();
    const double z = draws.normal();
    normal += z;
    square += z * z;
    exponential += draws.exponential();
    below += static_cast<double>(draws.below(11));
  }
  BOOST_TEST(std::abs(uniform / kDraws - 0.5) < 0.005);
  BOOST_TEST(std::abs(normal / kDraws) < 0.015);
  BOOST_TEST(std::abs(square / kDraws - 1) < 0.02);
  BOOST_TEST(std::abs(exponential / kDraws - 1) < 0.02);
  BOOST_TEST(std::abs(below / kDraws - 5) < 0.05);
}

BOOST_AUTO_TEST_CASE(a_shuffle_is_a_permutation_and_every_place_is_reached) {
  std::vector<int> seen(25);
  for (std::uint64_t step = 0; step < 200; ++step) {
    std::vector<std::uint32_t> items(5);
    std::iota(items.begin(), items.end(), 0U);
    Draws draws({.seed = 5, .purpose = Purpose::kTest, .step = step});
    shuffle(items, draws);
    BOOST_TEST(std::set<std::uint32_t>(items.begin(), items.end()).size() == 5);
    for (std::size_t place = 0; place < 5; ++place) ++seen[place * 5 + items[place]];
  }
  for (int count : seen) BOOST_TEST(count > 15);
}

BOOST_AUTO_TEST_SUITE_END()
