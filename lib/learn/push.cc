#include "learn/push.h"

#include <algorithm>

#include "base/error.h"

namespace psctl::learn {

std::size_t Push::bytes() const {
  if (coordinates) return coordinates->size() * sizeof(Coordinate);
  return dense ? dense->size() * sizeof(float) : 0;
}

std::span<const Coordinate> within(std::span<const Coordinate> coordinates, std::size_t begin, std::size_t size) {
  const auto first = std::ranges::lower_bound(coordinates, begin, {}, &Coordinate::index);
  const auto last = std::ranges::lower_bound(first, coordinates.end(), begin + size, {}, &Coordinate::index);
  return {first, last};
}

void spread(std::span<const Coordinate> coordinates, std::span<float> dense) {
  std::ranges::fill(dense, 0.0F);
  for (const Coordinate& each : coordinates) dense[each.index] = each.value;
}

std::string why_dense(const ModelConfig& model, const OptimizerConfig& optimizer, sync::Traits::Kind kind) {
  if (model.kind != ModelKind::kLogistic) return "model.kind: only logistic regression touches few parameters a step";
  if (kind == sync::Traits::Kind::kLocal) return "strategy: its workers push by how much their own models moved";
  if (optimizer.kind != OptimizerKind::kSgd)
    return "optimizer.kind: only sgd leaves alone what a gradient does not touch";
  if (optimizer.weight_decay != 0) return "optimizer.weight_decay: it moves every parameter";
  if (optimizer.staleness.kind == StalenessKind::kDc) {
    return "optimizer.staleness: dc goes through every parameter of every push";
  }
  return {};
}

}  // namespace psctl::learn
