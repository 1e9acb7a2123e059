#include "learn/dense.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/clones.h"
#include "base/error.h"
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

void Dense::forward(const float* parameters, const data::SparseBatch& in, float* out) const {
  PSCTL_CHECK(activation_ == Activation::kNone);
  const std::size_t samples = in.row_starts.size() - 1;
  std::fill_n(out, samples * outputs_, 0.0F);
  for (std::size_t sample = 0; sample < samples; ++sample) {
    float* const sums = out + sample * outputs_;
    for (std::size_t at = in.row_starts[sample]; at < in.row_starts[sample + 1]; ++at) {
      const auto [feature, value] = in.entries[at];
      for (std::size_t i = 0; i < outputs_; ++i) sums[i] += parameters[i * inputs_ + feature] * value;
    }
  }
  add_bias(out, parameters + weights(), samples, outputs_);
}

void Dense::backward(const data::SparseBatch& in, const float* out_gradient, Coordinates& gradient,
                     Scratch& scratch) const {
  PSCTL_CHECK(activation_ == Activation::kNone && parameters() <= std::numeric_limits<std::uint32_t>::max());
  const std::size_t samples = in.row_starts.size() - 1, count = in.entries.size();
  auto& [order, sample_of, sums] = scratch;
  order.resize(count);
  sample_of.resize(count);
  sums.resize(outputs_);
  for (std::size_t sample = 0; sample < samples; ++sample) {
    for (std::size_t at = in.row_starts[sample]; at < in.row_starts[sample + 1]; ++at) {
      order[at] = std::uint64_t{in.entries[at].index} << 32 | at;
      sample_of[at] = static_cast<std::uint32_t>(sample);
    }
  }
  std::ranges::sort(order);
  const auto feature_of = [&](std::size_t i) { return static_cast<std::uint32_t>(order[i] >> 32); };
  std::size_t features = 0;
  for (std::size_t i = 0; i < count; ++i) features += i == 0 || feature_of(i) != feature_of(i - 1) ? 1 : 0;

  gradient.resize((features + 1) * outputs_);
  const auto index = [](std::size_t place) { return static_cast<std::uint32_t>(place); };
  for (std::size_t i = 0, number = 0; i < count; ++number) {
    const std::uint32_t feature = feature_of(i);
    std::ranges::fill(sums, 0.0F);
    for (; i < count && feature_of(i) == feature; ++i) {
      const std::size_t at = order[i] & 0xffffffff;
      const float value = in.entries[at].value;
      const float* const slopes = out_gradient + sample_of[at] * outputs_;
      for (std::size_t output = 0; output < outputs_; ++output) sums[output] += slopes[output] * value;
    }
    for (std::size_t output = 0; output < outputs_; ++output) {
      gradient[output * features + number] = {index(output * inputs_ + feature), sums[output]};
    }
  }
  sum_rows(out_gradient, sums.data(), samples, outputs_);
  for (std::size_t output = 0; output < outputs_; ++output) {
    gradient[outputs_ * features + output] = {index(weights() + output), sums[output]};
  }
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
