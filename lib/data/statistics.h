// Sums of every feature while samples stream by, so that normalising a data set that is larger than memory does not
// read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "data/samples.h"

namespace psctl::data {

// Samples of more features than this have no statistics: they would take more memory than the samples.
inline constexpr std::uint64_t kMostStatistics = std::uint64_t{1} << 22;

class FeatureSums {
 public:
  // `features` is the width; that of sparse samples is needed at the end only.
  FeatureSums(std::uint64_t features, Values values, bool sparse);

  // The next values of the samples in order, wherever a row is cut. NaN is a missing value; no other value may be
  // infinite (InternalError).
  void add(std::span<const std::byte> rows);
  // Of so many features; empty if there are more than kMostStatistics.
  std::vector<FeatureStatistics> finish(std::uint64_t features);

 private:
  void add_bytes(std::span<const std::uint8_t> values);
  void add_floats(std::span<const float> values);
  void add_entries(std::span<const Entry> entries);
  void flush_bytes();

  Values values_;
  bool sparse_, too_many_ = false;
  std::size_t next_ = 0;  // the feature of the next value
  std::vector<FeatureStatistics> features_;
  // Bytes: since the last flush, in whole numbers that fit a vector unit.
  std::vector<std::uint32_t> sum_, squares_, count_;
  std::vector<std::uint8_t> least_, most_;
  std::uint32_t runs_ = 0;
  // Floats.
  std::vector<double> float_sum_, float_squares_;
  std::vector<float> origin_, float_least_, float_most_;
  std::vector<std::uint32_t> present_;  // fits: there are less than 2^32 samples
  std::uint64_t without_origin_ = 0;
  // Entries: half a cache line for each feature, as they are met in an order that no cache foresees.
  struct alignas(32) EntrySums {
    double sum = 0, squares = 0;
    float least = std::numeric_limits<float>::infinity(), most = -std::numeric_limits<float>::infinity();
    std::uint32_t present = 0;
  };
  std::vector<EntrySums> entry_sums_;
};

}  // namespace psctl::data
