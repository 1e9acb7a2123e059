// Every command about data that psctl --help, the README and the page on data sets show is run, on small files of the
// names that they speak of; and what the page says of partitions, of public sets and of a run's keys is what psctl
// knows.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <regex>
#include <string>
#include <vector>

#include "data/catalogue.h"
#include "data/idx_bytes.h"
#include "data/numpy_bytes.h"
#include "readme/pages.h"
#include "support/paths.h"

namespace psctl::test {
namespace {

constexpr std::size_t kTrain = 1200, kTest = 300;

// A folder with the shipped configurations and a file of every name that the commands read.
class Workspace {
 public:
  Workspace() {
    std::filesystem::create_directory_symlink(psctl::test::source_path("configs"), folder_ / "configs");
    std::filesystem::create_directory(folder_ / "data");
    for (const auto& [name, samples] :
         {std::pair("flowers.csv", kTrain), std::pair("train.csv", kTrain), std::pair("train-1.csv", kTrain),
          std::pair("train-2.csv", kTrain), std::pair("test.csv", kTest)}) {
      write_file(folder_ / name, flowers(samples));
    }
    write_file(folder_ / "a9a", sparse(kTrain));
    write_file(folder_ / "a9a.t", sparse(kTest));
    write_file(folder_ / "x.npy", values(kTrain));
    write_file(folder_ / "y.npy", labels(kTrain));
    write_file(folder_ / "xt.npy", values(kTest));
    write_file(folder_ / "yt.npy", labels(kTest));
    write_file(folder_ / "mnist.npz", data::test::zip({{.name = "x_train.npy", .content = values(kTrain)},
                                                       {.name = "y_train.npy", .content = labels(kTrain)},
                                                       {.name = "x_test.npy", .content = values(kTest)},
                                                       {.name = "y_test.npy", .content = labels(kTest)}}));
    write_file(folder_ / "faces.npz", data::test::zip({{.name = "faces.npy", .content = values(kTrain)},
                                                       {.name = "identity.npy", .content = labels(kTrain)}}));
    write_packed("train-images-idx3-ubyte.gz", data::test::idx({8, 2, 2}, data::test::Bytes(32, 7)));
    write_packed("train-labels-idx1-ubyte.gz", data::test::idx({8}, {0, 1, 2, 3, 0, 1, 2, 3}));
    const std::string batches = folder_ / "cifar-10-batches-bin";
    std::filesystem::create_directory(batches);
    for (const char* name :
         {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
      write_file(fmt::format("{}/{}.bin", batches, name), cifar(20));
    }
  }

  Told run(const std::string& command) const {
    // Tests never reach out to the network: of a download, what the command says is read, and no more.
    if (command.starts_with("psctl data fetch ") && !command.ends_with("--list") && !command.ends_with("--help")) {
      const std::string name = command.substr(17, command.find(' ', 17) - 17);
      BOOST_TEST(data::find_known(name) != nullptr, name);
      return run_in(folder_, command + " --help");
    }
    return run_in(folder_, command);
  }
  void check(const std::string& command) const {
    const Told told = run(command);
    BOOST_TEST(told.code == 0, command << "\n" << told.said);
  }
  std::string operator/(const std::string& name) const { return folder_ / name; }

 private:
  static std::string flowers(std::size_t samples) {
    static const std::vector<std::string> kSpecies{"setosa", "versicolor", "virginica"};
    std::string text = "length,width,species\n";
    for (std::size_t i = 0; i < samples; ++i) text += fmt::format("{},{},{}\n", i % 3 + i % 7, i % 5, kSpecies[i % 3]);
    return text;
  }
  static std::string sparse(std::size_t samples) {
    std::string text;
    for (std::size_t i = 0; i < samples; ++i) text += fmt::format("{} {}:1 9:1\n", i % 2 ? "+1" : "-1", 1 + i % 8);
    return text;
  }
  static std::string values(std::size_t samples) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < samples * 4; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 7));
    return data::test::npy("|u1", fmt::format("({}, 2, 2)", samples), data::test::elements(bytes));
  }
  static std::string labels(std::size_t samples) {
    std::vector<std::int64_t> numbers;
    for (std::size_t i = 0; i < samples; ++i) numbers.push_back(static_cast<std::int64_t>(i % 4));
    return data::test::npy("<i8", fmt::format("({},)", samples), data::test::elements(numbers));
  }
  static std::string cifar(std::size_t samples) {
    std::string bytes;
    for (std::size_t i = 0; i < samples; ++i) {
      bytes += static_cast<char>(i % 10);
      bytes += std::string(3072, static_cast<char>(i));
    }
    return bytes;
  }
  void write_packed(const std::string& name, const data::test::Bytes& bytes) const {
    const data::test::Bytes packed = data::test::gzip(bytes);
    write_file(folder_ / name, std::string(packed.begin(), packed.end()));
  }

