#include "data/decimal.h"

#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace psctl::data {
namespace {

// An exponent, which may have a sign; of more digits than any text needs, another that is as large.
std::int64_t read_exponent(const char* at, const char* end) {
  const bool shrinks = at != end && *at == '-';
  if (at != end && (shrinks || *at == '+')) ++at;
  constexpr std::int64_t kBeyondAnyText = std::int64_t{1} << 56;
  std::int64_t exponent = 0;
  for (; at != end && exponent < kBeyondAnyText; ++at) exponent = exponent * 10 + (*at - '0');
  return shrinks ? -exponent : exponent;
}

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
  return magnitude + (at == end ? 0 : read_exponent(at + 1, end)) > 0;
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

std::optional<ExactNumber> parse_exact(std::string_view text) {
  if (!parse_number(text)) return std::nullopt;
  const char* at = text.data();
  const char* const end = at + text.size();
  ExactNumber number{.negative = *at == '-'};
  if (*at == '-' || *at == '+') ++at;
  bool fraction = false;
  for (; at != end && *at != 'e' && *at != 'E'; ++at) {
    if (*at == '.') {
      fraction = true;
      continue;
    }
    const bool leading = number.digits.empty() && *at == '0';
    if (!leading) number.digits += *at;
    if (fraction ? leading : !leading) number.point += fraction ? -1 : 1;
  }
  number.digits.erase(number.digits.find_last_not_of('0') + 1);
  if (number.digits.empty()) return ExactNumber();
  if (at != end) number.point += read_exponent(at + 1, end);
  return number;
}

std::strong_ordering operator<=>(const ExactNumber& a, const ExactNumber& b) {
  const auto sign = [](const ExactNumber& number) { return number.digits.empty() ? 0 : number.negative ? -1 : 1; };
  if (sign(a) != sign(b) || sign(a) == 0) return sign(a) <=> sign(b);
  const auto magnitude = a.point != b.point ? a.point <=> b.point : a.digits <=> b.digits;
  return a.negative ? 0 <=> magnitude : magnitude;
}

std::string ExactNumber::text() const {
  constexpr std::int64_t kMostPlaces = 40, kLeastPoint = -3;  // beyond these with an exponent
  if (digits.empty()) return "0";
  const auto count = static_cast<std::int64_t>(digits.size());
  std::string text = digits;
  if (point > kMostPlaces || point < kLeastPoint) {
    if (count > 1) text.insert(1, ".");
    text += fmt::format("e{}{:02}", point > 0 ? '+' : '-', std::abs(point - 1));
  } else if (point >= count) {
    text.append(static_cast<std::size_t>(point - count), '0');
  } else if (point > 0) {
    text.insert(static_cast<std::size_t>(point), ".");
  } else {
    text.insert(0, "0." + std::string(static_cast<std::size_t>(-point), '0'));
  }
  return negative ? "-" + text : text;
}

bool is_rounded_whole(std::string_view text, float value) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return false;
  std::uint64_t whole = 0;
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data(), end, whole).ec != std::errc()) return true;  // a float has no such number exactly
  const float magnitude = std::abs(value);
  return magnitude >= 0x1p64F || static_cast<std::uint64_t>(magnitude) != whole;
}

}  // namespace psctl::data
