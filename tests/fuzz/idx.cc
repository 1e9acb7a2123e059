// The first byte chooses options; then samples and labels. Packing a file changes nothing.
#include "data/idx.h"

#include "data/idx_bytes.h"
#include "fuzz/arrays.h"
#include "fuzz/target.h"

namespace psctl::fuzz {
namespace {

std::string packed(std::string_view content) {
  const data::test::Bytes bytes = data::test::gzip({content.begin(), content.end()});
  return {bytes.begin(), bytes.end()};
}

}  // namespace

void fuzz_idx(std::span<const std::uint8_t> input) {
  if (input.empty()) return;
  const auto [samples, labels] = samples_and_labels(as_text(input.subspan(1)));
  const data::ImportOptions options = array_options(input[0]);
  const data::LabelledText plain{.samples = {.content = samples, .name = "x", .part = data::Part::kTrain},
                                 .labels = data::Text{.content = labels, .name = "y", .part = data::Part::kTrain}};
  const auto recorded = outcome_of_arrays(data::import_idx, plain, options);
  if (!data::is_gzip(data::bytes_of(plain.samples)) && !data::is_gzip(data::bytes_of(*plain.labels))) {
    const std::string packed_samples = packed(samples), packed_labels = packed(labels);
    data::LabelledText both = plain;
    both.samples.content = packed_samples;
    both.labels->content = packed_labels;
    require_same_arrays(recorded, outcome_of_arrays(data::import_idx, both, options), "gzip");
  }
  data::kIdxImporter.recognises({.path = "file",
                                 .folder = false,
                                 .packed = false,
                                 .size = samples.size(),
                                 .begin = data::bytes_of(plain.samples),
                                 .file_names = {}});
  data::parse_idx(std::as_bytes(std::span(samples)), input[0] & 1 ? 3 : 1, "x");
}

}  // namespace psctl::fuzz
