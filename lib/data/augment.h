// Images of training batches, changed at random: what was seen before looks a little different every time.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "data/batch.h"
#include "data/config.h"

namespace psctl::data {

// Crops and mirrors every image of a dense batch by itself, all its channels alike, keyed by (seed, worker, step), so
// that both worlds and any number of threads see the same. The zeros around an image are stored values of 0: black, for
// images of bytes, whatever the normalisation. Crop (as for CIFAR in He et al., CVPR 2016): all (2 crop + 1)^2 places
// are equally likely; flip: every second image.
void augment(const AugmentConfig& config, std::uint64_t seed, WorkerId worker, Step step, Batch& batch);

}  // namespace psctl::data
