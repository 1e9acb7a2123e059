// Local workers against plain loops in double precision, and the legs of a Trainer against both.
#include "learn/local_worker.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "learn/model_store.h"
#include "learn/trainer.h"
#include "support/batches.h"

using namespace psctl;
using namespace psctl::learn;
using sync::Traits;
using Rebase = Traits::Rebase;

namespace {

constexpr std::size_t kSize = 3000;

std::vector<float> random_floats(std::uint64_t seed, std::size_t size = kSize) {
  Draws draws({.seed = seed, .purpose = Purpose::kTest});
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(draws.normal());
  return values;
}

OptimizerConfig optimizer(OptimizerKind kind, double weight_decay) {
  return {.kind = kind, .weight_decay = weight_decay, .momentum = 0.9, .schedule = {}, .staleness = {}};
}

// Halves within an epoch of 60 samples, and rises until sample 30.
OptimizerConfig scheduled(OptimizerKind kind, double weight_decay) {
  OptimizerConfig config = optimizer(kind, weight_decay);
  config.schedule = {.kind = ScheduleKind::kExponential, .warmup_epochs = 0.5, .factor = 0.5};
  return config;
}
constexpr std::uint64_t kEpoch = 60;
double rate_of_step(const OptimizerConfig& config, std::uint64_t from, std::uint64_t to) {
  return config.learning_rate * std::min(1.0, static_cast<double>(to) / 30) *
         std::pow(0.5, static_cast<double>(from) / 60);
}

// One parameter of a local worker, written from the definitions.
struct Plain {
  OptimizerConfig config;
  Rebase rebase;
  double x = 0, base = 0, velocity = 0;
  bool begun = false;

  void take(double model) {
    x = begun && rebase == Rebase::kReapply ? model + (x - base) : model;
    base = model;
    begun = true;
  }
  void step(double gradient, double rate) {
    const double g = gradient + config.weight_decay * x;
    if (config.kind == OptimizerKind::kSgd) {
      x -= rate * g;
      return;
    }
    velocity = config.momentum * velocity + g;
    x -= rate * (config.kind == OptimizerKind::kNesterov ? g + config.momentum * velocity : velocity);
  }
  double push() {
    const double delta = x - base;
    base = x;
    return delta;
  }
};

double distance(std::span<const float> seen, const std::vector<double>& expected) {
  double worst = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) worst = std::max(worst, std::abs(seen[i] - expected[i]));
  return worst;
}

struct Data {
  data::Dataset dataset = [] {
    constexpr std::size_t kWidth = 5;
    Draws draws({.seed = 3, .purpose = Purpose::kTest});
    std::vector<std::uint8_t> pixels;
    std::vector<std::uint32_t> labels;
    for (std::size_t i = 0; i < 60; ++i) {
      labels.push_back(static_cast<std::uint32_t>(draws.below(3)));
      for (std::size_t j = 0; j < kWidth; ++j) pixels.push_back(static_cast<std::uint8_t>(draws.below(256)));
    }
    data::Dataset made(data::Shape{1, 1, kWidth}, 3, std::move(pixels), std::move(labels));
    made.set_transform({.scale = 1.0F / 128, .shift = -1});
    return made;
  }();
  Model model{{.kind = ModelKind::kLogistic, .conv = {}, .hidden = {}}, data::Shape{1, 1, 5}, 3};

  data::BatchOrder batches(std::uint32_t worker = 0) const {
    std::vector<std::uint32_t> samples;
    for (std::uint32_t sample = worker * 20; sample < worker * 20 + 40; ++sample) samples.push_back(sample);
    return {samples, 8, WorkerId(worker), 1};
  }
  Snapshot start(std::uint64_t seed = 1) const {
    auto tensor = std::make_shared<Tensor>(model.parameter_count());
    model.initialise(tensor->values(), seed);
    return tensor;
  }
};

constexpr OptimizerKind kKinds[] = {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kNesterov};

}  // namespace

BOOST_AUTO_TEST_SUITE(local_worker)

