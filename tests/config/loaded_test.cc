// What a sound configuration says: its values, its defaults and what follows from several keys together.
#include <boost/test/unit_test.hpp>
#include <string>

#include "config/support.h"
#include "support/paths.h"

using namespace psctl;
using namespace psctl::config;

namespace {

const std::string kSound = "model: {kind: mlp}\ndata: {source: fashion-mnist}\nstop: {epochs: 1}\n";
const std::string kTimingOnly = "model: {kind: none}\nclock: virtual\nstop: {updates: 1}\n";

RunConfig load(const std::string& text) { return load_text(text, "c.yaml").run; }

}  // namespace

BOOST_AUTO_TEST_SUITE(loaded)

BOOST_AUTO_TEST_CASE(every_key_but_three_has_its_default) {
  RunConfig expected;
  expected.model.kind = learn::ModelKind::kMlp;
  expected.model.hidden = {256, 128};
  expected.data.source = {"fashion-mnist"};
  expected.data.batch_size = 64;
  expected.optimizer.learning_rate = 0.1;
  expected.strategy.name = "bsp";
  expected.cluster.workers = 4;
  expected.cluster.servers = 1;
  expected.simulation.compute_ms = {20};
  expected.stop.epochs = 1;
  expected.evaluate.every_epochs = 0.25;
  const RunConfig run = load(kSound);
  BOOST_TEST((run == expected), to_yaml(run));
  BOOST_TEST((load("model: {kind: mlp}\ndata: {source: fashion-mnist}\nstop: {epochs: 1}\ncluster: {}\noptimizer: {}\n"
                   "evaluate: {}\ntrace: {}\ncheckpoint: {}\nstragglers: []\nstrategy: {}\n") == expected));
}

BOOST_AUTO_TEST_CASE(every_kind_of_partition_has_its_defaults) {
  using data::PartitionConfig;
  using data::PartitionKind;
  using data::SizeLaw;
  const auto loaded = [](const std::string& partition) {
    return load(
               "model: {kind: mlp}\nstop: {epochs: 1}\ncluster: {workers: 3}\n"
               "data: {source: x, partition: {" +
               partition + "}}\n")
        .data.partition;
  };
  BOOST_TEST((loaded("") == PartitionConfig{}));
  BOOST_TEST((loaded("kind: iid") == PartitionConfig{}));
  BOOST_TEST((loaded("kind: by_label") == PartitionConfig{.kind = PartitionKind::kByLabel, .shards = 2}));
  BOOST_TEST((loaded("kind: dirichlet") == PartitionConfig{.kind = PartitionKind::kDirichlet, .alpha = 0.5}));
  BOOST_TEST((loaded("kind: quantity") == PartitionConfig{.kind = PartitionKind::kQuantity, .law = SizeLaw::kEqual}));
  BOOST_TEST((loaded("kind: quantity, law: power") ==
              PartitionConfig{.kind = PartitionKind::kQuantity, .law = SizeLaw::kPower, .exponent = 1.0}));
  BOOST_TEST((loaded("kind: quantity, sizes: [1, 2, 0.5]") ==
              PartitionConfig{.kind = PartitionKind::kQuantity, .sizes = std::vector<double>{1, 2, 0.5}}));
}

BOOST_AUTO_TEST_CASE(every_parameter_of_every_strategy_has_the_default_of_the_registry) {
  for (const sync::Entry& entry : sync::entries()) {
    const sync::StrategyConfig expected{entry.name, sync::defaults(entry)};
    BOOST_TEST((load(kSound + "strategy: " + entry.name + "\n").strategy == expected), entry.name);
    BOOST_TEST((load(kSound + "strategy: {name: " + entry.name + "}\n").strategy == expected), entry.name);
  }
}

BOOST_AUTO_TEST_CASE(the_example_of_the_documentation_means_what_it_says) {
  const RunConfig run = load(
      "name: quickstart\n"
      "seed: 1\n"
      "clock: real\n"
      "model:  {kind: mlp, hidden: [256, 128]}\n"
      "data:\n"
      "  source: fashion-mnist\n"
      "  batch_size: 64\n"
      "  train_limit: 0\n"
      "  validation: 0\n"
      "  normalize: standard\n"
      "  partition: {kind: iid}\n"
      "optimizer: {kind: sgd, learning_rate: 0.1, weight_decay: 0, schedule: {kind: constant, warmup_epochs: 0}, "
      "staleness: {kind: none}}\n"
      "strategy:  {name: ssp, staleness: 3}\n"
      "cluster:\n"
      "  workers: 4\n"
      "  servers: 1\n"
      "  threads_per_worker: 1\n"
      "  compute_ms: [20, 20, 20, 20]\n"
      "  update_ms: 0\n"
      "  network: {latency_ms: 0, bandwidth_mbps: 0, server_bandwidth_mbps: 0}\n"
      "  membership: []\n"
      "stragglers:\n"
      "  - {workers: [1, 3], kind: constant, delay_ms: 50, on: compute}\n"
      "stop:   {epochs: 5}\n"
      "evaluate: {every_epochs: 0.25, target_accuracy: 0}\n"
      "trace: {steps: true, decisions: true}\n"
      "checkpoint: {every_updates: 0}\n");
  BOOST_TEST(run.strategy.parameters.integer("staleness") == 3);
  BOOST_TEST(run.simulation.compute_ms.size() == 4);
  BOOST_TEST(run.stragglers.at(0).workers.size() == 2);
  BOOST_TEST(run.stragglers.at(0).delay_ms == 50);
  BOOST_TEST(*run.evaluate.every_epochs == 0.25);
}

