#include "learn/evaluator.h"

#include <algorithm>
#include <numeric>

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

Evaluator::Evaluator(const Model& model, const data::Splits& splits, std::uint64_t seed)
    : model_(model), splits_(splits), train_samples_(keyed_sample(splits.train->size(), seed)) {}

Evaluator::Result Evaluator::evaluate(std::span<const float> parameters, std::size_t threads) const {
  return {.train_loss = model_.evaluate(parameters, *splits_.train, train_samples_, threads).loss,
          .test = model_.evaluate(parameters, *splits_.test, {}, threads)};
}

}  // namespace psctl::learn
