#include "base/text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <numeric>

namespace psctl {
namespace {

// Levenshtein's distance, with a swap of neighbours as one edit.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

}  // namespace

namespace {

std::string plain(std::string_view word) {
  std::string text(word);
  for (char& c : text) c = c == '-' || c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// "learning_rate" gives "lr".
std::string initials(std::string_view word) {
  std::string letters;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (i == 0 || word[i - 1] == '_') letters += word[i];
  }
  return letters;
}

}  // namespace

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  const std::string meant = plain(word);
  for (const std::string& candidate : candidates) {
    if (plain(candidate) == meant) return candidate;
  }
  const std::string* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = &candidate;
    }
  }
  if (best) return *best;
  // Initials, or a word that only begins alike, if one candidate alone is meant.
  std::vector<const std::string*> alike;
  for (const std::string& candidate : candidates) {
    const bool begins = candidate.size() >= 3 && meant.size() >= 3 &&
                        (meant.starts_with(plain(candidate) + "_") || plain(candidate).starts_with(meant));
    const bool short_for = meant.size() >= 2 && initials(candidate) == meant;
    if (begins || short_for) alike.push_back(&candidate);
  }
  return alike.size() == 1 ? *alike.front() : std::string();
}

std::string enumerate(std::span<const std::string> words, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " " + std::string(last) + " " : ", ";
    text += words[i];
  }
  return text;
}

std::string counted(std::uint64_t number, std::string_view what, std::string_view plural) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  text += ' ';
  if (number == 1) return text.append(what);
  return plural.empty() ? text.append(what).append("s") : text.append(plural);
}

std::string in_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return counted(bytes, "byte");
  if (bytes < 1'000'000) return fmt::format("{:.0f} kB", static_cast<double>(bytes) / 1e3);
  double units = static_cast<double>(bytes) / 1e6;
  for (const char* unit : {"MB", "GB", "TB"}) {
    if (units < 1000) return fmt::format("{:.1f} {}", units, unit);
    units /= 1000;
  }
  return fmt::format("{:.1f} PB", units);
}

std::optional<double> to_double(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace psctl
