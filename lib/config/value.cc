#include "config/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace psctl::config {
namespace {

constexpr std::size_t kLongestWord = 4096;

std::string found(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return node.plain ? in_quotes(node.text) : "the text " + in_quotes(node.text);
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
  }
  return {};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// YAML 1.1 reads 017 as 15, YAML 1.2 as 17: psctl as neither.
bool has_leading_zero(std::string_view number) {
  if (number.starts_with('-') || number.starts_with('+')) number.remove_prefix(1);
  return number.size() > 1 && number[0] == '0' && is_digit(number[1]);
}

bool has_form_of_whole(std::string_view digits) {
  const bool leading_zero = has_leading_zero(digits);
  if (digits.starts_with('-')) digits.remove_prefix(1);
  return !digits.empty() && !leading_zero && std::ranges::all_of(digits, is_digit);
}

// What to do about a number in another form; empty if the text is no number at all.
std::string_view advice_on_number(const Node& node) {
  if (node.kind != Node::Kind::kScalar || !node.plain || node.text.empty()) return {};
  if (has_leading_zero(node.text)) return "; write it without the leading 0";
  if (!is_digit(node.text.front()) || !is_digit(node.text.back())) return {};
  const bool has_marks = std::ranges::all_of(node.text, [](char c) { return is_digit(c) || c == ',' || c == '_'; });
  return has_marks ? "; write it with a decimal point, and without marks between thousands" : "";
}

template <class Number>
std::string told_whole_range(Number minimum, Number maximum) {
  const bool no_maximum = maximum == std::numeric_limits<Number>::max();
  const bool no_minimum = minimum == std::numeric_limits<Number>::min() && std::is_signed_v<Number>;
  if (no_minimum && no_maximum) return "";
  if (no_maximum) return fmt::format("at least {}", minimum);
  if (no_minimum) return fmt::format("at most {}", maximum);
  return fmt::format("{} to {}", minimum, maximum);
}

void refuse_range(const Node& node, const std::string& path, Faults& faults, const std::string& allowed) {
  faults.add(node.place, path, fmt::format("{}: {} is out of range; allowed: {}", path, in_quotes(node.text), allowed));
}

template <class Number>
std::optional<Number> read_whole(const Node& node, const std::string& path, Faults& faults, Number minimum,
                                 Number maximum) {
  if (node.kind != Node::Kind::kScalar || !node.plain || !has_form_of_whole(node.text)) {
    refuse_type(node, path, faults, "a whole number", advice_on_number(node));
    return std::nullopt;
  }
  Number value = 0;
  const char* const end = node.text.data() + node.text.size();
  const auto [stopped, error] = std::from_chars(node.text.data(), end, value);
  if (error == std::errc::result_out_of_range && maximum == std::numeric_limits<Number>::max()) {
    faults.add(node.place, path, fmt::format("{}: {} does not fit into 64 bits", path, in_quotes(node.text)));
    return std::nullopt;
  }
  if (error != std::errc() || stopped != end || value < minimum || value > maximum) {
    refuse_range(node, path, faults, told_whole_range(minimum, maximum));
    return std::nullopt;
  }
  return value;
}

std::optional<double> read_number(const Node& node, const std::string& path, Faults& faults, const Range& range) {
  double value = 0;
  const bool is_plain = node.kind == Node::Kind::kScalar && node.plain;
  const bool has_form = is_plain && std::ranges::all_of(node.text, [](char c) {
                          return std::string_view("0123456789.+-eE").find(c) != std::string_view::npos;
                        });
  const char* const end = node.text.data() + node.text.size();
  const auto [stopped, error] = std::from_chars(node.text.data(), end, value);
  if (!has_form || has_leading_zero(node.text) || stopped != end || error == std::errc::invalid_argument) {
    refuse_type(node, path, faults, "a number", advice_on_number(node));
    return std::nullopt;
  }
  if (error == std::errc::result_out_of_range) {
    faults.add(node.place, path, fmt::format("{}: {} does not fit into a double", path, in_quotes(node.text)));
    return std::nullopt;
  }
  if (!range.contains(value)) {
    refuse_range(node, path, faults, range.told());
    return std::nullopt;
  }
  return value == 0 ? 0 : value;  // no negative zero
}

std::optional<bool> read_flag(const Node& node, const std::string& path, Faults& faults) {
  if (node.kind == Node::Kind::kScalar && node.plain && (node.text == "true" || node.text == "false")) {
    return node.text == "true";
  }
  refuse_type(node, path, faults, "true or false");
  return std::nullopt;
}

Description describe_range(const Range& range) {
  Description description{.type = "number",
                          .allowed = range.told(),
                          .minimum = {},
                          .maximum = {},
                          .above_minimum = range.above_minimum,
                          .below_maximum = range.below_maximum,
                          .or_zero = range.or_zero,
                          .choices = {}};
  if (range.minimum > std::numeric_limits<double>::lowest()) {
    description.minimum = Node::scalar(fmt::format("{}", range.minimum));
  }
  if (range.maximum < std::numeric_limits<double>::max()) {
    description.maximum = Node::scalar(fmt::format("{}", range.maximum));
  }
  return description;
}

template <class Number>
Description describe_whole(Number minimum, Number maximum) {
  Description description{.type = "integer", .allowed = told_whole_range(minimum, maximum)};
  if (minimum > std::numeric_limits<Number>::min() || std::is_unsigned_v<Number>) {
    description.minimum = Node::scalar(fmt::format("{}", minimum));
  }
  if (maximum < std::numeric_limits<Number>::max()) description.maximum = Node::scalar(fmt::format("{}", maximum));
  return description;
}

class Whole final : public Value {
 public:
  Whole(std::uint64_t minimum, std::uint64_t maximum) : minimum_(minimum), maximum_(maximum) {}
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    const auto value = read_whole(node, path, faults, minimum_, maximum_);
    if (value) *static_cast<std::uint64_t*>(target) = *value;
  }
  Node write(const void* source) const override {
    return Node::scalar(fmt::format("{}", *static_cast<const std::uint64_t*>(source)));
  }
  Description describe() const override { return describe_whole(minimum_, maximum_); }

