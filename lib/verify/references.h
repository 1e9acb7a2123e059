// What a strategy must come to by arithmetic alone: closed forms and recurrences for its schedule, brute force for what
// it plans. None of it uses the strategy's code.
#pragma once

#include <cstdint>
#include <vector>

#include "verify/verify.h"

namespace psctl::verify {

// One result a reference; empty for a strategy that has none with these parameters.
std::vector<Result> check_references(const Subject& subject, std::uint64_t seed, std::size_t cases);

}  // namespace psctl::verify
