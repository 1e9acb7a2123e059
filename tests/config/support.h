// Loading for tests, and equality of configurations, field by field and independent of the schema.
#pragma once

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "config/config.h"

namespace psctl::config {

// What is wrong with a text that is called c.yaml; empty if nothing is.
inline std::vector<std::string> faults_of(std::string_view text, const std::vector<std::string>& overrides = {}) {
  try {
    load_text(text, "c.yaml", overrides);
  } catch (const ConfigError& error) {
    return error.faults();
  }
  return {};
}

}  // namespace psctl::config

// A field that joins the struct and not this list does not compile.
#define PSCTL_EQUALITY(Type, ...)                        \
  inline bool operator==(const Type& a, const Type& b) { \
    const auto view = [](const Type& value) {            \
      const auto& [__VA_ARGS__] = value;                 \
      return std::tie(__VA_ARGS__);                      \
    };                                                   \
    return view(a) == view(b);                           \
  }

namespace psctl::data {
PSCTL_EQUALITY(PartitionConfig, kind, shards, alpha, law, exponent, sizes)
PSCTL_EQUALITY(HeldOut, files, count)
PSCTL_EQUALITY(ImportOptions, shape, channels_last, values, missing, label, header, delimiter, first_index, features)
PSCTL_EQUALITY(ImportConfig, format, labels, validation_labels, test_labels, options)
PSCTL_EQUALITY(NormalizeConfig, kind, per)
PSCTL_EQUALITY(AugmentConfig, crop, flip)
PSCTL_EQUALITY(DataConfig, source, import, test, validation, batch_size, train_limit, split, one_vs_rest, normalize,
               augment, partition)
}  // namespace psctl::data

namespace psctl::learn {
PSCTL_EQUALITY(ConvConfig, filters, kernel, padding, pool)
PSCTL_EQUALITY(ModelConfig, kind, conv, hidden, save)
PSCTL_EQUALITY(ScheduleConfig, kind, warmup_epochs, every_epochs, factor, epochs)
PSCTL_EQUALITY(StalenessConfig, kind, offset, mode, lambda, decay)
PSCTL_EQUALITY(OptimizerConfig, kind, learning_rate, weight_decay, momentum, beta1, beta2, epsilon, schedule, staleness)
}  // namespace psctl::learn

namespace psctl::delay {
PSCTL_EQUALITY(Rule, workers, law, on, delay_ms, min_ms, max_ms, mean_ms, sd_ms, median_ms, sigma, scale_ms, shape,
               enter, leave, every_steps, for_steps, phase, from_s, to_s, factor, file, first_step, repeat)
}  // namespace psctl::delay

namespace psctl::lead {
PSCTL_EQUALITY(Membership, worker, join_s, leave_s, join_step, leave_step)
PSCTL_EQUALITY(ClusterConfig, workers, servers, threads_per_worker, sparse_pushes, membership, hosts, bind, start_s, stall_s, silence_s)
PSCTL_EQUALITY(StopConfig::Plateau, smoothing, below)
PSCTL_EQUALITY(StopConfig, epochs, samples, updates, steps_per_worker, time_s, target_accuracy, plateau)
PSCTL_EQUALITY(EvaluateConfig, on, every_epochs, every_s, every_updates, target_accuracy)
PSCTL_EQUALITY(TraceConfig, steps, decisions, timeline)
}  // namespace psctl::lead

namespace psctl::sim {
PSCTL_EQUALITY(NetworkConfig, latency_ms, bandwidth_mbps, server_bandwidth_mbps)
PSCTL_EQUALITY(SimConfig, compute_ms, update_ms, network, parameters)
}  // namespace psctl::sim

namespace psctl::sync {
inline bool operator==(const StrategyConfig& a, const StrategyConfig& b) {
  return a.name == b.name && a.parameters.values() == b.parameters.values();
}
}  // namespace psctl::sync

namespace psctl::config {
PSCTL_EQUALITY(CheckpointConfig, every_updates)
PSCTL_EQUALITY(RunConfig, name, seed, clock, model, data, optimizer, strategy, cluster, simulation, stragglers, stop,
               evaluate, trace, checkpoint)
}  // namespace psctl::config

#undef PSCTL_EQUALITY
