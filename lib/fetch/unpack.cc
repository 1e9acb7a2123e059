#include "fetch/unpack.h"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.h"

namespace psctl::fetch {
namespace {

namespace fs = std::filesystem;

struct Free {
  void operator()(archive* opened) const { archive_read_free(opened); }
};
using Archive = std::unique_ptr<archive, Free>;

[[noreturn]] void damaged(const fs::path& file, archive* opened) {
  const char* const why = archive_error_string(opened);
  throw UserError(fmt::format("{}: is damaged: {}", file.string(), why ? why : "it cannot be unpacked"));
}

Archive open_archive(const fs::path& file, bool tar) {
  Archive opened(archive_read_new());
  PSCTL_CHECK(opened);
  const auto offer = [&](int result) { PSCTL_CHECK(result == ARCHIVE_OK, archive_error_string(opened.get())); };
  offer(tar ? archive_read_support_filter_gzip(opened.get()) : archive_read_support_filter_bzip2(opened.get()));
  offer(tar ? archive_read_support_format_tar(opened.get()) : archive_read_support_format_raw(opened.get()));
  constexpr std::size_t kBlock = std::size_t{1} << 16;
  if (archive_read_open_filename(opened.get(), file.c_str(), kBlock) != ARCHIVE_OK) damaged(file, opened.get());
  return opened;
}

class Output {
 public:
  explicit Output(fs::path path) : path_(std::move(path)) {
    descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor_ < 0) fail();
  }
  ~Output() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(const char* bytes, std::size_t size) {
    while (size > 0) {
      const ssize_t count = ::write(descriptor_, bytes, size);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      bytes += count;
      size -= static_cast<std::size_t>(count);
    }
  }

 private:
  [[noreturn]] void fail() const {
    throw WorldError(fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
  }

  fs::path path_;
  int descriptor_ = -1;
};

// The content that the archive is at.
bool unpack_content(const fs::path& from, archive* opened, const fs::path& to, std::uint64_t most_bytes,
                    const std::atomic<bool>* interrupted) {
  Output output(to);
  std::vector<char> block(std::size_t{1} << 18);
  std::uint64_t written = 0;
  while (true) {
    if (interrupted && *interrupted) return false;
    const la_ssize_t count = archive_read_data(opened, block.data(), block.size());
    if (count < 0) damaged(from, opened);
    if (count == 0) return true;
    const auto size = static_cast<std::size_t>(count);
    if (size > most_bytes - written) {
      throw UserError(fmt::format("{}: expected at most {} bytes as {}, found more", from.string(), most_bytes,
                                  to.filename().string()));
    }
    output.write(block.data(), size);
    written += size;
  }
}

}  // namespace

bool unpack_bzip2(const fs::path& from, const fs::path& to, std::uint64_t most_bytes,
                  const std::atomic<bool>* interrupted) {
  const Archive opened = open_archive(from, false);
  archive_entry* entry = nullptr;
  if (archive_read_next_header(opened.get(), &entry) != ARCHIVE_OK) damaged(from, opened.get());
  // What is in no packing at all would be handed through as it is.
  if (archive_filter_code(opened.get(), 0) != ARCHIVE_FILTER_BZIP2) {
    throw UserError(fmt::format("{}: expected a file that bzip2 packed, found another", from.string()));
  }
  return unpack_content(from, opened.get(), to, most_bytes, interrupted);
}

bool unpack_members(const fs::path& from, std::span<const data::Member> members, const fs::path& folder,
                    const std::atomic<bool>* interrupted) {
  const Archive opened = open_archive(from, true);
  std::vector<std::string> missing;
  for (const data::Member& member : members) missing.push_back(member.name);
  archive_entry* entry = nullptr;
  int result = ARCHIVE_OK;
  while (!missing.empty() && (result = archive_read_next_header(opened.get(), &entry)) == ARCHIVE_OK) {
    if (interrupted && *interrupted) return false;
    const char* const path = archive_entry_pathname(entry);
    const std::string name = path ? path : "";
    if (std::ranges::find(missing, name) == missing.end()) continue;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) {
      throw UserError(fmt::format("{}: expected {} to be a plain file, found something else", from.string(), name));
    }
    const auto member = std::ranges::find(members, name, &data::Member::name);
    if (!unpack_content(from, opened.get(), folder / fs::path(name).filename(), member->most_bytes, interrupted)) {
      return false;
    }
    std::erase(missing, name);
  }
  if (missing.empty()) return true;
  if (result != ARCHIVE_EOF) damaged(from, opened.get());
  throw UserError(fmt::format("{}: expected a member {}, found none", from.string(), missing.front()));
}

}  // namespace psctl::fetch
