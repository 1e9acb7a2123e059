// Samples where they lie, in memory of their own or in a mapped file: what data sets are views of. Nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

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

// One feature over the training part, for normalising. Sums are of (value - origin), in the order of the samples; of
// bytes they are whole numbers and exact. Of sparse samples only the entries are counted; the others are 0.
struct FeatureStatistics {
  double sum = 0;
  double squares = 0;
  std::uint64_t present = 0;  // values, or entries
  std::uint64_t missing = 0;  // of those, how many were filled in; of all parts
  float origin = 0;  // the first value, so that little is lost when values are large and close; bytes, sparse: 0
  float least = 0;
  float most = 0;
  std::uint32_t reserved = 0;
};

// The length of the blocks that samples are sealed in: who touches one sample pays for its block, and a file is opened
// at the price of 32 bytes a block. The digest of a data set is made of the same blocks.
inline constexpr std::size_t kBlockBytes = std::size_t{1} << 16;

// Tells on first touch whether bytes that came from a file are the bytes that were written.
class Seals {
 public:
  virtual ~Seals() = default;
  // Of Samples::rows. Throws UserError naming the file and the place of the damage. Thread-safe; costs next to nothing
  // for blocks that were seen before.
  virtual void check(std::size_t first_byte, std::size_t bytes) const = 0;
  // That these bytes will be checked soon: what was not seen before is asked for from the disk, without waiting.
  virtual void expect(std::size_t first_byte, std::size_t bytes) const = 0;
  // SHA-256 over the SHA-256 of every block of the rows, without touching the rows.
  virtual std::string rows_digest() const = 0;
};

struct Samples {
  Shape shape;
  std::size_t classes = 0;
  Values values = Values::kBytes;
  bool sparse = false;
  std::span<const std::byte> rows;                // row after row of bytes, of floats or, when sparse, of entries
  std::span<const std::uint64_t> row_starts;      // sparse: where a row's entries begin, and the end of the last row's
  std::span<const std::uint32_t> labels;          // all below `classes`
  std::span<const FeatureStatistics> statistics;  // of the training part; empty if they were not taken
  std::vector<std::string> class_names;           // empty: the classes are numbers
  std::shared_ptr<const Seals> seals;             // null: memory of our own
  std::shared_ptr<const void> owner;              // of what the spans show

  std::size_t size() const { return labels.size(); }
  // The bytes of `rows` that a sample takes.
  std::size_t first_byte(std::size_t sample) const;
};

// Samples in memory of their own, checked: labels.size() samples of shape.size() values, channels first, rows before
// columns; or, sparse, as CSR with row_starts.front() == 0 and row_starts.back() == entries.size().
std::shared_ptr<const Samples> samples_of(Shape shape, std::size_t classes, std::vector<std::uint8_t> values,
                                          std::vector<std::uint32_t> labels);
std::shared_ptr<const Samples> samples_of(Shape shape, std::size_t classes, std::vector<float> values,
                                          std::vector<std::uint32_t> labels);
std::shared_ptr<const Samples> samples_of(std::size_t features, std::size_t classes,
                                          std::vector<std::uint64_t> row_starts, std::vector<Entry> entries,
                                          std::vector<std::uint32_t> labels);

}  // namespace psctl::data
