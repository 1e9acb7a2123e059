// The lead's orders on the wire.
#pragma once

#include <span>
#include <vector>

#include "lead/lead.h"
#include "rpc/wire/psctl_types.h"

namespace psctl::rpc {

std::vector<wire::Order> to_wire(std::span<const lead::Order> orders);
// Throws WorldError if an order makes no sense.
std::vector<lead::Order> from_wire(const std::vector<wire::Order>& orders);

}  // namespace psctl::rpc
