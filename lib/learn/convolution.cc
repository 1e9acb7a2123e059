#include "learn/convolution.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <limits>

#include "base/clones.h"
#include "base/error.h"

namespace psctl::learn {
namespace {

// Filters that are computed together: each input value is loaded once for all of them.
constexpr std::size_t kFilters = 4;
constexpr std::uint8_t kNone = std::numeric_limits<std::uint8_t>::max();
constexpr std::size_t kMaxPool = 15;  // its fields are numbered in a Winners entry

// `count` things cut into nearly equal pieces of at most `most`.
struct Pieces {
  std::size_t count;
  std::size_t most;
  std::size_t pieces() const { return (count + most - 1) / most; }
  std::size_t begin(std::size_t piece) const { return count * piece / pieces(); }
  std::size_t size(std::size_t piece) const { return begin(piece + 1) - begin(piece); }
};

// The two inner loops, for vectors of any width. The accumulators stay in registers; their number is fixed when the
// program is compiled.

template <std::size_t kWidth>
struct Vector {
  typedef float Type __attribute__((vector_size(kWidth * sizeof(float)), may_alias));
  typedef std::int32_t Numbers __attribute__((vector_size(kWidth * sizeof(float))));
  typedef std::uint8_t Bytes __attribute__((vector_size(kWidth), may_alias));
};

#define PSCTL_INLINE [[gnu::always_inline]] inline

struct Correlation {
  const float* in;  // the first pixel of the row's fields
  std::size_t in_row;
  std::size_t in_plane;
  std::size_t channels;
  std::size_t kernel;
  const float* weights;  // channels x kernel x kernel x filters
  std::size_t filters;   // at most kFilters
  float* out;            // the row
  std::size_t out_plane;
  std::size_t width;  // pixels
};

template <std::size_t kWidth, std::size_t kCount, std::size_t kPixels>
PSCTL_INLINE void correlate_pixels(const Correlation& c, const float* in, float* out) {
  using V = typename Vector<kWidth>::Type;
  V sums[kCount][kPixels] = {};
  const float* weights = c.weights;
  for (std::size_t channel = 0; channel < c.channels; ++channel, in += c.in_plane) {
    const float* row = in;
    for (std::size_t y = 0; y < c.kernel; ++y, row += c.in_row) {
      const float* pixel = row;
      for (std::size_t x = 0; x < c.kernel; ++x, pixel += kLanes, weights += kCount) {
        V values[kPixels];
        for (std::size_t p = 0; p < kPixels; ++p) values[p] = *reinterpret_cast<const V*>(pixel + p * kLanes);
        for (std::size_t f = 0; f < kCount; ++f) {
          for (std::size_t p = 0; p < kPixels; ++p) sums[f][p] += weights[f] * values[p];
        }
      }
    }
  }
  for (std::size_t f = 0; f < kCount; ++f) {
    for (std::size_t p = 0; p < kPixels; ++p) *reinterpret_cast<V*>(out + f * c.out_plane + p * kLanes) = sums[f][p];
  }
}

template <std::size_t kWidth, std::size_t kPixels, std::size_t kCount>
PSCTL_INLINE void correlate_row(const Correlation& c) {
  const Pieces pieces{.count = c.width, .most = kPixels};
  for (std::size_t lane = 0; lane < kLanes; lane += kWidth) {
    for (std::size_t piece = 0; piece < pieces.pieces(); ++piece) {
      const std::size_t at = pieces.begin(piece) * kLanes + lane;
      const float* in = c.in + at;
      float* out = c.out + at;
      switch (pieces.size(piece)) {
        case 1:
          correlate_pixels<kWidth, kCount, 1>(c, in, out);
          break;
        case 2:
          correlate_pixels<kWidth, kCount, 2>(c, in, out);
          break;
        case 3:
          if constexpr (kPixels >= 3) correlate_pixels<kWidth, kCount, 3>(c, in, out);
          break;
        case 4:
          if constexpr (kPixels >= 4) correlate_pixels<kWidth, kCount, 4>(c, in, out);
          break;
        case 5:
          if constexpr (kPixels >= 5) correlate_pixels<kWidth, kCount, 5>(c, in, out);
          break;
        default:
          if constexpr (kPixels >= 6) correlate_pixels<kWidth, kCount, 6>(c, in, out);
          break;
      }
    }
  }
}

template <std::size_t kWidth, std::size_t kPixels>
PSCTL_INLINE void correlate_any(const Correlation& c) {
  switch (c.filters) {
    case 1:
      return correlate_row<kWidth, kPixels, 1>(c);
    case 2:
      return correlate_row<kWidth, kPixels, 2>(c);
    case 3:
      return correlate_row<kWidth, kPixels, 3>(c);
    default:
      return correlate_row<kWidth, kPixels, 4>(c);
  }
}

// Sums over all pixels of out_gradient(filter) * in(shifted by tap), lane by lane.
struct WeightSums {
  const float* in;  // the pixel that the first tap of this kernel row sees first
  std::size_t in_row;
  const float* out_gradient;  // the first pixel of the first filter
  std::size_t out_row;
  std::size_t out_plane;
  std::size_t height;
  std::size_t width;
  std::size_t filters;  // at most kFilters
  std::size_t taps;     // of this kernel row
  float* sums;          // filter by filter, tap by tap
  std::size_t sums_filter;
};

template <std::size_t kWidth, std::size_t kCount, std::size_t kTaps>
PSCTL_INLINE void sum_taps(const WeightSums& s, std::size_t tap, std::size_t lane) {
  using V = typename Vector<kWidth>::Type;
  V sums[kCount][kTaps] = {};
  const float* in = s.in + tap * kLanes + lane;
  const float* out = s.out_gradient + lane;
  for (std::size_t y = 0; y < s.height; ++y, in += s.in_row, out += s.out_row) {
    for (std::size_t x = 0; x < s.width; ++x) {
      V values[kTaps];
      for (std::size_t t = 0; t < kTaps; ++t) values[t] = *reinterpret_cast<const V*>(in + (x + t) * kLanes);
      for (std::size_t f = 0; f < kCount; ++f) {
        const V gradient = *reinterpret_cast<const V*>(out + f * s.out_plane + x * kLanes);
        for (std::size_t t = 0; t < kTaps; ++t) sums[f][t] += gradient * values[t];
      }
    }
  }
  for (std::size_t f = 0; f < kCount; ++f) {
    for (std::size_t t = 0; t < kTaps; ++t) {
      *reinterpret_cast<V*>(s.sums + f * s.sums_filter + (tap + t) * kLanes + lane) = sums[f][t];
    }
  }
}

template <std::size_t kWidth, std::size_t kTaps, std::size_t kCount>
PSCTL_INLINE void sum_kernel_row(const WeightSums& s) {
  const Pieces pieces{.count = s.taps, .most = kTaps};
  for (std::size_t lane = 0; lane < kLanes; lane += kWidth) {
    for (std::size_t piece = 0; piece < pieces.pieces(); ++piece) {
      const std::size_t tap = pieces.begin(piece);
      switch (pieces.size(piece)) {
        case 1:
          sum_taps<kWidth, kCount, 1>(s, tap, lane);
          break;
        case 2:
          sum_taps<kWidth, kCount, 2>(s, tap, lane);
          break;
        case 3:
          if constexpr (kTaps >= 3) sum_taps<kWidth, kCount, 3>(s, tap, lane);
          break;
        case 4:
          if constexpr (kTaps >= 4) sum_taps<kWidth, kCount, 4>(s, tap, lane);
          break;
        default:
          if constexpr (kTaps >= 5) sum_taps<kWidth, kCount, 5>(s, tap, lane);
          break;
      }
    }
  }
}

template <std::size_t kWidth, std::size_t kTaps>
PSCTL_INLINE void sum_any(const WeightSums& s) {
  switch (s.filters) {
    case 1:
      return sum_kernel_row<kWidth, kTaps, 1>(s);
    case 2:
      return sum_kernel_row<kWidth, kTaps, 2>(s);
    case 3:
      return sum_kernel_row<kWidth, kTaps, 3>(s);
    default:
      return sum_kernel_row<kWidth, kTaps, 4>(s);
  }
}

// Where no value of a field is positive, nothing wins.
struct Pooling {
  const float* rows;  // pool rows of width * pool pixels
  std::size_t row_stride;
  std::size_t pool;
  std::size_t width;  // pixels after pooling
  float bias;
  float* out;
  std::uint8_t* winners;
};

template <std::size_t kWidth>
PSCTL_INLINE void pool_and_rectify(const Pooling& p) {
  using V = typename Vector<kWidth>::Type;
  using Numbers = typename Vector<kWidth>::Numbers;
  for (std::size_t at = 0; at < p.width * kLanes; at += kWidth) {
    const float* const field = p.rows + at / kLanes * p.pool * kLanes + at % kLanes;
    V largest = *reinterpret_cast<const V*>(field);
    Numbers winner = {};
    std::int32_t number = 0;
    for (std::size_t y = 0; y < p.pool; ++y) {
      for (std::size_t x = 0; x < p.pool; ++x, ++number) {
        const V value = *reinterpret_cast<const V*>(field + y * p.row_stride + x * kLanes);
        const Numbers loses = value <= largest;  // a NaN does not: a model that has diverged must show it
        largest = loses ? largest : value;
        winner = loses ? winner : Numbers{} + number;
      }
    }
    const V value = largest + p.bias;
    *reinterpret_cast<V*>(p.out + at) = value < 0 ? V{} : value;
    winner = value > 0 ? winner : Numbers{} + kNone;
    *reinterpret_cast<typename Vector<kWidth>::Bytes*>(p.winners + at) =
        __builtin_convertvector(winner, typename Vector<kWidth>::Bytes);
  }
}

// Hands the gradient of one pooled row to the values that won it, and sums what passes, lane by lane.
struct Spreading {
  const float* gradient;
  const std::uint8_t* winners;
  std::size_t pool;
  std::size_t width;  // pixels after pooling
  float* rows;
  std::size_t row_stride;
  float* bias_sums;
};

template <std::size_t kWidth>
PSCTL_INLINE void spread(const Spreading& s) {
  using V = typename Vector<kWidth>::Type;
  using Numbers = typename Vector<kWidth>::Numbers;
  for (std::size_t lane = 0; lane < kLanes; lane += kWidth) {
    V sum = *reinterpret_cast<V*>(s.bias_sums + lane);
    for (std::size_t x = 0; x < s.width; ++x) {
      const V gradient = *reinterpret_cast<const V*>(s.gradient + x * kLanes + lane);
      const Numbers winner = __builtin_convertvector(
          *reinterpret_cast<const typename Vector<kWidth>::Bytes*>(s.winners + x * kLanes + lane), Numbers);
      sum += winner == kNone ? V{} : gradient;
      float* const field = s.rows + x * s.pool * kLanes + lane;
      std::int32_t number = 0;
      for (std::size_t dy = 0; dy < s.pool; ++dy) {
        for (std::size_t dx = 0; dx < s.pool; ++dx, ++number) {
          *reinterpret_cast<V*>(field + dy * s.row_stride + dx * kLanes) = winner == number ? gradient : V{};
        }
      }
    }
    *reinterpret_cast<V*>(s.bias_sums + lane) = sum;
  }
}

// Every width adds the same numbers in the same order. How many pixels or taps are computed together follows from the
// registers there are. Multiply-adds are fused where the CPU can: all of them, since each is a statement of its own, so
// how the compiler cuts the loops makes no difference; one sixth of the time of a step hangs on it.
struct Kernels {
  void (*correlate)(const Correlation&);
  void (*sum_weights)(const WeightSums&);
  void (*pool_and_rectify)(const Pooling&);
  void (*spread)(const Spreading&);
};

#define PSCTL_KERNELS(target, name, width, pixels, taps)                                  \
  target void correlate_##name(const Correlation& c) { correlate_any<width, pixels>(c); } \
  target void sum_weights_##name(const WeightSums& s) { sum_any<width, taps>(s); }        \
  target void pool_##name(const Pooling& p) { pool_and_rectify<width>(p); }               \
  target void spread_##name(const Spreading& s) { spread<width>(s); }                     \
  constexpr Kernels kKernels##name = {correlate_##name, sum_weights_##name, pool_##name, spread_##name};

PSCTL_KERNELS(, 128, 4, 2, 3)
#ifdef __x86_64__
PSCTL_KERNELS([[gnu::target("arch=x86-64-v3")]] [[gnu::optimize("fp-contract=fast")]], 256, 8, 2, 3)
PSCTL_KERNELS([[gnu::target("arch=x86-64-v4")]] [[gnu::optimize("fp-contract=fast")]], 512, 16, 5, 5)
#endif

Kernels choose_kernels() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("x86-64-v4")) return kKernels512;
  if (__builtin_cpu_supports("x86-64-v3")) return kKernels256;
#endif
  return kKernels128;
}

