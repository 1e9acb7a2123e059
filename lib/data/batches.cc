#include "data/batches.h"

#include <fmt/format.h>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "data/augment.h"

namespace psctl::data {
BatchOrder::BatchOrder(std::vector<std::uint32_t> samples, std::size_t batch_size, WorkerId worker, std::uint64_t seed,
                       AugmentConfig augment)
    : samples_(std::move(samples)), batch_size_(batch_size), worker_(worker), seed_(seed), augment_(augment) {
  if (batch_size_ == 0) throw UserError("data.batch_size: expected at least 1, found 0");
  if (samples_.size() < batch_size_) {
    throw UserError(fmt::format(
        "data.batch_size: worker {}'s partition holds {} samples, less than one batch of {}; take a smaller "
        "batch, fewer workers or more data",
        worker_.value, samples_.size(), batch_size_));
  }
}

Step BatchOrder::steps_per_epoch() const { return samples_.size() / batch_size_; }

std::span<const std::uint32_t> BatchOrder::batch(Step step) {
  const std::uint64_t epoch = step / steps_per_epoch();
  if (epoch != epoch_ || order_.empty()) {
    order_ = samples_;
    Draws draws({.seed = seed_, .purpose = Purpose::kEpochOrder, .worker = worker_.value, .step = epoch});
    shuffle(order_, draws);
    epoch_ = epoch;
  }
  return std::span(order_).subspan((step % steps_per_epoch()) * batch_size_, batch_size_);
}

void BatchOrder::assemble(Step step, const Dataset& dataset, Batch& out) {
  dataset.gather(batch(step), out);
  augment(augment_, seed_, worker_, step, out);
}

}  // namespace psctl::data
