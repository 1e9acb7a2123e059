#include "data/dirichlet.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace psctl::data {

double log_gamma(double shape, Draws& draws) {
  PSCTL_CHECK(shape > 0);
  // Their section 6: Gamma(shape) is Gamma(shape + 1) * U^(1 / shape).
  if (shape < 1) {
    const double boost = std::log(draws.uniform_open()) / shape;
    return log_gamma(shape + 1, draws) + boost;
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = draws.normal();
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double log_v = 3 * std::log(root);
    const double v = root * root * root;
    if (std::log(draws.uniform_open()) < 0.5 * x * x + d - d * v + d * log_v) return std::log(d) + log_v;
  }
}

std::vector<double> dirichlet(double alpha, std::size_t count, Draws& draws) {
  PSCTL_CHECK(count > 0);
  std::vector<double> shares(count);
  for (double& share : shares) share = log_gamma(alpha, draws);
  // Relative to the largest, so that with a small alpha not all of them vanish.
  const double largest = *std::ranges::max_element(shares);
  double sum = 0;
  for (double& share : shares) sum += share = std::exp(share - largest);
  for (double& share : shares) share /= sum;
  return shares;
}

}  // namespace psctl::data
