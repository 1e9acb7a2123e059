#include <boost/test/unit_test.hpp>
#include <functional>
#include <sstream>

#include "sim/link.h"
#include "sim/virtual_run.h"
#include "support/folder.h"

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

BOOST_AUTO_TEST_CASE(without_a_model_transfers_take_the_time_of_the_bytes_that_it_would_have) {
  lead::Setup setup;
  setup.cluster.workers = 1;
  setup.stop.updates = 10;
  setup.model_bytes = 1'000'000;
  const auto summary = test::run({.compute_ms = {20}, .network = {.latency_ms = 1, .bandwidth_mbps = 1000}}, setup,
                                 test::strategy("asp"))
                           .summary;
  BOOST_TEST(summary["workers"][0]["push_s"].get<double>() == 0.090);
  BOOST_TEST(summary["workers"][0]["pull_s"].get<double>() == 0.090);
  BOOST_TEST(summary["time_s"].get<double>() == 10 * 0.038);
  BOOST_TEST(summary["bytes_pushed"].get<std::size_t>() == 10'000'000U);
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

namespace {

// Two workers under ASP, steps of 10 ms and updates of 100 ms. Both push at 10 ms; update k is done at 10 + 100 k ms,
// and its worker pushes again 10 ms later: worker 0 at 120, 320, ... ms, worker 1 at 220, 420, ...
struct Slow {
  nlohmann::json summary;
  std::string digest;
  std::vector<std::string> looks;    // time and version
  std::vector<std::string> updates;  // in the timeline
};

Slow slow_updates(const std::function<void(lead::Setup&)>& change) {
  const test::Learner learner;
  const test::TemporaryFolder folder;
  lead::Setup setup;
  setup.cluster.workers = 2;
  setup.folder = folder.path();
  setup.trace.timeline = true;
  setup.batch_size = learner.batch_size;
  change(setup);
  const test::Outcome outcome =
      test::run({.compute_ms = {10}, .update_ms = 100, .network = {}}, setup, test::strategy("asp"), {}, &learner);
  Slow slow{.summary = outcome.summary, .digest = outcome.digest, .looks = {}, .updates = {}};
  std::istringstream rows(test::read_file(folder / "evals.csv"));
  for (std::string row; std::getline(rows, row);) {
    if (row.starts_with("0.")) slow.looks.push_back(row.substr(0, row.find(',', row.find(',') + 1)));
  }
  std::istringstream slices(test::read_file(folder / "timeline.json"));
  for (std::string slice; std::getline(slices, slice);) {
    if (slice.find("\"update\"") == std::string::npos) continue;
    const auto at = slice.find("\"ts\":") + 5;
    slow.updates.push_back(slice.substr(at, slice.find(',', at) - at));
  }
  return slow;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_version_exists_when_its_update_is_done) {
  using Texts = std::vector<std::string>;
  const Slow timed = slow_updates([](lead::Setup& setup) {
    setup.stop.time_s = 0.35;
    setup.evaluate.every_s = 0.105;
  });
  const Texts expected = {"0.000000000,0", "0.105000000,0", "0.210000000,2", "0.315000000,3"};
  BOOST_TEST(timed.looks == expected, boost::test_tools::per_element());
  const Texts done = {"110000.000", "210000.000", "310000.000"};
  BOOST_TEST(timed.updates == done, boost::test_tools::per_element());
  // Pushes at 10, 10, 120, 220 and 320 ms; the updates of the last two are not done.
  BOOST_TEST(timed.summary["pushes"] == 5);
  BOOST_TEST(timed.summary["updates"] == 3);
  BOOST_TEST(timed.summary["samples_used"] == 3 * 20);
  BOOST_TEST(timed.summary["samples_pending"] == 2 * 20);

  const Slow counted = slow_updates([](lead::Setup& setup) {
    setup.stop.updates = 3;
    setup.evaluate.every_updates = 1;
  });
  BOOST_TEST(counted.summary["time_s"] == 0.31);
  BOOST_TEST(counted.summary["updates"] == 3);
  const Texts each = {"0.000000000,0", "0.110000000,1", "0.210000000,2", "0.310000000,3"};
  BOOST_TEST(counted.looks == each, boost::test_tools::per_element());
  BOOST_TEST(counted.digest == timed.digest);

  const Slow of_steps = slow_updates([](lead::Setup& setup) {
    setup.stop.steps_per_worker = 2;  // the last pushes at 120 and 220 ms
    setup.evaluate.every_epochs = 60.0 / 1200;
  });
  BOOST_TEST(of_steps.summary["time_s"] == 0.41);
  BOOST_TEST(of_steps.summary["updates"] == 4);
  BOOST_TEST(of_steps.summary["samples_used"] == 4 * 20);
  const Texts grid = {"0.000000000,0", "0.310000000,3", "0.410000000,4"};
  BOOST_TEST(of_steps.looks == grid, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_target_is_reached_when_the_update_that_reaches_it_is_done) {
  test::Learner learner;
  const auto run = [&](double update_ms) {
    lead::Setup setup;
    setup.cluster.workers = 4;
    setup.batch_size = learner.batch_size;
    setup.evaluate.every_updates = 1;
    setup.evaluate.target_accuracy = 0.6;
    setup.stop.updates = 60;
    return test::run({.compute_ms = {10}, .update_ms = update_ms, .network = {}}, setup, test::strategy("bsp"), {},
                     &learner);
  };
  const test::Outcome fast = run(0), slow = run(7);
  BOOST_TEST(fast.digest == slow.digest);
  const double rounds = fast.summary["time_to_target_s"].get<double>() / 0.010;
  BOOST_TEST(rounds > 1);
  BOOST_TEST(slow.summary["time_to_target_s"].get<double>() == rounds * 0.017, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(slow.summary["time_s"].get<double>() == 60 * 0.017, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_SUITE_END()
