// A data set in memory: samples of one shape, with a class each; read-only once made, so that threads may share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/config.h"

namespace psctl::data {

struct Shape {
  std::size_t channels = 1;
  std::size_t height = 1;
  std::size_t width = 1;
  std::size_t size() const { return channels * height * width; }  // values a sample
  friend bool operator==(const Shape&, const Shape&) = default;
};

// What a value is stored as.
enum class Values { kBytes, kFloats };

// A value of a sparse sample, at a feature from 0.
struct Entry {
  std::uint32_t index = 0;
  float value = 0;
  friend bool operator==(const Entry&, const Entry&) = default;
};

// value = scale * raw + shift
struct Affine {
  float scale = 1;
  float shift = 0;
};

class Dataset {
 public:
  // `pixels` holds labels.size() samples of shape.size() values, channels first, rows before columns.
  Dataset(Shape shape, std::size_t classes, std::vector<std::uint8_t> pixels, std::vector<std::uint32_t> labels);

  std::size_t size() const { return labels_.size(); }
  Shape shape() const { return shape_; }
  std::size_t classes() const { return classes_; }
  std::span<const std::uint32_t> labels() const { return labels_; }
  std::span<const std::uint8_t> pixels() const { return pixels_; }
  void set_transform(Affine transform) { transform_ = transform; }
  Affine transform() const { return transform_; }

  // Writes the samples' values, transformed, as samples.size() x shape().size(), row by row. Thread-safe.
  void gather(std::span<const std::uint32_t> samples, float* out) const;
  // SHA-256 over shape, classes, values, labels and transform.
  std::string digest() const;

 private:
  Shape shape_;
  std::size_t classes_;
  std::vector<std::uint8_t> pixels_;
  std::vector<std::uint32_t> labels_;
  Affine transform_;
};

struct Splits {
  std::shared_ptr<const Dataset> train;       // after train_limit, without the validation part
  std::shared_ptr<const Dataset> validation;  // null when data.validation is 0
  std::shared_ptr<const Dataset> test;
};

// Checks that the files are there and begin as they should, without reading them whole. Throws UserError: names
// the file, the offset, what was expected, and how to get the data.
void check_source(const DataConfig& config);
// Loads, takes subsets (keyed by seed) and normalises. Throws UserError as above.
Splits load(const DataConfig& config, std::uint64_t seed);

}  // namespace psctl::data
