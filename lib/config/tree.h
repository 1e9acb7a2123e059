// Text as a tree of maps, lists and scalars that know where they stand. The only place that speaks to yaml-cpp.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/faults.h"

namespace psctl::config {

struct Entry;

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  Place place = {};
  std::string text = {};            // of a scalar
  bool plain = true;                // a scalar without quotes
  std::vector<Node> items = {};     // of a list
  std::vector<Entry> entries = {};  // of a map, in the order of the text; keys are unique

  static Node scalar(std::string text, bool plain = true);
  static Node word(std::string text);  // in quotes where another reader could take it for something else
  static Node list();
  static Node map();

  const Node* find(std::string_view key) const;  // null if this is no map or has no such key
  Node* find(std::string_view key);
};

struct Entry {
  std::string key;
  Place place;
  Node value;
};

// No configuration comes near these; what does is refused before it costs time or memory.
constexpr std::size_t kLongestText = std::size_t{1} << 20;
constexpr std::size_t kMostNodes = 600'000;  // after aliases
constexpr std::size_t kMostBytes = 8 * kLongestText;
constexpr int kDeepest = 32;

// One YAML document. Nothing, and at least one fault, if the text cannot be read; duplicate keys are faults too, the
// first of them stays. Any text whatever may be given.
std::optional<Node> parse(std::string_view text, std::uint32_t source, Faults& faults);

// The value of a KEY=VALUE, as it was typed: YAML where it begins with '[', '{' or a quote, else the very characters,
// in which '#', '&' and ': ' mean nothing. What YAML would drop in silence, a comment or an anchor, is a fault. Only
// null, ~ and nothing at all are no value.
std::optional<Node> parse_value(std::string_view text, std::uint32_t source, Faults& faults);

// The value at a dotted path, where a number is an index of a list. Null if there is none.
const Node* find(const Node& root, std::string_view path);
// Where the value at this path stands; if it is not given, the innermost section around it.
Place place_of(const Node& root, std::string_view path);

// YAML: maps in block style down to the sections, in flow style below. parse() of it gives the same tree.
std::string to_text(const Node& root);
// The same on one line.
std::string to_line(const Node& node);

// The parts of a dotted path.
std::vector<std::string> parts_of(std::string_view path);
// "cluster" and "workers" give "cluster.workers".
std::string joined(std::string_view path, std::string_view key);
// A list index, if `part` is one.
std::optional<std::size_t> index_of(std::string_view part);

}  // namespace psctl::config
