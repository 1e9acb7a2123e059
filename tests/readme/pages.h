// The commands that the pages for readers show, run as they stand there.
#pragma once

#include <cstdlib>
#include <fmt/format.h>
#include <sstream>
#include <string>
#include <vector>

#include "support/folder.h"
#include "support/paths.h"

namespace psctl::test {

inline std::string page(const std::string& name) { return read_file(psctl::test::source_path(name)); }

// Lines of a page's ```sh blocks, without their comments.
inline std::vector<std::string> commands_of(const std::string& text) {
  std::istringstream lines(text);
  std::vector<std::string> found;
  bool shell = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) {
      shell = line == "```sh";
    } else if (shell && !line.empty()) {
      const std::string command = line.substr(0, line.find("  #"));
      found.push_back(command.substr(0, command.find_last_not_of(' ') + 1));
    }
  }
  return found;
}

// What a command that begins with psctl did, in that folder; data sets and the cache are in it, too.
struct Told {
  int code = -1;
  std::string said;
};

inline Told run_in(const TemporaryFolder& folder, const std::string& command) {
  const std::string line =
      fmt::format("cd '{0}' && unset PSCTL_DATA && PSCTL_CACHE='{0}/cache' '{1}' {2} > '{0}/output' 2>&1",
                  folder.path(), psctl::test::kBinary, command.substr(std::string("psctl ").size()));
  const int status = std::system(line.c_str());
  return {status, read_file(folder / "output")};
}

}  // namespace psctl::test
