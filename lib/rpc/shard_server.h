// A server of rank 1 and above: holds its range of the model, executes the lead's orders, and never judges.
#pragma once

#include <atomic>
#include <functional>

#include "rpc/patience.h"
#include "rpc/shard.h"
#include "rpc/transport.h"

namespace psctl::rpc {

struct ShardServerSetup {
  Address listen;
  std::size_t rank = 1;
  std::size_t servers = 2;
  std::size_t parameters = 0;  // of the whole model
  learn::Range range;
  std::size_t workers = 0;
  Identity identity = {};
  Patience patience = {};
  std::function<void(const std::string&)> report = [](const std::string&) {};  // of connections that were turned away
};

// Serves until the lead says stop, or `terminated` becomes true. Throws WorldError if the lead is lost before that, or
// has not come in time. `listening` is told the address.
void serve_shard(const ShardServerSetup& setup, Shard& shard, const std::atomic<bool>& terminated,
                 const std::function<void(const Address&)>& listening);

}  // namespace psctl::rpc
