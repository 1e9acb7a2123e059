// What must hold for any text: that how it is cut into blocks changes nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/recorded.h"
#include "data/text_blocks.h"

namespace psctl::fuzz {

using Import = void (*)(std::span<const data::Text>, const data::ImportOptions&, data::Sink&, std::size_t);

struct Outcome {
  std::optional<data::test::Recorded> recorded;
  std::string fault;
};

inline Outcome outcome_of(Import import, std::span<const data::Text> texts, const data::ImportOptions& options,
                          std::size_t block_size) {
  try {
    data::test::RecordingSink sink;
    import(texts, options, sink, block_size);
    return {sink.recorded(), {}};
  } catch (const UserError& error) {
    return {{}, error.what()};
  }
}

inline void require_same_in_any_blocks(Import import, std::span<const data::Text> texts,
                                       const data::ImportOptions& options, std::size_t block_size) {
  const Outcome whole = outcome_of(import, texts, options, data::kBlockSize);
  const Outcome cut = outcome_of(import, texts, options, block_size);
  const bool same = whole.recorded && cut.recorded ? data::test::same(*whole.recorded, *cut.recorded)
                                                   : !whole.recorded && !cut.recorded && whole.fault == cut.fault;
  if (!same) {
    throw std::logic_error(
        fmt::format("blocks of {} bytes change what is read: '{}' and '{}'", block_size, whole.fault, cut.fault));
  }
}

// Input behind two bytes of options: a byte 0xFF parts the text of the training part from that of the test part. How
// the blocks are cut follows from the second byte.
inline void fuzz_text(std::span<const std::uint8_t> input, Import import, const data::ImportOptions& options,
                      const data::Importer& importer) {
  const std::size_t block_size = 1 + input[1] % 64;
  const std::string_view content(reinterpret_cast<const char*>(input.data()) + 2, input.size() - 2);
  const std::size_t parting = content.find('\xFF', 1);
  std::vector<data::Text> texts{{.content = content.substr(0, parting), .name = "train", .part = data::Part::kTrain}};
  if (parting != std::string_view::npos) {
    texts.push_back({.content = content.substr(parting + 1), .name = "test", .part = data::Part::kTest});
  }
  require_same_in_any_blocks(import, texts, options, block_size);
  importer.recognises({.path = "file",
                       .folder = false,
                       .packed = false,
                       .size = input.size(),
                       .begin = input.first(std::min<std::size_t>(input.size(), 64)),
                       .file_names = {}});
}

}  // namespace psctl::fuzz
