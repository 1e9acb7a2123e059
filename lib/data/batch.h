// A mini-batch, assembled: what a model computes a gradient on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/samples.h"

namespace psctl::data {

// value = scale * raw + shift
struct Affine {
  float scale = 1;
  float shift = 0;
};

// value = scale * (raw - center), of every feature by itself; subtracting first keeps what differs of large values.
struct EachFeature {
  std::vector<float> scale;
  std::vector<float> center;  // of sparse samples empty: it would fill the zeros
};

// From stored values to those that a model sees.
struct Transform {
  Affine all;
  std::shared_ptr<const EachFeature> each;  // in place of `all`, unless null
};

// Sparse samples in a batch, as CSR.
struct SparseBatch {
  std::vector<std::uint32_t> row_starts;  // where a sample's entries begin, and the end of the last one's
  std::vector<Entry> entries;             // in a row, indices ascend
};

// Copies of samples: using them touches no file and cannot fail. Dense ones stay as they are stored, which is a quarter
// of the size if that is bytes, and become floats piece by piece in the cache of whoever computes on them.
struct Batch {
  Shape shape;
  std::size_t classes = 0;
  Values values = Values::kBytes;
  bool sparse = false;
  std::vector<std::uint32_t> labels;  // one a sample, all below `classes`
  std::vector<std::byte> rows;        // dense: row after row, of bytes or floats
  Transform transform;                // of dense rows, still to be applied
  SparseBatch entries;                // sparse: transformed

  std::size_t size() const { return labels.size(); }
  // Writes the values of `count` samples from `first` on, transformed, as count x shape.size(), row by row; of sparse
  // samples the zeros too.
  void write_values(std::size_t first, std::size_t count, float* out) const;
};

}  // namespace psctl::data
