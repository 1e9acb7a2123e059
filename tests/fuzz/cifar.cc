// The first byte chooses what is read, the second how many bytes are missing at the end of the file. Then each record
// is told by its labels and one byte that fills its image.
#include <vector>

#include "data/import.h"
#include "data/recorded.h"
#include "fuzz/memory_file.h"
#include "fuzz/target.h"

namespace psctl::fuzz {

void fuzz_cifar(std::span<const std::uint8_t> input) {
  if (input.size() < 2) return;
  constexpr std::size_t kImageBytes = 3072, kMostRecords = 64;
  const bool fine = input[0] & 1;
  const std::size_t labels = fine ? 2 : 1;
  std::vector<std::uint8_t> content;
  for (std::size_t at = 2; at + labels < input.size() && at < kMostRecords * (labels + 1); at += labels + 1) {
    for (std::size_t i = 0; i < labels; ++i) content.push_back(input[at + i]);
    content.resize(content.size() + kImageBytes, input[at + labels]);
  }
  content.resize(content.size() - std::min<std::size_t>(content.size(), input[1]));
  const MemoryFile file(content);
  const std::vector<data::Input> inputs{{.path = file.path(), .part = data::Part::kTrain, .labels = {}}};
  data::test::RecordingSink sink;
  const data::Importer& importer = input[0] & 2 ? data::importer_for(inputs)
                                   : fine       ? data::kCifar100Importer
                                                : data::kCifar10Importer;
  data::import_data(importer, inputs, {}, sink);
}

}  // namespace psctl::fuzz
