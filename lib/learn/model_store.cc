#include "learn/model_store.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
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

PSCTL_CLONES void moved(float* __restrict out, const float* __restrict model, const float* __restrict delta, float rate,
                        std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out[i] = model[i] + rate * delta[i];
}

}  // namespace

Range shard(std::size_t parameters, std::size_t servers, std::size_t rank) {
  PSCTL_CHECK(rank < servers);
  constexpr std::size_t kGrain = 16;
  const std::size_t grains = (parameters + kGrain - 1) / kGrain;
  const auto cut = [&](std::size_t at) { return std::min(parameters, grains * at / servers * kGrain); };
  return {.begin = cut(rank), .size = cut(rank + 1) - cut(rank)};
}

ModelStore::ModelStore(const OptimizerConfig& config, std::span<const float> initial, sync::Traits::Kind kind)
    : pool_(initial.size()) {
  const std::shared_ptr<Tensor> model = pool_.take();
  std::ranges::copy(initial, model->data());
  model_ = model;
  if (kind == sync::Traits::Kind::kGradient) optimizer_.emplace(config, initial.size());
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

void ModelStore::apply(std::span<const sync::Share> shares, double learning_rate, bool reset) {
  for (const sync::Share& share : shares) check_pending(share.push);
  ++version_;
  if (optimizer_ && reset) optimizer_->reset();
  if (shares.empty()) return;

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
  if (optimizer_) optimizer_->begin_step(learning_rate);
  alignas(64) std::array<float, kBlock> block;

  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::span<float> sum = std::span(block).first(std::min(kBlock, size - begin));
    const auto model = model_->values().subspan(begin, sum.size());
    const auto target = out->values().subspan(begin, sum.size());
    if (addends.empty()) std::ranges::fill(sum, 0.0F);
    for (std::size_t i = 0; i < addends.size(); ++i) {
      const float* const push = addends[i].push->data() + begin;
      (i == 0 ? scale : add_scaled)(sum.data(), push, addends[i].weight, sum.size());
    }
    if (optimizer_) {
      optimizer_->step(begin, model, sum, target);
    } else {
      moved(target.data(), model.data(), sum.data(), static_cast<float>(learning_rate), sum.size());
    }
  }
  model_ = out;
}

}  // namespace psctl::learn
