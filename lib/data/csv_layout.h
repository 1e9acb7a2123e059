// How CSV text is laid out: what parts its fields, whether the first line names the columns, which column is the label
// and which only names the rows. What the file does not tell for certain is refused, with the option that says it.
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/import.h"
#include "data/text_file.h"

namespace psctl::data::csv {

struct Field {
  const char* at;         // where it begins
  std::string_view text;  // without quotes and the blanks around
  bool quoted;
};

// What every line of a file is read by. With a space as the delimiter, fields are parted by any number of spaces and
// tabs, and those at the ends of a line do not count.
class Dialect {
 public:
  explicit Dialect(char delimiter) : delimiter_(delimiter), other_(delimiter == ' ' ? '\t' : delimiter) {}

  char delimiter() const { return delimiter_; }
  bool is_delimiter(char character) const { return character == delimiter_ || character == other_; }
  // A blank that may stand around a field and does not part it from the next.
  bool is_blank(char character) const {
    return (character == ' ' && delimiter_ != ' ') || (character == '\t' && other_ != '\t');
  }
  const char* skip_blanks(const char* at, const char* end) const {
    while (at != end && is_blank(*at)) ++at;
    return at;
  }
  static bool at_line_end(const char* at, const char* end) {
    return at == end || *at == '\n' || (*at == '\r' && (at + 1 == end || at[1] == '\n'));
  }
  bool ends_field(const char* at, const char* end) const {
    return (at != end && is_delimiter(*at)) || at_line_end(at, end);
  }
  // Where the next field begins, after a delimiter at `at`.
  const char* after_delimiter(const char* at, const char* end) const {
    ++at;
    if (parted_by_blanks()) at = skip_delimiters(at, end);
    return at;
  }
  // The line's end, if nothing but blanks that do not count stands before it; else `at`.
  const char* skip_to_line_end(const char* at, const char* end) const {
    if (!parted_by_blanks()) return at;
    const char* const stop = skip_delimiters(at, end);
    return at_line_end(stop, end) ? stop : at;
  }
  // Where the next line that is not empty begins; `end` if there is none.
  const char* next_record(const char* at, const char* end) const {
    for (;;) {
      if (parted_by_blanks()) at = skip_delimiters(at, end);
      if (at == end || !at_line_end(at, end)) return at;
      at = after_line_end(at, end);
    }
  }
  static const char* after_line_end(const char* at, const char* end) {
    if (at != end && *at == '\r') ++at;
    return at == end ? at : at + 1;
  }

  // Reads the field at `at` and returns its end, where a delimiter or the line's end stands. `scratch` keeps what the
  // text cannot show as it is. Throws Fault.
  const char* read_field(const char* at, const char* end, std::string& scratch, Field& field) const;

 private:
  bool parted_by_blanks() const { return delimiter_ == ' '; }
  const char* skip_delimiters(const char* at, const char* end) const {
    while (at != end && is_delimiter(*at)) ++at;
    return at;
  }
  const char* read_plain(const char* at, const char* end, Field& field) const;
  const char* read_quoted(const char* at, const char* end, std::string& scratch, Field& field) const;

  char delimiter_, other_;
};

// A line's fields as words, for what is read once.
struct Record {
  struct Word {
    const char* at;
    std::string text;
    bool quoted;
  };
  std::vector<Word> words;
  const char* begin;
  const char* end;  // after the line's end
};

// Throws Fault.
Record read_record(const Dialect& dialect, const char* at, const char* end);

// Nothing, ?, NA, N/A, NaN or null in any case of letters.
bool is_missing(std::string_view text, bool quoted);
// What True, TRUE and true are, and False, FALSE and false.
std::optional<float> truth(std::string_view text);

// How the files of a data set are laid out; the first tells.
struct Layout {
  Dialect dialect;
  std::size_t columns;             // of a sample
  std::size_t label;               // from 0
  bool row_names;                  // the first column names the rows and is left out
  std::optional<Record> header;    // the first line, if it names the columns
  std::vector<std::string> names;  // of all columns, if there is a header
  bool counts_rows;                // the first column is a feature and 0, 1, 2 ... or 1, 2, 3 ... as far as was looked

  std::size_t features() const { return columns - 1 - (row_names ? 1 : 0); }
};

// Throws UserError.
void check_options(const ImportOptions& options);

// Throws Fault.
Layout find_layout(const Text& text, const ImportOptions& options);

// Where the samples begin. A file of several must begin with the header that the first has. Throws Fault.
const char* skip_header(const Layout& layout, const Text& text, const Text& first);

// Whether the text, the beginning of a file, is lines of as many fields, all numbers but those of one column.
bool looks_like_columns(std::string_view text);

}  // namespace psctl::data::csv