BOOST_AUTO_TEST_CASE(steps_pushes_and_refreshes_are_those_of_a_plain_loop_under_both_rebases) {
  for (const OptimizerKind kind : kKinds) {
    for (const Rebase rebase : {Rebase::kDiscard, Rebase::kReapply}) {
      for (const double weight_decay : {0.0, 0.02}) {
        const OptimizerConfig config = scheduled(kind, weight_decay);
        LocalWorker worker(config, rebase, kSize, kEpoch);
        std::vector<Plain> plain(kSize, Plain{.config = config, .rebase = rebase});
        std::vector<double> expected(kSize);
        std::uint64_t seed = 0;
        const auto take = [&] {
          const std::vector<float> model = random_floats(++seed);
          worker.take(model);
          for (std::size_t i = 0; i < kSize; ++i) plain[i].take(model[i]);
        };
        // One after the other from sample `from` of the schedule on.
        const auto steps = [&](std::uint64_t count, std::uint64_t from, std::uint64_t each) {
          for (std::uint64_t k = 0; k < count; ++k, from += each) {
            std::vector<float> gradient = random_floats(++seed);
            const double rate = rate_of_step(config, from, from + each);
            for (std::size_t i = 0; i < kSize; ++i) plain[i].step(gradient[i], rate);
            worker.step(gradient);
          }
        };
        BOOST_TEST_INFO_SCOPE("optimizer " << static_cast<int>(kind) << ", rebase " << static_cast<int>(rebase)
                                           << ", weight decay " << weight_decay);
        const auto push = [&] {
          std::vector<float> delta(kSize);
          worker.push(delta);
          for (std::size_t i = 0; i < kSize; ++i) expected[i] = plain[i].push();
          BOOST_TEST(distance(delta, expected) < 1e-5);
        };
        worker.released({.samples = 0, .per_step = 8});
        take();
        steps(3, 0, 8);
        push();
        steps(2, 24, 8);  // while the answer is on its way; kept: they are in the next push
        worker.released({.samples = 20, .per_step = 4});
        steps(1, 28, 4);
        push();
        steps(2, 32, 4);
        worker.released({.samples = 60, .per_step = 8});
        take();
        steps(1, rebase == Rebase::kDiscard ? 60 : 76, 8);
        push();
        worker.released({.samples = 90, .per_step = 8});
        take();
        steps(1, 90, 8);
        for (std::size_t i = 0; i < kSize; ++i) expected[i] = plain[i].x;
        BOOST_TEST(distance(worker.parameters(), expected) < 1e-5);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_server_adds_what_the_workers_moved_and_nothing_else) {
  constexpr std::uint32_t kWorkers = 3;
  for (const Rebase rebase : {Rebase::kDiscard, Rebase::kReapply}) {
    OptimizerConfig config = optimizer(OptimizerKind::kMomentum, 0.1);
    config.learning_rate = 0.01;
    const std::vector<float> initial = random_floats(1);
    ModelStore store(config, initial, Traits::Kind::kLocal);
    std::vector<double> expected(initial.begin(), initial.end());
    std::vector<LocalWorker> workers;
    for (std::uint32_t w = 0; w < kWorkers; ++w) workers.emplace_back(config, rebase, kSize, kEpoch).take(initial);
    std::uint64_t push = 0;
    for (std::uint64_t commit = 1; commit <= 5; ++commit) {
      // Worker w pushes w + 1 times before the commit; its pushes are merged.
      std::vector<sync::Share> shares;
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        for (std::uint32_t k = 0; k <= w; ++k) {
          std::vector<float> gradient = random_floats(1000 * commit + 10 * w + k);
          workers[w].step(gradient);
          const std::shared_ptr<Tensor> delta = store.buffer();
          workers[w].push(delta->values());
          for (std::size_t i = 0; i < kSize; ++i) expected[i] += delta->values()[i] / double{kWorkers};
          store.accept(PushId(++push), WorkerId(w), delta);
          if (k == 0) {
            shares.push_back({PushId(push), 1.0 / kWorkers});
          } else {
            store.merge(shares.back().push, PushId(push));
          }
        }
      }
      store.apply(shares, 1);
      for (std::uint32_t w = 0; w < kWorkers; ++w) workers[w].take(store.snapshot()->values());
    }
    BOOST_TEST(distance(store.snapshot()->values(), expected) < 1e-5);
    BOOST_TEST(store.version() == 5);
  }
}

BOOST_AUTO_TEST_CASE(a_worker_without_a_model_is_our_fault_and_is_told) {
  LocalWorker worker(optimizer(OptimizerKind::kSgd, 0), Rebase::kDiscard, 2, kEpoch);
  std::vector<float> values(2);
  BOOST_CHECK_THROW(worker.step(values), InternalError);
  BOOST_CHECK_THROW(worker.push(values), InternalError);
  BOOST_CHECK_THROW(worker.take(std::vector<float>(3)), InternalError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(trainer)

BOOST_AUTO_TEST_CASE(a_gradient_worker_computes_at_the_model_it_took_or_kept) {
  const Data data;
  Trainer trainer(data.model, data.dataset, data.batches(), {.schedule = {}, .staleness = {}}, {});
  Workspace workspace;
  data::BatchOrder batches = data.batches();
  const Snapshot model = data.start();
  std::vector<float> seen(model->size()), expected(model->size());
  const auto check = [&](const Leg& leg, const Snapshot& at, Step batch) {
    const double loss = trainer.run(leg, seen, workspace);
    BOOST_TEST(loss == data.model.gradient(at->values(), test::batch_of(data.dataset, batches.batch(batch)), expected,
                                           workspace));
    BOOST_TEST((seen == expected));
  };
  check({.model = model}, model, 0);
  check({.model = nullptr}, model, 1);
  BOOST_TEST(trainer.run({.model = nullptr, .empty = true}, seen, workspace) == 0);  // given up: its batch is gone
  const Snapshot other = data.start(2);
  check({.model = other}, other, 3);
  BOOST_TEST(trainer.begun() == 4);
}

BOOST_AUTO_TEST_CASE(a_local_worker_follows_its_leg_and_reports_the_loss_of_what_it_pushes) {
  const Data data;
  const OptimizerConfig config = scheduled(OptimizerKind::kMomentum, 0.01);
  for (const Rebase rebase : {Rebase::kDiscard, Rebase::kReapply}) {
    Trainer trainer(data.model, data.dataset, data.batches(), config,
                    {.kind = Traits::Kind::kLocal, .overlap = true, .rebase = rebase});
    LocalWorker plain(config, rebase, data.model.parameter_count(), kEpoch);
    data::BatchOrder batches = data.batches();
    Workspace workspace;
    const Snapshot first = data.start(1), second = data.start(2);
    std::vector<float> seen(first->size()), expected(first->size()), gradient(first->size());
    Step next = 0;
    const auto step = [&] {
      const double loss = data.model.gradient(plain.parameters(), test::batch_of(data.dataset, batches.batch(next++)),
                                              gradient, workspace);
      plain.step(gradient);
      return loss;
    };
    const auto check = [&](double seen_loss, double expected_loss) {
      BOOST_TEST(seen_loss == expected_loss, boost::test_tools::tolerance(1e-12));
      plain.push(expected);
      BOOST_TEST((seen == expected));
      BOOST_TEST(trainer.begun() == next);
    };
    const Pace start{.samples = 0, .per_step = 8}, later{.samples = 24, .per_step = 4};
    plain.released(start);
    plain.take(first->values());
    double loss = step() + step();
    check(trainer.run({.model = first, .steps = 2, .pace = start}, seen, workspace), loss / 2);

    const double before = step() + step();
    plain.released(later);
    plain.take(second->values());
    loss = step();
    const double mean = rebase == Rebase::kDiscard ? loss : (before + loss) / 3;
    check(trainer.run({.overlapped = 2, .model = second, .steps = 1, .pace = later}, seen, workspace), mean);

    loss = step();  // kept: nothing is lost
    const Pace last{.samples = 40, .per_step = 8};
    plain.released(last);
    loss += step();
    check(trainer.run({.overlapped = 1, .model = nullptr, .steps = 1, .pace = last}, seen, workspace), loss / 2);
    loss = step();
    plain.released(last);
    check(trainer.run({.overlapped = 1, .model = nullptr, .steps = 0, .pace = last}, seen, workspace), loss);

    // Given up: what it did before that is in the push after it, if no refresh throws it away.
    plain.released(last);
    loss = step();
    ++next;
    BOOST_TEST(trainer.run({.model = nullptr, .steps = 2, .pace = last, .empty = true}, seen, workspace) == 0);
    plain.released(last);
    loss = step();
    check(trainer.run({.model = nullptr, .steps = 1, .pace = last}, seen, workspace), loss);
  }
}

BOOST_AUTO_TEST_SUITE_END()
