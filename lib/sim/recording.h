// The times of a run that has been: what the simulator plays again.
#pragma once

#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace psctl::sim {

// What a worker's mini-batch took, and the transfers around it where it is the last of a push, or the first after a
// release. Transfers are as long as they were: the network is not modelled again, and updates take no time of their
// own.
struct RecordedStep {
  Duration compute{};  // positive
  Duration delay{};
  Duration upload{};    // of a push that ends with it
  Duration download{};  // of a model that is taken before it
  Duration answer{};    // of a release that keeps the model
};

using RecordedSteps = std::vector<RecordedStep>;

// Of each worker, by the number of its mini-batch; none null or empty. A worker that takes more has them again, in
// order.
using Recording = std::vector<std::shared_ptr<const RecordedSteps>>;

// The middle one of them, or the mean of the two in the middle. Not of none; reorders them.
Duration median(std::vector<Duration>& values);

}  // namespace psctl::sim
