// The end of a round: what strategies share whose workers push once a round and then wait for each other.
#pragma once

#include <vector>

#include "sync/cluster.h"
#include "sync/events.h"

namespace psctl::sync {

// One update of the mean of all pending pushes; those that were given up are discarded. Nothing if nothing is pending.
// Shares go by worker, so that the sum does not depend on the order of arrival. The weight is 1/N with N the workers
// that are in this round: one that left after its push still counts, one that joined since does not (our reading).
std::vector<Decision> update_of_round(const Cluster& cluster);

}  // namespace psctl::sync
