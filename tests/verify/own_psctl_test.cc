// A psctl that knows the strategy of lib/sync/README.md, and the mistakes that the page says to plant: what the page
// promises of every verb, and what a user sees of a strategy that is wrong.
#include "apps/app.h"
#include "support/paths.h"

namespace psctl::test {
namespace {

struct Told {
  int code = -1;
  std::string out, error;
};

Told tell(const App& app, const std::vector<std::string>& arguments) {
  Process process(app.folder(), arguments, {}, PSCTL_OWN_BINARY);
  const int code = process.wait(Seconds(100));
  return {code, process.out(), process.error()};
}

void check_caught(const char* name, const std::string& story) {
  const App app;
  const Told told = tell(app, {"verify", name, "--quick"});
  BOOST_TEST(told.code == 1);
  BOOST_TEST(told.error == "");
  BOOST_TEST(contains(told.out, "BROKEN"), told.out);
  BOOST_TEST(contains(told.out, story), told.out);
}

// Trains, and has the run replayed.
void check_trained_and_replayed(const App& app, const std::string& clock) {
  const Told trained = tell(app, app.train_arguments({"clock=" + clock, "strategy={name: my_ssp, bound: 1}"}));
  BOOST_TEST_REQUIRE(trained.code == 0, trained.error);
  const Told replayed = tell(app, {"replay", app.runs().back()});
  BOOST_TEST(replayed.code == 0, replayed.error);
  BOOST_TEST(contains(replayed.out, "model_digest equal"), replayed.out);
}

}  // namespace

BOOST_AUTO_TEST_CASE(verify_finds_nothing_wrong_with_the_strategy_of_the_page) {
  const App app;
  const Told told = tell(app, {"verify", "my_ssp", "--quick"});
  BOOST_TEST(told.code == 0, told.out);
  BOOST_TEST(contains(told.out, "all rules hold"), told.out);
}

BOOST_AUTO_TEST_CASE(a_bound_that_is_too_strict_ends_with_1_and_the_shortest_story) {
  check_caught("strict_ssp", R"(
strict_ssp (bound=0) breaks the rule 'nobody is stuck' (every order: 1 worker)
    1. worker 0 joins at step 0 [waiting: 0]
  seen      the strategy is wrong: the only worker waits and nothing will ever release it
  expected  As long as somebody waits, somebody computes or a deadline is set.
)");
}

BOOST_AUTO_TEST_CASE(a_bound_that_is_too_loose_ends_with_1_and_the_shortest_story) {
  check_caught("loose_ssp", R"(
loose_ssp (bound=0) breaks the rule 'gap' (every order: 2 workers)
    1. worker 0 joins at step 0 [waiting: 0]
    2. worker 1 joins at step 0; worker 0 goes on with model 0; worker 1 goes on with model 0
    3. worker 0 pushes step 1; update 1 = 1 x worker 0's step 1; worker 0 goes on with model 1
  seen      worker 0 goes on, 1 ahead
  expected  A worker that goes on is at most 0 steps ahead of the slowest.
)");
}

BOOST_AUTO_TEST_CASE(pushes_that_are_forgotten_end_with_1_and_the_shortest_story) {
  check_caught("forgetful_ssp", R"(
forgetful_ssp (defaults) breaks the rule 'memory' (every order: 1 worker)
    1. worker 0 joins at step 0; worker 0 goes on with model 0
    2. worker 0 pushes step 1; worker 0 goes on with model 0
    3. worker 0 pushes step 2; worker 0 goes on with model 0
  seen      2 are held
  expected  No more than 1 push is held at a time, however fast some workers are.
)");
}

BOOST_AUTO_TEST_CASE(the_strategy_of_the_page_stands_in_every_list) {
  const App app;
  BOOST_TEST(contains(tell(app, {"strategies"}).out, "my_ssp"));
  BOOST_TEST(contains(tell(app, {"strategies", "my_ssp"}).out, "bound (default 3; 0 to 1000000000"));
  BOOST_TEST(contains(tell(app, {"config", "schema"}).out, "my_ssp"));
}

BOOST_AUTO_TEST_CASE(a_bound_below_0_is_refused_with_its_place) {
  const App app;
  const Told told = tell(app, app.train_arguments({"strategy={name: my_ssp, bound: -1}"}));
  BOOST_TEST(told.code == 2);
  BOOST_TEST(contains(told.error, "bound"), told.error);
}

BOOST_AUTO_TEST_CASE(the_strategy_of_the_page_makes_the_clocks_and_waits_that_the_page_tells) {
  const App app;
  const Told told = tell(app, {"train", "--config", psctl::test::source_path("configs/vectors.yaml"), "--out",
                               app.out(), "strategy={name: my_ssp, bound: 1}"});
  BOOST_TEST_REQUIRE(told.code == 0, told.error);
  const Table table = read_table(app.run() + "/workers.csv");
  const std::vector<double> clocks = {4, 4, 3}, waits = {13, 9, 0};
  for (std::size_t worker = 0; worker < 3; ++worker) {
    BOOST_TEST(table.number(worker, "steps") == clocks[worker]);
    BOOST_TEST(table.number(worker, "wait_s") == waits[worker]);
  }
}

BOOST_AUTO_TEST_CASE(the_strategy_of_the_page_trains_in_both_worlds_and_replays_equal) {
  for (const char* clock : {"virtual", "real"}) {
    const App app;
    check_trained_and_replayed(app, clock);
  }
}

}  // namespace psctl::test
