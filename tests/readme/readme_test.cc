// Every command that the README shows is run.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "support/folder.h"
#include "sync/registry.h"

namespace {

// Lines of the README's ```sh blocks, without their comments.
std::vector<std::string> commands() {
  std::ifstream readme(std::string(PSCTL_SOURCE_DIR) + "/README.md");
  std::vector<std::string> found;
  bool shell = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("```")) {
      shell = line == "```sh";
    } else if (shell && !line.empty()) {
      found.push_back(line.substr(0, line.find("  #")));
    }
  }
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(readme)

BOOST_AUTO_TEST_CASE(every_psctl_command_of_the_readme_ends_well) {
  const psctl::test::TemporaryFolder folder;
  int run = 0;
  for (std::string command : commands()) {
    if (!command.starts_with("psctl ")) continue;
    ++run;
    const std::string out = command.starts_with("psctl train ") ? " --out " + folder.path() : "";
    // What was trained before is replayed.
    if (const auto at = command.find("results/"); at != std::string::npos) command.replace(at, 8, folder.path() + "/");
    const std::string line = fmt::format("cd '{}' && '{}' {}{} > '{}' 2>&1", PSCTL_SOURCE_DIR, PSCTL_BINARY,
                                         command.substr(6), out, folder / "output");
    BOOST_TEST(std::system(line.c_str()) == 0, command << "\n" << psctl::test::read_file(folder / "output"));
  }
  BOOST_TEST(run >= 9);
}

BOOST_AUTO_TEST_CASE(every_strategy_stands_in_the_readme_as_psctl_tells_it) {
  const std::string text = psctl::test::read_file(std::string(PSCTL_SOURCE_DIR) + "/README.md");
  for (const psctl::sync::Entry& entry : psctl::sync::entries()) {
    BOOST_TEST(text.find(fmt::format("\n{:<14}{}\n", entry.name, entry.brief)) != std::string::npos, entry.name);
  }
}

BOOST_AUTO_TEST_CASE(every_script_of_the_readme_is_there_and_can_be_run) {
  int scripts = 0;
  for (const std::string& command : commands()) {
    if (!command.starts_with("scripts/")) continue;
    ++scripts;
    const auto path = std::filesystem::path(PSCTL_SOURCE_DIR) / command.substr(0, command.find(' '));
    const auto permissions = std::filesystem::status(path).permissions();
    BOOST_TEST(((permissions & std::filesystem::perms::owner_exec) != std::filesystem::perms::none), path.string());
  }
  BOOST_TEST(scripts >= 2);
}

BOOST_AUTO_TEST_CASE(every_link_of_the_readme_leads_somewhere_and_no_place_is_left_open) {
  const std::string text = psctl::test::read_file(std::string(PSCTL_SOURCE_DIR) + "/README.md");
  BOOST_TEST(!std::regex_search(text, std::regex("@[A-Z]+@")));
  const std::regex link("\\]\\(([^)#:]+)\\)");
  int links = 0;
  for (std::sregex_iterator match(text.begin(), text.end(), link), end; match != end; ++match) {
    ++links;
    BOOST_TEST(std::filesystem::exists(std::filesystem::path(PSCTL_SOURCE_DIR) / (*match)[1].str()), (*match)[1].str());
  }
  BOOST_TEST(links >= 2);
}

BOOST_AUTO_TEST_SUITE_END()
