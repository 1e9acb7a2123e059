// How long the processes of a run wait for each other, and connecting to a server that may not listen yet without being
// deaf to those who want this process to end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "rpc/transport.h"

namespace psctl::rpc {

// The keys of `cluster` with these names. They end a run that would hang, never one that is slow.
struct Patience {
  Duration start = std::chrono::seconds(300);     // until all processes of the run have come
  Duration stall = std::chrono::seconds(120);     // for bytes that a connection owes: ServerOptions::timeout
  Duration silence = std::chrono::seconds(7200);  // for the push of a worker that computes
};

// A wait that has no signal of its own checks this often whether it is to end.
constexpr auto kCheckPeriod = std::chrono::milliseconds(50);

// Tries for as long as `patience`, then throws the last RpcError; at once if a server is there that is not of this run.
// Returns nothing once `given_up` is true.
std::unique_ptr<Client> connect_patiently(const Address& address, const ClientOptions& options, Duration patience,
                                          const std::function<bool()>& given_up);

}  // namespace psctl::rpc
