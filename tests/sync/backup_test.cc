#include <boost/test/unit_test.hpp>

#include "sync/drive.h"
#include "sync/turnover.h"

using namespace psctl;
using namespace psctl::sync;
using test::all_joined;
using test::at;
using test::only;
using test::released;

namespace {

std::unique_ptr<Strategy> backup(std::int64_t backups) { return test::make_strategy("backup", {{"backups", backups}}); }
Pushed push(std::uint32_t worker) { return {.worker = WorkerId(worker)}; }
using Workers = std::vector<std::uint32_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(backup_workers)

BOOST_AUTO_TEST_CASE(a_round_ends_without_the_last_worker_and_its_late_push_is_dropped) {
  Synchronizer sync = all_joined(backup(1), 3);
  BOOST_TEST(released(sync.handle(at(1), push(2))).empty());
  const auto closed = sync.handle(at(2), push(0));
  const auto applies = only<Apply>(closed);
  BOOST_REQUIRE(applies.size() == 1);
  BOOST_REQUIRE(applies[0].shares.size() == 2);
  BOOST_TEST(applies[0].shares[0].push.value == 2U);  // by worker, not by arrival
  BOOST_TEST(applies[0].shares[0].weight == 0.5);
  BOOST_TEST(released(closed) == (Workers{0, 2}), boost::test_tools::per_element());
  const auto late = sync.handle(at(3), push(1));
  BOOST_REQUIRE(only<Discard>(late).size() == 1);
  BOOST_TEST(only<Discard>(late)[0].push.value == 3U);
  BOOST_TEST(only<Apply>(late).empty());
  BOOST_TEST(released(late) == (Workers{1}), boost::test_tools::per_element());
  BOOST_TEST(sync.cluster().version() == 1U);
}

BOOST_AUTO_TEST_CASE(a_late_worker_takes_the_new_model_and_counts_in_the_round_that_is_open) {
  Synchronizer sync = all_joined(backup(1), 3);
  sync.handle(at(1), push(0));
  sync.handle(at(2), push(1));
  sync.handle(at(3), push(2));  // late
  BOOST_TEST(sync.cluster().worker(WorkerId(2)).model == 1U);
  sync.handle(at(4), push(2));
  BOOST_TEST(only<Apply>(sync.handle(at(5), push(1))).size() == 1U);
}

BOOST_AUTO_TEST_CASE(without_backups_it_is_bsp) {
  const std::vector<std::int64_t> intervals = {2, 3, 7};
  test::Clockwork none(backup(0), intervals), bsp(test::make_strategy("bsp"), intervals);
  none.run_until(100);
  bsp.run_until(100);
  BOOST_TEST(none.clocks() == bsp.clocks(), boost::test_tools::per_element());
  BOOST_TEST(none.cluster().version() == bsp.cluster().version());
}

BOOST_AUTO_TEST_CASE(more_backups_than_workers_want_one_push_a_round) {
  Synchronizer sync = all_joined(backup(5), 3);
  BOOST_TEST(only<Apply>(sync.handle(at(1), push(1))).size() == 1U);
  BOOST_TEST(only<Discard>(sync.handle(at(2), push(0))).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_departure_ends_a_round_that_waited_for_it) {
  Synchronizer sync = all_joined(backup(1), 4);
  sync.handle(at(1), push(0));
  sync.handle(at(2), push(1));
  const auto outcomes = sync.handle(at(3), Left{WorkerId(2)});
  BOOST_TEST(only<Apply>(outcomes).size() == 1U);
  BOOST_TEST(released(outcomes) == (Workers{0, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_joiner_enters_with_the_next_round) {
  Synchronizer sync(backup(1), 3, 2);
  sync.handle(at(0), Joined{WorkerId(0)});
  sync.handle(at(0), Joined{WorkerId(1)});
  BOOST_TEST(released(sync.handle(at(1), Joined{WorkerId(2)})).empty());
  BOOST_TEST(released(sync.handle(at(2), push(1))) == (Workers{2, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(departures_and_joins_at_any_point_block_nobody) {
  for (std::int64_t backups = 0; backups <= 2; ++backups) {
    test::Turnover turnover([&] { return backup(backups); }, {});
    const auto violation = turnover.run(500);
    BOOST_TEST(!violation, violation.value_or(""));
    BOOST_TEST(turnover.updates() > 500U);
  }
}

BOOST_AUTO_TEST_SUITE_END()
