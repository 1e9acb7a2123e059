// Every command that the README shows is run.
#include <boost/test/unit_test.hpp>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "readme/pages.h"
#include "sync/registry.h"
#include "support/paths.h"

using psctl::test::commands_of;
using psctl::test::page;

BOOST_AUTO_TEST_SUITE(readme)

BOOST_AUTO_TEST_CASE(every_psctl_command_of_the_readme_ends_well) {
  const psctl::test::TemporaryFolder folder;
  int run = 0;
  for (std::string command : commands_of(page("README.md"))) {
    // Those on data are run in a folder of their own.
    if (!command.starts_with("psctl ") || command.find("data/") != std::string::npos) continue;
    ++run;
    const bool makes_runs = command.starts_with("psctl train ") || command.starts_with("psctl sweep ");
    const std::string out = makes_runs ? " --out " + folder.path() : "";
    // What was trained before is looked at.
    command = std::regex_replace(command, std::regex("\\bresults/"), folder.path() + "/");
    const std::string line = fmt::format("cd '{}' && '{}' {}{} > '{}' 2>&1", psctl::test::kSource, psctl::test::kBinary,
                                         command.substr(6), out, folder / "output");
    BOOST_TEST(std::system(line.c_str()) == 0, command << "\n" << psctl::test::read_file(folder / "output"));
  }
  BOOST_TEST(run >= 16);
}

BOOST_AUTO_TEST_CASE(every_strategy_stands_in_the_readme_as_psctl_tells_it) {
  const std::string text = page("README.md");
  for (const psctl::sync::Entry& entry : psctl::sync::entries()) {
    BOOST_TEST(text.find(fmt::format("\n{:<14}{}\n", entry.name, entry.brief)) != std::string::npos, entry.name);
  }
}

BOOST_AUTO_TEST_CASE(every_script_of_the_readme_is_there_and_can_be_run) {
  int scripts = 0;
  for (const std::string& command : commands_of(page("README.md"))) {
    if (!command.starts_with("scripts/")) continue;
    ++scripts;
    const auto path = std::filesystem::path(psctl::test::kSource) / command.substr(0, command.find(' '));
    const auto permissions = std::filesystem::status(path).permissions();
    BOOST_TEST(((permissions & std::filesystem::perms::owner_exec) != std::filesystem::perms::none), path.string());
  }
  BOOST_TEST(scripts >= 2);
}

BOOST_AUTO_TEST_CASE(every_link_of_a_page_leads_somewhere_and_no_place_is_left_open) {
  int links = 0;
  for (const std::string name : {"README.md", "data/README.md", "lib/README.md", "configs/papers/README.md"}) {
    const std::string text = page(name);
    BOOST_TEST(!std::regex_search(text, std::regex("@[A-Z]+@")), name);
    const auto folder = (std::filesystem::path(psctl::test::kSource) / name).parent_path();
    const std::regex link("\\]\\(([^)#:]+)\\)");
    for (std::sregex_iterator match(text.begin(), text.end(), link), end; match != end; ++match) {
      ++links;
      BOOST_TEST(std::filesystem::exists(folder / (*match)[1].str()), name << ": " << (*match)[1].str());
    }
    // To a heading of the same page: its words in small letters, parted by hyphens, other signs left out.
    std::set<std::string> headings;
    const std::regex heading("\n#+ ([^\n]*)");
    for (std::sregex_iterator match(text.begin(), text.end(), heading), end; match != end; ++match) {
      std::string words;
      for (const char c : (*match)[1].str()) {
        if (c == ' ') words += '-';
        if (c == '-' || std::isalnum(static_cast<unsigned char>(c))) words += static_cast<char>(std::tolower(c));
      }
      headings.insert(words);
    }
    const std::regex place("\\]\\(#([^)]+)\\)");
    for (std::sregex_iterator match(text.begin(), text.end(), place), end; match != end; ++match) {
      ++links;
      BOOST_TEST(headings.contains((*match)[1].str()), name << ": #" << (*match)[1].str());
    }
  }
  BOOST_TEST(links >= 15);
}

BOOST_AUTO_TEST_SUITE_END()
