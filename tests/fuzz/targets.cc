#include "fuzz/target.h"

namespace psctl::fuzz {

std::span<const Target> targets() {
  static constexpr Target kTargets[] = {
      {"csv", fuzz_csv},
      {"libsvm", fuzz_libsvm},
  };
  return kTargets;
}

}  // namespace psctl::fuzz
