#include "data/dataset.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <utility>

#include "base/clones.h"
#include "base/error.h"
#include "base/sha256.h"

namespace psctl::data {
namespace {

// Rounds after the product and after the sum, so every clone writes the same bits.
PSCTL_CLONES
void transform_values(const std::uint8_t* __restrict raw, std::size_t count, float scale, float shift,
                      float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scale * static_cast<float>(raw[i]) + shift;
}

// Samples come in an order that the CPU cannot foresee; asked for two samples ahead they are there in time.
constexpr std::size_t kAhead = 2;
constexpr std::size_t kCacheLine = 64;

void prefetch(const std::uint8_t* begin, std::size_t count) {
  for (std::size_t offset = 0; offset < count; offset += kCacheLine) __builtin_prefetch(begin + offset);
}

}  // namespace

Dataset::Dataset(Shape shape, std::size_t classes, std::vector<std::uint8_t> pixels, std::vector<std::uint32_t> labels)
    : shape_(shape), classes_(classes), pixels_(std::move(pixels)), labels_(std::move(labels)) {
  PSCTL_CHECK(pixels_.size() == labels_.size() * shape_.size());
  PSCTL_CHECK(std::ranges::all_of(labels_, [&](std::uint32_t label) { return label < classes_; }));
}

void Dataset::gather(std::span<const std::uint32_t> samples, float* out) const {
  const std::size_t width = shape_.size();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::uint32_t sample = samples[i];
    PSCTL_CHECK(sample < size());
    if (i + kAhead < samples.size() && samples[i + kAhead] < size()) {
      prefetch(pixels_.data() + samples[i + kAhead] * width, width);
    }
    transform_values(pixels_.data() + sample * width, width, transform_.scale, transform_.shift, out);
    out += width;
  }
}

std::string Dataset::digest() const {
  static_assert(std::endian::native == std::endian::little, "digests are of little-endian bytes");
  Sha256 hash;
  const std::uint64_t sizes[] = {shape_.channels, shape_.height, shape_.width, classes_, size()};
  const float transform[] = {transform_.scale, transform_.shift};
  hash.add(std::as_bytes(std::span(sizes)));
  hash.add(std::as_bytes(std::span(pixels_)));
  hash.add(std::as_bytes(std::span(labels_)));
  hash.add(std::as_bytes(std::span(transform)));
  return hash.finish();
}

}  // namespace psctl::data
