// Training on sparse samples, by the real binary: what pushes carry, and that nothing else depends on it.
#include "replay.h"

namespace psctl::test {
namespace {

constexpr std::size_t kFeatures = 3000;
constexpr std::uint64_t kDenseBytes = (2 * kFeatures + 2) * sizeof(float);

Told tell(const App& app, const std::vector<std::string>& arguments) {
  Process process(app.folder(), arguments);
  const int code = process.wait();
  return {code, process.out(), process.error()};
}

// An App with a sparse data set; the overrides that train a logistic model on it.
Overrides sparse_data(const App& app, const Overrides& options = {}) {
  const std::string file = app.folder() / "sparse.psctl";
  const Told told = tell(app, Overrides{"data", "synth", "sparse", "-o", file, "--quiet", "--samples", "600", "--test",
                                        "200", "--features", std::to_string(kFeatures), "--entries", "8"} +
                                  options);
  BOOST_TEST_REQUIRE(told.code == 0, told.error);
  return {"model={kind: logistic}", "data.source=" + file};
}

const Overrides kVirtual = {"clock=virtual"}, kDense = {"cluster.sparse_pushes=false"};

std::uint64_t bytes_pushed(const std::string& run) { return App::summary(run)["bytes_pushed"]; }
std::uint64_t pushes(const std::string& run) { return App::summary(run)["pushes"]; }

}  // namespace

BOOST_AUTO_TEST_CASE(both_worlds_and_any_number_of_servers_make_the_model_of_dense_pushes) {
  const App app;
  const Overrides data = sparse_data(app);
  const std::string expected = App::digest(app.train(data + kVirtual + kDense));
  for (const Overrides& variant : {kVirtual,
                                   Overrides{},
                                   {"cluster.servers=3"},
                                   kVirtual + Overrides{"cluster.servers=3"},
                                   {"cluster.threads_per_worker=2"},
                                   kDense,
                                   kDelays}) {
    BOOST_TEST_CONTEXT((variant.empty() ? "real" : variant.back())) {
      const std::string run = app.train(data + variant);
      BOOST_TEST(App::digest(run) == expected);
      const std::uint64_t dense = kDenseBytes * pushes(run);
      if (variant == kDense) {
        BOOST_TEST(bytes_pushed(run) == dense);
      } else {
        // Of 16 samples with at most 8 values each: 2 classes, 8 bytes a coordinate.
        BOOST_TEST(bytes_pushed(run) <= pushes(run) * (16 * 8 * 2 + 2) * 8);
        BOOST_TEST(bytes_pushed(run) * 10 < dense);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(both_worlds_push_the_same_bytes) {
  const App app;
  const Overrides data = sparse_data(app) + Overrides{"stop={steps_per_worker: 12}"};
  const std::string one = app.train(data + kVirtual), other = app.train(data + Overrides{"cluster.servers=2"});
  BOOST_TEST(bytes_pushed(one) > 0U);
  BOOST_TEST(bytes_pushed(one) == bytes_pushed(other));
}

BOOST_AUTO_TEST_CASE(every_strategy_of_gradients_makes_the_model_of_dense_pushes) {
  const App app;
  const Overrides data = sparse_data(app) + kVirtual + kDelays + Overrides{"stop={samples: 960}"};
  for (const sync::Entry& entry : sync::entries()) {
    if (entry.kind != sync::Traits::Kind::kGradient) continue;
    BOOST_TEST_CONTEXT(entry.name) {
      const Overrides named = data + Overrides{"strategy=" + entry.name};
      const std::string run = app.train(named);
      BOOST_TEST(App::digest(run) == App::digest(app.train(named + kDense)));
      BOOST_TEST(bytes_pushed(run) * 10 < kDenseBytes * pushes(run));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_run_with_sparse_pushes_is_replayed_to_the_bit) {
  const App app;
  const Overrides data = sparse_data(app) + kDelays + Overrides{"stop={samples: 960}"};
  for (const std::string strategy : {"asp", "bap", "{name: ssp, staleness: 1}"}) {
    check_equal(app, app.train(data + Overrides{"strategy=" + strategy, "cluster.servers=2"}));
    check_equal(app, app.train(data + Overrides{"strategy=" + strategy} + kVirtual));
  }
}

BOOST_AUTO_TEST_CASE(on_the_virtual_network_a_small_push_takes_little_time) {
  const App app;
  const Overrides slow = sparse_data(app) + kVirtual +
                         Overrides{"stop={steps_per_worker: 10}", "cluster.workers=2", "cluster.compute_ms=10",
                                   "cluster.servers=2", "cluster.network={bandwidth_mbps: 8}"};
  // 8 Mbit/s are 1,000 bytes a millisecond.
  const std::string dense = app.train(slow + kDense), sparse = app.train(slow);
  const auto push_s = [](const std::string& run) { return read_table(run + "/steps.csv").number(0, "push_s"); };
  BOOST_TEST(std::abs(push_s(dense) - static_cast<double>(kDenseBytes) / 1e6) < 1e-6);
  BOOST_TEST(push_s(sparse) > 0);
  BOOST_TEST(push_s(sparse) * 10 < push_s(dense));
  double all = 0;
  for (const auto& row : read_table(sparse + "/steps.csv").rows) all += std::stod(row.at("push_s"));
  BOOST_TEST(std::abs(all - static_cast<double>(bytes_pushed(sparse)) / 1e6) < 1e-5);
  BOOST_TEST(App::digest(dense) == App::digest(sparse));
}

BOOST_AUTO_TEST_CASE(where_every_parameter_moves_pushes_are_dense_and_a_notice_says_why) {
  const App app;
  const Overrides data = sparse_data(app) + kVirtual;
  const std::vector<std::pair<Overrides, std::string>> cases = {
      {{"optimizer.kind=momentum"}, "optimizer.kind: only sgd leaves alone what a gradient does not touch"},
      {{"optimizer.kind=adam"}, "optimizer.kind: "},
      {{"optimizer.weight_decay=0.001"}, "optimizer.weight_decay: it moves every parameter"},
      {{"optimizer.staleness={kind: dc}", "strategy=asp"}, "optimizer.staleness: dc "},
      {{"strategy=local_sgd"}, "strategy: its workers push by how much their own models moved"},
      {{"model={kind: mlp, hidden: [4]}"}, "model.kind: only logistic regression touches few parameters a step"},
  };
  for (const auto& [overrides, words] : cases) {
    BOOST_TEST_CONTEXT(overrides.front()) {
      const Told told = tell(app, app.train_arguments(data + overrides));
      BOOST_TEST(told.code == 0, told.error);
      BOOST_TEST(contains(told.error, "parameters though " + (app.folder() / "sparse.psctl") + " is sparse: " + words),
                 told.error);
    }
  }
  for (const std::string& run : app.runs()) {
    const std::uint64_t bytes = bytes_pushed(run);
    BOOST_TEST((bytes == kDenseBytes * pushes(run) || bytes == (4 * (kFeatures + 1) + 2 * 5) * 4 * pushes(run)));
  }
  const Told plain = tell(app, app.train_arguments(data));
  BOOST_TEST(!contains(plain.error, "pushes carry all"), plain.error);
}

BOOST_AUTO_TEST_CASE(a_sparse_source_trains_without_a_word_on_normalising_and_a_notice_says_how) {
  const App app;
  const Overrides data = sparse_data(app) + kVirtual;
  const Told told = tell(app, app.train_arguments(data));
  BOOST_TEST(told.code == 0, told.error);
  BOOST_TEST(contains(told.error,
                      "is sparse, and standard would fill in its zeros: its values are divided by the largest "
                      "absolute value (unit)"),
             told.error);
  BOOST_TEST(contains(read_file(app.run() + "/psctl.log"), "standard would fill in its zeros"));
  const Told given = tell(app, app.train_arguments(data + Overrides{"data.normalize=unit"}));
  BOOST_TEST(given.code == 0, given.error);
  BOOST_TEST(!contains(given.error, "zeros"), given.error);
  BOOST_TEST(App::digest(app.runs()[0]) == App::digest(app.runs()[1]));
  const Told refused = tell(app, app.train_arguments(data + Overrides{"data.normalize=standard"}));
  BOOST_TEST(refused.code == 2);
  BOOST_TEST(contains(refused.error, "data.normalize: standard would fill in the zeros"), refused.error);
}

BOOST_AUTO_TEST_CASE(an_mlp_on_more_features_than_it_can_write_out_is_refused_before_anything_is_written) {
  const App app;
  const Overrides data = sparse_data(app, {"--features", "300000"});
  const Told told = tell(app, app.train_arguments(data + Overrides{"model={kind: mlp, hidden: [4]}"}));
  BOOST_TEST(told.code == 2);
  BOOST_TEST(contains(told.error, "model.kind: only logistic computes on sparse samples as they are"), told.error);
  BOOST_TEST(app.runs().empty());
}

}  // namespace psctl::test
