#include "learn/model_store.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <utility>
#include <vector>

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

PSCTL_CLONES void add_scaled(float* __restrict sum, const float* __restrict push, float weight, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) sum[i] += weight * push[i];
}

PSCTL_CLONES void moved(float* __restrict out, const float* __restrict model, const float* __restrict delta, float rate,
                        std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out[i] = model[i] + rate * delta[i];
}

PSCTL_CLONES void compensate_constant(float* __restrict gradient, const float* __restrict model,
                                      const float* __restrict base, float lambda, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    gradient[i] += lambda * (gradient[i] * gradient[i]) * (model[i] - base[i]);
  }
}

PSCTL_CLONES void compensate_adaptively(float* __restrict gradient, float* __restrict squares,
                                        const float* __restrict model, const float* __restrict base, float lambda,
                                        float decay, float rest, std::size_t size) {
  constexpr float kEpsilon = 1e-7F;
  for (std::size_t i = 0; i < size; ++i) {
    const float square = gradient[i] * gradient[i];
    squares[i] = decay * squares[i] + rest * square;
    gradient[i] += lambda / (std::sqrt(squares[i]) + kEpsilon) * square * (model[i] - base[i]);
  }
}

// Where only one has a coordinate, it stays as it is: that is the sum with a 0.
Coordinates sum_of(std::span<const Coordinate> one, std::span<const Coordinate> other) {
  Coordinates sum;
  sum.reserve(one.size() + other.size());
  while (!one.empty() && !other.empty()) {
    if (one.front().index == other.front().index) {
      sum.push_back({one.front().index, one.front().value + other.front().value});
      one = one.subspan(1);
      other = other.subspan(1);
    } else {
      std::span<const Coordinate>& first = one.front().index < other.front().index ? one : other;
      sum.push_back(first.front());
      first = first.subspan(1);
    }
  }
  sum.insert(sum.end(), one.begin(), one.end());
  sum.insert(sum.end(), other.begin(), other.end());
  return sum;
}

}  // namespace

// Floats: a server holds whole cache lines.
constexpr std::size_t kGrain = 16;

std::size_t most_servers(std::size_t parameters) { return (parameters + kGrain - 1) / kGrain; }

Range shard(std::size_t parameters, std::size_t servers, std::size_t rank) {
  PSCTL_CHECK(rank < servers);
  const std::size_t grains = most_servers(parameters);
  const auto cut = [&](std::size_t at) { return std::min(parameters, grains * at / servers * kGrain); };
  return {.begin = cut(rank), .size = cut(rank + 1) - cut(rank)};
}

ModelStore::ModelStore(const OptimizerConfig& config, std::span<const float> initial, sync::Traits::Kind kind)
    : staleness_(config.staleness), pool_(initial.size()) {
  PSCTL_CHECK(kind == sync::Traits::Kind::kGradient || staleness_.kind != StalenessKind::kDc,
              "delay compensation is for gradients");
  const std::shared_ptr<Tensor> model = pool_.take();
  std::ranges::copy(initial, model->data());
  model_ = model;
  if (kind == sync::Traits::Kind::kGradient) optimizer_.emplace(config, initial.size());
}

bool ModelStore::takes_coordinates() const {
  return optimizer_ && optimizer_->leaves_untouched_alone() && staleness_.kind != StalenessKind::kDc;
}

void ModelStore::accept(PushId push, WorkerId worker, Push what) {
  const std::size_t size = pool_.tensor_size();
  if (what.coordinates) {
    PSCTL_CHECK(takes_coordinates(), fmt::format("push {} is of coordinates, where every push is dense", push.value));
    PSCTL_CHECK(what.coordinates->empty() || what.coordinates->back().index < size,
                fmt::format("push {} goes beyond the {} floats of this range", push.value, size));
  } else {
    PSCTL_CHECK(!what.dense || what.dense->size() == size,
                fmt::format("push {} has {} floats, this range {}", push.value, what.dense->size(), size));
  }
  Pending pending{.what = std::move(what), .worker = worker, .base = nullptr};
  if (staleness_.kind == StalenessKind::kDc && pending.what) {
    const auto backup = backups_.find(worker);
    PSCTL_CHECK(backup != backups_.end(), fmt::format("worker {} pushes but was never released", worker.value));
    pending.base = backup->second.model;
  }
  PSCTL_CHECK(pending_.emplace(push, std::move(pending)).second, fmt::format("push {} came twice", push.value));
}

void ModelStore::released(WorkerId worker) {
  if (staleness_.kind == StalenessKind::kDc) backups_[worker].model = model_;
}

void ModelStore::check_pending(PushId push) const {
  PSCTL_CHECK(pending_.contains(push), fmt::format("push {} is not pending", push.value));
}

ModelStore::Pending ModelStore::take_pending(PushId push) {
  check_pending(push);
  return std::move(pending_.extract(push).mapped());
}

