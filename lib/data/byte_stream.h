// The bytes of a file, or of a file within an archive, one after the other and unpacked on the way. Nothing is held
// whole, and nothing is allocated by what a file claims.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "data/text_file.h"

namespace psctl::data {

using ByteSpan = std::span<const std::uint8_t>;

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Fills the span with the next bytes and says how many; fewer only at the end. A checksum was compared when a call
  // has given fewer. Throws UserError if what is packed is damaged.
  virtual std::size_t read(std::span<std::uint8_t> out) = 0;
  // All bytes where they lie, their checksum compared; nothing if they are packed.
  virtual std::optional<ByteSpan> whole() = 0;
  // "name: byte OFFSET"; of a packed file it says that unpacked bytes are counted.
  virtual std::string place(std::uint64_t offset) const = 0;
  // Throws UserError "name: byte OFFSET: text".
  [[noreturn]] void fail(std::uint64_t offset, const std::string& text) const;
};

ByteSpan bytes_of(const Text& text);
bool is_gzip(ByteSpan content);
// The content, which must stay: unpacked if it begins as gzip does, else as it is.
std::unique_ptr<ByteStream> open_stream(const Text& text);
std::unique_ptr<ByteStream> open_plain(ByteSpan bytes, std::string name);
// Deflated bytes without a wrapping, which begin at `offset` of the file of that name.
std::unique_ptr<ByteStream> open_deflated(ByteSpan packed, std::string name, std::uint64_t offset);

}  // namespace psctl::data
