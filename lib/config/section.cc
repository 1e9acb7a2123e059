#include "config/section.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.h"
#include "config/schema.h"

namespace psctl::config {
namespace {

constexpr std::size_t kLongestSlip = 100;  // what is longer is nobody's slip of the pen
constexpr std::size_t kMostPlaces = 3;     // a key that stands in more places is no hint

class Map final : public Value {
 public:
  explicit Map(const Section& section) : section_(section) {}
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    if (node.kind == Node::Kind::kScalar && section_.kind_alone()) {
      Node map = Node::map();
      map.place = node.place;
      map.entries.push_back({section_.kind_field()->key, node.place, node});
      section_.read(map, path, faults, target);
    } else if (node.kind == Node::Kind::kMap) {
      section_.read(node, path, faults, target);
    } else {
      refuse_type(node, path, faults, "a map of keys");
    }
  }
  Node write(const void* source) const override { return section_.write(source); }
  Description describe() const override { return {.type = "map"}; }
  const Section* section() const override { return &section_; }
  bool is_always_there() const override { return true; }

 private:
  const Section& section_;
};

// The paths anywhere in the configuration, but not in lists, that end in `key`.
void find_everywhere(const Section& section, const std::string& path, std::string_view key,
                     std::vector<std::string>& found) {
  if (section.find(key, std::nullopt)) found.push_back(joined(path, key));
  for (const Field& field : section.fields()) {
    const Section* below = field.value->section();
    if (below && !field.value->is_list()) find_everywhere(*below, joined(path, field.key), key, found);
  }
}

// What an unknown key was meant to be: one of another place, or a slip of the pen; empty if nothing is likely.
std::string likely_meant(const std::string& key, const std::string& path, const std::vector<std::string>& known) {
  if (key.size() > kLongestSlip) return {};
  std::vector<std::string> elsewhere;
  find_everywhere(root_section(), "", key, elsewhere);
  if (!elsewhere.empty() && elsewhere.size() <= kMostPlaces) return enumerate(elsewhere, "or");
  const std::string near = nearest(key, known);
  return near.empty() ? near : joined(path, near);
}

std::string expectation(const Description& description) {
  if (!description.choices.empty()) return "one of " + enumerate(description.choices, "or");
  const std::string type = description.type == "integer" ? "whole number" : description.type;
  return fmt::format("a {}{}{}", type, description.allowed.empty() ? "" : ", ", description.allowed);
}

}  // namespace

std::shared_ptr<const Value> map_value(const Section& section) { return std::make_shared<Map>(section); }

bool Field::has_effect(const std::optional<std::string>& kind) const {
  return under.empty() || (kind && std::ranges::find(under, *kind) != under.end());
}

const Field* Section::find(std::string_view key, const std::optional<std::string>& kind) const {
  const auto found = std::ranges::find_if(
      fields_, [&](const Field& field) { return field.key == key && (!kind || field.has_effect(kind)); });
  return found == fields_.end() ? nullptr : &*found;
}

std::vector<std::string> Section::kinds_of(std::string_view key) const {
  std::vector<std::string> kinds;
  for (const Field& field : fields_) {
    if (field.key == key) kinds.insert(kinds.end(), field.under.begin(), field.under.end());
  }
  return kinds;
}

void Section::read(const Node& map, const std::string& path, Faults& faults, void* owner) const {
  const auto kind = read_kind(map, path, faults, owner);
  for (const Field& field : fields_) {
    if (field.initial && field.has_effect(kind)) {
      field.value->read(*field.initial, joined(path, field.key), faults, field.locate(owner));
    }
  }
  const bool kind_is_wrong = kind_ && !kind;
  for (const Entry& entry : map.entries) {
    if (kind_ && entry.key == kind_field()->key) continue;
    const Field* field = find(entry.key, kind);
    if (!field) {
      refuse_key(entry, path, kind, faults);
    } else if (entry.value.kind == Node::Kind::kNull) {
      refuse_null(entry.value, joined(path, entry.key), faults);
    } else if (!kind_is_wrong || field->under.empty()) {
      field->value->read(entry.value, joined(path, entry.key), faults, field->locate(owner));
    }
  }
  for (const Field& field : fields_) {
    if (!field.has_effect(kind) || map.find(field.key)) continue;
    const std::string field_path = joined(path, field.key);
    if (field.required) {
      faults.add(map.place, field_path,
                 fmt::format("{} is missing; give {}", field_path, expectation(field.value->describe())));
    } else if (field.value->is_always_there()) {
      Node empty = Node::map();
      empty.place = map.place;
      field.value->read(empty, field_path, faults, field.locate(owner));
    }
  }
}

std::optional<std::string> Section::read_kind(const Node& map, const std::string& path, Faults& faults,
                                              void* owner) const {
  if (!kind_) return std::nullopt;
  const Field& field = fields_[*kind_];
  if (const Node* given = map.find(field.key)) {
    const std::string field_path = joined(path, field.key);
    const std::size_t faults_before = faults.count();
    if (given->kind == Node::Kind::kNull) {
      refuse_null(*given, field_path, faults);
    } else {
      field.value->read(*given, field_path, faults, field.locate(owner));
    }
    if (faults.count() > faults_before) return std::nullopt;
  } else if (field.required) {
    return std::nullopt;
  }
  return field.value->write(field.locate(owner)).text;
}

void Section::refuse_key(const Entry& entry, const std::string& path, const std::optional<std::string>& kind,
                         Faults& faults) const {
  const std::string key_path = joined(path, entry.key);
  if (const auto kinds = kinds_of(entry.key); !kinds.empty()) {
    const std::string kind_path = joined(path, kind_field()->key);
    faults.add(entry.place, key_path,
               fmt::format("{} has no effect with {}: {}; it belongs to {}: remove it, or change {}", key_path,
                           kind_path, *kind, enumerate(kinds), kind_path));
    return;
  }
  std::vector<std::string> known;
  const bool kind_is_wrong = kind_ && !kind;
  for (const Field& field : fields_) {
    const bool is_new = std::ranges::find(known, field.key) == known.end();
    if (is_new && (kind_is_wrong || field.has_effect(kind))) known.push_back(field.key);
  }
  const std::string meant = likely_meant(entry.key, path, known);
  faults.add(entry.place, key_path,
             fmt::format("unknown key {}; {}{}known here: {}", in_quotes(key_path),
                         meant.empty() ? "" : fmt::format("did you mean {}? ", meant),
                         entry.key.find(':') == std::string::npos ? "" : "YAML wants a blank after a colon; ",
                         enumerate(known)));
}

Node Section::write(const void* owner) const {
  // The variable is only looked at: locate() is shared with reading.
  void* const variable_owner = const_cast<void*>(owner);
  std::optional<std::string> kind;
  if (kind_) kind = fields_[*kind_].value->write(fields_[*kind_].locate(variable_owner)).text;
  Node map = Node::map();
  for (const Field& field : fields_) {
    const void* variable = field.locate(variable_owner);
    if (!field.has_effect(kind) || field.value->absent(variable)) continue;
    map.entries.push_back({field.key, {}, field.value->write(variable)});
  }
  return map;
}

}  // namespace psctl::config
