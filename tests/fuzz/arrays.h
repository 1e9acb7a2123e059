// What IDX and NumPy files have in common: input that holds a file of samples and one of labels, and the same outcome
// however these are packed.
#pragma once

#include <fmt/format.h>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

#include "base/error.h"
#include "data/arrays.h"
#include "data/recorded.h"

namespace psctl::fuzz {

inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The first two bytes say how many after them are the samples; the others are the labels.
inline std::pair<std::string_view, std::string_view> samples_and_labels(std::string_view input) {
  if (input.size() < 2) return {input, {}};
  const std::size_t length = static_cast<unsigned char>(input[0]) | static_cast<unsigned char>(input[1]) << 8;
  input.remove_prefix(2);
  return {input.substr(0, length), input.substr(std::min(length, input.size()))};
}

inline data::ImportOptions array_options(std::uint8_t choice) {
  data::ImportOptions options;
  if (choice & 1) options.values = choice & 2 ? data::Values::kBytes : data::Values::kFloats;
  if (choice & 4) options.missing = data::Missing::kMean;
  if (choice & 8) options.channels_last = (choice & 16) != 0;
  if (choice & 32) options.shape = data::Shape{.channels = 1, .height = 2, .width = 3};
  return options;
}

// What is read; nothing if it is refused.
template <class Import>
std::optional<data::test::Recorded> outcome_of_arrays(Import import, const data::LabelledText& text,
                                                      const data::ImportOptions& options) {
  try {
    data::test::RecordingSink sink;
    import({&text, 1}, options, sink);
    return sink.recorded();
  } catch (const UserError&) {
    return std::nullopt;
  }
}

inline void require_same_arrays(const std::optional<data::test::Recorded>& plain,
                                const std::optional<data::test::Recorded>& packed, const char* how) {
  const bool same = plain && packed ? plain->labels == packed->labels && plain->parts == packed->parts &&
                                          plain->description.shape == packed->description.shape &&
                                          plain->bytes == packed->bytes && plain->floats.size() == packed->floats.size()
                                    : !plain && !packed;
  if (!same) throw std::logic_error(fmt::format("{} changes what is read", how));
}

}  // namespace psctl::fuzz
