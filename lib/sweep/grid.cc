// Reads the points of a sweep from a command line and a grid file.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "base/text.h"
#include "config/tree.h"
#include "sweep/plan.h"

namespace psctl::sweep {
namespace {

using config::Node;

constexpr std::size_t kMostValues = 100'000;  // of one axis

// What is wrong with a grid, told at once.
class Wrong {
 public:
  void add(std::string fault) { faults_.push_back(std::move(fault)); }
  void add(const config::Faults& faults) {
    for (std::string& fault : faults.told()) faults_.push_back(std::move(fault));
  }
  void tell() const {
    if (!faults_.empty()) throw UserError(fmt::format("{}", fmt::join(faults_, "\n")));
  }

 private:
  std::vector<std::string> faults_;
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Cut at the commas that are within no brackets, braces, parentheses and quotes. A quote within a word is a letter.
std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> found;
  int depth = 0;
  char quote = 0, before = ',';  // before: the last letter that is no blank
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (quote) {
      if (letter == '\\' && quote == '"') ++i;
      if (letter == quote) quote = 0;
    } else if ((letter == '"' || letter == '\'') && std::string_view(",[{(:'").find(before) != std::string_view::npos) {
      quote = letter;
    } else if (letter == '[' || letter == '{' || letter == '(') {
      ++depth;
    } else if (letter == ']' || letter == '}' || letter == ')') {
      --depth;
    } else if (letter == ',' && depth <= 0) {
      found.emplace_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
    if (letter != ' ') before = letter;
  }
  found.emplace_back(trimmed(text.substr(begin)));
  return found;
}

// A number as it was typed: digits * 10^exponent, with no rounding. Nothing if `text` is no decimal number.
struct Decimal {
  __int128 digits = 0;
  int exponent = 0;
};

constexpr int kMostDigits = 30, kLargestExponent = 250;

__int128 power_of_ten(int exponent) {
  __int128 power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

std::optional<Decimal> decimal_of(std::string_view text) {
  Decimal number;
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() > 1 && text[0] == '0' && is_digit(text[1])) return std::nullopt;
  int digits = 0;
  bool point = false;
  std::size_t at = 0;
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '.' && !point)); ++at) {
    if (text[at] == '.') {
      point = true;
      continue;
    }
    if (++digits > kMostDigits) return std::nullopt;
    number.digits = number.digits * 10 + (text[at] - '0');
    number.exponent -= point;
  }
  if (digits == 0) return std::nullopt;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    std::string_view tail = text.substr(at + 1);
    if (tail.starts_with('+')) tail.remove_prefix(1);
    int exponent = 0;
    const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), exponent);
    if (error != std::errc() || end != tail.data() + tail.size() || std::abs(exponent) > kLargestExponent)
      return std::nullopt;
    number.exponent += exponent;
  }
  if (negative) number.digits = -number.digits;
  return number;
}

// Whole numbers with all their digits, others as a configuration writes them.
std::string text_of(const Decimal& number) {
  __int128 digits = number.digits < 0 ? -number.digits : number.digits;
  int exponent = number.exponent;
  for (; digits != 0 && exponent < 0 && digits % 10 == 0; ++exponent) digits /= 10;
  std::string text = digits == 0 ? "0" : "";
  for (; digits != 0; digits /= 10) text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(digits % 10)));
  if (text == "0") return text;
  if (number.digits < 0) text.insert(text.begin(), '-');
  if (exponent >= 0 && exponent < kMostDigits) return text + std::string(static_cast<std::size_t>(exponent), '0');
  const std::string written = fmt::format("{}e{}", text, exponent);
  const std::optional<double> value = to_double(written);
  return value ? fmt::format("{}", *value) : written;
}

// The numbers of range(A,B[,STEP]) as text; nothing if `text` is no range. They are worked out in decimals, so that
// what stands there is what is meant: 0.1 three times is 0.3.
std::optional<std::vector<std::string>> range_of(std::string_view text, const std::string& key, Wrong& wrong) {
  if (!text.starts_with("range(") || !text.ends_with(")")) return std::nullopt;
  const std::vector<std::string> words = pieces(text.substr(6, text.size() - 7));
  std::vector<Decimal> numbers;
  for (const std::string& word : words) {
    if (const auto number = decimal_of(word)) numbers.push_back(*number);
  }
  const auto refuse = [&](std::string_view why) {
    wrong.add(fmt::format("{}={}: {}", key, text, why));
    return std::vector<std::string>{};
  };
  if (numbers.size() != words.size() || numbers.size() < 2 || numbers.size() > 3) {
    return refuse(
        fmt::format("expected range(A,B) or range(A,B,STEP), the numbers from A to before B, each as in 3, -0.25 or "
                    "1e-5, of at most {} digits",
                    kMostDigits));
  }
  if (numbers.size() == 2) numbers.push_back({.digits = 1});
  int lowest = std::numeric_limits<int>::max(), highest = std::numeric_limits<int>::min();
  for (const Decimal& number : numbers) {
    if (number.digits == 0) continue;
    const __int128 size = number.digits < 0 ? -number.digits : number.digits;
    int length = 0;
    while (power_of_ten(length) <= size) ++length;
    lowest = std::min(lowest, number.exponent);
    highest = std::max(highest, number.exponent + length);
  }
  if (numbers[2].digits == 0) return refuse("a step of 0 never comes to the end");
  if (highest - lowest > kMostDigits) {
    return refuse(fmt::format("its numbers have more than {} digits between the first and the last", kMostDigits));
  }
  for (Decimal& number : numbers) {
    number.digits = number.digits == 0 ? 0 : number.digits * power_of_ten(number.exponent - lowest);
    number.exponent = lowest;
  }
  const __int128 first = numbers[0].digits, step = numbers[2].digits, way = numbers[1].digits - first;
  if (way == 0 || (way > 0) != (step > 0)) return refuse("there is no number in it, as B is not included");
  const __int128 count = way / step + (way % step != 0);
  if (count > static_cast<__int128>(kMostValues)) {
    return refuse(fmt::format("{:.6g} numbers, more than {}", static_cast<double>(count), kMostValues));
  }
  std::vector<std::string> values;
  for (__int128 i = 0; i < count; ++i) values.push_back(text_of({.digits = first + i * step, .exponent = lowest}));
  return values;
}

