// Options are in the first two bytes.
#include "data/csv.h"

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
  if (choice & 64) options.delimiter = input[1] & 64 ? ' ' : ",\t;|"[choice >> 7 | (input[1] >> 6 & 2)];
  fuzz_text(input, data::import_csv, options, data::kCsvImporter);
}

}  // namespace psctl::fuzz
