// Which samples belong to which worker: partitions of a data set, even or uneven on purpose, and how uneven they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/batches.h"
#include "data/config.h"
#include "data/dataset.h"

namespace psctl::data {

// The samples of every worker. Every sample belongs to exactly one; keyed by seed; cut for all workers ever named. A
// part may be too small for a batch, even empty.
//
// iid: a keyed shuffle, cut into parts whose sizes differ by at most 1.
// by_label: the samples sorted by class (within a class in keyed order), cut into workers * shards pieces whose sizes
//   differ by at most 1, `shards` keyed ones for each worker: the "pathological non-IID" of McMahan et al., AISTATS
//   2017, section 3.
// dirichlet: of every class by itself, the workers get shares drawn from Dirichlet(alpha): p_k ~ Dir_N(alpha) of
//   Yurochkin et al., ICML 2019, so that sizes differ too. Not the draw of Hsu et al., 2019 (arXiv:1909.06335), who
//   draw a mix of classes for every worker and keep all workers of one size. Drawn once, never until it suits.
// quantity: a keyed shuffle, cut in proportion to the weights; every worker's mix of classes is that of the whole.
//
// Throws UserError if there are fewer samples than shards, or if the number of sizes is not that of the workers.
std::vector<std::vector<std::uint32_t>> partition(const PartitionConfig& config, const Dataset& dataset,
                                                  std::size_t workers, std::uint64_t seed);

// The batches of every worker of that partition. Throws UserError if a worker has less than one full batch, and says
// what to change.
std::vector<BatchOrder> batch_orders(const DataConfig& config, const Dataset& train, std::size_t workers,
                                     std::uint64_t seed);

// How many samples of each class there are among these.
std::vector<std::size_t> class_counts(const Dataset& dataset, std::span<const std::uint32_t> samples);

// Total variation distance between the shares that the classes have in two counts: half the sum of the differences,
// 0 for the same mix, 1 for no class in common. Nothing is as far from anything as can be: 1, where one of them is
// empty.
double distance(std::span<const std::size_t> counts, std::span<const std::size_t> others);

}  // namespace psctl::data
