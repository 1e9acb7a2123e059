#include "config/tree.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <istream>
#include <map>
#include <sstream>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace psctl::config {
namespace {

constexpr const char* kDocumentEnd = "\n...\n";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The length of the UTF-8 character at the beginning of `bytes`, 0 if there is none.
std::size_t character_length(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || bytes.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = at(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second > 0x9F;
  const bool too_large = first == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

// What makes a text unfit for the parser: tells at most one fault a line. A document may hold directives.
bool fit_to_parse(std::string_view text, std::uint32_t source, Faults& faults, bool document) {
  if (text.size() > kLongestText) {
    faults.add({.source = source}, "", "larger than 1 MiB: this is no configuration");
    return false;
  }
  const std::size_t faults_before = faults.count();
  int line = 1;
  std::size_t line_begin = 0;
  const auto refuse = [&](std::size_t at, std::string message) {
    const Place place = source > 0 ? Place{.source = source}
                                   : Place{.source = 0, .line = line, .column = static_cast<int>(at - line_begin) + 1};
    faults.add(place, "", std::move(message));
  };
  while (line_begin < text.size()) {
    const std::size_t line_end = std::min(text.find('\n', line_begin), text.size());
    for (std::size_t at = line_begin; at < line_end;) {
      const std::size_t length = character_length(text.substr(at, line_end - at));
      const auto byte = static_cast<unsigned char>(text[at]);
      const bool line_break = byte == '\r' && at + 1 == line_end && line_end < text.size();
      if (length == 0) {
        refuse(at, fmt::format("byte 0x{:02x} is not UTF-8; save the file as UTF-8", byte));
        break;
      }
      if (at > 0 && text.substr(at, length) == kByteOrderMark) {
        refuse(at, "a byte order mark within the text; remove it");
        break;
      }
      if (byte == '\t') {
        refuse(at, "a tab; use spaces");
        break;
      }
      if ((byte < 0x20 && !line_break) || byte == 0x7F) {
        refuse(at, fmt::format("control character 0x{:02x}; remove it", byte));
        break;
      }
      at += length;
    }
    const std::string_view whole_line = text.substr(line_begin, line_end - line_begin);
    if (document && whole_line.starts_with("%") && !whole_line.starts_with("%YAML ")) {
      refuse(line_begin, "a YAML directive that psctl does not know; remove the line");
    }
    line_begin = line_end + 1;
    ++line;
  }
  return faults.count() == faults_before;
}

// The parser says what it misses, not what is likely to be wrong.
std::string_view hint(std::string_view message) {
  if (message == YAML::ErrorMsg::END_OF_MAP || message == YAML::ErrorMsg::END_OF_SEQ) {
    return "; is the indentation right, and does every key have its ':'?";
  }
  if (message == YAML::ErrorMsg::END_OF_MAP_FLOW || message == YAML::ErrorMsg::END_OF_SEQ_FLOW) {
    return "; is a comma or a bracket missing?";
  }
  if (message == YAML::ErrorMsg::EOF_IN_SCALAR || message == YAML::ErrorMsg::DOC_IN_SCALAR)
    return "; is a quote missing?";
  if (message == YAML::ErrorMsg::MAP_VALUE) return "; is the indentation right? A text with ': ' in it needs quotes";
  return "";
}

// Thrown through the parser to end it.
struct RefusedText {
  Place place;
  std::string message;
};

int height(const Node& node) {
  int highest = 0;
  for (const Node& item : node.items) highest = std::max(highest, height(item));
  for (const Entry& entry : node.entries) highest = std::max(highest, height(entry.value));
  return highest + 1;
}

bool is_null_word(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

// Builds the tree from the parser's events. It sees a level before the parser descends into it, so its limit on the
// depth is a limit on the parser's recursion too.
class Builder final : public YAML::EventHandler {
 public:
  // Without `anchors`, one is a fault: a value has nowhere to use it.
  Builder(std::uint32_t source, Faults& faults, bool anchors) : source_(source), faults_(faults), anchors_(anchors) {}

  std::optional<Node> take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (begun_)
      throw RefusedText{place(mark),
                    "a second YAML document begins here; a configuration is one, with its keys in one column"};
    begun_ = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check_anchor(mark, anchor);
    complete({.kind = Node::Kind::kNull, .place = place(mark)}, anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    check_tag(mark, tag);
    check_anchor(mark, anchor);
    Node node = Node::scalar(text, tag != "!");
    if (node.plain && is_null_word(text)) node = {};
    node.place = place(mark);
    complete(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) throw RefusedText{place(mark), "an alias to a value that contains it; write it out"};
    if (static_cast<int>(open_.size()) + height(found->second) > kDeepest) too_deep(mark);
    complete(copy(found->second, mark), 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::list(), mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::map(), mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  Place place(const YAML::Mark& mark) const {
    if (source_ > 0 || mark.is_null()) return {.source = source_};
    return {.source = 0, .line = mark.line + 1, .column = mark.column + 1};
  }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    std::optional<Entry> entry;  // of a map: its key has been read, its value not yet
    bool duplicate = false;      // of a map: that key stood there before
  };

  [[noreturn]] void too_deep(const YAML::Mark& mark) const {
    throw RefusedText{place(mark), fmt::format("nested more than {} levels deep", kDeepest)};
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    faults_.add(place(mark), "", fmt::format("a YAML tag, {}; remove it", in_quotes(tag)));
  }

  void check_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == 0 || anchors_) return;
    faults_.add(place(mark), "", "a YAML anchor, the word behind '&'; put a text with '&' into quotes");
  }

  void open(Node node, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    check_tag(mark, tag);
    check_anchor(mark, anchor);
    if (static_cast<int>(open_.size()) >= kDeepest) too_deep(mark);
    if (!open_.empty() && open_.back().node.kind == Node::Kind::kMap && !open_.back().entry) {
      throw RefusedText{place(mark), "a list or a map stands where a key is expected; is a bracket or a quote left open?"};
    }
    node.place = place(mark);
    open_.push_back({.node = std::move(node), .anchor = anchor, .entry = {}});
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    complete(std::move(closed.node), closed.anchor);
  }

  void count(std::size_t bytes, Place place) {
    bytes_ += bytes;
    if (++nodes_ > kMostNodes || bytes_ > kMostBytes) {
      throw RefusedText{place, fmt::format("more than {} values once its aliases are written out", kMostNodes)};
    }
  }

  Node copy(const Node& node, const YAML::Mark& mark) {
    count(node.text.size(), place(mark));
    Node copied{.kind = node.kind, .place = node.place, .text = node.text, .plain = node.plain};
    for (const Node& item : node.items) copied.items.push_back(copy(item, mark));
    for (const Entry& entry : node.entries) {
      count(entry.key.size(), place(mark));
      copied.entries.push_back({entry.key, entry.place, copy(entry.value, mark)});
    }
    return copied;
  }

  void complete(Node node, YAML::anchor_t anchor) {
    count(node.text.size(), node.place);
    if (anchor != 0) anchored_[anchor] = copy(node, YAML::Mark::null_mark());
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.entry) {
      if (node.kind != Node::Kind::kScalar) throw RefusedText{node.place, "nothing stands where a key is expected"};
      begin_entry(parent, std::move(node));
    } else {
      // The parser places what is not there at whatever comes next.
      if (node.kind == Node::Kind::kNull) node.place = parent.entry->place;
      parent.entry->value = std::move(node);
      if (!parent.duplicate) parent.node.entries.push_back(std::move(*parent.entry));
      parent.entry.reset();
    }
  }

  void begin_entry(Open& map, Node key) {
    if (key.plain && key.text == "<<") {
      throw RefusedText{key.place, "a YAML merge key, '<<', which psctl does not know; write the keys out"};
    }
    auto& keys = keys_[open_.size()];
    if (map.node.entries.empty()) keys.clear();
    const auto [first, is_new] = keys.emplace(key.text, key.place);
    map.duplicate = !is_new;
    if (!is_new) {
      const Place before = first->second;
      faults_.add(key.place, "",
                  fmt::format("key {} is given twice{}; keep one", in_quotes(key.text),
                              before.line > 0 ? fmt::format(", first at line {}", before.line) : ""));
    }
    map.entry = Entry{.key = std::move(key.text), .place = key.place, .value = {}};
  }

  std::uint32_t source_;
  Faults& faults_;
  bool anchors_;
  bool begun_ = false;
  std::optional<Node> root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchored_;
  std::map<std::size_t, std::map<std::string, Place>> keys_;  // of the open maps, by depth
  std::size_t nodes_ = 0, bytes_ = 0;
};

// Text that means the same without quotes wherever it stands.
bool is_one_word(std::string_view text) {
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return std::ranges::any_of(text, is_alphanumeric) && text[0] != '@' && std::ranges::all_of(text, [&](char c) {
           return is_alphanumeric(c) || std::string_view("_-./@+").find(c) != std::string_view::npos;
         });
}

// Text to be read without quotes, and not as a number, a flag or nothing, by any YAML reader.
bool is_safe_plain(std::string_view text) {
  static constexpr std::array<std::string_view, 9> kWords = {"true", "false", "yes", "no",  "on",
                                                             "off",  "y",     "n",   "null"};
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !(is_letter(text[0]) || text[0] == '/' || text[0] == '_') || !is_one_word(text)) return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return std::ranges::find(kWords, lower) == kWords.end();
}

std::string scalar_text(const Node& node) {
  if (node.kind == Node::Kind::kNull) return "null";
  if (node.plain && is_one_word(node.text)) return node.text;
  std::string text = "\"";
  for (const char character : node.text) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      text += '\\';
      text += character;
    } else if (byte < 0x20 || byte == 0x7F) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += character;
    }
  }
  return text + "\"";
}

