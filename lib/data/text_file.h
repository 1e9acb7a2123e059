// A text file of the user's, mapped, and messages that name a place in it by line and column.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/import.h"

namespace psctl::data {

// The content of a file, or of what stands for one.
struct Text {
  std::string_view content;
  std::string name;
  Part part = Part::kTrain;

  const char* begin() const { return content.data(); }
  const char* end() const { return content.data() + content.size(); }

  // Throws UserError "name: line L, column C: message", both from 1, columns in bytes. `at` lies in the content or is
  // its end.
  [[noreturn]] void fail(const char* at, const std::string& message) const;
  // Throws UserError if this begins as a packed file or as text in UTF-16.
  void check_begin() const;
  // The content without a byte order mark.
  std::string_view body() const;
};

// Something wrong at a place of a text, before it is told to anybody.
struct Fault {
  const char* at;
  std::string message;
};

// Pages come in as they are read and need not stay, so a file may be larger than memory. Whoever shortens the file
// meanwhile ends the program.
class TextFile {
 public:
  // Throws UserError if it cannot be opened or is no regular file.
  explicit TextFile(const Input& input);
  ~TextFile();
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;

  const Text& text() const { return text_; }

 private:
  Text text_;
};

// Several files at once, as texts() in the order of the inputs.
class TextFiles {
 public:
  explicit TextFiles(std::span<const Input> inputs);
  std::span<const Text> texts() const { return texts_; }

 private:
  std::vector<std::unique_ptr<TextFile>> files_;
  std::vector<Text> texts_;
};

// The text in quotes, cut short and without control characters.
std::string in_quotes(std::string_view text);
// What stands at a place: in quotes up to a blank, `delimiter` or end of the line, or "the end of the line" or "of the
// file".
std::string found_at(const char* at, const char* end, char delimiter = ' ');

}  // namespace psctl::data
