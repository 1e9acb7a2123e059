#include "data/decimal.h"

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <string>

#include "base/random.h"

using namespace psctl;
using namespace psctl::data;

namespace {

std::uint32_t bits(float value) { return std::bit_cast<std::uint32_t>(value); }

// Exactly as the text says, by way of a copy that ends where it ends.
void check(const std::string& text) {
  const std::string copy(text);
  float value = -1;
  const char* const end = read_float(copy.data(), copy.data() + copy.size(), value);
  BOOST_REQUIRE_MESSAGE(end == copy.data() + copy.size(), text);
  const float expected = std::strtof(copy.c_str(), nullptr);
  BOOST_TEST(bits(value) == bits(expected), text << ": " << value << " instead of " << expected);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(decimals)

BOOST_AUTO_TEST_CASE(numbers_of_every_form_are_read) {
  for (const char* text : {"0",
                           "-0",
                           "+0",
                           "1",
                           "+1",
                           "-1",
                           "007",
                           "1.",
                           ".5",
                           "-.5",
                           "1e5",
                           "1E+5",
                           "1e-5",
                           "12345678",
                           "123456789",
                           "1234567890123456789",
                           "12345678901234567890",
                           "0.1",
                           "3.4028235e38",
                           "3.4028236e38",
                           "3.5e38",
                           "1e39",
                           "-1e39",
                           "1e400",
                           "1e-400",
                           "1e999999999999",
                           "1e-999999999999",
                           "0e999999999",
                           "0.0000e-99",
                           "1.17549435e-38",
                           "1.1754943e-38",
                           "1e-45",
                           "7e-46",
                           "7.1e-46",
                           "16777217",
                           "16777219",
                           "33554434",
                           "1.00000005960464477539062500",
                           "1.00000005960464477539062501",
                           "1.0000000596046447753906249",
                           "9007199254740993",
                           "18446744073709551615",
                           "18446744073709551616",
                           "340282356779733661637539395458142568447",
                           "340282356779733661637539395458142568448"}) {
    check(text);
  }
  check("0." + std::string(400, '0') + "1e400");
  check("1" + std::string(400, '0') + "e-400");
  check(std::string(5000, '9') + "." + std::string(5000, '9') + "e-5000");
}

BOOST_AUTO_TEST_CASE(what_is_no_number_is_none) {
  for (const std::string text :
       {"", "-", "+", ".", "-.", "e5", ".e5", "x", "inf", "nan", "-inf", "--1", "+-1", " 1", "1e", "1e+", "1e-x"}) {
    float value;
    BOOST_TEST(!read_float(text.data(), text.data() + text.size(), value), text);
    BOOST_TEST(!parse_number(text), text);
  }
  for (const std::string text : {"1 ", "1x", "0x10", "1.2.3", "1e5.5", "1,5", "1_000", "1e400", "-1e400"})
    BOOST_TEST(!parse_number(text), text);
  BOOST_TEST(parse_number("-12.5e1").value() == -125);
  BOOST_TEST(parse_number("0.1").value() == 0.1);
  BOOST_TEST(std::signbit(parse_number("-1e-400").value()));
}

BOOST_AUTO_TEST_CASE(a_number_ends_where_its_text_does) {
  const std::string text = "123456789:5";
  float value;
  BOOST_TEST(read_float(text.data(), text.data() + text.size(), value) == text.data() + 9);
  BOOST_TEST(read_float(text.data(), text.data() + 2, value) == text.data() + 2);
  BOOST_TEST(value == 12);
}

BOOST_AUTO_TEST_CASE(every_float_reads_back_from_any_number_of_digits) {
  Draws draws({.seed = 1, .purpose = Purpose::kTest});
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(draws.bits()));
    if (!std::isfinite(value)) continue;
    check(fmt::format("{:.{}e}", value, draws.below(22)));
    check(fmt::format("{}", static_cast<double>(value) * (1 + 1e-9 * draws.uniform())));
  }
}

