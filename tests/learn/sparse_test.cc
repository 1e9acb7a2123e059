// Logistic regression on sparse samples, and pushes of coordinates: against the same with every zero written out.
#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "learn/model_store.h"
#include "learn/reference.h"
#include "learn/trainer.h"

using namespace psctl;
using namespace psctl::learn;

namespace {

const ModelConfig kLogistic{.kind = ModelKind::kLogistic, .conv = {}, .hidden = {}};
const OptimizerConfig kSgd{.learning_rate = 0.1, .schedule = {}, .staleness = {}};
constexpr std::uint32_t kClasses = 3;

// The same samples twice, and some of them without a value.
struct Samples {
  data::Dataset sparse, dense;
};

Samples samples(std::size_t count, std::size_t features, std::size_t most, std::uint64_t seed = 1) {
  Draws draws({.seed = seed, .purpose = Purpose::kTest});
  std::vector<std::uint64_t> row_starts{0};
  std::vector<data::Entry> entries;
  std::vector<float> values(count * features);
  std::vector<std::uint32_t> labels;
  for (std::size_t i = 0; i < count; ++i) {
    std::set<std::uint32_t> present;
    for (std::uint64_t left = draws.below(most + 1); left > 0; --left) {
      present.insert(static_cast<std::uint32_t>(draws.below(features)));
    }
    for (const std::uint32_t feature : present) {
      const auto value = static_cast<float>(draws.normal());
      entries.push_back({feature, value});
      values[i * features + feature] = value;
    }
    row_starts.push_back(entries.size());
    labels.push_back(static_cast<std::uint32_t>(draws.below(kClasses)));
  }
  return {data::Dataset(data::samples_of(features, kClasses, row_starts, entries, labels)),
          data::Dataset(data::samples_of({.width = features}, kClasses, values, labels))};
}

std::vector<std::uint32_t> first_samples(std::size_t count) {
  std::vector<std::uint32_t> rows(count);
  for (std::size_t i = 0; i < count; ++i) rows[i] = static_cast<std::uint32_t>(i);
  return rows;
}

std::vector<float> random_floats(std::size_t size, std::uint64_t seed) {
  Draws draws({.seed = seed, .purpose = Purpose::kTest});
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(draws.normal());
  return values;
}

std::shared_ptr<Coordinates> random_coordinates(std::size_t size, std::size_t most, std::uint64_t seed) {
  Draws draws({.seed = seed, .purpose = Purpose::kTest});
  std::set<std::uint32_t> indices;
  for (std::uint64_t left = draws.below(most + 1); left > 0; --left) {
    indices.insert(static_cast<std::uint32_t>(draws.below(size)));
  }
  auto coordinates = std::make_shared<Coordinates>();
  for (const std::uint32_t index : indices) coordinates->push_back({index, static_cast<float>(draws.normal())});
  return coordinates;
}

bool same_bits(std::span<const float> one, std::span<const float> other) {
  return std::ranges::equal(
      one, other, {}, [](float value) { return std::bit_cast<std::uint32_t>(value); },
      [](float value) { return std::bit_cast<std::uint32_t>(value); });
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const UserError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sparse)

BOOST_AUTO_TEST_CASE(the_gradient_on_sparse_samples_is_that_of_the_same_samples_with_their_zeros) {
  constexpr std::size_t kFeatures = 40;
  const auto [sparse, dense] = samples(150, kFeatures, 9);
  const Model model(kLogistic, {.width = kFeatures}, kClasses);
  const std::vector<float> parameters = random_floats(model.parameter_count(), 2);
  Workspace workspace;
  for (const std::size_t count : {1, 5, 64, 150}) {
    Coordinates touched;
    const double loss = model.gradient(parameters, test::batch_of(sparse, first_samples(count)), touched, workspace);
    std::vector<float> spread_out(parameters.size()), plain(parameters.size()), direct(parameters.size(), 9.0F);
    spread(touched, spread_out);
    const double plain_loss = model.gradient(parameters, test::batch_of(dense, first_samples(count)), plain, workspace);
    BOOST_TEST(std::abs(loss - plain_loss) < 1e-5);
    for (std::size_t i = 0; i < plain.size(); ++i) BOOST_TEST(std::abs(spread_out[i] - plain[i]) < 1e-5);
    BOOST_TEST(model.gradient(parameters, test::batch_of(sparse, first_samples(count)), direct, workspace) == loss);
    BOOST_TEST(same_bits(direct, spread_out));
  }
}

BOOST_AUTO_TEST_CASE(it_is_the_slope_of_the_loss_in_double_precision) {
  constexpr std::size_t kFeatures = 7;
  const auto [sparse, dense] = samples(12, kFeatures, 4);
  const Model model(kLogistic, {.width = kFeatures}, kClasses);
  const std::vector<float> parameters = random_floats(model.parameter_count(), 3);
  const reference::Network network(kLogistic, {.width = kFeatures}, kClasses);
  const std::vector<double> slopes =
      network.gradient({parameters.begin(), parameters.end()}, dense, first_samples(sparse.size()));
  Workspace workspace;
  std::vector<float> gradient(parameters.size());
  model.gradient(parameters, test::batch_of(sparse, first_samples(sparse.size())), gradient, workspace);
  for (std::size_t i = 0; i < slopes.size(); ++i) BOOST_TEST(std::abs(gradient[i] - slopes[i]) < 1e-5);
}

BOOST_AUTO_TEST_CASE(the_coordinates_ascend_and_are_those_of_the_features_that_are_there_and_all_biases) {
  constexpr std::uint32_t kFeatures = 1000;
  const auto [sparse, dense] = samples(20, kFeatures, 6);
  const Model model(kLogistic, {.width = kFeatures}, kClasses);
  Workspace workspace;
  Coordinates touched;
  model.gradient(random_floats(model.parameter_count(), 4), test::batch_of(sparse, first_samples(20)), touched, workspace);
  std::set<std::uint32_t> expected;
  for (std::uint32_t sample = 0; sample < 20; ++sample) {
    for (const data::Entry& entry : sparse.entries(sample)) {
      for (std::uint32_t output = 0; output < kClasses; ++output) expected.insert(output * kFeatures + entry.index);
    }
  }
  for (std::uint32_t output = 0; output < kClasses; ++output) expected.insert(kClasses * kFeatures + output);
  BOOST_TEST_REQUIRE(touched.size() == expected.size());
  BOOST_TEST(std::ranges::equal(touched, expected, {}, &Coordinate::index));
}

BOOST_AUTO_TEST_CASE(evaluating_sparse_samples_is_evaluating_them_with_their_zeros) {
  constexpr std::size_t kFeatures = 30;
  const auto [sparse, dense] = samples(300, kFeatures, 8);
  const Model model(kLogistic, {.width = kFeatures}, kClasses);
  const std::vector<float> parameters = random_floats(model.parameter_count(), 5);
  const Score one = model.evaluate(parameters, sparse), other = model.evaluate(parameters, dense);
  BOOST_TEST(std::abs(one.loss - other.loss) < 1e-5);
  BOOST_TEST(std::abs(one.accuracy - other.accuracy) < 0.005);  // a tie may fall either way
  BOOST_TEST(model.evaluate(parameters, sparse, {}, 2).loss == one.loss);
}

BOOST_AUTO_TEST_CASE(a_batch_of_empty_samples_touches_the_biases_alone) {
  const data::Dataset empty(data::samples_of(std::size_t{50}, kClasses, std::vector<std::uint64_t>{0, 0, 0},
                                             std::vector<data::Entry>{}, {0, 1}));
  const Model model(kLogistic, {.width = 50}, kClasses);
  Workspace workspace;
  Coordinates touched;
  model.gradient(random_floats(model.parameter_count(), 6), test::batch_of(empty, first_samples(2)), touched, workspace);
  BOOST_TEST_REQUIRE(touched.size() == kClasses);
  BOOST_TEST(touched.front().index == 50 * kClasses);
}

BOOST_AUTO_TEST_CASE(pushes_of_coordinates_make_the_bits_of_the_same_pushes_written_out) {
  constexpr std::size_t kSize = 5000;
  const std::vector<float> initial = random_floats(kSize, 7);
  ModelStore one(kSgd, initial), other(kSgd, initial), mixed(kSgd, initial);
  BOOST_TEST(one.takes_coordinates());
  std::uint64_t next = 0;
  for (std::uint64_t update = 0; update < 30; ++update) {
    Draws draws({.seed = 8, .purpose = Purpose::kTest, .step = update});
    std::vector<sync::Share> shares;
    std::vector<PushId> pending;
    for (std::uint64_t pushes = 1 + draws.below(5); pushes > 0; --pushes) {
      const PushId push(++next);
      if (draws.below(8) == 0) {
        for (ModelStore* store : {&one, &other, &mixed}) store->accept(push, WorkerId(0), nullptr);
      } else {
        const auto coordinates = random_coordinates(kSize, 400, next);
        const auto dense = other.buffer(), copy = mixed.buffer();
        spread(*coordinates, dense->values());
        spread(*coordinates, copy->values());
        one.accept(push, WorkerId(0), std::make_shared<Coordinates>(*coordinates));
        other.accept(push, WorkerId(0), dense);
        mixed.accept(push, WorkerId(0),
                     draws.below(2) == 0 ? Push(copy) : Push(std::make_shared<Coordinates>(*coordinates)));
      }
      if (!pending.empty() && draws.below(3) == 0) {
        for (ModelStore* store : {&one, &other, &mixed}) store->merge(pending.back(), push);
      } else if (draws.below(10) == 0) {
        for (ModelStore* store : {&one, &other, &mixed}) store->discard(push);
      } else {
        pending.push_back(push);
        shares.push_back({push, draws.uniform()});
      }
    }
    const double rate = draws.uniform();
    for (ModelStore* store : {&one, &other, &mixed}) store->apply(shares, rate);
    BOOST_TEST_REQUIRE(same_bits(one.snapshot()->values(), other.snapshot()->values()));
    BOOST_TEST_REQUIRE(same_bits(mixed.snapshot()->values(), other.snapshot()->values()));
  }
}

BOOST_AUTO_TEST_CASE(a_model_that_is_pinned_does_not_change_under_an_update_of_coordinates) {
  const std::vector<float> initial = random_floats(100, 9);
  ModelStore store(kSgd, initial);
  const Snapshot pinned = store.snapshot();
  store.accept(PushId(1), WorkerId(0), random_coordinates(100, 20, 1));
  store.apply(std::vector<sync::Share>{{PushId(1), 1}}, 1);
  BOOST_TEST(same_bits(pinned->values(), initial));
  BOOST_TEST(!same_bits(store.snapshot()->values(), initial));
}

BOOST_AUTO_TEST_CASE(coordinates_go_with_plain_sgd_at_the_server_alone) {
  using Kind = sync::Traits::Kind;
  const std::vector<float> initial(10);
  const auto check = [&](const OptimizerConfig& config, Kind kind, const std::string& key) {
    const std::string why = why_dense(kLogistic, config, kind);
    BOOST_TEST(why.starts_with(key), why);
    if (key.empty()) BOOST_TEST(why.empty());
    BOOST_TEST(ModelStore(config, initial, kind).takes_coordinates() == key.empty());
  };
  check(kSgd, Kind::kGradient, "");
  check(kSgd, Kind::kLocal, "strategy: ");
  for (const OptimizerKind kind :
       {OptimizerKind::kMomentum, OptimizerKind::kNesterov, OptimizerKind::kAdaGrad, OptimizerKind::kAdam}) {
    check({.kind = kind, .schedule = {}, .staleness = {}}, Kind::kGradient, "optimizer.kind: ");
  }
  check({.weight_decay = 0.1, .schedule = {}, .staleness = {}}, Kind::kGradient, "optimizer.weight_decay: ");
  check({.schedule = {}, .staleness = {.kind = StalenessKind::kInverse}}, Kind::kGradient, "");
  check({.schedule = {}, .staleness = {.kind = StalenessKind::kDc}}, Kind::kGradient, "optimizer.staleness: ");
  BOOST_TEST(why_dense({.kind = ModelKind::kMlp, .conv = {}, .hidden = {4}}, kSgd, Kind::kGradient)
                 .starts_with("model.kind: "));
  ModelStore store({.weight_decay = 0.1, .schedule = {}, .staleness = {}}, initial);
  BOOST_CHECK_THROW(store.accept(PushId(1), WorkerId(0), std::make_shared<Coordinates>()), InternalError);
  ModelStore plain(kSgd, initial);
  BOOST_CHECK_THROW(plain.accept(PushId(1), WorkerId(0), std::make_shared<Coordinates>(Coordinates{{10, 1}})),
                    InternalError);
}

BOOST_AUTO_TEST_CASE(a_worker_pushes_coordinates_where_they_are_smaller_and_else_every_parameter) {
  for (const auto& [features, smaller] : {std::pair{4000UL, true}, std::pair{10UL, false}}) {
    const auto [sparse, dense] = samples(64, features, 8);
    const Model model(kLogistic, {.width = features}, kClasses);
    const auto batches = [&] { return data::BatchOrder(first_samples(64), 16, WorkerId(0), 1); };
    Trainer trainer(model, sparse, batches(), kSgd, {}, true), other(model, sparse, batches(), kSgd, {});
    const auto parameters = std::make_shared<Tensor>(model.parameter_count());
    std::ranges::copy(random_floats(parameters->size(), 10), parameters->data());
    const auto buffer = [&] { return std::make_shared<Tensor>(parameters->size()); };
    Workspace workspace;
    for (int step = 0; step < 6; ++step) {
      Push push, plain;
      const Leg leg{.model = step == 0 ? parameters : nullptr};
      const double loss = trainer.run(leg, push, buffer, workspace);
      BOOST_TEST(other.run(leg, plain, buffer, workspace) == loss);
      BOOST_TEST_REQUIRE(static_cast<bool>(push.coordinates) == smaller);
      BOOST_TEST(plain.bytes() == parameters->size() * sizeof(float));
      BOOST_TEST((push.bytes() < plain.bytes()) == smaller);
      std::vector<float> spread_out(parameters->size());
      if (smaller) spread(*push.coordinates, spread_out);
      BOOST_TEST(same_bits(smaller ? std::span<const float>(spread_out) : push.dense->values(), plain.dense->values()));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_coordinates_of_a_range_are_those_within_it) {
  const Coordinates all{{0, 1}, {3, 2}, {4, 3}, {9, 4}};
  BOOST_TEST(within(all, 0, 0).empty());
  BOOST_TEST(within(all, 0, 10).size() == 4);
  BOOST_TEST(within(all, 1, 3).size() == 1);
  BOOST_TEST((within(all, 3, 2).front() == Coordinate{3, 2}));
  BOOST_TEST(within(all, 5, 4).empty());
  BOOST_TEST(within(all, 9, 1).size() == 1);
  BOOST_TEST(within({}, 0, 10).empty());
}

BOOST_AUTO_TEST_CASE(a_model_that_writes_out_zeros_takes_no_more_features_than_it_can_write_out) {
  const ModelConfig mlp{.kind = ModelKind::kMlp, .conv = {}, .hidden = {2}};
  BOOST_CHECK_NO_THROW(Model(mlp, {.width = 1 << 18}, 2).check_sparse());
  BOOST_TEST(refusal([&] { Model(mlp, {.width = (1 << 18) + 1}, 2).check_sparse(); }) ==
             "model.kind: only logistic computes on sparse samples as they are, the others write out their zeros; "
             "expected at most 262,144 features, found 262,145");
  BOOST_CHECK_NO_THROW(Model(kLogistic, {.width = 1 << 20}, 2).check_sparse());
  BOOST_TEST(refusal([&] { Model(kLogistic, {.width = std::size_t{1} << 31}, 2).check_sparse(); }) ==
             "model: expected at most 4,294,967,295 parameters on sparse samples, found 4,294,967,298: 2,147,483,648 "
             "features x 2 classes");
}

BOOST_AUTO_TEST_SUITE_END()
