// The `data` section of a configuration, as plain values.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace psctl::data {

enum class Normalize {
  kNone,
  kUnit,
  kStandard
};  // as it is; into [0, 1]; mean 0 and deviation 1 over the training part

enum class PartitionKind { kIid, kByLabel, kDirichlet, kQuantity };
enum class SizeLaw { kEqual, kPower };

inline constexpr double kDefaultExponent = 1;

// How the training samples are dealt to the workers. Only the values of its own kind are used.
struct PartitionConfig {
  PartitionKind kind = PartitionKind::kIid;
  std::size_t shards = 2;                         // by_label: of each worker
  double alpha = 0.5;                             // dirichlet: concentration; the smaller, the more uneven
  std::optional<SizeLaw> law = {};                // quantity: equal unless sizes are given
  std::optional<double> exponent = {};            // quantity by law power: worker w, from 0, weighs (w + 1)^-exponent
  std::optional<std::vector<double>> sizes = {};  // quantity: a weight a worker, in place of a law
};

struct DataConfig {
  std::string source;                       // a known name, or a path
  std::size_t batch_size = 64;              // of each worker
  std::size_t train_limit = 0;              // 0: all
  std::size_t validation = 0;               // samples of the training set kept back
  std::optional<Normalize> normalize = {};  // none: as suits the samples, see normalize_for()
  PartitionConfig partition;
};

}  // namespace psctl::data
