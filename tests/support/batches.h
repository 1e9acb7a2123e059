// Samples of a data set as models see them, and data sets whose samples are hard to get at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
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

// The same samples; before any of their bytes are used, `touch` is told where they begin in Samples::rows: it may sleep
// or throw.
inline data::Dataset touched(const data::Dataset& dataset, std::function<void(std::size_t first_byte)> touch) {
  struct Touch final : data::Seals {
    explicit Touch(std::function<void(std::size_t)> function) : touch(std::move(function)) {}
    void check(std::size_t first_byte, std::size_t) const override { touch(first_byte); }
    void expect(std::size_t, std::size_t) const override {}
    std::string rows_digest() const override { return {}; }
    std::function<void(std::size_t)> touch;
  };
  auto samples = std::make_shared<data::Samples>(dataset.samples());
  samples->seals = std::make_shared<const Touch>(std::move(touch));
  data::Dataset result(std::move(samples));
  result.set_transform(dataset.transform());
  return result;
}

}  // namespace psctl::test
