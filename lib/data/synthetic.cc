#include "data/synthetic.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numbers>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_pipeline.h>

#include "base/clones.h"
#include "base/error.h"
#include "base/random.h"

namespace psctl::data {
namespace {

namespace tbb = oneapi::tbb;

// What a key's first index stands for; samples have the number of their part, 0 to 2.
enum Stream : std::uint64_t {
  kCentres = 3,
  kHiddenWeights = 4,
  kOutputWeights = 5,
  kMonteCarlo = 6,
  kFeatureWeights = 7
};

constexpr std::uint64_t kMostDense = std::uint64_t{1} << 22;    // features of dense samples
constexpr std::uint64_t kMostSparse = std::uint64_t{1} << 32;   // features of sparse samples
constexpr std::uint64_t kMostNumbers = std::uint64_t{1} << 24;  // in the matrices of a law
constexpr std::uint64_t kMostInPart = UINT32_MAX;              // of a part
constexpr std::uint64_t kMostEntries = std::uint64_t{1} << 16;
constexpr std::uint64_t kMostSimplex = 256;  // classes; turning more corners takes long

Draws stream(std::uint64_t seed, std::uint64_t which, std::uint64_t step) {
  return Draws({.seed = seed, .purpose = Purpose::kSynthesis, .worker = which, .step = step});
}

double phi(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi); }
double cumulative(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

// out[j] = sum over i of x[i] * matrix[i][j], row by row.
PSCTL_CLONES
void multiply(const double* __restrict x, std::size_t rows, const double* __restrict matrix, std::size_t columns,
              double* __restrict out) {
  for (std::size_t j = 0; j < columns; ++j) out[j] = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const double factor = x[i];
    for (std::size_t j = 0; j < columns; ++j) out[j] += factor * matrix[i * columns + j];
  }
}

void normals(Draws& draws, std::uint64_t count, std::vector<float>& floats) {
  for (std::uint64_t i = 0; i < count; ++i) floats.push_back(static_cast<float>(draws.normal()));
}

// Of numbers in the order in which they come.
struct Mean {
  double sum = 0, squares = 0;
  std::uint64_t count = 0;
  void add(double number) {
    sum += number;
    squares += number * number;
    ++count;
  }
  void add(const Mean& other) {
    sum += other.sum;
    squares += other.squares;
    count += other.count;
  }
  double value() const { return sum / static_cast<double>(count); }
  double error() const {
    const auto n = static_cast<double>(count);
    return count < 2 ? 0 : std::sqrt(std::max(0.0, squares / n - value() * value()) / (n - 1));
  }
};

class Blobs final : public Law {
 public:
  explicit Blobs(const SyntheticConfig& config) : config_(config), centres_(config.features * config.classes) {
    if (simplex()) {
      set_simplex();
    } else {
      const double deviation = config.distance / std::sqrt(2 * static_cast<double>(config.features));
      for (std::uint64_t label = 0; label < config.classes; ++label) {
        Draws draws = stream(config.seed, kCentres, label);
        for (std::uint64_t i = 0; i < config.features; ++i) at(i, label) = deviation * draws.normal();
      }
    }
    for (std::uint64_t label = 0; label < config.classes; ++label) {
      double square = 0;
      for (std::uint64_t i = 0; i < config.features; ++i) square += at(i, label) * at(i, label);
      half_squares_.push_back(square / 2);
    }
  }

  void draw(Part part, std::uint64_t sample, Drawn& drawn) const override {
    Draws draws = stream(config_.seed, static_cast<std::uint64_t>(part), sample);
    draw(draws, drawn);
  }

  Guess best_guess(std::span<const float> floats, std::span<const Entry> /*entries*/) const override {
    const std::vector<double> x(floats.begin(), floats.end());
    std::vector<double> scores(config_.classes);
    multiply(x.data(), x.size(), centres_.data(), scores.size(), scores.data());
    for (std::size_t label = 0; label < scores.size(); ++label) scores[label] -= half_squares_[label];
    const auto most = std::ranges::max_element(scores);
    double sum = 0;
    for (const double score : scores) sum += std::exp(score - *most);
    return {.label = static_cast<std::uint32_t>(most - scores.begin()), .probability = 1 / sum};
  }

