#include <boost/test/unit_test.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "base/random.h"
#include "config/support.h"

using namespace psctl;
using namespace psctl::config;

namespace {

// Configurations of every kind, with values from the whole of their ranges.
class Random {
 public:
  explicit Random(std::uint64_t seed) : draws_({.seed = seed, .purpose = Purpose::kTest}) {}

  RunConfig configuration() {
    RunConfig run;
    run.name = coin() ? "run" : "a-1.b_" + std::to_string(draws_.below(100));
    run.seed = draws_.bits();
    run.clock = coin() ? Clock::kReal : Clock::kVirtual;
    run.cluster = cluster(run.clock);
    run.strategy = strategy(run.cluster.workers);
    run.simulation = simulation(run.cluster.workers);
    for (std::uint64_t i = draws_.below(4); i > 0; --i) run.stragglers.push_back(rule(run.cluster.workers));
    if (run.clock == Clock::kVirtual && draws_.below(4) == 0) {
      run.model.kind = learn::ModelKind::kNone;
      if (run.simulation.network.bandwidth_mbps + run.simulation.network.server_bandwidth_mbps > 0 || coin()) {
        run.simulation.parameters = whole(1, 1u << 30);
      }
      run.data.batch_size = whole(1, 4096);
      run.stop.updates = whole(1, 1u << 30);
      if (coin()) run.stop.samples = draws_.bits() | 1;
    } else {
      run.model = model();
      run.data = data(run.cluster.workers);
      run.optimizer = optimizer(*sync::find(run.strategy.name));
      run.stop = stop();
      run.evaluate = evaluate(run.stop.target_accuracy || run.stop.plateau);
      if (run.stop.target_accuracy) run.evaluate.target_accuracy = 0;  // one target is enough
      run.checkpoint.every_updates = whole(0, 1000);
    }
    run.trace = {.steps = coin(), .decisions = coin(), .timeline = coin()};
    return run;
  }

 private:
  bool coin() { return draws_.below(2) == 1; }
  std::uint64_t whole(std::uint64_t minimum, std::uint64_t maximum) {
    return minimum + draws_.below(maximum - minimum + 1);
  }
  // Round numbers and numbers that need all their digits, above 0.
  double number(double maximum) {
    const double value =
        coin() ? draws_.uniform_open() * maximum : std::exp2(-20 * draws_.uniform()) * maximum * draws_.uniform_open();
    const double rounded = std::round(value * 100) / 100;
    return coin() && rounded > 0 ? rounded : value;
  }
  // Names of files as they come: with spaces, quotes, backslashes, or like something else.
  std::string text() {
    static const std::vector<std::string> kTexts = {"a b", "null", "true", "3",   "it's", "\"q\"", "C:\\x", "a: b",
                                                    "#c",  "~",    "[1]",  "é/ü", "- x",  " x ",   "0x3",   "...",
                                                    "a,b", "*a",   "&a",   "!t",  "%d",   "@x",    "on",    "1e3"};
    return kTexts[draws_.below(kTexts.size())];
  }

  sync::StrategyConfig strategy(std::size_t workers) {
    const auto entries = sync::entries();
    const sync::Entry& entry = entries[draws_.below(entries.size())];
    auto values = sync::defaults(entry).values();
    for (const sync::Parameter& parameter : entry.parameters) {
      if (coin()) values.insert_or_assign(parameter.name, value_of(parameter));
    }
    for (const sync::Parameter& parameter : entry.parameters) {
      const bool refused = !sync::has_effect(entry, parameter, sync::Parameters(values));
      if (refused) values.at(parameter.name) = *parameter.default_value;
    }
    const auto bound = [&](const char* name, std::size_t most) {
      if (!values.contains(name)) return;
      auto& number = std::get<std::int64_t>(values.at(name));
      number = std::min(number, static_cast<std::int64_t>(most));
    };
    if (entry.name == "psp") bound("sample", workers);
    if (entry.name == "backup") bound("backups", workers - 1);
    return {.name = entry.name, .parameters = sync::Parameters(values)};
  }
  sync::ParameterValue value_of(const sync::Parameter& parameter) {
    const auto type = parameter.default_value.value_or(parameter.type_of_absent);
    const double minimum = std::max(parameter.minimum, -1e6);
    const double maximum = std::min(parameter.maximum, 1e6);
    const double drawn = minimum + draws_.uniform() * (maximum - minimum);
    if (std::holds_alternative<bool>(type)) return coin();
    if (std::holds_alternative<std::int64_t>(type)) return static_cast<std::int64_t>(std::ceil(drawn));
    if (std::holds_alternative<double>(type)) return drawn;
    return parameter.choices[draws_.below(parameter.choices.size())];
  }

