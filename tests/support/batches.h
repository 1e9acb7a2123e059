// Samples of a data set as models see them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.h"

namespace psctl::test {

inline data::Batch batch_of(const data::Dataset& dataset, std::span<const std::uint32_t> samples) {
  data::Batch batch;
  dataset.gather(samples, batch);
  return batch;
}

// Row after row.
inline std::vector<float> values_of(const data::Dataset& dataset, std::span<const std::uint32_t> samples) {
  std::vector<float> values(samples.size() * dataset.shape().size());
  batch_of(dataset, samples).write_values(0, samples.size(), values.data());
  return values;
}

}  // namespace psctl::test
