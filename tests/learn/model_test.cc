#include "learn/model.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <tbb/parallel_for.h>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "learn/evaluator.h"
#include "learn/model_store.h"
#include "learn/reference.h"
#include "support/batches.h"

using namespace psctl;
using namespace psctl::learn;

namespace {

struct OneBlasThread {
  OneBlasThread() { use_one_blas_thread(); }
};
BOOST_TEST_GLOBAL_FIXTURE(OneBlasThread);

data::Dataset random_dataset(data::Shape shape, std::size_t classes, std::size_t samples, std::uint64_t seed = 1) {
  Draws draws({.seed = seed, .purpose = Purpose::kTest});
  std::vector<std::uint8_t> pixels(samples * shape.size());
  std::vector<std::uint32_t> labels(samples);
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(draws.bits());
  for (std::uint32_t& label : labels) label = static_cast<std::uint32_t>(draws.below(classes));
  data::Dataset dataset(shape, classes, std::move(pixels), std::move(labels));
  dataset.set_transform({.scale = 1 / 64.0F, .shift = -2});
  return dataset;
}

// He initialisation, with biases that are not 0, so that a wrong bias shows.
std::vector<float> random_parameters(const Model& model, std::uint64_t seed = 1) {
  std::vector<float> parameters(model.parameter_count());
  model.initialise(parameters, seed);
  Draws draws({.seed = seed, .purpose = Purpose::kTest, .worker = 1});
  for (float& parameter : parameters) parameter += static_cast<float>(0.05 * draws.normal());
  return parameters;
}

std::vector<std::uint32_t> first(std::size_t count) {
  std::vector<std::uint32_t> samples(count);
  std::iota(samples.begin(), samples.end(), 0U);
  return samples;
}

struct Case {
  std::string name;
  ModelConfig config;
  data::Shape input;
};

const std::vector<Case>& cases() {
  using enum ModelKind;
  static const std::vector<Case> all = {
      {"logistic regression", {.kind = kLogistic, .conv = {}, .hidden = {}}, {1, 3, 5}},
      {"a perceptron without hidden layers", {.kind = kMlp, .conv = {}, .hidden = {}}, {1, 3, 5}},
      {"one hidden layer", {.kind = kMlp, .conv = {}, .hidden = {9}}, {1, 4, 4}},
      {"three hidden layers, one of them of width 1", {.kind = kMlp, .conv = {}, .hidden = {9, 1, 17}}, {2, 3, 3}},
      {"one convolution",
       {.kind = kCnn, .conv = {{.filters = 1, .kernel = 1, .padding = 0, .pool = 1}}, .hidden = {}},
       {1, 3, 3}},
      {"a convolution with padding",
       {.kind = kCnn, .conv = {{.filters = 5, .kernel = 3, .padding = 1, .pool = 1}}, .hidden = {}},
       {2, 5, 4}},
      {"a convolution with pooling",
       {.kind = kCnn, .conv = {{.filters = 3, .kernel = 3, .padding = 0, .pool = 3}}, .hidden = {}},
       {1, 8, 5}},
      {"a kernel as large as its input",
       {.kind = kCnn, .conv = {{.filters = 6, .kernel = 4, .padding = 0, .pool = 1}}, .hidden = {5}},
       {1, 4, 4}},
      {"the widest padding",
       {.kind = kCnn, .conv = {{.filters = 2, .kernel = 3, .padding = 2, .pool = 1}}, .hidden = {}},
       {1, 3, 2}},
      {"LeNet in small",
       {.kind = kCnn,
        .conv = {{.filters = 6, .kernel = 5, .padding = 2, .pool = 2},
                 {.filters = 7, .kernel = 3, .padding = 0, .pool = 2}},
        .hidden = {9, 6}},
       {1, 8, 12}},
      {"three convolutions, of channels and kernels of many sizes",
       {.kind = kCnn,
        .conv = {{.filters = 9, .kernel = 2, .padding = 1, .pool = 1},
                 {.filters = 4, .kernel = 7, .padding = 3, .pool = 3},
                 {.filters = 10, .kernel = 3, .padding = 1, .pool = 1}},
        .hidden = {}},
       {3, 5, 8}},
  };
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(models)

BOOST_AUTO_TEST_CASE(gradients_are_the_slopes_of_the_loss) {
  constexpr std::size_t kClasses = 4;
  for (const Case& each : cases()) {
    const Model model(each.config, each.input, kClasses);
    const reference::Network network(each.config, each.input, kClasses);
    const data::Dataset dataset = random_dataset(each.input, kClasses, 5);
    const std::vector<float> parameters = random_parameters(model);
    const std::vector<std::uint32_t> samples = {3, 0, 4};
    std::vector<float> gradient(parameters.size(), std::numeric_limits<float>::quiet_NaN());
    Workspace workspace;
    const double loss = model.gradient(parameters, test::batch_of(dataset, samples), gradient, workspace);

    const std::vector<double> exact(parameters.begin(), parameters.end());
    BOOST_TEST_INFO_SCOPE(each.name << ": " << model.description());
    BOOST_TEST(loss == network.loss(exact, dataset, samples), boost::test_tools::tolerance(1e-5));
    const std::vector<double> slopes = network.gradient(exact, dataset, samples);
    BOOST_REQUIRE(slopes.size() == gradient.size());
    double largest = 0;
    double worst = 0;
    for (std::size_t i = 0; i < slopes.size(); ++i) {
      largest = std::max(largest, std::abs(slopes[i]));
      const double off = std::abs(slopes[i] - gradient[i]);
      worst = std::max(worst, std::isnan(off) ? std::numeric_limits<double>::infinity() : off);
    }
    BOOST_TEST(largest > 0.01);
    BOOST_TEST(worst < 1e-5 * largest);
  }
}

BOOST_AUTO_TEST_CASE(a_batch_of_many_chunks_has_the_mean_gradient_of_its_samples) {
  for (const Case& each : cases()) {
    const Model model(each.config, each.input, 3);
    const data::Dataset dataset = random_dataset(each.input, 3, 150);
    const std::vector<float> parameters = random_parameters(model);
    Workspace workspace;
    std::vector<float> gradient(parameters.size());
    const std::vector<std::uint32_t> samples = first(dataset.size());
    const double loss = model.gradient(parameters, test::batch_of(dataset, samples), gradient, workspace);
    double mean_loss = 0;
    std::vector<double> mean(parameters.size(), 0.0);
    std::vector<float> one(parameters.size());
    for (const std::uint32_t sample : samples) {
      mean_loss += model.gradient(parameters, test::batch_of(dataset, {&sample, 1}), one, workspace) / 150;
      for (std::size_t i = 0; i < one.size(); ++i) mean[i] += static_cast<double>(one[i]) / 150;
    }
    double worst = 0;
    for (std::size_t i = 0; i < mean.size(); ++i) worst = std::max(worst, std::abs(mean[i] - gradient[i]));
    BOOST_TEST_INFO_SCOPE(each.name);
    BOOST_TEST(loss == mean_loss, boost::test_tools::tolerance(1e-5));
    BOOST_TEST(worst < 2e-6);
  }
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_does_not_change_a_bit) {
  for (const Case& each : cases()) {
    const Model model(each.config, each.input, 4);
    const data::Dataset dataset = random_dataset(each.input, 4, 700);
    const std::vector<float> parameters = random_parameters(model);
    for (const std::size_t batch : {1UL, 40UL, 333UL}) {
      std::vector<std::vector<float>> gradients;
      std::vector<double> losses;
      std::vector<Score> scores;
      for (const std::size_t threads : {1UL, 2UL, 3UL, 1UL}) {
        Workspace workspace;
        for (int turn = 0; turn < 2; ++turn) {
          gradients.emplace_back(parameters.size());
          losses.push_back(
              model.gradient(parameters, test::batch_of(dataset, first(batch)), gradients.back(), workspace, threads));
        }
        scores.push_back(model.evaluate(parameters, dataset, {}, threads));
      }
      BOOST_TEST_INFO_SCOPE(each.name << ", batch " << batch);
      for (const auto& gradient : gradients) BOOST_TEST((gradient == gradients.front()));
      for (const double loss : losses) BOOST_TEST(loss == losses.front());
      for (const Score& score : scores)
        BOOST_TEST((score.loss == scores[0].loss && score.accuracy == scores[0].accuracy));
    }
  }
}

BOOST_AUTO_TEST_CASE(many_gradients_may_be_computed_at_the_same_time) {
  for (const Case& each : cases()) {
    const Model model(each.config, each.input, 4);
    const data::Dataset dataset = random_dataset(each.input, 4, 200);
    const std::vector<float> parameters = random_parameters(model);
    std::vector<float> expected(parameters.size());
    Workspace own;
    model.gradient(parameters, test::batch_of(dataset, first(200)), expected, own);
    std::vector<std::vector<float>> gradients(12, std::vector<float>(parameters.size()));
    tbb::parallel_for(std::size_t{0}, gradients.size(), [&](std::size_t i) {
      Workspace workspace;
      model.gradient(parameters, test::batch_of(dataset, first(200)), gradients[i], workspace, 1 + i % 3);
    });
    for (const auto& gradient : gradients) BOOST_TEST((gradient == expected));
  }
}

BOOST_AUTO_TEST_CASE(a_workspace_may_go_from_model_to_model) {
  Workspace shared;
  for (int turn = 0; turn < 2; ++turn) {
    for (const Case& each : cases()) {
      const Model model(each.config, each.input, 4);
      const data::Dataset dataset = random_dataset(each.input, 4, 100);
      const std::vector<float> parameters = random_parameters(model);
      std::vector<float> with_shared(parameters.size());
      std::vector<float> with_own(parameters.size());
      for (const std::size_t batch : {100UL, 7UL}) {
        Workspace own;
        model.gradient(parameters, test::batch_of(dataset, first(batch)), with_shared, shared);
        model.gradient(parameters, test::batch_of(dataset, first(batch)), with_own, own);
        BOOST_TEST_INFO_SCOPE(each.name);
        BOOST_TEST((with_shared == with_own));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_round_of_workers_with_weight_1_over_n_is_one_step_of_sgd_on_the_joined_batch) {
  constexpr std::size_t kWorkers = 4;
  constexpr std::size_t kBatch = 24;
  for (const Case& each : cases()) {
    const Model model(each.config, each.input, 4);
    const data::Dataset dataset = random_dataset(each.input, 4, 2000);
    std::vector<float> initial(model.parameter_count());
    model.initialise(initial, 3);
    const OptimizerConfig sgd{.schedule = {}, .staleness = {}};
    ModelStore round(sgd, initial);
    ModelStore joined(sgd, initial);
    Workspace workspace;
    std::uint64_t push = 0;
    for (std::uint32_t step = 0; step < 10; ++step) {
      std::vector<std::uint32_t> batch(kWorkers * kBatch);
      std::iota(batch.begin(), batch.end(), static_cast<std::uint32_t>(step * batch.size()));
      std::vector<sync::Share> shares;
      for (std::size_t worker = 0; worker < kWorkers; ++worker) {
        std::shared_ptr<Tensor> gradient = round.buffer();
        model.gradient(round.snapshot()->values(),
                       test::batch_of(dataset, std::span(batch).subspan(worker * kBatch, kBatch)), gradient->values(),
                       workspace);
        shares.push_back({PushId(++push), 1.0 / kWorkers});
        round.accept(PushId(push), WorkerId(0), std::move(gradient));
      }
      round.apply(shares, 0.05);
      std::shared_ptr<Tensor> gradient = joined.buffer();
      model.gradient(joined.snapshot()->values(), test::batch_of(dataset, batch), gradient->values(), workspace);
      const sync::Share share{PushId(step + 1), 1};
      joined.accept(share.push, WorkerId(0), std::move(gradient));
      joined.apply({&share, 1}, 0.05);
    }
    double worst = 0;
    double moved = 0;
    for (std::size_t i = 0; i < initial.size(); ++i) {
      worst = std::max(worst,
                       static_cast<double>(std::abs(round.snapshot()->values()[i] - joined.snapshot()->values()[i])));
      moved = std::max(moved, static_cast<double>(std::abs(round.snapshot()->values()[i] - initial[i])));
    }
    BOOST_TEST_INFO_SCOPE(each.name);
    BOOST_TEST(moved > 1e-3);
    BOOST_TEST(worst < 2e-6);
  }
}

BOOST_AUTO_TEST_CASE(evaluation_counts_and_measures_as_the_reference_does) {
  for (const Case& each : cases()) {
    const Model model(each.config, each.input, 4);
    const reference::Network network(each.config, each.input, 4);
    const data::Dataset dataset = random_dataset(each.input, 4, 600);
    const std::vector<float> parameters = random_parameters(model);
    const std::vector<double> exact(parameters.begin(), parameters.end());
    const Score score = model.evaluate(parameters, dataset);
    BOOST_TEST_INFO_SCOPE(each.name);
    BOOST_TEST(score.loss == network.loss(exact, dataset, first(600)), boost::test_tools::tolerance(1e-5));
    BOOST_TEST(score.accuracy == network.accuracy(exact, dataset), boost::test_tools::tolerance(1e-9));
    const std::vector<std::uint32_t> some = {5, 17, 400};
    BOOST_TEST(model.evaluate(parameters, dataset, some).loss == network.loss(exact, dataset, some),
               boost::test_tools::tolerance(1e-5));
  }
}

BOOST_AUTO_TEST_CASE(values_that_are_not_finite_give_a_loss_that_is_not_finite) {
  for (const Case& each : cases()) {
    const Model model(each.config, each.input, 4);
    const data::Dataset dataset = random_dataset(each.input, 4, 70);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(), 1e38F}) {
      std::vector<float> parameters(model.parameter_count(), bad);
      std::vector<float> gradient(parameters.size());
      Workspace workspace;
      BOOST_TEST_INFO_SCOPE(each.name << ", " << bad);
      const double loss = model.gradient(parameters, test::batch_of(dataset, first(70)), gradient, workspace);
      const Score score = model.evaluate(parameters, dataset);
      BOOST_TEST((score.accuracy >= 0 && score.accuracy <= 1));
      if (std::isnan(bad)) {
        BOOST_TEST(!std::isfinite(loss));
        BOOST_TEST(!std::isfinite(score.loss));
        BOOST_TEST(score.accuracy == 0);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(one_nan_among_the_weights_of_any_layer_reaches_the_loss) {
  for (const Case& each : cases()) {
    const Model model(each.config, each.input, 4);
    const data::Dataset dataset = random_dataset(each.input, 4, 70);
    std::vector<float> parameters = random_parameters(model);
    parameters[0] = std::numeric_limits<float>::quiet_NaN();
    BOOST_TEST_INFO_SCOPE(each.name);
    BOOST_TEST(!std::isfinite(model.evaluate(parameters, dataset).loss));
  }
}

BOOST_AUTO_TEST_CASE(very_large_outputs_give_the_right_finite_loss) {
  const Model model({.kind = ModelKind::kLogistic, .conv = {}, .hidden = {}}, {1, 1, 1}, 3);
  data::Dataset dataset({1, 1, 1}, 3, {1, 1}, {0, 2});
  const std::vector<float> parameters = {0, 0, 0, 3e5F, 1e5F, -2e5F};
  std::vector<float> gradient(parameters.size());
  Workspace workspace;
  BOOST_TEST(model.gradient(parameters, test::batch_of(dataset, first(2)), gradient, workspace) == 2.5e5);
  BOOST_TEST((gradient == std::vector<float>{0.5F, 0, -0.5F, 0.5F, 0, -0.5F}));
  BOOST_TEST(model.evaluate(parameters, dataset).loss == 2.5e5);
  BOOST_TEST(model.evaluate(parameters, dataset).accuracy == 0.5);
}

BOOST_AUTO_TEST_CASE(initial_weights_follow_he_and_their_key) {
  const Model model({.kind = ModelKind::kMlp, .conv = {}, .hidden = {256, 128}}, {1, 28, 28}, 10);
  std::vector<float> parameters(model.parameter_count());
  std::vector<float> again(model.parameter_count());
  std::vector<float> other(model.parameter_count());
  model.initialise(parameters, 7);
  model.initialise(again, 7);
  model.initialise(other, 8);
  BOOST_TEST((parameters == again));
  BOOST_TEST((parameters != other));
  std::size_t at = 0;
  for (const auto& [inputs, outputs] : {std::pair{784UL, 256UL}, {256UL, 128UL}, {128UL, 10UL}}) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < inputs * outputs; ++i, ++at) {
      sum += parameters[at];
      squares += static_cast<double>(parameters[at]) * parameters[at];
    }
    const auto count = static_cast<double>(inputs * outputs);
    BOOST_TEST(squares / count == 2.0 / static_cast<double>(inputs), boost::test_tools::tolerance(0.1));
    BOOST_TEST(std::abs(sum / count) < 4 * std::sqrt(2.0 / static_cast<double>(inputs) / count));
    for (std::size_t i = 0; i < outputs; ++i, ++at) BOOST_TEST(parameters[at] == 0);
  }
  BOOST_TEST(at == parameters.size());
}

BOOST_AUTO_TEST_CASE(training_learns_what_can_be_learned) {
  // The class is the brightest quarter of the image.
  constexpr data::Shape kShape{1, 8, 8};
  Draws draws({.seed = 1, .purpose = Purpose::kTest});
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint32_t> labels;
  for (int sample = 0; sample < 800; ++sample) {
    labels.push_back(static_cast<std::uint32_t>(draws.below(4)));
    for (std::size_t y = 0; y < 8; ++y) {
      for (std::size_t x = 0; x < 8; ++x) {
        const bool bright = y / 4 * 2 + x / 4 == labels.back();
        pixels.push_back(static_cast<std::uint8_t>(draws.below(200) + (bright ? 55 : 0)));
      }
    }
  }
  data::Dataset dataset(kShape, 4, std::move(pixels), std::move(labels));
  dataset.set_transform({.scale = 1 / 60.0F, .shift = -2});
  const ModelConfig configs[] = {
      {.kind = ModelKind::kLogistic, .conv = {}, .hidden = {}},
      {.kind = ModelKind::kMlp, .conv = {}, .hidden = {16}},
      {.kind = ModelKind::kCnn, .conv = {{.filters = 4, .kernel = 3, .padding = 1, .pool = 2}}, .hidden = {}}};
  for (const ModelConfig& config : configs) {
    const Model model(config, kShape, 4);
    std::vector<float> initial(model.parameter_count());
    model.initialise(initial, 1);
    ModelStore store({.schedule = {}, .staleness = {}}, initial);
    Workspace workspace;
    for (std::uint32_t step = 0; step < 100; ++step) {
      std::vector<std::uint32_t> batch(40);
      std::iota(batch.begin(), batch.end(), step % 20 * 40);
      std::shared_ptr<Tensor> gradient = store.buffer();
      model.gradient(store.snapshot()->values(), test::batch_of(dataset, batch), gradient->values(), workspace);
      const sync::Share share{PushId(step + 1), 1};
      store.accept(share.push, WorkerId(0), std::move(gradient));
      store.apply({&share, 1}, 0.1);
    }
    BOOST_TEST_INFO_SCOPE(model.description());
    BOOST_TEST(model.evaluate(store.snapshot()->values(), dataset).accuracy > 0.97);
  }
}

BOOST_AUTO_TEST_CASE(descriptions_name_layers_and_parameters) {
  constexpr data::Shape kShape{1, 28, 28};
  BOOST_TEST(Model({.kind = ModelKind::kLogistic, .conv = {}, .hidden = {}}, kShape, 10).description() ==
             "784-10, 7,850 parameters");
  BOOST_TEST(Model({.kind = ModelKind::kMlp, .conv = {}, .hidden = {256, 128}}, kShape, 10).description() ==
             "784-256-128-10, 235,146 parameters");
  BOOST_TEST(
      Model({.kind = ModelKind::kCnn,
             .conv = {{.filters = 6, .kernel = 5, .padding = 2, .pool = 2}, {.filters = 16, .kernel = 5, .pool = 2}},
             .hidden = {120, 84}},
            kShape, 10)
          .description() ==
      "1x28x28 conv 6@5x5 padding 2 pool 2 conv 16@5x5 pool 2 dense 400-120-84-10, 61,706 parameters");
}

BOOST_AUTO_TEST_CASE(the_parameters_are_as_many_as_in_the_literature) {
  constexpr data::Shape kShape{1, 28, 28};
  const auto count = [&](std::size_t padding) {
    return Model({.kind = ModelKind::kCnn,
                  .conv = {{.filters = 16, .kernel = 5, .padding = padding, .pool = 2},
                           {.filters = 32, .kernel = 5, .padding = padding, .pool = 2}},
                  .hidden = {}},
                 kShape, 10)
        .parameter_count();
  };
  BOOST_TEST(count(2) == 28'938);
  BOOST_TEST(count(0) == 18'378);
}

BOOST_AUTO_TEST_CASE(layers_that_do_not_fit_are_refused_with_the_place_and_the_way_out) {
  const auto message = [](std::vector<ConvConfig> conv, std::vector<std::size_t> hidden) -> std::string {
    try {
      const Model model({.kind = ModelKind::kCnn, .conv = std::move(conv), .hidden = std::move(hidden)}, {1, 28, 20},
                        10);
    } catch (const UserError& error) {
      return error.what();
    }
    return "accepted";
  };
  BOOST_TEST(message({{.filters = 0, .kernel = 3}}, {}) == "model.conv[0]: it has 0 filters; give it at least 1");
  BOOST_TEST(message({{.filters = 4, .kernel = 0}}, {}) == "model.conv[0]: its kernel is 0; give it at least 1");
  BOOST_TEST(message({{.filters = 4, .kernel = 3, .pool = 0}}, {}) ==
             "model.conv[0]: its pool is 0; choose one from 1 (no pooling) to 15");
  BOOST_TEST(message({{.filters = 4, .kernel = 3, .pool = 16}}, {}) ==
             "model.conv[0]: its pool is 16; choose one from 1 (no pooling) to 15");
  BOOST_TEST(message({{.filters = 4, .kernel = 3, .padding = 3}}, {}) ==
             "model.conv[0]: its padding of 3 is not smaller than its kernel of 3; at most 2 makes sense");
  BOOST_TEST(
      message({{.filters = 4, .kernel = 25, .padding = 2}}, {}) ==
      "model.conv[0]: its kernel of 25 does not fit its input of 28 x 20 with padding 2; choose a kernel of at most "
      "24, or more padding");
  BOOST_TEST(
      message({{.filters = 4, .kernel = 5, .padding = 2, .pool = 2}, {.filters = 8, .kernel = 4, .pool = 2}}, {}) ==
      "model.conv[1]: its pool of 2 does not divide its 11 x 7 outputs; choose one that does, or another padding");
  BOOST_TEST(message({}, {5, 0}) == "model.hidden[1]: the layer has a width of 0; give it at least 1, or leave it out");
  BOOST_TEST(message({{.filters = 4, .kernel = 5, .padding = 2, .pool = 2}}, {5}) == "accepted");
}

BOOST_AUTO_TEST_CASE(sizes_that_do_not_match_are_our_fault_and_are_told) {
  const Model model({.kind = ModelKind::kLogistic, .conv = {}, .hidden = {}}, {1, 2, 2}, 3);
  const data::Dataset dataset = random_dataset({1, 2, 2}, 3, 5);
  const data::Batch batch = test::batch_of(dataset, first(5));
  const data::Dataset other = random_dataset({1, 4, 1}, 3, 5);
  std::vector<float> parameters(model.parameter_count());
  std::vector<float> gradient(model.parameter_count());
  std::vector<float> short_one(model.parameter_count() - 1);
  Workspace workspace;
  BOOST_CHECK_THROW(model.gradient(short_one, batch, gradient, workspace), InternalError);
  BOOST_CHECK_THROW(model.gradient(parameters, batch, short_one, workspace), InternalError);
  BOOST_CHECK_THROW(model.gradient(parameters, test::batch_of(other, first(5)), gradient, workspace), InternalError);
  BOOST_CHECK_THROW(model.gradient(parameters, test::batch_of(dataset, {}), gradient, workspace), InternalError);
  BOOST_CHECK_THROW(model.gradient(parameters, batch, gradient, workspace, 0), InternalError);
  BOOST_CHECK_THROW(Model({.conv = {}, .hidden = {}}, {1, 2, 2}, 3), InternalError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(evaluators)

BOOST_AUTO_TEST_CASE(every_evaluation_sees_the_whole_test_set_and_the_same_training_samples) {
  const Model model({.kind = ModelKind::kLogistic, .conv = {}, .hidden = {}}, {1, 2, 2}, 3);
  const data::Splits splits{.train = std::make_shared<data::Dataset>(random_dataset({1, 2, 2}, 3, 12'000)),
                            .validation = nullptr,
                            .test = std::make_shared<data::Dataset>(random_dataset({1, 2, 2}, 3, 500, 2))};
  const std::vector<float> parameters = random_parameters(model);
  const Evaluator::Result first_one = Evaluator(model, splits, 1).evaluate(parameters);
  const Evaluator::Result again = Evaluator(model, splits, 1).evaluate(parameters);
  const Evaluator::Result other_seed = Evaluator(model, splits, 2).evaluate(parameters);
  BOOST_TEST(first_one.test.loss == model.evaluate(parameters, *splits.test).loss);
  BOOST_TEST(first_one.train_loss == again.train_loss);
  BOOST_TEST(first_one.train_loss != other_seed.train_loss);
  BOOST_TEST(first_one.train_loss == model.evaluate(parameters, *splits.train).loss,
             boost::test_tools::tolerance(0.05));
}

BOOST_AUTO_TEST_CASE(an_evaluation_that_is_given_up_says_nothing) {
  const Model model({.kind = ModelKind::kLogistic, .conv = {}, .hidden = {}}, {1, 2, 2}, 3);
  const auto samples = std::make_shared<data::Dataset>(random_dataset({1, 2, 2}, 3, 500));
  const Evaluator evaluator(model, {.train = samples, .validation = nullptr, .test = samples}, 1);
  const std::vector<float> parameters = random_parameters(model);
  std::atomic<bool> give_up = true;
  BOOST_TEST(!evaluator.evaluate(parameters, give_up));
  give_up = false;
  BOOST_TEST(evaluator.evaluate(parameters, give_up)->test.loss == evaluator.evaluate(parameters).test.loss);
}

BOOST_AUTO_TEST_SUITE_END()
