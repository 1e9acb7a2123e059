#include "data/decimal.h"

#include <charconv>
#include <limits>

namespace psctl::data {
namespace {

// Whether the first digit of a number that is not 0 stands left of the point once the exponent has moved it.
bool is_large(const char* at, const char* end) {
  std::int64_t magnitude = 0;
  bool leading = true, fraction = false;
  for (; at != end && *at != 'e' && *at != 'E'; ++at) {
    if (*at == '.') {
      fraction = true;
      continue;
    }
    leading = leading && *at == '0';
    if (fraction ? leading : !leading) magnitude += fraction ? -1 : 1;
  }
  std::int64_t exponent = 0;
  if (at != end) {
    const bool shrinks = *++at == '-';
    if (shrinks || *at == '+') ++at;
    constexpr std::int64_t kBeyondAnyText = std::int64_t{1} << 56;
    for (; at != end && exponent < kBeyondAnyText; ++at) exponent = exponent * 10 + (*at - '0');
    if (shrinks) exponent = -exponent;
  }
  return magnitude + exponent > 0;
}

// As std::from_chars, but a number too small becomes 0 and one too large infinite, as rounding has it.
template <class Number>
Number rounded(const char* begin, const char* end) {
  Number value = 0;
  if (std::from_chars(begin, end, value).ec == std::errc::result_out_of_range) {
    value = is_large(begin, end) ? std::numeric_limits<Number>::infinity() : Number{0};
  }
  return value;
}

}  // namespace

namespace decimal {

const double kPowersOfTen[kMaxPower + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                            1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23,
                                            1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35,
                                            1e36, 1e37, 1e38, 1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45};

float slow_float(const char* begin, const char* end) { return rounded<float>(begin, end); }

}  // namespace decimal

std::optional<double> parse_number(std::string_view text) {
  const char* begin = text.data();
  const char* const end = begin + text.size();
  float ignored;
  if (read_float(begin, end, ignored) != end || text.empty()) return std::nullopt;
  const bool negative = *begin == '-';
  if (negative || *begin == '+') ++begin;
  const double value = rounded<double>(begin, end);
  if (value > std::numeric_limits<double>::max()) return std::nullopt;
  return negative ? -value : value;
}

}  // namespace psctl::data
