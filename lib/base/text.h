// Small helpers for messages to people.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace psctl {

// The candidate that `word` is likely to mean: but for case and hyphens the same, near by edit distance, the one that it
// begins, or the one with these initials. Empty if none is.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

// "a, b and c".
std::string enumerate(std::span<const std::string> words, std::string_view last = "and");

// "1 event", "1,234 events"; a plural that does not end in s is given.
std::string counted(std::uint64_t number, std::string_view what, std::string_view plural = {});

// "950 bytes", "29 kB", "11.6 MB"; of powers of 1000.
std::string in_bytes(std::uint64_t bytes);

// A number as from_chars reads it, in full; nothing where the text is none or goes on behind it. Numbers that a double can
// hold only as 0 or infinity are none either; subnormal ones are numbers.
std::optional<double> to_double(std::string_view text);

}  // namespace psctl
