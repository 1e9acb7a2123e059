// Convolutions computed directly, without lowering them to matrix products: sixteen samples lie interleaved, so that
// every vector instruction works on the same pixel of sixteen samples. Then no border, stride or narrow layer leaves
// lanes empty, an input is read from cache as it is instead of being copied kernel x kernel times (which costs more
// than the arithmetic when there are few filters), and bias, ReLU and pooling are done while a row is still in cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "learn/config.h"
#include "learn/tensor.h"

namespace psctl::learn {

// Samples that are interleaved: value i of sample s is at i * kLanes + s.
inline constexpr std::size_t kLanes = 16;

// Channels x height x width values of kLanes samples each, within a border of zeros.
class Planes {
 public:
  // Keeps the memory when nothing changes; else all is zero.
  void reshape(data::Shape shape, std::size_t border);
  std::size_t border() const { return border_; }
  std::size_t row_stride() const { return (shape_.width + 2 * border_) * kLanes; }
  std::size_t plane_stride() const { return (shape_.height + 2 * border_) * row_stride(); }
  float* begin() { return values_->data(); }  // of the border
  const float* begin() const { return values_->data(); }
  float* row(std::size_t channel, std::size_t y) { return begin() + offset(channel, y); }  // inside the border
  const float* row(std::size_t channel, std::size_t y) const { return begin() + offset(channel, y); }

  // One row of values a sample, as data::Dataset::gather writes them. At most kLanes rows; missing ones are zero.
  void interleave(const float* rows, std::size_t count);
  void separate(float* rows, std::size_t count) const;

 private:
  std::size_t offset(std::size_t channel, std::size_t y) const {
    return channel * plane_stride() + (y + border_) * row_stride() + border_ * kLanes;
  }
  data::Shape shape_{.channels = 0, .height = 0, .width = 0};
  std::size_t border_ = 0;
  std::optional<Tensor> values_;
};

// One convolution with ReLU and max pooling. Parameters: weights, filters x channels x kernel x kernel, then biases.
class Convolution {
 public:
  // Throws UserError if it does not fit `input`; `index` is its place in model.conv.
  Convolution(const ConvConfig& config, data::Shape input, std::size_t index);

  data::Shape input() const { return input_; }
  data::Shape output() const { return output_; }
  std::size_t border() const { return config_.padding; }  // that `in` must have
  std::size_t fan_in() const { return input_.channels * config_.kernel * config_.kernel; }
  std::size_t weights() const { return config_.filters * fan_in(); }
  std::size_t parameters() const { return weights() + config_.filters; }
  std::string description() const;  // "6@5x5 padding 2 pool 2"

  // Weights in the order in which the loops read them; shared by all blocks of a batch.
  struct Packed {
    std::vector<float> forward;
    std::vector<float> backward;
  };
  void pack(const float* parameters, Packed& packed) const;

  // Scratch of one task.
  struct Scratch {
    std::optional<Tensor> rows;
    std::optional<Tensor> sums;
    Planes gradient;
  };
  // What forward() leaves for backward(): which value of each pooling field went on, if any.
  using Winners = std::vector<std::uint8_t>;

  void forward(const float* parameters, const Packed& packed, const Planes& in, Planes& out, Winners& winners,
               Scratch& scratch) const;
  // From the loss's gradient with respect to the output (no border) to those with respect to the parameters, which is
  // added to `gradient`, and, unless null, to the input (no border).
  void backward(const Packed& packed, const Planes& in, const Winners& winners, const Planes& out_gradient,
                float* gradient, Planes* in_gradient, Scratch& scratch) const;

 private:
  ConvConfig config_;
  data::Shape input_;
  data::Shape full_;  // before pooling
  data::Shape output_;
};

}  // namespace psctl::learn
