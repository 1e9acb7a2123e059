// The virtual world: the same strategies and the same gradients as with real processes, in one process on a virtual
// clock. The result depends on configuration and seed alone, not on the number of cores.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/batches.h"
#include "delay/stragglers.h"
#include "lead/lead.h"
#include "learn/evaluator.h"
#include "learn/model.h"
#include "learn/model_store.h"
#include "learn/trainer.h"
#include "sim/config.h"
#include "sim/recording.h"

namespace psctl::sim {

// What is needed to compute real gradients; without it a simulation is of timing only.
struct Learning {
  const learn::Model& model;
  const data::Splits& splits;
  const learn::Evaluator& evaluator;
  learn::OptimizerConfig optimizer;
  std::vector<data::BatchOrder> batches;  // of each worker
  std::uint64_t seed = 0;
  bool coordinates = false;  // pushes are coordinates where those are smaller
};

struct Options {
  std::size_t threads = 1;                                         // cores to compute gradients on
  bool wait_for_evaluations = false;                               // the stop depends on their results
  const std::atomic<bool>* interrupted = nullptr;                  // looked at all along
  std::function<void(const lead::Progress&)> progress = {};        // called a few times a second of wall time
  std::function<void(Version, std::span<const float>)> keep = {};  // a checkpoint
  // Timing only: the n-th mini-batch of this worker, and the transfers around it, take the median of what the n-th of
  // the others take.
  std::optional<WorkerId> like_the_others = {};
};

class Simulator {
 public:
  Simulator(const SimConfig& config, std::size_t batch_size, lead::Lead& lead,
            std::vector<delay::Stragglers> stragglers, Learning* learning, Options options);
  // Timing only, of recorded times; the recording must live on. The delays of `stragglers` are added to it, of all
  // workers or of none; a slowdown is not.
  Simulator(const Recording& recording, std::size_t batch_size, lead::Lead& lead,
            std::vector<delay::Stragglers> stragglers, Options options);
  ~Simulator();

  // Runs to the stop and evaluates the last model.
  void run();
  std::string model_digest() const;  // empty without learning
  learn::Snapshot model() const;     // null without learning
  std::size_t tensors() const;       // models and pushes in existence: what the memory of the server side is

 private:
  class World;
  std::unique_ptr<World> world_;
};

}  // namespace psctl::sim