void write_line(const Node& node, std::string& text) {
  if (node.kind == Node::Kind::kList) {
    text += '[';
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      if (i > 0) text += ", ";
      write_line(node.items[i], text);
    }
    text += ']';
  } else if (node.kind == Node::Kind::kMap) {
    text += '{';
    for (std::size_t i = 0; i < node.entries.size(); ++i) {
      if (i > 0) text += ", ";
      text += node.entries[i].key + ": ";
      write_line(node.entries[i].value, text);
    }
    text += '}';
  } else {
    text += scalar_text(node);
  }
}

std::optional<Node> parse_document(std::string_view text, std::uint32_t source, Faults& faults, bool anchors) {
  Builder builder(source, faults, anchors);
  try {
    // yaml-cpp lets the end of the text close a quote, but not the end of a document.
    std::istringstream stream(std::string(text) + kDocumentEnd);
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    auto root = builder.take_root();
    if (!root) root = Node{.place = {.source = source}};
    // After nothing, yaml-cpp may go on for ever with further documents of nothing.
    if (root->kind != Node::Kind::kNull) parser.HandleNextDocument(builder);
    return root;
  } catch (const RefusedText& refused) {
    faults.add(refused.place, "", refused.message);
  } catch (const YAML::Exception& error) {
    faults.add(builder.place(error.mark), "", fmt::format("not valid YAML: {}{}", error.msg, hint(error.msg)));
  }
  return std::nullopt;
}

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \r\n");
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(" \r\n") - first + 1);
}

