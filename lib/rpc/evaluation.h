// The evaluation process: takes the models that the lead wants looked at, one at a time, at idle priority while workers
// compute, and tells what they are worth.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "learn/evaluator.h"
#include "rpc/patience.h"

namespace psctl::rpc {

// Told every model that is to be kept: a checkpoint with its version; without one the model that the run ended with.
using Keep = std::function<void(std::optional<Version>, std::span<const float>)>;

struct EvaluationSetup {
  std::vector<Address> servers;  // rank 0 first
  Identity identity = {};
  Patience patience = {};
};

// Returns when the lead says that the run is over. Throws WorldError when a server is lost.
void evaluate(const EvaluationSetup& setup, const learn::Model& model, const learn::Evaluator& evaluator,
              const Keep& keep, const std::atomic<bool>& terminated);

}  // namespace psctl::rpc
