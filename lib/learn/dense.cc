#include "learn/dense.h"

#include <algorithm>
#include <cmath>

#include "base/clones.h"
#include "learn/products.h"

namespace psctl::learn {
namespace {

PSCTL_CLONES void add_bias(float* __restrict out, const float* __restrict bias, std::size_t rows, std::size_t width) {
  for (std::size_t row = 0; row < rows; ++row, out += width) {
    for (std::size_t i = 0; i < width; ++i) out[i] += bias[i];
  }
}

// Written so that a NaN passes: a model that has diverged must show it.
PSCTL_CLONES void add_bias_and_rectify(float* __restrict out, const float* __restrict bias, std::size_t rows,
                                       std::size_t width) {
  for (std::size_t row = 0; row < rows; ++row, out += width) {
    for (std::size_t i = 0; i < width; ++i) {
      const float value = out[i] + bias[i];
      out[i] = value < 0 ? 0 : value;
    }
  }
}

PSCTL_CLONES void sum_rows(const float* __restrict values, float* __restrict sums, std::size_t rows,
                           std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) sums[i] = 0;
  for (std::size_t row = 0; row < rows; ++row, values += width) {
    for (std::size_t i = 0; i < width; ++i) sums[i] += values[i];
  }
}

// Lets the gradient pass where the output is positive, and sums what passes.
PSCTL_CLONES void mask_and_sum_rows(float* __restrict gradient, const float* __restrict out, float* __restrict sums,
                                    std::size_t rows, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) sums[i] = 0;
  for (std::size_t row = 0; row < rows; ++row, gradient += width, out += width) {
    for (std::size_t i = 0; i < width; ++i) {
      gradient[i] = out[i] > 0 ? gradient[i] : 0;
      sums[i] += gradient[i];
    }
  }
}

}  // namespace

void Dense::forward(const float* parameters, const float* in, std::size_t samples, float* out) const {
  multiply_by_transposed(samples, outputs_, inputs_, in, parameters, out);
  (activation_ == Activation::kRelu ? add_bias_and_rectify : add_bias)(out, parameters + weights(), samples, outputs_);
}

void Dense::backward(const float* parameters, const float* in, const float* out, std::size_t samples,
                     float* out_gradient, float* gradient, float* in_gradient) const {
  if (activation_ == Activation::kRelu) {
    mask_and_sum_rows(out_gradient, out, gradient + weights(), samples, outputs_);
  } else {
    sum_rows(out_gradient, gradient + weights(), samples, outputs_);
  }
  multiply_transposed(outputs_, inputs_, samples, out_gradient, in, gradient);
  if (in_gradient != nullptr) multiply(samples, inputs_, outputs_, out_gradient, parameters, in_gradient);
}

double softmax_cross_entropy(float* outputs, std::size_t classes, std::span<const std::uint32_t> labels, float scale) {
  double loss = 0;
  for (const std::uint32_t label : labels) {
    const float largest = *std::max_element(outputs, outputs + classes);
    const float labelled = outputs[label] - largest;
    float sum = 0;
    for (std::size_t i = 0; i < classes; ++i) {
      outputs[i] = std::exp(outputs[i] - largest);
      sum += outputs[i];
    }
    loss += static_cast<double>(std::log(sum) - labelled);
    for (std::size_t i = 0; i < classes; ++i) outputs[i] *= scale / sum;
    outputs[label] -= scale;
    outputs += classes;
  }
  return loss;
}

Hits score(const float* outputs, std::size_t classes, std::span<const std::uint32_t> labels) {
  Hits hits;
  for (const std::uint32_t label : labels) {
    const float labelled = outputs[label];
    const float largest = *std::max_element(outputs, outputs + classes);
    float sum = 0;
    bool found = true;  // equal outputs count for the first of them, and a NaN for nobody
    for (std::size_t i = 0; i < classes; ++i) {
      sum += std::exp(outputs[i] - largest);
      found = found && (i == label || labelled > outputs[i] || (labelled == outputs[i] && label < i));
    }
    hits.loss += static_cast<double>(std::log(sum) - (labelled - largest));
    hits.correct += found ? 1 : 0;
    outputs += classes;
  }
  return hits;
}

}  // namespace psctl::learn