 private:
  std::uint64_t minimum_, maximum_;
};
static_assert(std::is_same_v<std::uint64_t, std::size_t>, "sizes are read as whole numbers too");

class Worker final : public Value {
 public:
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    const auto value = read_whole(node, path, faults, std::uint64_t{0}, std::uint64_t{kMostWorkers - 1});
    if (value) *static_cast<WorkerId*>(target) = WorkerId(static_cast<std::uint32_t>(*value));
  }
  Node write(const void* source) const override {
    return Node::scalar(fmt::format("{}", static_cast<const WorkerId*>(source)->value));
  }
  Description describe() const override {
    Description description = describe_whole(std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max());
    description.allowed = "0 to cluster.workers - 1";
    return description;
  }
};

class Number final : public Value {
 public:
  explicit Number(Range range) : range_(range) {}
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    if (const auto value = read_number(node, path, faults, range_)) *static_cast<double*>(target) = *value;
  }
  Node write(const void* source) const override {
    return Node::scalar(fmt::format("{}", *static_cast<const double*>(source)));
  }
  Description describe() const override { return describe_range(range_); }

 private:
  Range range_;
};

class Flag final : public Value {
 public:
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    if (const auto value = read_flag(node, path, faults)) *static_cast<bool*>(target) = *value;
  }
  Node write(const void* source) const override {
    return Node::scalar(*static_cast<const bool*>(source) ? "true" : "false");
  }
  Description describe() const override { return {.type = "boolean", .allowed = "true or false"}; }
};

