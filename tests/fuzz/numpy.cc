// The first byte chooses options. With its highest bit samples and labels follow, each a .npy or an archive, which read
// the same within an archive, stored or deflated; else one archive that holds both.
#include "data/numpy.h"

#include "data/numpy_bytes.h"
#include "fuzz/arrays.h"
#include "fuzz/target.h"

namespace psctl::fuzz {

void fuzz_numpy(std::span<const std::uint8_t> input) {
  if (input.empty()) return;
  data::ImportOptions options = array_options(input[0]);
  const std::string_view rest = as_text(input.subspan(1));
  constexpr std::uint8_t kPair = 0x80, kNamed = 0x40;
  if ((input[0] & kPair) == 0) {
    if (input[0] & kNamed) options.label = "b";
    const data::LabelledText archive{.samples = {.content = rest, .name = "x", .part = data::Part::kTrain},
                                     .labels = {}};
    outcome_of_arrays(data::import_numpy, archive, options);
    data::kNumpyImporter.recognises({.path = "file",
                                     .folder = false,
                                     .packed = false,
                                     .size = rest.size(),
                                     .begin = data::bytes_of(archive.samples),
                                     .file_names = {}});
    return;
  }
  const auto [samples, labels] = samples_and_labels(rest);
  const data::LabelledText pair{.samples = {.content = samples, .name = "x", .part = data::Part::kTrain},
                                .labels = data::Text{.content = labels, .name = "y", .part = data::Part::kTrain}};
  const auto recorded = outcome_of_arrays(data::import_numpy, pair, options);
  if (!samples.starts_with("\x93NUMPY") || !labels.starts_with("\x93NUMPY")) return;
  for (const bool deflate : {false, true}) {
    const std::string content =
        data::test::zip({{.name = "x.npy", .content = std::string(samples), .deflate = deflate},
                         {.name = "y.npy", .content = std::string(labels), .deflate = deflate}});
    const data::LabelledText archive{.samples = {.content = content, .name = "z", .part = data::Part::kTrain},
                                     .labels = {}};
    const auto packed = outcome_of_arrays(data::import_numpy, archive, options);
    // An array by columns is not read when it is packed.
    if (packed || !deflate) require_same_arrays(recorded, packed, deflate ? "deflating" : "storing");
  }
}

}  // namespace psctl::fuzz
