#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "config/support.h"
#include "support/paths.h"

using namespace psctl;
using namespace psctl::config;

namespace {

std::vector<nlohmann::json> keys() {
  const auto schema = nlohmann::json::parse(schema_json());
  return schema.at("keys").get<std::vector<nlohmann::json>>();
}

const nlohmann::json& key_of(const std::vector<nlohmann::json>& all, const std::string& path,
                             const std::string& kind = "") {
  for (const auto& key : all) {
    if (key.at("key") != path) continue;
    if (kind.empty()) return key;
    for (const auto& [where, kinds] : key.at("only_with").items()) {
      if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) return key;
    }
  }
  BOOST_FAIL("no key " + path);
  return all.front();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(schema)

BOOST_AUTO_TEST_CASE(every_key_has_a_type_a_meaning_and_a_line_in_the_table) {
  const std::string table = schema_text();
  for (const auto& key : keys()) {
    const std::string path = key.at("key");
    BOOST_TEST_CONTEXT(path) {
      BOOST_TEST(!key.at("type").get<std::string>().empty());
      BOOST_TEST(!key.at("meaning").get<std::string>().empty());
      BOOST_TEST(table.find("\n" + path + " ") != std::string::npos);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_key_that_is_written_is_in_the_schema) {
  std::set<std::string> known;
  for (const auto& key : keys()) {
    const std::string path = key.at("key");
    for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) {
      known.insert(path.substr(0, dot));
    }
    known.insert(path);
  }
  const std::string text = to_yaml(load_file(psctl::test::source_path("configs/quickstart.yaml")).run);
  std::string section;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    if (line.starts_with("  - ")) continue;
    const bool below = line.starts_with("  ");
    const std::string word = line.substr(below ? 2 : 0, line.find(':') - (below ? 2 : 0));
    if (!below) section = word;
    const std::string path = below ? section + "." + word : word;
    BOOST_TEST(known.contains(path), path);
  }
}

BOOST_AUTO_TEST_CASE(every_default_in_the_schema_can_be_given_and_changes_nothing) {
  const std::string sound = "model: {kind: mlp}\ndata: {source: x}\nstop: {epochs: 1}\n";
  std::size_t given = 0;
  for (const auto& key : keys()) {
    const std::string path = key.at("key");
    if (key.at("default").is_null() || path.find(".N.") != std::string::npos) continue;
    std::vector<std::string> overrides;
    if (key.contains("only_with")) {
      const auto only_with = key.at("only_with").begin();
      const std::string& where = only_with.key();
      overrides.push_back(where + "=" + only_with.value().at(0).get<std::string>());
      if (overrides.back() == "model.kind=none") {
        overrides.insert(overrides.end(), {"clock=virtual", "stop={updates: 1}"});
      }
      if (where == "optimizer.schedule.kind") overrides.emplace_back("optimizer.schedule.factor=0.5");
    }
    if (path.starts_with("stop.plateau.")) overrides.emplace_back("stop.plateau={}");
    const RunConfig before = load_text(sound, "c.yaml", overrides).run;
    overrides.push_back(path + "=" + key.at("default").dump());
    BOOST_TEST_CONTEXT(overrides.back()) {
      BOOST_TEST(faults_of(sound, overrides).empty());
      BOOST_TEST((load_text(sound, "c.yaml", overrides).run == before));
    }
    ++given;
  }
  BOOST_TEST(given > 30);
}

BOOST_AUTO_TEST_CASE(it_tells_ranges_choices_defaults_and_kinds) {
  const auto all = keys();
  const auto& workers = key_of(all, "cluster.workers");
  BOOST_TEST(workers.at("type") == "integer");
  BOOST_TEST(workers.at("default") == 4);
  BOOST_TEST(workers.at("minimum") == 1);
  BOOST_TEST(workers.at("maximum") == 65536);
  BOOST_TEST(key_of(all, "seed").at("default") == 1);
  BOOST_TEST(key_of(all, "cluster.compute_ms").at("default") == 20);
  BOOST_TEST(key_of(all, "optimizer.learning_rate").at("exclusive_minimum") == 0);
  BOOST_TEST(key_of(all, "optimizer.momentum").at("exclusive_maximum") == 1);
  BOOST_TEST(key_of(all, "optimizer.momentum").at("only_with") ==
             nlohmann::json({{"optimizer.kind", {"momentum", "nesterov"}}}));
  BOOST_TEST(key_of(all, "clock").at("choices") == nlohmann::json({"real", "virtual"}));
  BOOST_TEST(key_of(all, "model.kind").at("required") == true);
  BOOST_TEST(key_of(all, "model.kind").at("default").is_null());
  BOOST_TEST(key_of(all, "model.hidden", "mlp").at("default") == nlohmann::json({256, 128}));
  BOOST_TEST(key_of(all, "model.hidden", "cnn").at("default") == nlohmann::json({120, 84}));
  BOOST_TEST(key_of(all, "trace.timeline").at("default") == false);
  BOOST_TEST(key_of(all, "stop.epochs").at("default").is_null());
}

BOOST_AUTO_TEST_CASE(it_has_every_parameter_of_every_strategy) {
  const auto all = keys();
  for (const sync::Entry& entry : sync::entries()) {
    for (const sync::Parameter& parameter : entry.parameters) {
      BOOST_TEST_CONTEXT(entry.name << "." << parameter.name) {
        const auto& key = key_of(all, "strategy." + parameter.name, entry.name);
        BOOST_TEST(key.at("meaning") == parameter.meaning);
        BOOST_TEST(key.at("default").is_null() == !parameter.default_value.has_value());
        if (!parameter.choices.empty()) BOOST_TEST(key.at("choices") == nlohmann::json(parameter.choices));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_table_is_narrow_enough_to_read) {
  const std::string table = schema_text();
  for (std::size_t at = 0; at < table.size(); at = table.find('\n', at) + 1) {
    BOOST_TEST(table.find('\n', at) - at <= 130U);
  }
}

BOOST_AUTO_TEST_SUITE_END()
