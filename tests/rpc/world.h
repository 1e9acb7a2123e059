// A whole real run within one process: servers, workers and the evaluation on threads of their own, over sockets.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/sha256.h"
#include "data/batches.h"
#include "data/partition.h"
#include "learn/evaluator.h"
#include "learn/trainer.h"
#include "rpc/evaluation.h"
#include "rpc/lead_server.h"
#include "rpc/shard_server.h"
#include "rpc/worker.h"

namespace psctl::rpc::testing {

using std::chrono::milliseconds;

// Decides by functions, and remembers every push.
class Scripted final : public sync::Strategy {
 public:
  using Decide = std::function<std::vector<sync::Decision>(const sync::Cluster&, Instant now)>;
  using Deadline = std::function<std::optional<Instant>(const sync::Cluster&)>;
  using Pushes = std::shared_ptr<std::vector<sync::Pushed>>;

  Scripted(sync::Traits traits, Pushes pushes, Decide decide, Deadline deadline = {})
      : traits_(traits), pushes_(std::move(pushes)), decide_(std::move(decide)), deadline_(std::move(deadline)) {}

  sync::Traits traits() const override { return traits_; }
  void observe(const sync::Cluster&, Instant, const sync::Event& event) override {
    if (const auto* pushed = std::get_if<sync::Pushed>(&event)) pushes_->push_back(*pushed);
  }
  std::vector<sync::Decision> decide(const sync::Cluster& cluster, Instant now) override {
    return decide_(cluster, now);
  }
  std::optional<Instant> deadline(const sync::Cluster& cluster) const override {
    return deadline_ ? deadline_(cluster) : std::nullopt;
  }

 private:
  sync::Traits traits_;
  Pushes pushes_;
  Decide decide_;
  Deadline deadline_;
};

struct World {
  std::size_t workers = 1, servers = 1;
  lead::StopConfig stop = {};
  learn::OptimizerConfig optimizer = {.learning_rate = 0.1, .schedule = {}, .staleness = {}};
  std::vector<delay::Rule> stragglers = {};
  std::function<std::unique_ptr<sync::Strategy>()> strategy = {};
  std::optional<std::size_t> other_batch_size = {};  // of the workers
  std::optional<data::Dataset> other_dataset = {};   // of the workers
  std::string host = {};                             // as the workers tell it

  static constexpr std::size_t kBatch = 8;
  static constexpr std::uint64_t kSeed = 5;

  data::Dataset dataset = make_dataset();
  learn::Model model{{.kind = learn::ModelKind::kMlp, .conv = {}, .hidden = {8}}, dataset.shape(), 3};

  // ---- what came of run()
  lead::Ending ending = {};
  std::vector<trace::WorkerAccount> account = {};
  std::uint64_t bytes_pushed = 0, bytes_pulled = 0, samples = 0;
  std::size_t tensors = 0;  // of the server that held the most
  Version version = 0;
  std::vector<float> last_model = {};
  std::vector<std::string> errors = {};  // of workers and servers

  // ---- while it runs
  std::atomic<bool> interrupted = false;
  std::atomic<bool> worker_terminated = false;
  std::atomic<bool> shard_terminated = false;

  static data::Dataset make_dataset() {
    Draws draws({.seed = 3, .purpose = Purpose::kTest});
    constexpr std::size_t kSamples = 240;
    std::vector<std::uint8_t> pixels(kSamples * 16);
    std::vector<std::uint32_t> labels(kSamples);
    for (std::size_t i = 0; i < kSamples; ++i) {
      labels[i] = static_cast<std::uint32_t>(i % 3);
      for (std::size_t at = 0; at < 16; ++at) {
        pixels[i * 16 + at] = static_cast<std::uint8_t>(draws.uniform() * 100 + (at % 3 == labels[i] ? 100 : 0));
      }
    }
    data::Dataset dataset({.channels = 1, .height = 4, .width = 4}, 3, std::move(pixels), std::move(labels));
    dataset.set_transform({.scale = 1.0F / 128, .shift = -1});
    return dataset;
  }

  std::vector<float> initial() const {
    std::vector<float> parameters(model.parameter_count());
    model.initialise(parameters, kSeed);
    return parameters;
  }
  data::BatchOrder batches(std::size_t worker, std::size_t batch_size = kBatch) const {
    auto parts = data::partition({}, dataset, workers, kSeed);
    return data::BatchOrder(std::move(parts[worker]), batch_size, WorkerId(static_cast<std::uint32_t>(worker)), kSeed);
  }
  std::uint64_t model_bytes() const { return model.parameter_count() * sizeof(float); }

