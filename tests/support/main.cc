// The main of every test program.
#define BOOST_TEST_MODULE PSCTL_TEST_NAME
#include <boost/test/unit_test.hpp>
#include <cstdlib>

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
