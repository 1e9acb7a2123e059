#include "data/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace psctl::data {
namespace {

// So many squares of bytes fit into 32 bits.
constexpr std::uint32_t kMostRuns = UINT32_MAX / (255 * 255);

void sum_bytes(const std::uint8_t* __restrict values, std::size_t count, std::uint32_t* __restrict sum,
               std::uint32_t* __restrict squares, std::uint32_t* __restrict present, std::uint8_t* __restrict least,
               std::uint8_t* __restrict most) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t value = values[i];
    sum[i] += value;
    squares[i] += value * value;
    ++present[i];
  }
  for (std::size_t i = 0; i < count; ++i) {
    least[i] = std::min(least[i], values[i]);
    most[i] = std::max(most[i], values[i]);
  }
}

// Whether all values were finite or missing.
bool sum_floats(const float* __restrict values, std::size_t count, const float* __restrict origin,
                double* __restrict sum, double* __restrict squares, std::uint32_t* __restrict present,
                float* __restrict least, float* __restrict most) {
  int infinite = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float value = values[i];
    const bool there = value == value;
    const double distance = there ? static_cast<double>(value) - static_cast<double>(origin[i]) : 0.0;
    sum[i] += distance;
    squares[i] += distance * distance;
    present[i] += there ? 1 : 0;
    least[i] = value < least[i] ? value : least[i];
    most[i] = value > most[i] ? value : most[i];
    infinite |= std::abs(value) > std::numeric_limits<float>::max() ? 1 : 0;
  }
  return infinite == 0;
}

}  // namespace

FeatureSums::FeatureSums(std::uint64_t features, Values values, bool sparse) : values_(values), sparse_(sparse) {
  if (sparse_) return;
  PSCTL_CHECK(features > 0);
  too_many_ = features > kMostStatistics;
  if (too_many_) return;
  features_.resize(features);
  if (values_ == Values::kBytes) {
    sum_.resize(features);
    squares_.resize(features);
    count_.resize(features);
    least_.resize(features, 255);
    most_.resize(features, 0);
  } else {
    float_sum_.resize(features);
    float_squares_.resize(features);
    present_.resize(features);
    origin_.resize(features, std::numeric_limits<float>::quiet_NaN());
    float_least_.resize(features, std::numeric_limits<float>::infinity());
    float_most_.resize(features, -std::numeric_limits<float>::infinity());
    without_origin_ = features;
  }
}

void FeatureSums::add(std::span<const std::byte> rows) {
  const auto as = [&]<class T>(T*) {
    return std::span<const T>(reinterpret_cast<const T*>(rows.data()), rows.size() / sizeof(T));
  };
  if (sparse_) return add_entries(as(static_cast<Entry*>(nullptr)));
  if (too_many_) return;
  if (values_ == Values::kBytes) return add_bytes(as(static_cast<std::uint8_t*>(nullptr)));
  add_floats(as(static_cast<float*>(nullptr)));
}

void FeatureSums::add_bytes(std::span<const std::uint8_t> values) {
  while (!values.empty()) {
    const auto run = values.first(std::min(values.size(), features_.size() - next_));
    if (runs_ == kMostRuns) flush_bytes();
    ++runs_;
    sum_bytes(run.data(), run.size(), &sum_[next_], &squares_[next_], &count_[next_], &least_[next_], &most_[next_]);
    next_ = (next_ + run.size()) % features_.size();
    values = values.subspan(run.size());
  }
}

void FeatureSums::flush_bytes() {
  for (std::size_t i = 0; i < features_.size(); ++i) {
    features_[i].sum += sum_[i];
    features_[i].squares += squares_[i];
    features_[i].present += count_[i];
  }
  std::ranges::fill(sum_, 0);
  std::ranges::fill(squares_, 0);
  std::ranges::fill(count_, 0);
  runs_ = 0;
}

void FeatureSums::add_floats(std::span<const float> values) {
  while (!values.empty()) {
    const auto run = values.first(std::min(values.size(), features_.size() - next_));
    for (std::size_t i = 0; without_origin_ > 0 && i < run.size(); ++i) {
      if (std::isnan(origin_[next_ + i]) && !std::isnan(run[i])) {
        origin_[next_ + i] = run[i];
        --without_origin_;
      }
    }
    PSCTL_CHECK(sum_floats(run.data(), run.size(), &origin_[next_], &float_sum_[next_], &float_squares_[next_],
                           &present_[next_], &float_least_[next_], &float_most_[next_]),
                "an importer handed over an infinite value");
    next_ = (next_ + run.size()) % features_.size();
    values = values.subspan(run.size());
  }
}

void FeatureSums::add_entries(std::span<const Entry> entries) {
  constexpr std::size_t kAhead = 16;  // entries, until a feature's sums have come from memory
  bool finite = true;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i + kAhead < entries.size() && entries[i + kAhead].index < entry_sums_.size()) {
      __builtin_prefetch(&entry_sums_[entries[i + kAhead].index], 1);
    }
    const auto [index, value] = entries[i];
    finite &= std::isfinite(value);
    if (index >= entry_sums_.size()) {
      if (index >= kMostStatistics) continue;
      entry_sums_.resize(std::min(kMostStatistics, std::max<std::uint64_t>(index + 1, 2 * entry_sums_.size())));
    }
    EntrySums& feature = entry_sums_[index];
    feature.sum += value;
    feature.squares += static_cast<double>(value) * value;
    feature.least = std::min(feature.least, value);
    feature.most = std::max(feature.most, value);
    ++feature.present;
  }
  PSCTL_CHECK(finite, "an importer handed over a value that is not finite");
}

std::vector<FeatureStatistics> FeatureSums::finish(std::uint64_t features) {
  if (features > kMostStatistics) return {};
  if (sparse_) {
    features_.resize(features);
    for (std::size_t i = 0; i < std::min(features_.size(), entry_sums_.size()); ++i) {
      const EntrySums& sums = entry_sums_[i];
      if (sums.present == 0) continue;
      features_[i].sum = sums.sum;
      features_[i].squares = sums.squares;
      features_[i].present = sums.present;
      features_[i].least = sums.least;
      features_[i].most = sums.most;
    }
    return std::move(features_);
  }
  PSCTL_CHECK(features == features_.size() && next_ == 0);
  if (values_ == Values::kBytes) flush_bytes();
  for (std::size_t i = 0; i < features_.size(); ++i) {
    FeatureStatistics& feature = features_[i];
    if (values_ == Values::kBytes) {
      if (feature.present == 0) continue;
      feature.least = least_[i];
      feature.most = most_[i];
    } else if (present_[i] > 0) {
      feature = {.sum = float_sum_[i],
                 .squares = float_squares_[i],
                 .present = present_[i],
                 .missing = 0,
                 .origin = origin_[i],
                 .least = float_least_[i],
                 .most = float_most_[i],
                 .reserved = 0};
    }
  }
  return std::move(features_);
}

}  // namespace psctl::data
