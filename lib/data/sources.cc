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
#include <numeric>
#include <optional>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "data/dataset.h"
#include "data/idx.h"

namespace psctl::data {
namespace {

namespace fs = std::filesystem;

// A data set that psctl knows by name.
struct Known {
  const char* name;
  const char* folder;
  const char* package;  // Debian's, that brings the folder
};

constexpr std::array kKnown{
    Known{"fashion-mnist", "/usr/share/datasets/fashion-mnist", "dataset-fashion-mnist"},
};

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
  fs::path folder;
  const Format* format;
  std::string advice;  // how to get the data
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
  std::vector<std::string> names;
  for (const Known& known : kKnown) names.push_back(known.name);
  const std::string near = nearest(name, names);
  throw UserError(fmt::format("data.source: '{}' is neither a known data set ({}) nor a folder{}; {}", name,
                              enumerate(names), near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near),
                              advice_on_folders()));
}

const Format* format_of(const fs::path& folder) {
  const auto format = std::ranges::find_if(kFormats, [&](const Format& each) { return each.recognises(folder); });
  return format == kFormats.end() ? nullptr : &*format;
}

Source find_source(const std::string& name) {
  if (name.empty()) throw UserError("data.source: expected a known data set or a folder, found nothing");
  const auto known = std::ranges::find_if(kKnown, [&](const Known& each) { return name == each.name; });
  const bool is_known = known != kKnown.end();
  const fs::path folder = is_known ? known->folder : name;
  const std::string advice = is_known
                                 ? fmt::format("to get the data anew: apt-get install --reinstall {}", known->package)
                                 : advice_on_folders();
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found) {
    if (!is_known) refuse_unknown(name);
    throw UserError(fmt::format("data.source: {} is not on this machine ({} is missing); to get it: apt-get install {}",
                                name, folder.string(), known->package));
  }
  if (error) throw UserError(fmt::format("data.source: {}: cannot be read: {}", folder.string(), error.message()));
  if (!fs::is_directory(status)) {
    throw UserError(fmt::format("data.source: {}: expected a folder, found a file; {}", folder.string(), advice));
  }
  if (faccessat(AT_FDCWD, folder.c_str(), X_OK, AT_EACCESS) != 0) {
    throw UserError(fmt::format("data.source: {}: cannot be read: {}", folder.string(), std::strerror(errno)));
  }
  const Format* format = format_of(folder);
  if (!format) {
    throw UserError(fmt::format("data.source: {}: holds no data set that psctl reads; {}", folder.string(), advice));
  }
  return {folder, format, advice};
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

// Mean and deviation come from whole-number sums, so no order of summing can change them.
Affine standardise(const Dataset& training, const std::string& source) {
  std::array<std::uint64_t, 256> histogram{};
  for (std::uint32_t sample = 0; sample < training.size(); ++sample) {
    for (const std::uint8_t value : training.bytes(sample)) ++histogram[value];
  }
  std::uint64_t sum = 0, square = 0;
  for (std::uint64_t value = 0; value < histogram.size(); ++value) {
    sum += value * histogram[value];
    square += value * value * histogram[value];
  }
  const std::uint64_t values = std::uint64_t{training.size()} * training.shape().size();
  __extension__ using Wide = unsigned __int128;
  const Wide spread = Wide{square} * values - Wide{sum} * sum;
  if (spread == 0) {
    throw UserError(
        fmt::format("data.normalize: standard needs values that differ, every value of the training part of {} is {}; "
                    "use unit or none",
                    source, training.bytes(0)[0]));
  }
  const auto count = static_cast<double>(values);
  const double mean = static_cast<double>(sum) / count;
  const double deviation = std::sqrt(static_cast<double>(spread)) / count;
  return {.scale = static_cast<float>(1 / deviation), .shift = static_cast<float>(-mean / deviation)};
}

Affine transform_for(const DataConfig& config, const Dataset& training) {
  switch (config.normalize) {
    case Normalize::kNone:
      return {};
    case Normalize::kUnit:
      return {.scale = 1.0F / 255.0F, .shift = 0};
    case Normalize::kStandard:
      return standardise(training, config.source);
  }
  PSCTL_CHECK(false);
  return {};
}

}  // namespace

void check_source(const DataConfig& config) {
  const Source source = find_source(config.source);
  check_sizes(config, advised(source.advice, [&] { return source.format->check(source.folder); }));
}

Splits load(const DataConfig& config, std::uint64_t seed) {
  const Source source = find_source(config.source);
  Contents contents = advised(source.advice, [&] { return source.format->read(source.folder); });
  const auto whole = [&](Pixels part) {
    return Dataset(contents.shape, contents.classes, std::move(part.pixels), std::move(part.labels));
  };
  Dataset train = whole(std::move(contents.train));
  check_sizes(config, train.size());
  if (config.train_limit > 0) {
    train = split_off(train, config.train_limit, {.seed = seed, .purpose = Purpose::kSubset});
  }
  std::optional<Dataset> validation;
  if (config.validation > 0) {
    validation = split_off(train, config.validation, {.seed = seed, .purpose = Purpose::kValidationSplit});
  }
  const Affine transform = transform_for(config, train);
  const auto finish = [&](Dataset set) {
    set.set_transform(transform);
    return std::make_shared<const Dataset>(std::move(set));
  };
  Splits splits;
  splits.train = finish(std::move(train));
  if (validation) splits.validation = finish(std::move(*validation));
  splits.test = finish(whole(std::move(contents.test)));
  return splits;
}

}  // namespace psctl::data
