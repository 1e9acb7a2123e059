#include "data/dataset.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"

// Sanitizers and other compilers do without: the resolver that picks a clone runs before they are set up.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define PSCTL_FOR_EVERY_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PSCTL_FOR_EVERY_CPU
#endif

namespace psctl::data {
namespace {

// Rounds after the product and after the sum, so every clone writes the same bits.
PSCTL_FOR_EVERY_CPU
void transform_values(const std::uint8_t* __restrict raw, std::size_t count, float scale, float shift,
                      float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scale * static_cast<float>(raw[i]) + shift;
}

}  // namespace

Dataset::Dataset(Shape shape, std::size_t classes, std::vector<std::uint8_t> pixels, std::vector<std::uint32_t> labels)
    : shape_(shape), classes_(classes), pixels_(std::move(pixels)), labels_(std::move(labels)) {
  PSCTL_CHECK(pixels_.size() == labels_.size() * shape_.size());
  PSCTL_CHECK(std::ranges::all_of(labels_, [&](std::uint32_t label) { return label < classes_; }));
}

void Dataset::gather(std::span<const std::uint32_t> samples, float* out) const {
  const std::size_t width = shape_.size();
  for (const std::uint32_t sample : samples) {
    PSCTL_CHECK(sample < size());
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