  std::optional<BestAccuracy> best_accuracy() const override { return find_best(); }
  std::string description() const override {
    return fmt::format(
        "blobs: {} classes, {} features, normal noise of deviation 1, centres {}, seed {}", config_.classes,
        config_.features,
        simplex() ? fmt::format("{} apart", config_.distance) : fmt::format("drawn, about {} apart", config_.distance),
        config_.seed);
  }
  double bytes_per_sample() const override { return 4 + 4 * static_cast<double>(config_.features); }

 private:
  bool simplex() const { return config_.classes <= kMostSimplex && config_.features >= config_.classes - 1; }
  double& at(std::uint64_t feature, std::uint64_t label) { return centres_[feature * config_.classes + label]; }

  void draw(Draws& draws, Drawn& drawn) const {
    const std::uint64_t label = draws.below(config_.classes);
    drawn.labels.push_back(static_cast<std::uint32_t>(label));
    for (std::uint64_t i = 0; i < config_.features; ++i) {
      drawn.floats.push_back(static_cast<float>(centres_[i * config_.classes + label] + draws.normal()));
    }
  }

  // Corners of a simplex in classes - 1 dimensions, by Helmert's contrasts, carried into the space of the features by
  // orthonormal directions: normal draws made orthogonal by Gram and Schmidt, twice to be accurate.
  void set_simplex() {
    const std::uint64_t dimensions = config_.classes - 1, features = config_.features;
    std::vector<std::vector<double>> directions;
    for (std::uint64_t j = 0; j < dimensions; ++j) {
      Draws draws = stream(config_.seed, kCentres, j);
      std::vector<double> direction(features);
      for (double& each : direction) each = draws.normal();
      for (int pass = 0; pass < 2; ++pass) {
        for (const std::vector<double>& other : directions) {
          double product = 0;
          for (std::uint64_t i = 0; i < features; ++i) product += direction[i] * other[i];
          for (std::uint64_t i = 0; i < features; ++i) direction[i] -= product * other[i];
        }
        double square = 0;
        for (const double each : direction) square += each * each;
        for (double& each : direction) each /= std::sqrt(square);
      }
      const auto before = static_cast<double>(j + 1);
      const double scale = config_.distance / std::numbers::sqrt2 / std::sqrt(before * (before + 1));
      for (std::uint64_t i = 0; i < features; ++i) {
        for (std::uint64_t label = 0; label <= j; ++label) at(i, label) += scale * direction[i];
        at(i, j + 1) -= scale * before * direction[i];
      }
      directions.push_back(std::move(direction));
    }
  }

  BestAccuracy find_best() const {
    if (simplex() && config_.classes == 2) {
      return {.value = cumulative(config_.distance / 2), .error = 0, .found_by = "exact: Phi(distance / 2)"};
    }
    if (simplex()) {
      // The nearest centre is the right one if the noise towards it, moved by distance / sqrt(2), is above that of all
      // the others: moved together, the corners are multiples of the unit vectors of as many dimensions. The trapezium
      // rule is as good as exact for an integrand that vanishes at both ends with all its derivatives.
      const double middle = config_.distance / std::numbers::sqrt2, step = 1.0 / 256;
      double sum = 0;
      for (int i = -12 * 256; i <= 12 * 256; ++i) {
        const double away = i * step;
        sum += step * phi(away) * std::pow(cumulative(middle + away), static_cast<double>(config_.classes - 1));
      }
      return {.value = std::min(sum, 1.0), .error = 0, .found_by = "exact, by quadrature"};
    }
    constexpr std::uint64_t kChunk = 64;
    const std::uint64_t work = config_.features * config_.classes;
    const std::uint64_t chunks = std::clamp<std::uint64_t>((std::uint64_t{1} << 33) / work, 1024, 1 << 18) / kChunk;
    std::vector<Mean> means(chunks);
    tbb::parallel_for(std::uint64_t{0}, chunks, [&](std::uint64_t chunk) {
      for (std::uint64_t i = 0; i < kChunk; ++i) {
        Draws draws = stream(config_.seed, kMonteCarlo, chunk * kChunk + i);
        Drawn drawn;
        draw(draws, drawn);
        means[chunk].add(best_guess(drawn.floats, {}).probability);
      }
    });
    Mean all;
    for (const Mean& mean : means) all.add(mean);
    return {.value = all.value(),
            .error = all.error(),
            .found_by = fmt::format("mean probability of the likeliest class over {} further samples", all.count)};
  }

