// Any text whatever gives a configuration or a ConfigError, in little time and memory.
#include <boost/test/unit_test.hpp>
#include <string>

#include "base/random.h"
#include "config/support.h"

using namespace psctl;
using namespace psctl::config;

namespace {

const std::string kGood =
    "# A configuration with a bit of everything.\n"
    "name: \"quick start\"\n"
    "seed: 18446744073709551615\n"
    "clock: virtual\n"
    "model: &model {kind: cnn, conv: [{filters: 6, kernel: 5, padding: 2, pool: 2}], hidden: [120, 84]}\n"
    "data:\n"
    "  source: fashion-mnist\n"
    "  batch_size: 64\n"
    "  partition: {kind: iid}\n"
    "optimizer: {kind: adam, learning_rate: 1e-3, schedule: {kind: cosine, epochs: 30}, staleness: {kind: inverse}}\n"
    "strategy: {name: ssp, staleness: 3}\n"
    "cluster:\n"
    "  workers: 4\n"
    "  compute_ms: [20, 20.5, 20, 2e1]\n"
    "  network: {latency_ms: .5, bandwidth_mbps: 100}\n"
    "  membership:\n"
    "    - {worker: 3, join_s: 5, leave_s: 20}\n"
    "stragglers:\n"
    "  - &rule {workers: [1, 3], kind: constant, delay_ms: 50, on: compute}\n"
    "  - *rule\n"
    "  - {workers: all, kind: 'pareto', scale_ms: 3}\n"
    "stop: {epochs: 5, plateau: {smoothing: 0.9}}\n"
    "evaluate: {every_epochs: 0.25}\n"
    "trace: {steps: true, timeline: false}\n";

std::string repeated(const std::string& part, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += part;
  return text;
}

void loads_or_is_refused(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    const Loaded loaded = load_text(text, "c.yaml", overrides);
    BOOST_TEST(to_yaml(load_text(to_yaml(loaded.run), "resolved").run) == to_yaml(loaded.run));
  } catch (const ConfigError& error) {
    BOOST_TEST(!error.faults().empty());
  }
}

std::string mutated(std::string text, Draws& draws) {
  static const std::vector<std::string> kPieces = {
      "[",  "]",       "{",      "}",   ":",    ": ",    ",",     "-",     "- ",   "?",        "&a",
      "*a", "!",       "!!",     "|",   ">",    "\n",    "\n  ",  "\r",    "\r\n", "\t",       "\"",
      "'",  "\\",      "#",      " #",  "%",    "---\n", "...\n", "~",     "null", "true",     "1e999",
      "-1", "0",       "nan",    "all", "kind", "none",  "<<",    "\x00x", "\xff", "\xc3\xa9", "\xef\xbb\xbf",
      "=",  "workers", "- - - ", "{a: "};
  for (std::uint64_t change = 1 + draws.below(4); change > 0; --change) {
    const std::size_t at = draws.below(text.size() + 1);
    const std::size_t length = std::min<std::size_t>(draws.below(12), text.size() - at);
    switch (draws.below(6)) {
      case 0:
        text.insert(at, kPieces[draws.below(kPieces.size())]);
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(draws.below(text.size() + 1), text.substr(at, length * 4));
        break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(draws.below(256));
        break;
      case 4:
        text.replace(at, length, kPieces[draws.below(kPieces.size())]);
        break;
      default: {  // a whole line to another place
        const std::size_t begin = text.rfind('\n', at) == std::string::npos ? 0 : text.rfind('\n', at) + 1;
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string line = text.substr(begin, end - begin) + "\n";
        text.insert(draws.below(text.size() + 1), line);
      }
    }
  }
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hostile)

BOOST_AUTO_TEST_CASE(what_the_mutations_begin_from_is_good_but_for_its_name) {
  BOOST_TEST(faults_of(kGood).size() == 1);
  BOOST_TEST(faults_of(kGood, {"name=quickstart"}).empty());
}

BOOST_AUTO_TEST_CASE(random_changes_of_a_good_file_give_a_configuration_or_its_faults) {
  std::size_t good = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      Draws draws({.seed = seed, .purpose = Purpose::kTest});
      const std::string text = mutated(kGood, draws);
      loads_or_is_refused(text, {"name=quickstart"});
      good += faults_of(text, {"name=quickstart"}).empty() ? 1 : 0;
    }
  }
  BOOST_TEST(good > 50);
  BOOST_TEST(good < 2000);
}

