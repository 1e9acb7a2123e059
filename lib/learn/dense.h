// Fully connected layers and the loss, over a chunk of samples: one row a sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "learn/push.h"

namespace psctl::learn {

enum class Activation { kNone, kRelu };

// y = activation(W x + b). Parameters: W, outputs x inputs, then b.
class Dense {
 public:
  Dense(std::size_t inputs, std::size_t outputs, Activation activation)
      : inputs_(inputs), outputs_(outputs), activation_(activation) {}

  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }
  std::size_t weights() const { return outputs_ * inputs_; }
  std::size_t parameters() const { return weights() + outputs_; }

  // out[samples x outputs], from in[samples x inputs]
  void forward(const float* parameters, const float* in, std::size_t samples, float* out) const;
  // From the loss's gradient with respect to `out`, which is overwritten, to those with respect to the parameters and,
  // unless null, to `in`.
  void backward(const float* parameters, const float* in, const float* out, std::size_t samples, float* out_gradient,
                float* gradient, float* in_gradient) const;

  // The same of a layer without activation on all samples of a sparse batch; the cost follows the values that are
  // there, not the width. The gradient is of the parameters that they touch and of all biases. Products are summed in
  // the order of a sample's values, then of the samples.
  void forward(const float* parameters, const data::SparseBatch& in, float* out) const;
  struct Scratch {
    std::vector<std::uint64_t> order;   // of a batch's values: by feature, then by sample
    std::vector<std::uint32_t> sample;  // of each value
    std::vector<float> sums;            // of one feature
  };
  void backward(const data::SparseBatch& in, const float* out_gradient, Coordinates& gradient, Scratch& scratch) const;

 private:
  std::size_t inputs_;
  std::size_t outputs_;
  Activation activation_;
};

// The sum over the rows of `outputs`[labels.size() x classes] of the cross-entropy of their softmax. Outputs that are
// not finite give a sum that is not finite. Replaces each row by its gradient times `scale`.
double softmax_cross_entropy(float* outputs, std::size_t classes, std::span<const std::uint32_t> labels, float scale);

struct Hits {
  double loss = 0;          // summed
  std::size_t correct = 0;  // rows whose label has the largest output
};
// The same loss without a gradient, and how many labels were found.
Hits score(const float* outputs, std::size_t classes, std::span<const std::uint32_t> labels);

}  // namespace psctl::learn
