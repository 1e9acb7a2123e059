// Replays of runs, for the tests of psctl replay.
#pragma once

#include "app.h"
#include "sync/registry.h"

namespace psctl::test {

struct Told {
  int code = -1;
  std::string out, error;
};

inline Told replay(const App& app, const std::vector<std::string>& arguments) {
  Process process(app.folder(), std::vector<std::string>{"replay"} + arguments);
  const int code = process.wait();
  return {code, process.out(), process.error()};
}

inline std::string with_commas(std::size_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

// The replay of a sound run is equal, and has compared every row of its log.
inline void check_equal(const App& app, const std::string& run) {
  const Told told = replay(app, {run});
  BOOST_TEST(told.code == 0, told.error);
  BOOST_TEST(told.error == "");
  std::size_t events = 0, decisions = 0;
  for (const auto& row : read_table(run + "/decisions.csv").rows) {
    const std::string& kind = row.at("kind");
    const bool event = kind == "joined" || kind == "pushed" || kind == "left" || kind == "woke";
    ++(event ? events : decisions);
  }
  const std::string digest = App::digest(run).substr(0, 12);
  BOOST_TEST(
      told.out.starts_with(fmt::format("replay of {}: {} events and {} decisions equal, model_digest equal ({}…), ",
                                       run, with_commas(events), with_commas(decisions - 1), digest)),
      told.out);
}

inline const Overrides kDelays = {"+stragglers={workers: [1], kind: uniform, min_ms: 0, max_ms: 8}",
                                  "+stragglers={workers: [2], kind: constant, delay_ms: 5, on: network}"};
inline const Overrides kMembers = {
    "cluster.workers=4", "cluster.compute_ms=[5, 6, 9, 7]",
    "cluster.membership=[{worker: 1, leave_step: 9}, {worker: 2, join_step: 4}, {worker: 3, "
    "join_s: 0.02, leave_s: 0.09}]"};
// Changes with every sample.
inline const Overrides kSchedule = {"optimizer.schedule={kind: cosine, epochs: 4, warmup_epochs: 1}"};
inline const Overrides kEnd = {"stop={samples: 960}"};

}  // namespace psctl::test
