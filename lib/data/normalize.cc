#include "data/normalize.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/statistics.h"

namespace psctl::data {
namespace {

// Of the samples of the set; those that were taken when a file was prepared, if they are of the same samples.
std::vector<FeatureStatistics> statistics_of(const Dataset& set) {
  const Samples& samples = set.samples();
  if (set.selected().empty() && !samples.statistics.empty()) {
    return {samples.statistics.begin(), samples.statistics.end()};
  }
  FeatureSums sums(set.shape().size(), samples.values, set.sparse());
  for (std::uint32_t sample = 0; sample < set.size(); ++sample) {
    if (set.sparse()) {
      sums.add(std::as_bytes(set.entries(sample)));
    } else if (samples.values == Values::kBytes) {
      sums.add(std::as_bytes(set.bytes(sample)));
    } else {
      sums.add(std::as_bytes(set.floats(sample)));
    }
  }
  std::vector<FeatureStatistics> features = sums.finish(set.shape().size());
  if (features.empty()) {
    throw UserError(fmt::format("data.normalize: expected none, as samples have more than {} values, found another",
                                kMostStatistics));
  }
  return features;
}

std::pair<float, float> range_of(std::span<const FeatureStatistics> features) {
  std::pair range{std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  for (const FeatureStatistics& feature : features) {
    if (feature.present == 0) continue;
    range = {std::min(range.first, feature.least), std::max(range.second, feature.most)};
  }
  return range;
}

// As 1 / x, but 1 where that is no number: where x is 0, or so small that its inverse is infinite.
float inverse(double x) {
  const auto scale = static_cast<float>(1 / x);
  return x > 0 && std::isfinite(scale) ? scale : 1.0F;
}

float by_largest(float least, float most) { return inverse(std::max(std::abs(least), std::abs(most))); }

// Of bytes, mean and deviation come from whole-number sums, so no order of summing can change them.
Affine standardise(const Dataset& training, std::span<const FeatureStatistics> features) {
  const auto count = static_cast<double>(training.size()) * static_cast<double>(features.size());
  if (training.samples().values == Values::kBytes) {
    std::uint64_t sum = 0, square = 0;
    for (const FeatureStatistics& feature : features) {
      sum += static_cast<std::uint64_t>(feature.sum);
      square += static_cast<std::uint64_t>(feature.squares);
    }
    __extension__ using Wide = unsigned __int128;
    const Wide spread = Wide{square} * (training.size() * features.size()) - Wide{sum} * sum;
    const double mean = static_cast<double>(sum) / count;
    const double deviation = std::sqrt(static_cast<double>(spread)) / count;
    return {.scale = static_cast<float>(1 / deviation), .shift = static_cast<float>(-mean / deviation)};
  }
  const auto samples = static_cast<double>(training.size());
  double sum = 0, spread = 0;
  for (const FeatureStatistics& feature : features) sum += feature.sum + samples * feature.origin;
  const double mean = sum / count;
  for (const FeatureStatistics& feature : features) {
    const double distance = feature.origin - mean;
    spread += feature.squares + 2 * distance * feature.sum + samples * distance * distance;
  }
  const double deviation = std::sqrt(std::max(spread, 0.0) / count);
  return {.scale = static_cast<float>(1 / deviation), .shift = static_cast<float>(-mean / deviation)};
}

Affine for_all(Normalize kind, const Dataset& training, const std::string& name) {
  if (kind == Normalize::kUnit && training.samples().values == Values::kBytes)
    return {.scale = 1.0F / 255.0F, .shift = 0};
  const std::vector<FeatureStatistics> features = statistics_of(training);
  const auto [least, most] = range_of(features);
  if (training.sparse() || kind == Normalize::kMaxAbs) {
    return {.scale = least <= most ? by_largest(least, most) : 1.0F, .shift = 0};
  }
  if (least == most) {
    throw UserError(
        fmt::format("data.normalize: {} needs values that differ, every value of the training part of {} is {}; use {}",
                    kind == Normalize::kUnit ? "unit" : "standard", name, least,
                    kind == Normalize::kUnit ? "none" : "unit or none"));
  }
  if (kind == Normalize::kStandard) return standardise(training, features);
  const double span = static_cast<double>(most) - least;
  return {.scale = static_cast<float>(1 / span), .shift = static_cast<float>(-least / span)};
}

// Of a dense feature: mean and deviation.
std::pair<double, double> moments(const FeatureStatistics& feature, double samples) {
  const double above_origin = feature.sum / samples;
  const double variance = feature.squares / samples - above_origin * above_origin;
  return {feature.origin + above_origin, std::sqrt(std::max(variance, 0.0))};
}

EachFeature for_each(Normalize kind, const Dataset& training) {
  EachFeature each;
  for (const FeatureStatistics& feature : statistics_of(training)) {
    const bool never_changes = feature.least == feature.most;
    if (training.sparse() || kind == Normalize::kMaxAbs) {
      each.scale.push_back(feature.present > 0 ? by_largest(feature.least, feature.most) : 1.0F);
      if (!training.sparse()) each.center.push_back(0);
    } else if (never_changes || kind == Normalize::kUnit) {
      each.scale.push_back(inverse(static_cast<double>(feature.most) - feature.least));
      each.center.push_back(feature.least);
    } else {
      const auto [mean, deviation] = moments(feature, static_cast<double>(training.size()));
      each.scale.push_back(inverse(deviation));
      each.center.push_back(static_cast<float>(mean));
    }
  }
  return each;
}

}  // namespace

Normalize normalize_for(const NormalizeConfig& config, const Dataset& training) {
  if (config.kind != Normalize::kAuto) return config.kind;
  if (!training.sparse()) return Normalize::kStandard;
  return training.shape().size() <= kMostStatistics ? Normalize::kUnit : Normalize::kNone;
}

std::string notice_of_scales(const NormalizeConfig& config, const Dataset& training) {
  constexpr double kUnlike = 10;  // deviations, the largest to the smallest
  const Samples& samples = training.samples();
  const bool columns = samples.shape.channels == 1 && samples.shape.height == 1;
  if (!columns || training.sparse() || samples.values == Values::kBytes || config.per == Per::kFeature ||
      normalize_for(config, training) == Normalize::kNone) {
    return {};
  }
  double least = std::numeric_limits<double>::infinity(), most = 0;
  std::size_t of_least = 0, of_most = 0;
  for (std::size_t i = 0; i < samples.statistics.size(); ++i) {
    const FeatureStatistics& feature = samples.statistics[i];
    if (feature.present == 0 || feature.least == feature.most) continue;
    const double deviation = moments(feature, static_cast<double>(feature.present)).second;
    if (deviation < least) std::tie(least, of_least) = std::pair(deviation, i);
    if (deviation > most) std::tie(most, of_most) = std::pair(deviation, i);
  }
  if (!(most > kUnlike * least)) return {};
  return fmt::format("features are on unlike scales: the standard deviation of feature {} is {:.3g}, that of feature {} "
                     "{:.3g}. One transform for all leaves them so; data.normalize={{kind: standard, per: feature}} gives "
                     "each feature its own",
                     of_most + 1, most, of_least + 1, least);
}

Transform fit(const NormalizeConfig& config, const Dataset& training, const std::string& name) {
  const Normalize kind = normalize_for(config, training);
  if (kind == Normalize::kNone) return {};
  if (training.sparse() && kind == Normalize::kStandard) {
    throw UserError(fmt::format(
        "data.normalize: standard would fill in the zeros of {}, which is sparse; use unit, max_abs or none", name));
  }
  if (config.per == Per::kAll) return {.all = for_all(kind, training, name), .each = nullptr};
  return {.all = {}, .each = std::make_shared<const EachFeature>(for_each(kind, training))};
}

}  // namespace psctl::data
