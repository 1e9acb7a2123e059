// Instants of the tests' runs.
#pragma once

#include "base/time.h"

namespace psctl::test {

inline Instant at(std::int64_t ms) { return Instant(std::chrono::milliseconds(ms)); }

}  // namespace psctl::test
