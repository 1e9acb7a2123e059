// What may stand as the value of a key: its type and range, told once, for reading, for writing and for the schema.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "config/faults.h"
#include "config/tree.h"
#include "sync/parameters.h"

namespace psctl::config {

class Section;

constexpr std::size_t kMostWorkers = 65536;

// What the schema tells of a value.
struct Description {
  std::string type;          // integer, number, boolean, choice, text, map, or a list of one of those
  std::string allowed = {};  // the range in words
  std::optional<Node> minimum = {}, maximum = {};  // of numbers
  bool above_minimum = false;                      // the minimum itself is not allowed
  bool below_maximum = false;                      // the maximum itself is not allowed
  bool or_zero = false;                            // 0 is allowed too, whatever the minimum
  std::vector<std::string> choices = {};
};

// `target` and `source` point at a variable of the type that the value was made for; ValueOf keeps the two together.
class Value {
 public:
  virtual ~Value() = default;
  // `node` is not null. Where it adds a fault, what becomes of the variable means nothing.
  virtual void read(const Node& node, const std::string& path, Faults& faults, void* target) const = 0;
  virtual Node write(const void* source) const = 0;
  // Nothing is to be written.
  virtual bool absent(const void* /*source*/) const { return false; }
  virtual Description describe() const = 0;
  // The keys below: of a map, or of the elements of a list.
  virtual const Section* section() const { return nullptr; }
  virtual bool is_list() const { return false; }
  // A map whose keys have their defaults even where the map is not given.
  virtual bool is_always_there() const { return false; }
};

template <class Type>
struct ValueOf {
  std::shared_ptr<const Value> value;
};

// The numbers that are allowed. None of them is infinite or not a number.
struct Range {
  double minimum = std::numeric_limits<double>::lowest();
  double maximum = std::numeric_limits<double>::max();
  bool above_minimum = false;
  bool below_maximum = false;
  bool or_zero = false;

  bool contains(double number) const;
  std::string told() const;
};
constexpr Range at_least(double minimum) { return {.minimum = minimum}; }
constexpr Range above(double minimum) { return {.minimum = minimum, .above_minimum = true}; }
constexpr Range between(double minimum, double maximum) { return {.minimum = minimum, .maximum = maximum}; }

ValueOf<std::uint64_t> whole(std::uint64_t minimum, std::uint64_t maximum = std::numeric_limits<std::uint64_t>::max());
// Whether there is such a worker is to be checked with cluster.workers at hand.
ValueOf<WorkerId> worker();
ValueOf<double> number(Range range);
ValueOf<bool> flag();
// `fault` tells what is wrong with a text, in words that follow the path; nothing if all is well. Empty texts are
// refused; an empty variable is not written.
ValueOf<std::string> text(std::string (*fault)(std::string_view), std::string allowed);
// One of a strategy's parameters, in the map that holds them all.
ValueOf<sync::Parameters> parameter(const sync::Parameter& parameter);

// Adds a fault that tells what was seen and what is expected instead; `advice` follows it as it stands.
void refuse_type(const Node& node, const std::string& path, Faults& faults, std::string_view expected,
                 std::string_view advice = "");
// The place of the word among `choices`.
std::optional<std::size_t> read_choice(const Node& node, const std::string& path, Faults& faults,
                                       const std::vector<std::string>& choices);
// Adds a fault unless `count` elements are allowed.
void check_length(std::size_t count, const Node& node, const std::string& path, Faults& faults, std::size_t shortest,
                  std::size_t longest);
// "has no value", for what stands there as null.
void refuse_null(const Node& node, const std::string& path, Faults& faults);

// A word that stands for a value of an enumeration.
template <class Type>
class Choice final : public Value {
 public:
  explicit Choice(std::vector<std::pair<std::string, Type>> choices) {
    for (auto& [word, meant] : choices) {
      words_.push_back(std::move(word));
      meant_.push_back(std::move(meant));
    }
  }
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    if (const auto place = read_choice(node, path, faults, words_)) *static_cast<Type*>(target) = meant_[*place];
  }
  Node write(const void* source) const override {
    for (std::size_t i = 0; i < meant_.size(); ++i) {
      if (meant_[i] == *static_cast<const Type*>(source)) return Node::word(words_[i]);
    }
    return {};
  }
  Description describe() const override { return {.type = "choice", .choices = words_}; }

