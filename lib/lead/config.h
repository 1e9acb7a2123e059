// The `cluster`, `stop`, `evaluate` and `trace` sections of a configuration, as plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "learn/config.h"

namespace psctl::lead {

// When a worker comes and goes. At most one of each pair is given; none: from the start gate to the end.
struct Membership {
  WorkerId worker;
  std::optional<double> join_s, leave_s;    // run time
  std::optional<std::uint64_t> join_step;   // when min_step of the others reaches it
  std::optional<std::uint64_t> leave_step;  // after its push with this clock
};

struct ClusterConfig {
  std::size_t workers = 1;
  std::size_t servers = 1;
  std::size_t threads_per_worker = 1;
  bool sparse_pushes = true;  // of sparse samples: the coordinates they touch alone, where those are smaller
  std::vector<Membership> membership;
  std::vector<std::string> hosts;  // host:port of each server; empty: Unix sockets on this host
  std::string bind;                // address to listen on beyond loopback; empty: loopback
  double start_s = 300;            // real clock: the processes of a run wait so long for each other
  double stall_s = 120;            // real clock: a connection that owes bytes is given up after so long without any
  double silence_s = 7200;         // real clock: a worker that computes is given up after so long without a push
};

// The first that comes ends the run. At least one is given.
struct StopConfig {
  std::optional<double> epochs;
  std::optional<std::uint64_t> samples;
  std::optional<std::uint64_t> updates;
  std::optional<std::uint64_t> steps_per_worker;
  std::optional<double> time_s;
  std::optional<double> target_accuracy;
  struct Plateau {
    double smoothing = 0.9;
    double below = 0.0001;
  };
  std::optional<Plateau> plateau;  // bias-corrected moving average of |change of accuracy| falls below
};

// At most one of the three periods; none: the last model only. The first evaluation is at time 0 whenever a period is
// given.
struct EvaluateConfig {
  learn::EvaluateOn on = learn::EvaluateOn::kTest;
  std::optional<double> every_epochs, every_s;
  std::optional<std::uint64_t> every_updates;
  double target_accuracy = 0;  // measured, does not end the run; 0: none
};

struct TraceConfig {
  bool steps = true;
  bool decisions = true;
  bool timeline = false;
};

}  // namespace psctl::lead
