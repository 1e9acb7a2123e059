// From a configuration's `data` section to data sets: known names, formats of folders, subsets, normalisation.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <limits>
#include <numeric>
#include <optional>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "data/catalogue.h"
#include "data/dataset.h"
#include "data/idx.h"
#include "data/import.h"
#include "data/prepared.h"
#include "data/statistics.h"

namespace psctl::data {
namespace {

namespace fs = std::filesystem;

// A way in which a folder can hold a data set.
struct Format {
  const char* holds;  // what must be there, for messages
  bool (*recognises)(const fs::path& folder);
  std::size_t (*check)(const fs::path& folder);  // quick; the number of training samples
  Contents (*read)(const fs::path& folder);
};

constexpr std::array kFormats{
    Format{kIdxFolderFiles, is_idx_folder, check_idx_folder, read_idx_folder},
};

struct Source {
  fs::path path;
  const Format* format;      // of a folder; or
  const Importer* importer;  // of a file, or of a folder without a Format; or neither: a prepared file
  std::string advice;        // how to get the data
};

std::string advice_on_folders() {
  std::vector<std::string> holds;
  for (const Format& format : kFormats) holds.push_back(format.holds);
  return fmt::format("a data folder must hold {}", fmt::join(holds, "; or "));
}

// Runs what reads files; a fault of the data is told together with the way to get sound data.
template <class Read>
auto advised(const std::string& advice, Read read) {
  try {
    return read();
  } catch (const UserError& error) {
    throw UserError(fmt::format("{}; {}", error.what(), advice));
  }
}

[[noreturn]] void refuse_unknown(const std::string& name) {
  const std::vector<std::string> names = known_names();
  const std::string near = nearest(name, names);
  throw UserError(fmt::format("data.source: '{}' is neither a known data set ({}) nor a folder{}; {}", name,
                              enumerate(names), near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near),
                              advice_on_folders()));
}

const Format* format_of(const fs::path& folder) {
  const auto format = std::ranges::find_if(kFormats, [&](const Format& each) { return each.recognises(folder); });
  return format == kFormats.end() ? nullptr : &*format;
}

bool is_prepared(const fs::path& path) {
  std::array<char, 16> begin{};
  std::ifstream file(path, std::ios::binary);
  file.read(begin.data(), begin.size());
  const auto count = static_cast<std::size_t>(file.gcount());
  return Prepared::recognises({reinterpret_cast<const std::uint8_t*>(begin.data()), count});
}

// The format of a file, or of a folder that is in none of kFormats.
const Importer& importer_of(const fs::path& path, const std::string& advice) {
  try {
    return importer_for(std::array{Input{.path = path, .part = Part::kTrain, .labels = {}}});
  } catch (const UserError&) {
    if (fs::is_directory(path)) {
      throw UserError(fmt::format("data.source: {}: holds no data set that psctl reads; {}", path.string(), advice));
    }
    throw UserError(
        fmt::format("data.source: {}: expected a folder, a prepared file or one of a known format (psctl data list), "
                    "found another; {}",
                    path.string(), advice));
  }
}

Source find_source(const std::string& name) {
  if (name.empty()) throw UserError("data.source: expected a known data set or a folder, found nothing");
  const KnownSet* const known = find_known(name);
  const fs::path folder = path_of_source(name);
  const std::string advice = known && folder != name
                                 ? fmt::format("to get the data anew, remove that and: {}", how_to_get(*known))
                                 : advice_on_folders();
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found) refuse_unknown(name);
  if (error) throw UserError(fmt::format("data.source: {}: cannot be read: {}", folder.string(), error.message()));
  if (fs::is_regular_file(status) && is_prepared(folder)) return {folder, nullptr, nullptr, {}};
  if (!fs::is_directory(status)) return {folder, nullptr, &importer_of(folder, advice), {}};
  if (faccessat(AT_FDCWD, folder.c_str(), X_OK, AT_EACCESS) != 0) {
    throw UserError(fmt::format("data.source: {}: cannot be read: {}", folder.string(), std::strerror(errno)));
  }
  if (const Format* format = format_of(folder)) return {folder, format, nullptr, advice};
  return {folder, nullptr, &importer_of(folder, advice), {}};
}

