#include "learn/local_worker.h"

#include <algorithm>
#include <utility>

#include "base/clones.h"
#include "base/error.h"

namespace psctl::learn {
namespace {

PSCTL_CLONES void reapply(float* __restrict x, float* __restrict base, const float* __restrict model,
                          std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    x[i] = model[i] + (x[i] - base[i]);
    base[i] = model[i];
  }
}

PSCTL_CLONES void take_difference(float* __restrict delta, const float* __restrict x, float* __restrict base,
                                  std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    delta[i] = x[i] - base[i];
    base[i] = x[i];
  }
}

}  // namespace

LocalWorker::LocalWorker(const OptimizerConfig& config, sync::Traits::Rebase rebase, std::size_t parameters,
                         std::uint64_t train_samples)
    : rebase_(rebase),
      schedule_(config, train_samples),
      optimizer_(config, parameters),
      x_(parameters),
      base_(parameters) {}

void LocalWorker::take(std::span<const float> model) {
  PSCTL_CHECK(model.size() == x_.size());
  if (begun_ && rebase_ == sync::Traits::Rebase::kReapply) {
    reapply(x_.data(), base_.data(), model.data(), model.size());
  } else {
    std::ranges::copy(model, x_.data());
    std::ranges::copy(model, base_.data());
    taken_ = 0;
  }
  begun_ = true;
}

void LocalWorker::step(std::span<float> gradient) {
  PSCTL_CHECK(begun_);
  const std::uint64_t from = pace_.samples + taken_++ * pace_.per_step;
  optimizer_.begin_step(schedule_.rate(from, from + pace_.per_step));
  optimizer_.step(0, x_.values(), gradient, x_.values());
}

void LocalWorker::push(std::span<float> delta) {
  PSCTL_CHECK(begun_ && delta.size() == x_.size());
  take_difference(delta.data(), x_.data(), base_.data(), delta.size());
  pace_.samples += std::exchange(taken_, 0) * pace_.per_step;
}

}  // namespace psctl::learn
