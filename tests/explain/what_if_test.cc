// What another strategy, or another worker in the place of one, would have made of recorded times.
#include "explain/what_if.h"

#include <cmath>
#include <nlohmann/json.hpp>

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

Times of(const std::vector<std::vector<int>>& compute_ms) {
  Times times;
  for (const auto& worker : compute_ms) {
    sim::RecordedSteps steps;
    for (const int ms : worker) steps.push_back({.compute = milliseconds(ms)});
    times.recording.push_back(std::make_shared<const sim::RecordedSteps>(std::move(steps)));
  }
  return times;
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

// A file of 1000 samples of twelve features and three classes.
std::string some_samples(const test::TemporaryFolder& folder) {
  std::string text;
  Draws draws({.seed = 1, .purpose = Purpose::kTest});
  for (int i = 0; i < 1000; ++i) {
    const int label = i % 3;
    for (int feature = 0; feature < 12; ++feature) text += fmt::format("{:.4f},", draws.normal() + (feature == label));
    text += fmt::format("c{}\n", label);
  }
  const std::string path = folder / "samples.csv";
  test::write_file(path, text);
  return path;
}

// What the run said itself of its waiting. Its log does not say how far a worker computed on through a hold that the
// end cut off.
Played as_told(const Recorded& run) {
  Played told = as_recorded(run);
  told.waited = {};
  const auto summary = nlohmann::json::parse(test::read_file(run.folder + "/summary.json"));
  for (const auto& worker : summary["workers"]) {
    told.waited += Duration(std::llround(worker["wait_s"].get<double>() * 1e9));
  }
  return told;
}

void check_equal(const Played& played, const Played& made, const std::string& which) {
  BOOST_TEST_CONTEXT(which) {
    BOOST_TEST(played.done, played.stop);
    BOOST_TEST(played.time.count() == made.time.count());
    BOOST_TEST(played.waited.count() == made.waited.count());
    BOOST_TEST(played.wall.count() == made.wall.count());
    BOOST_TEST(played.updates == made.updates);
    BOOST_TEST(played.pushes == made.pushes);
    for (const auto& [name, count] : trace::kSampleCounts) {
      BOOST_TEST((played.samples.*count) == (made.samples.*count), name);
    }
    BOOST_TEST(played.staleness_mean == made.staleness_mean);
    BOOST_TEST(played.staleness_max == made.staleness_max);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(what_if)

BOOST_AUTO_TEST_CASE(recorded_times_are_played_again_in_order_and_over_again_where_there_are_too_few) {
  const Times times = of({{10, 20}, {5}});
  // Rounds of 10, 20, 10, 20 and 10 ms.
  BOOST_TEST((play(run_of(2, 5), times, strategy("bsp")).time == milliseconds(70)));
  // Of ten pushes worker 1 makes one every 5 ms, worker 0 one at 10 and at 30: the tenth comes at 40, at which
  // both push.
  const Played asp = play(run_of(2, 5), times, strategy("asp"));
  BOOST_TEST((asp.time == milliseconds(40)));
  BOOST_TEST(asp.pushes == 11U);
}

BOOST_AUTO_TEST_CASE(transfers_take_as_long_as_they_did) {
  sim::RecordedSteps steps = {{.compute = milliseconds(10), .upload = milliseconds(3), .download = milliseconds(2)}};
  Times times;
  times.recording = {std::make_shared<const sim::RecordedSteps>(steps)};
  BOOST_TEST((play(run_of(1, 4), times, strategy("bsp")).time == milliseconds(60)));
}

BOOST_AUTO_TEST_CASE(a_worker_as_fast_as_the_others_takes_the_median_of_what_their_steps_took) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draws draws({.seed = seed, .purpose = Purpose::kTest});
    std::vector<std::vector<int>> steps(1 + draws.below(8));
    for (auto& worker : steps) {
      for (std::uint64_t n = 1 + draws.below(3); n > 0; --n) worker.push_back(static_cast<int>(2 * draws.below(6)) + 2);
    }
    constexpr Step kRounds = 5;
    const Recorded run = run_of(steps.size(), kRounds);
    const Times times = of(steps);
    for (std::size_t w = 0; w < steps.size(); ++w) {
      // Rounds take as long as the slowest of their workers.
      Duration sum{};
      for (Step n = 0; n < kRounds; ++n) {
        std::vector<Duration> others;
        for (std::size_t i = 0; i < steps.size(); ++i) {
          if (i != w) others.push_back(milliseconds(steps[i][n % steps[i].size()]));
        }
        const Duration own = others.empty() ? milliseconds(steps[w][n % steps[w].size()]) : median(others);
        others.push_back(own);
        sum += std::ranges::max(others);
      }
      const WorkerId worker(static_cast<std::uint32_t>(w));
      BOOST_TEST((play(run, times, strategy("bsp"), nullptr, worker).time == sum), "seed " << seed);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_strategy_on_the_times_of_another_takes_what_a_run_of_it_takes_to_the_nanosecond) {
  const Runs runs;
  std::vector<Recorded> made;
  for (const std::string& name : kOneStepAPush) made.push_back(read(runs.make({"strategy=" + name}, kKeyed)));
  for (const Recorded& recorded : made) {
    // The log alone knows enough here.
    const Times times = test::as_recorded_times(recorded);
    for (const Recorded& other : made) {
      const Played played = play(recorded, times, other.config.strategy);
      check_equal(played, as_recorded(other), fmt::format("{} on the times of {}", other.label, recorded.label));
    }
  }
}

// All strategies of the registry, and what some do only when asked, by each other.
const std::vector<std::string> kFifteen = {"bsp",
                                           "asp",
                                           "{name: ssp, staleness: 2}",
                                           "dssp",
                                           "{name: sync_switch, straggler_policy: elastic, bsp_share: 0.5}",
                                           "{name: a2s, epoch_steps: 6}",
                                           "bap",
                                           "{name: bap, max_iteration_ms: 45}",
                                           "{name: wbsp, overlap: true}",
                                           "elastic_bsp",
                                           "pcp",
                                           "backup",
                                           "{name: local_sgd, period: 5}",
                                           "psp",
                                           "{name: wbsp, overlap: true, rebase: reapply}"};

// Fifteen settings by fifteen, on clusters whose times depend on worker, step and instant alone.
BOOST_AUTO_TEST_CASE(what_is_played_for_any_pair_of_strategies_is_the_run_that_it_speaks_of_to_the_nanosecond) {
  const test::TemporaryFolder folder;
  std::string cluster = R"(name: t
clock: virtual
seed: 7
model: {kind: logistic}
data: {source: DATA, test: 100, batch_size: 10}
evaluate: {every_epochs: 0}
cluster:
  workers: 5
  compute_ms: [20, 23, 21, 25, 22]
  update_ms: 3
  servers: 2
  network: {latency_ms: 1, bandwidth_mbps: 0.3, server_bandwidth_mbps: 0.5}
stragglers:
  - {workers: [3], kind: uniform, min_ms: 10, max_ms: 60}
  - {workers: all, kind: lognormal, median_ms: 4, sigma: 1}
  - {workers: [1], kind: window, from_s: 0.2, to_s: 0.6, delay_ms: 30}
  - {workers: [2], kind: markov, enter: 0.2, leave: 0.3, delay_ms: 25}
  - {workers: [4], kind: slowdown, factor: 1.7}
  - {workers: [0], kind: exponential, delay_ms: 8, on: network}
)";
  cluster.replace(cluster.find("DATA"), 4, some_samples(folder));
  for (const char* stop : {"{samples: 1500}", "{epochs: 1.5}", "{steps_per_worker: 20, samples: 100000}"}) {
    const Runs runs;
    std::vector<Recorded> made;
    for (const std::string& name : kFifteen) {
      made.push_back(read(runs.make({"strategy=" + name, std::string("stop=") + stop}, cluster)));
    }
    for (const Recorded& recorded : made) {
      const Times times = times_of(recorded);
      BOOST_TEST(times.laws_alone, recorded.label);
      BOOST_TEST(times.caveats.empty());
      for (const Recorded& other : made) {
        check_equal(play(recorded, times, other.config.strategy), as_told(other),
                    fmt::format("{} on the times of {} until {}", other.label, recorded.label, stop));
      }
    }
  }
}

// What a real run is played by: its log, and the laws of its injected delays. Of a push of several mini-batches the log
// has the sum, but the delays are known one by one, and those of a window follow the clock.
BOOST_AUTO_TEST_CASE(injected_delays_follow_their_laws_again_when_recorded_times_are_played) {
  const std::string cluster = R"(name: t
clock: virtual
seed: 7
model: {kind: none}
cluster: {workers: 4, compute_ms: [20, 23, 21, 25], network: {latency_ms: 1}}
stragglers:
  - {workers: [3], kind: uniform, min_ms: 10, max_ms: 60}
  - {workers: all, kind: lognormal, median_ms: 4, sigma: 1}
  - {workers: [1], kind: window, from_s: 0.2, to_s: 0.6, delay_ms: 30}
  - {workers: [2], kind: markov, enter: 0.2, leave: 0.3, delay_ms: 25}
  - {workers: [0], kind: exponential, delay_ms: 8, on: network}
stop: {steps_per_worker: 40, samples: 100000}
data: {batch_size: 10}
)";
  const Runs runs;
  std::vector<Recorded> made;
  for (const std::string& name : kFifteen) made.push_back(read(runs.make({"strategy=" + name}, cluster)));
  for (const Recorded& recorded : made) {
    const bool overlaps =
        std::ranges::any_of(recorded.pushes, [](const Push& push) { return push.overlapped > 0 || push.empty; });
    if (overlaps) continue;  // how many mini-batches the end cut off, or how long one that was given up took: unknown
    const auto stragglers = delay::Stragglers::every(recorded.config.stragglers, 4, recorded.config.seed);
    const Times times{
        .laws_alone = false, .stragglers = stragglers, .recording = recording_of(recorded, stragglers), .caveats = {}};
    for (const Recorded& other : made) {
      check_equal(play(recorded, times, other.config.strategy), as_recorded(other),
                  fmt::format("{} on the times of {}", other.label, recorded.label));
    }
  }
}

BOOST_AUTO_TEST_CASE(only_samples_that_got_into_the_model_count_as_work) {
  const Runs runs;
  const Recorded run = read(runs.make({"strategy=bsp", "stop={samples: 9600}"}));
  const Played played = play(run, times_of(run), strategy("backup"));
  BOOST_TEST(played.samples.discarded > 0U);
  BOOST_TEST(played.seconds_per_sample() == to_seconds(played.time) / static_cast<double>(played.samples.used));
}

BOOST_AUTO_TEST_CASE(what_the_end_cut_off_counts_its_transfers_once) {
  const Runs runs;
  // Worker 1 computes for 10 ms and pushes for 30 ms; its second mini-batch was cut off while it was pushed.
  const Recorded run = read(
      runs.make({"strategy=asp", "cluster={workers: 2, compute_ms: 10}",
                 "stragglers=[{workers: [1], kind: constant, delay_ms: 30, on: network}]", "stop={time_s: 0.075}"}));
  BOOST_TEST(run.mini_batches == 8U);
  for (const Times& times : {times_of(run), test::as_recorded_times(run)}) {
    BOOST_TEST((play(run, times, strategy("bsp")).time == milliseconds(4 * 40)));
  }
}

BOOST_AUTO_TEST_CASE(a_run_whose_laws_are_not_there_is_played_by_its_log_and_says_so) {
  const Runs runs;
  const test::TemporaryFolder folder;
  const std::string trace = folder / "slow.csv";
  test::write_file(trace, "worker,step,delay_ms\n1,2,50\n");
  const Recorded run =
      read(runs.make({"strategy=bsp", fmt::format("stragglers=[{{workers: [1], kind: trace, file: {}}}, "
                                                  "{{workers: [0], kind: window, from_s: 0, to_s: 0.1, delay_ms: 5}}]",
                                                  trace)}));
  BOOST_TEST(times_of(run).laws_alone);
  const auto check = [&](const std::string& why) {
    const Times times = times_of(run);
    BOOST_TEST(!times.laws_alone);
    BOOST_TEST_REQUIRE(times.caveats.size() == 3U);
    BOOST_TEST(times.caveats[0].find(why) != std::string::npos, times.caveats[0]);
    BOOST_TEST(times.caveats[1].find("up to 700 us") != std::string::npos, times.caveats[1]);  // cluster.update_ms
    BOOST_TEST(times.caveats[2].find("up to 105") != std::string::npos, times.caveats[2]);     // the window
    BOOST_TEST((play(run, times, run.config.strategy).time == as_recorded(run).time));
  };
  test::write_file(trace, "worker,step,delay_ms\n1,2,80\n");
  check("do not come to what was recorded");
  std::filesystem::remove(trace);
  check(trace);
}

BOOST_AUTO_TEST_CASE(every_strategy_can_be_asked_for_whatever_was_recorded) {
  const Runs runs;
  for (const char* recorded : {"bsp", "{name: wbsp, overlap: true}", "pcp", "{name: bap, max_iteration_ms: 60}"}) {
    const Recorded run = read(runs.make({std::string("strategy=") + recorded, "stop={samples: 12800}"}));
    std::vector<std::string> asked;
    for (const std::string& name : test::every_strategy()) asked.push_back("strategy=" + name);
    const std::vector<sync::StrategyConfig> others = alternatives(run, asked);
    BOOST_TEST(others.size() == asked.size());
    for (const Times& times : {times_of(run), test::as_recorded_times(run)}) {
      for (const sync::StrategyConfig& other : others) {
        const Played played = play(run, times, other);
        BOOST_TEST_CONTEXT(sync::label(other) << " on the times of " << recorded) {
          BOOST_TEST(played.done, played.stop);
          BOOST_TEST((played.time > Duration::zero()));
        }
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
  const Costs costs = costs_of(run, times_of(run));
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
      const auto make = [&](const std::string& straggler) {
        return read(runs.make({"strategy=" + strategy, "cluster.compute_ms=20", "cluster.update_ms=0",
                               "cluster.network={latency_ms: 1}", "stragglers=" + straggler, "stop={samples: 19200}"}));
      };
      const Recorded run = make(fmt::format("[{{workers: [2], {}}}]", rule));
      const Recorded without = make("[]");
      const Costs costs = costs_of(run, times_of(run));
      const Cost& cost = costs.costs.at(2);
      const double taken =
          to_seconds(without.done) * static_cast<double>(run.mini_batches) / static_cast<double>(without.mini_batches);
      BOOST_TEST(std::abs(to_seconds(cost.with_median) - taken) < 1e-6 * taken, strategy << ", " << rule);
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
