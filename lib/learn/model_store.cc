#include "learn/model_store.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <numbers>
#include <utility>

#include "base/clones.h"
#include "base/error.h"

namespace psctl::learn {
namespace {

// The loops of an update. All work element by element, so that a model cut into shards gets the same bits.

// Floats of a block: the summed gradient and what the optimizer reads and writes with it stay in the first cache.
constexpr std::size_t kBlock = 2048;

PSCTL_CLONES void scale(float* __restrict sum, const float* __restrict push, float weight, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) sum[i] = weight * push[i];
}

PSCTL_CLONES void add(float* __restrict sum, const float* __restrict push, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) sum[i] += push[i];
}

PSCTL_CLONES void add_scaled(float* __restrict sum, const float* __restrict push, float weight, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) sum[i] += weight * push[i];
}

PSCTL_CLONES void sgd(float* __restrict out, const float* __restrict model, const float* __restrict gradient,
                      float rate, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out[i] = model[i] - rate * gradient[i];
}

// Polyak's heavy ball, with the rate outside the velocity as in Sutskever et al., ICML 2013, and torch.optim.SGD.
PSCTL_CLONES void momentum(float* __restrict out, const float* __restrict model, const float* __restrict gradient,
                           float* __restrict velocity, float rate, float decay, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    velocity[i] = decay * velocity[i] + gradient[i];
    out[i] = model[i] - rate * velocity[i];
  }
}

// Nesterov's method in the form that looks ahead from the current weights (torch.optim.SGD, nesterov=True).
PSCTL_CLONES void nesterov(float* __restrict out, const float* __restrict model, const float* __restrict gradient,
                           float* __restrict velocity, float rate, float decay, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    velocity[i] = decay * velocity[i] + gradient[i];
    out[i] = model[i] - rate * (gradient[i] + decay * velocity[i]);
  }
}

// Duchi, Hazan, Singer, JMLR 2011, the diagonal form; epsilon outside the root.
PSCTL_CLONES void adagrad(float* __restrict out, const float* __restrict model, const float* __restrict gradient,
                          float* __restrict squares, float rate, float epsilon, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    squares[i] += gradient[i] * gradient[i];
    out[i] = model[i] - rate * gradient[i] / (std::sqrt(squares[i]) + epsilon);
  }
}

struct AdamStep {
  float rate;  // over the bias correction of the first moment
  float beta1, beta2;
  float rest1, rest2;  // 1 - beta
  float root;          // of the bias correction of the second moment
  float epsilon;
};

// Kingma, Ba, ICLR 2015, algorithm 1.
PSCTL_CLONES void adam(float* __restrict out, const float* __restrict model, const float* __restrict gradient,
                       float* __restrict first, float* __restrict second, const AdamStep& step, std::size_t size) {
  const AdamStep s = step;
  for (std::size_t i = 0; i < size; ++i) {
    first[i] = s.beta1 * first[i] + s.rest1 * gradient[i];
    second[i] = s.beta2 * second[i] + s.rest2 * (gradient[i] * gradient[i]);
    out[i] = model[i] - s.rate * first[i] / (std::sqrt(second[i]) / s.root + s.epsilon);
  }
}

AdamStep adam_step(const OptimizerConfig& config, double rate, std::uint64_t updates) {
  const auto count = static_cast<double>(updates);
  return {.rate = static_cast<float>(rate / (1 - std::pow(config.beta1, count))),
          .beta1 = static_cast<float>(config.beta1),
          .beta2 = static_cast<float>(config.beta2),
          .rest1 = static_cast<float>(1 - config.beta1),
          .rest2 = static_cast<float>(1 - config.beta2),
          .root = static_cast<float>(std::sqrt(1 - std::pow(config.beta2, count))),
          .epsilon = static_cast<float>(config.epsilon)};
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

double decayed(const ScheduleConfig& schedule, double epoch) {
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      return 1;
    case ScheduleKind::kStep:
      return std::pow(schedule.factor, std::floor(epoch / schedule.every_epochs));
    case ScheduleKind::kExponential:
      return std::pow(schedule.factor, epoch);
    case ScheduleKind::kCosine:
      return (1 + std::cos(std::numbers::pi * std::min(1.0, epoch / schedule.epochs))) / 2;
  }
  PSCTL_CHECK(false, "unknown schedule");
}

}  // namespace

double scheduled_rate(const OptimizerConfig& config, double epoch) {
  const double warmup = config.schedule.warmup_epochs;
  const double risen = epoch < warmup ? epoch / warmup : 1;
  return config.learning_rate * risen * decayed(config.schedule, epoch);
}

