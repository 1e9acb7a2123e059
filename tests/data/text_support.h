// For tests of text formats: parsing a string, the faults of one, and files with what they should read as.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "data/csv.h"
#include "data/libsvm.h"
#include "data/recorded.h"

namespace psctl::data::test {

using ImportText = void (*)(std::span<const Text>, const ImportOptions&, Sink&, std::size_t);

inline Recorded parse_text(ImportText import, const std::vector<Text>& texts, const ImportOptions& options = {},
                           std::size_t block_size = kBlockSize) {
  RecordingSink sink;
  import(texts, options, sink, block_size);
  return sink.recorded();
}

inline Recorded parse_text(ImportText import, const std::string& content, const ImportOptions& options = {},
                           std::size_t block_size = kBlockSize) {
  return parse_text(import, {{.content = content, .name = "name", .part = Part::kTrain}}, options, block_size);
}

inline std::string fault_of_texts(ImportText import, const std::vector<Text>& texts, const ImportOptions& options = {},
                                  std::size_t block_size = kBlockSize) {
  try {
    parse_text(import, texts, options, block_size);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

// Without "name: ".
inline std::string fault_of_text(ImportText import, const std::string& content, const ImportOptions& options = {},
                                 std::size_t block_size = kBlockSize) {
  const std::string fault =
      fault_of_texts(import, {{.content = content, .name = "name", .part = Part::kTrain}}, options, block_size);
  return fault.starts_with("name: ") ? fault.substr(6) : fault;
}

// Through the file system, as the program does it.
inline Recorded import_file(const Importer& importer, const std::string& path, const ImportOptions& options = {}) {
  const std::vector<Input> inputs{{.path = path, .part = Part::kTrain, .labels = {}}};
  RecordingSink sink;
  importer.run(inputs, options, sink);
  return sink.recorded();
}

inline bool recognised(const Importer& importer, std::string_view content) {
  const std::span begin(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
  return importer.recognises(
      {.path = "file", .folder = false, .packed = false, .size = content.size(), .begin = begin, .file_names = {}});
}

struct Expected {
  std::vector<std::uint32_t> labels;
  std::vector<float> values;
};

// What tests/data/files/make.py wrote.
inline Expected read_expected(const std::string& path) {
  Expected expected;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    expected.labels.push_back(static_cast<std::uint32_t>(std::stoul(word)));
    while (words >> word) expected.values.push_back(std::strtof(word.c_str(), nullptr));
  }
  return expected;
}

inline bool same_values(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

// Keeps nothing but the size of the largest batch of rows.
class LargestBatch final : public Sink {
 public:
  void begin(const Description&) override {}
  void begin_part(Part) override {}
  void add(const Rows& rows) override {
    samples += rows.labels.size();
    largest = std::max(largest, rows.labels.size());
  }
  void end(const Summary&) override {}

  std::size_t samples = 0, largest = 0;
};

// Pieces of text strung together, so that random text is nearly right.
template <std::size_t kCount>
std::string random_text(Draws& draws, const std::string_view (&pieces)[kCount], std::size_t most) {
  std::string text;
  for (std::uint64_t count = draws.below(most); count > 0; --count) text += pieces[draws.below(kCount)];
  return text;
}

}  // namespace psctl::data::test
