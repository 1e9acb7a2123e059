// What another strategy, or another worker in the place of one, would have made of recorded times.
#include "explain/what_if.h"

#include "base/random.h"
#include "explain/story.h"
#include "runs.h"

using namespace psctl;
using namespace psctl::explain;
using std::chrono::milliseconds;
using test::Runs;

namespace {

// Steps that depend on worker and step alone, and a network that nobody crowds: a run's times are those that another
// strategy would have met.
constexpr const char* kKeyed = R"(name: t
clock: virtual
seed: 7
model: {kind: none}
cluster: {workers: 5, compute_ms: [20, 23, 21, 25, 22], network: {latency_ms: 1}}
stragglers:
  - {workers: [3], kind: uniform, min_ms: 10, max_ms: 60}
  - {workers: [0, 1, 2, 3, 4], kind: lognormal, median_ms: 4, sigma: 1}
stop: {steps_per_worker: 40}
)";

const std::vector<std::string> kOneStepAPush = {
    "bsp",    "asp", "{name: ssp, staleness: 2}", "dssp", "{name: a2s, epoch_steps: 12}", "bap", "elastic_bsp",
    "backup", "psp"};

sim::Recording of(const std::vector<std::vector<int>>& compute_ms) {
  sim::Recording recording;
  for (const auto& worker : compute_ms) {
    sim::RecordedSteps steps;
    for (const int ms : worker) steps.push_back({.compute = milliseconds(ms)});
    recording.push_back(std::make_shared<const sim::RecordedSteps>(std::move(steps)));
  }
  return recording;
}

std::vector<std::int64_t> ms_of(const sim::Recording& recording, std::size_t worker) {
  std::vector<std::int64_t> all;
  for (const sim::RecordedStep& step : *recording[worker]) all.push_back(step.compute / milliseconds(1));
  return all;
}

Recorded run_of(std::size_t workers, Step rounds) {
  Recorded run;
  run.config.cluster.workers = workers;
  run.config.data.batch_size = 1;
  run.setting = {.workers = workers, .batch_size = 1};
  run.mini_batches = rounds * workers;
  run.workers.resize(workers);
  return run;
}