Range shard(std::size_t parameters, std::size_t servers, std::size_t rank) {
  PSCTL_CHECK(rank < servers);
  constexpr std::size_t kGrain = 16;
  const std::size_t grains = (parameters + kGrain - 1) / kGrain;
  const auto cut = [&](std::size_t at) { return std::min(parameters, grains * at / servers * kGrain); };
  return {.begin = cut(rank), .size = cut(rank + 1) - cut(rank)};
}

ModelStore::ModelStore(const OptimizerConfig& config, std::span<const float> initial, sync::Traits::Kind kind)
    : config_(config), kind_(kind), pool_(initial.size()) {
  const std::shared_ptr<Tensor> model = pool_.take();
  std::ranges::copy(initial, model->data());
  model_ = model;
  for (std::size_t i = 0; i < states_of(config.kind); ++i) {
    std::ranges::fill(state_.emplace_back(initial.size()).values(), 0.0F);
  }
}

void ModelStore::accept(PushId push, WorkerId, std::shared_ptr<Tensor> tensor) {
  PSCTL_CHECK(!tensor || tensor->size() == pool_.tensor_size(),
              fmt::format("push {} has {} floats, this range {}", push.value, tensor->size(), pool_.tensor_size()));
  PSCTL_CHECK(pending_.emplace(push, std::move(tensor)).second, fmt::format("push {} came twice", push.value));
}

void ModelStore::released(WorkerId) {}

void ModelStore::check_pending(PushId push) const {
  PSCTL_CHECK(pending_.contains(push), fmt::format("push {} is not pending", push.value));
}

std::shared_ptr<Tensor> ModelStore::take_pending(PushId push) {
  check_pending(push);
  return std::move(pending_.extract(push).mapped());
}

void ModelStore::merge(PushId into, PushId from) {
  PSCTL_CHECK(into != from);
  check_pending(into);
  const std::shared_ptr<Tensor> source = take_pending(from);
  if (!source) return;
  std::shared_ptr<Tensor>& target = pending_.at(into);
  if (!target) {
    target = source;
  } else {
    add(target->data(), source->data(), source->size());
  }
}

void ModelStore::discard(PushId push) { take_pending(push); }

void ModelStore::apply(std::span<const sync::Share> shares, double learning_rate, bool) {
  for (const sync::Share& share : shares) check_pending(share.push);
  ++version_;
  if (shares.empty()) return;
  ++updates_;

  struct Addend {
    std::shared_ptr<Tensor> push;
    float weight;
  };
  std::vector<Addend> addends;
  for (const sync::Share& share : shares) {
    std::shared_ptr<Tensor> push = take_pending(share.push);
    if (push) addends.push_back({std::move(push), static_cast<float>(share.weight)});
  }

  const std::size_t size = pool_.tensor_size();
  const std::shared_ptr<Tensor> out = pool_.take();
  const auto rate = static_cast<float>(learning_rate);
  const auto decay = static_cast<float>(config_.momentum);
  const auto weight_decay = static_cast<float>(config_.weight_decay);
  const AdamStep adam_constants = adam_step(config_, learning_rate, updates_);
  alignas(64) std::array<float, kBlock> gradient;

  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::size_t count = std::min(kBlock, size - begin);
    const float* const model = model_->data() + begin;
    float* const target = out->data() + begin;
    float* const sum = gradient.data();
    if (addends.empty()) std::fill_n(sum, count, 0.0F);
    for (std::size_t i = 0; i < addends.size(); ++i) {
      const float* const push = addends[i].push->data() + begin;
      (i == 0 ? scale : add_scaled)(sum, push, addends[i].weight, count);
    }
    if (weight_decay != 0) add_scaled(sum, model, weight_decay, count);
    const auto state = [&](std::size_t index) { return state_[index].data() + begin; };
    switch (config_.kind) {
      case OptimizerKind::kSgd:
        sgd(target, model, sum, rate, count);
        break;
      case OptimizerKind::kMomentum:
        momentum(target, model, sum, state(0), rate, decay, count);
        break;
      case OptimizerKind::kNesterov:
        nesterov(target, model, sum, state(0), rate, decay, count);
        break;
      case OptimizerKind::kAdaGrad:
        adagrad(target, model, sum, state(0), rate, static_cast<float>(config_.epsilon), count);
        break;
      case OptimizerKind::kAdam:
        adam(target, model, sum, state(0), state(1), adam_constants, count);
        break;
    }
  }
  model_ = out;
}

}  // namespace psctl::learn