// Values of an axis as YAML on one line each.
std::vector<std::string> values_of(const std::string& key, const std::vector<std::string>& words, Wrong& wrong) {
  std::vector<std::string> values;
  for (const std::string& word : words) {
    if (const auto numbers = range_of(word, key, wrong)) {
      values.insert(values.end(), numbers->begin(), numbers->end());
      continue;
    }
    if (word.empty()) {
      wrong.add(fmt::format("{}: a value is missing between two commas, or after '='", key));
      continue;
    }
    config::Faults faults(fmt::format("{}={}", key, word), {});
    const auto node = config::parse_value(word, 0, faults);
    wrong.add(faults);
    if (node) values.push_back(config::to_line(*node));
  }
  return values;
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file) throw UserError(fmt::format("{}: cannot be read; name a YAML file with a grid", path));
  return text.str();
}

std::string place_in(const std::string& path, const config::Place& place) {
  return fmt::format("{}:{}:{}", path, place.line, place.column);
}

std::vector<Point> points_of(const Node& list, const std::string& path, const std::string& key, Wrong& wrong) {
  std::vector<Point> points;
  if (list.kind != Node::Kind::kList) {
    wrong.add(
        fmt::format("{}: {}: expected a list of maps, as in {}: [{{seed: 1}}]", place_in(path, list.place), key, key));
    return points;
  }
  for (const Node& item : list.items) {
    if (item.kind != Node::Kind::kMap || item.entries.empty()) {
      wrong.add(fmt::format("{}: {}: expected a map of keys and values", place_in(path, item.place), key));
      continue;
    }
    Point& point = points.emplace_back();
    for (const config::Entry& entry : item.entries) point.emplace_back(entry.key, config::to_line(entry.value));
  }
  return points;
}

// A value of an axis as it would be typed.
std::string word_of(const Node& node) {
  const bool range = node.kind == Node::Kind::kScalar && node.text.starts_with("range(") && node.text.ends_with(")");
  return range ? node.text : config::to_line(node);
}

Grid read_file(const std::string& path, Wrong& wrong) {
  Grid grid;
  config::Faults faults(path, {});
  const auto root = config::parse(text_of_file(path), 0, faults);
  wrong.add(faults);
  if (!root) return grid;
  if (root->kind != Node::Kind::kMap) {
    wrong.add(fmt::format("{}: expected the keys grid, include and exclude", path));
    return grid;
  }
  for (const config::Entry& entry : root->entries) {
    if (entry.key == "include") {
      grid.include = points_of(entry.value, path, entry.key, wrong);
    } else if (entry.key == "exclude") {
      grid.exclude = points_of(entry.value, path, entry.key, wrong);
    } else if (entry.key != "grid") {
      wrong.add(fmt::format("{}: unknown key {}; expected grid, include or exclude", place_in(path, entry.place),
                            config::in_quotes(entry.key)));
    } else if (entry.value.kind != Node::Kind::kMap) {
      wrong.add(fmt::format("{}: grid: expected a map of keys, each with a list of values",
                            place_in(path, entry.value.place)));
    } else {
      for (const config::Entry& axis : entry.value.entries) {
        std::vector<std::string> words;
        if (axis.value.kind == Node::Kind::kList) {
          for (const Node& item : axis.value.items) words.push_back(word_of(item));
        } else {
          words.push_back(word_of(axis.value));
        }
        if (words.empty()) {
          wrong.add(fmt::format("{}: grid: {} has no values", place_in(path, axis.place), axis.key));
        }
        grid.axes.push_back({axis.key, values_of(axis.key, words, wrong)});
      }
    }
  }
  return grid;
}

}  // namespace

Grid parse_grid(const std::vector<std::string>& words, const std::string& file) {
  Wrong wrong;
  Grid grid;
  if (!file.empty()) grid = read_file(file, wrong);
  std::vector<std::string> seen;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (word.starts_with('+') || word.starts_with('~') || equals == std::string::npos) {
      grid.changes.push_back(word);  // a word that is no change is told when it is applied
      continue;
    }
    const std::string key(trimmed(word.substr(0, equals)));
    const std::vector<std::string> parts = pieces(std::string_view(word).substr(equals + 1));
    std::vector<std::string> values;
    if (parts.size() > 1 || parts.front().starts_with("range(")) values = values_of(key, parts, wrong);
    if (std::ranges::find(seen, key) != seen.end()) {
      wrong.add(fmt::format("{} is given twice; put its values into one list, {}=V1,V2", key, key));
      continue;
    }
    seen.push_back(key);
    std::erase_if(grid.axes, [&](const Axis& axis) { return axis.key == key; });
    if (values.size() > 1) {
      grid.axes.push_back({key, std::move(values)});
    } else {
      grid.changes.push_back(values.size() == 1 ? fmt::format("{}={}", key, values.front()) : word);
    }
  }
  wrong.tell();
  return grid;
}

}  // namespace psctl::sweep
