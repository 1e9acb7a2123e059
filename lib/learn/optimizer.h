// The rules that turn a gradient into a step: at the server for gradient workers, at the worker for local ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "learn/config.h"
#include "learn/push.h"
#include "learn/tensor.h"

namespace psctl::learn {

// The optimizer of `parameters` floats, with its state. Works element by element: a model cut into shards gets the same
// bits as a whole one.
class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, std::size_t parameters);

  // Once before the blocks of a step.
  void begin_step(double learning_rate);
  // out = model moved by the gradient, for the floats from `begin` on; weight_decay * model is added to `gradient`
  // first, in place. `out` may be `model`.
  void step(std::size_t begin, std::span<const float> model, std::span<float> gradient, std::span<float> out);
  // Whether a parameter whose gradient is 0 stays as it is: plain SGD.
  bool leaves_untouched_alone() const;
  // The same step as above for the parameters of `touched` alone, where it leaves the others alone: their gradients are
  // in `gradient`, of all parameters, and their values in `touched` mean nothing here.
  void step(std::span<const Coordinate> touched, std::span<const float> model, std::span<const float> gradient,
            std::span<float> out) const;
  // The state of the beginning.
  void reset();

 private:
  OptimizerConfig config_;
  std::vector<Tensor> state_;  // velocity, or moments
  std::uint64_t steps_ = 0;    // Adam's bias correction counts them
  float rate_ = 0;             // of this step; adam: over the bias correction of the first moment
  float root_ = 1;             // adam: of the bias correction of the second moment
};

}  // namespace psctl::learn
