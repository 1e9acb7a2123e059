// A run on the virtual clock in a few lines: of timing only, or with a small model on synthetic data.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/partition.h"
#include "sim/simulator.h"
#include "sync/registry.h"

namespace psctl::test {

inline std::unique_ptr<sync::Strategy> strategy(
    const std::string& name, std::map<std::string, sync::ParameterValue, std::less<>> given = {},
    const sync::Setting& setting = {.workers = 1, .steps_per_epoch = 10, .total_samples = 1000, .batch_size = 1}) {
  auto values = sync::defaults(*sync::find(name)).values();
  for (auto& [key, value] : given) values[key] = value;
  return sync::make({.name = name, .parameters = sync::Parameters(values)}, setting);
}

inline std::vector<delay::Stragglers> stragglers(const std::vector<delay::Rule>& rules, std::size_t workers,
                                                 std::uint64_t seed = 1) {
  std::vector<delay::Stragglers> all;
  for (std::uint32_t worker = 0; worker < workers; ++worker) all.emplace_back(rules, WorkerId(worker), seed);
  return all;
}

// Two blobs of bytes that a linear model can tell apart, mostly.
inline data::Splits blobs(std::size_t train, std::size_t test) {
  const auto make = [](std::size_t size, std::uint64_t which) {
    constexpr std::size_t kWidth = 12;
    std::vector<std::uint8_t> pixels;
    std::vector<std::uint32_t> labels;
    for (std::size_t i = 0; i < size; ++i) {
      Draws draws({.seed = 5, .purpose = Purpose::kTest, .worker = which, .step = i});
      const auto label = static_cast<std::uint32_t>(draws.below(3));
      labels.push_back(label);
      for (std::size_t j = 0; j < kWidth; ++j) {
        const double value = 100 + 40 * draws.normal() + (j % 3 == label ? 50 : 0);
        pixels.push_back(static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0)));
      }
    }
    auto set = std::make_shared<data::Dataset>(data::Shape{1, 1, kWidth}, 3, std::move(pixels), std::move(labels));
    set->set_transform({.scale = 1.0F / 64, .shift = -1.6F});
    return set;
  };
  return {.train = make(train, 0), .validation = nullptr, .test = make(test, 1)};
}

struct Learner {
  data::Splits splits = blobs(1200, 600);
  learn::Model model{{.kind = learn::ModelKind::kMlp, .conv = {}, .hidden = {16}}, data::Shape{1, 1, 12}, 3};
  learn::Evaluator evaluator{model, splits, 1};
  learn::OptimizerConfig optimizer{.learning_rate = 0.1, .schedule = {}, .staleness = {}};
  std::size_t batch_size = 20;

  sim::Learning learning(std::size_t workers) const {
    sim::Learning result{model, splits, evaluator, optimizer, {}, 1};
    auto parts = data::partition({}, *splits.train, workers, 1);
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
      result.batches.emplace_back(std::move(parts[worker]), batch_size, WorkerId(worker), 1);
    }
    return result;
  }
};

// What a strategy may want to know of a run of `learner`.
inline sync::Setting setting_of(const Learner& learner, std::size_t workers) {
  const std::size_t samples = learner.splits.train->size();
  return {.workers = workers,
          .steps_per_epoch = samples / workers / learner.batch_size,
          .total_samples = 3 * samples,
          .train_samples = samples,
          .batch_size = learner.batch_size,
          .seed = 1};
}

struct Outcome {
  nlohmann::json summary;
  std::string digest;
  std::size_t tensors = 0;
};

inline Outcome run(const sim::SimConfig& config, lead::Setup setup, std::unique_ptr<sync::Strategy> strategy,
                   const std::vector<delay::Rule>& rules = {}, const Learner* learner = nullptr,
                   std::size_t threads = 1) {
  const std::size_t workers = setup.cluster.workers;
  setup.update_time = from_milliseconds(config.update_ms);
  std::optional<sim::Learning> learning;
  std::size_t batch_size = 1;
  if (learner) {
    learning.emplace(learner->learning(workers));
    batch_size = learner->batch_size;
    setup.train_samples = learner->splits.train->size();
    setup.optimizer = learner->optimizer;
  }
  const bool wait = setup.stop.target_accuracy || setup.stop.plateau;
  lead::Lead lead(std::move(setup), std::move(strategy));
  sim::Simulator simulator(config, batch_size, lead, stragglers(rules, workers), learning ? &*learning : nullptr,
                           {.threads = threads, .wait_for_evaluations = wait, .interrupted = nullptr, .progress = {}});
  simulator.run();
  const std::string digest = simulator.model_digest();
  return {nlohmann::json::parse(lead.finish({.model_digest = digest})), digest, simulator.tensors()};
}

}  // namespace psctl::test
