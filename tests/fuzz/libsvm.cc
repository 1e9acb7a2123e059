// Options are in the first two bytes.
#include "data/libsvm.h"

#include "fuzz/target.h"
#include "fuzz/text.h"

namespace psctl::fuzz {

void fuzz_libsvm(std::span<const std::uint8_t> input) {
  if (input.size() < 2) return;
  data::ImportOptions options;
  if (input[0] & 1) options.first_index = (input[0] >> 1) & 1;
  if (input[0] & 4) options.features = 1 + (input[0] >> 3);
  fuzz_text(input, data::import_libsvm, options, data::kLibsvmImporter);
}

}  // namespace psctl::fuzz