  TemporaryFolder folder_;
};

// The lines below "Examples:".
std::vector<std::string> examples_of(const std::string& help) {
  std::vector<std::string> found;
  std::istringstream lines(help.substr(std::min(help.find("\nExamples:\n"), help.size())));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  psctl ")) found.push_back(line.substr(2));
  }
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_page)

BOOST_AUTO_TEST_CASE(every_command_of_the_page_on_data_ends_well) {
  const Workspace workspace;
  const std::vector<std::string> commands = commands_of(page("data/README.md"));
  for (const std::string& command : commands) {
    BOOST_TEST_REQUIRE(command.starts_with("psctl "), command);
    workspace.check(command);
  }
  BOOST_TEST(commands.size() >= 20U);
}

BOOST_AUTO_TEST_CASE(every_command_about_data_of_the_readme_ends_well) {
  const Workspace workspace;
  int run = 0;
  for (const std::string& command : commands_of(page("README.md"))) {
    if (command.find(" data/") == std::string::npos && command.find("=data/") == std::string::npos) continue;
    ++run;
    workspace.check(command);
  }
  BOOST_TEST(run >= 3);
}

BOOST_AUTO_TEST_CASE(every_example_of_the_help_on_data_ends_well) {
  const Workspace workspace;
  int run = 0;
  // In this order: what one makes, another inspects.
  for (const char* verb : {"fetch", "import", "synth", "", "list", "inspect"}) {
    const Told help = workspace.run(fmt::format("psctl data {} --help", verb));
    BOOST_TEST_REQUIRE(help.code == 0, help.said);
    const std::vector<std::string> examples = examples_of(help.said);
    BOOST_TEST(!examples.empty(), verb);
    for (const std::string& command : examples) {
      ++run;
      workspace.check(command);
    }
  }
  BOOST_TEST(run >= 20);
}

BOOST_AUTO_TEST_CASE(every_partition_of_the_page_can_be_inspected) {
  const Workspace workspace;
  const std::string text = page("data/README.md");
  const std::regex row("\n\\| `(\\{kind: [^`]*\\})` \\|");
  int rows = 0;
  for (std::sregex_iterator match(text.begin(), text.end(), row), end; match != end; ++match) {
    ++rows;
    workspace.check(
        fmt::format("psctl data inspect --partition --config configs/logistic.yaml cluster.workers=3 "
                    "'data.partition={}'",
                    (*match)[1].str()));
  }
  BOOST_TEST(rows == 5);
}

BOOST_AUTO_TEST_CASE(the_keys_that_the_page_shows_make_a_run) {
  const Workspace workspace;
  const std::string text = page("data/README.md");
  const std::size_t begin = text.find("```yaml\n") + 8;
  const std::string keys = text.substr(begin, text.find("```", begin) - begin);
  const std::string rest =
      "name: shown\nseed: 1\nmodel: {kind: logistic}\noptimizer: {kind: sgd, learning_rate: 0.1}\n"
      "strategy: bsp\ncluster: {workers: 2}\nstop: {updates: 3}\n";
  write_file(workspace / "shown.yaml", keys + rest);
  workspace.check("psctl config check --config shown.yaml");
  workspace.check("psctl train --config shown.yaml ~data.augment");
  const Told refused = workspace.run("psctl train --config shown.yaml");
  BOOST_TEST(refused.code != 0);
  BOOST_TEST(refused.said.find("data.augment") != std::string::npos, refused.said);
}

BOOST_AUTO_TEST_CASE(the_page_tells_the_size_of_every_public_set_as_psctl_knows_it) {
  const std::string text = page("data/README.md");
  const auto thousands = [](std::size_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
    return digits;
  };
  for (const data::KnownSet& set : data::catalogue()) {
    const std::string row = set.test > 0 ? fmt::format("\n| `{}` | {} + {}, {} classes |", set.name,
                                                       thousands(set.train), thousands(set.test), set.classes)
                                         : fmt::format("\n| `{}` | {}, no test part; {} classes |", set.name,
                                                       thousands(set.train), set.classes);
    BOOST_TEST(text.find(row) != std::string::npos, row);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace psctl::test
