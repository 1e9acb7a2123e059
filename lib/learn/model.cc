#include "learn/model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <optional>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <utility>
#include <vector>

#include "base/clones.h"
#include "base/error.h"
#include "base/random.h"
#include "learn/convolution.h"
#include "learn/dense.h"
#include "learn/tensor.h"

namespace psctl::learn {
namespace {

// Samples of a chunk: as few as cost nothing on one thread, so that there are chunks to share out. Part of what a model
// computes: another number gives other roundings.
std::size_t chunk_of(ModelKind kind) {
  switch (kind) {
    case ModelKind::kCnn:
      return 32;
    case ModelKind::kLogistic:
      return 64;  // OpenBLAS is twice as fast below a million multiply-adds: 784 x 10 x 127
    default:
      return 128;  // products of 64 rows cost 6 % more, of 32 rows 20 %
  }
}

// Features of sparse samples whose zeros are written out: a chunk of 256 samples takes 256 MiB.
constexpr std::size_t kMostWrittenOut = std::size_t{1} << 18;

std::size_t evaluation_chunk_of(ModelKind kind) { return kind == ModelKind::kMlp ? 256 : chunk_of(kind); }

std::string grouped(std::size_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

// Runs task(0) ... task(count - 1) on at most `threads` threads of its own arena, so that a thread that waits here does
// not take up a task of somebody else.
template <class Task>
void run_isolated(std::optional<tbb::task_arena>& arena, std::size_t threads, std::size_t count, const Task& task) {
  const int concurrency = std::min(static_cast<int>(threads), tbb::info::default_concurrency());
  if (!arena || arena->max_concurrency() != concurrency) arena.emplace(concurrency);
  arena->execute([&] { tbb::parallel_for(std::size_t{0}, count, task, tbb::simple_partitioner()); });
}

// Some samples of a batch.
struct Chunk {
  std::size_t begin = 0, size = 0;
};

// What one task needs for one chunk: every layer's output, and two gradients between layers.
struct Scratch {
  data::Batch batch;                           // to evaluate
  std::optional<Tensor> features;              // what the dense layers see
  std::vector<std::optional<Tensor>> outputs;  // of the dense layers
  std::optional<Tensor> gradients[2];
  std::optional<Tensor> rows;                   // samples before they are interleaved
  struct Block {                                // kLanes samples
    std::vector<Planes> planes;                 // the input of every convolution, and the last one's output
    std::vector<Convolution::Winners> winners;  // of every convolution
  };
  std::vector<Block> blocks;
  std::vector<Planes> plane_gradients;  // of every convolution's output
  Convolution::Scratch convolution;
};

}  // namespace

struct Workspace::Impl {
  std::vector<Convolution::Packed> packed;
  std::vector<Scratch> scratch;                  // of every task
  std::vector<std::optional<Tensor>> gradients;  // of chunks on their way into the sum
  std::vector<double> losses;                    // of every chunk
  std::optional<tbb::task_arena> arena;
  data::Batch batch;
  Coordinates coordinates;  // of a sparse batch's gradient
  Dense::Scratch sparse;
};

Workspace::Workspace() : impl_(std::make_unique<Impl>()) {}
Workspace::~Workspace() = default;
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;

data::Batch& Workspace::batch() { return impl_->batch; }

struct Model::Impl {
  ModelKind kind;
  data::Shape input;
  std::size_t classes;
  std::vector<Convolution> convolutions = {};
  std::vector<Dense> dense = {};
  std::size_t parameter_count = 0;

