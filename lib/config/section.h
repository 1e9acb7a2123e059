// The keys of one map of the configuration, each declared once: its value, the variable it sets, its default, its
// meaning, and under which kinds it has an effect. Reading, writing and the schema all follow from it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/value.h"

namespace psctl::config {

struct Field {
  std::string key;
  std::string meaning;
  std::shared_ptr<const Value> value;
  std::function<void*(void*)> locate;  // from the owner of the section to the variable
  std::vector<std::string> under;      // kinds of the section under which the key has an effect; empty: all
  bool required = false;
  std::optional<Node> initial;            // the default, where it is not what the variable begins with
  std::optional<Node> default_in_schema;  // the default, whichever it is
  std::string default_in_words;           // where it depends on other keys

  bool has_effect(const std::optional<std::string>& kind) const;
};

class Section {
 public:
  const std::vector<Field>& fields() const { return fields_; }
  // The key that decides which of the others have an effect; null if there is none.
  const Field* kind_field() const { return kind_ ? &fields_[*kind_] : nullptr; }
  // The field of this name that has an effect under `kind`; with no kind, the first of this name. Else null.
  const Field* find(std::string_view key, const std::optional<std::string>& kind) const;
  // Those under which the key has an effect.
  std::vector<std::string> kinds_of(std::string_view key) const;
  // A word in the place of the map stands for its kind.
  bool kind_alone() const { return kind_alone_; }

  // Reads a map into its owner. Keys that are not given get their defaults.
  void read(const Node& map, const std::string& path, Faults& faults, void* owner) const;
  // Every key that has an effect, in the order of their declaration.
  Node write(const void* owner) const;

 protected:
  std::vector<Field> fields_;
  std::optional<std::size_t> kind_;
  bool kind_alone_ = false;

 private:
  std::optional<std::string> read_kind(const Node& map, const std::string& path, Faults& faults, void* owner) const;
  void refuse_key(const Entry& entry, const std::string& path, const std::optional<std::string>& kind,
                  Faults& faults) const;
};

// How a key differs from most.
struct Extra {
  std::vector<std::string> under = {};
  bool required = false;
  std::optional<std::string> initial = {};  // YAML
  std::string default_in_words = {};
};

template <class Owner>
class SectionOf : public Section {
 public:
  // `access` is a pointer to a member, or a function from Owner& to the variable.
  template <class Access, class Type>
  SectionOf& add(std::string key, Access access, ValueOf<Type> value, std::string meaning, Extra extra = {}) {
    static_assert(std::is_same_v<std::invoke_result_t<Access, Owner&>, Type&>);
    Field field;
    field.key = std::move(key);
    field.meaning = std::move(meaning);
    field.value = std::move(value.value);
    field.locate = [access](void* owner) -> void* { return &std::invoke(access, *static_cast<Owner*>(owner)); };
    field.under = std::move(extra.under);
    field.required = extra.required;
    field.default_in_words = std::move(extra.default_in_words);
    if (extra.initial) {
      Faults faults("the default of " + field.key, {});
      field.initial = parse(*extra.initial, 0, faults);
      PSCTL_CHECK(field.initial, "default of " + field.key);
    }
    Owner owner;
    const void* begun = field.locate(&owner);
    if (field.initial) {
      field.default_in_schema = field.initial;
    } else if (!field.required && field.default_in_words.empty() && !field.value->is_always_there() &&
               !field.value->absent(begun)) {
      field.default_in_schema = field.value->write(begun);
    }
    fields_.push_back(std::move(field));
    return *this;
  }
  // The same for the key that decides which of the others have an effect.
  template <class Access, class Type>
  SectionOf& kind(std::string key, Access access, ValueOf<Type> value, std::string meaning, Extra extra = {}) {
    kind_ = fields_.size();
    return add(std::move(key), access, std::move(value), std::move(meaning), std::move(extra));
  }
  SectionOf& let_kind_stand_alone() {
    kind_alone_ = true;
    return *this;
  }
};

// A map whose keys are those of `section`, which must live on.
template <class Owner>
ValueOf<Owner> map(const SectionOf<Owner>& section);

std::shared_ptr<const Value> map_value(const Section& section);

template <class Owner>
ValueOf<Owner> map(const SectionOf<Owner>& section) {
  return {map_value(section)};
}

}  // namespace psctl::config