void ModelStore::merge(PushId into, PushId from) {
  PSCTL_CHECK(into != from);
  PSCTL_CHECK(staleness_.kind != StalenessKind::kDc, "a merged push has no model that it was computed on");
  check_pending(into);
  Push source = take_pending(from).what;
  Push& target = pending_.at(into).what;
  if (!target) {
    target = std::move(source);
  } else if (target.coordinates && source.coordinates) {
    target.coordinates = std::make_shared<Coordinates>(sum_of(*target.coordinates, *source.coordinates));
  } else if (source) {
    if (target.coordinates) {
      std::shared_ptr<Tensor> dense = pool_.take();
      spread(*target.coordinates, dense->values());
      target = Push(std::move(dense));
    }
    if (source.coordinates) {
      for (const Coordinate& each : *source.coordinates) target.dense->data()[each.index] += each.value;
    } else {
      add(target.dense->data(), source.dense->data(), source.dense->size());
    }
  }
}

void ModelStore::discard(PushId push) { take_pending(push); }

void ModelStore::compensate(const Pending& push, std::size_t begin, std::span<const float> model,
                            std::span<float> gradient) {
  const float* const base = push.base->data() + begin;
  const auto lambda = static_cast<float>(dc_lambda(staleness_));
  if (staleness_.mode == DcMode::kConstant) {
    return compensate_constant(gradient.data(), model.data(), base, lambda, gradient.size());
  }
  std::optional<Tensor>& squares = backups_.at(push.worker).squares;
  if (!squares) {
    squares.emplace(pool_.tensor_size());
    std::ranges::fill(squares->values(), 0.0F);
  }
  const double decay = dc_decay(staleness_);
  compensate_adaptively(gradient.data(), squares->data() + begin, model.data(), base, lambda, static_cast<float>(decay),
                        static_cast<float>(1 - decay), gradient.size());
}

Snapshot ModelStore::snapshot(Version version) const {
  if (version == version_) return model_;
  const auto found = older_.find(version);
  PSCTL_CHECK(found != older_.end(), fmt::format("version {} is not kept", version));
  return found->second;
}

void ModelStore::apply(std::span<const sync::Share> shares, double learning_rate, bool reset) {
  for (const sync::Share& share : shares) check_pending(share.push);
  if (keeps_versions_) older_.emplace(version_, model_);
  ++version_;
  if (optimizer_ && reset) optimizer_->reset();
  if (shares.empty()) return;

  std::vector<Addend> addends;
  bool all_coordinates = takes_coordinates();
  for (const sync::Share& share : shares) {
    Pending push = take_pending(share.push);
    if (!push.what) continue;
    all_coordinates = all_coordinates && push.what.coordinates;
    addends.push_back({std::move(push), static_cast<float>(share.weight)});
  }
  const std::shared_ptr<Tensor> out = pool_.take();
  if (optimizer_) optimizer_->begin_step(learning_rate);
  if (all_coordinates) {
    apply_coordinates(addends, *out);
  } else {
    apply_dense(addends, static_cast<float>(learning_rate), *out);
  }
  model_ = out;
}

void ModelStore::apply_dense(std::span<const Addend> addends, float learning_rate, Tensor& out) {
  const std::size_t size = pool_.tensor_size();
  alignas(64) std::array<float, kBlock> block;
  std::vector<std::span<const Coordinate>> left(addends.size());  // of each addend's coordinates
  for (std::size_t i = 0; i < addends.size(); ++i) {
    if (addends[i].push.what.coordinates) left[i] = *addends[i].push.what.coordinates;
  }
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::span<float> sum = std::span(block).first(std::min(kBlock, size - begin));
    const auto model = model_->values().subspan(begin, sum.size());
    const auto target = out.values().subspan(begin, sum.size());
    if (addends.empty() || addends[0].push.what.coordinates) std::ranges::fill(sum, 0.0F);
    for (std::size_t i = 0; i < addends.size(); ++i) {
      const auto& [pending, weight] = addends[i];
      if (pending.what.coordinates) {
        const std::span<const Coordinate> here = within(left[i], begin, sum.size());
        for (const Coordinate& each : here) sum[each.index - begin] += weight * each.value;
        left[i] = {here.end(), left[i].end()};
        continue;
      }
      float* const push = pending.what.dense->data() + begin;
      if (pending.base) compensate(pending, begin, model, {push, sum.size()});
      (i == 0 ? scale : add_scaled)(sum.data(), push, weight, sum.size());
    }
    if (optimizer_) {
      optimizer_->step(begin, model, sum, target);
    } else {
      moved(target.data(), model.data(), sum.data(), learning_rate, sum.size());
    }
  }
}

// Every push goes over its coordinates alone. Those that several touch are stepped more than once, each time from the
// old model to the same place.
void ModelStore::apply_coordinates(std::span<const Addend> addends, Tensor& out) {
  std::ranges::copy(model_->values(), out.data());
  if (!sums_) {
    sums_.emplace(pool_.tensor_size());
    std::ranges::fill(sums_->values(), 0.0F);
  }
  float* const sums = sums_->data();
  for (const auto& [pending, weight] : addends) {
    for (const Coordinate& each : *pending.what.coordinates) sums[each.index] += weight * each.value;
  }
  for (const Addend& addend : addends) {
    optimizer_->step(*addend.push.what.coordinates, model_->values(), sums_->values(), out.values());
  }
  for (const Addend& addend : addends) {
    for (const Coordinate& each : *addend.push.what.coordinates) sums[each.index] = 0;
  }
}

}  // namespace psctl::learn
