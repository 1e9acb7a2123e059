#include "base/csv.h"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace psctl;

namespace {

// The lines with | between cells and ; behind each; a last line without its end has no ;.
std::string read(std::string_view text) {
  std::string read;
  for (CsvReader reader(text); reader.next();) {
    for (std::size_t i = 0; i < reader.cells().size(); ++i) read += (i > 0 ? "|" : "") + std::string(reader.cells()[i]);
    if (reader.has_end()) read += ';';
  }
  return read;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(csv)

BOOST_AUTO_TEST_CASE(what_other_programs_write_around_the_cells_means_nothing) {
  BOOST_TEST(read("a,b\n1,2\n") == "a|b;1|2;");
  BOOST_TEST(read("\xEF\xBB\xBF"
                  "a,b\r\n1,2\r\n") == "a|b;1|2;");
  BOOST_TEST(read("\"a\",\"b, c\"\n\"\",2\n") == "a|b, c;|2;");
  BOOST_TEST(read("a,b\n1,2\n\n\r\n") == "a|b;1|2;");
  BOOST_TEST(read("a,b\n1,2") == "a|b;1|2");
}

BOOST_AUTO_TEST_CASE(what_is_in_a_cell_stays_as_it_is) {
  BOOST_TEST(read("") == "");
  BOOST_TEST(read("\na\n") == ";a;");
  BOOST_TEST(read("a\n\nb\n") == "a;;b;");
  BOOST_TEST(read(",,\n") == "||;");
  BOOST_TEST(read("\"a,b\"c\n \"d\"\n") == "\"a|b\"c; \"d\";");
}

BOOST_AUTO_TEST_CASE(lines_are_counted_from_1) {
  CsvReader reader("a\n\nb");
  for (std::size_t line = 1; line <= 3; ++line) {
    BOOST_TEST_REQUIRE(reader.next());
    BOOST_TEST(reader.number() == line);
  }
  BOOST_TEST(reader.line() == "b");
  BOOST_TEST(!reader.next());
}

BOOST_AUTO_TEST_SUITE_END()
