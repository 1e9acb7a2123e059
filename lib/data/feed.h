// A worker's mini-batches, each assembled while the one before it is computed on, so that who computes does not wait
// for memory or disk.
#pragma once

#include <memory>

#include "data/batches.h"

namespace psctl::data {

class Feed {
 public:
  // Sets about the first batch. `dataset` must outlive this.
  Feed(const Dataset& dataset, BatchOrder order);
  // Waits for what is being assembled.
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // The next mini-batch, from number 0 on, as BatchOrder::assemble makes it; waits until it is there and sets about the
  // one after it. Valid until the next call. Throws what assembling it threw; there is no next one then.
  const Batch& next();

 private:
  struct Ahead;
  std::unique_ptr<Ahead> ahead_;
};

}  // namespace psctl::data
