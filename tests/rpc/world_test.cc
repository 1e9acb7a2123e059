// Real runs in one process: local steps, kept models, overlap, limits, and what is refused.
#include "world.h"

#include "rpc_support.h"
#include "support/batches.h"
#include "sync/registry.h"

using namespace psctl;
using namespace psctl::rpc;
using namespace psctl::rpc::testing;
using sync::Cluster;
using sync::Decision;
using sync::Refresh;
using sync::Traits;

namespace {

constexpr Traits kGradients{};
constexpr Traits kLocal{.kind = Traits::Kind::kLocal};

Scripted::Pushes pushes() { return std::make_shared<std::vector<sync::Pushed>>(); }

lead::StopConfig updates(std::uint64_t count) {
  lead::StopConfig stop;
  stop.updates = count;
  return stop;
}

// Everybody pushes, the mean is applied, and all go on as `release` says.
Scripted::Decide rounds(const std::function<sync::Release(const Cluster&)>& release) {
  return [release](const Cluster& cluster, Instant) {
    std::vector<Decision> decisions;
    if (cluster.waiting().size() < cluster.present()) return decisions;
    if (!cluster.pending().empty()) {
      sync::Apply apply;
      for (const auto& [id, push] : cluster.pending()) {
        apply.shares.push_back({id, 1.0 / static_cast<double>(cluster.pending().size())});
      }
      std::ranges::sort(apply.shares, {},
                        [&](const sync::Share& share) { return cluster.pending().at(share.push).worker; });
      decisions.emplace_back(std::move(apply));
    }
    for (const auto& [step, worker] : cluster.waiting()) {
      sync::Release to = release(cluster);
      to.worker = worker;
      if (cluster.worker(worker).pushes == 0) to.refresh = Refresh::kTake;
      decisions.emplace_back(to);
    }
    return decisions;
  };
}

// One worker whose answers come so late that it has used its allowance up by then.
struct Slow {
  Duration held;
  sync::Release release;