  std::vector<std::string> files() {
    std::vector<std::string> files;
    for (std::uint64_t i = whole(1, 3); i > 0; --i) files.push_back(coin() ? "fashion-mnist" : text());
    return files;
  }
  data::HeldOut held_out() {
    if (coin()) return {.files = files(), .count = 0};
    return {.files = {}, .count = whole(0, 10'000)};
  }
  data::ImportOptions import_options() {
    data::ImportOptions options;
    if (coin()) options.shape = {.channels = whole(1, 3), .height = whole(1, 3), .width = whole(1, 3)};
    if (coin()) options.channels_last = coin();
    if (coin()) options.values = coin() ? data::Values::kBytes : data::Values::kFloats;
    options.missing = static_cast<data::Missing>(draws_.below(3));
    if (coin()) options.label = text();
    if (coin()) options.header = coin();
    if (coin()) options.delimiter = ",\t;|"[draws_.below(4)];
    if (coin()) options.first_index = static_cast<std::uint32_t>(draws_.below(2));
    if (coin()) options.features = whole(1, std::uint64_t{1} << 32);
    return options;
  }
  data::DataConfig data(std::size_t workers) {
    data::DataConfig data{
        .source = files(),
        .import = {.format = coin() ? "" : text(),
                   .labels = coin() ? std::optional(files()) : std::nullopt,
                   .validation_labels = coin() ? std::optional(files()) : std::nullopt,
                   .test_labels = coin() ? std::optional(files()) : std::nullopt,
                   .options = import_options()},
        .test = held_out(),
        .validation = held_out(),
        .batch_size = whole(1, 4096),
        .train_limit = whole(0, 60'000),
        .split = data::SplitKind::kShuffled,
        .one_vs_rest = coin() ? "" : text(),
        .normalize = {.kind = static_cast<data::Normalize>(draws_.below(5)), .per = data::Per::kAll},
        .augment = {.crop = whole(0, 8), .flip = coin() ? data::Flip::kNone : data::Flip::kHorizontal},
        .partition = partition(workers)};
    if (data.train_limit > 0) data.split = static_cast<data::SplitKind>(draws_.below(3));
    if (data.normalize.kind != data::Normalize::kNone && coin()) data.normalize.per = data::Per::kFeature;
    return data;
  }
  data::PartitionConfig partition(std::size_t workers) {
    data::PartitionConfig partition;
    partition.kind = static_cast<data::PartitionKind>(draws_.below(4));
    if (partition.kind == data::PartitionKind::kByLabel) partition.shards = whole(1, 1 << 20);
    if (partition.kind == data::PartitionKind::kDirichlet) partition.alpha = 1e-6 + number(1000);
    if (partition.kind == data::PartitionKind::kQuantity) {
      switch (draws_.below(3)) {
        case 0:
          partition.law = data::SizeLaw::kEqual;
          break;
        case 1:
          partition.law = data::SizeLaw::kPower;
          partition.exponent = coin() ? 0 : number(10);
          break;
        default:
          partition.sizes.emplace();
          for (std::size_t worker = 0; worker < workers; ++worker) partition.sizes->push_back(1e-9 + number(1000));
      }
    }
    return partition;
  }

  learn::ModelConfig model() {
    learn::ModelConfig model;
    model.kind = static_cast<learn::ModelKind>(draws_.below(3));
    if (model.kind == learn::ModelKind::kCnn) {
      for (std::uint64_t i = whole(1, 3); i > 0; --i) {
        model.conv.push_back(
            {.filters = whole(1, 64), .kernel = whole(1, 7), .padding = whole(0, 3), .pool = whole(1, 3)});
      }
      for (std::uint64_t i = whole(0, 2); i > 0; --i) model.hidden.push_back(whole(1, 512));
    }
    if (model.kind == learn::ModelKind::kMlp) {
      for (std::uint64_t i = whole(1, 3); i > 0; --i) model.hidden.push_back(whole(1, 512));
    }
    model.save = coin() ? learn::Save::kFinal : learn::Save::kNone;
    return model;
  }

  learn::OptimizerConfig optimizer(const sync::Entry& strategy) {
    const bool local = strategy.kind == sync::Traits::Kind::kLocal;
    learn::OptimizerConfig optimizer;
    optimizer.kind = static_cast<learn::OptimizerKind>(draws_.below(local ? 3 : 5));
    optimizer.learning_rate = number(1);
    optimizer.weight_decay = coin() ? 0 : number(0.1);
    switch (optimizer.kind) {
      case learn::OptimizerKind::kSgd:
        break;
      case learn::OptimizerKind::kMomentum:
      case learn::OptimizerKind::kNesterov:
        optimizer.momentum = draws_.uniform();
        break;
      case learn::OptimizerKind::kAdam:
        optimizer.beta1 = draws_.uniform();
        optimizer.beta2 = draws_.uniform();
        [[fallthrough]];
      case learn::OptimizerKind::kAdaGrad:
        optimizer.epsilon = number(1e-3);
        break;
    }
    learn::ScheduleConfig& schedule = optimizer.schedule;
    schedule.kind = static_cast<learn::ScheduleKind>(draws_.below(4));
    schedule.warmup_epochs = coin() ? 0 : number(5);
    if (schedule.kind == learn::ScheduleKind::kStep) schedule.every_epochs = number(10);
    if (schedule.kind == learn::ScheduleKind::kStep || schedule.kind == learn::ScheduleKind::kExponential) {
      schedule.factor = number(1);
    }
    if (schedule.kind == learn::ScheduleKind::kCosine) schedule.epochs = schedule.warmup_epochs + number(50);
    switch (local || strategy.merges ? draws_.below(2) : draws_.below(4)) {
      case 0:
        if (strategy.merges) break;  // refused, where it really merges
        optimizer.staleness = {.kind = learn::StalenessKind::kInverse, .offset = whole(0, 1)};
        break;
      case 2:
        optimizer.staleness = {.kind = learn::StalenessKind::kDc, .lambda = number(3)};
        break;
      case 3:
        optimizer.staleness = {.kind = learn::StalenessKind::kDc,
                               .mode = learn::DcMode::kAdaptive,
                               .lambda = number(3),
                               .decay = draws_.uniform()};
        break;
      default:
        break;
    }
    return optimizer;
  }

  lead::ClusterConfig cluster(Clock clock) {
    lead::ClusterConfig cluster;
    cluster.workers = coin() ? whole(1, 8) : whole(1, clock == Clock::kReal ? 512 : 2000);
    cluster.servers = whole(1, 4);
    cluster.threads_per_worker = whole(1, 8);
    const std::size_t some = draws_.below(std::min<std::size_t>(cluster.workers, 4));
    for (std::uint32_t worker = 0; worker < some; ++worker) {
      lead::Membership each{.worker = WorkerId(worker), .join_s = {}, .leave_s = {}, .join_step = {}, .leave_step = {}};
      const bool joins = coin();
      if (joins && coin()) each.join_s = number(10);
      if (joins && !each.join_s) each.join_step = whole(1, 100);
      if (!joins || coin()) {
        if (coin()) {
          each.leave_s = 10 + number(10);
        } else {
          each.leave_step = whole(101, 1000);
        }
      }
      cluster.membership.push_back(each);
    }
    if (draws_.below(4) == 0) {
      for (std::size_t i = 0; i < cluster.servers; ++i) {
        cluster.hosts.push_back((coin() ? "node" + std::to_string(i) : "[fe80::1%eth" + std::to_string(i) + "]") +
                                ":9000");
      }
      cluster.bind = coin() ? "0.0.0.0" : "[::]";
    }
    if (coin()) cluster.start_s = 1 + number(1000);
    if (coin()) cluster.stall_s = 1 + number(1000);
    if (coin()) cluster.silence_s = 1 + number(100'000);
    return cluster;
  }

  sim::SimConfig simulation(std::size_t workers) {
    sim::SimConfig simulation;
    simulation.compute_ms = {number(100) + 1e-6};
    if (coin() && workers > 1) {
      for (std::size_t i = 1; i < workers; ++i) simulation.compute_ms.push_back(number(100) + 1e-6);
    }
    simulation.update_ms = coin() ? 0 : number(5);
    simulation.network = {.latency_ms = coin() ? 0 : number(5),
                          .bandwidth_mbps = coin() ? 0 : 0.001 + number(1000),
                          .server_bandwidth_mbps = coin() ? 0 : 0.001 + number(1000)};
    return simulation;
  }

  delay::Rule rule(std::size_t workers) {
    delay::Rule rule;
    const bool all = coin();
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
      if (all || coin()) rule.workers.emplace_back(worker);
    }
    if (rule.workers.empty()) rule.workers.emplace_back(0);
    rule.law = static_cast<delay::Law>(draws_.below(11));
    if (rule.law != delay::Law::kSlowdown && coin()) rule.on = delay::Target::kNetwork;
    switch (rule.law) {
      case delay::Law::kConstant:
      case delay::Law::kExponential:
        rule.delay_ms = number(100);
        break;
      case delay::Law::kUniform:
        rule.min_ms = coin() ? 0 : number(100);
        rule.max_ms = rule.min_ms + number(100);
        break;
      case delay::Law::kNormal:
        rule.mean_ms = number(100) * (coin() ? 1 : -1);
        rule.sd_ms = number(100);
        break;
      case delay::Law::kLognormal:
        rule.median_ms = number(100);
        rule.sigma = number(2);
        break;
      case delay::Law::kPareto:
        rule.scale_ms = number(100);
        rule.shape = number(5);
        break;
      case delay::Law::kMarkov:
        rule.enter = draws_.uniform();
        rule.leave = draws_.uniform();
        rule.delay_ms = number(100);
        break;
      case delay::Law::kPeriodic:
        rule.every_steps = whole(1, 100);
        rule.for_steps = whole(1, rule.every_steps);
        rule.phase = static_cast<delay::Phase>(whole(0, 2));
        rule.delay_ms = number(100);
        break;
      case delay::Law::kWindow:
        rule.from_s = coin() ? 0 : number(100);
        rule.to_s = rule.from_s + 1 + number(100);
        rule.delay_ms = number(100);
        break;
      case delay::Law::kSlowdown:
        rule.factor = 1 + number(10);
        break;
      case delay::Law::kTrace:
        rule.file = text();
        rule.first_step = whole(0, 1);
        rule.repeat = coin();
        break;
    }
    return rule;
  }

  lead::StopConfig stop() {
    lead::StopConfig stop;
    if (coin()) stop.epochs = number(100);
    if (coin()) stop.samples = draws_.bits() | 1;
    if (coin()) stop.updates = whole(1, 1u << 30);
    if (coin()) stop.steps_per_worker = whole(1, 1u << 30);
    if (coin()) stop.target_accuracy = number(1);
    if (coin()) stop.plateau = {.smoothing = draws_.uniform(), .below = number(0.1)};
    if (!stop.epochs) stop.time_s = number(1000);
    return stop;
  }

  lead::EvaluateConfig evaluate(bool needed) {
    lead::EvaluateConfig evaluate;
    if (coin()) evaluate.on = learn::EvaluateOn::kValidation;
    switch (draws_.below(needed ? 3 : 4)) {
      case 0:
        evaluate.every_epochs = 0.001 + number(2);
        break;
      case 1:
        evaluate.every_s = 0.001 + number(2);
        break;
      case 2:
        evaluate.every_updates = whole(1, 1000);
        break;
      default:
        break;
    }
    evaluate.target_accuracy = coin() ? 0 : draws_.uniform();
    return evaluate;
  }

  Draws draws_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(round_trip)

BOOST_AUTO_TEST_CASE(a_resolved_configuration_loads_as_the_same_and_is_written_as_the_same_text) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      const RunConfig run = Random(seed).configuration();
      const std::string text = to_yaml(run);
      const Loaded loaded = load_text(text, "resolved");
      BOOST_TEST((loaded.run == run), "not the same:\n" << text);
      BOOST_TEST(to_yaml(loaded.run) == text);
      BOOST_TEST(loaded.notices.empty());
      BOOST_TEST(to_json(loaded.run) == to_json(run));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_comparison_sees_every_value_that_is_written) {
  std::size_t changed = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const RunConfig one = Random(seed).configuration();
    const RunConfig other = Random(seed + 1).configuration();
    BOOST_TEST((one == other) == (to_yaml(one) == to_yaml(other)));
    if (to_yaml(one) != to_yaml(other)) ++changed;
  }
  BOOST_TEST(changed == 200);
}

BOOST_AUTO_TEST_CASE(as_json_every_key_stands_alone_with_the_value_that_was_given) {
  const Loaded loaded = load_text(
      "{clock: virtual, model: {kind: mlp, hidden: [8, 4]}, data: {source: \"3\"}, strategy: {name: ssp, staleness: "
      "8}, "
      "stragglers: [{workers: [1], kind: constant, delay_ms: 2.5}], stop: {updates: 3}}",
      "c.yaml");
  const auto flat = nlohmann::json::parse(to_json(loaded.run));
  BOOST_TEST(flat["strategy.name"] == "ssp");
  BOOST_TEST(flat["strategy.staleness"] == 8);
  BOOST_TEST(flat["strategy.apply"] == "on_arrival");
  BOOST_TEST(flat["model.hidden"] == nlohmann::json({8, 4}));
  BOOST_TEST(flat["data.source"] == "3");
  BOOST_TEST(flat["optimizer.schedule.kind"] == "constant");
  BOOST_TEST(flat["stragglers"][0]["delay_ms"] == 2.5);
  BOOST_TEST(flat["stop.updates"] == 3);
  for (const auto& [key, value] : flat.items()) BOOST_TEST(!value.is_object(), key);
}

BOOST_AUTO_TEST_SUITE_END()
