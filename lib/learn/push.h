// What a worker pushes: a value for every parameter of a server's range or, of sparse samples, for those parameters
// alone that they touched. Both are the same gradient: what is not there is 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "learn/config.h"
#include "learn/tensor.h"
#include "sync/strategy.h"

namespace psctl::learn {

// One parameter that is touched. As it goes over the wire: 8 bytes, little-endian.
struct Coordinate {
  std::uint32_t index = 0;
  float value = 0;
  friend bool operator==(const Coordinate&, const Coordinate&) = default;
};
static_assert(sizeof(Coordinate) == 8);
// Indices ascend; none comes twice.
using Coordinates = std::vector<Coordinate>;

// One of the two, or none: an empty push.
struct Push {
  Push(std::nullptr_t = nullptr) {}                                          // NOLINT(google-explicit-constructor)
  Push(std::shared_ptr<Tensor> tensor) : dense(std::move(tensor)) {}         // NOLINT(google-explicit-constructor)
  Push(std::shared_ptr<Coordinates> list) : coordinates(std::move(list)) {}  // NOLINT(google-explicit-constructor)
  explicit operator bool() const { return dense || coordinates; }
  std::size_t bytes() const;  // that it takes on the wire

  std::shared_ptr<Tensor> dense;
  std::shared_ptr<Coordinates> coordinates;
};

// The coordinates of one range of the parameters; their indices stay as they are.
std::span<const Coordinate> within(std::span<const Coordinate> coordinates, std::size_t begin, std::size_t size);
// The same gradient with every parameter.
void spread(std::span<const Coordinate> coordinates, std::span<float> dense);

// Why the pushes of a run on sparse samples carry every parameter, as the configuration's key and a reason; empty: they
// carry coordinates wherever those are smaller.
std::string why_dense(const ModelConfig& model, const OptimizerConfig& optimizer, sync::Traits::Kind kind);
// Whether this many coordinates take fewer bytes than this many parameters.
constexpr bool smaller_than_dense(std::size_t coordinates, std::size_t parameters) {
  return coordinates * sizeof(Coordinate) < parameters * sizeof(float);
}

}  // namespace psctl::learn
