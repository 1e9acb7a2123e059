// The first two bytes choose options; a byte 0xFF after them parts the text of the training part from that of the test
// part.
#include "data/libsvm.h"

#include <algorithm>

#include "fuzz/target.h"
#include "fuzz/text.h"

namespace psctl::fuzz {

void fuzz_libsvm(std::span<const std::uint8_t> input) {
  if (input.size() < 2) return;
  data::ImportOptions options;
  if (input[0] & 1) options.first_index = (input[0] >> 1) & 1;
  if (input[0] & 4) options.features = 1 + (input[0] >> 3);
  const std::size_t block_size = 1 + input[1] % 64;
  const std::string_view content(reinterpret_cast<const char*>(input.data()) + 2, input.size() - 2);
  const std::size_t parting = content.find('\xFF', 1);
  std::vector<data::Text> texts{{.content = content.substr(0, parting), .name = "train", .part = data::Part::kTrain}};
  if (parting != std::string_view::npos) {
    texts.push_back({.content = content.substr(parting + 1), .name = "test", .part = data::Part::kTest});
  }
  require_same_in_any_blocks(data::import_libsvm, texts, options, block_size);
  data::kLibsvmImporter.recognises({.path = "file",
                                    .folder = false,
                                    .packed = false,
                                    .size = input.size(),
                                    .begin = input.first(std::min<std::size_t>(input.size(), 64)),
                                    .file_names = {}});
}

}  // namespace psctl::fuzz