const Kernels kKernels = choose_kernels();

float sum_lanes(const float* lanes) {
  std::array<float, kLanes> sums;
  std::copy_n(lanes, kLanes, sums.begin());
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) sums[l] += sums[l + half];
  }
  return sums[0];
}

}  // namespace

void Planes::reshape(data::Shape shape, std::size_t border) {
  if (values_ && shape == shape_ && border == border_) return;
  shape_ = shape;
  border_ = border;
  values_.emplace(shape.channels * plane_stride());
  std::ranges::fill(values_->values(), 0.0F);
}

void Planes::interleave(const float* rows, std::size_t count) {
  const std::size_t size = shape_.size();
  for (std::size_t channel = 0; channel < shape_.channels; ++channel) {
    for (std::size_t y = 0; y < shape_.height; ++y) {
      float* const out = row(channel, y);
      const float* const in = rows + (channel * shape_.height + y) * shape_.width;
      for (std::size_t x = 0; x < shape_.width; ++x) {
        for (std::size_t s = 0; s < count; ++s) out[x * kLanes + s] = in[s * size + x];
        for (std::size_t s = count; s < kLanes; ++s) out[x * kLanes + s] = 0;
      }
    }
  }
}

void Planes::separate(float* rows, std::size_t count) const {
  const std::size_t size = shape_.size();
  for (std::size_t channel = 0; channel < shape_.channels; ++channel) {
    for (std::size_t y = 0; y < shape_.height; ++y) {
      const float* const in = row(channel, y);
      float* const out = rows + (channel * shape_.height + y) * shape_.width;
      for (std::size_t s = 0; s < count; ++s) {
        for (std::size_t x = 0; x < shape_.width; ++x) out[s * size + x] = in[x * kLanes + s];
      }
    }
  }
}

