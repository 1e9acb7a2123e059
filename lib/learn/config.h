// The `model` and `optimizer` sections of a configuration, as plain values.
#pragma once

#include <cstddef>
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

struct ModelConfig {
  ModelKind kind = ModelKind::kNone;
  std::vector<ConvConfig> conv;     // cnn
  std::vector<std::size_t> hidden;  // mlp, cnn: widths of the dense layers before the output
  Save save = Save::kNone;          // final: the last model goes into the run folder
};

enum class OptimizerKind { kSgd, kMomentum, kNesterov, kAdaGrad, kAdam };
enum class ScheduleKind { kConstant, kStep, kExponential, kCosine };

// Learning rate over epochs, counted as everywhere in samples of the pushes received.
struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::kConstant;
  double warmup_epochs = 0;  // linear from 0 up to the rate
  double every_epochs = 1;   // step
  double factor = 1;         // step: at every every_epochs; exponential: an epoch
  double epochs = 1;         // cosine: down to 0 at this epoch
};

// What happens to the rate of a share that is tau updates old.
enum class StalenessKind { kNone, kInverse };
struct StalenessConfig {
  StalenessKind kind = StalenessKind::kNone;
  std::size_t offset = 0;  // inverse: rate / max(1, tau) with 0, rate / (tau + 1) with 1
};

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kSgd;
  double learning_rate = 0.1;
  double weight_decay = 0;
  double momentum = 0.9;   // momentum, nesterov
  double beta1 = 0.9;      // adam
  double beta2 = 0.999;    // adam
  double epsilon = 1e-8;   // adam, adagrad
  ScheduleConfig schedule;
  StalenessConfig staleness;
};

}  // namespace psctl::learn
