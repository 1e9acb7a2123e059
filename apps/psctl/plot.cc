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
#include "shipped.h"
#include "verbs.h"

namespace psctl::app {

int plot(int argc, char** argv) {
  const std::string python = drawing_python();
  std::string path = shipped("plot.py", PSCTL_SCRIPTS "/plot.py");
  if (::access(path.c_str(), R_OK) != 0) {
    throw WorldError(fmt::format("psctl plot: {}: {}", path, std::strerror(errno)));
  }
  std::vector<char*> words{const_cast<char*>(python.c_str()), path.data()};
  words.insert(words.end(), argv + 1, argv + argc);
  words.push_back(nullptr);
  ::setenv("PSCTL_PLOT_NAME", "psctl plot", 1);
  std::error_code error;
  if (const auto self = std::filesystem::read_symlink("/proc/self/exe", error); !error) {
    ::setenv("PSCTL", self.c_str(), 1);  // it asks for what the runs came to
  }
  ::execvp(python.c_str(), words.data());
  throw WorldError(
      fmt::format("psctl plot: {} cannot be started ({}); pictures need Debian's packages python3-matplotlib and "
                  "python3-pandas, or a Python with both that PSCTL_PYTHON names",
                  python, std::strerror(errno)));
}

}  // namespace psctl::app
