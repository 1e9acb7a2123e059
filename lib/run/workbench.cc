#include "run/workbench.h"

#include <algorithm>
#include <fmt/format.h>
#include <thread>

#include "base/error.h"
#include "config/config.h"
#include "data/load.h"
#include "data/normalize.h"
#include "learn/model_store.h"
#include "sync/registry.h"

namespace psctl::run {

namespace {

data::Ready make_ready(const config::RunConfig& config, const std::string& prepared) {
  if (config.model.kind == learn::ModelKind::kNone) return {};
  if (prepared.empty()) return data::prepare(config.data);
  return {.prepared = data::Prepared::open(prepared), .path = prepared, .keeper = nullptr, .notices = {}};
}

}  // namespace

Workbench::Workbench(const config::RunConfig& config, const std::string& prepared)
    : Workbench(config, make_ready(config, prepared)) {}

Workbench::Workbench(const config::RunConfig& config, data::Ready ready) : config_(config), data_(std::move(ready)) {
  if (config_.model.kind == learn::ModelKind::kNone) return;
  splits_ = data::load(config_.data, *data_.prepared, config_.seed);
  if (config_.evaluate.on == learn::EvaluateOn::kValidation && !splits_.validation) {
    throw UserError(
        fmt::format("evaluate.on: there are no validation samples of {}; give data.validation a number of "
                    "training samples to keep back, or a file",
                    data::name_of(config_.data.source)));
  }
  model_ = std::make_unique<learn::Model>(config_.model, splits_.train->shape(), splits_.train->classes());
  if (splits_.train->sparse()) model_->check_sparse();
  const std::size_t most = learn::most_servers(parameters());
  if (config_.clock == config::Clock::kReal && config_.cluster.servers > most) {
    throw UserError(fmt::format(
        "cluster.servers: {} servers cannot share {} parameters, which are cut into blocks of 16; use at most "
        "{}",
        config_.cluster.servers, parameters(), most));
  }
}

std::vector<data::BatchOrder> Workbench::batches() const {
  return data::batch_orders(config_.data, *splits_.train, config_.cluster.workers, config_.seed);
}

std::vector<delay::Stragglers> Workbench::stragglers() const {
  return delay::Stragglers::every(config_.stragglers, config_.cluster.workers, config_.seed);
}

lead::Setup Workbench::lead_setup(const std::string& folder) const {
  return {.strategy = config_.strategy.name,
          .label = sync::label(config_.strategy),
          .config = config::to_json(config_),
          .classes = timing_only() ? 0 : splits_.train->classes(),
          .seed = config_.seed,
          .cluster = config_.cluster,
          .stop = config_.stop,
          .evaluate = timing_only() ? lead::EvaluateConfig{} : config_.evaluate,
          .trace = config_.trace,
          .checkpoint_every_updates = config_.checkpoint.every_updates,
          .update_time =
              config_.clock == config::Clock::kVirtual ? from_milliseconds(config_.simulation.update_ms) : Duration{},
          .optimizer = config_.optimizer,
          .train_samples = timing_only() ? 0 : splits_.train->size(),
          .batch_size = config_.data.batch_size,
          .model_bytes = parameters() * sizeof(float),
          .virtual_clock = config_.clock == config::Clock::kVirtual,
          .folder = folder};
}

std::unique_ptr<sync::Strategy> Workbench::strategy() const {
  sync::Setting setting{.workers = config_.cluster.workers,
                        .steps_per_epoch = 0,
                        .total_samples = config_.stop.samples,
                        .train_samples = timing_only() ? 0 : splits_.train->size(),
                        .batch_size = config_.data.batch_size,
                        .seed = config_.seed};
  if (!timing_only()) {
    const std::size_t samples = splits_.train->size();
    setting.steps_per_epoch = samples / config_.cluster.workers / config_.data.batch_size;
    if (config_.stop.epochs) {
      const auto total = static_cast<std::uint64_t>(*config_.stop.epochs * static_cast<double>(samples));
      setting.total_samples = std::min(total, setting.total_samples.value_or(total));
    }
  }
  return sync::make(config_.strategy, setting);
}

bool Workbench::pushes_coordinates() const { return config_.cluster.sparse_pushes && why_dense().empty(); }

std::string Workbench::why_dense() const {
  if (timing_only() || !splits_.train->sparse()) return "the samples are not sparse";
  return learn::why_dense(config_.model, config_.optimizer, strategy()->traits().kind);
}

std::vector<std::string> Workbench::notices() const {
  auto notices = delay::Stragglers::notices(config_.stragglers, config_.stop.steps_per_worker);
  if (timing_only()) return notices;
  notices.insert(notices.begin(), data_.notices.begin(), data_.notices.end());
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  if (config_.clock == config::Clock::kReal && config_.cluster.threads_per_worker > cores) {
    notices.push_back(
        fmt::format("cluster.threads_per_worker: {} are more than the cores of this machine: each worker "
                    "computes with {}",
                    config_.cluster.threads_per_worker, cores));
  }
  if (std::string notice = data::notice_of_scales(config_.data.normalize, *splits_.train); !notice.empty()) {
    notices.push_back("data.normalize: " + std::move(notice));
  }
  if (splits_.train->sparse() && config_.data.normalize.kind == data::Normalize::kAuto) {
    const bool scaled = data::normalize_for(config_.data.normalize, *splits_.train) == data::Normalize::kUnit;
    notices.push_back(fmt::format("data.normalize: {} is sparse, and standard would fill in its zeros: {}",
                                  data::name_of(config_.data.source),
                                  scaled ? "its values are divided by the largest absolute value (unit)"
                                         : "its values are taken as they are (none)"));
  }
  if (const std::string why = why_dense(); splits_.train->sparse() && config_.cluster.sparse_pushes && !why.empty()) {
    notices.push_back(fmt::format("pushes carry all {} parameters though {} is sparse: {}", parameters(),
                                  data::name_of(config_.data.source), why));
  }
  return notices;
}

}  // namespace psctl::run
