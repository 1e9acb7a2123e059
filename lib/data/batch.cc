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

}  // namespace

void Batch::write_values(std::size_t first, std::size_t count, float* out) const {
  PSCTL_CHECK(first <= size() && count <= size() - first);
  const std::size_t width = shape.size();
  const auto [scale, shift] = transform;
  if (sparse) {
    std::fill_n(out, count * width, 0.0F);
    for (std::size_t sample = first; sample < first + count; ++sample, out += width) {
      for (std::size_t i = entries.row_starts[sample]; i < entries.row_starts[sample + 1]; ++i) {
        out[entries.entries[i].index] = entries.entries[i].value;
      }
    }
  } else if (values == Values::kBytes) {
    transform_values(reinterpret_cast<const std::uint8_t*>(rows.data()) + first * width, count * width, scale, shift,
                     out);
  } else {
    transform_values(reinterpret_cast<const float*>(rows.data()) + first * width, count * width, scale, shift, out);
  }
}

}  // namespace psctl::data
