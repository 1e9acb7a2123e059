#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include "support/paths.h"

namespace fs = std::filesystem;

namespace {

using Folders = std::set<std::string>;

// Which folders of lib/ a folder may include. An arrow that is not here is a mistake, or a decision to be made here.
const std::map<std::string, Folders> kArrows = {
    {"base", {}},
    {"stats", {"base"}},
    {"results", {"base", "config", "stats", "sync"}},
    {"delay", {"base"}},
    {"sync", {"base"}},
    {"verify", {"base", "sync"}},
    {"data", {"base"}},
    {"fetch", {"base", "data"}},
    {"learn", {"base", "sync", "data"}},
    {"trace", {"base", "sync", "stats"}},
    {"lead", {"base", "sync", "learn", "trace", "stats"}},
    {"config", {"base", "delay", "sync", "data", "learn", "lead", "sim"}},
    {"rpc", {"base", "delay", "sync", "learn", "data", "trace", "lead"}},
    {"sim", {"base", "delay", "sync", "learn", "data", "trace", "lead"}},
    {"report", {"base", "results", "stats"}},
    {"explain", {"base", "delay", "sync", "trace", "lead", "config", "sim", "results"}},
    {"run", {"base", "delay", "sync", "data", "learn", "trace", "lead", "config", "rpc", "sim"}},
    {"sweep", {"base", "trace", "config", "run", "results", "stats"}},
    {"reproduce", {"base", "sync", "config", "run", "results", "stats", "sweep"}},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(arrows)

BOOST_AUTO_TEST_CASE(every_include_follows_the_arrows) {
  const fs::path lib = fs::path(psctl::test::source_path("lib"));
  const std::regex include("^#include \"([a-z]+)/([^\"]+)\"");
  std::size_t seen = 0;
  for (const auto& folder : fs::directory_iterator(lib)) {
    if (!folder.is_directory()) continue;
    const std::string from = folder.path().filename().string();
    BOOST_REQUIRE_MESSAGE(kArrows.contains(from), "lib/" << from << " is not in the list");
    for (const auto& file : fs::recursive_directory_iterator(folder)) {
      std::ifstream text(file.path());
      for (std::string line; std::getline(text, line);) {
        std::smatch match;
        if (!std::regex_search(line, match, include)) continue;
        ++seen;
        const std::string to = match[1];
        // config/ binds the plain structs of sim, and of sim only those.
        const bool allowed = from == to || kArrows.at(from).contains(to);
        const bool plain = from != "config" || to != "sim" || match[2] == "config.h";
        BOOST_TEST((allowed && plain), file.path().string() << ": " << line);
      }
    }
  }
  BOOST_TEST(seen > 50);
}

BOOST_AUTO_TEST_SUITE_END()
