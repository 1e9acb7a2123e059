#include "data/batch.h"

#include <algorithm>

#include "base/clones.h"
#include "base/error.h"

namespace psctl::data {
namespace {

// Rounds after the product and after the sum, so every clone writes the same bits.
PSCTL_CLONES
void transform_values(const std::uint8_t* __restrict raw, std::size_t count, float scale, float shift,
                      float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scale * static_cast<float>(raw[i]) + shift;
}

PSCTL_CLONES
void transform_values(const float* __restrict raw, std::size_t count, float scale, float shift, float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scale * raw[i] + shift;
}

PSCTL_CLONES
void transform_values(const std::uint8_t* __restrict raw, std::size_t count, const float* __restrict scale,
                      const float* __restrict center, float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scale[i] * (static_cast<float>(raw[i]) - center[i]);
}

PSCTL_CLONES
void transform_values(const float* __restrict raw, std::size_t count, const float* __restrict scale,
                      const float* __restrict center, float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scale[i] * (raw[i] - center[i]);
}

template <class Value>
void transform_rows(const Value* raw, std::size_t count, std::size_t width, const Transform& transform, float* out) {
  if (!transform.each) return transform_values(raw, count * width, transform.all.scale, transform.all.shift, out);
  for (std::size_t row = 0; row < count; ++row, raw += width, out += width) {
    transform_values(raw, width, transform.each->scale.data(), transform.each->center.data(), out);
  }
}

}  // namespace

void Batch::write_values(std::size_t first, std::size_t count, float* out) const {
  PSCTL_CHECK(first <= size() && count <= size() - first);
  const std::size_t width = shape.size();
  if (sparse) {
    std::fill_n(out, count * width, 0.0F);
    for (std::size_t sample = first; sample < first + count; ++sample, out += width) {
      for (std::size_t i = entries.row_starts[sample]; i < entries.row_starts[sample + 1]; ++i) {
        out[entries.entries[i].index] = entries.entries[i].value;
      }
    }
  } else if (values == Values::kBytes) {
    transform_rows(reinterpret_cast<const std::uint8_t*>(rows.data()) + first * width, count, width, transform, out);
  } else {
    transform_rows(reinterpret_cast<const float*>(rows.data()) + first * width, count, width, transform, out);
  }
}

}  // namespace psctl::data
