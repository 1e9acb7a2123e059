#include "data/load.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "data/normalize.h"
#include "data/source.h"
#include "data/split.h"

namespace psctl::data {
namespace {

// The class of that name; else of that number.
std::uint32_t class_of(const std::string& wanted, const Dataset& set, const std::string& source) {
  const std::vector<std::string> names = set.class_names();
  const auto named = std::ranges::find(names, wanted);
  if (named != names.end()) return static_cast<std::uint32_t>(named - names.begin());
  std::uint32_t number = 0;
  const char* const end = wanted.data() + wanted.size();
  const auto [stopped, error] = std::from_chars(wanted.data(), end, number);
  if (error == std::errc() && stopped == end && number < set.classes()) return number;
  constexpr std::size_t kMostNamed = 20;
  const std::string near = nearest(wanted, names);
  throw UserError(fmt::format("data.one_vs_rest: expected a class of {}, {}, found '{}'{}", source,
                              names.empty() || names.size() > kMostNamed
                                  ? fmt::format("a number from 0 to {} or a name", set.classes() - 1)
                                  : enumerate(names, "or"),
                              wanted, near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near)));
}

void check_augment(const AugmentConfig& augment, const Dataset& set, const std::string& source) {
  if (!augment.any()) return;
  const Shape shape = set.shape();
  if (set.sparse() || shape.height == 1) {
    throw UserError(
        fmt::format("data.augment: expected images, found samples of {} that are {}; {}", source,
                    set.sparse() ? "sparse" : fmt::format("rows of {} values", shape.width),
                    set.sparse() ? "remove it" : "say how a row is an image with data.import.shape, or remove it"));
  }
  if (augment.crop >= std::min(shape.height, shape.width)) {
    throw UserError(fmt::format("data.augment.crop: expected less than {}, as the images of {} are {}, found {}",
                                std::min(shape.height, shape.width), source, to_text(shape), augment.crop));
  }
}

}  // namespace

Splits load(const DataConfig& config, const Prepared& prepared, std::uint64_t seed) {
  const std::string name = name_of(config.source);
  std::optional<std::uint32_t> one;
  const auto part = [&](Part which) -> std::optional<Dataset> {
    const auto samples = prepared.part(which);
    if (!samples) return std::nullopt;
    Dataset set(samples);
    if (config.one_vs_rest.empty()) return set;
    if (!one) one = class_of(config.one_vs_rest, set, name);
    return set.one_against_rest(*one);
  };
  Parts parts{.train = *part(Part::kTrain), .validation = part(Part::kValidation), .test = part(Part::kTest)};
  split(parts, config, name, seed);
  if (!parts.test) {
    throw UserError(
        fmt::format("data.test: {} brings no test part; name a file of test samples, or give the number of training "
                    "samples to take out for it",
                    name));
  }
  check_augment(config.augment, parts.train, name);
  const Transform transform = fit(config.normalize, parts.train, name);
  const auto finish = [&](Dataset set) {
    set.set_transform(transform);
    return std::make_shared<const Dataset>(std::move(set));
  };
  Splits splits;
  splits.train = finish(std::move(parts.train));
  if (parts.validation) splits.validation = finish(std::move(*parts.validation));
  splits.test = finish(std::move(*parts.test));
  return splits;
}

}  // namespace psctl::data
