#include "trace/line_file.h"

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <sys/resource.h>

#include "base/error.h"
#include "support/folder.h"

using namespace psctl;

BOOST_AUTO_TEST_SUITE(line_file)

BOOST_AUTO_TEST_CASE(what_is_in_the_file_ends_with_a_whole_line_at_any_time) {
  const test::TemporaryFolder folder;
  trace::LineFile file(folder / "rows.csv", "a,b");
  for (int i = 0; i < 50'000; ++i) {
    file.line("{},{}", i, i * i);
    if (i % 5000 == 0) {
      const std::string content = test::read_file(folder / "rows.csv");
      BOOST_TEST(content.back() == '\n');
    }
  }
  file.flush();
  const std::string content = test::read_file(folder / "rows.csv");
  BOOST_TEST(std::count(content.begin(), content.end(), '\n') == 50'001);
}

BOOST_AUTO_TEST_CASE(a_place_that_cannot_be_written_is_named) {
  BOOST_CHECK_EXCEPTION(trace::LineFile("/nowhere/rows.csv"), WorldError, [](const WorldError& error) {
    return std::string(error.what()) == "cannot write /nowhere/rows.csv: No such file or directory";
  });
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_an_error_and_not_silence) {
  trace::LineFile file("/dev/full");
  file.line("row");
  BOOST_CHECK_THROW(file.flush(), WorldError);
}

BOOST_AUTO_TEST_CASE(a_disk_that_fills_leaves_whole_lines_and_its_file_takes_no_more) {
  const test::TemporaryFolder folder;
  rlimit limit{};
  BOOST_TEST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  ::signal(SIGXFSZ, SIG_IGN);
  {
    trace::LineFile file(folder / "rows.csv", "a row of a table");
    file.line("a row that is there");
    file.flush();
    const rlimit small{.rlim_cur = 50, .rlim_max = limit.rlim_max};
    BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    file.line("a row that does not go in as a whole any more");
    std::string error;
    try {
      file.flush();
    } catch (const WorldError& fault) {
      error = fault.what();
    }
    ::setrlimit(RLIMIT_FSIZE, &limit);
    BOOST_TEST(error == "cannot write " + (folder / "rows.csv") + ": File too large");
    BOOST_TEST(!file.open());
    file.line("a row behind a gap");
    file.flush();
  }
  BOOST_TEST(test::read_file(folder / "rows.csv") == "a row of a table\na row that is there\n");
}

BOOST_AUTO_TEST_CASE(a_file_is_replaced_whole) {
  const test::TemporaryFolder folder;
  trace::write_whole(folder / "summary.json", "old");
  trace::write_whole(folder / "summary.json", "new");
  BOOST_TEST(test::read_file(folder / "summary.json") == "new");
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  BOOST_TEST(files == 1);
}

BOOST_AUTO_TEST_SUITE_END()
