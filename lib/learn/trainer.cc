#include "learn/trainer.h"

#include <utility>

#include "base/error.h"

namespace psctl::learn {

Trainer::Trainer(const Model& model, const data::Dataset& dataset, data::BatchOrder batches,
                 const OptimizerConfig& optimizer, const sync::Traits& traits, bool coordinates)
    : model_(model), dataset_(dataset), batches_(std::move(batches)), traits_(traits), coordinates_(coordinates) {
  PSCTL_CHECK(!coordinates || (dataset.sparse() && traits.kind == sync::Traits::Kind::kGradient));
  if (traits.kind == sync::Traits::Kind::kLocal) {
    local_.emplace(optimizer, traits.rebase, model.parameter_count(), dataset.size());
  }
}

double Trainer::compute(std::span<const float> parameters, std::span<float> gradient, Workspace& workspace) {
  batches_.assemble(begun_++, dataset_, workspace.batch());
  return model_.gradient(parameters, workspace.batch(), gradient, workspace);
}

double Trainer::run(const Leg& leg, Push& push, const Buffers& buffer, Workspace& workspace) {
  if (!coordinates_ || leg.empty) {
    std::shared_ptr<Tensor> dense = buffer();
    const double loss = run(leg, dense->values(), workspace);
    push = Push(std::move(dense));
    return loss;
  }
  PSCTL_CHECK(leg.overlapped == 0 && leg.steps == 1, "a gradient worker pushes one mini-batch at a time");
  if (leg.model) snapshot_ = leg.model;
  PSCTL_CHECK(snapshot_);
  batches_.assemble(begun_++, dataset_, workspace.batch());
  auto coordinates = std::make_shared<Coordinates>();
  const double loss = model_.gradient(snapshot_->values(), workspace.batch(), *coordinates, workspace);
  if (smaller_than_dense(coordinates->size(), model_.parameter_count())) {
    push = Push(std::move(coordinates));
  } else {
    std::shared_ptr<Tensor> dense = buffer();
    spread(*coordinates, dense->values());
    push = Push(std::move(dense));
  }
  return loss;
}

double Trainer::run(const Leg& leg, std::span<float> push, Workspace& workspace) {
  const Step given_up = leg.empty ? 1 : 0;
  PSCTL_CHECK(leg.steps >= given_up);
  double loss = 0;
  if (!local_) {
    PSCTL_CHECK(leg.overlapped == 0 && leg.steps == 1, "a gradient worker pushes one mini-batch at a time");
    if (leg.model) snapshot_ = leg.model;
    PSCTL_CHECK(snapshot_);
    if (!leg.empty) loss = compute(snapshot_->values(), push, workspace);
  } else {
    // The gradients of the steps stand where the push will be.
    const auto take_steps = [&](Step count) {
      for (Step i = 0; i < count; ++i) {
        loss += compute(local_->parameters(), push, workspace);
        local_->step(push);
      }
    };
    Step kept = leg.overlapped;
    take_steps(leg.overlapped);
    local_->released(leg.pace);
    if (leg.model) {
      local_->take(leg.model->values());
      if (traits_.rebase == sync::Traits::Rebase::kDiscard) kept = 0, loss = 0;
    }
    take_steps(leg.steps - given_up);
    kept += leg.steps - given_up;
    if (!leg.empty) {
      PSCTL_CHECK(kept > 0);
      local_->push(push);
      loss /= static_cast<double>(kept);
    }
  }
  begun_ += given_up;
  return leg.empty ? 0 : loss;
}

}  // namespace psctl::learn
