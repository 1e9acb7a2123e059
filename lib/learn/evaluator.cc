#include "learn/evaluator.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace psctl::learn {
namespace {

constexpr std::size_t kTrainSamples = 10'000;

std::vector<std::uint32_t> keyed_sample(std::size_t size, std::uint64_t seed) {
  std::vector<std::uint32_t> samples(size);
  std::iota(samples.begin(), samples.end(), 0U);
  if (size <= kTrainSamples) return samples;
  Draws draws({.seed = seed, .purpose = Purpose::kTrainLossSample});
  shuffle(samples, draws);
  samples.resize(kTrainSamples);
  std::ranges::sort(samples);
  return samples;
}

}  // namespace

Evaluator::Evaluator(const Model& model, const data::Splits& splits, std::uint64_t seed, EvaluateOn on)
    : model_(model),
      train_(splits.train),
      judged_(on == EvaluateOn::kTest ? splits.test : splits.validation),
      train_samples_(keyed_sample(splits.train->size(), seed)) {
  PSCTL_CHECK(judged_);
}

Evaluator::Result Evaluator::evaluate(std::span<const float> parameters) const {
  const std::atomic<bool> never = false;
  return *evaluate(parameters, never);
}

std::optional<Evaluator::Result> Evaluator::evaluate(std::span<const float> parameters,
                                                     const std::atomic<bool>& give_up) const {
  const Result result{.train_loss = model_.evaluate(parameters, *train_, train_samples_, 1, &give_up).loss,
                      .test = model_.evaluate(parameters, *judged_, {}, 1, &give_up)};
  if (give_up) return std::nullopt;
  return result;
}

}  // namespace psctl::learn
