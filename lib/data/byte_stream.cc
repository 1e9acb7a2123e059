#include "data/byte_stream.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <new>
#include <zlib.h>

#include "base/error.h"

namespace psctl::data {
namespace {

constexpr std::uint8_t kGzipMagic[] = {0x1f, 0x8b};
constexpr std::size_t kAtOnce = std::size_t{1} << 30;  // zlib counts in 32 bits

class Plain final : public ByteStream {
 public:
  Plain(ByteSpan bytes, std::string name) : bytes_(bytes), rest_(bytes), name_(std::move(name)) {}

  std::size_t read(std::span<std::uint8_t> out) override {
    const std::size_t count = std::min(out.size(), rest_.size());
    if (count > 0) std::memcpy(out.data(), rest_.data(), count);
    rest_ = rest_.subspan(count);
    return count;
  }
  std::optional<ByteSpan> whole() override { return bytes_; }
  std::string place(std::uint64_t offset) const override { return fmt::format("{}: byte {}", name_, offset); }

 private:
  ByteSpan bytes_, rest_;
  std::string name_;
};

class Unpacked final : public ByteStream {
 public:
  // `offset` is where the packed bytes begin in the file.
  Unpacked(ByteSpan packed, std::string name, std::uint64_t offset, bool gzip)
      : rest_(packed), end_(offset + packed.size()), gzip_(gzip), name_(std::move(name)) {
    if (inflateInit2(&stream_, gzip ? MAX_WBITS + 16 : -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Unpacked() override { inflateEnd(&stream_); }
  Unpacked(const Unpacked&) = delete;
  Unpacked& operator=(const Unpacked&) = delete;

  std::size_t read(std::span<std::uint8_t> out) override {
    std::size_t done = 0;
    while (done < out.size() && !ended_) {
      const std::size_t given = std::min(rest_.size(), kAtOnce), room = std::min(out.size() - done, kAtOnce);
      stream_.next_in = const_cast<Bytef*>(rest_.data());
      stream_.avail_in = static_cast<uInt>(given);
      stream_.next_out = out.data() + done;
      stream_.avail_out = static_cast<uInt>(room);
      const int result = inflate(&stream_, Z_NO_FLUSH);
      rest_ = rest_.subspan(given - stream_.avail_in);
      done += room - stream_.avail_out;
      if (result == Z_MEM_ERROR) throw std::bad_alloc();
      if (result == Z_STREAM_END) {
        end_stream();
      } else if (result == Z_BUF_ERROR && rest_.empty()) {
        fail_packed(fmt::format("expected more of the {} stream, the file ends", kind()));
      } else if (result != Z_OK) {
        fail_packed(fmt::format("expected a sound {} stream, found: {}", kind(), stream_.msg ? stream_.msg : "damage"));
      }
    }
    return done;
  }
  std::optional<ByteSpan> whole() override { return std::nullopt; }
  std::string place(std::uint64_t offset) const override {
    return fmt::format("{}: byte {} (unpacked)", name_, offset);
  }

 private:
  const char* kind() const { return gzip_ ? "gzip" : "deflated"; }
  [[noreturn]] void fail_packed(const std::string& text) const {
    throw UserError(fmt::format("{}: byte {} (packed): {}", name_, end_ - rest_.size(), text));
  }

  // A gzip file may be several streams in a row.
  void end_stream() {
    if (rest_.empty()) {
      ended_ = true;
    } else if (!gzip_ || rest_[0] != kGzipMagic[0]) {
      fail_packed(fmt::format("expected the end of the file, found bytes after the {} stream", kind()));
    } else {
      inflateReset(&stream_);
    }
  }

  ByteSpan rest_;
  std::uint64_t end_;
  bool gzip_, ended_ = false;
  std::string name_;
  z_stream stream_{};
};

}  // namespace

void ByteStream::fail(std::uint64_t offset, const std::string& text) const {
  throw UserError(fmt::format("{}: {}", place(offset), text));
}

ByteSpan bytes_of(const Text& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.content.data()), text.content.size()};
}

bool is_gzip(ByteSpan content) {
  return content.size() >= std::size(kGzipMagic) &&
         std::equal(std::begin(kGzipMagic), std::end(kGzipMagic), content.begin());
}

std::unique_ptr<ByteStream> open_stream(const Text& text) {
  const ByteSpan content = bytes_of(text);
  if (is_gzip(content)) return std::make_unique<Unpacked>(content, text.name, 0, true);
  return std::make_unique<Plain>(content, text.name);
}

std::unique_ptr<ByteStream> open_plain(ByteSpan bytes, std::string name) {
  return std::make_unique<Plain>(bytes, std::move(name));
}

std::unique_ptr<ByteStream> open_deflated(ByteSpan packed, std::string name, std::uint64_t offset) {
  return std::make_unique<Unpacked>(packed, std::move(name), offset, false);
}

}  // namespace psctl::data
