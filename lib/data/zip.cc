#include "data/zip.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <zlib.h>

#include "base/error.h"

namespace psctl::data {
namespace {

// Signatures, and the length of what they begin without names and comments.
constexpr std::uint32_t kLocal = 0x04034b50, kEntry = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kWideEnd = 0x06064b50, kWideLocator = 0x07064b50;
constexpr std::uint64_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kWideEndBytes = 56, kLocatorBytes = 20;
constexpr std::uint64_t kLongestComment = 0xFFFF;
constexpr std::uint32_t kNarrow32 = 0xFFFFFFFF;  // in place of a number that stands in a wide field
constexpr std::uint16_t kWideField = 0x0001;
constexpr std::uint16_t kEncrypted = 0x0001;
constexpr std::uint16_t kStored = 0, kDeflated = 8;
constexpr std::uint64_t kMostInflation = 1032;  // 258 bytes for two bits are the most that deflate can do

template <class T>
T number_at(ByteSpan bytes, std::uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// Whether `count` bytes at `at` are there.
bool holds(std::uint64_t size, std::uint64_t at, std::uint64_t count) { return at <= size && count <= size - at; }

// A member's bytes, counted and summed up as they come.
class MemberStream final : public ByteStream {
 public:
  MemberStream(std::unique_ptr<ByteStream> stream, const Zip::Member& member, std::string name)
      : stream_(std::move(stream)), expected_(member.unpacked), crc_expected_(member.crc), name_(std::move(name)) {}

  std::size_t read(std::span<std::uint8_t> out) override {
    const std::size_t count = stream_->read(out);
    count_ += count;
    add(out.first(count));
    if (count_ > expected_) {
      fail(expected_, fmt::format("expected {} bytes as the archive says, found more", expected_));
    }
    if (count < out.size()) check_end();
    return count;
  }

  std::optional<ByteSpan> whole() override {
    const auto bytes = stream_->whole();
    if (bytes && !checked_) {
      count_ = bytes->size();
      crc_ = crc32(0, nullptr, 0);
      add(*bytes);
      check_end();
      checked_ = true;
    }
    return bytes;
  }

  std::string place(std::uint64_t offset) const override { return fmt::format("{}: byte {}", name_, offset); }

 private:
  void add(ByteSpan bytes) { crc_ = crc32_z(crc_, bytes.data(), bytes.size()); }

  void check_end() const {
    if (count_ != expected_) {
      fail(count_, fmt::format("expected {} bytes as the archive says, found the end", expected_));
    }
    if (crc_ != crc_expected_) {
      fail(count_,
           fmt::format("expected bytes with CRC-32 {:08x}, found {:08x}: the archive is damaged", crc_expected_, crc_));
    }
  }

  std::unique_ptr<ByteStream> stream_;
  std::uint64_t expected_, count_ = 0;
  std::uint32_t crc_expected_;
  std::uint64_t crc_ = crc32(0, nullptr, 0);
  bool checked_ = false;
  std::string name_;
};

}  // namespace

bool Zip::recognises(ByteSpan begin) { return begin.size() >= 4 && number_at<std::uint32_t>(begin, 0) == kLocal; }

void Zip::fail(std::uint64_t offset, const std::string& text) const {
  throw UserError(fmt::format("{}: byte {}: {}", name_, offset, text));
}

Zip::Zip(const Text& archive) : name_(archive.name), bytes_(bytes_of(archive)) {
  const Directory directory = find_directory();
  directory_ = directory.begin;
  read_entries(directory);
  check_apart(directory);
}

Zip::Directory Zip::find_directory() const {
  const std::uint64_t size = bytes_.size();
  // The end record is the last thing but a comment, whose length it tells.
  for (std::uint64_t back = kEndBytes; back <= size && back <= kEndBytes + kLongestComment; ++back) {
    const std::uint64_t at = size - back;
    if (number_at<std::uint32_t>(bytes_, at) != kEnd) continue;
    if (number_at<std::uint16_t>(bytes_, at + 20) == back - kEndBytes) return read_end(at);
  }
  fail(size, "expected the end of a zip archive, with its directory, found the end of the file");
}

Zip::Directory Zip::read_end(std::uint64_t end) const {
  const auto disk = number_at<std::uint16_t>(bytes_, end + 4),
             disk_of_directory = number_at<std::uint16_t>(bytes_, end + 6);
  const auto count_here = number_at<std::uint16_t>(bytes_, end + 8), count = number_at<std::uint16_t>(bytes_, end + 10);
  Directory directory{.begin = number_at<std::uint32_t>(bytes_, end + 16),
                      .bytes = number_at<std::uint32_t>(bytes_, end + 12),
                      .count = count};
  std::uint64_t limit = end;
  if (end < kLocatorBytes || number_at<std::uint32_t>(bytes_, end - kLocatorBytes) != kWideLocator) {
    if (disk != 0 || disk_of_directory != 0 || count_here != count) {
      fail(end + 4, "expected an archive in one file, found one of several");
    }
  } else {
    const std::uint64_t locator = end - kLocatorBytes;
    const auto at = number_at<std::uint64_t>(bytes_, locator + 8);
    if (!holds(locator, at, kWideEndBytes) || number_at<std::uint32_t>(bytes_, at) != kWideEnd) {
      fail(locator + 8, fmt::format("expected the place of a zip64 end record, found {}", at));
    }
    if (number_at<std::uint32_t>(bytes_, at + 16) != 0 || number_at<std::uint32_t>(bytes_, at + 20) != 0 ||
        number_at<std::uint64_t>(bytes_, at + 24) != number_at<std::uint64_t>(bytes_, at + 32)) {
      fail(at + 16, "expected an archive in one file, found one of several");
    }
    directory = {.begin = number_at<std::uint64_t>(bytes_, at + 48),
                 .bytes = number_at<std::uint64_t>(bytes_, at + 40),
                 .count = number_at<std::uint64_t>(bytes_, at + 32)};
    limit = at;
  }
  if (!holds(limit, directory.begin, directory.bytes) || directory.begin + directory.bytes != limit) {
    fail(end, fmt::format("expected a directory that ends at byte {}, found {} bytes from byte {} on", limit,
                          directory.bytes, directory.begin));
  }
  if (directory.count > directory.bytes / kEntryBytes) {
    fail(end, fmt::format("expected at most {} entries in a directory of {} bytes, found {}",
                          directory.bytes / kEntryBytes, directory.bytes, directory.count));
  }
  return directory;
}

void Zip::read_entries(const Directory& directory) {
  const std::uint64_t end = directory.begin + directory.bytes;
  std::uint64_t at = directory.begin;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    if (!holds(end, at, kEntryBytes) || number_at<std::uint32_t>(bytes_, at) != kEntry) {
      fail(at, fmt::format("expected entry {} of {} of the directory, found something else", i + 1, directory.count));
    }
    const std::uint64_t name_bytes = number_at<std::uint16_t>(bytes_, at + 28);
    const std::uint64_t extra_bytes = number_at<std::uint16_t>(bytes_, at + 30);
    const std::uint64_t comment_bytes = number_at<std::uint16_t>(bytes_, at + 32);
    const std::uint64_t extra = at + kEntryBytes + name_bytes;
    if (!holds(end, at, kEntryBytes + name_bytes + extra_bytes + comment_bytes)) {
      fail(at, "expected an entry within the directory, found one beyond its end");
    }
    Member member{.name = std::string(reinterpret_cast<const char*>(bytes_.data()) + at + kEntryBytes, name_bytes),
                  .flags = number_at<std::uint16_t>(bytes_, at + 8),
                  .method = number_at<std::uint16_t>(bytes_, at + 10),
                  .crc = number_at<std::uint32_t>(bytes_, at + 16),
                  .packed = number_at<std::uint32_t>(bytes_, at + 20),
                  .unpacked = number_at<std::uint32_t>(bytes_, at + 24),
                  .begin = number_at<std::uint32_t>(bytes_, at + 42),
                  .entry = at};
    // Numbers that do not fit stand in an extra field, in this order.
    std::uint64_t field = extra, field_end = extra;
    for (std::uint64_t place = extra; holds(extra + extra_bytes, place, 4);) {
      const auto kind = number_at<std::uint16_t>(bytes_, place), length = number_at<std::uint16_t>(bytes_, place + 2);
      if (!holds(extra + extra_bytes, place + 4, length)) break;
      if (kind == kWideField) {
        field = place + 4;
        field_end = field + length;
        break;
      }
      place += 4 + length;
    }
    for (std::uint64_t* number : {&member.unpacked, &member.packed, &member.begin}) {
      if (*number != kNarrow32 || !holds(field_end, field, sizeof *number)) continue;
      *number = number_at<std::uint64_t>(bytes_, field);
      field += sizeof *number;
    }
    members_.push_back(std::move(member));
    at += kEntryBytes + name_bytes + extra_bytes + comment_bytes;
  }
  if (at != end)
    fail(at, fmt::format("expected the directory to end with its {} entries, found more", directory.count));
}

// Members that share bytes are how a small archive unpacks to endless ones.
void Zip::check_apart(const Directory& directory) const {
  std::vector<const Member*> sorted;
  for (const Member& member : members_) sorted.push_back(&member);
  std::ranges::sort(sorted, {}, [](const Member* member) { return member->begin; });
  std::uint64_t limit = directory.begin;
  for (auto each = sorted.rbegin(); each != sorted.rend(); ++each) {
    const Member& member = **each;
    const std::uint64_t header = kLocalBytes + member.name.size();
    if (!holds(limit, member.begin, header) || member.packed > limit - member.begin - header) {
      fail(member.entry, fmt::format("expected {} packed bytes from byte {} on before byte {}, where others begin",
                                     member.packed, member.begin, limit));
    }
    limit = member.begin;
  }
}

std::unique_ptr<ByteStream> Zip::open(const Member& member) const {
  const std::uint64_t at = member.begin;
  if (number_at<std::uint32_t>(bytes_, at) != kLocal) {
    fail(at, fmt::format("expected the header of {}, found something else", in_quotes(member.name)));
  }
  const std::uint64_t name_bytes = number_at<std::uint16_t>(bytes_, at + 26);
  const std::uint64_t extra_bytes = number_at<std::uint16_t>(bytes_, at + 28);
  const std::uint64_t begin = at + kLocalBytes + name_bytes + extra_bytes;
  if (!holds(directory_, begin, member.packed) ||
      std::string_view(reinterpret_cast<const char*>(bytes_.data()) + at + kLocalBytes, name_bytes) != member.name) {
    fail(at, fmt::format("expected the header of {} as in the directory, found another", in_quotes(member.name)));
  }
  if ((member.flags & kEncrypted) != 0) {
    fail(member.entry, fmt::format("expected {} without encryption, found it encrypted", in_quotes(member.name)));
  }
  const ByteSpan packed = bytes_.subspan(begin, member.packed);
  const std::string name = fmt::format("{}: {}", name_, in_quotes(member.name));
  std::unique_ptr<ByteStream> stream;
  if (member.method == kStored) {
    if (member.packed != member.unpacked) {
      fail(member.entry, fmt::format("expected {} stored bytes, found {}", member.unpacked, member.packed));
    }
    stream = open_plain(packed, name);
  } else if (member.method == kDeflated) {
    if (member.unpacked / kMostInflation > member.packed) {
      fail(member.entry, fmt::format("expected at most {} bytes out of {} deflated ones, found {}",
                                     kMostInflation * member.packed, member.packed, member.unpacked));
    }
    stream = open_deflated(packed, name_, begin);
  } else {
    fail(member.entry, fmt::format("expected {} stored or deflated (method 0 or 8), found method {}",
                                   in_quotes(member.name), member.method));
  }
  return std::make_unique<MemberStream>(std::move(stream), member, name);
}

}  // namespace psctl::data
