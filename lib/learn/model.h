// Models that psctl trains: softmax regression, multilayer perceptrons and small convolutional networks, with ReLU and
// softmax cross-entropy. A Model is the architecture alone: parameters are one contiguous buffer that the caller owns,
// layer by layer from the input, weights before biases: dense weights by output and input, those of convolutions by
// filter, channel, row and column.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "data/dataset.h"
#include "learn/config.h"
#include "learn/push.h"

namespace psctl::learn {

// Scratch memory of one gradient() call at a time; grows to what it needs and is reused.
class Workspace {
 public:
  Workspace();
  ~Workspace();
  Workspace(Workspace&&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;

  // Room for the batch itself, for those who assemble one when they want it.
  data::Batch& batch();

 private:
  friend class Model;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct Score {
  double loss = 0;      // mean cross-entropy, natural logarithm, without weight decay
  double accuracy = 0;  // share of samples whose largest output is their class
};

class Model {
 public:
  // Throws UserError if the layers do not fit the shape (a kernel larger than its input, pooling that does not divide).
  Model(const ModelConfig& config, data::Shape input, std::size_t classes);
  // Throws UserError if the model cannot compute on sparse samples. Logistic regression does, on the values that are
  // there; the others write out the zeros, which is refused where there would be too many.
  void check_sparse() const;
  ~Model();
  Model(Model&&) noexcept;

  std::size_t parameter_count() const;
  std::string description() const;  // "784-256-128-10, 235,146 parameters"

  // He initialisation (He et al., ICCV 2015, eq. 10): weights normal with variance 2 / fan-in, biases 0; keyed by
  // (seed, layer).
  void initialise(std::span<float> parameters, std::uint64_t seed) const;

  // Mean gradient over the batch of the cross-entropy, written to `gradient`; returns the mean loss. The batch is cut
  // into chunks of a fixed number of samples that are summed in order: the result does not depend on `threads`.
  // Thread-safe for distinct workspaces and gradients.
  double gradient(std::span<const float> parameters, const data::Batch& batch, std::span<float> gradient,
                  Workspace& workspace, std::size_t threads = 1) const;

  // The same of logistic regression on a sparse batch, as the coordinates that it touches, on one thread; the cost
  // follows the batch's values. The dense gradient above is this one, spread.
  double gradient(std::span<const float> parameters, const data::Batch& batch, Coordinates& gradient,
                  Workspace& workspace) const;

  // Over `samples` (all of the data set if empty). The result does not depend on `threads`, and is worth nothing when
  // `give_up`, looked at every few milliseconds of computing, has become true. Throws as Dataset::gather.
  Score evaluate(std::span<const float> parameters, const data::Dataset& dataset,
                 std::span<const std::uint32_t> samples = {}, std::size_t threads = 1,
                 const std::atomic<bool>* give_up = nullptr) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

// One BLAS thread in this process; the first thing that every process does. Also set OPENBLAS_NUM_THREADS for children.
void use_one_blas_thread();
std::string blas_core_name();  // the kernels that OpenBLAS chose for this CPU

}  // namespace psctl::learn
