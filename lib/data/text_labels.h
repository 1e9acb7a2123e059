// Labels as text formats have them, numbers or words, and the classes that they become.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/decimal.h"
#include "data/text_file.h"

namespace psctl::data {

// The different labels of a block, numbered from 0 as they turn up.
class BlockLabels {
 public:
  struct Label {
    std::string text;
    const char* at;  // where it first stands
  };

  BlockLabels();
  void clear();
  // The number of a label that stands at `at`.
  std::uint32_t number(std::string_view text, const char* at);
  // Takes back the labels that first stand at `at` or after it; none may be added until clear().
  void drop_from(const char* at);
  const std::vector<Label>& labels() const { return labels_; }

 private:
  // Where the label stands in slots_, or the free slot where it would.
  std::size_t find(std::string_view text, std::uint64_t hash) const;
  void grow();

  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t number = kFree;
  };
  static constexpr std::uint32_t kFree = ~std::uint32_t{0};
  std::vector<Slot> slots_;  // open addressing; their number is a power of two
  std::vector<Label> labels_;
};

// The labels of all texts. Each has a code, from 0 as they turn up; classes are known when all were seen: labels that
// all are numbers are classes by value, whole and decimal ones to their last digit, in ascending order; else every
// label is a class, in the order of its bytes. A class of numbers has the number's shortest spelling as its name; a
// code such as 007 keeps its zeros.
class Labels {
 public:
  static constexpr std::size_t kMost = std::size_t{1} << 16;

  // The code of each label of a block. The classes are those of the training part: a label of another part that is none
  // of them is refused, as is one that cannot be shown. Throws Fault; of a text, UserError with the place in it.
  const std::vector<std::uint32_t>& merge(const BlockLabels& block, Part part);
  const std::vector<std::uint32_t>& merge(const BlockLabels& block, const Text& text);
  // Makes every label of the training part a class by its text, though all are numbers.
  void take_as_text() { all_numbers_ = false; }
  // That so many samples of the part have labels.
  void count(Part part, std::size_t samples) { training_samples_ += part == Part::kTrain ? samples : 0; }
  // Fills classes, class_of and notes on what became of the labels. Throws UserError with the name of `text` and with
  // `advice` if these are no classes: less than two of them, numbers that look measured, or about one a sample.
  void summarise(const Text& text, Summary& summary, std::string_view advice = {}) const;

 private:
  struct Classes {
    std::vector<std::string> names;
    std::vector<std::uint32_t> class_of;  // by code
  };
  std::uint32_t code(const BlockLabels::Label& label, Part part);
  Classes classes() const;
  void check_classes(const Text& text, const Classes& found, std::string_view advice) const;
  std::string note_on_spellings() const;

  std::unordered_map<std::string, std::uint32_t> codes_;
  std::vector<std::string> labels_;                           // by code
  std::map<ExactNumber, std::vector<std::uint32_t>> values_;  // the codes of every value
  bool all_numbers_ = true;                                   // of the training part
  std::uint64_t training_samples_ = 0;
  std::vector<std::uint32_t> merged_;
};

}  // namespace psctl::data