BOOST_AUTO_TEST_CASE(random_overrides_give_a_configuration_or_their_faults) {
  const std::vector<std::string> whole = {"stragglers.0.delay_ms=5", "+stragglers={workers: all, kind: trace, file: x}",
                                          "~stop.plateau", "strategy={name: ssp, staleness: 8}", "model.kind=none"};
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      Draws draws({.seed = seed, .purpose = Purpose::kTest});
      loads_or_is_refused(kGood, {"name=x", mutated(whole[draws.below(whole.size())], draws),
                                  mutated(whole[draws.below(whole.size())], draws)});
    }
  }
}

BOOST_AUTO_TEST_CASE(pieces_of_yaml_in_any_order_give_a_configuration_or_its_faults) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      Draws draws({.seed = seed, .purpose = Purpose::kTest, .worker = 1});
      std::string text;
      for (std::uint64_t i = draws.below(10); i > 0; --i) text = mutated(text, draws);
      loads_or_is_refused(text);
    }
  }
}

BOOST_AUTO_TEST_CASE(depth_does_not_reach_the_stack) {
  for (const char* part : {"[", "{", "{a: ", "- ", "? ", "a:\n ", ": ", "- - ", "[{", "&a [", "!x ["}) {
    BOOST_TEST_CONTEXT(part) { BOOST_TEST(!faults_of(repeated(part, 1'000'000)).empty()); }
  }
  std::string stairs;
  for (std::size_t i = 0; i < 1000; ++i) stairs += std::string(i, ' ') + "a:\n";
  BOOST_TEST(faults_of(stairs) == std::vector<std::string>{"c.yaml:33:33: nested more than 32 levels deep"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(aliases_cannot_make_a_small_file_large) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) laughs += (k > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    laughs += "]\n";
  }
  BOOST_TEST(faults_of(laughs).back().ends_with("more than 600000 values once its aliases are written out"));

  std::string long_text = "a: &a \"" + std::string(500'000, 'x') + "\"\nb: [";
  for (int i = 0; i < 1000; ++i) long_text += "*a, ";
  BOOST_TEST(faults_of(long_text + "*a]\n").back().ends_with("values once its aliases are written out"));

  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 100; ++i) {
    chain += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  }
  BOOST_TEST(faults_of(chain).back().ends_with("nested more than 32 levels deep"));
}

BOOST_AUTO_TEST_CASE(a_text_beyond_one_mebibyte_is_refused) {
  const std::string text = kGood + repeated("#", 1 << 20);
  BOOST_TEST(faults_of(text) == std::vector<std::string>{"c.yaml: larger than 1 MiB: this is no configuration"},
             boost::test_tools::per_element());
  BOOST_TEST(faults_of(kGood + repeated("#", 1'000'000), {"name=x"}).empty());
}

BOOST_AUTO_TEST_CASE(the_largest_cluster_loads) {
  std::string numbers = "[1";
  for (int i = 1; i < 65536; ++i) numbers += ", " + std::to_string(i % 977 + 1);
  const std::string text =
      "model: {kind: none}\nclock: virtual\nstop: {updates: 1}\n"
      "cluster: {workers: 65536, compute_ms: " +
      numbers + "]}\nstragglers:\n  - {workers: all, kind: constant, delay_ms: 1}\n";
  const Loaded loaded = load_text(text, "c.yaml");
  BOOST_TEST(loaded.run.simulation.compute_ms.size() == 65536);
  BOOST_TEST(loaded.run.stragglers.at(0).workers.size() == 65536);
  BOOST_TEST((load_text(to_yaml(loaded.run), "resolved").run == loaded.run));
}

BOOST_AUTO_TEST_CASE(what_would_not_load_again_is_refused) {
  std::string rules;
  for (int i = 0; i < 200; ++i) rules += i == 0 ? "  - &r {workers: &w [" : "  - *r\n";
  std::string workers = "0";
  for (int i = 1; i < 2000; ++i) workers += "," + std::to_string(i);
  rules.replace(rules.find("&w [") + 4, 0, workers + "], kind: constant, delay_ms: 1}\n");
  BOOST_TEST(faults_of("model: {kind: none}\nclock: virtual\nstop: {updates: 1}\ncluster: {workers: 3000}\n"
                       "stragglers:\n" +
                       rules) == std::vector<std::string>{"c.yaml: larger than 1 MiB once it is resolved"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
