#include "data/partition.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "data/dirichlet.h"

namespace psctl::data {
namespace {

using Parts = std::vector<std::vector<std::uint32_t>>;

// The second index of the keys of Purpose::kPartition: what is drawn.
constexpr std::uint64_t kSampleOrder = 0, kShardOrder = 1, kClassShares = 2;

// All samples, in keyed order.
std::vector<std::uint32_t> shuffled(std::size_t samples, std::uint64_t seed) {
  std::vector<std::uint32_t> order(samples);
  std::iota(order.begin(), order.end(), 0U);
  Draws draws({.seed = seed, .purpose = Purpose::kPartition, .step = kSampleOrder});
  shuffle(order, draws);
  return order;
}

// All samples by class, within a class in keyed order.
std::vector<std::uint32_t> sorted_by_class(const Dataset& dataset, std::uint64_t seed) {
  std::vector<std::uint32_t> order = shuffled(dataset.size(), seed);
  std::ranges::stable_sort(order, {}, [&](std::uint32_t sample) { return dataset.labels()[sample]; });
  return order;
}

// Contiguous pieces whose sizes differ by at most 1, the larger ones first.
std::vector<std::span<const std::uint32_t>> cut_evenly(std::span<const std::uint32_t> samples, std::size_t pieces) {
  std::vector<std::span<const std::uint32_t>> cut;
  cut.reserve(pieces);
  for (std::size_t piece = 0, begin = 0; piece < pieces; ++piece) {
    const std::size_t size = samples.size() / pieces + (piece < samples.size() % pieces ? 1 : 0);
    cut.push_back(samples.subspan(begin, size));
    begin += size;
  }
  return cut;
}

// Appends to each part its share of the samples, contiguous: the ends of the pieces are the rounded sums of the
// shares, so no piece is further than one sample from its share.
void deal(std::span<const std::uint32_t> samples, std::span<const double> shares, Parts& parts) {
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  double sum = 0;
  std::size_t begin = 0;
  for (std::size_t worker = 0; worker < parts.size(); ++worker) {
    sum += shares[worker];
    const bool last = worker + 1 == parts.size();
    const auto rounded = static_cast<std::size_t>(std::llround(sum / total * static_cast<double>(samples.size())));
    const std::size_t end = last ? samples.size() : std::min(rounded, samples.size());
    const auto piece = samples.subspan(begin, end - begin);
    parts[worker].insert(parts[worker].end(), piece.begin(), piece.end());
    begin = end;
  }
}

Parts partition_iid(const Dataset& dataset, std::size_t workers, std::uint64_t seed) {
  const std::vector<std::uint32_t> order = shuffled(dataset.size(), seed);
  Parts parts;
  parts.reserve(workers);
  for (const auto piece : cut_evenly(order, workers)) parts.emplace_back(piece.begin(), piece.end());
  return parts;
}

Parts partition_by_label(const Dataset& dataset, std::size_t workers, std::size_t shards, std::uint64_t seed) {
  if (shards == 0 || shards > dataset.size() / workers) {
    throw UserError(fmt::format(
        "data.partition.shards: expected at most {}, so that {} training samples fill every shard of {} workers, found "
        "{}; take fewer shards, fewer workers or more data",
        dataset.size() / workers, dataset.size(), workers, shards));
  }
  const std::vector<std::uint32_t> order = sorted_by_class(dataset, seed);
  const auto pieces = cut_evenly(order, workers * shards);
  std::vector<std::uint32_t> dealt(pieces.size());
  std::iota(dealt.begin(), dealt.end(), 0U);
  Draws draws({.seed = seed, .purpose = Purpose::kPartition, .step = kShardOrder});
  shuffle(dealt, draws);
  Parts parts(workers);
  for (std::size_t i = 0; i < dealt.size(); ++i) {
    const auto piece = pieces[dealt[i]];
    parts[i / shards].insert(parts[i / shards].end(), piece.begin(), piece.end());
  }
  return parts;
}

Parts partition_dirichlet(const Dataset& dataset, std::size_t workers, double alpha, std::uint64_t seed) {
  const std::vector<std::uint32_t> order = sorted_by_class(dataset, seed);
  const std::span<const std::uint32_t> samples(order);
  const auto class_of = [&](std::uint32_t sample) { return dataset.labels()[sample]; };
  Parts parts(workers);
  for (std::uint32_t label = 0; label < dataset.classes(); ++label) {
    // Not equal_range: Debian's clang, which builds the fuzzers, cannot compile g++'s.
    const auto begin = std::ranges::lower_bound(samples, label, {}, class_of);
    const auto end = std::ranges::upper_bound(samples, label, {}, class_of);
    Draws draws({.seed = seed, .purpose = Purpose::kPartition, .worker = label, .step = kClassShares});
    deal({begin, end}, dirichlet(alpha, workers, draws), parts);
  }
  return parts;
}

std::vector<double> weights_of(const PartitionConfig& config, std::size_t workers) {
  if (config.sizes) {
    if (config.sizes->size() != workers) {
      throw UserError(fmt::format("data.partition.sizes: {} numbers for {} workers; give one a worker",
                                  config.sizes->size(), workers));
    }
    return *config.sizes;
  }
  std::vector<double> weights(workers, 1.0);
  if (config.law == SizeLaw::kPower) {
    for (std::size_t worker = 0; worker < workers; ++worker) {
      weights[worker] = std::pow(static_cast<double>(worker + 1), -config.exponent.value_or(kDefaultExponent));
    }
  }
  return weights;
}

Parts partition_by_quantity(const PartitionConfig& config, const Dataset& dataset, std::size_t workers,
                            std::uint64_t seed) {
  Parts parts(workers);
  deal(shuffled(dataset.size(), seed), weights_of(config, workers), parts);
  return parts;
}

// What makes the smallest part larger, besides a smaller batch, fewer workers and more data.
std::string advice_on_size(const PartitionConfig& config) {
  switch (config.kind) {
    case PartitionKind::kIid:
    case PartitionKind::kByLabel:
      return "";
    case PartitionKind::kDirichlet:
      return fmt::format(", a data.partition.alpha above {}, another seed", config.alpha);
    case PartitionKind::kQuantity:
      if (config.sizes) return ", data.partition.sizes that differ less";
      return config.law == SizeLaw::kPower ? ", a smaller data.partition.exponent" : "";
  }
  PSCTL_CHECK(false);
  return {};
}

}  // namespace

Parts partition(const PartitionConfig& config, const Dataset& dataset, std::size_t workers, std::uint64_t seed) {
  PSCTL_CHECK(workers > 0);
  switch (config.kind) {
    case PartitionKind::kIid:
      return partition_iid(dataset, workers, seed);
    case PartitionKind::kByLabel:
      return partition_by_label(dataset, workers, config.shards, seed);
    case PartitionKind::kDirichlet:
      return partition_dirichlet(dataset, workers, config.alpha, seed);
    case PartitionKind::kQuantity:
      return partition_by_quantity(config, dataset, workers, seed);
  }
  PSCTL_CHECK(false);
  return {};
}

std::vector<BatchOrder> batch_orders(const DataConfig& config, const Dataset& train, std::size_t workers,
                                     std::uint64_t seed) {
  Parts parts = partition(config.partition, train, workers, seed);
  const auto least = std::ranges::min_element(parts, {}, &std::vector<std::uint32_t>::size);
  if (least->size() < config.batch_size) {
    const auto too_small =
        std::ranges::count_if(parts, [&](const auto& part) { return part.size() < config.batch_size; });
    throw UserError(fmt::format(
        "data.batch_size: worker {}'s partition holds {} samples, less than one batch of {}{}; take a smaller batch, "
        "fewer workers{} or more data",
        least - parts.begin(), least->size(), config.batch_size,
        too_small == 1 ? "" : fmt::format(" (so do {} of {} workers)", too_small, workers),
        advice_on_size(config.partition)));
  }
  std::vector<BatchOrder> orders;
  orders.reserve(workers);
  for (std::uint32_t worker = 0; worker < workers; ++worker) {
    orders.emplace_back(std::move(parts[worker]), config.batch_size, WorkerId(worker), seed, config.augment);
  }
  return orders;
}

std::vector<std::size_t> class_counts(const Dataset& dataset, std::span<const std::uint32_t> samples) {
  std::vector<std::size_t> counts(dataset.classes());
  for (const std::uint32_t sample : samples) ++counts[dataset.labels()[sample]];
  return counts;
}

double distance(std::span<const std::size_t> counts, std::span<const std::size_t> others) {
  PSCTL_CHECK(counts.size() == others.size());
  const auto total = [](std::span<const std::size_t> all) {
    return static_cast<double>(std::accumulate(all.begin(), all.end(), std::size_t{0}));
  };
  const double size = total(counts), other_size = total(others);
  if (size == 0 || other_size == 0) return 1;
  double difference = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    difference += std::abs(static_cast<double>(counts[i]) / size - static_cast<double>(others[i]) / other_size);
  }
  return difference / 2;
}

}  // namespace psctl::data