 private:
  std::vector<std::string> words_;
  std::vector<Type> meant_;
};

template <class Type>
ValueOf<Type> choice(std::vector<std::pair<std::string, Type>> choices) {
  return {std::make_shared<Choice<Type>>(std::move(choices))};
}

// A key that may be left out, and then says nothing.
template <class Type>
class Optional final : public Value {
 public:
  explicit Optional(ValueOf<Type> value) : value_(std::move(value.value)) {}
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    auto& variable = *static_cast<std::optional<Type>*>(target);
    variable = Type{};
    value_->read(node, path, faults, &*variable);
  }
  Node write(const void* source) const override {
    return value_->write(&**static_cast<const std::optional<Type>*>(source));
  }
  bool absent(const void* source) const override {
    return !static_cast<const std::optional<Type>*>(source)->has_value();
  }
  Description describe() const override { return value_->describe(); }
  const Section* section() const override { return value_->section(); }
  bool is_list() const override { return value_->is_list(); }

 private:
  std::shared_ptr<const Value> value_;
};

template <class Type>
ValueOf<std::optional<Type>> optional(ValueOf<Type> value) {
  return {std::make_shared<Optional<Type>>(std::move(value))};
}

// What a list may be besides a list.
struct ListForm {
  std::size_t shortest = 0;
  std::size_t longest = 0;
  bool one_alone = false;  // an element may stand for the list of it alone
  std::string word = {};   // stands for the empty list, which then cannot be written otherwise
};

template <class Type>
class List final : public Value {
 public:
  List(ValueOf<Type> element, ListForm form) : element_(std::move(element.value)), form_(std::move(form)) {}
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    auto& list = *static_cast<std::vector<Type>*>(target);
    list.clear();
    if (node.kind == Node::Kind::kScalar && !form_.word.empty() && node.text == form_.word) return;
    if (node.kind == Node::Kind::kScalar && form_.one_alone) {
      element_->read(node, path, faults, &list.emplace_back());
      return;
    }
    if (node.kind != Node::Kind::kList) {
      refuse_type(node, path, faults, expected());
      return;
    }
    check_length(node.items.size(), node, path, faults, form_.shortest, form_.longest);
    list.reserve(node.items.size());
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const std::string element_path = joined(path, std::to_string(i));
      Type& element = list.emplace_back();
      if (node.items[i].kind == Node::Kind::kNull) {
        refuse_null(node.items[i], element_path, faults);
      } else {
        element_->read(node.items[i], element_path, faults, &element);
      }
    }
  }
  Node write(const void* source) const override {
    const auto& list = *static_cast<const std::vector<Type>*>(source);
    if (list.empty() && !form_.word.empty()) return Node::word(form_.word);
    if (list.size() == 1 && form_.one_alone) return element_->write(&list[0]);
    Node node = Node::list();
    node.items.reserve(list.size());
    for (const Type& element : list) node.items.push_back(element_->write(&element));
    return node;
  }
  Description describe() const override {
    Description description = element_->describe();
    description.type = (form_.one_alone      ? description.type + " or "
                        : form_.word.empty() ? ""
                                             : form_.word + " or ") +
                       "list of " + description.type;
    return description;
  }
  const Section* section() const override { return element_->section(); }
  bool is_list() const override { return true; }

 private:
  std::string expected() const {
    const std::string alone = form_.one_alone       ? "a " + element_->describe().type + " or "
                              : !form_.word.empty() ? form_.word + " or "
                                                    : "";
    return alone + "a list";
  }

  std::shared_ptr<const Value> element_;
  ListForm form_;
};

template <class Type>
ValueOf<std::vector<Type>> list(ValueOf<Type> element, ListForm form) {
  return {std::make_shared<List<Type>>(std::move(element), std::move(form))};
}

}  // namespace psctl::config