// What of a list, a map or a text in quotes the parser would change in silence: it drops comments and joins lines.
std::string_view fault_of_flow(std::string_view text) {
  constexpr std::string_view kMarks = "[]{},:", kBlanks = " \r\n";
  char quote = 0;
  char before = ',';  // the last character that is no blank
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool begins = i == 0 || std::string_view("[]{},: \r\n\"'").find(text[i - 1]) != std::string_view::npos;
    if (quote == '"' && c == '\\') {
      ++i;
    } else if (c == '\n') {
      const auto next = text.find_first_not_of(kBlanks, i);
      const bool between =
          kMarks.find(before) != std::string_view::npos || kMarks.find(text[next]) != std::string_view::npos;
      if (quote || !between) return "a line break within a text; remove it";
    } else if (quote) {
      const bool doubled = c == '\'' && quote == c && i + 1 < text.size() && text[i + 1] == c;  // stands for itself
      if (doubled) ++i;
      if (c == quote && !doubled) quote = 0;
    } else if ((c == '"' || c == '\'') && kMarks.find(before) != std::string_view::npos) {
      quote = c;
    } else if (c == '#' && begins) {
      return "a YAML comment, from '#' on; put a text with '#' into quotes";
    }
    if (kBlanks.find(c) == std::string_view::npos) before = c;
  }
  return {};
}

}  // namespace

