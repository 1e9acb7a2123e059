// A million features: what a step costs in time, memory and bytes.
#include <sys/resource.h>

#include "app.h"

namespace psctl::test {

BOOST_AUTO_TEST_CASE(a_million_features_cost_what_the_values_of_a_batch_and_a_copy_of_the_model_cost) {
  const App app;
  const std::string file = app.folder() / "wide.psctl";
  Process synth(app.folder(), {"data", "synth", "sparse", "-o", file, "--quiet", "--samples", "4000", "--test", "400",
                               "--features", "1000000", "--entries", "100", "--exponent", "0.5"});
  BOOST_TEST_REQUIRE(synth.wait() == 0, synth.error());
  constexpr double kModelBytes = (2e6 + 2) * 4;
  for (const std::string clock : {"virtual", "real"}) {
    const std::string run = app.train({"model={kind: logistic}", "data={source: " + file + ", batch_size: 64}",
                                       "clock=" + clock, "cluster={workers: 2, servers: 2, compute_ms: 1}",
                                       "stop={updates: 100}", "evaluate.every_epochs=0"});
    const nlohmann::json summary = App::summary(run);
    const double dense = kModelBytes * summary["pushes"].get<double>();
    BOOST_TEST(summary["bytes_pushed"].get<double>() * 50 < dense);
    // Writing out the zeros of one batch alone would take 256 MB, and a second of arithmetic.
    if (clock == "real") BOOST_TEST(summary["time_s"].get<double>() / 100 < 0.15);
  }
  // Of any process. A model takes 8 MB.
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  BOOST_TEST(usage.ru_maxrss / 1024 < 250);
}

}  // namespace psctl::test
