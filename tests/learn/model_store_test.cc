#include "learn/model_store.h"

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/random.h"

using namespace psctl;
using namespace psctl::learn;

namespace {

std::vector<float> random_floats(std::size_t size, std::uint64_t seed) {
  Draws draws({.seed = seed, .purpose = Purpose::kTest});
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(draws.normal());
  return values;
}

std::shared_ptr<Tensor> push_of(ModelStore& store, std::span<const float> values) {
  std::shared_ptr<Tensor> tensor = store.buffer();
  std::ranges::copy(values, tensor->data());
  return tensor;
}

std::vector<float> floats(const Snapshot& snapshot) { return {snapshot->values().begin(), snapshot->values().end()}; }

OptimizerConfig optimizer(OptimizerKind kind, double weight_decay = 0) {
  return {.kind = kind, .weight_decay = weight_decay, .momentum = 0.9, .schedule = {}, .staleness = {}};
}

constexpr OptimizerKind kKinds[] = {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kNesterov,
                                    OptimizerKind::kAdaGrad, OptimizerKind::kAdam};

// Each optimizer as its authors write it, one parameter at a time, in double precision.
struct PlainOptimizer {
  OptimizerConfig config;
  double first = 0;
  double second = 0;
  int updates = 0;

  double step(double w, double gradient, double rate) {
    const double g = gradient + config.weight_decay * w;
    ++updates;
    switch (config.kind) {
      case OptimizerKind::kSgd:
        return w - rate * g;
      case OptimizerKind::kMomentum:
        first = config.momentum * first + g;
        return w - rate * first;
      case OptimizerKind::kNesterov:
        first = config.momentum * first + g;
        return w - rate * (g + config.momentum * first);
      case OptimizerKind::kAdaGrad:
        first += g * g;
        return w - rate * g / (std::sqrt(first) + config.epsilon);
      case OptimizerKind::kAdam: {
        first = config.beta1 * first + (1 - config.beta1) * g;
        second = config.beta2 * second + (1 - config.beta2) * g * g;
        const double first_unbiased = first / (1 - std::pow(config.beta1, updates));
        const double second_unbiased = second / (1 - std::pow(config.beta2, updates));
        return w - rate * first_unbiased / (std::sqrt(second_unbiased) + config.epsilon);
      }
    }
    return 0;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_store)

BOOST_AUTO_TEST_CASE(every_optimizer_does_what_a_plain_loop_over_its_definition_does) {
  constexpr std::size_t kSize = 5000;
  for (const OptimizerKind kind : kKinds) {
    for (const double weight_decay : {0.0, 0.01}) {
      const OptimizerConfig config = optimizer(kind, weight_decay);
      const std::vector<float> initial = random_floats(kSize, 1);
      ModelStore store(config, initial);
      std::vector<double> expected(initial.begin(), initial.end());
      std::vector<PlainOptimizer> plain(kSize, PlainOptimizer{.config = config});
      for (std::uint64_t update = 1; update <= 5; ++update) {
        const std::vector<float> a = random_floats(kSize, 10 * update);
        const std::vector<float> b = random_floats(kSize, 10 * update + 1);
        store.accept(PushId(2 * update), WorkerId(0), push_of(store, a));
        store.accept(PushId(2 * update + 1), WorkerId(0), push_of(store, b));
        const sync::Share shares[] = {{PushId(2 * update), 0.25}, {PushId(2 * update + 1), 0.75}};
        const double rate = 0.1 / static_cast<double>(update);
        store.apply(shares, rate);
        for (std::size_t i = 0; i < kSize; ++i) {
          expected[i] = plain[i].step(expected[i], 0.25 * a[i] + 0.75 * b[i], rate);
        }
      }
      BOOST_TEST(store.version() == 5);
      const std::vector<float> seen = floats(store.snapshot());
      double worst = 0;
      for (std::size_t i = 0; i < kSize; ++i) worst = std::max(worst, std::abs(seen[i] - expected[i]));
      BOOST_TEST_INFO("optimizer " << static_cast<int>(kind) << ", weight decay " << weight_decay);
      BOOST_TEST(worst < 5e-6);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_model_cut_into_shards_gets_the_bits_of_the_uncut_one) {
  constexpr std::size_t kSize = 20'011;
  constexpr std::uint64_t kWorkers = 3;
  const std::vector<float> initial = random_floats(kSize, 1);
  for (const OptimizerKind kind : kKinds) {
    const auto trained = [&](std::size_t servers) {
      std::vector<float> model;
      for (std::size_t rank = 0; rank < servers; ++rank) {
        const Range range = shard(kSize, servers, rank);
        ModelStore store(optimizer(kind, 0.001), std::span(initial).subspan(range.begin, range.size));
        for (std::uint64_t update = 0; update < 4; ++update) {
          std::vector<sync::Share> shares;
          for (std::uint64_t worker = 0; worker < kWorkers; ++worker) {
            const PushId push(update * kWorkers + worker + 1);
            const std::vector<float> gradient = random_floats(kSize, push.value);
            store.accept(push, WorkerId(0), push_of(store, std::span(gradient).subspan(range.begin, range.size)));
            shares.push_back({push, 1.0 / kWorkers});
          }
          store.apply(shares, 0.05);
        }
        model.insert(model.end(), store.snapshot()->values().begin(), store.snapshot()->values().end());
      }
      return model;
    };
    const std::vector<float> uncut = trained(1);
    for (const std::size_t servers : {2UL, 3UL, 7UL}) BOOST_TEST((trained(servers) == uncut));
  }
}

BOOST_AUTO_TEST_CASE(shares_are_summed_in_their_order) {
  // In floats (1e8 + -1e8) + 1 is 1 and (1e8 + 1) + -1e8 is 0.
  const std::vector<float> initial = {0};
  const auto summed = [&](std::vector<float> pushes) {
    ModelStore store(optimizer(OptimizerKind::kSgd), initial);
    std::vector<sync::Share> shares;
    for (std::size_t i = 0; i < pushes.size(); ++i) {
      store.accept(PushId(i + 1), WorkerId(0), push_of(store, {&pushes[i], 1}));
      shares.push_back({PushId(i + 1), 1});
    }
    store.apply(shares, -1);
    return store.snapshot()->values()[0];
  };
  BOOST_TEST(summed({1e8F, -1e8F, 1}) == 1);
  BOOST_TEST(summed({1e8F, 1, -1e8F}) == 0);
}

BOOST_AUTO_TEST_CASE(a_snapshot_never_changes_while_it_is_pinned) {
  const std::vector<float> initial = random_floats(3000, 1);
  ModelStore store(optimizer(OptimizerKind::kMomentum), initial);
  std::vector<Snapshot> pinned;
  std::vector<std::vector<float>> copies;
  for (std::uint64_t update = 1; update <= 10; ++update) {
    pinned.push_back(store.snapshot());
    copies.push_back(floats(pinned.back()));
    store.accept(PushId(update), WorkerId(0), push_of(store, random_floats(3000, update)));
    const sync::Share share{PushId(update), 1};
    store.apply({&share, 1}, 0.1);
  }
  BOOST_TEST((copies.front() == initial));
  for (std::size_t i = 0; i < pinned.size(); ++i) BOOST_TEST((floats(pinned[i]) == copies[i]));
  BOOST_TEST((copies[1] != copies[0]));
}

BOOST_AUTO_TEST_CASE(memory_stays_the_same_however_long_a_run_is) {
  ModelStore store(optimizer(OptimizerKind::kSgd), random_floats(100, 1));
  for (std::uint64_t update = 1; update <= 100; ++update) {
    store.accept(PushId(update), WorkerId(0), push_of(store, random_floats(100, update)));
    const sync::Share share{PushId(update), 1};
    store.apply({&share, 1}, 0.1);
  }
  BOOST_TEST(store.tensors() <= 3);
}

BOOST_AUTO_TEST_CASE(an_empty_push_adds_nothing) {
  const std::vector<float> initial = {1, 2, 3};
  const std::vector<float> gradient = {4, 5, 6};
  ModelStore store(optimizer(OptimizerKind::kSgd), initial);
  store.accept(PushId(1), WorkerId(0), nullptr);
  store.accept(PushId(2), WorkerId(0), push_of(store, gradient));
  store.accept(PushId(3), WorkerId(0), nullptr);
  const sync::Share shares[] = {{PushId(1), 0.5}, {PushId(2), 0.5}, {PushId(3), 0.5}};
  store.apply(shares, 1);
  BOOST_TEST((floats(store.snapshot()) == std::vector<float>{-1, -0.5F, 0}));

  store.accept(PushId(4), WorkerId(0), nullptr);
  const sync::Share only{PushId(4), 1};
  store.apply({&only, 1}, 1);
  BOOST_TEST((floats(store.snapshot()) == std::vector<float>{-1, -0.5F, 0}));
  BOOST_TEST(store.version() == 2);
}

BOOST_AUTO_TEST_CASE(an_update_without_shares_raises_the_version_and_leaves_model_and_optimizer_alone) {
  const std::vector<float> initial = random_floats(50, 1);
  for (const OptimizerKind kind : kKinds) {
    ModelStore with(optimizer(kind, 0.1), initial);
    ModelStore without(optimizer(kind, 0.1), initial);
    for (std::uint64_t update = 1; update <= 3; ++update) {
      for (ModelStore* store : {&with, &without}) {
        if (store == &with) store->apply({}, 0.1);
        store->accept(PushId(update), WorkerId(0), push_of(*store, random_floats(50, update)));
        const sync::Share share{PushId(update), 1};
        store->apply({&share, 1}, 0.1);
      }
    }
    BOOST_TEST(with.version() == 6);
    BOOST_TEST((floats(with.snapshot()) == floats(without.snapshot())));
  }
}

BOOST_AUTO_TEST_CASE(delay_compensation_does_what_a_plain_loop_over_its_definition_does) {
  // Three workers push in turn, so every gradient is two updates old; one release in four keeps the old model.
  constexpr std::size_t kSize = 5000;
  constexpr std::uint32_t kWorkers = 3;
  for (const DcMode mode : {DcMode::kConstant, DcMode::kAdaptive}) {
    for (const std::size_t servers : {1UL, 3UL}) {
      OptimizerConfig config = optimizer(OptimizerKind::kMomentum, 0.01);
      config.staleness = {.kind = StalenessKind::kDc, .mode = mode};
      const double lambda = mode == DcMode::kConstant ? 0.04 : 2;
      const std::vector<float> initial = random_floats(kSize, 1);
      std::vector<double> model(initial.begin(), initial.end());
      std::vector<std::vector<double>> backup(kWorkers, model), squares(kWorkers, std::vector<double>(kSize));
      std::vector<double> velocity(kSize);
      std::vector<ModelStore> stores;
      for (std::size_t rank = 0; rank < servers; ++rank) {
        const Range range = shard(kSize, servers, rank);
        stores.emplace_back(config, std::span(initial).subspan(range.begin, range.size));
      }
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        for (ModelStore& store : stores) store.released(WorkerId(w));
      }
      for (std::uint64_t push = 1; push <= 12; ++push) {
        const auto w = static_cast<std::uint32_t>(push % kWorkers);
        const std::vector<float> gradient = random_floats(kSize, 10 + push);
        for (std::size_t rank = 0; rank < servers; ++rank) {
          const Range range = shard(kSize, servers, rank);
          ModelStore& store = stores[rank];
          store.accept(PushId(push), WorkerId(w), push_of(store, std::span(gradient).subspan(range.begin, range.size)));
          const sync::Share share{PushId(push), 0.5};
          store.apply({&share, 1}, 0.1);
          if (push % 4 != 0) store.released(WorkerId(w));
        }
        for (std::size_t i = 0; i < kSize; ++i) {
          const double g = gradient[i];
          double& s = squares[w][i];
          s = 0.95 * s + 0.05 * g * g;
          const double strength = mode == DcMode::kConstant ? lambda : lambda / (std::sqrt(s) + 1e-7);
          const double compensated = g + strength * g * g * (model[i] - backup[w][i]);
          velocity[i] = 0.9 * velocity[i] + 0.5 * compensated + 0.01 * model[i];
          model[i] -= 0.1 * velocity[i];
        }
        if (push % 4 != 0) backup[w] = model;
      }
      double worst = 0;
      for (std::size_t rank = 0; rank < servers; ++rank) {
        const Range range = shard(kSize, servers, rank);
        const auto seen = stores[rank].snapshot()->values();
        for (std::size_t i = 0; i < range.size; ++i) {
          worst = std::max(worst, std::abs(seen[i] - model[range.begin + i]) / (1 + std::abs(model[range.begin + i])));
        }
      }
      BOOST_TEST_INFO("mode " << static_cast<int>(mode) << ", servers " << servers);
      BOOST_TEST(worst < 1e-4);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_push_is_compensated_by_the_model_that_its_worker_had_when_it_came) {
  OptimizerConfig config = optimizer(OptimizerKind::kSgd);
  config.staleness = {.kind = StalenessKind::kDc, .lambda = 1};
  ModelStore store(config, std::vector<float>{0});
  const auto apply = [&](std::uint64_t push) {
    const sync::Share share{PushId(push), 1};
    store.apply({&share, 1}, -1);
  };
  for (std::uint32_t w = 0; w < 2; ++w) store.released(WorkerId(w));
  store.accept(PushId(1), WorkerId(0), push_of(store, std::vector<float>{1}));
  apply(1);  // nothing has happened since: 0 + 1
  BOOST_TEST(store.snapshot()->values()[0] == 1);
  store.accept(PushId(2), WorkerId(1), push_of(store, std::vector<float>{2}));
  store.released(WorkerId(1));  // the push that waits was still computed on version 0
  apply(2);                     // 1 + 2 + 2 * 2 * (1 - 0)
  BOOST_TEST(store.snapshot()->values()[0] == 7);
  store.accept(PushId(3), WorkerId(1), push_of(store, std::vector<float>{1}));
  apply(3);  // it had been released with 1, not with what the model has become: 7 + 1 + 1 * (7 - 1)
  BOOST_TEST(store.snapshot()->values()[0] == 14);
  // What is not compensated is not pinned; what is, is: one model of each worker and the live one, and room to write.
  BOOST_TEST(store.tensors() <= 5);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_compensated_is_our_fault_and_is_told) {
  OptimizerConfig config = optimizer(OptimizerKind::kSgd);
  config.staleness = {.kind = StalenessKind::kDc};
  const std::vector<float> initial = {0};
  BOOST_CHECK_THROW(ModelStore(config, initial, sync::Traits::Kind::kLocal), InternalError);
  ModelStore store(config, initial);
  BOOST_CHECK_THROW(store.accept(PushId(1), WorkerId(0), push_of(store, initial)), InternalError);
  store.released(WorkerId(0));
  store.accept(PushId(1), WorkerId(0), push_of(store, initial));
  store.accept(PushId(2), WorkerId(0), push_of(store, initial));
  BOOST_CHECK_THROW(store.merge(PushId(1), PushId(2)), InternalError);
}

BOOST_AUTO_TEST_CASE(an_update_with_reset_is_that_of_an_optimizer_without_a_past) {
  for (const OptimizerKind kind : kKinds) {
    ModelStore old(optimizer(kind, 0.1), random_floats(50, 1));
    const auto update = [](ModelStore& store, std::uint64_t push, bool reset) {
      store.accept(PushId(push), WorkerId(0), push_of(store, random_floats(50, push)));
      const sync::Share share{PushId(push), 1};
      store.apply({&share, 1}, 0.1, reset);
    };
    for (std::uint64_t push = 1; push <= 3; ++push) update(old, push, false);
    ModelStore fresh(optimizer(kind, 0.1), floats(old.snapshot()));
    ModelStore without(optimizer(kind, 0.1), random_floats(50, 1));
    for (std::uint64_t push = 1; push <= 3; ++push) update(without, push, false);
    for (std::uint64_t push = 4; push <= 6; ++push) {
      update(old, push, push == 4);
      update(fresh, push, false);
      update(without, push, false);
    }
    BOOST_TEST((floats(old.snapshot()) == floats(fresh.snapshot())));
    BOOST_TEST((floats(old.snapshot()) == floats(without.snapshot())) == (kind == OptimizerKind::kSgd));
  }
}

BOOST_AUTO_TEST_CASE(merged_pushes_count_as_their_sum) {
  const std::vector<float> initial = {0, 0};
  ModelStore store(optimizer(OptimizerKind::kSgd), initial);
  store.accept(PushId(1), WorkerId(0), push_of(store, std::vector<float>{1, 2}));
  store.accept(PushId(2), WorkerId(0), push_of(store, std::vector<float>{10, 20}));
  store.accept(PushId(3), WorkerId(0), nullptr);
  store.accept(PushId(4), WorkerId(0), nullptr);
  store.merge(PushId(1), PushId(2));
  store.merge(PushId(1), PushId(3));  // nothing is added
  store.merge(PushId(4), PushId(1));  // an empty push becomes the other
  const sync::Share share{PushId(4), 0.5};
  store.apply({&share, 1}, -1);
  BOOST_TEST((floats(store.snapshot()) == std::vector<float>{5.5F, 11}));
}

BOOST_AUTO_TEST_CASE(a_discarded_push_gives_its_tensor_back) {
  ModelStore store(optimizer(OptimizerKind::kSgd), std::vector<float>{0});
  for (std::uint64_t push = 1; push <= 10; ++push) {
    store.accept(PushId(push), WorkerId(0), push_of(store, std::vector<float>{1}));
    store.discard(PushId(push));
  }
  BOOST_TEST(store.tensors() == 2);
  BOOST_TEST(store.version() == 0);
}

BOOST_AUTO_TEST_CASE(a_push_that_is_not_pending_or_has_the_wrong_size_is_our_fault_and_is_told) {
  ModelStore store(optimizer(OptimizerKind::kSgd), std::vector<float>{0});
  const sync::Share share{PushId(1), 1};
  BOOST_CHECK_THROW(store.apply({&share, 1}, 1), InternalError);
  BOOST_CHECK_THROW(store.discard(PushId(1)), InternalError);
  BOOST_CHECK_THROW(store.merge(PushId(1), PushId(2)), InternalError);
  BOOST_CHECK_THROW(store.accept(PushId(1), WorkerId(0), std::make_shared<Tensor>(2)), InternalError);
  store.accept(PushId(1), WorkerId(0), nullptr);
  BOOST_CHECK_THROW(store.accept(PushId(1), WorkerId(0), nullptr), InternalError);
}

BOOST_AUTO_TEST_CASE(a_failed_update_changes_nothing) {
  ModelStore store(optimizer(OptimizerKind::kSgd), std::vector<float>{0});
  store.accept(PushId(1), WorkerId(0), push_of(store, std::vector<float>{1}));
  const sync::Share shares[] = {{PushId(1), 1}, {PushId(2), 1}};
  BOOST_CHECK_THROW(store.apply(shares, 1), InternalError);
  BOOST_TEST(store.version() == 0);
  store.apply({shares, 1}, -1);
  BOOST_TEST(store.snapshot()->values()[0] == 1);
}

BOOST_AUTO_TEST_CASE(a_range_may_be_empty) {
  ModelStore store(optimizer(OptimizerKind::kAdam), {});
  store.accept(PushId(1), WorkerId(0), store.buffer());
  const sync::Share share{PushId(1), 1};
  store.apply({&share, 1}, 0.1);
  BOOST_TEST(store.version() == 1);
  BOOST_TEST(store.snapshot()->size() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(shards)

BOOST_AUTO_TEST_CASE(up_to_the_most_servers_each_has_a_part_and_beyond_one_has_none) {
  for (std::size_t parameters = 1; parameters <= 200; ++parameters) {
    const auto smallest = [&](std::size_t servers) {
      std::size_t size = parameters;
      for (std::size_t rank = 0; rank < servers; ++rank) size = std::min(size, shard(parameters, servers, rank).size);
      return size;
    };
    for (std::size_t servers = 1; servers <= most_servers(parameters); ++servers) {
      BOOST_TEST_REQUIRE(smallest(servers) > 0U);
    }
    BOOST_TEST_REQUIRE(smallest(most_servers(parameters) + 1) == 0U);
  }
}

BOOST_AUTO_TEST_CASE(ranges_cover_the_model_once_and_are_cut_at_multiples_of_16) {
  for (const std::size_t parameters : {0UL, 1UL, 15UL, 16UL, 17UL, 100UL, 7850UL, 235'146UL}) {
    for (std::size_t servers = 1; servers <= 9; ++servers) {
      std::size_t next = 0;
      std::size_t smallest = parameters;
      std::size_t largest = 0;
      for (std::size_t rank = 0; rank < servers; ++rank) {
        const Range range = shard(parameters, servers, rank);
        BOOST_REQUIRE(range.begin == next);
        BOOST_REQUIRE((range.begin % 16 == 0 || range.begin == parameters));
        next += range.size;
        smallest = std::min(smallest, range.size);
        largest = std::max(largest, range.size);
      }
      BOOST_REQUIRE(next == parameters);
      BOOST_REQUIRE(largest - smallest < 32);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
