// Inside of rpc: what both ends of a connection say first, and why one refuses the other.
#pragma once

#include <string>

#include "rpc/transport.h"

namespace psctl::rpc {

enum class Side { kClient, kServer };

// Role and worker are left to the caller.
wire::Hello hello_of(const Identity& identity, Side side);

// Why an end that says `hello` from that side is refused here, with both values; empty: it is not.
std::string refusal_of(const wire::Hello& hello, Side side, const Identity& identity);

// "worker 3", "the lead server"; of a role that does not exist, what it says.
std::string name_of(std::int32_t role, std::int32_t worker);

}  // namespace psctl::rpc