Convolution::Convolution(const ConvConfig& config, data::Shape input, std::size_t index)
    : config_(config), input_(input) {
  const auto refuse = [&](const std::string& what) { throw UserError(fmt::format("model.conv[{}]: {}", index, what)); };
  if (config.filters == 0) refuse("it has 0 filters; give it at least 1");
  if (config.kernel == 0) refuse("its kernel is 0; give it at least 1");
  if (config.pool == 0 || config.pool > kMaxPool) {
    refuse(fmt::format("its pool is {}; choose one from 1 (no pooling) to {}", config.pool, kMaxPool));
  }
  if (config.padding >= config.kernel) {
    refuse(fmt::format("its padding of {} is not smaller than its kernel of {}; at most {} makes sense", config.padding,
                       config.kernel, config.kernel - 1));
  }
  const std::size_t height = input.height + 2 * config.padding;
  const std::size_t width = input.width + 2 * config.padding;
  if (config.kernel > std::min(height, width)) {
    refuse(fmt::format(
        "its kernel of {} does not fit its input of {} x {} with padding {}; choose a kernel of at most {}, "
        "or more padding",
        config.kernel, input.height, input.width, config.padding, std::min(height, width)));
  }
  full_ = {.channels = config.filters, .height = height - config.kernel + 1, .width = width - config.kernel + 1};
  if (full_.height % config.pool != 0 || full_.width % config.pool != 0) {
    refuse(fmt::format("its pool of {} does not divide its {} x {} outputs; choose one that does, or another padding",
                       config.pool, full_.height, full_.width));
  }
  output_ = {.channels = config.filters, .height = full_.height / config.pool, .width = full_.width / config.pool};
}