sync::StrategyConfig strategy(const std::string& name) {
  return {.name = name, .parameters = sync::defaults(*sync::find(name))};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(what_if)

BOOST_AUTO_TEST_CASE(recorded_times_are_played_again_in_order_and_over_again_where_there_are_too_few) {
  const sim::Recording recording = of({{10, 20}, {5}});
  // Rounds of 10, 20, 10, 20 and 10 ms.
  BOOST_TEST((play(run_of(2, 5), recording, strategy("bsp")).time == milliseconds(70)));
  // Of ten pushes worker 1 makes one every 5 ms, worker 0 one at 10 and at 30: the tenth comes at 40.
  const Played asp = play(run_of(2, 5), recording, strategy("asp"));
  BOOST_TEST((asp.time == milliseconds(40)));
  BOOST_TEST(asp.pushes == 10U);
}

BOOST_AUTO_TEST_CASE(transfers_take_as_long_as_they_did) {
  sim::RecordedSteps steps = {{.compute = milliseconds(10), .upload = milliseconds(3), .download = milliseconds(2)}};
  const sim::Recording recording = {std::make_shared<const sim::RecordedSteps>(steps)};
  BOOST_TEST((play(run_of(1, 4), recording, strategy("bsp")).time == milliseconds(60)));
}

BOOST_AUTO_TEST_CASE(a_worker_as_fast_as_the_others_takes_the_median_of_what_their_steps_took) {
  const auto with = [](const sim::Recording& recording, std::uint32_t worker) {
    return ms_of(MedianWorkers(recording).with(WorkerId(worker)), worker);
  };
  using Times = std::vector<std::int64_t>;
  const sim::Recording four = of({{10, 40}, {20, 10}, {30, 30}, {100, 100, 90}});
  BOOST_TEST((with(four, 3) == Times{20, 30, 20}));  // the third of the others is their first again
  BOOST_TEST((with(four, 0) == Times{30, 30, 30}));
  const sim::Recording three = of({{10}, {30}, {100}});
  BOOST_TEST((with(three, 2) == Times{20}));
  BOOST_TEST((with(three, 1) == Times{55}));
  BOOST_TEST((with(three, 0) == Times{65}));
  BOOST_TEST((with(of({{10}, {70}}), 1) == Times{10}));
  BOOST_TEST((with(of({{10}}), 0) == Times{10}));
  BOOST_TEST((with(of({{10}, {10}, {10}, {10}}), 1) == Times{10}));
  // The others are left as they were.
  BOOST_TEST((ms_of(MedianWorkers(four).with(WorkerId(3)), 1) == Times{20, 10}));
}

BOOST_AUTO_TEST_CASE(the_medians_of_the_others_are_those_that_sorting_them_gives) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draws draws({.seed = seed, .purpose = Purpose::kTest});
    std::vector<std::vector<int>> times(2 + draws.below(8));
    for (auto& worker : times) {
      for (std::uint64_t n = 1 + draws.below(3); n > 0; --n) worker.push_back(static_cast<int>(2 * draws.below(6)) + 2);
    }
    const sim::Recording recording = of(times);
    const MedianWorkers medians(recording);
    for (std::size_t w = 0; w < times.size(); ++w) {
      const auto got = ms_of(medians.with(WorkerId(static_cast<std::uint32_t>(w))), w);
      for (std::size_t n = 0; n < got.size(); ++n) {
        std::vector<Duration> others;
        for (std::size_t i = 0; i < times.size(); ++i) {
          if (i != w) others.push_back(milliseconds(times[i][n % times[i].size()]));
        }
        BOOST_TEST(got[n] == median(others) / milliseconds(1), "seed " << seed);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_strategy_on_the_times_of_another_takes_what_a_run_of_it_takes_to_the_nanosecond) {
  const Runs runs;
  std::vector<Recorded> made;
  for (const std::string& name : kOneStepAPush) made.push_back(read(runs.make({"strategy=" + name}, kKeyed)));
  for (const Recorded& recorded : made) {
    const sim::Recording recording = recording_of(recorded);
    for (const Recorded& other : made) {
      const Played played = play(recorded, recording, other.config.strategy);
      const Played real = as_recorded(other);
      BOOST_TEST_CONTEXT(other.label << " on the times of " << recorded.label) {
        BOOST_TEST(played.time.count() == real.time.count());
        BOOST_TEST(played.waited.count() == real.waited.count());
        BOOST_TEST(played.wall.count() == real.wall.count());
        BOOST_TEST(played.updates == real.updates);
        BOOST_TEST(played.pushes == real.pushes);
        BOOST_TEST(played.samples_unused == real.samples_unused);
        BOOST_TEST(played.staleness_mean == real.staleness_mean);
        BOOST_TEST(played.staleness_max == real.staleness_max);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_strategy_can_be_asked_for_whatever_was_recorded) {
  const Runs runs;
  for (const char* recorded : {"bsp", "{name: wbsp, overlap: true}", "pcp", "{name: bap, max_iteration_ms: 60}"}) {
    const Recorded run = read(runs.make({std::string("strategy=") + recorded, "stop={samples: 12800}"}));
    std::vector<std::string> asked;
    for (const std::string& name : test::every_strategy()) asked.push_back("strategy=" + name);
    const std::vector<sync::StrategyConfig> others = alternatives(run, asked);
    BOOST_TEST(others.size() == asked.size());
    const sim::Recording recording = recording_of(run);
    for (const sync::StrategyConfig& other : others) {
      const Played played = play(run, recording, other);
      BOOST_TEST_CONTEXT(sync::label(other) << " on the times of " << recorded) {
        BOOST_TEST(played.done, played.stop);
        BOOST_TEST(played.mini_batches >= run.mini_batches);
        BOOST_TEST((played.time > Duration::zero()));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_a_worker_cost_is_what_the_run_takes_less_without_its_delay) {
  const Runs runs;
  // 5 workers of 20 ms, worker 2 is 35 ms slower: 30 rounds of BSP take 30 x 35 ms longer for it.
  const Recorded run =
      read(runs.make({"cluster.compute_ms=20", "cluster.update_ms=0", "cluster.network={latency_ms: 0}",
                      "stragglers=[{workers: [2], kind: constant, delay_ms: 35}]", "stop={updates: 30}"}));
  const Costs costs = costs_of(run, recording_of(run));
  BOOST_TEST(costs.all);
  BOOST_TEST((costs.replay.time == milliseconds(30 * 55)));
  for (std::size_t i = 0; i < 5; ++i) {
    BOOST_TEST(costs.costs[i].worker.value == i);
    BOOST_TEST((costs.costs[i].cost == milliseconds(i == 2 ? 30 * 35 : 0)));
  }
  const std::vector<Straggler> named = stragglers(run, costs);
  BOOST_TEST_REQUIRE(named.size() == 1U);
  BOOST_TEST(named[0].worker.value == 2U);
  BOOST_TEST(named[0].pace == 55.0 / 20);
  BOOST_TEST(named[0].held_share == 1.0);
}

// Under some a straggler costs nothing, or less: PCP plans around it, and WBSP with overlap throws away less of what
// the others compute. That is no fault of the figure.
BOOST_AUTO_TEST_CASE(what_a_straggler_cost_is_what_a_run_without_it_takes_less_under_every_strategy) {
  for (const std::string& strategy : test::every_strategy()) {
    for (const char* rule : {"kind: constant, delay_ms: 30", "kind: uniform, min_ms: 5, max_ms: 90"}) {
      const Runs runs;
      const auto make = [&](const std::string& straggler, std::uint64_t samples) {
        return read(runs.make({"strategy=" + strategy, "cluster.compute_ms=20", "cluster.update_ms=0",
                               "cluster.network={latency_ms: 1}", "stragglers=" + straggler,
                               fmt::format("stop={{samples: {}}}", samples)}));
      };
      const Recorded run = make(fmt::format("[{{workers: [2], {}}}]", rule), 19200);
      const Recorded without = make("[]", run.mini_batches * run.batch_size());
      const Cost cost = costs_of(run, recording_of(run)).costs.at(2);
      const double taken =
          to_seconds(without.done) * static_cast<double>(run.mini_batches) / static_cast<double>(without.mini_batches);
      BOOST_TEST(std::abs(to_seconds(cost.with_median) - taken) < 0.002 * taken, strategy << ", " << rule);
    }
  }
}

BOOST_AUTO_TEST_CASE(strategies_asked_for_begin_with_their_name_and_other_keys_belong_to_the_one_at_hand) {
  const Runs runs;
  const Recorded run = read(runs.make({"strategy={name: ssp, staleness: 2}"}));
  const auto labels = [&](const std::vector<std::string>& overrides) {
    std::string all;
    for (const auto& strategy : alternatives(run, overrides)) all += sync::label(strategy) + "; ";
    return all;
  };
  BOOST_TEST(labels({"strategy.staleness=8"}) == "ssp(staleness=8); ");
  BOOST_TEST(labels({"strategy=bsp", "strategy=asp"}) == "bsp; asp; ");
  BOOST_TEST(labels({"strategy.name=dssp", "strategy.staleness=8", "strategy={name: ssp, staleness: 9}"}) ==
             "dssp(staleness=8); ssp(staleness=9); ");
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"strategy.staleness=8", "strategy.staleness=9"},
        {"cluster.workers=3"},
        {"ssp"},
        {"strategy=sssp"},
        {"strategy=bsp", "strategy.staleness=3"},
        {"strategy.staleness=-1"}}) {
    BOOST_CHECK_THROW(alternatives(run, wrong), UserError);
  }
}

BOOST_AUTO_TEST_SUITE_END()