  SyntheticConfig config_;
  std::vector<double> centres_;  // features x classes
  std::vector<double> half_squares_;
};

class Teacher final : public Law {
 public:
  explicit Teacher(const SyntheticConfig& config)
      : config_(config),
        hidden_(config.features * config.hidden),
        means_(config.hidden),
        outputs_(config.hidden * config.classes) {
    const double deviation = 1 / std::sqrt(static_cast<double>(config.features));
    for (std::uint64_t i = 0; i < config.features; ++i) {
      Draws draws = stream(config.seed, kHiddenWeights, i);
      for (std::uint64_t j = 0; j < config.hidden; ++j) {
        const double weight = deviation * draws.normal();
        hidden_[i * config.hidden + j] = weight;
        means_[j] += weight * weight;
      }
    }
    // Of max(0, z) where z is normal with that variance.
    for (double& mean : means_) mean = std::sqrt(mean / (2 * std::numbers::pi));
    for (std::uint64_t j = 0; j < config.hidden; ++j) {
      Draws draws = stream(config.seed, kOutputWeights, j);
      for (std::uint64_t label = 0; label < config.classes; ++label) {
        outputs_[j * config.classes + label] = draws.normal();
      }
    }
  }

  void draw(Part part, std::uint64_t sample, Drawn& drawn) const override {
    Draws draws = stream(config_.seed, static_cast<std::uint64_t>(part), sample);
    normals(draws, config_.features, drawn.floats);
    std::uint64_t label = taught(std::span(drawn.floats).last(config_.features));
    if (config_.label_noise > 0 && draws.uniform() < config_.label_noise) {
      label = (label + 1 + draws.below(config_.classes - 1)) % config_.classes;
    }
    drawn.labels.push_back(static_cast<std::uint32_t>(label));
  }

  Guess best_guess(std::span<const float> floats, std::span<const Entry> /*entries*/) const override {
    return {.label = taught(floats), .probability = 1 - config_.label_noise};
  }

  std::optional<BestAccuracy> best_accuracy() const override {
    return BestAccuracy{.value = 1 - config_.label_noise,
                        .error = 0,
                        .found_by = config_.label_noise > 0 ? "exact: 1 - label noise" : "exact: the teacher's own"};
  }
  std::string description() const override {
    return fmt::format("teacher: {} classes, {} features, {} hidden units, label noise {}, seed {}", config_.classes,
                       config_.features, config_.hidden, config_.label_noise, config_.seed);
  }
  double bytes_per_sample() const override { return 4 + 4 * static_cast<double>(config_.features); }

 private:
  std::uint32_t taught(std::span<const float> floats) const {
    const std::vector<double> x(floats.begin(), floats.end());
    std::vector<double> units(config_.hidden), outputs(config_.classes);
    multiply(x.data(), x.size(), hidden_.data(), units.size(), units.data());
    for (std::size_t j = 0; j < units.size(); ++j) units[j] = std::max(0.0, units[j]) - means_[j];
    multiply(units.data(), units.size(), outputs_.data(), outputs.size(), outputs.data());
    return static_cast<std::uint32_t>(std::ranges::max_element(outputs) - outputs.begin());
  }

  SyntheticConfig config_;
  std::vector<double> hidden_;   // features x hidden
  std::vector<double> means_;    // of the hidden units
  std::vector<double> outputs_;  // hidden x classes
};

// Numbers from 1 to n with probability in proportion to r^-exponent, without a table: W. Hörmann and G. Derflinger,
// "Rejection-Inversion to Generate Variates from Monotone Discrete Distributions", ACM TOMACS 6(3), 1996.
class PowerLaw {
 public:
  PowerLaw(std::uint64_t n, double exponent)
      : n_(static_cast<double>(n)),
        exponent_(exponent),
        first_(integral(1.5) - 1),
        last_(integral(n_ + 0.5)),
        near_(2 - inverse(integral(2.5) - std::pow(2.0, -exponent))) {}