// The parts of a data set as they come.
struct Whole {
  Dataset train;
  std::optional<Dataset> validation;
  Dataset test;
};

Whole open_whole(const Source& source) {
  if (source.format) {
    Contents contents = advised(source.advice, [&] { return source.format->read(source.path); });
    const auto part = [&](Pixels pixels) {
      return Dataset(contents.shape, contents.classes, std::move(pixels.pixels), std::move(pixels.labels));
    };
    return {part(std::move(contents.train)), std::nullopt, part(std::move(contents.test))};
  }
  std::shared_ptr<const Prepared> prepared;
  if (source.importer) {
    const auto writer = PreparedWriter::in_memory(source.path.string(), Missing::kRefuse);
    const std::array inputs{Input{.path = source.path, .part = Part::kTrain, .labels = {}}};
    import_data(*source.importer, inputs, {}, *writer);
    prepared = writer->open();
  } else {
    prepared = Prepared::open(source.path);
  }
  const auto validation = prepared->part(Part::kValidation), test = prepared->part(Part::kTest);
  if (!test) {
    throw UserError(
        fmt::format("data.source: {}: expected a test part, found none; psctl data import ... --test FILE "
                    "makes a file that has one",
                    source.path.string()));
  }
  return {Dataset(prepared->part(Part::kTrain)), validation ? std::optional(Dataset(validation)) : std::nullopt,
          Dataset(test)};
}

void check_sizes(const DataConfig& config, std::size_t samples) {
  if (config.train_limit > samples) {
    throw UserError(fmt::format("data.train_limit: expected at most {}, the training samples of {}, found {}", samples,
                                config.source, config.train_limit));
  }
  const std::size_t kept = config.train_limit == 0 ? samples : config.train_limit;
  if (config.validation >= kept) {
    throw UserError(fmt::format(
        "data.validation: expected less than {}, the training samples{}, found {}", kept,
        config.train_limit == 0 ? fmt::format(" of {}", config.source) : std::string(" that data.train_limit leaves"),
        config.validation));
  }
}

// Takes `count` samples drawn by the key out of the set and leaves the others; both keep the order of the files.
Dataset split_off(Dataset& set, std::size_t count, const Key& key) {
  std::vector<std::uint32_t> order(set.size());
  std::iota(order.begin(), order.end(), 0U);
  Draws draws(key);
  shuffle(order, draws);
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<std::uint32_t> drawn(order.begin(), middle), left(middle, order.end());
  std::ranges::sort(drawn);
  std::ranges::sort(left);
  Dataset taken = set.select(std::move(drawn));
  set = set.select(std::move(left));
  return taken;
}

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

// Of bytes, mean and deviation come from whole-number sums, so no order of summing can change them.
Affine standardise(const Dataset& training, const std::string& source) {
  if (training.sparse()) {
    throw UserError(fmt::format(
        "data.normalize: standard would fill in the zeros of {}, which is sparse; use unit or none", source));
  }
  const std::vector<FeatureStatistics> features = statistics_of(training);
  const auto [least, most] = range_of(features);
  if (least == most) {
    throw UserError(
        fmt::format("data.normalize: standard needs values that differ, every value of the training part of {} is {}; "
                    "use unit or none",
                    source, least));
  }
  const auto count = static_cast<double>(training.size()) * static_cast<double>(features.size());
  double mean = 0, deviation = 0;
  if (training.samples().values == Values::kBytes) {
    std::uint64_t sum = 0, square = 0;
    for (const FeatureStatistics& feature : features) {
      sum += static_cast<std::uint64_t>(feature.sum);
      square += static_cast<std::uint64_t>(feature.squares);
    }
    __extension__ using Wide = unsigned __int128;
    const Wide spread = Wide{square} * (training.size() * features.size()) - Wide{sum} * sum;
    mean = static_cast<double>(sum) / count;
    deviation = std::sqrt(static_cast<double>(spread)) / count;
  } else {
    const auto samples = static_cast<double>(training.size());
    double sum = 0, spread = 0;
    for (const FeatureStatistics& feature : features) sum += feature.sum + samples * feature.origin;
    mean = sum / count;
    for (const FeatureStatistics& feature : features) {
      const double distance = feature.origin - mean;
      spread += feature.squares + 2 * distance * feature.sum + samples * distance * distance;
    }
    deviation = std::sqrt(std::max(spread, 0.0) / count);
  }
  return {.scale = static_cast<float>(1 / deviation), .shift = static_cast<float>(-mean / deviation)};
}

