#include "fuzz/target.h"

namespace psctl::fuzz {

std::span<const Target> targets() {
  static constexpr Target kTargets[] = {
      {"cifar", fuzz_cifar},   {"csv", fuzz_csv},     {"idx", fuzz_idx},
      {"libsvm", fuzz_libsvm}, {"numpy", fuzz_numpy}, {"prepared", fuzz_prepared},
  };
  return kTargets;
}

}  // namespace psctl::fuzz