Node Node::scalar(std::string text, bool plain) {
  return {.kind = Kind::kScalar, .place = {}, .text = std::move(text), .plain = plain};
}

Node Node::list() { return {.kind = Kind::kList}; }

Node Node::map() { return {.kind = Kind::kMap}; }

Node Node::word(std::string text) {
  const bool plain = is_safe_plain(text);
  return scalar(std::move(text), plain);
}

const Node* Node::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() ? nullptr : &found->value;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

std::optional<Node> parse(std::string_view text, std::uint32_t source, Faults& faults) {
  return fit_to_parse(text, source, faults, true) ? parse_document(text, source, faults, true) : std::nullopt;
}

std::optional<Node> parse_value(std::string_view text, std::uint32_t source, Faults& faults) {
  if (!fit_to_parse(text, source, faults, false)) return std::nullopt;
  const Place place{.source = source};
  const auto refuse = [&](std::string_view why) -> std::optional<Node> {
    faults.add(place, "", std::string(why));
    return std::nullopt;
  };
  if (is_null_word(text)) return Node{.place = place};
  const std::string_view trimmed = without_blanks(text);
  if (trimmed.empty()) return Node{.place = place};
  const bool quoted = trimmed[0] == '"' || trimmed[0] == '\'';
  if (!quoted && trimmed[0] != '[' && trimmed[0] != '{') {
    if (trimmed.size() != text.size()) {
      return refuse("a blank at the beginning or the end of a value; remove it, or put the value into quotes");
    }
    Node node = Node::scalar(std::string(text));
    node.place = place;
    return node;
  }
  if (const std::string_view fault = fault_of_flow(trimmed); !fault.empty()) return refuse(fault);
  auto node = parse_document(trimmed, source, faults, false);
  if (node && quoted && (node->kind != Node::Kind::kScalar || node->plain)) {
    return refuse("something stands behind the closing quote; put the whole value into one pair of quotes");
  }
  return node;
}

const Node* find(const Node& root, std::string_view path) {
  const Node* node = &root;
  for (const std::string& part : parts_of(path)) {
    if (node->kind == Node::Kind::kList) {
      const auto index = index_of(part);
      node = index && *index < node->items.size() ? &node->items[*index] : nullptr;
    } else {
      node = node->find(part);
    }
    if (!node) return nullptr;
  }
  return node;
}

Place place_of(const Node& root, std::string_view path) {
  while (true) {
    if (const Node* node = find(root, path)) return node->place;
    const auto dot = path.rfind('.');
    path = dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
  }
}

std::string to_line(const Node& node) {
  std::string text;
  write_line(node, text);
  return text;
}

std::string to_text(const Node& root) {
  const auto holds_maps = [](const Node& node) { return !node.items.empty() && !node.items[0].entries.empty(); };
  std::string text;
  for (const auto& [key, place, section] : root.entries) {
    if (!section.entries.empty()) {
      text += key + ":\n";
      for (const Entry& entry : section.entries) text += fmt::format("  {}: {}\n", entry.key, to_line(entry.value));
    } else if (holds_maps(section)) {
      text += key + ":\n";
      for (const Node& item : section.items) text += fmt::format("  - {}\n", to_line(item));
    } else {
      text += fmt::format("{}: {}\n", key, to_line(section));
    }
  }
  return text;
}

std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto dot = path.find('.');
    parts.emplace_back(path.substr(0, dot));
    if (dot == std::string_view::npos) break;
    path.remove_prefix(dot + 1);
    if (path.empty()) parts.emplace_back();
  }
  return parts;
}

std::string joined(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::optional<std::size_t> index_of(std::string_view part) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  if (error != std::errc() || end != part.data() + part.size()) return std::nullopt;
  return index;
}

}  // namespace psctl::config
