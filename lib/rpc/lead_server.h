// Rank 0: owns the Lead, gives it events in one order, executes its orders and sends them to the other servers, holds
// workers until they are released, and ends the run.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lead/lead.h"
#include "rpc/patience.h"
#include "rpc/shard.h"
#include "rpc/transport.h"

namespace psctl::rpc {

struct LeadServerSetup {
  Address listen;
  std::vector<Address> others;  // servers 1, 2, ...
  std::size_t workers = 0;
  std::size_t parameters = 0;  // of the whole model
  learn::Range range;
  std::size_t cores = 1;
  Identity identity = {};
  Patience patience = {};
  std::function<void(const std::string&)> report = [](const std::string&) {};  // of connections that were turned away
};

class LeadServer {
 public:
  // Listens from now on. Lead and shard must outlive it.
  LeadServer(const LeadServerSetup& setup, lead::Lead& lead, Shard& shard);
  ~LeadServer();

  const Address& address() const;

  // Opens the start gate when all workers, the other servers and the evaluation process have come; returns when the run
  // has ended and everybody knows, with what goes into the summary. Failures of the world are in Ending::error.
  // `terminated` becoming true interrupts the run.
  lead::Ending run(const std::atomic<bool>& terminated);
  // After it: the failure is another process's, which is gone or has refused.
  bool peer_failed() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace psctl::rpc
