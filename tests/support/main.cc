// The main of every test program.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>

#include "support/folder.h"
#include "support/paths.h"

const char* const psctl::test::kSource = PSCTL_SOURCE_DIR;
const char* const psctl::test::kBinary = PSCTL_BINARY;

namespace {

// No test reads or writes the cache of whoever runs it.
struct OwnCache {
  OwnCache() { ::setenv("PSCTL_CACHE", (folder / "cache").c_str(), 1); }
  psctl::test::TemporaryFolder folder;
};

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(OwnCache);

int main(int argc, char* argv[]) {
  static const std::string name = std::filesystem::path(argv[0]).filename().string().substr(std::size("test_") - 1);
  const auto set_name = [] {
    boost::unit_test::framework::master_test_suite().p_name.value = name;
    return true;
  };
  return boost::unit_test::unit_test_main(set_name, argc, argv);
}
