// What must hold for any text: that how it is cut into blocks changes nothing.
#pragma once

#include <cstdlib>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

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

}  // namespace psctl::fuzz
