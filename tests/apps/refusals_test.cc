// Wrong requests: exit code 2 and a message that says what to do, before any process or folder is made. And what the
// verbs that only tell say.
#include "app.h"

namespace psctl::test {
namespace {

struct Told {
  int code = -1;
  std::string out, error;
};

Told tell(const App& app, const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {}) {
  Process process(app.folder(), arguments, environment);
  const int code = process.wait();
  return {code, process.out(), process.error()};
}

void check_refused(const App& app, const std::vector<std::string>& arguments, const std::string& message) {
  BOOST_TEST_CONTEXT(arguments.back()) {
    const Told told = tell(app, arguments);
    BOOST_TEST(told.code == 2);
    BOOST_TEST(told.error == "psctl: error: " + message + "\n");
    BOOST_TEST(told.out == "");
    BOOST_TEST(app.runs().empty());
    BOOST_TEST(processes_with({app.out()}).empty());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(wrong_command_lines_are_refused) {
  const App app;
  const std::string missing = app.folder() / "missing.yaml";
  check_refused(app, {"trian"}, "there is no verb trian (did you mean train?); psctl --help lists them");
  check_refused(app, {"train", "--out", app.out()},
                "psctl train: --config is missing; psctl train --help tells what it is");
  check_refused(app, {"train", "--out", app.out(), "--config", missing}, missing + ": there is no such file");
  check_refused(app, app.train_arguments({"--fast"}),
                "psctl train: Option ‘fast’ does not exist; psctl train --help tells what there is");
  check_refused(
      app, app.train_arguments({"fast"}),
      "override 'fast': this is no override; KEY=VALUE changes a key, +KEY=VALUE adds to a list, ~KEY removes "
      "a key");
  check_refused(app, {"server", "--config", app.config(), "--listen", "unix:x", "now"},
                "psctl server: 'now' is one word too many; psctl server --help tells what there is");
}

BOOST_AUTO_TEST_CASE(more_servers_than_blocks_of_parameters_are_refused_in_a_real_run) {
  const App app;
  check_refused(
      app, app.train_arguments({"model={kind: logistic}", "cluster.servers=18"}),
      "cluster.servers: 18 servers cannot share 260 parameters, which are cut into blocks of 16; use at most 17");
}

BOOST_AUTO_TEST_CASE(wrong_configurations_are_refused) {
  const App app;
  const auto refused = [&](const std::string& override, const std::string& message) {
    check_refused(app, app.train_arguments({override}), "override '" + override + "': " + message);
  };
  refused(
      "optimizer.learning_rat=1",
      "unknown key 'optimizer.learning_rat'; did you mean optimizer.learning_rate? known here: kind, learning_rate, "
      "weight_decay, schedule and staleness");
  refused("optimizer.learning_rate=-1",
          "optimizer.learning_rate: '-1' is out of range; allowed: above 0, at most 1000000");
  refused("model.kind=none", "model.kind: none is timing only and has no real run; use clock: virtual, or a model");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_together_is_refused) {
  const App app;
  check_refused(app, app.train_arguments({"data.batch_size=201"}),
                "data.batch_size: worker 0's partition holds 200 samples, less than one batch of 201 (so do 3 of 3 "
                "workers); take a smaller batch, fewer workers or more data");
  check_refused(app, app.train_arguments({"model={kind: cnn, conv: [{filters: 3, kernel: 9}]}"}),
                "model.conv[0]: its kernel of 9 does not fit its input of 8 x 8 with padding 0; choose a kernel of at "
                "most 8, or more padding");
  check_refused(app, app.train_arguments({"model.hidden=[700000, 900]"}),
                "a server's range of the model has 2702018016 bytes, a message holds 2147483647 at most: raise "
                "cluster.servers to 2 or more, so that each holds a smaller range");
}

BOOST_AUTO_TEST_CASE(missing_and_damaged_data_are_refused) {
  const App app;
  const auto refused = [&](const std::string& part) {
    const Told told = tell(app, app.train_arguments({}));
    BOOST_TEST(told.code == 2);
    BOOST_TEST(contains(told.error, part), told.error);
    BOOST_TEST(app.runs().empty());
  };
  const std::string images = app.folder() / "data/train-images-idx3-ubyte";
  const std::string content = read_file(images);
  write_file(images, content.substr(0, 5000));
  refused("train-images-idx3-ubyte: byte ");
  write_file(images, "PNG" + content.substr(3));
  refused("train-images-idx3-ubyte: byte 0");
  std::filesystem::remove(images);
  refused("train-images-idx3-ubyte");
  check_refused(app, app.train_arguments({"data.source=fashin-mnist"}),
                "data.source: 'fashin-mnist' is neither a known data set (mnist, fashion-mnist, cifar-10, a9a, rcv1 "
                "and covtype) nor a file or folder (did you mean "
                "'fashion-mnist'?); a data folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, "
                "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or with .gz");
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_made_is_refused) {
  const App app;
  check_refused(app, {"train", "--config", app.config(), "--quiet", "--out", app.config()},
                "cannot make the folder " + app.config() + ": Not a directory; name a place that you may write to");
  BOOST_TEST(tell(app, {"train", "--config", app.config(), "--out", "/proc/psctl"}).code == 2);
}

BOOST_AUTO_TEST_CASE(a_role_with_wrong_numbers_is_refused) {
  const App app;
  const auto worker = [&](const std::string& number) -> std::vector<std::string> {
    return {"worker", "--config", app.config(), "--server", "unix:nobody", "--worker", number};
  };
  check_refused(app, worker("3"), "worker 3: there is no worker 3, there are 3");
  check_refused(app, worker("one"),
                "psctl worker: Argument ‘one’ failed to parse; psctl worker --help tells what "
                "there is");
  check_refused(app, worker("-1"),
                "psctl worker: Argument ‘-1’ failed to parse; psctl worker --help tells what there "
                "is");
  check_refused(app, {"worker", "--config", app.config(), "--worker", "1"},
                "worker 1: the configuration has 1 servers, the command line names 0");
  check_refused(app, {"worker", "--config", app.config(), "--server", "unix:nobody"},
                "psctl worker: --worker is missing; psctl worker --help tells what it is");
  check_refused(app, {"server", "--config", app.config(), "--listen", "unix:x", "--rank", "1"},
                "server 1: there is no server 1, there are 1");
  check_refused(app, {"evaluator", "--config", app.config()},
                "the evaluation process: the configuration has 1 servers, the command line names 0");
}

BOOST_AUTO_TEST_CASE(every_verb_explains_itself) {
  const App app;
  for (const char* verb : {"train", "config", "strategies", "server", "worker", "evaluator"}) {
    const Told told = tell(app, {verb, "--help"});
    BOOST_TEST(told.code == 0);
    BOOST_TEST(contains(told.out, fmt::format("psctl {}", verb)));
    BOOST_TEST(contains(told.out, "Examples:"));
    BOOST_TEST(told.error == "");
  }
  const Told help = tell(app, {"--help"});
  BOOST_TEST(help.code == 0);
  BOOST_TEST(contains(help.out, "Usage: psctl VERB"));
  BOOST_TEST(tell(app, {}).code == 2);
  const Told version = tell(app, {"--version"});
  BOOST_TEST(version.code == 0);
  BOOST_TEST(version.out.starts_with("psctl "));
}

BOOST_AUTO_TEST_CASE(a_configuration_is_shown_checked_and_explained) {
  const App app;
  const Told check = tell(app, {"config", "check", "--config", app.config()});
  BOOST_TEST(check.code == 0);
  BOOST_TEST(check.out == app.config() + " is right\n");
  BOOST_TEST(tell(app, {"config", "check", "--config", app.config(), "seed=x"}).code == 2);

  const Told shown = tell(app, {"config", "show", "--config", app.config(), "strategy={name: ssp, staleness: 7}"});
  BOOST_TEST(shown.code == 0);
  BOOST_TEST(contains(shown.out, "staleness: 7"));
  write_file(app.folder() / "shown.yaml", shown.out);
  const Told again = tell(app, {"config", "show", "--config", app.folder() / "shown.yaml"});
  BOOST_TEST(again.out == shown.out);

  const Told schema = tell(app, {"config", "schema"});
  BOOST_TEST(schema.code == 0);
  BOOST_TEST(contains(schema.out, "cluster.threads_per_worker"));
  BOOST_TEST(nlohmann::json::accept(tell(app, {"config", "schema", "--json"}).out));
  BOOST_TEST(tell(app, {"config", "shew"}).code == 2);
}

BOOST_AUTO_TEST_CASE(the_strategies_are_listed_and_explained) {
  const App app;
  const Told all = tell(app, {"strategies"});
  BOOST_TEST(all.code == 0);
  BOOST_TEST(contains(all.out, "\nasp           nobody waits, every push is an update at once\n"));
  for (const char* name : {"bsp", "asp", "ssp"}) {
    BOOST_TEST(contains(all.out, name));
    const Told one = tell(app, {"strategies", name});
    BOOST_TEST(one.code == 0);
    BOOST_TEST(contains(one.out, "source"));
  }
  BOOST_TEST(contains(tell(app, {"strategies", "ssp"}).out, "staleness"));
  check_refused(app, {"strategies", "xsp"},
                "there is no strategy xsp (did you mean bsp?); psctl strategies lists them");
}

}  // namespace psctl::test
