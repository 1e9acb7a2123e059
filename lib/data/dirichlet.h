// Keyed draws from the Gamma and Dirichlet laws, by our own methods: they depend on nothing but the stream.
#pragma once

#include <cstddef>
#include <vector>

#include "base/random.h"

namespace psctl::data {

// The logarithm of a draw from Gamma(shape, scale 1), shape > 0; finite where the draw itself would underflow, as it
// does for small shapes. By G. Marsaglia and W. W. Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS
// 26(3), 2000.
double log_gamma(double shape, Draws& draws);

// A draw from the symmetric Dirichlet(alpha, ..., alpha) of `count` shares, which are at least 0 and add up to 1.
// alpha > 0, count > 0.
std::vector<double> dirichlet(double alpha, std::size_t count, Draws& draws);

}  // namespace psctl::data
