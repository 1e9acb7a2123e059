// What is read from a decision log, and what its times come to when they are played again.
#include <nlohmann/json.hpp>

#include "explain/what_if.h"
#include "runs.h"
#include "trace/account.h"

using namespace psctl;
using namespace psctl::explain;
using test::Runs;

namespace {

void check_replay(const std::string& folder) {
  const Recorded run = read(folder);
  const Times laws = times_of(run);
  BOOST_TEST(laws.laws_alone);
  for (const Times& times : {laws, test::as_recorded_times(run)}) {
    const Played replay = play(run, times, run.config.strategy);
    BOOST_TEST_CONTEXT((times.laws_alone ? "laws" : "recorded times")) {
      BOOST_TEST(replay.done, replay.stop);
      BOOST_TEST(replay.time.count() == (run.done - Instant{}).count());
      BOOST_TEST(replay.mini_batches == run.mini_batches);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recorded)

BOOST_AUTO_TEST_CASE(the_times_of_a_virtual_run_played_again_take_as_long_to_the_nanosecond_under_every_strategy) {
  for (const std::string& strategy : test::every_strategy()) {
    for (const char* stop : {"{updates: 60, samples: 19200}", "{time_s: 2.347, samples: 19200}",
                             "{steps_per_worker: 31, samples: 19200}", "{samples: 9600}"}) {
      BOOST_TEST_CONTEXT(strategy << " until " << stop) {
        const Runs runs;
        check_replay(runs.make({"strategy=" + strategy, std::string("stop=") + stop}));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(so_do_those_of_a_run_in_which_workers_come_and_go) {
  for (const std::string& strategy : test::every_strategy()) {
    for (const char* members :
         {"[{worker: 1, leave_step: 9}, {worker: 2, join_step: 7}, {worker: 4, leave_s: 0.313}]",
          "[{worker: 1, leave_s: 0.41}, {worker: 2, join_s: 0.28}, {worker: 3, join_s: 0.1, leave_s: 1.01}]"}) {
      BOOST_TEST_CONTEXT(strategy << " with " << members) {
        const Runs runs;
        check_replay(runs.make({"strategy=" + strategy, std::string("cluster.membership=") + members}));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_nanosecond_of_a_worker_is_in_one_part_under_every_strategy) {
  for (const std::string& strategy : test::every_strategy()) {
    for (const char* stop : {"stop={time_s: 2.347, samples: 19200}", "stop={samples: 9600}"}) {
      for (const char* members : {"[]", "[{worker: 1, leave_s: 0.41}, {worker: 2, join_s: 0.28}]"}) {
        const Runs runs;
        const Recorded run =
            read(runs.make({"strategy=" + strategy, stop, std::string("cluster.membership=") + members}));
        BOOST_TEST(run.notices.empty());
        for (std::size_t i = 0; i < run.workers.size(); ++i) {
          BOOST_TEST(run.workers[i].wall.count() > 0);
          BOOST_TEST(run.rest(i).count() == 0, strategy << " with " << members << ", " << stop << ", worker " << i);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_the_end_cut_off_is_told_apart) {
  const Runs runs;
  // Worker 0 has its third step behind it at 60 ms, worker 1 is in its first.
  const Recorded run = read(runs.make(
      {"strategy=asp", "cluster={workers: 2, compute_ms: [20, 100]}", "stragglers=[]", "stop={time_s: 0.07}"}));
  BOOST_TEST((run.cut_off[0] == std::chrono::milliseconds(10)));
  BOOST_TEST((run.cut_off[1] == std::chrono::milliseconds(70)));
}

BOOST_AUTO_TEST_CASE(the_log_tells_of_waiting_and_of_who_caused_it_what_the_run_said_itself) {
  std::size_t overlapping = 0;
  for (const std::string& strategy : test::every_strategy()) {
    BOOST_TEST_CONTEXT(strategy) {
      const Runs runs;
      const Recorded run = read(runs.make({"strategy=" + strategy}));
      const auto summary = nlohmann::json::parse(test::read_file(run.folder + "/summary.json"));
      for (std::size_t i = 0; i < run.workers.size(); ++i) {
        const trace::WorkerAccount& worker = run.workers[i];
        const auto& told = summary["workers"][i];
        Duration charged{};
        for (const trace::Charge& charge : worker.held_by) charged += charge.time;
        BOOST_TEST(charged.count() == worker.wait.count());
        // The log does not say how far a worker computed on through a hold that the end cut off.
        const bool overlaps = told["wait_s"].get<double>() != to_seconds(worker.wait);
        if (!overlaps) BOOST_TEST(told["held_by"].size() == worker.held_by.size());
        overlapping += overlaps;
        BOOST_TEST(std::abs(told["other_s"].get<double>()) < 1e-9);
        BOOST_TEST(told["steps"].get<Step>() == worker.steps);
        BOOST_TEST(told["wall_s"].get<double>() == to_seconds(worker.wall));
      }
      BOOST_TEST(summary["updates"].get<std::uint64_t>() == run.updates);
      BOOST_TEST(summary["staleness_mean"].get<double>() == run.staleness.mean());
      BOOST_TEST(summary["samples"].get<std::uint64_t>() == run.samples.received());
      for (const auto& [name, count] : trace::kSampleCounts) {
        BOOST_TEST(summary[name].get<std::uint64_t>() == (run.samples.*count), name);
      }
    }
  }
  BOOST_TEST(overlapping <= 5U);
}

BOOST_AUTO_TEST_SUITE_END()