// Bytes by what a byte can hold; floats by what the training part holds; sparse ones keep their zeros and signs.
Affine to_unit(const Dataset& training, const std::string& source) {
  if (training.samples().values == Values::kBytes) return {.scale = 1.0F / 255.0F, .shift = 0};
  const auto [least, most] = range_of(statistics_of(training));
  if (training.sparse()) {
    const float largest = std::max(std::abs(least), std::abs(most));
    return {.scale = std::isfinite(largest) && largest > 0 ? 1 / largest : 1.0F, .shift = 0};
  }
  if (least == most) {
    throw UserError(fmt::format(
        "data.normalize: unit needs values that differ, every value of the training part of {} is {}; use none", source,
        least));
  }
  const double span = static_cast<double>(most) - least;
  return {.scale = static_cast<float>(1 / span), .shift = static_cast<float>(-least / span)};
}

Affine transform_for(const DataConfig& config, const Dataset& training) {
  switch (normalize_for(config, training)) {
    case Normalize::kNone:
      return {};
    case Normalize::kUnit:
      return to_unit(training, config.source);
    case Normalize::kStandard:
      return standardise(training, config.source);
  }
  PSCTL_CHECK(false);
  return {};
}

}  // namespace

fs::path path_of_source(const std::string& name) {
  const KnownSet* const known = find_known(name);
  std::error_code error;
  if (!known || fs::exists(fs::status(name, error))) return name;
  const fs::path place = place_of(*known);
  if (place.empty()) {
    throw UserError(fmt::format("{} is not on this machine; to get it: {}", name, how_to_get(*known)));
  }
  return place;
}

Normalize normalize_for(const DataConfig& config, const Dataset& training) {
  if (config.normalize) return *config.normalize;
  if (!training.sparse()) return Normalize::kStandard;
  return training.shape().size() <= kMostStatistics ? Normalize::kUnit : Normalize::kNone;
}

void check_source(const DataConfig& config) {
  const Source source = find_source(config.source);
  if (source.format) {
    check_sizes(config, advised(source.advice, [&] { return source.format->check(source.path); }));
  } else if (!source.importer) {
    check_sizes(config, Prepared::open(source.path)->size(Part::kTrain));
  }
}

Splits load(const DataConfig& config, std::uint64_t seed) {
  Whole whole = open_whole(find_source(config.source));
  check_sizes(config, whole.train.size());
  if (whole.validation && config.validation > 0) {
    throw UserError(fmt::format("data.validation: expected 0, as {} brings a validation part of {} samples, found {}",
                                config.source, whole.validation->size(), config.validation));
  }
  if (config.train_limit > 0) {
    whole.train = split_off(whole.train, config.train_limit, {.seed = seed, .purpose = Purpose::kSubset});
  }
  if (config.validation > 0) {
    whole.validation = split_off(whole.train, config.validation, {.seed = seed, .purpose = Purpose::kValidationSplit});
  }
  const Affine transform = transform_for(config, whole.train);
  const auto finish = [&](Dataset set) {
    set.set_transform(transform);
    return std::make_shared<const Dataset>(std::move(set));
  };
  Splits splits;
  splits.train = finish(std::move(whole.train));
  if (whole.validation) splits.validation = finish(std::move(*whole.validation));
  splits.test = finish(std::move(whole.test));
  return splits;
}

}  // namespace psctl::data
