// Contiguous float buffers, aligned for the vector units, and the pool that recycles them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

namespace psctl::learn {

// A fixed number of floats, aligned to 64 bytes, not initialised.
class Tensor {
 public:
  explicit Tensor(std::size_t size);
  std::size_t size() const { return size_; }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::span<float> values() { return {data_.get(), size_}; }
  std::span<const float> values() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(float* data) const;
  };
  std::size_t size_;
  std::unique_ptr<float[], Free> data_;
};

// A model of one version. Whoever holds it pins it: it never changes.
using Snapshot = std::shared_ptr<const Tensor>;

// Tensors of one size that come back when the last holder lets go. Thread-safe; outlived by what it handed out.
class TensorPool {
 public:
  explicit TensorPool(std::size_t size);
  std::shared_ptr<Tensor> take();  // not initialised
  std::size_t tensor_size() const { return size_; }
  std::size_t made() const;        // tensors in existence, handed out or not: what the memory is

 private:
  struct Shelf;
  std::size_t size_;
  std::shared_ptr<Shelf> shelf_;
};

// The tensor's floats; it is made anew, not initialised, where it is smaller than `size`.
float* at_least(std::optional<Tensor>& tensor, std::size_t size);

// sum[i] += values[i]; they do not overlap.
void add(float* sum, const float* values, std::size_t size);

}  // namespace psctl::learn
