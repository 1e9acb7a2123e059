// A text file that grows by whole lines: a run that is killed leaves no half-written row.
#pragma once

#include <fmt/format.h>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace psctl::trace {

// Not thread-safe. Throws WorldError, naming the file, when it cannot be made or written (a full disk);
// after that it takes no more lines, and those that it has are whole.
class LineFile {
 public:
  LineFile() = default;  // writes nothing, anywhere
  explicit LineFile(std::string path, std::string_view header = {});
  ~LineFile();  // writes what is buffered, as far as it can
  LineFile(LineFile&& other) noexcept { *this = std::move(other); }
  LineFile& operator=(LineFile&& other) noexcept;

  bool open() const { return descriptor_ >= 0; }

  // Appends one line; the newline is added.
  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    if (!open()) return;
    fmt::format_to(std::back_inserter(buffer_), format, std::forward<Arguments>(arguments)...);
    end_line();
  }
  void flush();

 private:
  void end_line();

  std::string path_;
  int descriptor_ = -1;
  std::string buffer_;
};

// Replaces `path` by `content` in one step: readers see the old file or the new one, never a part.
void write_whole(const std::string& path, std::string_view content);

}  // namespace psctl::trace
