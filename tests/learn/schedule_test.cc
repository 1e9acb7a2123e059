#include "learn/schedule.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

using namespace psctl;
using namespace psctl::learn;

namespace {

constexpr std::uint64_t kEpoch = 1000;  // samples

double rate(const ScheduleConfig& schedule, std::uint64_t from, std::uint64_t to) {
  return Schedule({.learning_rate = 0.2, .schedule = schedule, .staleness = {}}, kEpoch).rate(from, to);
}
// Of an update that begins there, where its length means nothing.
double rate_at(const ScheduleConfig& schedule, std::uint64_t from) {
  const double seen = rate(schedule, from, from);
  BOOST_TEST(seen == rate(schedule, from, from + 5 * kEpoch));
  return seen;
}

const auto kNear = boost::test_tools::tolerance(1e-12);

}  // namespace

BOOST_AUTO_TEST_SUITE(schedules)

BOOST_AUTO_TEST_CASE(constant_stays) {
  for (const std::uint64_t from : {0U, 500U, 100'000U}) BOOST_TEST(rate_at({}, from) == 0.2);
}

BOOST_AUTO_TEST_CASE(step_multiplies_at_every_so_many_epochs) {
  const ScheduleConfig schedule{.kind = ScheduleKind::kStep, .every_epochs = 2, .factor = 0.1};
  BOOST_TEST(rate_at(schedule, 0) == 0.2, kNear);
  BOOST_TEST(rate_at(schedule, 1999) == 0.2, kNear);
  BOOST_TEST(rate_at(schedule, 2000) == 0.02, kNear);
  BOOST_TEST(rate_at(schedule, 4500) == 0.002, kNear);
}

BOOST_AUTO_TEST_CASE(step_multiplies_at_the_sample_of_its_boundary_though_no_double_is_a_tenth) {
  for (const double every : {0.1, 0.3, 0.7, 1.1}) {
    const ScheduleConfig schedule{.kind = ScheduleKind::kStep, .every_epochs = every, .factor = 0.5};
    const auto period = static_cast<std::uint64_t>(std::llround(every * kEpoch));
    for (std::uint64_t steps = 1; steps <= 200; ++steps) {
      const auto before = 0.2 * std::pow(0.5, static_cast<double>(steps - 1));
      BOOST_TEST_REQUIRE(rate_at(schedule, steps * period - 1) == before);
      BOOST_TEST_REQUIRE(rate_at(schedule, steps * period) == before / 2);
    }
  }
}

BOOST_AUTO_TEST_CASE(exponential_multiplies_evenly) {
  const ScheduleConfig schedule{.kind = ScheduleKind::kExponential, .factor = 0.25};
  BOOST_TEST(rate_at(schedule, 0) == 0.2, kNear);
  BOOST_TEST(rate_at(schedule, 500) == 0.1, kNear);
  BOOST_TEST(rate_at(schedule, 2000) == 0.0125, kNear);
}

BOOST_AUTO_TEST_CASE(cosine_falls_to_zero_at_its_epoch_and_stays_there) {
  const ScheduleConfig schedule{.kind = ScheduleKind::kCosine, .epochs = 4};
  BOOST_TEST(rate_at(schedule, 0) == 0.2, kNear);
  BOOST_TEST(rate_at(schedule, 2000) == 0.1, kNear);
  BOOST_TEST(rate_at(schedule, 3999) > 0);
  BOOST_TEST(rate_at(schedule, 4000) == 0);
  BOOST_TEST(rate_at(schedule, 5000) == 0);
}

BOOST_AUTO_TEST_CASE(warm_up_rises_in_a_line_with_the_end_of_an_update_and_multiplies_the_schedule_at_its_beginning) {
  const ScheduleConfig schedule{.kind = ScheduleKind::kExponential, .warmup_epochs = 2, .factor = 0.25};
  BOOST_TEST(rate(schedule, 0, 1) == 0.2 / 2000, kNear);
  BOOST_TEST(rate(schedule, 0, 500) == 0.2 * 0.25, kNear);
  BOOST_TEST(rate(schedule, 500, 1000) == 0.2 * 0.5 * 0.5, kNear);
  BOOST_TEST(rate(schedule, 1500, 2000) == 0.2 * 0.125, kNear);
  BOOST_TEST(rate(schedule, 2000, 2500) == 0.0125, kNear);
}

BOOST_AUTO_TEST_CASE(without_data_there_are_no_epochs_and_the_rate_stays) {
  const ScheduleConfig cosine{.kind = ScheduleKind::kCosine, .warmup_epochs = 1, .epochs = 4};
  const Schedule schedule({.learning_rate = 0.2, .schedule = cosine, .staleness = {}}, 0);
  BOOST_TEST(schedule.rate(0, 1) == 0.2);
  BOOST_TEST(schedule.rate(100'000, 100'001) == 0.2);
}

BOOST_AUTO_TEST_SUITE_END()
