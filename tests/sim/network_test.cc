#include <boost/test/unit_test.hpp>

#include "sim/link.h"
#include "sim/virtual_run.h"

using namespace psctl;
using std::chrono::milliseconds;

BOOST_AUTO_TEST_SUITE(network)

BOOST_AUTO_TEST_CASE(a_transfer_takes_latency_and_the_slower_of_the_two_links) {
  // 1,000,000 bytes: 8 ms at 1000 Mbit/s, 4 ms at 2000.
  sim::Link own({.latency_ms = 1, .bandwidth_mbps = 1000, .server_bandwidth_mbps = 2000}, 1'000'000, 1);
  BOOST_TEST((own.transfer(Instant{}) == milliseconds(9)));
  sim::Link server({.latency_ms = 1, .bandwidth_mbps = 2000, .server_bandwidth_mbps = 1000}, 1'000'000, 1);
  BOOST_TEST((server.transfer(Instant{}) == milliseconds(9)));
}

BOOST_AUTO_TEST_CASE(the_servers_link_serves_one_after_the_other_and_a_slow_worker_does_not_block_it) {
  sim::Link link({.latency_ms = 0, .bandwidth_mbps = 100, .server_bandwidth_mbps = 1000}, 1'000'000, 1);
  BOOST_TEST((link.transfer(Instant{}) == milliseconds(80)));                 // its own link is the slower
  BOOST_TEST((link.transfer(Instant(milliseconds(1))) == milliseconds(80)));  // 7 ms wait + 8 ms: still its own
  sim::Link busy({.latency_ms = 0, .bandwidth_mbps = 0, .server_bandwidth_mbps = 1000}, 1'000'000, 1);
  BOOST_TEST((busy.transfer(Instant{}) == milliseconds(8)));
  BOOST_TEST((busy.transfer(Instant{}) == milliseconds(16)));
  BOOST_TEST((busy.transfer(Instant(milliseconds(20))) == milliseconds(8)));
}

BOOST_AUTO_TEST_CASE(several_servers_share_the_bytes) {
  sim::Link link({.latency_ms = 0, .bandwidth_mbps = 0, .server_bandwidth_mbps = 1000}, 1'000'000, 4);
  BOOST_TEST((link.transfer(Instant{}) == milliseconds(2)));
}

BOOST_AUTO_TEST_CASE(unequal_pieces_wait_at_their_own_servers_and_the_last_one_ends_the_transfer) {
  // 1000 Mbit/s are 125 bytes a microsecond.
  sim::Link link({.latency_ms = 0, .bandwidth_mbps = 0, .server_bandwidth_mbps = 1000}, 1'000'000, 2);
  BOOST_TEST((link.transfer(Instant{}, std::vector<double>{125'000, 250'000}) == milliseconds(2)));
  BOOST_TEST(
      (link.transfer(Instant{}, std::vector<double>{125'000, 0}) == milliseconds(2)));  // after the first's piece
  BOOST_TEST((link.transfer(Instant{}, std::vector<double>{0, 0}) == milliseconds(0)));
  BOOST_TEST((link.transfer(Instant{}) == milliseconds(6)));  // 4 ms for half a model, after 2 ms at either
  sim::Link own({.latency_ms = 1, .bandwidth_mbps = 1000, .server_bandwidth_mbps = 0}, 1'000'000, 2);
  BOOST_TEST((own.transfer(Instant{}, std::vector<double>{125'000, 250'000}) == milliseconds(4)));
  BOOST_TEST((own.transfer(Instant{}, std::vector<double>{0, 0}) == milliseconds(1)));
}

BOOST_AUTO_TEST_CASE(push_and_pull_stand_in_the_account) {
  const test::Learner learner;
  lead::Setup setup;
  setup.cluster.workers = 1;
  setup.stop.updates = 10;
  const auto summary =
      test::run({.compute_ms = {20}, .network = {.latency_ms = 3}}, setup, test::strategy("asp"), {}, &learner).summary;
  BOOST_TEST(summary["time_s"].get<double>() == 10 * 0.026);
  BOOST_TEST(summary["workers"][0]["pull_s"].get<double>() == 0.030);
  BOOST_TEST(summary["workers"][0]["push_s"].get<double>() == 0.030);
  BOOST_TEST(summary["bytes_pushed"].get<std::size_t>() == 10 * learner.model.parameter_count() * 4);
}

BOOST_AUTO_TEST_CASE(an_update_takes_its_time_at_the_server_and_releases_wait_for_it) {
  lead::Setup setup;
  setup.cluster.workers = 2;
  setup.stop.time_s = 1;
  const auto summary =
      test::run({.compute_ms = {10}, .update_ms = 5, .network = {}}, setup, test::strategy("asp")).summary;
  // Both push at 10 ms; the second's model leaves at 20 ms. From then on they take turns every 15 ms.
  BOOST_TEST(summary["workers"][0]["steps"].get<int>() == 67);
  BOOST_TEST(summary["workers"][1]["steps"].get<int>() == 66);
  BOOST_TEST(summary["workers"][0]["wait_s"].get<double>() == 0.0);
}

BOOST_AUTO_TEST_SUITE_END()
