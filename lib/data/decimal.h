// Decimal numbers in text, read fast and correctly rounded: what makes importing text as fast as the disk.
#pragma once

#include <algorithm>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace psctl::data {

// The number that a whole text is, as the double nearest to it: digits with or without a point, a sign, an exponent.
// Nothing if it is no such number, or one too large for a double; "inf", "nan" and "0x1" are none.
std::optional<double> parse_number(std::string_view text);

// A number to its last digit: 0.DIGITS times 10^point. Classes are told apart by it, as a double rounds whole numbers
// beyond 2^53.
struct ExactNumber {
  bool negative = false;
  std::int64_t point = 0;
  std::string digits = {};  // without zeros at either end; none: the number is 0

  bool is_whole() const { return point >= static_cast<std::int64_t>(digits.size()); }
  std::string text() const;  // the same for equal numbers: "7", "-0.5", "18446744073709551615", "1e-05"
  friend std::strong_ordering operator<=>(const ExactNumber& a, const ExactNumber& b);
  friend bool operator==(const ExactNumber& a, const ExactNumber& b) = default;
};

// Nothing if parse_number finds none.
std::optional<ExactNumber> parse_exact(std::string_view text);

// Whether the text is a whole number without point and exponent that the float nearest to it, `value`, is not.
bool is_rounded_whole(std::string_view text, float value);

namespace decimal {

inline bool is_digit(char character) { return static_cast<unsigned char>(character - '0') < 10; }

// The digits of eight characters as a number, if they are digits all: a lane of a word for each of them.
inline bool eight_digits(const char* at, std::uint64_t& number) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word;
  std::memcpy(&word, at, 8);
  if (((word & 0xF0F0F0F0F0F0F0F0) | (((word + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) >> 4)) != 0x3333333333333333) {
    return false;
  }
  word -= 0x3030303030303030;
  word = word * 10 + (word >> 8);
  number = (((word & 0x000000FF000000FF) * 0x000F424000000064) +
            (((word >> 16) & 0x000000FF000000FF) * 0x0000271000000001)) >>
           32;
  return true;
}

// Reads digits onto a number, which wraps around if they are too many.
inline const char* read_digits(const char* at, const char* end, std::uint64_t& number) {
  std::uint64_t eight;
  while (end - at >= 8 && eight_digits(at, eight)) {
    number = number * 100'000'000 + eight;
    at += 8;
  }
  for (; at != end && is_digit(*at); ++at) number = number * 10 + static_cast<unsigned char>(*at - '0');
  return at;
}

inline constexpr int kMaxPower = 45;
extern const double kPowersOfTen[kMaxPower + 1];

// The float nearest to the number that [begin, end) is known to spell; infinite if it is too large.
float slow_float(const char* begin, const char* end);

// The float nearest to whole * 10^exponent, if a double is enough to tell.
inline bool fast_float(std::uint64_t whole, int exponent, float& value) {
  if (whole >> 63 != 0 || exponent < -kMaxPower || exponent > kMaxPower) return false;
  double wide = static_cast<double>(static_cast<std::int64_t>(whole));
  wide = exponent < 0 ? wide / kPowersOfTen[-exponent] : wide * kPowersOfTen[exponent];
  // Below and above: where floats are subnormal, and where they end.
  if (!(wide >= 0x1p-125 && wide <= 0x1p127)) return whole == 0 && (value = 0, true);
  // `wide` is off by at most two units of its own last place (whole, power and quotient are each rounded once, by at
  // most half a unit). So it rounds to the right float unless it lies as close as that to the middle between two.
  constexpr std::uint64_t kMiddle = std::uint64_t{1} << 28, kMargin = 8;
  const std::uint64_t below_float = std::bit_cast<std::uint64_t>(wide) & (2 * kMiddle - 1);
  if (below_float - (kMiddle - kMargin) <= 2 * kMargin) return false;
  value = static_cast<float>(wide);
  return true;
}

}  // namespace decimal

// Reads the number at the beginning of [at, end), as parse_number describes it, and sets `value` to the float nearest
// to it; infinite if it is too large. Returns where the number ends, null if there is none.
inline const char* read_float(const char* at, const char* end, float& value) {
  using namespace decimal;
  constexpr std::ptrdiff_t kSafeDigits = 19;  // as many never wrap around
  if (at == end) return nullptr;
  // Signs are as good as random, so no branch depends on them.
  const bool negative = *at == '-';
  at += static_cast<int>(negative) | static_cast<int>(*at == '+');
  const auto with_sign = [negative](float magnitude) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | std::uint32_t{negative} << 31);
  };
  const char* const begin = at;
  std::uint64_t whole = 0;
  for (; at != end && is_digit(*at); ++at) whole = whole * 10 + static_cast<unsigned char>(*at - '0');
  auto digits = at - begin;
  constexpr std::ptrdiff_t kExactDigits = 7;  // whole numbers of up to this many digits are floats
  if (digits > 0 && digits <= kExactDigits && (at == end || (*at != '.' && *at != 'e' && *at != 'E'))) {
    value = with_sign(static_cast<float>(static_cast<std::int32_t>(whole)));
    return at;
  }
  int exponent = 0;
  if (at != end && *at == '.') {
    const char* const fraction = ++at;
    at = read_digits(at, end, whole);
    const auto places = at - fraction;
    digits += places;
    exponent = -static_cast<int>(std::min<std::ptrdiff_t>(places, kSafeDigits + 1));
  }
  if (digits == 0) return nullptr;
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    const bool shrinks = at != end && *at == '-';
    if (shrinks || (at != end && *at == '+')) ++at;
    if (at == end || !is_digit(*at)) return nullptr;
    int power = 0;
    for (; at != end && is_digit(*at); ++at) {
      if (power < 100'000) power = power * 10 + (*at - '0');
    }
    exponent += shrinks ? -power : power;
  }
  if (digits > kSafeDigits || !fast_float(whole, exponent, value)) value = slow_float(begin, at);
  value = with_sign(value);
  return at;
}

}  // namespace psctl::data
