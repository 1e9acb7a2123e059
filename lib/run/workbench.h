// What a configuration describes, made: the model, the data, everyone's batches, stragglers and the lead's setup.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/run_config.h"
#include "data/batches.h"
#include "data/dataset.h"
#include "data/partition.h"
#include "data/prepare.h"
#include "delay/stragglers.h"
#include "lead/lead.h"
#include "learn/model.h"

namespace psctl::run {

// Throws UserError where data and configuration do not fit each other.
class Workbench {
 public:
  // `prepared`: the prepared file of the data that another process of the run made; empty: they are made ready here.
  explicit Workbench(const config::RunConfig& config, const std::string& prepared = {});
  // With data that are ready: what has been read of them is not checked against its seal again.
  Workbench(const config::RunConfig& config, data::Ready ready);

  const config::RunConfig& config() const { return config_; }
  bool timing_only() const { return !model_; }
  const learn::Model& model() const { return *model_; }   // not when timing_only()
  const data::Splits& splits() const { return splits_; }  // not when timing_only()
  const data::Ready& data() const { return data_; }       // not when timing_only()
  // Whether pushes are coordinates where those are smaller.
  bool pushes_coordinates() const;
  std::size_t parameters() const { return model_ ? model_->parameter_count() : config_.simulation.parameters; }

  // Of every worker, by id.
  std::vector<data::BatchOrder> batches() const;
  std::vector<delay::Stragglers> stragglers() const;
  lead::Setup lead_setup(const std::string& folder) const;
  std::unique_ptr<sync::Strategy> strategy() const;
  // What the user should know of how the configuration was read, a sentence each.
  std::vector<std::string> notices() const;

 private:
  std::string why_dense() const;

  config::RunConfig config_;
  std::unique_ptr<learn::Model> model_;
  data::Ready data_;
  data::Splits splits_;
};

}  // namespace psctl::run
