#include "learn/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/clones.h"
#include "base/error.h"

namespace psctl::learn {
namespace {

// The loops of a step. In none does an element depend on another, so `out` may be `model`.

PSCTL_CLONES void add_decay(float* __restrict gradient, const float* __restrict model, float weight_decay,
                            std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) gradient[i] += weight_decay * model[i];
}

PSCTL_CLONES void sgd(float* out, const float* model, const float* __restrict gradient, float rate, std::size_t size) {
#pragma GCC ivdep
  for (std::size_t i = 0; i < size; ++i) out[i] = model[i] - rate * gradient[i];
}

// Polyak's heavy ball, with the rate outside the velocity as in Sutskever et al., ICML 2013, and torch.optim.SGD.
PSCTL_CLONES void momentum(float* out, const float* model, const float* __restrict gradient, float* __restrict velocity,
                           float rate, float decay, std::size_t size) {
#pragma GCC ivdep
  for (std::size_t i = 0; i < size; ++i) {
    velocity[i] = decay * velocity[i] + gradient[i];
    out[i] = model[i] - rate * velocity[i];
  }
}

// Nesterov's method in the form that looks ahead from the current weights (torch.optim.SGD, nesterov=True).
PSCTL_CLONES void nesterov(float* out, const float* model, const float* __restrict gradient, float* __restrict velocity,
                           float rate, float decay, std::size_t size) {
#pragma GCC ivdep
  for (std::size_t i = 0; i < size; ++i) {
    velocity[i] = decay * velocity[i] + gradient[i];
    out[i] = model[i] - rate * (gradient[i] + decay * velocity[i]);
  }
}

// Duchi, Hazan, Singer, JMLR 2011, the diagonal form; epsilon outside the root.
PSCTL_CLONES void adagrad(float* out, const float* model, const float* __restrict gradient, float* __restrict squares,
                          float rate, float epsilon, std::size_t size) {
#pragma GCC ivdep
  for (std::size_t i = 0; i < size; ++i) {
    squares[i] += gradient[i] * gradient[i];
    out[i] = model[i] - rate * gradient[i] / (std::sqrt(squares[i]) + epsilon);
  }
}

struct AdamStep {
  float rate;
  float beta1, beta2;
  float rest1, rest2;  // 1 - beta
  float root;
  float epsilon;
};

// Kingma, Ba, ICLR 2015, algorithm 1.
PSCTL_CLONES void adam(float* out, const float* model, const float* __restrict gradient, float* __restrict first,
                       float* __restrict second, const AdamStep& step, std::size_t size) {
  const AdamStep s = step;
#pragma GCC ivdep
  for (std::size_t i = 0; i < size; ++i) {
    first[i] = s.beta1 * first[i] + s.rest1 * gradient[i];
    second[i] = s.beta2 * second[i] + s.rest2 * (gradient[i] * gradient[i]);
    out[i] = model[i] - s.rate * first[i] / (std::sqrt(second[i]) / s.root + s.epsilon);
  }
}

std::size_t states_of(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::kSgd:
      return 0;
    case OptimizerKind::kMomentum:
    case OptimizerKind::kNesterov:
    case OptimizerKind::kAdaGrad:
      return 1;
    case OptimizerKind::kAdam:
      return 2;
  }
  PSCTL_CHECK(false, "unknown optimizer");
}

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& config, std::size_t parameters) : config_(config) {
  for (std::size_t i = 0; i < states_of(config.kind); ++i) state_.emplace_back(parameters);
  reset();
}

void Optimizer::reset() {
  for (Tensor& state : state_) std::ranges::fill(state.values(), 0.0F);
  steps_ = 0;
}

bool Optimizer::leaves_untouched_alone() const {
  return config_.kind == OptimizerKind::kSgd && config_.weight_decay == 0;
}

void Optimizer::step(std::span<const Coordinate> touched, std::span<const float> model, std::span<const float> gradient,
                     std::span<float> out) const {
  PSCTL_CHECK(leaves_untouched_alone());
  for (const Coordinate& each : touched) out[each.index] = model[each.index] - rate_ * gradient[each.index];
}

void Optimizer::begin_step(double learning_rate) {
  ++steps_;
  if (config_.kind == OptimizerKind::kAdam) {
    const auto count = static_cast<double>(steps_);
    rate_ = static_cast<float>(learning_rate / (1 - std::pow(config_.beta1, count)));
    root_ = static_cast<float>(std::sqrt(1 - std::pow(config_.beta2, count)));
  } else {
    rate_ = static_cast<float>(learning_rate);
  }
}

void Optimizer::step(std::size_t begin, std::span<const float> model, std::span<float> gradient, std::span<float> out) {
  const std::size_t size = gradient.size();
  PSCTL_CHECK(model.size() == size && out.size() == size);
  const float* const from = model.data();
  float* const slope = gradient.data();
  if (config_.weight_decay != 0) add_decay(slope, from, static_cast<float>(config_.weight_decay), size);
  const auto state = [&](std::size_t index) { return state_[index].data() + begin; };
  const auto decay = static_cast<float>(config_.momentum);
  const auto epsilon = static_cast<float>(config_.epsilon);
  switch (config_.kind) {
    case OptimizerKind::kSgd:
      return sgd(out.data(), from, slope, rate_, size);
    case OptimizerKind::kMomentum:
      return momentum(out.data(), from, slope, state(0), rate_, decay, size);
    case OptimizerKind::kNesterov:
      return nesterov(out.data(), from, slope, state(0), rate_, decay, size);
    case OptimizerKind::kAdaGrad:
      return adagrad(out.data(), from, slope, state(0), rate_, epsilon, size);
    case OptimizerKind::kAdam:
      return adam(out.data(), from, slope, state(0), state(1),
                  {.rate = rate_,
                   .beta1 = static_cast<float>(config_.beta1),
                   .beta2 = static_cast<float>(config_.beta2),
                   .rest1 = static_cast<float>(1 - config_.beta1),
                   .rest2 = static_cast<float>(1 - config_.beta2),
                   .root = root_,
                   .epsilon = epsilon},
                  size);
  }
}

}  // namespace psctl::learn
