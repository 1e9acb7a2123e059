#include "data/text_labels.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <set>

#include "base/error.h"
#include "data/decimal.h"

namespace psctl::data {
namespace {

constexpr std::size_t kFirstSlots = 64;
constexpr std::size_t kLongestLabel = 255;
constexpr std::size_t kShown = 8;  // labels in a message

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t word = text.size();
  if (text.size() < sizeof word) {
    char bytes[sizeof word] = {};
    std::memcpy(bytes, text.data(), text.size());
    bytes[sizeof word - 1] = static_cast<char>(text.size());
    std::memcpy(&word, bytes, sizeof word);
  } else {
    word = std::hash<std::string_view>()(text);
  }
  word *= 0x9E3779B97F4A7C15;
  return word ^ (word >> 32);
}

// Whether the text is UTF-8 without control characters but tabs and line ends.
bool is_plain(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    const unsigned char lead = *at++;
    if (lead < 0x80) {
      if ((lead < 0x20 && lead != '\t' && lead != '\n' && lead != '\r') || lead == 0x7F) return false;
      continue;
    }
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || end - at < more) return false;
    // Beyond the lead byte, the second one tells overlong forms, surrogates and what lies beyond Unicode.
    const unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (*at < least || *at > most) return false;
    ++at;
    for (int i = 1; i < more; ++i, ++at) {
      if (*at < 0x80 || *at > 0xBF) return false;
    }
  }
  return true;
}

// Whether it has zeros in front that numbers do without.
bool is_code(std::string_view number) {
  return number.size() > 1 && number[0] == '0' && number[1] >= '0' && number[1] <= '9';
}

std::string list(std::span<const std::string> words) {
  if (words.size() <= kShown) return fmt::format("{}", fmt::join(words, ", "));
  return fmt::format("{}, ... {}", fmt::join(words.first(kShown - 1), ", "), words.back());
}

}  // namespace

BlockLabels::BlockLabels() : slots_(kFirstSlots) {}

void BlockLabels::clear() {
  slots_.assign(kFirstSlots, {});
  labels_.clear();
}

std::size_t BlockLabels::find(std::string_view text, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot].number != kFree && (slots_[slot].hash != hash || labels_[slots_[slot].number].text != text)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

std::uint32_t BlockLabels::number(std::string_view text, const char* at) {
  const std::uint64_t hash = hash_of(text);
  std::size_t slot = find(text, hash);
  if (slots_[slot].number != kFree) return slots_[slot].number;
  if (2 * (labels_.size() + 1) > slots_.size()) {
    grow();
    slot = find(text, hash);
  }
  const auto number = static_cast<std::uint32_t>(labels_.size());
  labels_.push_back({std::string(text), at});
  slots_[slot] = {hash, number};
  return number;
}

void BlockLabels::drop_from(const char* at) {
  while (!labels_.empty() && labels_.back().at >= at) labels_.pop_back();
}

void BlockLabels::grow() {
  std::vector<Slot> old(2 * slots_.size());
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& moved : old) {
    if (moved.number == kFree) continue;
    std::size_t slot = moved.hash & mask;
    while (slots_[slot].number != kFree) slot = (slot + 1) & mask;
    slots_[slot] = moved;
  }
}

const std::vector<std::uint32_t>& Labels::merge(const BlockLabels& block, Part part) {
  merged_.clear();
  for (const BlockLabels::Label& label : block.labels()) merged_.push_back(code(label, part));
  return merged_;
}

const std::vector<std::uint32_t>& Labels::merge(const BlockLabels& block, const Text& text) {
  try {
    return merge(block, text.part);
  } catch (const Fault& fault) {
    text.fail(fault.at, fault.message);
  }
}

