#include "config/overrides.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.h"
#include "config/schema.h"

namespace psctl::config {
namespace {

constexpr const char* kForms = "KEY=VALUE changes a key, +KEY=VALUE adds to a list, ~KEY removes a key";

struct Override {
  enum class Action { kSet, kAdd, kRemove };
  Action action = Action::kSet;
  std::string path;
  std::vector<std::string> parts;
  Node value;
};

// Thrown when an override cannot be applied.
struct RefusedOverride {
  std::string path;
  std::string message;
};

bool is_path(std::string_view path) {
  return std::ranges::all_of(path, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

std::optional<Override> parse_override(std::string_view text, std::uint32_t source, Faults& faults) {
  const Place place{.source = source};
  Override change;
  if (text.starts_with('+')) change.action = Override::Action::kAdd;
  if (text.starts_with('~')) change.action = Override::Action::kRemove;
  if (change.action != Override::Action::kSet) text.remove_prefix(1);
  const auto equals = text.find('=');
  const bool has_value = equals != std::string_view::npos;
  change.path = text.substr(0, equals);
  change.parts = parts_of(change.path);
  const bool is_whole = !change.parts.empty() && std::ranges::none_of(change.parts, &std::string::empty);
  if (!is_whole || !is_path(change.path) || static_cast<int>(change.parts.size()) > kDeepest ||
      has_value == (change.action == Override::Action::kRemove)) {
    faults.add(place, "", fmt::format("this is no override; {}", kForms));
    return std::nullopt;
  }
  if (!has_value) return change;
  text.remove_prefix(equals + 1);
  if (text.find_first_not_of(' ') == std::string_view::npos) {
    faults.add(place, change.path, fmt::format("no value after '='; ~{} removes the key", change.path));
    return std::nullopt;
  }
  auto value = parse_value(text, source, faults);
  if (!value) return std::nullopt;
  change.value = std::move(*value);
  return change;
}

std::string kind_of_node(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
    case Node::Kind::kScalar:
      return in_quotes(node.text);
    case Node::Kind::kNull:
      break;
  }
  return "without a value";
}

// A place in the tree and the section whose keys stand there; null where the schema knows none.
struct Position {
  Node* node;
  const Section* section;
  std::string path;
};

class Walk {
 public:
  Walk(Node& root, std::uint32_t source) : at_{&root, &root_section(), ""}, place_{.source = source} {}

  const Position& at() const { return at_; }

  // Goes to the value at `part`, which becomes an empty map if there is none yet and `create` is set.
  void descend(const std::string& part, bool create) {
    become_map();
    const std::string path = joined(at_.path, part);
    if (at_.node->kind == Node::Kind::kList) {
      at_ = {&at_.node->items[index_in_list(part)], at_.section, path};
      return;
    }
    const Field* field = at_.section ? at_.section->find(part, std::nullopt) : nullptr;
    Node* next = at_.node->find(part);
    if (!next) {
      if (!create) throw RefusedOverride{path, fmt::format("{} is not given, so there is nothing to remove", path)};
      if (field && field->value->is_list())
        throw RefusedOverride{path, fmt::format("{0} has no elements; +{0}=VALUE adds one", path)};
      Node map = Node::map();
      map.place = place_;
      at_.node->entries.push_back({part, place_, std::move(map)});
      next = &at_.node->entries.back().value;
    }
    at_ = {next, field ? field->value->section() : nullptr, path};
  }

  // A word that stands for a map becomes that map.
  void become_map() {
    Node& node = *at_.node;
    if (node.kind == Node::Kind::kScalar && at_.section && at_.section->kind_alone() && !at_.path.empty()) {
      Node map = Node::map();
      map.place = node.place;
      map.entries.push_back({at_.section->kind_field()->key, node.place, node});
      node = std::move(map);
    }
    if (node.kind != Node::Kind::kMap && node.kind != Node::Kind::kList) {
      throw RefusedOverride{at_.path, fmt::format("{} is {}: it has no keys below", at_.path, kind_of_node(node))};
    }
  }

  std::size_t index_in_list(const std::string& part) const {
    const std::size_t count = at_.node->items.size();
    const auto index = index_of(part);
    if (!index) {
      throw RefusedOverride{at_.path, fmt::format("{0} is a list; name an element by its number, as in {0}.0", at_.path)};
    }
    if (*index >= count) {
      throw RefusedOverride{at_.path, fmt::format("{0} has {1} element{2}, counted from 0; +{0}=VALUE adds one", at_.path,
                                          count, count == 1 ? "" : "s")};
    }
    return *index;
  }

 private:
  Position at_;
  Place place_;
};

// Drops what the new kind does not know. Tells which keys those were.
std::vector<std::string> drop_keys_of_other_kinds(const Position& map, const std::string& key, const Node& value) {
  if (!map.section || !map.section->kind_field() || map.section->kind_field()->key != key) return {};
  const auto kinds = map.section->kind_field()->value->describe().choices;
  if (value.kind != Node::Kind::kScalar || std::ranges::find(kinds, value.text) == kinds.end()) return {};
  const Node* before = map.node->find(key);
  if (before && before->text == value.text) return {};
  std::vector<std::string> dropped;
  std::erase_if(map.node->entries, [&](const Entry& entry) {
    const bool known_to_another =
        !map.section->kinds_of(entry.key).empty() && !map.section->find(entry.key, value.text);
    const bool drop = entry.place.source == 0 && known_to_another;
    if (drop) dropped.push_back(joined(map.path, entry.key));
    return drop;
  });
  return dropped;
}

void set(Walk& walk, const Override& change, Place place, const std::string& name, std::vector<std::string>& notices) {
  for (std::size_t i = 0; i + 1 < change.parts.size(); ++i) walk.descend(change.parts[i], true);
  walk.become_map();
  const Position& parent = walk.at();
  const std::string& key = change.parts.back();
  if (parent.node->kind == Node::Kind::kList) {
    parent.node->items[walk.index_in_list(key)] = change.value;
    return;
  }
  const auto dropped = drop_keys_of_other_kinds(parent, key, change.value);
  if (!dropped.empty()) {
    notices.push_back(
        fmt::format("{}: {} dropped: no effect with {}: {}", name, enumerate(dropped), change.path, change.value.text));
  }
  const auto entry = std::ranges::find(parent.node->entries, key, &Entry::key);
  if (entry != parent.node->entries.end()) {
    *entry = {key, place, change.value};
  } else {
    parent.node->entries.push_back({key, place, change.value});
  }
}

void add(Walk& walk, const Override& change, Place place) {
  for (std::size_t i = 0; i + 1 < change.parts.size(); ++i) walk.descend(change.parts[i], true);
  walk.become_map();
  const Position parent = walk.at();
  const std::string& key = change.parts.back();
  if (parent.node->kind == Node::Kind::kMap && !parent.node->find(key)) {
    const Field* field = parent.section ? parent.section->find(key, std::nullopt) : nullptr;
    const bool has_default = field && field->value->is_list() && field->default_in_schema;
    if (has_default && to_line(*field->default_in_schema) != "[]") {
      throw RefusedOverride{
          change.path,
          fmt::format("{0} is not given, and its default is not empty; give the whole list, {0}=[...]", change.path)};
    }
    Node list = Node::list();
    list.place = place;
    parent.node->entries.push_back({key, place, std::move(list)});
  }
  walk.descend(key, false);
  Node& list = *walk.at().node;
  if (list.kind != Node::Kind::kList) {
    throw RefusedOverride{change.path, fmt::format("{} is {}, not a list: there is nothing to add to; give a list, {}=[...]",
                                           change.path, kind_of_node(list), change.path)};
  }
  list.items.push_back(change.value);
}

void remove(Walk& walk, const Override& change) {
  for (std::size_t i = 0; i + 1 < change.parts.size(); ++i) walk.descend(change.parts[i], false);
  walk.become_map();
  const Position& parent = walk.at();
  const std::string& key = change.parts.back();
  if (parent.node->kind == Node::Kind::kList) {
    const auto index = static_cast<std::ptrdiff_t>(walk.index_in_list(key));
    parent.node->items.erase(parent.node->items.begin() + index);
  } else if (std::erase_if(parent.node->entries, [&](const Entry& entry) { return entry.key == key; }) == 0) {
    throw RefusedOverride{change.path, fmt::format("{} is not given, so there is nothing to remove", change.path)};
  }
}

}  // namespace

void apply_overrides(Node& root, const std::vector<std::string>& overrides, Faults& faults,
                     std::vector<std::string>& notices) {
  for (std::uint32_t source = 1; source <= overrides.size(); ++source) {
    const Place place{.source = source};
    const auto change = parse_override(overrides[source - 1], source, faults);
    if (!change) continue;
    Walk walk(root, source);
    try {
      switch (change->action) {
        case Override::Action::kSet:
          set(walk, *change, place, faults.name_of(source), notices);
          break;
        case Override::Action::kAdd:
          add(walk, *change, place);
          break;
        case Override::Action::kRemove:
          remove(walk, *change);
          break;
      }
    } catch (const RefusedOverride& refused) {
      faults.add(place, refused.path, refused.message);
    }
  }
}

}  // namespace psctl::config
