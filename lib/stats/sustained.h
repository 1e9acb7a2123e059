// When a target is reached: one rule for the account of a run, its stop, and everything that reads its evaluations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace psctl::stats {

// An evaluation of one version of the model.
struct Look {
  std::uint64_t version = 0;
  double value = 0;  // such as its accuracy; a NaN is below every target
};

// Whether two evaluations in a row reach the target: both do, and the second is of a later version. Two evaluations of
// one version say the same thing twice.
bool sustained(const Look& before, const Look& now, double target);

// The index of the evaluation that reaches the target for good: the first for which `sustained` holds with that of the
// next version. The last version has no next one and counts alone. Of several evaluations of one version the first
// counts. Nothing if the target is not reached. Versions never decrease.
std::optional<std::size_t> first_sustained(std::span<const Look> looks, double target);

}  // namespace psctl::stats
