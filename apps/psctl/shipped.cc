#include "shipped.h"

#include <cstdlib>
#include <filesystem>

namespace psctl::app {

namespace fs = std::filesystem;

std::string shipped(const std::string& name, const std::string& in_sources) {
  std::error_code unknown;
  const fs::path binary = fs::read_symlink("/proc/self/exe", unknown);
  const fs::path path = binary.parent_path().parent_path() / "share/psctl" / name;
  return fs::exists(path, unknown) ? path.string() : in_sources;
}

std::string drawing_python() {
  const char* named = std::getenv("PSCTL_PYTHON");
  return named ? named : "/usr/bin/python3";
}

}  // namespace psctl::app
