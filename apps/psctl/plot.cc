// psctl plot: pictures of runs. They are drawn by scripts/plot.py, which gets every argument as it is: what can be
// asked for is told in one place.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "verbs.h"

namespace psctl::app {
namespace {

// Beside an installed binary, or in the sources that this one was built from.
std::string script() {
  std::error_code unknown;
  const std::filesystem::path binary = std::filesystem::read_symlink("/proc/self/exe", unknown);
  const std::string installed = (binary.parent_path().parent_path() / "share/psctl/plot.py").string();
  for (const std::string& path : {installed, std::string(PSCTL_SCRIPTS "/plot.py")}) {
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  throw WorldError(fmt::format("psctl plot: plot.py is neither at {} nor in {}", installed, PSCTL_SCRIPTS));
}

}  // namespace

int plot(int argc, char** argv) {
  // Not the first python3 of PATH, which may be one without Debian's packages.
  const char* named = std::getenv("PSCTL_PYTHON");
  const std::string python = named ? named : "/usr/bin/python3";
  std::string path = script();
  std::vector<char*> words{const_cast<char*>(python.c_str()), path.data()};
  words.insert(words.end(), argv + 1, argv + argc);
  words.push_back(nullptr);
  ::setenv("PSCTL_PLOT_NAME", "psctl plot", 1);
  ::execvp(python.c_str(), words.data());
  throw WorldError(
      fmt::format("psctl plot: {} cannot be started ({}); pictures need Debian's packages python3-matplotlib and "
                  "python3-pandas, or a Python with both that PSCTL_PYTHON names",
                  python, std::strerror(errno)));
}

}  // namespace psctl::app
