#include "data/batches.h"

#include <fmt/format.h>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/random.h"

namespace psctl::data {
namespace {

// A keyed shuffle, cut into contiguous pieces whose sizes differ by at most 1.
std::vector<std::vector<std::uint32_t>> partition_iid(std::size_t samples, std::size_t workers, std::uint64_t seed) {
  std::vector<std::uint32_t> order(samples);
  std::iota(order.begin(), order.end(), 0U);
  Draws draws({.seed = seed, .purpose = Purpose::kPartition});
  shuffle(order, draws);
  std::vector<std::vector<std::uint32_t>> pieces;
  pieces.reserve(workers);
  auto begin = order.begin();
  for (std::size_t worker = 0; worker < workers; ++worker) {
    const auto end = begin + static_cast<std::ptrdiff_t>(samples / workers + (worker < samples % workers ? 1 : 0));
    pieces.emplace_back(begin, end);
    begin = end;
  }
  return pieces;
}

}  // namespace

std::vector<std::vector<std::uint32_t>> partition(const PartitionConfig& config, const Dataset& dataset,
                                                  std::size_t workers, std::uint64_t seed) {
  PSCTL_CHECK(workers > 0);
  switch (config.kind) {
    case PartitionKind::kIid:
      return partition_iid(dataset.size(), workers, seed);
  }
  PSCTL_CHECK(false);
  return {};
}

BatchOrder::BatchOrder(std::vector<std::uint32_t> samples, std::size_t batch_size, WorkerId worker, std::uint64_t seed)
    : samples_(std::move(samples)), batch_size_(batch_size), worker_(worker), seed_(seed) {
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

}  // namespace psctl::data