std::uint32_t Labels::code(const BlockLabels::Label& label, Part part) {
  const auto known = codes_.find(label.text);
  if (known != codes_.end()) return known->second;
  const auto value = parse_exact(label.text);
  if (part == Part::kTrain) {
    if (!is_plain(label.text)) {
      throw Fault{label.at, "expected a label in UTF-8 without control characters, found " + in_quotes(label.text)};
    }
    if (label.text.size() > kLongestLabel) {
      throw Fault{label.at, fmt::format("expected a label of at most {} bytes, found {} bytes, {}", kLongestLabel,
                                        label.text.size(), in_quotes(label.text))};
    }
    if (labels_.size() == kMost) {
      throw Fault{label.at, fmt::format("expected at most {} different labels, as psctl tells classes apart, found "
                                        "another one, {}",
                                        kMost, in_quotes(label.text))};
    }
    all_numbers_ = all_numbers_ && value;
  } else if (!all_numbers_ || !value || !values_.contains(*value)) {
    throw Fault{label.at, fmt::format("expected a label of the training part ({}), found {}", list(classes().names),
                                      in_quotes(label.text))};
  }
  const auto code = static_cast<std::uint32_t>(labels_.size());
  labels_.push_back(label.text);
  codes_.emplace(label.text, code);
  if (value) values_[*value].push_back(code);
  return code;
}

Labels::Classes Labels::classes() const {
  Classes classes{.names = {}, .class_of = std::vector<std::uint32_t>(labels_.size())};
  const auto add = [&](std::string name, std::span<const std::uint32_t> codes) {
    for (const std::uint32_t code : codes) classes.class_of[code] = static_cast<std::uint32_t>(classes.names.size());
    classes.names.push_back(std::move(name));
  };
  if (all_numbers_) {
    for (const auto& [value, codes] : values_) {
      const std::string& spelling = labels_[codes.front()];
      add(codes.size() == 1 && is_code(spelling) ? spelling : value.text(), codes);
    }
  } else {
    const std::map<std::string, std::uint32_t> sorted(codes_.begin(), codes_.end());
    for (const auto& [label, code] : sorted) add(label, {&code, 1});
  }
  return classes;
}

void Labels::check_classes(const Text& text, const Classes& found, std::string_view advice) const {
  constexpr std::uint64_t kEnoughToTell = 20;  // samples
  constexpr std::uint64_t kFewest = 3;         // samples a class, on average
  constexpr std::uint64_t kFewestMeasured = 10, kMostMeasured = 100;
  const std::uint64_t count = found.names.size();
  if (count < 2) {
    throw UserError(fmt::format("{}: expected at least two classes, found {} as every label{}", text.name,
                                in_quotes(labels_.front()), advice));
  }
  if (training_samples_ < kEnoughToTell) return;
  const auto fraction = std::ranges::find_if(values_, [](const auto& value) { return !value.first.is_whole(); });
  const bool measured = all_numbers_ && fraction != values_.end() &&
                        (count > kMostMeasured || count * kFewestMeasured > training_samples_);
  if (!measured && count * kFewest <= training_samples_) return;
  throw UserError(fmt::format(
      "{}: expected classes as labels, found {} different {} in {} samples, such as {}; psctl trains classifiers, it "
      "does not fit numbers{}",
      text.name, count,
      measured       ? "real numbers"
      : all_numbers_ ? "numbers"
                     : "words",
      training_samples_, in_quotes(labels_[measured ? fraction->second.front() : 0]), advice));
}

// On numbers that are spelt in several ways, and may be codes that only look like numbers.
std::string Labels::note_on_spellings() const {
  std::vector<std::string> first;  // the spellings of the first such class
  std::size_t classes = 0;
  for (const auto& [value, codes] : values_) {
    std::set<std::string_view> spellings;  // +1 and 1 are no codes
    for (const std::uint32_t code : codes) {
      const std::string_view text = labels_[code];
      spellings.insert(text.substr(text.find_first_not_of("+-")));
    }
    if (spellings.size() < 2 || classes++ > 0) continue;
    for (const std::string_view text : spellings) first.push_back(in_quotes(text));
  }
  if (classes == 0) return {};
  return fmt::format("labels {} are one number and became one class{}; if they are codes, put a letter before them",
                     list(first), classes == 1 ? "" : fmt::format(", as did those of {} more", classes - 1));
}

void Labels::summarise(const Text& text, Summary& summary, std::string_view advice) const {
  Classes found = classes();
  check_classes(text, found, advice);
  const std::size_t count = found.names.size();
  std::vector<std::string> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = fmt::format("{}", i);
  if (found.names != numbers) {
    summary.notes.push_back(fmt::format("labels {} became classes {}", list(found.names), list(numbers)));
  }
  if (all_numbers_) {
    if (std::string note = note_on_spellings(); !note.empty()) summary.notes.push_back(std::move(note));
  }
  summary.classes = std::move(found.names);
  summary.class_of = std::move(found.class_of);
}

}  // namespace psctl::data