  // Everybody ends before this returns, whatever happens. `meanwhile` runs beside it.
  World& run(const std::function<void()>& meanwhile = {}) {
    const std::vector<float> start = initial();
    std::vector<std::unique_ptr<Shard>> shards;
    std::vector<Address> others;
    std::vector<std::thread> threads;
    std::mutex mutex;
    const auto guarded = [&](const std::string& who, const std::function<void()>& act) {
      try {
        act();
      } catch (const std::exception& error) {
        const std::lock_guard lock(mutex);
        errors.push_back(fmt::format("{}: {}", who, error.what()));
      }
    };
    const auto range = [&](std::size_t rank) { return learn::shard(model.parameter_count(), servers, rank); };
    const sync::Traits traits = strategy()->traits();
    for (std::size_t rank = 0; rank < servers; ++rank) {
      shards.push_back(std::make_unique<Shard>(optimizer, std::span(start).subspan(range(rank).begin, range(rank).size),
                                               workers, traits.kind));
    }
    std::vector<std::promise<Address>> listening(servers);
    for (std::size_t rank = 1; rank < servers; ++rank) {
      threads.emplace_back([&, rank] {
        guarded(fmt::format("server {}", rank), [&] {
          serve_shard({.listen = Address::unix_socket(),
                       .rank = rank,
                       .servers = servers,
                       .parameters = model.parameter_count(),
                       .range = range(rank),
                       .workers = workers},
                      *shards[rank], shard_terminated,
                      [&](const Address& address) { listening[rank].set_value(address); });
        });
      });
      others.push_back(listening[rank].get_future().get());
    }
    lead::Setup setup;
    setup.cluster.workers = workers;
    setup.cluster.servers = servers;
    setup.stop = stop;
    setup.optimizer = optimizer;
    setup.train_samples = dataset.size();
    setup.batch_size = kBatch;
    setup.model_bytes = model_bytes();
    setup.virtual_clock = false;
    lead::Lead lead(setup, strategy());
    {
      LeadServer server({.listen = Address::unix_socket(),
                         .others = others,
                         .workers = workers,
                         .parameters = model.parameter_count(),
                         .range = range(0)},
                        lead, *shards[0]);
      std::vector<Address> addresses = {server.address()};
      addresses.insert(addresses.end(), others.begin(), others.end());
      for (std::size_t worker = 0; worker < workers; ++worker) {
        threads.emplace_back([&, worker] {
          guarded(fmt::format("worker {}", worker), [&] {
            const WorkerId id(static_cast<std::uint32_t>(worker));
            work({.id = id,
                  .servers = addresses,
                  .workers = workers,
                  .threads = 1,
                  .host = host,
                  .traits = traits,
                  .optimizer = optimizer},
                 model, other_dataset ? *other_dataset : dataset, batches(worker, other_batch_size.value_or(kBatch)),
                 delay::Stragglers(stragglers, id, kSeed), worker_terminated);
          });
        });
      }
      threads.emplace_back([&] {
        guarded("evaluation", [&] {
          const auto all = std::make_shared<data::Dataset>(dataset);
          const learn::Evaluator evaluator(model, {.train = all, .validation = {}, .test = all}, kSeed);
          const auto keep = [&](std::optional<Version>, std::span<const float> parameters) {
            last_model.assign(parameters.begin(), parameters.end());
          };
          evaluate({.servers = addresses}, model, evaluator, keep, interrupted);
        });
      });
      std::thread beside([&] {
        if (meanwhile) meanwhile();
      });
      ending = server.run(interrupted);
      beside.join();
    }
    for (std::thread& thread : threads) thread.join();
    lead.finish(ending);
    account.assign(lead.account().workers().begin(), lead.account().workers().end());
    bytes_pushed = lead.account().bytes_pushed();
    bytes_pulled = lead.account().bytes_pulled();
    samples = lead.account().samples().received();
    for (const auto& shard : shards) tensors = std::max(tensors, shard->tensors());
    version = lead.cluster().version();
    return *this;
  }

  // It went well, and no part of anybody's time was lost or counted twice.
  void check_done() const {
    BOOST_TEST(ending.status == "done", ending.error);
    for (const std::string& error : errors) BOOST_ERROR(error);
    for (const trace::WorkerAccount& worker : account) {
      const double other = to_seconds(worker.other()), wall = to_seconds(worker.wall);
      BOOST_TEST(other > -0.005 - 0.02 * wall);
      BOOST_TEST(other < 0.02 + 0.05 * wall);
    }
    BOOST_TEST(ending.model_digest == sha256(std::as_bytes(std::span(last_model))));
  }
};

}  // namespace psctl::rpc::testing
