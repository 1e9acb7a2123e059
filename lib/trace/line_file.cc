#include "trace/line_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

namespace psctl::trace {
namespace {

constexpr std::size_t kFlushAt = 64 * 1024;

int open_for_writing(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) throw WorldError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return descriptor;
}

void write_all(int descriptor, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw WorldError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

LineFile::LineFile(std::string path, std::string_view header)
    : path_(std::move(path)), descriptor_(open_for_writing(path_)) {
  if (!header.empty()) {
    line("{}", header);
    flush();
  }
}

LineFile::~LineFile() {
  if (!open()) return;
  try {
    flush();
  } catch (const WorldError&) {
    // Nobody is left to tell; flush() before the end tells.
  }
  ::close(descriptor_);
}

LineFile& LineFile::operator=(LineFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

void LineFile::end_line() {
  buffer_ += '\n';
  if (buffer_.size() >= kFlushAt) flush();
}

void LineFile::flush() {
  if (!open() || buffer_.empty()) return;
  const std::string lines = std::exchange(buffer_, {});
  const off_t begin = ::lseek(descriptor_, 0, SEEK_CUR);
  try {
    write_all(descriptor_, lines, path_);
  } catch (const WorldError&) {
    // No half line stays, and no later line follows a gap; a full disk has that much room again for the summary.
    [[maybe_unused]] const int kept = begin >= 0 ? ::ftruncate(descriptor_, begin) : 0;
    ::close(std::exchange(descriptor_, -1));
    throw;
  }
  buffer_.reserve(kFlushAt + 512);
}

void write_whole(const std::string& path, std::string_view content) {
  const std::string temporary = fmt::format("{}.{}.new", path, ::getpid());
  const int descriptor = open_for_writing(temporary);
  try {
    write_all(descriptor, content, path);
  } catch (...) {
    ::close(descriptor);
    ::unlink(temporary.c_str());
    throw;
  }
  ::close(descriptor);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw WorldError(fmt::format("cannot write {}: {}", path, std::strerror(error)));
  }
}

}  // namespace psctl::trace
