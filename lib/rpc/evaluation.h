// The evaluation process: takes the models that the lead wants looked at, one at a time, at idle priority, and tells
// what they are worth.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "learn/evaluator.h"
#include "rpc/transport.h"

namespace psctl::rpc {

// `keep` is told every model that is to be kept as a checkpoint. Returns the last model that it looked at, joined from
// all servers, when the lead says that the run is over. Throws WorldError when a server is lost.
learn::Tensor evaluate(const std::vector<Address>& servers, const learn::Model& model,
                       const learn::Evaluator& evaluator,
                       const std::function<void(Version, std::span<const float>)>& keep,
                       const std::atomic<bool>& terminated);

}  // namespace psctl::rpc
