// The `model` and `optimizer` sections of a configuration, as plain values.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace psctl::learn {

enum class ModelKind { kLogistic, kMlp, kCnn, kNone };

// One convolution, stride 1, then ReLU, then max pooling over pool x pool fields that do not overlap (1: none).
struct ConvConfig {
  std::size_t filters = 0;
  std::size_t kernel = 0;
  std::size_t padding = 0;
  std::size_t pool = 1;
};

enum class Save { kNone, kFinal };

// The samples that evaluations look at.
enum class EvaluateOn { kTest, kValidation };

struct ModelConfig {
  ModelKind kind = ModelKind::kNone;
  std::vector<ConvConfig> conv;     // cnn
  std::vector<std::size_t> hidden;  // mlp, cnn: widths of the dense layers before the output
  Save save = Save::kNone;          // final: the last model goes into the run folder
};

enum class OptimizerKind { kSgd, kMomentum, kNesterov, kAdaGrad, kAdam };
enum class ScheduleKind { kConstant, kStep, kExponential, kCosine };

// Learning rate over epochs of settled samples; learn/schedule.h says which epoch an update has.
struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::kConstant;
  double warmup_epochs = 0;  // linear from 0 up to the rate
  double every_epochs = 1;   // step
  double factor = 1;         // step: at every every_epochs; exponential: an epoch
  double epochs = 1;         // cosine: down to 0 at this epoch
};

// What happens to a share that is tau updates old: nothing, a lower rate, or the delay compensation of Zheng et al.,
// ICML 2017 (DC-ASGD): g + lambda * g * g * (w - the model that the worker had), element by element. Adaptive: lambda /
// (sqrt(s) + 1e-7) in the place of lambda, with s = decay * s + (1 - decay) * g * g, of each worker on its own.
enum class StalenessKind { kNone, kInverse, kDc };
enum class DcMode { kConstant, kAdaptive };
struct StalenessConfig {
  StalenessKind kind = StalenessKind::kNone;
  std::size_t offset = 0;             // inverse: rate / max(1, tau) with 0, rate / (tau + 1) with 1
  DcMode mode = DcMode::kConstant;    // dc
  std::optional<double> lambda = {};  // dc; none: as below
  std::optional<double> decay = {};   // dc, adaptive; none: as below
};

// The numbers in the code of A2S's authors.
inline double dc_lambda(const StalenessConfig& config) {
  return config.lambda.value_or(config.mode == DcMode::kConstant ? 0.04 : 2);
}
inline double dc_decay(const StalenessConfig& config) { return config.decay.value_or(0.95); }

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kSgd;
  double learning_rate = 0.1;
  double weight_decay = 0;
  double momentum = 0.9;  // momentum, nesterov
  double beta1 = 0.9;     // adam
  double beta2 = 0.999;   // adam
  double epsilon = 1e-8;  // adam, adagrad
  ScheduleConfig schedule;
  StalenessConfig staleness;
};

}  // namespace psctl::learn
