// Transforms that bring values to a scale on which models learn well, from the training part alone.
#pragma once

#include <string>

#include "data/config.h"
#include "data/dataset.h"

namespace psctl::data {

// What data.normalize means for these samples: kAuto is kStandard for dense ones and, as that would fill in their
// zeros, kUnit for sparse ones, or kNone where they have more features than statistics are kept of.
Normalize normalize_for(const NormalizeConfig& config, const Dataset& training);

// The transform of data.normalize for this training part; of bytes it does not depend on the order of the samples.
// unit: into [0, 1], bytes as a whole by what a byte can hold; sparse samples, which keep zeros and signs, as max_abs.
// A feature that never changes in the training part keeps its scale, and its training value becomes 0; max_abs leaves
// a feature as it is that is always 0. `name` is the source's, for messages. Throws UserError if there is no such
// transform.
Transform fit(const NormalizeConfig& config, const Dataset& training, const std::string& name);

// What to tell about columns on unlike scales that are normalised by one transform: those with small values would hardly
// count. Empty where there is nothing to tell: images, sparse samples, per: feature, normalize: none, no statistics.
std::string notice_of_scales(const NormalizeConfig& config, const Dataset& training);

}  // namespace psctl::data