  std::uint64_t draw(Draws& draws) const {
    for (;;) {
      const double u = last_ + draws.uniform() * (first_ - last_), x = inverse(u);
      const double number = std::clamp(std::floor(x + 0.5), 1.0, n_);
      if (number - x <= near_ || u >= integral(number + 0.5) - std::pow(number, -exponent_)) {
        return static_cast<std::uint64_t>(number);
      }
    }
  }

 private:
  // Of r^-exponent from 1 to x; both forms are sound where the exponent is 1 or close to it.
  double integral(double x) const {
    const double log = std::log(x), t = (1 - exponent_) * log;
    return log * (std::abs(t) > 1e-8 ? std::expm1(t) / t : 1 + t / 2);
  }
  double inverse(double area) const {
    const double t = std::max(-1.0, area * (1 - exponent_));
    return std::exp(area * (std::abs(t) > 1e-8 ? std::log1p(t) / t : 1 - t / 2));
  }

  double n_, exponent_, first_, last_, near_;
};

class SparseLogistic final : public Law {
 public:
  explicit SparseLogistic(const SyntheticConfig& config)
      : config_(config), power_law_(config.features, config.exponent) {
    // The frequent features are gone through one by one; the others are too rare to be in a sample twice.
    const std::uint64_t frequent = std::min(config.features, kFrequent);
    const auto power = [&](std::uint64_t i) { return std::pow(static_cast<double>(i) + 1, -config_.exponent); };
    double sum = 0;
    for (std::uint64_t i = 0; i < frequent; ++i) sum += power(i);
    double rare = 0;
    if (config.features > frequent) {
      // By the integral from the middle between two numbers to the middle between two others.
      const double from = static_cast<double>(frequent) + 0.5, to = static_cast<double>(config.features) + 0.5;
      const double t = 1 - config.exponent;
      rare = t == 0 ? std::log(to / from) : (std::pow(to, t) - std::pow(from, t)) / t;
    }
    const double total = sum + rare, draws = static_cast<double>(config.entries);
    double variance = 0, mean = 0;
    weights_.resize(frequent);
    for (std::uint64_t i = 0; i < frequent; ++i) {
      const double share = power(i) / total;
      const double present = share < 1 ? -std::expm1(draws * std::log1p(-share)) : 1;
      weights_[i] = drawn_weight(i);
      mean += present * weights_[i];
      variance += present * (1 - present);
      distinct_ += present;
    }
    variance += draws * rare / total;
    distinct_ += draws * rare / total;
    scale_ = variance > 0 ? config.signal / std::sqrt(variance) : 0;
    shift_ = -scale_ * mean;
  }

  void draw(Part part, std::uint64_t sample, Drawn& drawn) const override {
    Draws draws = stream(config_.seed, static_cast<std::uint64_t>(part), sample);
    const auto first = static_cast<std::ptrdiff_t>(drawn.entries.size());
    for (std::uint64_t i = 0; i < config_.entries; ++i) {
      drawn.entries.push_back({.index = static_cast<std::uint32_t>(power_law_.draw(draws) - 1), .value = 1});
    }
    std::sort(drawn.entries.begin() + first, drawn.entries.end(),
              [](const Entry& one, const Entry& other) { return one.index < other.index; });
    drawn.entries.erase(std::unique(drawn.entries.begin() + first, drawn.entries.end()), drawn.entries.end());
    const std::span<const Entry> entries = std::span(drawn.entries).subspan(static_cast<std::size_t>(first));
    drawn.row_entries.push_back(static_cast<std::uint32_t>(entries.size()));
    drawn.labels.push_back(draws.uniform() < probability(entries) ? 1 : 0);
  }

  Guess best_guess(std::span<const float> /*floats*/, std::span<const Entry> entries) const override {
    const double one = probability(entries);
    return {.label = one > 0.5 ? 1U : 0U, .probability = std::max(one, 1 - one)};
  }