class Text final : public Value {
 public:
  Text(std::string (*fault)(std::string_view), std::string allowed) : fault_(fault), allowed_(std::move(allowed)) {}
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    if (node.kind != Node::Kind::kScalar) {
      refuse_type(node, path, faults, "a text");
      return;
    }
    const std::string fault = general_fault(node.text);
    if (!fault.empty()) {
      faults.add(node.place, path, fmt::format("{}: {} {}", path, in_quotes(node.text), fault));
    } else {
      *static_cast<std::string*>(target) = node.text;
    }
  }
  Node write(const void* source) const override { return Node::word(*static_cast<const std::string*>(source)); }
  bool absent(const void* source) const override { return static_cast<const std::string*>(source)->empty(); }
  Description describe() const override { return {.type = "text", .allowed = allowed_}; }

 private:
  std::string general_fault(std::string_view text) const {
    if (text.empty()) return "is empty; give a text or remove the key";
    if (text.size() > kLongestWord) return fmt::format("is longer than {} bytes", kLongestWord);
    const bool has_control = std::ranges::any_of(text, [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte < 0x20 || byte == 0x7F;
    });
    if (has_control) return "has a control character in it; remove it";
    return fault_(text);
  }

  std::string (*fault_)(std::string_view);
  std::string allowed_;
};

// The bounds of a parameter are doubles whatever its type.
std::int64_t as_whole(double bound) {
  if (bound <= static_cast<double>(std::numeric_limits<std::int64_t>::min())) {
    return std::numeric_limits<std::int64_t>::min();
  }
  if (bound >= static_cast<double>(std::numeric_limits<std::int64_t>::max())) {
    return std::numeric_limits<std::int64_t>::max();
  }
  return static_cast<std::int64_t>(bound);
}

class ParameterValue final : public Value {
 public:
  explicit ParameterValue(const sync::Parameter& parameter)
      : parameter_(parameter),
        type_(parameter.default_value.value_or(parameter.type_of_absent)),
        range_{.minimum = std::max(parameter.minimum, std::numeric_limits<double>::lowest()),
               .maximum = std::min(parameter.maximum, std::numeric_limits<double>::max())} {
    PSCTL_CHECK(!std::holds_alternative<std::string>(type_) || !parameter.choices.empty(), parameter.name);
  }

  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    const auto keep = [&](sync::ParameterValue value) {
      auto& parameters = *static_cast<sync::Parameters*>(target);
      auto values = parameters.values();
      values.insert_or_assign(parameter_.name, std::move(value));
      parameters = sync::Parameters(std::move(values));
    };
    if (std::holds_alternative<bool>(type_)) {
      if (const auto value = read_flag(node, path, faults)) keep(*value);
    } else if (std::holds_alternative<std::int64_t>(type_)) {
      const auto value = read_whole(node, path, faults, as_whole(range_.minimum), as_whole(range_.maximum));
      if (value) keep(*value);
    } else if (std::holds_alternative<double>(type_)) {
      if (const auto value = read_number(node, path, faults, range_)) keep(*value);
    } else if (const auto value = read_choice(node, path, faults, parameter_.choices)) {
      keep(parameter_.choices[*value]);
    }
  }
  Node write(const void* source) const override {
    const auto& value = static_cast<const sync::Parameters*>(source)->values().find(parameter_.name)->second;
    if (const auto* flag = std::get_if<bool>(&value)) return Node::scalar(*flag ? "true" : "false");
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return Node::scalar(fmt::format("{}", *whole));
    if (const auto* number = std::get_if<double>(&value)) return Node::scalar(fmt::format("{}", *number));
    return Node::word(std::get<std::string>(value));
  }
  bool absent(const void* source) const override {
    return !static_cast<const sync::Parameters*>(source)->has(parameter_.name);
  }
  Description describe() const override {
    if (std::holds_alternative<bool>(type_)) return {.type = "boolean", .allowed = "true or false"};
    if (std::holds_alternative<double>(type_)) return describe_range(range_);
    if (std::holds_alternative<std::int64_t>(type_)) {
      return describe_whole(as_whole(range_.minimum), as_whole(range_.maximum));
    }
    return {.type = "choice", .choices = parameter_.choices};
  }

 private:
  sync::Parameter parameter_;
  sync::ParameterValue type_;  // any value of the parameter's type
  Range range_;
};

}  // namespace

bool Range::contains(double value) const {
  if (or_zero && value == 0) return true;
  const bool high_enough = above_minimum ? value > minimum : value >= minimum;
  const bool low_enough = below_maximum ? value < maximum : value <= maximum;
  return high_enough && low_enough;
}

