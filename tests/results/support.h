// Run folders made by hand, small enough to see through.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "support/folder.h"

namespace psctl::test {

using Keys = std::map<std::string, nlohmann::ordered_json>;

// A summary as psctl writes it, with some keys, and some of its configuration, changed.
inline nlohmann::ordered_json summary_of(const std::string& strategy, int seed, const Keys& change = {},
                                         const Keys& config = {}) {
  using Json = nlohmann::ordered_json;
  Json summary = {{"status", "done"},
                  {"strategy", strategy},
                  {"strategy_label", strategy},
                  {"clock", "virtual"},
                  {"seed", seed},
                  {"time_s", 60.0},
                  {"samples", 6000},
                  {"samples_per_s", 100.0},
                  {"final_accuracy", 0.8},
                  {"best_accuracy", 0.82},
                  {"target_accuracy", 0.75},
                  {"time_to_target_s", 30.0},
                  {"compute_share", 0.5},
                  {"wait_share", 0.25},
                  {"staleness_p50", 1},
                  {"staleness_p99", 4},
                  {"diverged", false},
                  {"disturbed", false},
                  {"bytes_pushed", 1000},
                  {"bytes_pulled", 2000},
                  {"classes", 4},
                  {"test_samples", 1000},
                  {"epochs", 5},
                  {"model_digest", nullptr}};
  Json flat = {{"name", "trial"},
               {"seed", seed},
               {"clock", "virtual"},
               {"model.kind", "mlp"},
               {"data.source", "small"},
               {"data.batch_size", 16},
               {"optimizer.learning_rate", 0.1},
               {"strategy.name", strategy},
               {"cluster.workers", 3},
               {"stragglers", Json::array({Json{{"workers", {1}}, {"kind", "constant"}, {"delay_ms", 2.5}}})},
               {"stop.epochs", 5},
               {"evaluate.every_epochs", 0.01},
               {"evaluate.target_accuracy", 0.75}};
  for (const auto& [key, value] : config) flat[key] = value;
  for (const auto& [key, value] : change) summary[key] = value;
  if (!summary.contains("samples_used") && summary["time_s"].is_number())
    summary["samples_used"] = summary["samples_per_s"].get<double>() * summary["time_s"].get<double>();
  summary["config"] = std::move(flat);
  summary["workers"] = Json::array({Json{{"worker", 0}, {"held_by", Json::array()}}});
  return summary;
}

inline void write_run(const std::string& folder, const nlohmann::ordered_json& summary) {
  std::filesystem::create_directories(folder);
  write_file(folder + "/config.yaml", "");
  write_file(folder + "/summary.json", summary.dump(2) + "\n");
}

}  // namespace psctl::test
