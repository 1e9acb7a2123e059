// The controller of DSSP: how many steps more a fast worker should take, so that it then waits least for the slowest.
#pragma once

#include "base/ids.h"
#include "base/time.h"

namespace psctl::sync {

// When a worker pushed last, and the time before that. Their distance is the interval that is expected to go on.
struct LastPushes {
  Instant latest{};
  Instant before{};
};

// Absolute: the fast worker's push is nearest to one of the slow worker's, before or after it. Wait: the nearest push
// of the slow worker that does not come before it; 0 steps if there is none.
enum class Objective { kAbsolute, kWait };

// Steps in 0..range: of the expected pushes of the fast worker (its latest is the one after 0 steps more), the one
// nearest to any of the next range + 1 of the slow worker; the fewest steps on ties. O(range).
Step extra_steps(const LastPushes& fast, const LastPushes& slow, Step range, Objective objective);

}  // namespace psctl::sync
