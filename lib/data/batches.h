// In which order a worker computes on the samples of its partition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "data/config.h"
#include "data/dataset.h"

namespace psctl::data {

// One worker's batches: without replacement within an epoch, every batch full, the rest of the partition left out
// for that epoch; each epoch in an order of its own, keyed by (seed, worker, epoch).
class BatchOrder {
 public:
  // Throws UserError if the partition does not hold one full batch.
  BatchOrder(std::vector<std::uint32_t> samples, std::size_t batch_size, WorkerId worker, std::uint64_t seed,
             AugmentConfig augment = {});

  Step steps_per_epoch() const;
  std::size_t batch_size() const { return batch_size_; }
  // The samples of the worker's mini-batch number `step`, from 0. Valid until the next call. Any order of calls;
  // ascending is fast.
  std::span<const std::uint32_t> batch(Step step);
  // Those samples as the worker computes on them, augmented: the one place where a training batch is made, whoever runs
  // it. Throws as Dataset::gather does.
  void assemble(Step step, const Dataset& dataset, Batch& out);

 private:
  std::vector<std::uint32_t> samples_;
  std::vector<std::uint32_t> order_;
  std::size_t batch_size_;
  WorkerId worker_;
  std::uint64_t seed_;
  AugmentConfig augment_;
  std::uint64_t epoch_ = ~std::uint64_t{0};
};

}  // namespace psctl::data