  std::optional<BestAccuracy> best_accuracy() const override { return std::nullopt; }
  std::string description() const override {
    return fmt::format("sparse: 2 classes, {} features drawn by rank^-{}, {} draws a sample, signal {}, seed {}",
                       config_.features, config_.exponent, config_.entries, config_.signal, config_.seed);
  }
  double bytes_per_sample() const override { return 12 + 8 * distinct_; }

 private:
  static constexpr std::uint64_t kFrequent = std::uint64_t{1} << 20;

  double drawn_weight(std::uint64_t feature) const { return stream(config_.seed, kFeatureWeights, feature).normal(); }
  // Of class 1.
  double probability(std::span<const Entry> entries) const {
    double sum = 0;
    for (const Entry& entry : entries) {
      sum += entry.index < weights_.size() ? weights_[entry.index] : drawn_weight(entry.index);
    }
    return 1 / (1 + std::exp(-(shift_ + scale_ * sum)));
  }

  SyntheticConfig config_;
  PowerLaw power_law_;
  std::vector<double> weights_;  // of the frequent features
  double scale_ = 0, shift_ = 0, distinct_ = 0;
};

// What came of some samples.
struct Block {
  Part part{};
  std::uint64_t first = 0, count = 0;
  Drawn drawn;
  Mean probability;  // of the best guesses
  std::uint64_t right = 0;
};

}  // namespace

void check(const SyntheticConfig& config) {
  const auto whole = [](const char* option, std::uint64_t least, std::uint64_t most, std::uint64_t found) {
    if (found >= least && found <= most) return;
    throw UserError(fmt::format("--{}: expected a whole number from {} to {}, found {}", option, least, most, found));
  };
  const auto number = [](const char* option, double least, double most, double found) {
    if (found >= least && found <= most) return;
    throw UserError(fmt::format("--{}: expected a number from {} to {}, found {}", option, least, most, found));
  };
  const auto together = [](const char* option, const char* other, std::uint64_t one, std::uint64_t two) {
    if (one <= kMostNumbers / two) return;
    throw UserError(
        fmt::format("--{}: expected at most {} with --{} {}, found {}", option, kMostNumbers / two, other, two, one));
  };
  whole("samples", 1, kMostInPart, config.samples);
  whole("validation", 0, kMostInPart, config.validation);
  whole("test", 0, kMostInPart, config.test);
  if (config.kind == SyntheticKind::kSparse) {
    whole("features", 2, kMostSparse, config.features);
    whole("entries", 1, kMostEntries, config.entries);
    number("exponent", 0, 10, config.exponent);
    number("signal", 0, 1000, config.signal);
    return;
  }
  whole("features", 1, kMostDense, config.features);
  whole("classes", 2, 1U << 16, config.classes);
  if (config.kind == SyntheticKind::kBlobs) {
    number("distance", 0, 1000, config.distance);
    together("classes", "features", config.classes, config.features);
    return;
  }
  whole("hidden", 1, 1U << 16, config.hidden);
  together("features", "hidden", config.features, config.hidden);
  together("classes", "hidden", config.classes, config.hidden);
  const double most = 1 - 1 / static_cast<double>(config.classes);
  if (!(config.label_noise >= 0 && config.label_noise < most)) {
    throw UserError(fmt::format(
        "--label-noise: expected from 0 to less than {:.4g}, above which the teacher's label is not the likeliest of "
        "{}, found {}",
        most, config.classes, config.label_noise));
  }
}

std::unique_ptr<const Law> Law::of(const SyntheticConfig& config) {
  switch (config.kind) {
    case SyntheticKind::kBlobs:
      return std::make_unique<Blobs>(config);
    case SyntheticKind::kTeacher:
      return std::make_unique<Teacher>(config);
    case SyntheticKind::kSparse:
      return std::make_unique<SparseLogistic>(config);
  }
  PSCTL_CHECK(false);
  return nullptr;
}

