#include "sim/recording.h"

#include <algorithm>

#include "base/error.h"

namespace psctl::sim {

Duration median(std::vector<Duration>& values) {
  PSCTL_CHECK(!values.empty());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  const Duration below = *std::max_element(values.begin(), middle);
  return below + (*middle - below) / 2;
}

}  // namespace psctl::sim
