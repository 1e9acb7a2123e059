// What an importer hands over, kept whole; and a check on the way that the contract of Sink holds.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/import.h"

namespace psctl::data::test {

struct Recorded {
  Description description;
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  std::vector<Entry> entries;
  std::vector<std::uint32_t> row_entries;
  std::vector<std::uint32_t> labels;  // classes, once all is read
  std::vector<Part> parts;            // of every sample
  Summary summary;

  std::size_t size() const { return labels.size(); }

  // Every sample's values, dense.
  std::vector<float> dense() const {
    if (!description.sparse)
      return description.values == Values::kBytes ? std::vector<float>(bytes.begin(), bytes.end()) : floats;
    std::vector<float> values(size() * summary.features);
    const Entry* entry = entries.data();
    for (std::size_t row = 0; row < size(); ++row) {
      for (std::uint32_t i = 0; i < row_entries[row]; ++i, ++entry)
        values[row * summary.features + entry->index] = entry->value;
    }
    return values;
  }
};

// Whether both are the same to the last bit.
inline bool same(const Recorded& a, const Recorded& b) {
  const auto bits = [](const std::vector<float>& values) {
    std::vector<std::uint32_t> words;
    for (const float value : values) words.push_back(std::bit_cast<std::uint32_t>(value));
    return words;
  };
  return a.description.shape == b.description.shape && a.description.values == b.description.values &&
         a.description.sparse == b.description.sparse && a.bytes == b.bytes && bits(a.floats) == bits(b.floats) &&
         a.entries == b.entries && a.row_entries == b.row_entries && a.labels == b.labels && a.parts == b.parts &&
         a.summary.classes == b.summary.classes && a.summary.features == b.summary.features &&
         a.summary.notes == b.summary.notes;
}

class RecordingSink final : public Sink {
 public:
  void begin(const Description& description) override {
    require(!begun_, "begun once");
    begun_ = true;
    recorded_.description = description;
  }
  void begin_part(Part part) override {
    require(begun_ && (!part_ || *part_ < part), "parts in order");
    part_ = part;
  }
  void add(const Rows& rows) override {
    require(part_ && !ended_, "rows belong to a part");
    const Description& description = recorded_.description;
    const std::size_t count = rows.labels.size();
    const bool bytes = description.values == Values::kBytes;
    const std::size_t values = description.sparse ? 0 : count * description.shape.size();
    require(rows.bytes.size() == (bytes ? values : 0) && rows.floats.size() == (bytes ? 0 : values),
            "as many values as the shape says");
    require(rows.row_entries.size() == (description.sparse ? count : 0), "a number of entries for each row");
    std::size_t entries = 0;
    for (const std::uint32_t of_row : rows.row_entries) {
      for (std::size_t i = entries; i < entries + of_row; ++i) {
        require(i < rows.entries.size() && std::isfinite(rows.entries[i].value), "entries are finite");
        require(i == entries || rows.entries[i - 1].index < rows.entries[i].index, "indices ascend");
      }
      entries += of_row;
    }
    require(entries == rows.entries.size(), "every entry belongs to a row");
    for (const float value : rows.floats) require(!std::isinf(value), "values are finite or missing");
    for (const std::uint32_t code : rows.labels) {
      in_order_ = in_order_ && code <= codes_;
      codes_ = std::max(codes_, code + 1);
    }
    append(recorded_.bytes, rows.bytes);
    append(recorded_.floats, rows.floats);
    append(recorded_.entries, rows.entries);
    append(recorded_.row_entries, rows.row_entries);
    append(recorded_.labels, rows.labels);
    recorded_.parts.resize(recorded_.labels.size(), *part_);
  }
  void end(const Summary& summary) override {
    require(part_ && !ended_, "ended once");
    ended_ = true;
    recorded_.summary = summary;
    require(summary.classes.size() >= 2, "two classes");
    const bool classes = summary.class_of.empty();  // as codes
    require(classes || in_order_, "codes are handed out as they turn up");
    require(classes || summary.class_of.size() == codes_, "a class for every code");
    for (std::uint32_t& label : recorded_.labels) {
      if (!classes) label = summary.class_of[label];
      require(label < summary.classes.size(), "every class has a name");
    }
    for (const Entry& entry : recorded_.entries) require(entry.index < summary.features, "features hold every index");
  }
  // What was handed over; nothing unless it was brought to its end.
  const Recorded& recorded() const {
    require(ended_, "ended");
    return recorded_;
  }

 private:
  static void require(bool holds, const char* what) {
    if (!holds) throw std::logic_error(std::string("an importer broke the contract of Sink: ") + what);
  }
  template <class Value>
  static void append(std::vector<Value>& all, std::span<const Value> more) {
    all.insert(all.end(), more.begin(), more.end());
  }

  Recorded recorded_;
  bool begun_ = false, ended_ = false, in_order_ = true;
  std::optional<Part> part_;
  std::uint32_t codes_ = 0;
};

}  // namespace psctl::data::test