  void pack(const float* at, std::vector<Convolution::Packed>& packed) const;
  const float* forward(const float* parameters, std::span<const Convolution::Packed> packed, const data::Batch& batch,
                       Chunk chunk, Scratch& scratch) const;
  void backward(const float* parameters, std::span<const Convolution::Packed> packed, std::size_t samples,
                float* gradient, Scratch& scratch) const;
  bool follows_values(const data::Batch& batch) const { return kind == ModelKind::kLogistic && batch.sparse; }
  // The outputs of all samples of a batch whose values it follows.
  float* forward(const float* parameters, const data::Batch& batch, Scratch& scratch) const;
  // The chunk's part of the mean gradient over the batch; returns its summed loss.
  double chunk_gradient(const float* parameters, std::span<const Convolution::Packed> packed, const data::Batch& batch,
                        Chunk chunk, float* gradient, Scratch& scratch) const;
};

Model::Model(const ModelConfig& config, data::Shape input, std::size_t classes) {
  PSCTL_CHECK(config.kind != ModelKind::kNone, "a run without a model needs no Model");
  PSCTL_CHECK(input.size() > 0 && classes > 0);
  auto impl = std::make_unique<Impl>(Impl{.kind = config.kind, .input = input, .classes = classes});
  data::Shape shape = input;
  if (config.kind == ModelKind::kCnn) {
    for (std::size_t i = 0; i < config.conv.size(); ++i) {
      shape = impl->convolutions.emplace_back(config.conv[i], shape, i).output();
    }
  }
  std::size_t width = shape.size();
  if (config.kind != ModelKind::kLogistic) {
    for (std::size_t i = 0; i < config.hidden.size(); ++i) {
      if (config.hidden[i] == 0) {
        throw UserError(
            fmt::format("model.hidden[{}]: the layer has a width of 0; give it at least 1, or leave it out", i));
      }
      width = impl->dense.emplace_back(width, config.hidden[i], Activation::kRelu).outputs();
    }
  }
  impl->dense.emplace_back(width, classes, Activation::kNone);
  for (const Convolution& layer : impl->convolutions) impl->parameter_count += layer.parameters();
  for (const Dense& layer : impl->dense) impl->parameter_count += layer.parameters();
  impl_ = std::move(impl);
}

void Model::check_sparse() const {
  const std::size_t features = impl_->input.size();
  if (impl_->kind != ModelKind::kLogistic && features > kMostWrittenOut) {
    throw UserError(
        fmt::format("model.kind: only logistic computes on sparse samples as they are, the others write out their "
                    "zeros; expected at most {} features, found {}",
                    grouped(kMostWrittenOut), grouped(features)));
  }
  constexpr std::size_t kMostParameters = std::numeric_limits<std::uint32_t>::max();  // what a Coordinate can name
  if (impl_->parameter_count > kMostParameters) {
    throw UserError(fmt::format(
        "model: expected at most {} parameters on sparse samples, found {}: {} features x {} classes",
        grouped(kMostParameters), grouped(impl_->parameter_count), grouped(features), grouped(impl_->classes)));
  }
}

Model::~Model() = default;
Model::Model(Model&&) noexcept = default;

std::size_t Model::parameter_count() const { return impl_->parameter_count; }

std::string Model::description() const {
  std::string text;
  if (impl_->kind == ModelKind::kCnn) {
    const data::Shape& input = impl_->input;
    text = fmt::format("{}x{}x{}", input.channels, input.height, input.width);
    for (const Convolution& layer : impl_->convolutions) text += fmt::format(" conv {}", layer.description());
    text += fmt::format(" dense {}", impl_->dense.front().inputs());
  } else {
    text = std::to_string(impl_->dense.front().inputs());
  }
  for (const Dense& layer : impl_->dense) text += fmt::format("-{}", layer.outputs());
  return fmt::format("{}, {} parameters", text, grouped(impl_->parameter_count));
}

void Model::initialise(std::span<float> parameters, std::uint64_t seed) const {
  PSCTL_CHECK(parameters.size() == impl_->parameter_count);
  auto out = parameters.begin();
  std::uint64_t number = 0;
  const auto fill = [&](const auto& layer, std::size_t fan_in) {
    Draws draws({.seed = seed, .purpose = Purpose::kInitialWeights, .worker = number++});
    const double deviation = std::sqrt(2.0 / static_cast<double>(fan_in));
    out = std::generate_n(out, layer.weights(), [&] { return static_cast<float>(deviation * draws.normal()); });
    out = std::fill_n(out, layer.parameters() - layer.weights(), 0.0F);
  };
  for (const Convolution& layer : impl_->convolutions) fill(layer, layer.fan_in());
  for (const Dense& layer : impl_->dense) fill(layer, layer.inputs());
}

void Model::Impl::pack(const float* at, std::vector<Convolution::Packed>& packed) const {
  packed.resize(convolutions.size());
  for (std::size_t i = 0; i < convolutions.size(); ++i) {
    convolutions[i].pack(at, packed[i]);
    at += convolutions[i].parameters();
  }
}

// Returns the outputs of the last layer, samples x classes.
const float* Model::Impl::forward(const float* at, std::span<const Convolution::Packed> packed,
                                  const data::Batch& batch, Chunk chunk, Scratch& scratch) const {
  float* const features = at_least(scratch.features, chunk.size * dense.front().inputs());
  if (convolutions.empty()) {
    batch.write_values(chunk.begin, chunk.size, features);
  } else {
    float* const rows = at_least(scratch.rows, kLanes * input.size());
    const std::size_t blocks = (chunk.size + kLanes - 1) / kLanes;
    if (scratch.blocks.size() < blocks) scratch.blocks.resize(blocks);
    for (std::size_t b = 0; b < blocks; ++b) {
      Scratch::Block& block = scratch.blocks[b];
      block.planes.resize(convolutions.size() + 1);
      block.winners.resize(convolutions.size());
      const std::size_t begin = b * kLanes;
      const std::size_t count = std::min(kLanes, chunk.size - begin);
      batch.write_values(chunk.begin + begin, count, rows);
      block.planes[0].reshape(input, convolutions[0].border());
      block.planes[0].interleave(rows, count);
      const float* parameters = at;
      for (std::size_t i = 0; i < convolutions.size(); ++i) {
        const Convolution& layer = convolutions[i];
        block.planes[i + 1].reshape(layer.output(), i + 1 < convolutions.size() ? convolutions[i + 1].border() : 0);
        layer.forward(parameters, packed[i], block.planes[i], block.planes[i + 1], block.winners[i],
                      scratch.convolution);
        parameters += layer.parameters();
      }
      block.planes.back().separate(features + begin * dense.front().inputs(), count);
    }
    for (const Convolution& layer : convolutions) at += layer.parameters();
  }

  scratch.outputs.resize(dense.size());
  const float* in = features;
  for (std::size_t i = 0; i < dense.size(); ++i) {
    float* const out = at_least(scratch.outputs[i], chunk.size * dense[i].outputs());
    dense[i].forward(at, in, chunk.size, out);
    at += dense[i].parameters();
    in = out;
  }
  return in;
}

// Expects the gradient of the outputs in their place, and what forward() left.
void Model::Impl::backward(const float* parameters, std::span<const Convolution::Packed> packed, std::size_t samples,
                           float* gradient, Scratch& scratch) const {
  std::size_t offset = parameter_count;
  float* out_gradient = scratch.outputs.back()->data();
  for (std::size_t i = dense.size(); i-- > 0;) {
    const Dense& layer = dense[i];
    offset -= layer.parameters();
    const float* const in = i > 0 ? scratch.outputs[i - 1]->data() : scratch.features->data();
    const bool first = i == 0 && convolutions.empty();
    float* const in_gradient = first ? nullptr : at_least(scratch.gradients[i % 2], samples * layer.inputs());
    layer.backward(parameters + offset, in, scratch.outputs[i]->data(), samples, out_gradient, gradient + offset,
                   in_gradient);
    out_gradient = in_gradient;
  }
  if (convolutions.empty()) return;

  std::fill_n(gradient, offset, 0.0F);
  scratch.plane_gradients.resize(convolutions.size());
  for (std::size_t b = 0; b * kLanes < samples; ++b) {
    Scratch::Block& block = scratch.blocks[b];
    const std::size_t begin = b * kLanes;
    scratch.plane_gradients.back().reshape(convolutions.back().output(), 0);
    scratch.plane_gradients.back().interleave(out_gradient + begin * dense.front().inputs(),
                                              std::min(kLanes, samples - begin));
    std::size_t at = offset;
    for (std::size_t i = convolutions.size(); i-- > 0;) {
      const Convolution& layer = convolutions[i];
      at -= layer.parameters();
      Planes* in_gradient = nullptr;
      if (i > 0) {
        in_gradient = &scratch.plane_gradients[i - 1];
        in_gradient->reshape(layer.input(), 0);
      }
      layer.backward(packed[i], block.planes[i], block.winners[i], scratch.plane_gradients[i], gradient + at,
                     in_gradient, scratch.convolution);
    }
  }
}

double Model::Impl::chunk_gradient(const float* at, std::span<const Convolution::Packed> packed,
                                   const data::Batch& batch, Chunk chunk, float* gradient, Scratch& scratch) const {
  forward(at, packed, batch, chunk, scratch);
  const double loss = softmax_cross_entropy(scratch.outputs.back()->data(), classes,
                                            std::span(batch.labels).subspan(chunk.begin, chunk.size),
                                            1.0F / static_cast<float>(batch.size()));
  backward(at, packed, chunk.size, gradient, scratch);
  return loss;
}

float* Model::Impl::forward(const float* parameters, const data::Batch& batch, Scratch& scratch) const {
  scratch.outputs.resize(1);
  float* const outputs = at_least(scratch.outputs[0], batch.size() * classes);
  dense[0].forward(parameters, batch.entries, outputs);
  return outputs;
}

double Model::gradient(std::span<const float> parameters, const data::Batch& batch, Coordinates& gradient,
                       Workspace& workspace) const {
  PSCTL_CHECK(parameters.size() == impl_->parameter_count);
  PSCTL_CHECK(batch.shape == impl_->input && batch.classes == impl_->classes);
  PSCTL_CHECK(batch.size() > 0 && impl_->follows_values(batch));
  Workspace::Impl& work = *workspace.impl_;
  if (work.scratch.empty()) work.scratch.resize(1);
  float* const outputs = impl_->forward(parameters.data(), batch, work.scratch[0]);
  const auto samples = static_cast<float>(batch.size());
  const double loss = softmax_cross_entropy(outputs, impl_->classes, batch.labels, 1.0F / samples);
  impl_->dense[0].backward(batch.entries, outputs, gradient, work.sparse);
  return loss / static_cast<double>(batch.size());
}

double Model::gradient(std::span<const float> parameters, const data::Batch& batch, std::span<float> gradient,
                       Workspace& workspace, std::size_t threads) const {
  PSCTL_CHECK(parameters.size() == impl_->parameter_count && gradient.size() == impl_->parameter_count);
  if (impl_->follows_values(batch)) {
    Coordinates& coordinates = workspace.impl_->coordinates;
    const double loss = this->gradient(parameters, batch, coordinates, workspace);
    spread(coordinates, gradient);
    return loss;
  }
  PSCTL_CHECK(batch.shape == impl_->input && batch.classes == impl_->classes);
  PSCTL_CHECK(batch.size() > 0 && threads > 0);
  Workspace::Impl& work = *workspace.impl_;
  impl_->pack(parameters.data(), work.packed);
  const std::size_t size = chunk_of(impl_->kind);
  const std::size_t chunks = (batch.size() + size - 1) / size;
  const auto compute = [&](std::size_t index, float* out, Scratch& scratch) {
    const std::size_t begin = index * size;
    work.losses[index] = impl_->chunk_gradient(parameters.data(), work.packed, batch,
                                               {begin, std::min(size, batch.size() - begin)}, out, scratch);
  };
  work.losses.resize(chunks);
  const std::size_t tasks = std::min(threads, chunks);
  if (work.scratch.size() < tasks) work.scratch.resize(tasks);
  const std::size_t buffers = tasks == 1 ? std::min<std::size_t>(chunks - 1, 1) : chunks - 1;
  if (work.gradients.size() < buffers) work.gradients.resize(buffers);
  for (std::size_t i = 0; i < buffers; ++i) at_least(work.gradients[i], impl_->parameter_count);

  if (tasks == 1) {
    for (std::size_t i = 0; i < chunks; ++i) {
      float* const out = i == 0 ? gradient.data() : work.gradients[0]->data();
      compute(i, out, work.scratch[0]);
      if (i > 0) add(gradient.data(), out, gradient.size());
    }
  } else {
    std::atomic<std::size_t> next = 0;
    run_isolated(work.arena, threads, tasks, [&](std::size_t task) {
      for (std::size_t i = next++; i < chunks; i = next++) {
        compute(i, i == 0 ? gradient.data() : work.gradients[i - 1]->data(), work.scratch[task]);
      }
    });
    for (std::size_t i = 1; i < chunks; ++i) add(gradient.data(), work.gradients[i - 1]->data(), gradient.size());
  }
  return std::accumulate(work.losses.begin(), work.losses.begin() + static_cast<std::ptrdiff_t>(chunks), 0.0) /
         static_cast<double>(batch.size());
}

Score Model::evaluate(std::span<const float> parameters, const data::Dataset& dataset,
                      std::span<const std::uint32_t> samples, std::size_t threads,
                      const std::atomic<bool>* give_up) const {
  PSCTL_CHECK(parameters.size() == impl_->parameter_count);
  PSCTL_CHECK(dataset.shape() == impl_->input && dataset.classes() == impl_->classes);
  PSCTL_CHECK(dataset.size() > 0 && threads > 0);
  std::vector<std::uint32_t> all;
  if (samples.empty()) {
    all.resize(dataset.size());
    std::iota(all.begin(), all.end(), 0U);
    samples = all;
  }
  const std::size_t size = evaluation_chunk_of(impl_->kind);
  const std::size_t chunks = (samples.size() + size - 1) / size;
  const std::size_t tasks = std::min(threads, chunks);
  std::vector<Convolution::Packed> packed;
  impl_->pack(parameters.data(), packed);
  std::vector<Scratch> scratch(tasks);
  std::vector<Hits> hits(chunks);
  const auto compute = [&](std::size_t index, Scratch& own) {
    if (give_up && *give_up) return;
    const std::size_t begin = index * size;
    dataset.gather(samples.subspan(begin, std::min(size, samples.size() - begin)), own.batch);
    const float* const outputs = impl_->follows_values(own.batch)
                                     ? impl_->forward(parameters.data(), own.batch, own)
                                     : impl_->forward(parameters.data(), packed, own.batch, {0, own.batch.size()}, own);
    hits[index] = score(outputs, impl_->classes, own.batch.labels);
  };
  if (tasks == 1) {
    for (std::size_t i = 0; i < chunks; ++i) compute(i, scratch[0]);
  } else {
    std::optional<tbb::task_arena> arena;
    std::atomic<std::size_t> next = 0;
    run_isolated(arena, threads, tasks, [&](std::size_t task) {
      for (std::size_t i = next++; i < chunks; i = next++) compute(i, scratch[task]);
    });
  }
  Hits sum;
  for (const Hits& part : hits) {
    sum.loss += part.loss;
    sum.correct += part.correct;
  }
  const auto count = static_cast<double>(samples.size());
  return {.loss = sum.loss / count, .accuracy = static_cast<double>(sum.correct) / count};
}

}  // namespace psctl::learn
