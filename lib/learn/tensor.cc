#include "learn/tensor.h"

#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "base/clones.h"

namespace psctl::learn {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

Tensor::Tensor(std::size_t size)
    : size_(size), data_(static_cast<float*>(::operator new[](size * sizeof(float), kAlignment))) {}

void Tensor::Free::operator()(float* data) const { ::operator delete[](data, kAlignment); }

struct TensorPool::Shelf {
  std::mutex mutex;
  std::vector<std::unique_ptr<Tensor>> free;
  std::size_t made = 0;
};

TensorPool::TensorPool(std::size_t size) : size_(size), shelf_(std::make_shared<Shelf>()) {}

std::shared_ptr<Tensor> TensorPool::take() {
  std::unique_ptr<Tensor> tensor;
  {
    const std::lock_guard lock(shelf_->mutex);
    if (!shelf_->free.empty()) {
      tensor = std::move(shelf_->free.back());
      shelf_->free.pop_back();
    } else {
      // Room for its return is made now: coming back happens in a destructor and must not fail.
      shelf_->free.reserve(shelf_->made + 1);
      tensor = std::make_unique<Tensor>(size_);
      ++shelf_->made;
    }
  }
  return {tensor.release(), [shelf = shelf_](Tensor* returned) {
            const std::lock_guard lock(shelf->mutex);
            shelf->free.emplace_back(returned);
          }};
}

std::size_t TensorPool::made() const {
  const std::lock_guard lock(shelf_->mutex);
  return shelf_->made;
}

float* at_least(std::optional<Tensor>& tensor, std::size_t size) {
  if (!tensor || tensor->size() < size) tensor.emplace(size);
  return tensor->data();
}

PSCTL_CLONES void add(float* __restrict sum, const float* __restrict values, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) sum[i] += values[i];
}

}  // namespace psctl::learn
