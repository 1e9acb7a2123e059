// From a configuration's `data` section to data sets.
#pragma once

#include <cstdint>

#include "data/config.h"
#include "data/dataset.h"
#include "data/prepared.h"

namespace psctl::data {

// Takes what prepare() made ready apart into training, validation and test samples, keyed by seed, and normalises them
// all by the training part. Throws UserError.
Splits load(const DataConfig& config, const Prepared& prepared, std::uint64_t seed);

}  // namespace psctl::data
