// A worker process: takes the model that it is released with, computes the gradients of its mini-batches, is slow where
// the configuration says so, pushes, and asks what to do next.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "data/batches.h"
#include "delay/stragglers.h"
#include "learn/config.h"
#include "learn/model.h"
#include "rpc/patience.h"
#include "rpc/transport.h"
#include "sync/strategy.h"

namespace psctl::rpc {

struct WorkerSetup {
  WorkerId id;
  std::vector<Address> servers;  // rank 0 first
  std::size_t workers = 1;       // of the whole run
  std::size_t threads = 1;
  std::string host;
  sync::Traits traits;               // of the strategy
  learn::OptimizerConfig optimizer;  // of local workers
  bool coordinates = false;          // pushes are coordinates where those are smaller
  Identity identity = {};
  Patience patience = {};
};

// Works until the lead says stop. `terminated` becoming true (by a signal handler: it interrupts sleeps) cuts the step
// off. Throws WorldError when a server is lost or refuses.
void work(const WorkerSetup& setup, const learn::Model& model, const data::Dataset& dataset, data::BatchOrder batches,
          delay::Stragglers stragglers, const std::atomic<bool>& terminated);

}  // namespace psctl::rpc