BOOST_AUTO_TEST_CASE(the_files_of_configs_load) {
  const RunConfig quickstart = load_file(psctl::test::source_path("configs/quickstart.yaml")).run;
  BOOST_TEST((quickstart.clock == Clock::kReal));
  const RunConfig vectors = load_file(psctl::test::source_path("configs/vectors.yaml")).run;
  BOOST_TEST(vectors.simulation.compute_ms == (std::vector<double>{2000, 3000, 7000}),
             boost::test_tools::per_element());
  BOOST_TEST(*vectors.stop.time_s == 21);
}

BOOST_AUTO_TEST_CASE(numbers_are_taken_to_the_last_bit) {
  const RunConfig run = load(kSound +
                             "seed: 18446744073709551615\n"
                             "optimizer: {learning_rate: 0.1000000000000000055511151231257827, weight_decay: -0.0}\n"
                             "cluster: {update_ms: 1e-3, network: {latency_ms: .5, bandwidth_mbps: 5.}}\n");
  BOOST_TEST(run.seed == 18446744073709551615U);
  BOOST_TEST(run.optimizer.learning_rate == 0.1);
  BOOST_TEST(!std::signbit(run.optimizer.weight_decay));
  BOOST_TEST(run.simulation.update_ms == 0.001);
  BOOST_TEST(run.simulation.network.latency_ms == 0.5);
  BOOST_TEST(run.simulation.network.bandwidth_mbps == 5);
}

BOOST_AUTO_TEST_CASE(a_zero_turns_the_evaluations_during_the_run_off_whatever_their_period) {
  for (const char* key : {"every_epochs", "every_s", "every_updates"}) {
    const RunConfig run = load(kSound + "evaluate: {" + key + ": 0}\n");
    BOOST_TEST((run.evaluate == lead::EvaluateConfig{}));
    BOOST_TEST(to_yaml(run).find("every_epochs: 0\n") != std::string::npos);
  }
  BOOST_TEST(*load(kSound + "evaluate: {target_accuracy: 0.8}\n").evaluate.every_epochs == 0.25);
  BOOST_TEST(!load(kSound + "evaluate: {every_s: 3}\n").evaluate.every_epochs.has_value());
}

BOOST_AUTO_TEST_CASE(timing_only_needs_no_data_and_leaves_out_what_has_no_effect) {
  const RunConfig run = load(kTimingOnly +
                             "data: {source: x, batch_size: 32, train_limit: 5}\n"
                             "optimizer: {kind: adam}\n"
                             "evaluate: {every_s: 3}\n");
  BOOST_TEST((run.optimizer == learn::OptimizerConfig{}));
  BOOST_TEST((run.evaluate == lead::EvaluateConfig{}));
  BOOST_TEST(run.data.source.empty());
  BOOST_TEST(run.data.train_limit == 0);
  BOOST_TEST(run.data.batch_size == 32);
  const std::string text = to_yaml(run);
  BOOST_TEST(text.find("data:\n  batch_size: 32\n") != std::string::npos);
  BOOST_TEST(text.find("optimizer") == std::string::npos);
  BOOST_TEST(text.find("evaluate") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(one_file_serves_both_worlds) {
  const std::string both = kSound + "cluster: {compute_ms: 7, update_ms: 2, network: {latency_ms: 1}}\n";
  RunConfig real = load(both);
  const RunConfig imagined = load(both + "clock: virtual\n");
  real.clock = Clock::kVirtual;
  BOOST_TEST((real == imagined));
}

BOOST_AUTO_TEST_CASE(all_workers_of_a_rule_are_those_of_the_cluster_wherever_it_stands) {
  const RunConfig run = load(kSound +
                             "stragglers:\n  - {workers: all, kind: constant, delay_ms: 1}\n"
                             "cluster: {workers: 3}\n");
  BOOST_TEST(run.stragglers.at(0).workers.size() == 3);
  BOOST_TEST(run.stragglers.at(0).workers.at(2).value == 2);
}

BOOST_AUTO_TEST_CASE(yaml_may_be_written_in_any_of_its_styles) {
  const RunConfig plain = load(kSound + "cluster: {workers: 2, compute_ms: [1, 2]}\nname: a\n");
  const RunConfig other = load(
      "%YAML 1.2\n---\n"
      "# blocks, quotes, anchors and line ends of another system\r\n"
      "'name': \"a\"\r\n"
      "model:\r\n"
      "  kind: 'mlp'\r\n"
      "data:\r\n    source: fashion-mnist\r\n"
      "stop:\r\n  epochs: &one 1\r\n"
      "cluster:\r\n  workers: 2\r\n  compute_ms:\r\n  - *one\r\n  - 2\r\n"
      "...\r\n");
  BOOST_TEST((plain == other));
}

BOOST_AUTO_TEST_SUITE_END()
