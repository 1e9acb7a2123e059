// A strategy's parameters: what there is, what it means and where it comes from, and the values of one run.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace psctl::sync {

using ParameterValue = std::variant<bool, std::int64_t, double, std::string>;

// Who says so: the paper (or its authors' code), or we, where the source is silent.
enum class Origin { kPaper, kOurs };

struct Parameter {
  std::string name;
  // Tells the type too. No value: the parameter is absent unless given (then `type_of_absent` is its type).
  std::optional<ParameterValue> default_value;
  ParameterValue type_of_absent = std::int64_t{0};
  double minimum = -std::numeric_limits<double>::infinity();  // of numbers, inclusive
  double maximum = std::numeric_limits<double>::infinity();   // of numbers, inclusive
  std::vector<std::string> choices;                           // of words
  std::string meaning;
  Origin origin = Origin::kPaper;
  // Other parameters of the same strategy that leave this one without effect, so that only its default is accepted:
  std::string needs = {};        // has its own default: the flag is not set, the word says none
  std::string replaced_by = {};  // is given
};

// Checked values by name, defaults filled in. Asking for another type than the parameter's is a fault of ours.
class Parameters {
 public:
  explicit Parameters(std::map<std::string, ParameterValue, std::less<>> values = {}) : values_(std::move(values)) {}

  bool has(std::string_view name) const { return values_.contains(name); }
  bool flag(std::string_view name) const { return get<bool>(name); }
  std::int64_t integer(std::string_view name) const { return get<std::int64_t>(name); }
  double number(std::string_view name) const { return get<double>(name); }
  const std::string& word(std::string_view name) const { return get<std::string>(name); }
  const std::map<std::string, ParameterValue, std::less<>>& values() const { return values_; }

 private:
  template <class Type>
  const Type& get(std::string_view name) const;

  std::map<std::string, ParameterValue, std::less<>> values_;
};

}  // namespace psctl::sync
