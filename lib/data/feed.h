// A worker's mini-batches, assembled while those before them are computed on, so that who computes does not wait for
// memory or disk.
#pragma once

#include <memory>

#include "base/time.h"
#include "data/batches.h"

namespace psctl::data {

class Feed {
 public:
  // Sets about the first batches. `dataset` must outlive this.
  Feed(const Dataset& dataset, BatchOrder order);
  // Waits for the batch that is being assembled.
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // The next mini-batch, from number 0 on, as BatchOrder::assemble makes it; waits until it is there. Valid until the
  // next call. Throws what assembling it threw, and again whenever it is asked.
  const Batch& next();
  // What assembling has used of a core so far.
  Duration processor_time() const;

 private:
  struct Ahead;
  std::unique_ptr<Ahead> ahead_;
};

}  // namespace psctl::data
