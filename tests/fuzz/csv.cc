// The first two bytes choose options; a byte 0xFF after them parts the text of the training part from that of the test
// part.
#include "data/csv.h"

#include <algorithm>

#include "fuzz/target.h"
#include "fuzz/text.h"

namespace psctl::fuzz {

void fuzz_csv(std::span<const std::uint8_t> input) {
  if (input.size() < 2) return;
  data::ImportOptions options;
  const std::uint8_t choice = input[0];
  if (choice & 1) options.header = (choice & 2) != 0;
  if (choice & 4) options.label = choice & 8 ? "1" : "b";
  if (choice & 16) options.values = data::Values::kBytes;
  if (choice & 32) options.missing = data::Missing::kMean;
  if (choice & 64) options.delimiter = ",\t;|"[choice >> 7 | (input[1] >> 6 & 2)];
  const std::size_t block_size = 1 + input[1] % 64;
  const std::string_view content(reinterpret_cast<const char*>(input.data()) + 2, input.size() - 2);
  const std::size_t parting = content.find('\xFF', 1);
  std::vector<data::Text> texts{{.content = content.substr(0, parting), .name = "train", .part = data::Part::kTrain}};
  if (parting != std::string_view::npos) {
    texts.push_back({.content = content.substr(parting + 1), .name = "test", .part = data::Part::kTest});
  }
  require_same_in_any_blocks(data::import_csv, texts, options, block_size);
  data::kCsvImporter.recognises({.path = "file",
                                 .folder = false,
                                 .packed = false,
                                 .size = input.size(),
                                 .begin = input.first(std::min<std::size_t>(input.size(), 64)),
                                 .file_names = {}});
}

}  // namespace psctl::fuzz
