// What every evaluation of a run looks at: the whole test set, or all validation samples, and a keyed 10,000 training
// samples.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/dataset.h"
#include "learn/config.h"
#include "learn/model.h"
#include "learn/tensor.h"

namespace psctl::learn {

class Evaluator {
 public:
  // Holds on to the data sets; `model` must outlive it. Of validation samples there must be some.
  Evaluator(const Model& model, const data::Splits& splits, std::uint64_t seed, EvaluateOn on = EvaluateOn::kTest);

  struct Result {
    double train_loss = 0;
    Score test;  // or validation
  };
  Result evaluate(std::span<const float> parameters) const;
  // None if `give_up` became true meanwhile.
  std::optional<Result> evaluate(std::span<const float> parameters, const std::atomic<bool>& give_up) const;

 private:
  const Model& model_;
  std::shared_ptr<const data::Dataset> train_, judged_;
  std::vector<std::uint32_t> train_samples_;
};

}  // namespace psctl::learn
