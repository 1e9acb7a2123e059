#include "reproduce/judge.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

BOOST_TEST_DONT_PRINT_LOG_VALUE(psctl::reproduce::Verdict)

namespace psctl::reproduce {
namespace {

constexpr auto kEnd = std::numeric_limits<double>::infinity();
const Region kLess{.low = -kEnd, .high = 0, .open = true};
const Region kMore{.low = 0, .high = kEnd, .open = true};

std::vector<Measured> plain(const std::vector<double>& values) {
  std::vector<Measured> measured;
  for (double value : values) measured.push_back({.value = value, .resolution = 1e-9 * std::abs(value)});
  return measured;
}

Verdict verdict_of(const Region& region, const std::vector<double>& differences) {
  return judge(Scale::kDifference, region, plain(differences), plain(std::vector<double>(differences.size()))).verdict;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(verdicts)

BOOST_AUTO_TEST_CASE(the_interval_is_students_t_over_the_pairs) {
  // Mean 3, standard deviation 1.5811 of five, quantile 2.7764.
  const Finding finding = judge(Scale::kDifference, kMore, plain({11, 22, 33, 44, 55}), plain({10, 20, 30, 40, 50}));
  BOOST_TEST(finding.effect.mean == 3, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(finding.effect.low == 3 - 2.776445 * 1.581139 / std::sqrt(5), boost::test_tools::tolerance(1e-5));
  BOOST_TEST(finding.effect.high == 3 + 2.776445 * 1.581139 / std::sqrt(5), boost::test_tools::tolerance(1e-5));
  BOOST_TEST(finding.verdict == Verdict::kHeld);
}

BOOST_AUTO_TEST_CASE(times_are_compared_by_their_ratio) {
  const Finding finding = judge(Scale::kRatio, kLess, plain({1, 10, 100}), plain({2, 20, 200}));
  BOOST_TEST(std::exp(finding.effect.mean) == 0.5, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(finding.verdict == Verdict::kHeld);
  const Finding none = judge(Scale::kRatio, kLess, plain({0, 1, 1}), plain({1, 1, 1}));
  BOOST_TEST(none.verdict == Verdict::kInconclusive);
  BOOST_TEST(!none.reason.empty());
}

BOOST_AUTO_TEST_CASE(less_and_more_take_the_whole_interval_on_their_side) {
  BOOST_TEST(verdict_of(kMore, {1, 1.1, 0.9, 1, 1.2}) == Verdict::kHeld);
  BOOST_TEST(verdict_of(kLess, {1, 1.1, 0.9, 1, 1.2}) == Verdict::kNotHeld);
  BOOST_TEST(verdict_of(kMore, {1, -1, 2, -2, 1}) == Verdict::kInconclusive);
  BOOST_TEST(verdict_of(kLess, {0, 0, 0}) == Verdict::kNotHeld);  // exactly the same is not less
}

BOOST_AUTO_TEST_CASE(at_least_allows_its_margin_and_no_more) {
  const Region region{.low = -0.005, .high = kEnd, .open = false};
  BOOST_TEST(verdict_of(region, {-0.004, -0.0041, -0.0039, -0.004}) == Verdict::kHeld);
  BOOST_TEST(verdict_of(region, {-0.006, -0.0061, -0.0059, -0.006}) == Verdict::kNotHeld);
  BOOST_TEST(verdict_of(region, {-0.006, -0.004, -0.006, -0.004}) == Verdict::kInconclusive);
}

BOOST_AUTO_TEST_CASE(about_takes_the_whole_interval_within_both_margins) {
  const Region region{.low = -0.05, .high = 0.05, .open = false};
  BOOST_TEST(verdict_of(region, {0.01, -0.01, 0.02, 0}) == Verdict::kHeld);
  BOOST_TEST(verdict_of(region, {0.1, 0.11, 0.09}) == Verdict::kNotHeld);
  BOOST_TEST(verdict_of(region, {-0.1, -0.11, -0.09}) == Verdict::kNotHeld);
  BOOST_TEST(verdict_of(region, {0.2, -0.2, 0.1, 0}) == Verdict::kInconclusive);
}

BOOST_AUTO_TEST_CASE(one_seed_alone_is_inconclusive) {
  const Finding finding = judge(Scale::kDifference, kMore, plain({5}), plain({1}));
  BOOST_TEST(finding.verdict == Verdict::kInconclusive);
  BOOST_TEST(!finding.reason.empty());
  BOOST_TEST(judge(Scale::kDifference, kMore, {}, {}).verdict == Verdict::kInconclusive);
}

BOOST_AUTO_TEST_CASE(a_rival_that_never_got_there_only_adds_to_being_faster) {
  std::vector<Measured> rival = plain({20, 21, 19, 22, 20});
  rival[2].censored = true;
  const Finding finding = judge(Scale::kRatio, kLess, plain({10, 10, 11, 10, 9}), rival);
  BOOST_TEST(finding.verdict == Verdict::kHeld);
  BOOST_TEST(finding.censored == 1U);
}

BOOST_AUTO_TEST_CASE(a_time_that_is_not_known_may_be_so_long_that_nothing_is_shown) {
  std::vector<Measured> rival = plain({11, 12, 11, 12, 11});
  BOOST_TEST(judge(Scale::kRatio, kLess, plain({10, 10, 10, 10, 10}), rival).verdict == Verdict::kHeld);
  rival[4].censored = true;  // were it 1000, the five would be too different for a verdict
  const Finding finding = judge(Scale::kRatio, kLess, plain({10, 10, 10, 10, 10}), rival);
  BOOST_TEST(finding.verdict == Verdict::kInconclusive);
  BOOST_TEST(finding.reason.starts_with("held, but for 1 pair in which a run ended before it was there"));
}

BOOST_AUTO_TEST_CASE(a_subject_that_never_got_there_makes_being_faster_inconclusive) {
  std::vector<Measured> subject = plain({10, 10, 11, 10, 9});
  subject[4].censored = true;
  const Finding finding = judge(Scale::kRatio, kLess, subject, plain({20, 21, 19, 22, 20}));
  BOOST_TEST(finding.verdict == Verdict::kInconclusive);
  BOOST_TEST(!finding.reason.empty());
}

BOOST_AUTO_TEST_CASE(a_subject_that_never_got_there_only_adds_to_being_slower) {
  std::vector<Measured> subject = plain({20, 21, 19, 22, 20});
  subject[0].censored = true;
  BOOST_TEST(judge(Scale::kRatio, kLess, subject, plain({10, 10, 11, 10, 9})).verdict == Verdict::kNotHeld);
}

BOOST_AUTO_TEST_CASE(where_neither_got_there_nothing_is_known) {
  std::vector<Measured> subject = plain({10, 10, 11}), rival = plain({20, 21, 19});
  subject[1].censored = rival[1].censored = true;
  BOOST_TEST(judge(Scale::kRatio, kLess, subject, rival).verdict == Verdict::kInconclusive);
  BOOST_TEST(judge(Scale::kRatio, kMore, subject, rival).verdict == Verdict::kInconclusive);
}

BOOST_AUTO_TEST_CASE(being_as_fast_is_inconclusive_where_a_time_is_not_known) {
  const Region about{.low = std::log(0.95), .high = std::log(1.05), .open = false};
  std::vector<Measured> rival = plain({10, 10.1, 9.9});
  BOOST_TEST(judge(Scale::kRatio, about, plain({10, 10, 10}), rival).verdict == Verdict::kHeld);
  rival[0].censored = true;
  BOOST_TEST(judge(Scale::kRatio, about, plain({10, 10, 10}), rival).verdict == Verdict::kInconclusive);
}

BOOST_AUTO_TEST_CASE(a_claim_against_several_is_refuted_by_one_and_held_by_all) {
  using enum Verdict;
  BOOST_TEST(of_each(std::vector{kHeld, kHeld}) == kHeld);
  BOOST_TEST(of_each(std::vector{kHeld, kInconclusive}) == kInconclusive);
  BOOST_TEST(of_each(std::vector{kHeld, kInconclusive, kNotHeld}) == kNotHeld);
  BOOST_TEST(of_each({}) == kInconclusive);
  BOOST_TEST(of_any(std::vector{kNotHeld, kHeld}) == kHeld);
  BOOST_TEST(of_any(std::vector{kNotHeld, kInconclusive}) == kInconclusive);
  BOOST_TEST(of_any(std::vector{kNotHeld, kNotHeld}) == kNotHeld);
  BOOST_TEST(of_any({}) == kInconclusive);
}

BOOST_AUTO_TEST_CASE(of_many_comparisons_each_needs_more_than_one_alone_and_its_interval_says_so) {
  // p = 0.0305 on its own, five times that as one of five.
  const std::vector<double> weak = {1, 2, 0.2, 1.5, 3.2, 0.1};
  const auto among = [&](std::size_t comparisons) {
    return judge(Scale::kDifference, kMore, plain(weak), plain({0, 0, 0, 0, 0, 0}), comparisons);
  };
  BOOST_TEST(among(1).verdict == Verdict::kHeld);
  BOOST_TEST(among(1).effect.low > 0);
  BOOST_TEST(among(5).verdict == Verdict::kInconclusive);
  BOOST_TEST(among(5).effect.low < 0);
}

BOOST_AUTO_TEST_CASE(two_seeds_and_differences_below_the_resolution_decide_nothing) {
  const Finding two = judge(Scale::kDifference, kMore, plain({5, 5.1}), plain({1, 1}));
  BOOST_TEST(two.verdict == Verdict::kInconclusive);
  BOOST_TEST(two.reason == "an interval takes 3 seeds at least");
  // Looked at every 2 s.
  std::vector<Measured> subject(8, {.value = 20, .resolution = 2}), rival(8, {.value = 22, .resolution = 2});
  BOOST_TEST(judge(Scale::kRatio, kLess, subject, rival).verdict == Verdict::kInconclusive);
  for (Measured& one : rival) one.value = 40;
  BOOST_TEST(judge(Scale::kRatio, kLess, subject, rival).verdict == Verdict::kHeld);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace psctl::reproduce
