// A data set: a view of samples of one shape, with a class each; read-only once made, so that threads may share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/samples.h"

namespace psctl::data {

class Dataset {
 public:
  explicit Dataset(std::shared_ptr<const Samples> samples);
  // Bytes in memory, as samples_of takes them.
  Dataset(Shape shape, std::size_t classes, std::vector<std::uint8_t> pixels, std::vector<std::uint32_t> labels);
  // The same samples' rows at these places, in this order; nothing is copied but labels. The transform is kept.
  Dataset select(std::vector<std::uint32_t> rows) const;
  // The same samples in two classes: those that are in `one`, as class 1, and the rest, as class 0.
  Dataset one_against_rest(std::uint32_t one) const;

  std::size_t size() const { return labels_.size(); }
  Shape shape() const { return samples_->shape; }
  std::size_t classes() const { return one_ ? 2 : samples_->classes; }
  // Empty: the classes are numbers.
  std::vector<std::string> class_names() const;
  bool sparse() const { return samples_->sparse; }
  std::span<const std::uint32_t> labels() const { return labels_; }
  // All samples that this is a view of, and which of them in what order it shows; empty: all as they come.
  const Samples& samples() const { return *samples_; }
  std::span<const std::uint32_t> selected() const { return selected_ ? *selected_ : std::span<const std::uint32_t>(); }
  void set_transform(Affine transform);  // sparse: without shift
  void set_transform(Transform transform);
  const Transform& transform() const { return transform_; }

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
  std::shared_ptr<const std::vector<std::uint32_t>> selected_;    // null: all as they come
  std::shared_ptr<const std::vector<std::uint32_t>> own_labels_;  // null: labels_ are those of the samples
  std::span<const std::uint32_t> labels_;
  std::optional<std::uint32_t> one_;  // of the samples' classes
  Transform transform_;
};

struct Splits {
  std::shared_ptr<const Dataset> train;       // after train_limit, without the validation part
  std::shared_ptr<const Dataset> validation;  // may be null
  std::shared_ptr<const Dataset> test;
};

}  // namespace psctl::data
