// The parts of a configuration that only the virtual clock uses, as plain values.
#pragma once

#include <cstddef>
#include <vector>

namespace psctl::sim {

struct NetworkConfig {
  double latency_ms = 0;             // of every transfer
  double bandwidth_mbps = 0;         // of a worker's own link, megabits a second each way; 0: free
  double server_bandwidth_mbps = 0;  // of a server's link, each way; 0: free
};

struct SimConfig {
  std::vector<double> compute_ms = {20};  // time of a step: one for all, or one a worker
  double update_ms = 0;                   // time of an update at the server
  NetworkConfig network;
  std::size_t parameters = 0;  // model.parameters: with model.kind none, of the model that is sent; 0: nothing is
};

}  // namespace psctl::sim
