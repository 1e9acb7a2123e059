// The `data` section of a configuration, as plain values.
#pragma once

#include <cstddef>
#include <string>

namespace psctl::data {

enum class Normalize {
  kNone,
  kUnit,
  kStandard
};                                  // as it is; into [0, 1]; mean 0 and deviation 1 over the training part
enum class PartitionKind { kIid };  // further kinds join here

struct PartitionConfig {
  PartitionKind kind = PartitionKind::kIid;
};

struct DataConfig {
  std::string source;           // a known name, or a path
  std::size_t batch_size = 64;  // of each worker
  std::size_t train_limit = 0;  // 0: all
  std::size_t validation = 0;   // samples of the training set kept back
  Normalize normalize = Normalize::kStandard;
  PartitionConfig partition;
};

}  // namespace psctl::data