  std::vector<Decision> decide(const Cluster& cluster, Instant now) const {
    std::vector<Decision> decisions;
    if (cluster.waiting().empty()) return decisions;
    sync::Release to = release;
    to.worker = cluster.waiting().begin()->second;
    const sync::Worker& worker = cluster.worker(to.worker);
    if (worker.pushes == 0) {
      to.refresh = Refresh::kTake;
    } else if (now < worker.pushed + held) {
      return decisions;
    } else {
      decisions.emplace_back(sync::Apply{{{worker.last_push, 1.0}}});
    }
    decisions.emplace_back(to);
    return decisions;
  }
  std::optional<Instant> deadline(const Cluster& cluster) const {
    if (cluster.waiting().empty()) return std::nullopt;
    return cluster.worker(cluster.waiting().begin()->second).pushed + held;
  }
  std::function<std::unique_ptr<sync::Strategy>()> strategy(Traits traits, const Scripted::Pushes& pushes) const {
    return [=, self = *this] {
      return std::make_unique<Scripted>(
          traits, pushes, [=](const Cluster& cluster, Instant now) { return self.decide(cluster, now); },
          [=](const Cluster& cluster) { return self.deadline(cluster); });
    };
  }
};

// The model after these rounds, computed one after the other without any process.
std::vector<float> reference(const World& world, const Traits& traits,
                             const std::vector<std::function<learn::Leg(const learn::Snapshot&)>>& legs) {
  learn::ModelStore store(world.optimizer, world.initial(), traits.kind);
  std::vector<learn::Trainer> trainers;
  for (std::size_t i = 0; i < world.workers; ++i) {
    trainers.emplace_back(world.model, world.dataset, world.batches(i), world.optimizer, traits);
  }
  learn::Workspace workspace;
  std::uint64_t push = 0;
  for (const auto& leg : legs) {
    sync::Apply apply;
    for (std::size_t i = 0; i < world.workers; ++i) {
      const auto tensor = store.buffer();
      trainers[i].run(leg(store.snapshot()), tensor->values(), workspace);
      store.accept(PushId(++push), WorkerId(static_cast<std::uint32_t>(i)), tensor);
      apply.shares.push_back({PushId(push), 1.0 / static_cast<double>(world.workers)});
    }
    const double rate = traits.kind == Traits::Kind::kLocal ? 1 : world.optimizer.learning_rate;
    store.apply(apply.shares, rate);
  }
  const auto values = store.snapshot()->values();
  return {values.begin(), values.end()};
}

wire::JoinRequest join_request(std::size_t parameters) {
  wire::JoinRequest request;
  request.process = 1;
  request.parameters = static_cast<std::int64_t>(parameters);
  return request;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(world)

BOOST_AUTO_TEST_CASE(local_steps_make_the_model_of_a_plain_loop_on_any_number_of_servers) {
  for (const std::size_t servers : {1, 2, 3}) {
    const auto seen = pushes();
    World world{.workers = 2, .servers = servers, .stop = updates(12)};
    world.strategy = [&] {
      return std::make_unique<Scripted>(
          kLocal, seen, rounds([](const Cluster&) { return sync::Release{.worker = {}, .local_steps = 3}; }));
    };
    world.run().check_done();
    const std::vector<std::function<learn::Leg(const learn::Snapshot&)>> legs(
        12, [&](const learn::Snapshot& model) { return learn::Leg{.model = model, .steps = 3}; });
    BOOST_TEST((world.last_model == reference(world, kLocal, legs)), servers << " servers");
    BOOST_TEST(seen->size() == 24U);
    for (const sync::Pushed& push : *seen) BOOST_TEST((push.steps == 3U && push.overlapped == 0U));
    BOOST_TEST(world.samples == 24 * 3 * World::kBatch);
    BOOST_TEST(world.bytes_pushed == 24 * world.model_bytes());
  }
}

BOOST_AUTO_TEST_CASE(a_hosts_name_that_would_break_a_table_is_made_harmless) {
  World world{.stop = updates(2)};
  world.host = "node-1.example,\"x\"\n" + std::string(1000, 'a');
  world.strategy = [] {
    return std::make_unique<Scripted>(kGradients, pushes(), rounds([](const Cluster&) {
                                        return sync::Release{.worker = {}};
                                      }));
  };
  world.run().check_done();
  BOOST_TEST(world.account[0].host == "node-1.example??x??" + std::string(255 - 19, 'a'));
}

BOOST_AUTO_TEST_CASE(kept_models_stay_though_the_pieces_of_pushes_overtake_their_acceptance) {
  constexpr std::uint64_t kUpdates = 400;
  for (const std::size_t servers : {1, 2, 3}) {
    const auto seen = pushes();
    World world{.servers = servers, .stop = updates(kUpdates)};
    // A new model after every fourth push.
    world.strategy = [&] {
      return std::make_unique<Scripted>(kGradients, seen, rounds([](const Cluster& cluster) {
                                          const bool take = cluster.version() % 4 == 3;
                                          return sync::Release{.worker = {},
                                                               .refresh = take ? Refresh::kTake : Refresh::kKeep};
                                        }));
    };
    world.run().check_done();
    std::vector<std::function<learn::Leg(const learn::Snapshot&)>> legs;
    for (std::uint64_t i = 0; i < kUpdates; ++i) {
      legs.emplace_back(
          [i](const learn::Snapshot& model) { return learn::Leg{.model = i % 4 == 0 ? model : nullptr}; });
    }
    BOOST_TEST((world.last_model == reference(world, kGradients, legs)), servers << " servers");
    BOOST_TEST(world.bytes_pushed == kUpdates * world.model_bytes());
    BOOST_TEST(world.bytes_pulled == kUpdates / 4 * world.model_bytes());
  }
}

BOOST_AUTO_TEST_CASE(steps_overlapped_with_a_push_are_lost_or_kept_as_the_strategy_says) {
  constexpr std::uint64_t kUpdates = 6;
  struct Case {
    Traits::Rebase rebase;
    Refresh refresh;
    Step local_steps, overlap_steps;
    Step steps, lost;        // of every push but the first
    Step steps_after_model;  // of the steps in a push, those taken after the answer
  };
  constexpr auto kDiscard = Traits::Rebase::kDiscard, kReapply = Traits::Rebase::kReapply;
  constexpr auto kTake = Refresh::kTake, kKeep = Refresh::kKeep;
  for (const Case& each : {Case{kDiscard, kTake, 2, 3, 2, 3, 2}, Case{kDiscard, kTake, 0, 2, 1, 2, 1},
                           Case{kDiscard, kKeep, 1, 2, 3, 0, 1}, Case{kReapply, kTake, 2, 3, 5, 0, 2},
                           Case{kReapply, kTake, 0, 2, 2, 0, 0}, Case{kReapply, kKeep, 0, 1, 1, 0, 0},
                           Case{kReapply, kTake, 1, 0, 1, 0, 1}}) {
    for (const std::size_t servers : {1, 2}) {
      const Traits traits{.kind = Traits::Kind::kLocal, .overlap = true, .rebase = each.rebase};
      const auto seen = pushes();
      World world{.servers = servers, .stop = updates(kUpdates)};
      const Slow slow{milliseconds(40),
                      {.worker = {},
                       .refresh = each.refresh,
                       .local_steps = each.local_steps,
                       .overlap_steps = each.overlap_steps}};
      world.strategy = slow.strategy(traits, seen);
      world.run().check_done();
      BOOST_TEST_REQUIRE(seen->size() == kUpdates);
      for (std::size_t i = 0; i < kUpdates; ++i) {
        const sync::Pushed& push = (*seen)[i];
        BOOST_TEST(push.steps == (i == 0 ? std::max<Step>(1, each.local_steps) : each.steps));
        BOOST_TEST(push.lost == (i == 0 ? 0 : each.lost));
        BOOST_TEST(push.overlapped == (i == 0 ? 0 : each.overlap_steps));
      }
      std::vector<std::function<learn::Leg(const learn::Snapshot&)>> legs;
      for (std::size_t i = 0; i < kUpdates; ++i) {
        legs.emplace_back([&, i](const learn::Snapshot& model) {
          return learn::Leg{.overlapped = i == 0 ? 0 : each.overlap_steps,
                            .model = i == 0 || each.refresh == kTake ? model : nullptr,
                            .steps = i == 0 ? std::max<Step>(1, each.local_steps) : each.steps_after_model};
        });
      }
      BOOST_TEST((world.last_model == reference(world, traits, legs)), servers << " servers");
      // Of every answer 40 ms were waited for, but for what the few steps took.
      BOOST_TEST(to_seconds(world.account[0].wait) > 0.03 * (kUpdates - 1));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_worker_computes_on_as_long_as_its_push_is_on_its_way) {
  const Traits traits{.kind = Traits::Kind::kLocal, .overlap = true, .rebase = Traits::Rebase::kReapply};
  const auto seen = pushes();
  World world{.stop = updates(4)};
  world.stragglers = {{.workers = {WorkerId(0)}, .law = delay::Law::kConstant, .delay_ms = 5, .file = {}}};
  world.strategy =
      Slow{milliseconds(100), {.worker = {}, .local_steps = 0, .overlap_steps = sync::kAnyNumber}}.strategy(traits,
                                                                                                            seen);
  world.run().check_done();
  Step overlapped = 0;
  for (const sync::Pushed& push : std::span(*seen).subspan(1)) {
    BOOST_TEST(push.overlapped >= 2U);
    BOOST_TEST(push.steps == push.overlapped);
    overlapped += push.overlapped;
  }
  BOOST_TEST(static_cast<double>(overlapped) * 0.005 <= to_seconds(world.account[0].wall));
  // All of the time was computing and its delay.
  BOOST_TEST(world.account[0].compute_share() > 0.9);
  BOOST_TEST(to_seconds(world.account[0].wait) < 0.1 * to_seconds(world.account[0].wall));
}

BOOST_AUTO_TEST_CASE(a_step_that_is_not_done_at_its_limit_is_given_up_and_pushes_nothing) {
  for (const std::size_t servers : {1, 2}) {
    const auto seen = pushes();
    World world{.servers = servers, .stop = updates(10)};
    // Slow in every second step.
    world.stragglers = {{.workers = {WorkerId(0)},
                         .law = delay::Law::kPeriodic,
                         .delay_ms = 60'000,
                         .every_steps = 2,
                         .for_steps = 1,
                         .file = {}}};
    world.strategy = [&] {
      return std::make_unique<Scripted>(kGradients, seen, rounds([](const Cluster&) {
                                          return sync::Release{.worker = {}, .limit = milliseconds(30)};
                                        }));
    };
    world.run().check_done();
    BOOST_TEST_REQUIRE(seen->size() == 10U);
    for (std::size_t i = 0; i < seen->size(); ++i) {
      BOOST_TEST((*seen)[i].empty == (i % 2 == 0));
      BOOST_TEST((*seen)[i].steps == 1U);
    }
    BOOST_TEST(world.samples == 5 * World::kBatch);
    BOOST_TEST(world.bytes_pushed == 5 * world.model_bytes());
    BOOST_TEST(world.version == 10U);
    const double delayed = to_seconds(world.account[0].delay);
    BOOST_TEST((delayed > 5 * 0.02 && delayed < 5 * 0.04));
    // An empty push takes up a batch of its own: the next step has the next one.
    learn::ModelStore store(world.optimizer, world.initial());
    learn::Trainer trainer(world.model, world.dataset, world.batches(0), world.optimizer, kGradients);
    learn::Workspace workspace;
    for (std::uint64_t push = 1; push <= 10; ++push) {
      const auto tensor = store.buffer();
      const bool empty = push % 2 == 1;
      trainer.run({.model = store.snapshot(), .empty = empty}, tensor->values(), workspace);
      store.accept(PushId(push), WorkerId(0), empty ? nullptr : tensor);
      const sync::Share share{PushId(push), 1};
      store.apply(std::span(&share, 1), world.optimizer.learning_rate);
    }
    BOOST_TEST(std::ranges::equal(world.last_model, store.snapshot()->values()), servers << " servers");
  }
}

BOOST_AUTO_TEST_CASE(an_interrupt_ends_workers_that_compute_through_a_push_without_an_answer) {
  const Traits traits{.kind = Traits::Kind::kLocal, .overlap = true};
  for (const Step allowed : {Step{2}, sync::kAnyNumber}) {
    const auto seen = pushes();
    World world{.workers = 2, .servers = 2, .stop = updates(1000)};
    world.strategy = Slow{std::chrono::hours(1), {.worker = {}, .overlap_steps = allowed}}.strategy(traits, seen);
    world.run([&] {
      std::this_thread::sleep_for(milliseconds(200));
      world.interrupted = true;
    });
    BOOST_TEST(world.ending.status == "interrupted", world.ending.error);
    for (const std::string& error : world.errors) BOOST_TEST(!error.starts_with("worker"), error);
  }
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_told_to_end_does_not_wait_for_the_delay_of_its_push) {
  const Traits traits{.kind = Traits::Kind::kLocal, .overlap = true};
  for (const Traits& each : {kGradients, kLocal, traits}) {
    const auto seen = pushes();
    World world{.stop = updates(1000)};
    world.stragglers = {{.workers = {WorkerId(0)},
                         .law = delay::Law::kConstant,
                         .on = delay::Target::kNetwork,
                         .delay_ms = each.overlap ? 3'600'000.0 : 100,
                         .file = {}}};
    world.strategy =
        Slow{milliseconds(1), {.worker = {}, .overlap_steps = each.overlap ? 1U : 0U}}.strategy(each, seen);
    const auto begin = std::chrono::steady_clock::now();
    world.run([&] {
      std::this_thread::sleep_for(milliseconds(200));
      world.worker_terminated = true;
    });
    BOOST_TEST(world.ending.status == "failed");
    BOOST_TEST(world.ending.error.find("it was told to end") != std::string::npos, world.ending.error);
    BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(5)));
    BOOST_TEST(to_seconds(world.account[0].other()) < 0.05);
  }
}

BOOST_AUTO_TEST_CASE(a_server_that_is_lost_ends_workers_that_compute_through_their_push) {
  const Traits traits{.kind = Traits::Kind::kLocal, .overlap = true, .rebase = Traits::Rebase::kReapply};
  const auto seen = pushes();
  World world{.servers = 2, .stop = updates(1'000'000)};
  world.strategy = Slow{milliseconds(1), {.worker = {}, .overlap_steps = sync::kAnyNumber}}.strategy(traits, seen);
  world.run([&] {
    std::this_thread::sleep_for(milliseconds(200));
    world.shard_terminated = true;
  });
  BOOST_TEST(world.ending.status == "failed");
  BOOST_TEST(!world.ending.error.empty());
}

BOOST_AUTO_TEST_CASE(a_worker_of_another_configuration_is_told_apart) {
  const auto seen = pushes();
  World world{.stop = updates(10), .other_batch_size = World::kBatch / 2};
  world.strategy = [&] {
    return std::make_unique<Scripted>(kGradients, seen, rounds([](const Cluster&) { return sync::Release{}; }));
  };
  world.run();
  BOOST_TEST(world.ending.status == "failed");
  BOOST_TEST(world.ending.error.find("4 samples in 1 steps of 8") != std::string::npos, world.ending.error);
  BOOST_TEST(seen->empty());
}

namespace {

std::unique_ptr<sync::Strategy> in_rounds() {
  return std::make_unique<Scripted>(kGradients, pushes(), rounds([](const Cluster&) { return sync::Release{}; }));
}

// A batch of data takes 4 ms to get at, or longer.
void run_with_slow_data(World& world) {
  world.strategy = in_rounds;
  world.other_dataset = test::touched(
      world.dataset, [](std::size_t) { std::this_thread::sleep_for(std::chrono::microseconds(4000) / World::kBatch); });
  world.run().check_done();
}

}  // namespace

BOOST_AUTO_TEST_CASE(damaged_data_end_the_run_with_what_the_worker_found) {
  World world{.workers = 2, .stop = updates(1000)};
  world.strategy = in_rounds;
  std::atomic<int> touches = 0;
  world.other_dataset = test::touched(world.dataset, [&](std::size_t) {
    if (++touches == 400) throw UserError("set.psctl: byte 4096: the file is damaged");
  });
  world.run();
  BOOST_TEST(world.ending.status == "failed");
  BOOST_TEST(
      world.ending.error.find("left before the end: set.psctl: byte 4096: the file is damaged") != std::string::npos,
      world.ending.error);
  BOOST_TEST(std::ranges::count_if(world.errors, [](const std::string& error) {
               return error.ends_with(": set.psctl: byte 4096: the file is damaged");
             }) == 1);
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_faster_than_its_data_is_said_to_wait_for_them) {
  World world{.stop = updates(50)};
  run_with_slow_data(world);
  const trace::WorkerAccount& worker = world.account[0];
  BOOST_TEST(to_seconds(worker.data) > 0.5 * to_seconds(worker.wall));
  BOOST_TEST(worker.compute_share() < 0.5);
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_slower_than_its_data_hardly_waits_for_them) {
  World world{.stop = updates(50)};
  world.stragglers = {{.workers = {WorkerId(0)}, .law = delay::Law::kConstant, .delay_ms = 12, .file = {}}};
  run_with_slow_data(world);
  BOOST_TEST(to_seconds(world.account[0].data) < 0.2 * 50 * 0.004);  // of what assembling took
  BOOST_TEST(world.account[0].compute_share() > 0.8);
}

namespace {

// A lead server with its evaluation; the test is its only worker, and has been released.
struct Alone {
  static lead::Setup setup() {
    lead::Setup setup;
    setup.cluster.workers = 1;
    setup.stop.updates = 1;
    setup.batch_size = 64;
    setup.virtual_clock = false;
    return setup;
  }

  Alone() {
    client.join(join_request(parameters));
    BOOST_TEST(client.step(step_request(0, 0), {}, model).header.kind == wire::ReplyKind::RELEASE);
  }
  ~Alone() { join(); }
  void join() {
    if (serving.joinable()) serving.join();
    if (evaluation.joinable()) evaluation.join();
  }

  const World world;
  const std::size_t parameters = world.model.parameter_count();
  Bytes model = Bytes(parameters * sizeof(float)), push = model;
  const Scripted::Pushes seen = pushes();
  Shard shard{world.optimizer, world.initial(), 1};
  lead::Lead lead{setup(),
                  std::make_unique<Scripted>(kGradients, seen, rounds([](const Cluster&) { return sync::Release{}; }))};
  LeadServer server{{.listen = Address::unix_socket(),
                     .others = {},
                     .workers = 1,
                     .parameters = parameters,
                     .range = {.begin = 0, .size = parameters}},
                    lead,
                    shard};
  const std::atomic<bool> never = false;
  lead::Ending ending;
  std::thread serving{[this] { ending = server.run(never); }};
  std::thread evaluation{[this] {
    const auto all = std::make_shared<data::Dataset>(world.dataset);
    const learn::Evaluator evaluator(world.model, {.train = all, .validation = {}, .test = all}, 1);
    evaluate(
        {.servers = {server.address()}}, world.model, evaluator, [](auto, auto) {}, never);
  }};
  Client client{server.address(), {.role = Role::WORKER, .worker = 0}};
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(every_wrong_number_of_a_push_is_refused_and_changes_nothing, Alone) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  const std::vector<std::pair<std::function<void(wire::StepRequest&)>, std::string>> wrong = {
      {[](auto& r) { r.worker = 1; }, "has not joined as worker 1"},
      {[](auto& r) { r.push = 2; }, "push 2 of worker 0 came where 1 is due"},
      {[](auto& r) { r.push = kHuge; }, "where 1 is due"},
      {[](auto& r) { r.steps = 0, r.samples = 0; }, "worker 0 pushes 0 steps"},
      {[](auto& r) { r.steps = 2, r.samples = 128; }, "worker 0 pushes 2 steps"},
      {[](auto& r) { r.steps = -1; }, "-1 steps"},
      {[](auto& r) { r.steps = kHuge; }, "steps: there can be"},
      {[](auto& r) { r.samples = -64; }, "-64 samples"},
      {[](auto& r) { r.samples = kHuge; }, "samples in 1 steps of 64"},
      {[](auto& r) { r.__set_data_ns(-1); }, "waiting for data took -1 ns"},
      {[](auto& r) { r.__set_data_ns(kHuge); }, "waiting for data took"},
      {[](auto& r) { r.compute_ns = -1; }, "computing took -1 ns"},
      {[](auto& r) { r.compute_ns = kHuge; }, "computing took"},
      {[](auto& r) { r.delay_ns = -1; }, "the delay took -1 ns"},
      {[](auto& r) { r.download_ns = kHuge; }, "the pull took"},
      {[](auto& r) { r.__set_upload_ns(-5); }, "the push took -5 ns"},
      {[](auto& r) { r.__set_overlapped(1); }, "1 overlapped"},
      {[](auto& r) { r.__set_overlapped(-1); }, "-1 overlapped steps"},
      {[](auto& r) { r.__set_lost(1); }, "1 of 0 overlapped ones lost"},
      {[](auto& r) { r.__set_lost(-1); }, "-1 lost steps"},
      {[](auto& r) { r.__set_hidden_push_ns(-1); }, "the hidden part of the push took -1 ns"},
      {[](auto& r) { r.__set_hidden_wait_ns(kHuge); }, "the hidden part of the wait took"},
      {[](auto& r) { r.__set_hidden_pull_ns(-1); }, "the hidden part of the pull took -1 ns"},
      {[](auto& r) { r.empty = true; }, "a tensor came with a request that has none"},
      {[](auto& r) { r.again = true; }, "a tensor came with a request that has none"},
      {[](auto& r) { r.push = 0; }, "a tensor came with a request that has none"},
      {[](auto& r) { r.push = -1; }, "a tensor came with a request that has none"},
  };
  for (const auto& [spoil, words] : wrong) {
    wire::StepRequest request = step_request();
    spoil(request);
    const RpcError error = rpc_error([&] { client.step(request, push, model); });
    BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
    BOOST_TEST(std::string(error.what()).find(words) != std::string::npos, error.what());
  }
  const RpcError without = rpc_error([&] { client.step(step_request(), {}, model); });
  BOOST_TEST(std::string(without.what()).find("without its tensor") != std::string::npos, without.what());
  wire::StepRequest empty = step_request();
  empty.empty = true;
  BOOST_TEST(std::string(rpc_error([&] { client.step(empty, {}, model); }).what()).find("that were given up") !=
             std::string::npos);
  wire::ByeRequest bye;
  bye.wall_ns = -1;
  BOOST_TEST(seen->empty());
  BOOST_TEST(lead.cluster().version() == 0U);
  // The same push with the right numbers is taken, and ends the run.
  BOOST_TEST(client.step(step_request(), push, model).header.kind == wire::ReplyKind::STOP);
  BOOST_TEST(seen->size() == 1U);
  BOOST_TEST(rpc_error([&] { client.bye(bye); }).kind() == RpcError::Kind::kRefused);
  bye.wall_ns = 1;
  client.bye(bye);
  join();
  BOOST_TEST(ending.status == "done", ending.error);
  BOOST_TEST(lead.cluster().version() == 1U);
}

BOOST_FIXTURE_TEST_CASE(coordinates_that_cannot_be_are_refused_and_change_nothing, Alone) {
  const auto last = static_cast<std::uint32_t>(parameters - 1);
  const auto pushing = [&](std::int64_t said, const learn::Coordinates& sent, std::size_t bytes_less = 0) {
    wire::StepRequest request = step_request();
    request.__set_coordinates(said);
    const auto bytes = std::as_bytes(std::span(sent));
    return client.step(request, bytes.first(bytes.size() - bytes_less), model);
  };
  const auto refusal = [&](std::int64_t said, const learn::Coordinates& sent, const std::string& words,
                           std::size_t bytes_less = 0) {
    const RpcError error = rpc_error([&] { pushing(said, sent, bytes_less); });
    BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
    BOOST_TEST(std::string(error.what()).find(words) != std::string::npos, error.what());
  };
  refusal(1, {{0, 1}, {1, 1}}, "a push of 1 coordinates has 2 of them here");
  refusal(3, {{0, 1}, {1, 1}}, "and there are 0 parameters elsewhere");
  refusal(-1, {}, "a push of -1 coordinates");
  refusal(std::int64_t{1} << 62, {{0, 1}}, "parameters elsewhere");
  refusal(1, {{0, 1}, {1, 1}}, "a push of 1 coordinates has 12 bytes", 4);
  refusal(2, {{3, 1}, {3, 1}}, fmt::format("a push has the coordinate 3 where 4 to {} may follow", last));
  refusal(2, {{3, 1}, {2, 1}}, "a push has the coordinate 2 where 4");
  refusal(1, {{last + 1, 1}}, fmt::format("a push has the coordinate {} where 0 to {} may follow", last + 1, last));
  refusal(1, {{0xffffffff, 1}}, "a push has the coordinate 4294967295");
  refusal(2, {{last, 1}, {0, 1}}, "a push has the coordinate 0");
  refusal(static_cast<std::int64_t>(parameters + 1), learn::Coordinates(parameters + 1), "coordinates has");
  wire::StepRequest empty = step_request();
  empty.empty = true;
  empty.__set_coordinates(0);
  BOOST_TEST(std::string(rpc_error([&] { client.step(empty, {}, model); }).what())
                 .find("a tensor came with a request that has none") != std::string::npos);
  BOOST_TEST(seen->empty());
  BOOST_TEST(lead.cluster().version() == 0U);
  // Sound ones are taken, and end the run.
  BOOST_TEST(pushing(2, {{0, 1}, {last, 1}}).header.kind == wire::ReplyKind::STOP);
  BOOST_TEST(lead.account().bytes_pushed() == 16U);
  client.bye({});
  join();
  BOOST_TEST(ending.status == "done", ending.error);
}

BOOST_FIXTURE_TEST_CASE(nobody_does_at_the_lead_server_what_its_role_does_not, Alone) {
  const auto refusal = [&](const ClientOptions& as, const std::function<void(Client&)>& call) {
    Client other(server.address(), as);
    const std::string error = rpc_error([&] { call(other); }).what();
    BOOST_TEST(rpc_error([&] { other.status(); }).kind() == RpcError::Kind::kClosed);  // it is cut off
    return error;
  };
  const auto refused = [&](const ClientOptions& as, const std::string& who, const std::string& methods) {
    const auto is_refused = [&](const std::string& method, const std::function<void(Client&)>& call) {
      if (methods.find(method) == std::string::npos) return;
      const std::string words = fmt::format("{} is not for {}", method, who);
      const std::string error = refusal(as, call);
      BOOST_TEST(error.find(words) != std::string::npos, error);
    };
    is_refused("join", [&](Client& other) { other.join(join_request(parameters)); });
    is_refused("step", [&](Client& other) { other.step(step_request(), push, model); });
    is_refused("piece", [&](Client& other) { other.piece({}, push); });
    is_refused("pull", [&](Client& other) { other.pull({}, model); });
    is_refused("bye", [](Client& other) { other.bye({}); });
    is_refused("execute", [](Client& other) { other.execute({}); });
    is_refused("next_evaluation", [](Client& other) { other.next_evaluation(); });
    is_refused("evaluated", [](Client& other) { other.evaluated({}); });
    is_refused("stop", [](Client& other) { other.stop("done"); });
  };
  refused({}, "a watcher", "join step piece pull bye execute next_evaluation evaluated stop");
  refused({.role = Role::LEAD}, "the lead server", "join step piece pull bye execute next_evaluation evaluated stop");
  refused({.role = Role::WORKER, .worker = 0}, "worker 0", "piece pull execute next_evaluation evaluated stop");
  refused({.role = Role::EVALUATOR}, "the evaluation process", "step piece bye execute stop");

  // Who has the role of another one but has not joined, or cannot, gets no further.
  Client second(server.address(), {.role = Role::EVALUATOR});
  const auto says = [&](const std::function<void()>& call, const std::string& words) {
    const RpcError error = rpc_error(call);
    BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
    BOOST_TEST(std::string(error.what()).find(words) != std::string::npos, error.what());
  };
  says([&] { second.pull({}, model); }, "a pull before the join");
  says([&] { second.next_evaluation(); }, "before the join");
  says([&] { second.evaluated({}); }, "an evaluation before the join");
  says([&] { second.join(join_request(parameters)); }, "there is an evaluation process already");
  says([&] { second.evaluated({}); }, "an evaluation before the join");
  Client twin(server.address(), {.role = Role::WORKER, .worker = 0});
  says([&] { twin.step(step_request(), push, model); }, "a push before the join");
  says([&] { twin.join(join_request(parameters)); }, "worker 0 has come already");
  Client third(server.address(), {.role = Role::WORKER, .worker = 7});
  says([&] { third.join(join_request(parameters)); }, "there is no worker 7");

  BOOST_TEST(seen->empty());
  BOOST_TEST(!lead.stopped());
  BOOST_TEST(client.step(step_request(), push, model).header.kind == wire::ReplyKind::STOP);
  client.bye({});
  join();
  BOOST_TEST(ending.status == "done", ending.error);
}

BOOST_AUTO_TEST_CASE(an_evaluation_counts_for_the_version_and_time_that_the_lead_server_knows) {
  // The test is the evaluation process, and tells what it was not asked for.
  World world;
  const auto strategy = [] {
    return std::make_unique<Scripted>(kGradients, pushes(), rounds([](const Cluster&) { return sync::Release{}; }));
  };
  lead::Setup setup = Alone::setup();
  setup.evaluate.every_updates = 1;
  setup.stop.updates = 1;
  const std::size_t parameters = world.model.parameter_count();
  Bytes model(parameters * sizeof(float));
  Shard shard(world.optimizer, world.initial(), 1);
  lead::Lead lead(setup, strategy());
  LeadServer server({.listen = Address::unix_socket(),
                     .others = {},
                     .workers = 1,
                     .parameters = parameters,
                     .range = {.begin = 0, .size = parameters}},
                    lead, shard);
  const std::atomic<bool> never = false;
  lead::Ending ending;
  std::thread serving([&] { ending = server.run(never); });
  Client evaluator(server.address(), {.role = Role::EVALUATOR});
  evaluator.join(join_request(parameters));
  Client worker(server.address(), {.role = Role::WORKER, .worker = 0});
  worker.join(join_request(parameters));
  BOOST_TEST(worker.step(step_request(0, 0), {}, model).header.kind == wire::ReplyKind::RELEASE);
  wire::EvaluationResult result;
  const auto refused = [&](const std::string& words) {
    const RpcError error = rpc_error([&] { evaluator.evaluated(result); });
    BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
    BOOST_TEST(std::string(error.what()).find(words) != std::string::npos, error.what());
  };
  result.sequence = 1;
  refused("no evaluation 1 was asked for");  // it is due, but was not taken yet
  wire::EvaluationOrder order = evaluator.next_evaluation();
  BOOST_TEST(order.version == 0);
  result.sequence = order.sequence + 1000;
  refused("was asked for");
  result.sequence = order.sequence;
  result.test_accuracy = 1.5;
  refused("has the accuracy 1.5");
  result.test_accuracy = 0.25;
  result.__set_evaluated(true);
  evaluator.evaluated(result);
  refused("was asked for");  // once
  BOOST_TEST(lead.progress(Instant{}).accuracy.value_or(0) == 0.25);
  BOOST_TEST(worker.step(step_request(), model, model).header.kind == wire::ReplyKind::STOP);
  worker.bye({});
  order = evaluator.next_evaluation();
  BOOST_TEST(order.version == 1);
  result.sequence = order.sequence;
  evaluator.evaluated(result);
  BOOST_TEST(evaluator.next_evaluation().kind == wire::EvaluationKind::STOP);
  evaluator.interrupt();
  serving.join();
  BOOST_TEST(ending.status == "done", ending.error);
}

BOOST_FIXTURE_TEST_CASE(a_worker_that_is_refused_and_silent_from_then_on_ends_the_run, Alone) {
  wire::StepRequest request = step_request();
  request.steps = 2;
  BOOST_TEST((rpc_error([&] { client.step(request, push, model); }).kind() == RpcError::Kind::kRefused));
  join();
  BOOST_TEST(ending.status == "failed");
  BOOST_TEST(ending.error.find("worker 0 (process 1) was refused and has been silent since: 64 samples in 2 steps") !=
                 std::string::npos,
             ending.error);
}

BOOST_AUTO_TEST_CASE(servers_hold_a_model_a_pin_and_two_pushes_of_each_worker_whatever_the_speed_ratio) {
  for (const sync::Entry& entry : sync::entries()) {
    const std::size_t sums =
        entry.name == "bap" ? static_cast<std::size_t>(sync::defaults(entry).integer("staleness")) : 0;
    for (const std::size_t servers : {1, 2}) {
      World world{.workers = 3, .servers = servers};
      world.stop.time_s = 0.3;
      const auto delay = [](std::vector<WorkerId> workers, double ms) {
        return delay::Rule{
            .workers = std::move(workers), .law = delay::Law::kConstant, .on = {}, .delay_ms = ms, .file = {}};
      };
      world.stragglers = {delay({WorkerId(0), WorkerId(1)}, 0.3), delay({WorkerId(2)}, 30)};
      world.strategy = [&] {
        return sync::make({.name = entry.name, .parameters = sync::defaults(entry)}, {.workers = 3,
                                                                                      .steps_per_epoch = 10,
                                                                                      .total_samples = 10'000,
                                                                                      .train_samples = 240,
                                                                                      .batch_size = World::kBatch,
                                                                                      .seed = World::kSeed});
      };
      world.run();
      BOOST_TEST_INFO_SCOPE(entry.name << ", " << servers << " servers, " << world.version << " updates");
      world.check_done();
      // One that is coming in, one that is pending and a pin; of a server that is not the lead also two that wait for
      // their acceptance. The live model, the next one, and two that are looked at.
      BOOST_TEST(world.tensors <= (servers == 1 ? 3 : 5) * world.workers + sums + 4);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(shard)

namespace {

struct Fixture {
  static constexpr std::size_t kSize = 32;
  std::vector<float> initial = std::vector<float>(kSize, 0.0F);
  Shard shard{{.learning_rate = 1, .schedule = {}, .staleness = {}}, initial, 2, Traits::Kind::kLocal};
  std::uint64_t sequence = 0;

  static std::chrono::steady_clock::time_point soon() { return std::chrono::steady_clock::now() + milliseconds(20); }
  Incoming tensor(float value) {
    const Incoming place = shard.destination(kSize * sizeof(float));
    std::ranges::fill(std::span(reinterpret_cast<float*>(place.bytes.data()), kSize), value);
    return place;
  }
  void put(std::uint32_t worker, std::uint64_t number, float value) {
    shard.put(WorkerId(worker), number, tensor(value), soon());
  }
  lead::Order accept(std::uint64_t push, std::uint32_t worker, std::uint64_t number, bool empty = false) {
    return {.sequence = ++sequence,
            .version = shard.version(),
            .what = lead::Accept{PushId(push), WorkerId(worker), number, empty}};
  }
  void execute(const lead::Order& order) { shard.execute(std::span(&order, 1)); }
  // The first value of the model after these pushes, each with its own weight.
  float apply(const std::vector<sync::Share>& shares) {
    execute({.sequence = ++sequence, .version = shard.version() + 1, .what = lead::Update{shares, 1, false}});
    const std::uint64_t released = ++sequence;
    lead::Release release{};
    release.worker = WorkerId(0);
    execute({.sequence = released, .version = shard.version(), .what = release});
    const Outgoing model = shard.take_released(WorkerId(0), released, soon());
    float value = 0;
    std::memcpy(&value, model.bytes.data(), sizeof value);
    return value;
  }
};

bool refused(const std::function<void()>& act, const std::string& words) {
  try {
    act();
  } catch (const WorldError& error) {
    BOOST_TEST(std::string(error.what()).find(words) != std::string::npos, error.what());
    return true;
  }
  return false;
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_piece_that_overtakes_an_acceptance_is_not_taken_for_the_one_before, Fixture) {
  put(0, 1, 1.0F);
  put(0, 2, 10.0F);
  put(1, 1, 100.0F);
  execute(accept(1, 0, 1));
  execute(accept(2, 0, 2));
  execute(accept(3, 1, 1));
  BOOST_TEST(apply({{PushId(1), 1}, {PushId(2), 2}, {PushId(3), 3}}) == 321.0F);
}

BOOST_FIXTURE_TEST_CASE(a_push_that_is_given_up_has_no_piece_and_the_next_one_may_overtake_it, Fixture) {
  put(0, 2, 10.0F);
  execute(accept(1, 0, 1, true));
  execute(accept(2, 0, 2));
  BOOST_TEST(apply({{PushId(1), 1}, {PushId(2), 1}}) == 10.0F);
}

BOOST_FIXTURE_TEST_CASE(two_pieces_of_a_worker_are_kept_and_a_third_waits_for_room, Fixture) {
  put(0, 1, 1.0F);
  put(0, 2, 2.0F);
  BOOST_TEST(refused([&] { put(0, 3, 3.0F); }, "push 3 of worker 0 came while 2 before it were not accepted"));
  put(1, 1, 7.0F);  // others have room of their own
  std::thread later(
      [&] { shard.put(WorkerId(0), 3, tensor(3.0F), std::chrono::steady_clock::now() + std::chrono::minutes(1)); });
  execute(accept(1, 0, 1));
  later.join();
  execute(accept(2, 0, 2));
  execute(accept(3, 0, 3));
  BOOST_TEST(apply({{PushId(1), 100}, {PushId(2), 10}, {PushId(3), 1}}) == 123.0F);
}

BOOST_FIXTURE_TEST_CASE(a_piece_of_a_push_that_was_accepted_is_refused_and_a_missing_one_is_told, Fixture) {
  put(0, 1, 1.0F);
  execute(accept(1, 0, 1));
  BOOST_TEST(refused([&] { put(0, 1, 1.0F); }, "push 1 of worker 0 came where 1 has been accepted already"));
  BOOST_TEST(refused([&] { execute(accept(2, 0, 2)); }, "the tensor of push 2 of worker 0 is missing"));
}

BOOST_AUTO_TEST_CASE(coordinates_count_through_the_whole_model_and_a_server_takes_those_of_its_range) {
  const std::vector<float> initial(32, 0.0F);
  const learn::OptimizerConfig sgd{.learning_rate = 1, .schedule = {}, .staleness = {}};
  Shard shard(sgd, initial, 1, Traits::Kind::kGradient, 100);
  const auto arrived = [&](Shard& at, const learn::Coordinates& coordinates, std::int64_t all) {
    const auto bytes = std::as_bytes(std::span(coordinates));
    const Incoming place = at.destination(bytes.size(), all);
    std::ranges::copy(bytes, place.bytes.begin());
    at.check(place);
    return place;
  };
  BOOST_TEST(refused([&] { arrived(shard, {{99, 1}}, 1); }, "the coordinate 99 where 100 to 131 may follow"));
  BOOST_TEST(refused([&] { arrived(shard, {{132, 1}}, 1); }, "the coordinate 132 where 100 to 131 may follow"));
  BOOST_TEST(refused([&] { arrived(shard, {{131, 1}, {131, 1}}, 2); }, "the coordinate 131"));
  BOOST_TEST(refused([&] { arrived(shard, learn::Coordinates(33), 50); }, "for the 32 parameters of this server"));
  BOOST_TEST(refused([&] { arrived(shard, {{100, 1}, {101, 1}}, 1); }, "a push of 1 coordinates has 16 bytes"));
  Shard local(sgd, initial, 1, Traits::Kind::kLocal);
  BOOST_TEST(refused([&] { arrived(local, {}, 0); }, "came where every push is dense"));

  const auto soon = std::chrono::steady_clock::now() + milliseconds(20);
  shard.put(WorkerId(0), 1, arrived(shard, {{100, 1}, {131, 2}}, 40), soon);
  shard.put(WorkerId(0), 2, arrived(shard, {}, 7), soon);  // all of it is elsewhere
  const std::vector<lead::Order> orders = {
      {.sequence = 1, .version = 0, .what = lead::Accept{PushId(1), WorkerId(0), 1, false}},
      {.sequence = 2, .version = 0, .what = lead::Accept{PushId(2), WorkerId(0), 2, false}},
      {.sequence = 3, .version = 1, .what = lead::Update{{{PushId(1), 1}, {PushId(2), 1}}, 1, false}},
      {.sequence = 4, .version = 1, .what = lead::Look{}}};
  shard.execute(orders);
  const Outgoing model = shard.take_look(4, soon);
  std::vector<float> values(32), expected(32, 0.0F);
  std::memcpy(values.data(), model.bytes.data(), model.bytes.size());
  expected.front() = -1;
  expected.back() = -2;
  BOOST_TEST(values == expected);
}

BOOST_AUTO_TEST_CASE(a_server_takes_pieces_only_from_the_worker_whose_connection_it_is) {
  std::vector<float> initial(32);
  Shard shard({.schedule = {}, .staleness = {}}, initial, 2);
  std::atomic<bool> over = false;
  std::promise<Address> listening;
  std::thread serving([&] {
    serve_shard({.listen = Address::unix_socket(), .parameters = 64, .range = {.begin = 32, .size = 32}, .workers = 2},
                shard, over, [&](const Address& address) { listening.set_value(address); });
  });
  const Address address = listening.get_future().get();
  for (const ClientOptions& as :
       {ClientOptions{}, ClientOptions{.role = Role::WORKER, .worker = 1}, ClientOptions{.role = Role::EVALUATOR}}) {
    for (const auto& call : std::vector<std::function<void(Client&)>>{
             [](Client& other) { other.execute({}); }, [](Client& other) { other.stop("enough"); },
             [](Client& other) { other.step(step_request(), {}, {}); }, [](Client& other) { other.evaluated({}); }}) {
      Client other(address, as);
      BOOST_TEST(std::string(rpc_error([&] { call(other); }).what()).find("is not for") != std::string::npos);
    }
  }
  {
    Client other(address, {.role = Role::EVALUATOR});
    BOOST_TEST(std::string(rpc_error([&] { other.pull({}, {}); }).what()).find("before the join") != std::string::npos);
  }
  const ClientOptions as_worker{.role = Role::WORKER, .worker = 1};
  Client client(address, as_worker);
  const Bytes piece(32 * sizeof(float));
  wire::PieceRequest request;
  request.worker = 1;
  request.push = 1;
  const auto refusal = [&](const Bytes& tensor) {
    const RpcError error = rpc_error([&] { client.piece(request, tensor); });
    BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
    return std::string(error.what());
  };
  BOOST_TEST(refusal(piece).find("a piece before the join") != std::string::npos);
  client.join(join_request(64));
  BOOST_TEST(std::string(rpc_error([&] { Client(address, as_worker).join(join_request(64)); }).what())
                 .find("has come already") != std::string::npos);
  BOOST_CHECK_NO_THROW(client.piece(request, piece));
  request.push = 2;
  BOOST_TEST(refusal({}).find("without its tensor") != std::string::npos);
  request.push = -1;
  BOOST_TEST(refusal(piece).find("numbered from 1") != std::string::npos);
  request.push = 2;
  request.worker = 0;
  BOOST_TEST(refusal(piece).find("has not joined as worker 0") != std::string::npos);
  // One lead server, and no other.
  const ClientOptions as_lead{.role = Role::LEAD};
  Client lead(address, as_lead);
  lead.execute({});
  Client second(address, as_lead);
  BOOST_TEST(std::string(rpc_error([&] { second.execute({}); }).what()).find("there is a lead server already") !=
             std::string::npos);
  BOOST_TEST(std::string(rpc_error([&] { second.stop("enough"); }).what()).find("there is a lead server already") !=
             std::string::npos);
  over = true;
  serving.join();
}

BOOST_AUTO_TEST_SUITE_END()
