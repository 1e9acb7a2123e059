// Zip archives, as NumPy's .npz is one: files stored or deflated, read where the archive lies. What the directory says
// is held against the archive and never trusted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/byte_stream.h"

namespace psctl::data {

class Zip {
 public:
  struct Member {
    std::string name;  // as it stands there; nothing is ever written by it
    std::uint16_t flags = 0, method = 0;
    std::uint32_t crc = 0;
    std::uint64_t packed = 0, unpacked = 0;  // bytes
    std::uint64_t begin = 0;                 // of its header in the archive
    std::uint64_t entry = 0;                 // of its entry in the directory
  };

  // Whether content with these first bytes means to be an archive with something in it.
  static bool recognises(ByteSpan begin);
  // Reads the directory of the archive, which must stay. Throws UserError "name: byte N: ..." if it is none, if members
  // overlap or if it is spread over several files.
  explicit Zip(const Text& archive);

  const std::vector<Member>& members() const { return members_; }
  // The bytes of a member: as many as the directory says, with its CRC-32, else UserError. Stored or deflated; another
  // method, and encryption, are refused.
  std::unique_ptr<ByteStream> open(const Member& member) const;

 private:
  struct Directory {
    std::uint64_t begin, bytes, count;
  };
  Directory find_directory() const;
  // The directory that is meant by the end record at `end`.
  Directory read_end(std::uint64_t end) const;
  void read_entries(const Directory& directory);
  void check_apart(const Directory& directory) const;
  [[noreturn]] void fail(std::uint64_t offset, const std::string& text) const;

  std::string name_;
  ByteSpan bytes_;
  std::uint64_t directory_ = 0;  // where it begins
  std::vector<Member> members_;
};

}  // namespace psctl::data
