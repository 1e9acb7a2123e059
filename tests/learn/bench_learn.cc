// Training speed of one process: a loop of gather, gradient and update on one thread, over synthetic data of the size
// of Fashion-MNIST. Prints lines `model,batch,samples_per_s`.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fmt/format.h>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/dataset.h"
#include "learn/model.h"
#include "learn/model_store.h"

using namespace psctl;

namespace {

constexpr std::size_t kSamples = 60'000;
constexpr std::size_t kClasses = 10;

const std::map<std::string, learn::ModelConfig>& models() {
  using learn::ModelKind;
  static const std::map<std::string, learn::ModelConfig> all = {
      {"logistic", {.kind = ModelKind::kLogistic, .conv = {}, .hidden = {}}},
      {"mlp", {.kind = ModelKind::kMlp, .conv = {}, .hidden = {256, 128}}},
      {"lenet5",
       {.kind = ModelKind::kCnn,
        .conv = {{.filters = 6, .kernel = 5, .padding = 2, .pool = 2}, {.filters = 16, .kernel = 5, .pool = 2}},
        .hidden = {120, 84}}},
      {"cnn_same",
       {.kind = ModelKind::kCnn,
        .conv = {{.filters = 16, .kernel = 5, .padding = 2, .pool = 2},
                 {.filters = 32, .kernel = 5, .padding = 2, .pool = 2}},
        .hidden = {}}},
      {"cnn_valid",
       {.kind = ModelKind::kCnn,
        .conv = {{.filters = 16, .kernel = 5, .pool = 2}, {.filters = 32, .kernel = 5, .pool = 2}},
        .hidden = {}}},
  };
  return all;
}

data::Dataset synthetic() {
  const data::Shape shape{.channels = 1, .height = 28, .width = 28};
  std::vector<std::uint8_t> pixels(kSamples * shape.size());
  std::vector<std::uint32_t> labels(kSamples);
  Draws draws({.seed = 1, .purpose = Purpose::kTest});
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(draws.bits());
  for (std::uint32_t& label : labels) label = static_cast<std::uint32_t>(draws.below(kClasses));
  data::Dataset dataset(shape, kClasses, std::move(pixels), std::move(labels));
  dataset.set_transform({.scale = 1.0F / 73.9F, .shift = -127.5F / 73.9F});
  return dataset;
}

double samples_per_second(const learn::ModelConfig& config, const data::Dataset& dataset, std::size_t batch,
                          double seconds) {
  const learn::Model model(config, dataset.shape(), dataset.classes());
  std::vector<float> initial(model.parameter_count());
  model.initialise(initial, 1);
  learn::ModelStore store({.kind = learn::OptimizerKind::kSgd, .schedule = {}, .staleness = {}}, initial);
  learn::Workspace workspace;
  std::vector<std::uint32_t> order(dataset.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  Draws draws({.seed = 1, .purpose = Purpose::kEpochOrder});
  shuffle(order, draws);

  std::size_t at = 0;
  std::uint64_t push = 0;
  data::Batch assembled;
  const auto step = [&] {
    if (at + batch > order.size()) at = 0;
    std::shared_ptr<learn::Tensor> gradient = store.buffer();
    {
      const learn::Snapshot snapshot = store.snapshot();
      dataset.gather(std::span(order).subspan(at, batch), assembled);
      model.gradient(snapshot->values(), assembled, gradient->values(), workspace);
    }
    at += batch;
    const sync::Share share{.push = PushId(++push)};
    store.accept(share.push, WorkerId(0), std::move(gradient));
    store.apply({&share, 1}, 0.01);
  };
  for (int i = 0; i < 10; ++i) step();

  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  std::size_t steps = 0;
  double elapsed = 0;
  while (elapsed < seconds) {
    for (int i = 0; i < 5; ++i) step();
    steps += 5;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return static_cast<double>(steps * batch) / elapsed;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::string> chosen = {"logistic", "mlp", "lenet5", "cnn_same", "cnn_valid"};
  std::vector<std::string> batches = {"64", "128"};
  double seconds = 1;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string option = arguments[i];
    if (option == "--models") chosen = split(arguments[i + 1]);
    if (option == "--batch") batches = split(arguments[i + 1]);
    if (option == "--seconds") seconds = std::stod(arguments[i + 1]);
  }
  learn::use_one_blas_thread();
  const data::Dataset dataset = synthetic();
  for (const std::string& name : chosen) {
    if (!models().contains(name)) {
      fmt::print(stderr, "bench_learn: there is no model '{}'\n", name);
      return 2;
    }
    for (const std::string& batch : batches) {
      const double speed = samples_per_second(models().at(name), dataset, std::stoul(batch), seconds);
      fmt::print("{},{},{:.0f}\n", name, batch, speed);
    }
  }
}
