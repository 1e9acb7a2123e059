#include "data/augment.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/random.h"

namespace psctl::data {
namespace {

// Where the crop begins in the image, above and to the left of it if negative.
struct Change {
  std::ptrdiff_t down = 0, right = 0;
  bool mirrored = false;
};

Change draw(const AugmentConfig& config, Draws& draws) {
  Change change;
  const auto pad = static_cast<std::ptrdiff_t>(config.crop);
  if (config.crop > 0) {
    change.down = static_cast<std::ptrdiff_t>(draws.below(2 * config.crop + 1)) - pad;
    change.right = static_cast<std::ptrdiff_t>(draws.below(2 * config.crop + 1)) - pad;
  }
  if (config.flip == Flip::kHorizontal) change.mirrored = draws.below(2) == 1;
  return change;
}

template <class Value>
void change_image(const Change& change, const Shape& shape, const Value* from, Value* to) {
  const auto height = static_cast<std::ptrdiff_t>(shape.height), width = static_cast<std::ptrdiff_t>(shape.width);
  const std::ptrdiff_t first = std::clamp<std::ptrdiff_t>(-change.right, 0, width);
  const std::ptrdiff_t end = std::clamp<std::ptrdiff_t>(width - change.right, first, width);
  std::fill_n(to, shape.size(), Value{});
  for (std::size_t channel = 0; channel < shape.channels; ++channel, from += height * width, to += height * width) {
    for (std::ptrdiff_t row = 0; row < height; ++row) {
      const std::ptrdiff_t source = row + change.down;
      if (source < 0 || source >= height) continue;
      const Value* const begin = from + (source * width + change.right + first);
      if (change.mirrored) {
        std::reverse_copy(begin, begin + (end - first), to + row * width + (width - end));
      } else {
        std::copy_n(begin, end - first, to + row * width + first);
      }
    }
  }
}

template <class Value>
void change_all(const AugmentConfig& config, Draws& draws, Batch& batch) {
  const std::size_t size = batch.shape.size();
  std::vector<Value> image(size);
  auto* row = reinterpret_cast<Value*>(batch.rows.data());
  for (std::size_t sample = 0; sample < batch.size(); ++sample, row += size) {
    std::copy_n(row, size, image.data());
    change_image(draw(config, draws), batch.shape, image.data(), row);
  }
}

}  // namespace

void augment(const AugmentConfig& config, std::uint64_t seed, WorkerId worker, Step step, Batch& batch) {
  if (!config.any()) return;
  PSCTL_CHECK(!batch.sparse);
  Draws draws({.seed = seed, .purpose = Purpose::kAugmentation, .worker = worker.value, .step = step});
  if (batch.values == Values::kBytes) {
    change_all<std::uint8_t>(config, draws, batch);
  } else {
    change_all<float>(config, draws, batch);
  }
}

}  // namespace psctl::data
