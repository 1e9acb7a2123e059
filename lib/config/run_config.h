// One run's configuration: the plain structs of the folders that use them, side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "data/config.h"
#include "delay/config.h"
#include "lead/config.h"
#include "learn/config.h"
#include "sim/config.h"
#include "sync/registry.h"

namespace psctl::config {

enum class Clock { kReal, kVirtual };

struct CheckpointConfig {
  std::uint64_t every_updates = 0;  // 0: none
};

struct RunConfig {
  std::string name = "run";
  std::uint64_t seed = 1;
  Clock clock = Clock::kReal;
  learn::ModelConfig model;
  data::DataConfig data;
  learn::OptimizerConfig optimizer;
  sync::StrategyConfig strategy;
  lead::ClusterConfig cluster;
  sim::SimConfig simulation;  // cluster.compute_ms, cluster.update_ms, cluster.network
  std::vector<delay::Rule> stragglers;
  lead::StopConfig stop;
  lead::EvaluateConfig evaluate;
  lead::TraceConfig trace;
  CheckpointConfig checkpoint;
};

}  // namespace psctl::config
