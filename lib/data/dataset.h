// A data set: a view of samples of one shape, with a class each; read-only once made, so that threads may share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/config.h"
#include "data/samples.h"

namespace psctl::data {

class Dataset {
 public:
  explicit Dataset(std::shared_ptr<const Samples> samples);
  // Bytes in memory, as samples_of takes them.
  Dataset(Shape shape, std::size_t classes, std::vector<std::uint8_t> pixels, std::vector<std::uint32_t> labels);
  // The same samples' rows at these places, in this order; nothing is copied but labels. The transform is kept.
  Dataset select(std::vector<std::uint32_t> rows) const;

  std::size_t size() const { return labels_.size(); }
  Shape shape() const { return samples_->shape; }
  std::size_t classes() const { return samples_->classes; }
  bool sparse() const { return samples_->sparse; }
  std::span<const std::uint32_t> labels() const { return labels_; }
  // All samples that this is a view of, and which of them in what order it shows; empty: all as they come.
  const Samples& samples() const { return *samples_; }
  std::span<const std::uint32_t> selected() const { return selected_ ? *selected_ : std::span<const std::uint32_t>(); }
  void set_transform(Affine transform);  // sparse: without shift, which would fill the zeros
  Affine transform() const { return transform_; }

  // Fills `out` with these samples, in this order. Thread-safe for different batches. Throws UserError if the file that
  // the samples lie in is damaged there.
  void gather(std::span<const std::uint32_t> samples, Batch& out) const;
  // One sample's values as they are stored; valid as long as the data set. Throws as gather does.
  std::span<const std::uint8_t> bytes(std::uint32_t sample) const;  // dense, Values::kBytes
  std::span<const float> floats(std::uint32_t sample) const;        // dense, Values::kFloats
  std::span<const Entry> entries(std::uint32_t sample) const;       // sparse
  // SHA-256 over shape, classes, the kind and the blocks of the values, labels and transform: equal contents have equal
  // digests wherever they lie. Reads all values unless they are all of a prepared file's part.
  std::string digest() const;

 private:
  std::span<const std::byte> row(std::uint32_t sample) const;

  std::shared_ptr<const Samples> samples_;
  std::shared_ptr<const std::vector<std::uint32_t>> selected_;  // null: all as they come
  std::shared_ptr<const std::vector<std::uint32_t>> selected_labels_;
  std::span<const std::uint32_t> labels_;
  Affine transform_;
};

struct Splits {
  std::shared_ptr<const Dataset> train;       // after train_limit, without the validation part
  std::shared_ptr<const Dataset> validation;  // null when data.validation is 0
  std::shared_ptr<const Dataset> test;
};

// Where what a user names lies: a path that is there; else, of a known data set, what was fetched, or what its package
// brought; else the name taken as a path. Throws UserError for a known data set that is not there, and says how to get
// it.
std::filesystem::path path_of_source(const std::string& name);

// How samples are normalised: as the configuration says; without a word, dense ones by kStandard and sparse ones, whose
// zeros that would fill in, by kUnit, or not at all where they have more features than statistics are kept of.
Normalize normalize_for(const DataConfig& config, const Dataset& training);

// Checks that the files are there and begin as they should, without reading them whole. Throws UserError: names
// the file, the offset, what was expected, and how to get the data.
void check_source(const DataConfig& config);
// Loads, takes subsets (keyed by seed) and normalises. Throws UserError as above.
Splits load(const DataConfig& config, std::uint64_t seed);

}  // namespace psctl::data
