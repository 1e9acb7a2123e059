// Products of row-major matrices: C = A B with either operand transposed. One thread each, but any number may run at
// the same time.
#pragma once

#include <cstddef>

namespace psctl::learn {

// c[m x n] = a[m x k] * b[n x k]^T
void multiply_by_transposed(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b, float* c);
// c[m x n] = a[m x k] * b[k x n]
void multiply(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b, float* c);
// c[m x n] = a[k x m]^T * b[k x n]
void multiply_transposed(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b, float* c);

}  // namespace psctl::learn
