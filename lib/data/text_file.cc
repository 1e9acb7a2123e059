#include "data/text_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

namespace psctl::data {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";
constexpr std::string_view kGzip = "\x1F\x8B";
constexpr std::string_view kWideMarks[] = {"\xFF\xFE", "\xFE\xFF"};

class Descriptor {
 public:
  // Without O_NONBLOCK a named pipe would wait for a writer.
  explicit Descriptor(const std::string& path) : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

void Text::fail(const char* at, const std::string& message) const {
  const auto line = 1 + std::count(begin(), at, '\n');
  const auto start = std::string_view(begin(), static_cast<std::size_t>(at - begin())).rfind('\n');
  const char* const line_begin = start == std::string_view::npos ? begin() : begin() + start + 1;
  throw UserError(fmt::format("{}: line {}, column {}: {}", name, line, at - line_begin + 1, message));
}

void Text::check_begin() const {
  if (content.starts_with(kGzip)) fail(begin(), "expected text, found a gzip stream; unpack it first");
  for (const std::string_view mark : kWideMarks) {
    if (content.starts_with(mark)) fail(begin(), "expected text in UTF-8, found UTF-16");
  }
}

std::string_view Text::body() const { return content.substr(content.starts_with(kMark) ? kMark.size() : 0); }

TextFile::TextFile(const Input& input) {
  text_.name = input.path.string();
  text_.part = input.part;
  const Descriptor file(text_.name);
  struct stat status {};
  if (file.number() < 0 || fstat(file.number(), &status) != 0) {
    throw UserError(fmt::format("{}: cannot be opened: {}", text_.name, std::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    throw UserError(fmt::format("{}: expected a regular file, found {}", text_.name,
                                S_ISDIR(status.st_mode) ? "a folder" : "something else"));
  }
  if (status.st_size == 0) return;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (mapped == MAP_FAILED) {
    throw UserError(fmt::format("{}: cannot be mapped into memory: {}", text_.name, std::strerror(errno)));
  }
  madvise(mapped, size, MADV_SEQUENTIAL);
  text_.content = {static_cast<const char*>(mapped), size};
}

TextFile::~TextFile() {
  if (!text_.content.empty()) munmap(const_cast<char*>(text_.content.data()), text_.content.size());
}

TextFiles::TextFiles(std::span<const Input> inputs) {
  for (const Input& input : inputs) {
    files_.push_back(std::make_unique<TextFile>(input));
    texts_.push_back(files_.back()->text());
  }
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMost = 32;
  std::string shown = "'";
  for (const char character : text.substr(0, kMost)) {
    const auto code = static_cast<unsigned char>(character);
    if (code < ' ' || code >= 0x7F) {
      shown += fmt::format("\\x{:02x}", code);
    } else {
      shown += character;
    }
  }
  return shown + (text.size() > kMost ? "...'" : "'");
}

std::string found_at(const char* at, const char* end, char delimiter) {
  const auto at_line_end = [&](const char* place) {
    return *place == '\n' || (*place == '\r' && (place + 1 == end || place[1] == '\n'));
  };
  if (at == end) return "the end of the file";
  if (at_line_end(at)) return "the end of the line";
  constexpr std::ptrdiff_t kFar = 64;
  const char* const limit = at + std::min(kFar, end - at);
  const char* stop = at + 1;
  while (stop != limit && *stop != ' ' && *stop != delimiter && !at_line_end(stop)) ++stop;
  return in_quotes({at, static_cast<std::size_t>(stop - at)});
}

}  // namespace psctl::data
