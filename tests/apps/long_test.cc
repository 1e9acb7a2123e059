// What takes its time: holds longer than any receive timeout, models of 120 MB, machines with too little of themselves.
#include "app.h"

namespace psctl::test {

BOOST_AUTO_TEST_CASE(a_hold_longer_than_the_receive_timeout_breaks_no_connection) {
  for (const char* servers : {"cluster.servers=1", "cluster.servers=2"}) {
    const App app;
    const std::string run =
        app.train({servers, "stop={updates: 2}", "+stragglers={workers: [1], kind: constant, delay_ms: 17000}"},
                  Seconds(90));
    const auto summary = App::summary(run);
    BOOST_TEST(summary["updates"] == 2);
    BOOST_TEST(summary["workers"][0]["wait_s"].get<double>() > 33);
    BOOST_TEST(summary["workers"][1]["delay_s"].get<double>() >= 34);
    for (const auto& worker : summary["workers"]) {
      BOOST_TEST(worker["other_s"].get<double>() < 0.02 * worker["wall_s"].get<double>());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_model_of_120_megabytes_trains_on_any_number_of_servers) {
  std::string expected;
  for (const char* world : {"clock=virtual", "cluster.servers=1", "cluster.servers=2"}) {
    const App app;
    const std::string run = app.train({world, "model.hidden=[40000, 700]", "data.batch_size=8", "data.train_limit=100",
                                       "stop={updates: 6}", "cluster.workers=2", "cluster.compute_ms=5"},
                                      Seconds(200));
    const std::string digest = App::digest(run);
    if (expected.empty()) expected = digest;
    BOOST_TEST(digest == expected, world);
    BOOST_TEST(App::summary(run)["bytes_pushed"].get<std::uint64_t>() > 1'400'000'000U);
  }
}

BOOST_AUTO_TEST_CASE(a_run_that_needs_more_cores_than_there_are_says_that_it_was_disturbed) {
  const App app;
  const auto overrides = app.train_arguments(
      {"cluster.workers=8", "cluster.compute_ms=5", "strategy=asp", "stop={time_s: 3}", "model.hidden=[512, 512]"});
  Process psctl(app.folder(), overrides);
  BOOST_TEST_REQUIRE(psctl.wait() == 0, psctl.error());
  const auto summary = App::summary(app.run());
  if (std::thread::hardware_concurrency() < 8) {
    BOOST_TEST(summary["disturbed"] == true, summary["disturbance"]);
    BOOST_TEST(contains(psctl.out(), "the machine itself disturbed this run"));
  }
  BOOST_TEST_MESSAGE(summary["disturbance"]);
}

}  // namespace psctl::test
