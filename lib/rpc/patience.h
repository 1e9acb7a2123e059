// Connecting to a server that may not listen yet, without being deaf to those who want this process to end.
#pragma once

#include <functional>
#include <memory>

#include "rpc/transport.h"

namespace psctl::rpc {

// Tries for as long as `patience`, then throws the last RpcError. Returns nothing once `given_up` is true.
std::unique_ptr<Client> connect_patiently(const Address& address, Duration patience,
                                          const std::function<bool()>& given_up);

}  // namespace psctl::rpc