std::string Convolution::description() const {
  std::string text = fmt::format("{}@{}x{}", config_.filters, config_.kernel, config_.kernel);
  if (config_.padding > 0) text += fmt::format(" padding {}", config_.padding);
  if (config_.pool > 1) text += fmt::format(" pool {}", config_.pool);
  return text;
}

void Convolution::pack(const float* parameters, Packed& packed) const {
  const std::size_t kernel = config_.kernel;
  const auto order = [&](std::size_t filters, std::size_t channels, auto weight, std::vector<float>& out) {
    out.resize(weights());
    auto next = out.begin();
    const Pieces blocks{.count = filters, .most = kFilters};
    for (std::size_t block = 0; block < blocks.pieces(); ++block) {
      for (std::size_t channel = 0; channel < channels; ++channel) {
        for (std::size_t y = 0; y < kernel; ++y) {
          for (std::size_t x = 0; x < kernel; ++x) {
            for (std::size_t f = 0; f < blocks.size(block); ++f)
              *next++ = weight(blocks.begin(block) + f, channel, y, x);
          }
        }
      }
    }
  };
  const auto at = [&](std::size_t filter, std::size_t channel, std::size_t y, std::size_t x) {
    return parameters[((filter * input_.channels + channel) * kernel + y) * kernel + x];
  };
  order(config_.filters, input_.channels, at, packed.forward);
  // The input's gradient is the correlation of the output's with the kernels turned by 180 degrees.
  order(
      input_.channels, config_.filters,
      [&](std::size_t channel, std::size_t filter, std::size_t y, std::size_t x) {
        return at(filter, channel, kernel - 1 - y, kernel - 1 - x);
      },
      packed.backward);
}