Synthesis synthesise(const SyntheticConfig& config, Sink& sink, const std::function<void(double)>& progress) {
  check(config);
  const std::unique_ptr<const Law> law = Law::of(config);
  const bool sparse = config.kind == SyntheticKind::kSparse;
  const std::uint64_t classes = sparse ? 2 : config.classes;
  const std::optional<BestAccuracy> known = law->best_accuracy();
  sink.begin({.shape = {.channels = 1, .height = 1, .width = sparse ? 0 : config.features},
              .values = Values::kFloats,
              .sparse = sparse});

  const auto draw_block = [&](Block& block) {
    for (std::uint64_t i = 0; i < block.count; ++i) {
      const std::size_t floats = block.drawn.floats.size(), entries = block.drawn.entries.size();
      law->draw(block.part, block.first + i, block.drawn);
      if (known && block.part != Part::kTest) continue;
      const Law::Guess guess = law->best_guess(std::span(block.drawn.floats).subspan(floats),
                                               std::span(block.drawn.entries).subspan(entries));
      block.probability.add(guess.probability);
      if (guess.label == block.drawn.labels.back()) ++block.right;
    }
  };

  // About a MiB of values, whatever the samples are like.
  const std::uint64_t per_sample = sparse ? 2 * config.entries : config.features;
  const std::uint64_t per_block = std::clamp<std::uint64_t>((std::uint64_t{1} << 18) / per_sample, 1, 4096);
  const auto total = static_cast<double>(config.samples) + static_cast<double>(config.validation + config.test);
  // Blocks leave in order and one is free before it is taken anew. None is lost if somebody throws.
  std::vector<Block> blocks(2 * static_cast<std::size_t>(tbb::info::default_concurrency()) + 1);
  double done = 0;
  Mean probability;
  std::uint64_t right = 0;
  for (const auto& [part, samples] :
       {std::pair{Part::kTrain, config.samples}, {Part::kValidation, config.validation}, {Part::kTest, config.test}}) {
    if (samples == 0) continue;
    sink.begin_part(part);
    std::uint64_t next = 0;
    std::size_t taken = 0;
    const auto cut = [&, part = part, samples = samples](tbb::flow_control& control) {
      Block* block = &blocks[taken++ % blocks.size()];
      *block = {};
      if (next == samples) {
        control.stop();
        return block;
      }
      block->part = part;
      block->first = next;
      block->count = std::min(per_block, samples - next);
      next += block->count;
      return block;
    };
    const auto fill = [&](Block* block) {
      draw_block(*block);
      return block;
    };
    const auto hand_over = [&](const Block* block) {
      sink.add({.bytes = {},
                .floats = block->drawn.floats,
                .entries = block->drawn.entries,
                .row_entries = block->drawn.row_entries,
                .labels = block->drawn.labels});
      probability.add(block->probability);
      if (block->part == Part::kTest) right += block->right;
      done += static_cast<double>(block->count);
      if (progress) progress(done / total);
    };
    tbb::parallel_pipeline(blocks.size() - 1,
                           tbb::make_filter<void, Block*>(tbb::filter_mode::serial_in_order, cut) &
                               tbb::make_filter<Block*, Block*>(tbb::filter_mode::parallel, fill) &
                               tbb::make_filter<Block*, void>(tbb::filter_mode::serial_in_order, hand_over));
  }

  Synthesis synthesis;
  synthesis.best = known ? *known
                         : BestAccuracy{.value = probability.value(),
                                        .error = probability.error(),
                                        .found_by = "mean probability of the likelier class over all samples"};
  synthesis.notes.push_back(law->description());
  const auto& [value, error, found_by] = synthesis.best;
  synthesis.notes.push_back(
      error > 0 ? fmt::format("best accuracy {:.5f}, standard error {:.5f} ({})", value, error, found_by)
                : fmt::format("best accuracy {:.6f} ({})", value, found_by));
  if (config.test > 0) {
    synthesis.on_test = static_cast<double>(right) / static_cast<double>(config.test);
    synthesis.notes.push_back(fmt::format("who knows the law is right on {} of the {} test samples, {:.5f}", right,
                                          config.test, *synthesis.on_test));
  }
  Summary summary{.classes = {}, .class_of = {}, .features = config.features, .notes = synthesis.notes};
  for (std::uint64_t label = 0; label < classes; ++label) summary.classes.push_back(std::to_string(label));
  sink.end(summary);
  return synthesis;
}

}  // namespace psctl::data
