// What every evaluation of a run looks at: the whole test set, and a keyed 10,000 training samples.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"
#include "learn/model.h"
#include "learn/tensor.h"

namespace psctl::learn {

class Evaluator {
 public:
  // Holds on to both data sets; `model` must outlive it.
  Evaluator(const Model& model, const data::Splits& splits, std::uint64_t seed);

  struct Result {
    double train_loss = 0;
    Score test;
  };
  Result evaluate(std::span<const float> parameters, std::size_t threads = 1) const;

 private:
  const Model& model_;
  data::Splits splits_;
  std::vector<std::uint32_t> train_samples_;
};

}  // namespace psctl::learn