void Convolution::forward(const float* parameters, const Packed& packed, const Planes& in, Planes& out,
                          Winners& winners, Scratch& scratch) const {
  const float* const bias = parameters + weights();
  const std::size_t row = full_.width * kLanes;
  const std::size_t plane = config_.pool * row;
  float* const rows = at_least(scratch.rows, kFilters * plane);
  winners.resize(output_.size() * kLanes);
  const Pieces blocks{.count = config_.filters, .most = kFilters};
  for (std::size_t block = 0; block < blocks.pieces(); ++block) {
    const std::size_t first = blocks.begin(block);
    Correlation correlation{.in = in.begin(),
                            .in_row = in.row_stride(),
                            .in_plane = in.plane_stride(),
                            .channels = input_.channels,
                            .kernel = config_.kernel,
                            .weights = packed.forward.data() + first * fan_in(),
                            .filters = blocks.size(block),
                            .out = rows,
                            .out_plane = plane,
                            .width = full_.width};
    for (std::size_t y = 0; y < output_.height; ++y) {
      for (std::size_t dy = 0; dy < config_.pool; ++dy) {
        correlation.in = in.begin() + (y * config_.pool + dy) * in.row_stride();
        correlation.out = rows + dy * row;
        kKernels.correlate(correlation);
      }
      for (std::size_t f = 0; f < blocks.size(block); ++f) {
        const std::size_t filter = first + f;
        kKernels.pool_and_rectify({.rows = rows + f * plane,
                                   .row_stride = row,
                                   .pool = config_.pool,
                                   .width = output_.width,
                                   .bias = bias[filter],
                                   .out = out.row(filter, y),
                                   .winners = winners.data() + (filter * output_.height + y) * output_.width * kLanes});
      }
    }
  }
}

void Convolution::backward(const Packed& packed, const Planes& in, const Winners& winners, const Planes& out_gradient,
                           float* gradient, Planes* in_gradient, Scratch& scratch) const {
  const std::size_t kernel = config_.kernel;
  Planes& full = scratch.gradient;
  full.reshape(full_, kernel - 1 - config_.padding);
  float* const sums = at_least(scratch.sums, kFilters * fan_in() * kLanes);
  const Pieces blocks{.count = config_.filters, .most = kFilters};
  for (std::size_t block = 0; block < blocks.pieces(); ++block) {
    const std::size_t first = blocks.begin(block);
    for (std::size_t filter = first; filter < first + blocks.size(block); ++filter) {
      alignas(64) std::array<float, kLanes> bias_sums{};
      for (std::size_t y = 0; y < output_.height; ++y) {
        kKernels.spread({.gradient = out_gradient.row(filter, y),
                         .winners = winners.data() + (filter * output_.height + y) * output_.width * kLanes,
                         .pool = config_.pool,
                         .width = output_.width,
                         .rows = full.row(filter, y * config_.pool),
                         .row_stride = full.row_stride(),
                         .bias_sums = bias_sums.data()});
      }
      gradient[weights() + filter] += sum_lanes(bias_sums.data());
    }
    for (std::size_t channel = 0; channel < input_.channels; ++channel) {
      for (std::size_t y = 0; y < kernel; ++y) {
        kKernels.sum_weights({.in = in.begin() + channel * in.plane_stride() + y * in.row_stride(),
                              .in_row = in.row_stride(),
                              .out_gradient = full.row(first, 0),
                              .out_row = full.row_stride(),
                              .out_plane = full.plane_stride(),
                              .height = full_.height,
                              .width = full_.width,
                              .filters = blocks.size(block),
                              .taps = kernel,
                              .sums = sums + (channel * kernel + y) * kernel * kLanes,
                              .sums_filter = fan_in() * kLanes});
      }
    }
    float* const weights_gradient = gradient + first * fan_in();
    for (std::size_t i = 0; i < blocks.size(block) * fan_in(); ++i) weights_gradient[i] += sum_lanes(sums + i * kLanes);
  }
  if (in_gradient == nullptr) return;

  const Pieces channels{.count = input_.channels, .most = kFilters};
  for (std::size_t block = 0; block < channels.pieces(); ++block) {
    for (std::size_t y = 0; y < input_.height; ++y) {
      kKernels.correlate({.in = full.begin() + y * full.row_stride(),
                          .in_row = full.row_stride(),
                          .in_plane = full.plane_stride(),
                          .channels = config_.filters,
                          .kernel = kernel,
                          .weights = packed.backward.data() + channels.begin(block) * config_.filters * kernel * kernel,
                          .filters = channels.size(block),
                          .out = in_gradient->row(channels.begin(block), y),
                          .out_plane = in_gradient->plane_stride(),
                          .width = input_.width});
    }
  }
}

}  // namespace psctl::learn
