#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/random.h"
#include "fuzz/target.h"
#include "support/folder.h"
#include "support/paths.h"

using namespace psctl;

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fuzz::Target& target) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(psctl::test::source_path("tests/fuzz/corpus")) / target.name))
    files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

// What a target found, if anything.
std::string finding_of(const fuzz::Target& target, const std::string& input) {
  try {
    target.run({reinterpret_cast<const std::uint8_t*>(input.data()), input.size()});
  } catch (const UserError&) {
  } catch (const std::exception& finding) {
    return finding.what();
  }
  return {};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(corpus)

BOOST_AUTO_TEST_CASE(every_file_of_the_corpus_is_read_or_refused) {
  for (const fuzz::Target& target : fuzz::targets()) {
    const auto files = files_of(target);
    BOOST_TEST(files.size() >= 5, target.name);
    for (const fs::path& file : files) BOOST_TEST(finding_of(target, psctl::test::read_file(file)) == "", file);
  }
}

BOOST_AUTO_TEST_CASE(so_is_every_file_that_is_one_of_them_damaged) {
  Draws draws({.seed = 1, .purpose = Purpose::kTest});
  for (const fuzz::Target& target : fuzz::targets()) {
    for (const fs::path& file : files_of(target)) {
      const std::string sound = psctl::test::read_file(file);
      for (int i = 0; i < 50; ++i) {
        std::string damaged = sound;
        for (std::uint64_t count = 1 + draws.below(4); count > 0 && !damaged.empty(); --count) {
          const std::uint64_t at = draws.below(damaged.size());
          switch (draws.below(4)) {
            case 0:
              damaged[at] = static_cast<char>(draws.bits());
              break;
            case 1:
              damaged[at] = static_cast<char>(damaged[at] ^ (1 << draws.below(8)));
              break;
            case 2:
              damaged.resize(at);
              break;
            default:
              damaged.insert(at, sound.substr(draws.below(sound.size()), draws.below(20)));
          }
        }
        const std::string finding = finding_of(target, damaged);
        BOOST_TEST(finding == "", file << ", damage " << i << ": " << finding);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
