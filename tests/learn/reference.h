// The same networks in double precision, written for nothing but clarity: what the fast ones are compared with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "learn/config.h"
#include "support/batches.h"

namespace psctl::reference {

class Network {
 public:
  Network(learn::ModelConfig config, data::Shape input, std::size_t classes)
      : config_(std::move(config)), input_(input), classes_(classes) {}

  // Mean cross-entropy over `samples`.
  double loss(std::span<const double> parameters, const data::Dataset& dataset,
              std::span<const std::uint32_t> samples) const {
    double sum = 0;
    for (const std::uint32_t sample : samples) {
      const std::vector<double> outputs = forward(parameters, values(dataset, sample));
      const double largest = *std::ranges::max_element(outputs);
      double exponentials = 0;
      for (const double output : outputs) exponentials += std::exp(output - largest);
      sum += std::log(exponentials) - (outputs[dataset.labels()[sample]] - largest);
    }
    return sum / static_cast<double>(samples.size());
  }

  double accuracy(std::span<const double> parameters, const data::Dataset& dataset) const {
    std::size_t correct = 0;
    for (std::uint32_t sample = 0; sample < dataset.size(); ++sample) {
      const std::vector<double> outputs = forward(parameters, values(dataset, sample));
      const auto largest = std::ranges::max_element(outputs) - outputs.begin();
      correct += static_cast<std::uint32_t>(largest) == dataset.labels()[sample] ? 1 : 0;
    }
    return static_cast<double>(correct) / static_cast<double>(dataset.size());
  }

  // Central differences.
  std::vector<double> gradient(std::vector<double> parameters, const data::Dataset& dataset,
                               std::span<const std::uint32_t> samples) const {
    constexpr double kStep = 1e-6;
    std::vector<double> slopes;
    for (double& parameter : parameters) {
      const double at = parameter;
      parameter = at + kStep;
      const double above = loss(parameters, dataset, samples);
      parameter = at - kStep;
      const double below = loss(parameters, dataset, samples);
      parameter = at;
      slopes.push_back((above - below) / (2 * kStep));
    }
    return slopes;
  }

 private:
  static std::vector<double> values(const data::Dataset& dataset, std::uint32_t sample) {
    const std::vector<float> row = test::values_of(dataset, {&sample, 1});
    return {row.begin(), row.end()};
  }

  std::vector<double> forward(std::span<const double> parameters, std::vector<double> values) const {
    data::Shape shape = input_;
    for (const learn::ConvConfig& layer : config_.conv) {
      values = convolve(parameters, layer, shape, values);
    }
    for (const std::size_t width : config_.hidden) {
      values = dense(parameters, width, values);
      for (double& value : values) value = std::max(value, 0.0);
    }
    return dense(parameters, classes_, values);
  }

  // Takes its parameters from the front of `parameters`.
  static std::vector<double> dense(std::span<const double>& parameters, std::size_t width,
                                   const std::vector<double>& in) {
    std::vector<double> out(width);
    const std::span<const double> biases = parameters.subspan(width * in.size(), width);
    for (std::size_t o = 0; o < width; ++o) {
      out[o] = biases[o];
      for (std::size_t i = 0; i < in.size(); ++i) out[o] += parameters[o * in.size() + i] * in[i];
    }
    parameters = parameters.subspan(width * (in.size() + 1));
    return out;
  }

  static std::vector<double> convolve(std::span<const double>& parameters, const learn::ConvConfig& layer,
                                      data::Shape& shape, const std::vector<double>& in) {
    const std::size_t kernel = layer.kernel;
    const data::Shape full{.channels = layer.filters,
                           .height = shape.height + 2 * layer.padding - kernel + 1,
                           .width = shape.width + 2 * layer.padding - kernel + 1};
    const data::Shape pooled{
        .channels = layer.filters, .height = full.height / layer.pool, .width = full.width / layer.pool};
    const std::span<const double> biases = parameters.subspan(layer.filters * shape.channels * kernel * kernel);
    const auto at = [&](std::size_t c, std::size_t y, std::size_t x) {
      if (y < layer.padding || y - layer.padding >= shape.height) return 0.0;
      if (x < layer.padding || x - layer.padding >= shape.width) return 0.0;
      return in[(c * shape.height + y - layer.padding) * shape.width + x - layer.padding];
    };
    std::vector<double> out(pooled.size(), 0.0);  // at least 0: ReLU
    for (std::size_t f = 0; f < layer.filters; ++f) {
      for (std::size_t y = 0; y < full.height; ++y) {
        for (std::size_t x = 0; x < full.width; ++x) {
          double sum = biases[f];
          for (std::size_t c = 0; c < shape.channels; ++c) {
            for (std::size_t ky = 0; ky < kernel; ++ky) {
              for (std::size_t kx = 0; kx < kernel; ++kx) {
                sum += parameters[((f * shape.channels + c) * kernel + ky) * kernel + kx] * at(c, y + ky, x + kx);
              }
            }
          }
          double& field = out[(f * pooled.height + y / layer.pool) * pooled.width + x / layer.pool];
          field = std::max(field, sum);
        }
      }
    }
    parameters = parameters.subspan(layer.filters * (shape.channels * kernel * kernel + 1));
    shape = pooled;
    return out;
  }

  learn::ModelConfig config_;
  data::Shape input_;
  std::size_t classes_;
};

}  // namespace psctl::reference
