// NumPy files and zip archives made byte by byte, so that each can be wrong in one place.
#pragma once

#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>
#include <zlib.h>

namespace psctl::data::test {

template <class T>
std::string little_endian(T number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

// A .npy of version 1 with that header text.
inline std::string npy_of(const std::string& header, const std::string& elements) {
  return "\x93NUMPY" + std::string("\1\0", 2) + little_endian(static_cast<std::uint16_t>(header.size())) + header +
         elements;
}

inline std::string npy(const std::string& type, const std::string& shape, const std::string& elements,
                       bool fortran = false) {
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", type, fortran ? "True" : "False", shape);
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  return npy_of(header + "\n", elements);
}

template <class T>
std::string elements(const std::vector<T>& numbers) {
  std::string bytes;
  for (const T number : numbers) bytes += little_endian(number);
  return bytes;
}

struct ZipFile {
  std::string name = {}, content = {};
  bool deflate = false;
  // Lies, in place of what is so.
  std::optional<std::uint16_t> method = {}, flags = {};
  std::optional<std::uint32_t> crc = {}, packed = {}, unpacked = {}, begin = {};
};

inline std::string deflated(const std::string& content) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  std::string packed(deflateBound(&stream, content.size()) + 16, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

inline std::string zip(const std::vector<ZipFile>& files, const std::string& comment = {}) {
  const auto u16 = [](std::uint64_t number) { return little_endian(static_cast<std::uint16_t>(number)); };
  const auto u32 = [](std::uint64_t number) { return little_endian(static_cast<std::uint32_t>(number)); };
  std::string archive, directory;
  for (const ZipFile& file : files) {
    const std::string packed = file.deflate ? deflated(file.content) : file.content;
    const auto crc = static_cast<std::uint32_t>(
        crc32_z(0, reinterpret_cast<const Bytef*>(file.content.data()), file.content.size()));
    const std::string common = u16(file.flags.value_or(0)) + u16(file.method.value_or(file.deflate ? 8 : 0)) + u32(0) +
                               u32(file.crc.value_or(crc)) + u32(file.packed.value_or(packed.size())) +
                               u32(file.unpacked.value_or(file.content.size())) + u16(file.name.size());
    directory += "PK\1\2" + u16(20) + u16(20) + common + u16(0) + u16(0) + u16(0) + u16(0) + u32(0) +
                 u32(file.begin.value_or(archive.size())) + file.name;
    archive += "PK\3\4" + u16(20) + common + u16(0) + file.name + packed;
  }
  return archive + directory + "PK\5\6" + u32(0) + u16(files.size()) + u16(files.size()) + u32(directory.size()) +
         u32(archive.size()) + u16(comment.size()) + comment;
}

}  // namespace psctl::data::test
