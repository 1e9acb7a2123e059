#include "base/text.h"

#include <boost/test/unit_test.hpp>

#include "base/error.h"
#include "base/sha256.h"

using namespace psctl;

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(a_slip_finds_its_key_and_nonsense_finds_none) {
  const std::vector<std::string> keys = {"staleness", "batch_size", "seed"};
  BOOST_TEST(nearest("stalenes", keys) == "staleness");
  BOOST_TEST(nearest("bacth_size", keys) == "batch_size");
  BOOST_TEST(nearest("zzzzzz", keys).empty());
  BOOST_TEST(nearest("BATCH-SIZE", keys) == "batch_size");
  BOOST_TEST(nearest("bs", keys) == "batch_size");
  BOOST_TEST(nearest("batch_size_of_all", keys) == "batch_size");
}

BOOST_AUTO_TEST_CASE(numbers_are_read_whole_and_subnormal_ones_too) {
  BOOST_TEST(to_double("1e-310").value() == 1e-310);
  BOOST_TEST(to_double("0.1").value() == 0.1);
  for (const char* none : {"", "1 ", "0.1x", "1e999", "x"}) BOOST_TEST(!to_double(none), none);
}

BOOST_AUTO_TEST_CASE(words_are_enumerated_as_people_do) {
  BOOST_TEST(enumerate(std::vector<std::string>{"a"}) == "a");
  BOOST_TEST(enumerate(std::vector<std::string>{"a", "b", "c"}, "or") == "a, b or c");
}

BOOST_AUTO_TEST_CASE(sha256_agrees_with_the_standard_s_example) {
  const std::string abc = "abc";
  BOOST_TEST(sha256(std::as_bytes(std::span(abc))) ==
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

BOOST_AUTO_TEST_CASE(what_is_counted_is_told_with_its_plural) {
  BOOST_TEST(counted(1, "event") == "1 event");
  BOOST_TEST(counted(0, "event") == "0 events");
  BOOST_TEST(counted(1234567, "event") == "1,234,567 events");
  BOOST_TEST(counted(100, "strategy", "strategies") == "100 strategies");
}

BOOST_AUTO_TEST_CASE(bytes_are_told_in_the_unit_that_suits) {
  BOOST_TEST(in_bytes(1) == "1 byte");
  BOOST_TEST(in_bytes(999) == "999 bytes");
  BOOST_TEST(in_bytes(28'881) == "29 kB");
  BOOST_TEST(in_bytes(170'052'171) == "170.1 MB");
  BOOST_TEST(in_bytes(1'200'000'000'000) == "1.2 TB");
}

BOOST_AUTO_TEST_CASE(a_check_that_fails_names_its_place) {
  BOOST_CHECK_EXCEPTION(PSCTL_CHECK(1 == 2, "numbers"), InternalError, [](const InternalError& error) {
    const std::string what = error.what();
    return what.find("text_test.cc") != std::string::npos && what.find("numbers") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()
