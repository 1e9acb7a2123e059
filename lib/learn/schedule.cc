#include "learn/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace psctl::learn {
namespace {

double decayed(const ScheduleConfig& schedule, double epoch) {
  // Division may leave a whole number of periods just below itself. A sample less is further below: 1 / (samples of the
  // run) of it.
  constexpr double kRounding = 1e-12;
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      return 1;
    case ScheduleKind::kStep:
      return std::pow(schedule.factor, std::floor(epoch / schedule.every_epochs * (1 + kRounding)));
    case ScheduleKind::kExponential:
      return std::pow(schedule.factor, epoch);
    case ScheduleKind::kCosine:
      return (1 + std::cos(std::numbers::pi * std::min(1.0, epoch / schedule.epochs))) / 2;
  }
  PSCTL_CHECK(false, "unknown schedule");
}

}  // namespace

Schedule::Schedule(const OptimizerConfig& config, std::uint64_t train_samples)
    : learning_rate_(config.learning_rate), config_(config.schedule), epoch_(static_cast<double>(train_samples)) {}

double Schedule::rate(std::uint64_t from, std::uint64_t to) const {
  if (epoch_ == 0) return learning_rate_;
  const double end = static_cast<double>(to) / epoch_;
  const double risen = end < config_.warmup_epochs ? end / config_.warmup_epochs : 1;
  return learning_rate_ * risen * decayed(config_, static_cast<double>(from) / epoch_);
}

}  // namespace psctl::learn
