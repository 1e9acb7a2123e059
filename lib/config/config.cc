#include "config/config.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "config/checks.h"
#include "config/faults.h"
#include "config/json.h"
#include "config/overrides.h"
#include "config/schema.h"
#include "config/tree.h"

namespace psctl::config {
namespace {

constexpr double kDefaultPeriodEpochs = 0.25;

std::string lines_of(const std::vector<std::string>& faults) {
  std::string text;
  for (const std::string& fault : faults) text += (text.empty() ? "" : "\n") + fault;
  return text;
}

bool timing_only(const RunConfig& run) { return run.model.kind == learn::ModelKind::kNone; }

std::vector<WorkerId> everyone(const RunConfig& run) {
  std::vector<WorkerId> workers(run.cluster.workers);
  for (std::size_t i = 0; i < workers.size(); ++i) workers[i] = WorkerId(static_cast<std::uint32_t>(i));
  return workers;
}

bool has_period(const lead::EvaluateConfig& evaluate) {
  return evaluate.every_epochs || evaluate.every_s || evaluate.every_updates;
}

// What the sections mean together, where they fit together.
void settle(RunConfig& run) {
  for (delay::Rule& rule : run.stragglers) {
    if (rule.workers.empty()) rule.workers = everyone(run);
  }
  if (timing_only(run)) {
    const std::size_t batch_size = run.data.batch_size;
    run.data = {};
    run.data.batch_size = batch_size;
    run.optimizer = {};
    run.evaluate = {};
    return;
  }
  data::PartitionConfig& partition = run.data.partition;
  if (partition.kind == data::PartitionKind::kQuantity && !partition.sizes && !partition.law) {
    partition.law = data::SizeLaw::kEqual;
  }
  if (partition.law == data::SizeLaw::kPower && !partition.exponent) partition.exponent = data::kDefaultExponent;
  learn::StalenessConfig& staleness = run.optimizer.staleness;
  if (staleness.kind == learn::StalenessKind::kDc) {
    staleness.lambda = learn::dc_lambda(staleness);
    if (staleness.mode == learn::DcMode::kAdaptive) staleness.decay = learn::dc_decay(staleness);
  }
  if (!has_period(run.evaluate)) run.evaluate.every_epochs = kDefaultPeriodEpochs;
  if (run.evaluate.every_epochs == 0.0) run.evaluate.every_epochs.reset();
  if (run.evaluate.every_s == 0.0) run.evaluate.every_s.reset();
  if (run.evaluate.every_updates == 0U) run.evaluate.every_updates.reset();
}

// The other way: what settle() makes of the result is `run` again.
void unsettle(RunConfig& run) {
  const auto all = everyone(run);
  for (delay::Rule& rule : run.stragglers) {
    if (rule.workers == all) rule.workers.clear();
  }
  if (!timing_only(run) && !has_period(run.evaluate)) run.evaluate.every_epochs = 0;
}

Node resolved(const RunConfig& run) {
  RunConfig told = run;
  unsettle(told);
  Node root = root_section().write(&told);
  if (timing_only(run)) {
    std::erase_if(root.entries, [](const Entry& entry) { return entry.key == "optimizer" || entry.key == "evaluate"; });
    std::erase_if(root.find("data")->entries, [](const Entry& entry) { return entry.key != "batch_size"; });
  }
  return root;
}

void flatten(const Node& node, const std::string& path, nlohmann::ordered_json& flat) {
  if (node.kind != Node::Kind::kMap) {
    flat[path] = as_json(node);
    return;
  }
  for (const Entry& entry : node.entries) flatten(entry.value, joined(path, entry.key), flat);
}

}  // namespace

ConfigError::ConfigError(std::vector<std::string> faults) : UserError(lines_of(faults)), faults_(std::move(faults)) {}

Loaded load_text(std::string_view text, const std::string& name, const std::vector<std::string>& overrides) {
  Faults faults(name, overrides);
  Loaded loaded;
  auto root = parse(text, 0, faults);
  if (root && root->kind == Node::Kind::kNull) {
    faults.add({}, "", "there is nothing in it");
  } else if (root && root->kind != Node::Kind::kMap) {
    refuse_type(*root, "", faults, "a map of keys");
  } else if (root) {
    apply_overrides(*root, overrides, faults, loaded.notices);
    root_section().read(*root, "", faults, &loaded.run);
    check_together(loaded.run, *root, faults);
  }
  if (faults.count() > 0) throw ConfigError(faults.told());
  settle(loaded.run);
  if (to_yaml(loaded.run).size() > kLongestText) {
    throw ConfigError({fmt::format("{}: larger than 1 MiB once it is resolved", name)});
  }
  return loaded;
}

std::string read_file(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    throw ConfigError({fmt::format("{}: there is no such file", path)});
  }
  if (error) throw ConfigError({fmt::format("{}: cannot be read: {}", path, error.message())});
  if (std::filesystem::is_directory(status))
    throw ConfigError({fmt::format("{}: this is a folder; name a file", path)});
  std::ifstream file(path, std::ios::binary);
  std::string text(kLongestText + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file && !file.eof()) throw ConfigError({fmt::format("{}: cannot be read; may you read it?", path)});
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

Loaded load_file(const std::string& path, const std::vector<std::string>& overrides) {
  return load_text(read_file(path), path, overrides);
}

std::string to_yaml(const RunConfig& run) { return to_text(resolved(run)); }

std::string to_json(const RunConfig& run) {
  nlohmann::ordered_json flat = nlohmann::ordered_json::object();
  flatten(resolved(run), "", flat);
  return flat.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace psctl::config
