// Small IDX files, sound and broken, and a folder to put them in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>
#include <zlib.h>

#include "support/folder.h"

namespace psctl::data::test {

using Bytes = std::vector<std::uint8_t>;

inline void append_big_endian(Bytes& bytes, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(number >> shift));
}

inline Bytes idx(std::initializer_list<std::uint32_t> dimensions, const Bytes& values) {
  Bytes bytes;
  append_big_endian(bytes, 0x800 | static_cast<std::uint32_t>(dimensions.size()));
  for (const std::uint32_t dimension : dimensions) append_big_endian(bytes, dimension);
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

inline Bytes gzip(const Bytes& bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  Bytes packed(deflateBound(&stream, bytes.size()) + 64);
  stream.next_in = const_cast<std::uint8_t*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("deflate");
  return packed;
}

// A folder that goes away with the test, for files of bytes.
class TemporaryFolder : private psctl::test::TemporaryFolder {
 public:
  std::filesystem::path path() const { return psctl::test::TemporaryFolder::path(); }
  std::string file(const std::string& name) const { return *this / name; }
  void write(const std::string& name, const Bytes& bytes) const {
    psctl::test::write_file(file(name), std::string(bytes.begin(), bytes.end()));
  }
};

}  // namespace psctl::data::test
