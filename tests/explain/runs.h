// Runs of timing only on the virtual clock, made in a temporary folder and read back.
#pragma once

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <string>
#include <vector>

#include "config/config.h"
#include "explain/what_if.h"
#include "run/train.h"
#include "support/folder.h"
#include "sync/registry.h"

namespace psctl::test {

class Runs {
 public:
  // A run of the configuration below with these overrides; its folder.
  std::string make(const std::vector<std::string>& overrides, const std::string& text = kConfig) const {
    const config::RunConfig config = config::load_text(text, "test", overrides).run;
    return run::train({.config = config, .overrides = {}, .out = folder_ / "runs", .progress = {}}).folder;
  }

  static constexpr const char* kConfig = R"(name: t
clock: virtual
seed: 5
model: {kind: none}
cluster:
  workers: 5
  compute_ms: [20, 23, 21, 25, 22]
  update_ms: 0.7
  network: {latency_ms: 1}
stragglers:
  - {workers: [3], kind: uniform, min_ms: 20, max_ms: 90}
  - {workers: [0, 1, 2, 3, 4], kind: exponential, delay_ms: 4}
  - {workers: [2], kind: exponential, delay_ms: 4, on: network}
stop: {updates: 60, samples: 19200}
)";

 private:
  TemporaryFolder folder_;
};

// All that are registered, and what some do only when asked. Of timing only sync_switch must be told the work of the
// run: stop.samples.
inline std::vector<std::string> every_strategy() {
  std::vector<std::string> all;
  for (const sync::Entry& entry : sync::entries()) {
    all.push_back(entry.name == "a2s" ? "{name: a2s, epoch_steps: 12}" : entry.name);
  }
  for (const char* asked :
       {"{name: bap, max_iteration_ms: 70}", "{name: wbsp, overlap: true}", "{name: wbsp, commit: arrival}",
        "{name: wbsp, overlap: true, rebase: reapply}", "{name: pcp, overlap: false}",
        "{name: pcp, max_local_steps: 3}", "{name: dssp, hard_cap: true}", "{name: backup, backups: 2}",
        "{name: ssp, staleness: 0, apply: on_release}", "{name: sync_switch, order: asp_bsp}",
        "{name: sync_switch, straggler_policy: greedy}", "{name: sync_switch, straggler_policy: elastic}"}) {
    all.emplace_back(asked);
  }
  return all;
}

// As if nothing but its log were known.
inline explain::Times as_recorded_times(const explain::Recorded& run) {
  return {.laws_alone = false, .stragglers = {}, .recording = explain::recording_of(run), .caveats = {}};
}

}  // namespace psctl::test
