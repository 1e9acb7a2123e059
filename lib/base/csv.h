// Lines of cells with commas between them, as spreadsheets, R, pandas and psctl write them: a byte order mark, line
// ends of Windows, quotes around a cell and empty lines at the end mean nothing.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace psctl {

class CsvReader {
 public:
  explicit CsvReader(std::string_view text);  // which must live on

  // Goes to the next line; false at the end.
  bool next();
  std::size_t number() const { return number_; }   // of the line, from 1
  std::string_view line() const { return line_; }  // as it stands
  bool has_end() const { return has_end_; }        // false of a last line that may be cut off
  const std::vector<std::string_view>& cells() const { return cells_; }

 private:
  std::string_view rest_, line_;
  std::vector<std::string_view> cells_;
  std::size_t number_ = 0;
  bool has_end_ = false;
};

}  // namespace psctl
