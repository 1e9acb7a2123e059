#include "learn/products.h"

#include <string>

#include "learn/model.h"

#ifdef PSCTL_NAIVE_PRODUCTS

namespace psctl::learn {
namespace {

// c[m x n] = sum over k of a(i, k) * b(k, j), operands given by the strides of their two indices.
void product(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t a_row, std::size_t a_column,
             const float* b, std::size_t b_row, std::size_t b_column, float* c) {
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      float sum = 0;
      for (std::size_t l = 0; l < k; ++l) sum += a[i * a_row + l * a_column] * b[l * b_row + j * b_column];
      c[i * n + j] = sum;
    }
  }
}

}  // namespace

void multiply_by_transposed(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b, float* c) {
  product(m, n, k, a, k, 1, b, 1, k, c);
}

void multiply(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b, float* c) {
  product(m, n, k, a, k, 1, b, n, 1, c);
}

void multiply_transposed(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b, float* c) {
  product(m, n, k, a, 1, m, b, n, 1, c);
}

void use_one_blas_thread() {}
std::string blas_core_name() { return "plain loops"; }

}  // namespace psctl::learn

#else

#include <cblas.h>
#include <sys/mman.h>

#include "base/error.h"

namespace psctl::learn {
namespace {

// OpenBLAS takes so much for every thread that computes; where it is refused, it asks again for ever.
constexpr std::size_t kBlasBuffer = std::size_t{129} << 20;

bool check_room() {
  void* const room = ::mmap(nullptr, kBlasBuffer, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) {
    throw WorldError(
        "OpenBLAS needs 129 MiB for every thread that multiplies matrices, and the memory limit leaves less: raise it "
        "(ulimit -d, ulimit -v)");
  }
  ::munmap(room, kBlasBuffer);
  return true;
}

void product(CBLAS_TRANSPOSE a_transposed, CBLAS_TRANSPOSE b_transposed, std::size_t m, std::size_t n, std::size_t k,
             const float* a, std::size_t a_width, const float* b, std::size_t b_width, float* c) {
  [[maybe_unused]] thread_local const bool room = check_room();
  cblas_sgemm(CblasRowMajor, a_transposed, b_transposed, static_cast<blasint>(m), static_cast<blasint>(n),
              static_cast<blasint>(k), 1, a, static_cast<blasint>(a_width), b, static_cast<blasint>(b_width), 0, c,
              static_cast<blasint>(n));
}

}  // namespace

void multiply_by_transposed(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b, float* c) {
  product(CblasNoTrans, CblasTrans, m, n, k, a, k, b, k, c);
}

void multiply(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b, float* c) {
  product(CblasNoTrans, CblasNoTrans, m, n, k, a, k, b, n, c);
}

void multiply_transposed(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b, float* c) {
  product(CblasTrans, CblasNoTrans, m, n, k, a, m, b, n, c);
}

void use_one_blas_thread() { openblas_set_num_threads(1); }
std::string blas_core_name() { return openblas_get_corename(); }

}  // namespace psctl::learn

#endif
