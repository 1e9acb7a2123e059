// Reads the points of a sweep from a command line and a grid file.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <sstream>

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

// Cut at the commas that are within no brackets, braces, parentheses and quotes.
std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> found;
  int depth = 0;
  char quote = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (quote) {
      if (letter == '\\' && quote == '"') ++i;
      if (letter == quote) quote = 0;
    } else if (letter == '"' || letter == '\'') {
      quote = letter;
    } else if (letter == '[' || letter == '{' || letter == '(') {
      ++depth;
    } else if (letter == ']' || letter == '}' || letter == ')') {
      --depth;
    } else if (letter == ',' && depth <= 0) {
      found.emplace_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  found.emplace_back(trimmed(text.substr(begin)));
  return found;
}

std::optional<double> number_of(const std::string& text) {
  std::size_t used = 0;
  try {
    const double number = std::stod(text, &used);
    if (used == text.size() && std::isfinite(number)) return number;
  } catch (const std::exception&) {
  }
  return std::nullopt;
}

// The numbers of range(A,B[,STEP]) as text; nothing if `text` is no range.
std::optional<std::vector<std::string>> range_of(std::string_view text, const std::string& key, Wrong& wrong) {
  if (!text.starts_with("range(") || !text.ends_with(")")) return std::nullopt;
  const std::vector<std::string> words = pieces(text.substr(6, text.size() - 7));
  std::vector<double> numbers;
  for (const std::string& word : words) {
    if (const auto number = number_of(word)) numbers.push_back(*number);
  }
  const auto refuse = [&](std::string_view why) {
    wrong.add(fmt::format("{}={}: {}", key, text, why));
    return std::vector<std::string>{};
  };
  if (numbers.size() != words.size() || numbers.size() < 2 || numbers.size() > 3) {
    return refuse("expected range(A,B) or range(A,B,STEP), the numbers from A to before B");
  }
  const double first = numbers[0], end = numbers[1], step = numbers.size() == 3 ? numbers[2] : 1;
  if (step == 0 || (end - first) / step <= 0) return refuse("there is no number in it, as B is not included");
  // A hair before B is B: 0.1 three times is more than 0.3.
  const double count = std::ceil((end - first) / step - 1e-9);
  if (count > static_cast<double>(kMostValues)) return refuse(fmt::format("more than {} numbers", kMostValues));
  std::vector<std::string> values;
  for (double i = 0; i < count; ++i) {
    const double value = first + i * step;
    const double rounded = std::round(value * 1e9) / 1e9;
    const double told = std::abs(value) > 1e-3 && std::abs(rounded - value) < 1e-9 ? rounded : value;
    values.push_back(std::abs(told) < 1e15 && told == std::floor(told) ? fmt::format("{:.0f}", told)
                                                                       : fmt::format("{}", told));
  }
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
    const auto node = config::parse(word, 0, faults);
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
                            config::quoted(entry.key)));
    } else if (entry.value.kind != Node::Kind::kMap) {
      wrong.add(fmt::format("{}: grid: expected a map of keys, each with a list of values",
                            place_in(path, entry.value.place)));
    } else {
      for (const config::Entry& axis : entry.value.entries) {
        std::vector<std::string> words;
        if (axis.value.kind == Node::Kind::kList) {
          for (const Node& item : axis.value.items) {
            const bool range = item.kind == Node::Kind::kScalar && item.text.starts_with("range(");
            words.push_back(range ? item.text : config::to_line(item));
          }
        } else {
          words.push_back(axis.value.kind == Node::Kind::kScalar ? axis.value.text : config::to_line(axis.value));
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