// A decimal right at the middle between two floats, and a hair beside it, is where a shortcut would go wrong.
BOOST_AUTO_TEST_CASE(the_middle_between_two_floats_rounds_to_even_and_beside_it_to_the_nearer) {
  Draws draws({.seed = 2, .purpose = Purpose::kTest});
  for (int i = 0; i < 20'000; ++i) {
    const auto word = static_cast<std::uint32_t>(draws.bits()) & 0x7FFFFFFF;
    const auto low = std::bit_cast<float>(word);
    const auto high = std::bit_cast<float>(word + 1);
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const double middle = low / 2.0 + high / 2.0;
    check(fmt::format("{:.17g}", middle));
    check(fmt::format("{:.120g}", middle));
    check(fmt::format("{:.120g}", std::nextafter(middle, 0.0)));
    check(fmt::format("{:.18g}", std::nextafter(middle, HUGE_VAL)));
  }
}

BOOST_AUTO_TEST_CASE(random_digits_and_exponents_are_rounded_as_the_c_library_does) {
  Draws draws({.seed = 3, .purpose = Purpose::kTest});
  for (int i = 0; i < 40'000; ++i) {
    std::string text = draws.below(2) ? "-" : "";
    const std::uint64_t digits = 1 + draws.below(24), point = draws.below(digits + 1);
    for (std::uint64_t digit = 0; digit < digits; ++digit) {
      if (digit == point) text += '.';
      text += static_cast<char>('0' + draws.below(10));
    }
    if (draws.below(2)) text += fmt::format("e{}", static_cast<int>(draws.below(110)) - 60);
    check(text);
  }
}

BOOST_AUTO_TEST_CASE(exact_numbers_are_equal_where_the_numbers_are_and_have_one_text) {
  for (const auto& [text, spellings] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"0", {"0", "-0", "+0.00", "0e9", ".0"}},
           {"1", {"1", "01", "001", "1.0", "1e0", "0.1e1", "100e-2", "+1"}},
           {"-0.5", {"-.5", "-0.50", "-5e-1"}},
           {"120", {"120", "1.2e2", "0120.0"}},
           {"18446744073709551615", {"18446744073709551615", "18446744073709551615.0"}},
           {"0.0001", {"1e-4", ".00010"}},
           {"1e-05", {"0.00001", "1e-5"}},
           {"-1.25e+300", {"-125e298", "-1.25E300"}}}) {
    for (const std::string& spelling : spellings) {
      const auto number = parse_exact(spelling);
      BOOST_REQUIRE_MESSAGE(number.has_value(), spelling);
      BOOST_TEST(number->text() == text, spelling);
      BOOST_TEST((*number == parse_exact(text)), spelling);
    }
  }
  for (const char* text : {"", "-", "x", "inf", "nan", "1e400", "1 ", "0x1"}) BOOST_TEST(!parse_exact(text), text);
}

BOOST_AUTO_TEST_CASE(exact_numbers_are_in_the_order_of_doubles_and_beyond_it) {
  Draws draws({.seed = 3, .purpose = Purpose::kTest});
  const auto random = [&] {
    constexpr const char* kForms[] = {"{:.0f}", "{:.3f}", "{:.2e}", "{}"};
    const double value = std::ldexp(draws.normal(), static_cast<int>(draws.below(40)) - 20);
    return fmt::format(fmt::runtime(kForms[draws.below(4)]), value);
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string a = random(), b = random();
    const bool less = *parse_exact(a) < *parse_exact(b);
    BOOST_REQUIRE_MESSAGE(less == (*parse_number(a) < *parse_number(b)), a << " " << b);
    BOOST_REQUIRE_MESSAGE(*parse_number(parse_exact(a)->text()) == *parse_number(a), a);
  }
  BOOST_TEST((*parse_exact("9007199254740992") < *parse_exact("9007199254740993")));
  BOOST_TEST((*parse_exact("-9007199254740993") < *parse_exact("-9007199254740992")));
}

BOOST_AUTO_TEST_SUITE_END()
