#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "support/paths.h"

namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string without_comments(const std::string& text) { return std::regex_replace(text, std::regex("//[^\n]*"), ""); }

// The variables of the structs in a header of plain values.
std::vector<std::string> variables_of(const std::string& header) {
  static const std::regex kLine(R"(\n {2,4}(?!struct|enum|return|friend|static|using)[\w:<>, ]+[ >]\w+( = [^;]*)?;)");
  static const std::regex kName(R"((\w+)( = [^;]*)?;$)");
  static const std::regex kOthers(R"((\w+)( = [^,;]*)?,)");
  std::vector<std::string> names;
  const std::string text = without_comments(header);
  for (std::sregex_iterator line(text.begin(), text.end(), kLine), end; line != end; ++line) {
    const std::string words = std::regex_replace(line->str(), std::regex("<[^;]*>"), "");
    std::smatch name;
    if (std::regex_search(words, name, kName)) names.push_back(name[1]);
    for (std::sregex_iterator other(words.begin(), words.end(), kOthers); other != end; ++other) {
      names.push_back((*other)[1]);
    }
  }
  return names;
}

bool is_read(const std::string& name, const std::string& sources) {
  // Behind a dot or an arrow, or as a member that is pointed to; a variable that is only set is not read.
  return std::regex_search(sources, std::regex("(\\.|->|::)" + name + "\\b(?! = )"));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(leaves)

BOOST_AUTO_TEST_CASE(every_variable_of_a_configuration_is_read_outside_of_its_reader) {
  const fs::path lib = psctl::test::source_path("lib");
  std::string sources;  // all but the reader and the checks of the configuration itself
  for (const auto& file : fs::recursive_directory_iterator(lib)) {
    const fs::path path = file.path();
    const bool is_source = path.extension() == ".cc" || path.extension() == ".h";
    if (is_source && path.parent_path().filename() != "config") sources += without_comments(read(path));
  }
  std::size_t seen = 0;
  for (const char* folder : {"data", "delay", "lead", "learn", "sim"}) {
    for (const std::string& name : variables_of(read(lib / folder / "config.h"))) {
      ++seen;
      BOOST_TEST(is_read(name, sources), folder << "/config.h: nothing reads " << name);
    }
  }
  for (const std::string& name : variables_of(read(lib / "config/run_config.h"))) {
    ++seen;
    BOOST_TEST(is_read(name, sources), "run_config.h: nothing reads " << name);
  }
  BOOST_TEST(seen > 100);
}

BOOST_AUTO_TEST_CASE(a_variable_that_is_only_set_or_only_named_like_one_is_found) {
  const std::string header =
      "struct A {\n  double one = 1, two = 2;\n  std::optional<std::uint64_t> three;  // as four\n};\n";
  BOOST_TEST(variables_of(header).size() == 3U);
  BOOST_TEST(is_read("one", "x = a.one + 1"));
  BOOST_TEST(!is_read("one", "a.one = 1; one(); a.one_more();"));
}

BOOST_AUTO_TEST_SUITE_END()