std::string Range::told() const {
  const bool has_minimum = minimum > std::numeric_limits<double>::lowest();
  const bool has_maximum = maximum < std::numeric_limits<double>::max();
  std::string told;
  if (has_minimum && has_maximum && !above_minimum) {
    told = fmt::format("{} to {}{}", minimum, below_maximum ? "less than " : "", maximum);
  } else {
    if (has_minimum) told = fmt::format("{} {}", above_minimum ? "above" : "at least", minimum);
    if (has_minimum && has_maximum) told += ", ";
    if (has_maximum) told += fmt::format("{} {}", below_maximum ? "below" : "at most", maximum);
  }
  return or_zero ? "0, or " + told : told;
}

ValueOf<std::uint64_t> whole(std::uint64_t minimum, std::uint64_t maximum) {
  return {std::make_shared<Whole>(minimum, maximum)};
}
ValueOf<WorkerId> worker() { return {std::make_shared<Worker>()}; }
ValueOf<double> number(Range range) { return {std::make_shared<Number>(range)}; }
ValueOf<bool> flag() { return {std::make_shared<Flag>()}; }
ValueOf<std::string> text(std::string (*fault)(std::string_view), std::string allowed) {
  return {std::make_shared<Text>(fault, std::move(allowed))};
}
ValueOf<sync::Parameters> parameter(const sync::Parameter& parameter) {
  return {std::make_shared<ParameterValue>(parameter)};
}

void refuse_type(const Node& node, const std::string& path, Faults& faults, std::string_view expected,
                 std::string_view advice) {
  faults.add(node.place, path,
             fmt::format("{}{}expected {}, found {}{}", path, path.empty() ? "" : ": ", expected, found(node), advice));
}

void refuse_null(const Node& node, const std::string& path, Faults& faults) {
  faults.add(node.place, path, fmt::format("{} has no value; give one or remove it", path));
}

namespace {

// "ssp(staleness=4)", as tables write a strategy, as configurations do: "{name: ssp, staleness: 4}". Empty if it is none.
std::string label_as_map(const std::string& text, const std::vector<std::string>& choices) {
  const std::size_t open = text.find('(');
  if (open == std::string::npos || !text.ends_with(')')) return {};
  const std::string name = text.substr(0, open);
  if (std::ranges::find(choices, name) == choices.end()) return {};
  std::string map = "{name: " + name + ", ";
  for (const char c : std::string_view(text).substr(open + 1, text.size() - open - 2)) {
    map += c == '=' ? std::string(": ") : std::string(1, c);
  }
  return map + "}";
}

}  // namespace

std::optional<std::size_t> read_choice(const Node& node, const std::string& path, Faults& faults,
                                       const std::vector<std::string>& choices) {
  if (node.kind != Node::Kind::kScalar) {
    refuse_type(node, path, faults, enumerate(choices, "or"));
    return std::nullopt;
  }
  const auto chosen = std::ranges::find(choices, node.text);
  if (chosen != choices.end()) return static_cast<std::size_t>(chosen - choices.begin());
  std::string near;
  if (node.text.size() <= 100) near = path.ends_with(".name") ? label_as_map(node.text, choices) : std::string();
  if (near.empty() && node.text.size() <= 100) near = nearest(node.text, choices);
  faults.add(node.place, path,
             fmt::format("{}: {} is not known; {}it is one of {}", path, in_quotes(node.text),
                         near.empty() ? "" : fmt::format("did you mean {}? ", near), enumerate(choices, "or")));
  return std::nullopt;
}

void check_length(std::size_t count, const Node& node, const std::string& path, Faults& faults, std::size_t shortest,
                  std::size_t longest) {
  if (count >= shortest && count <= longest) return;
  const std::string allowed =
      count < shortest ? fmt::format("at least {}", shortest) : fmt::format("at most {}", longest);
  faults.add(node.place, path,
             fmt::format("{}: {} {}; allowed: {}", path, count, count == 1 ? "element" : "elements", allowed));
}

}  // namespace psctl::config
