#include "base/csv.h"

#include <algorithm>

namespace psctl {

CsvReader::CsvReader(std::string_view text) : rest_(text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
}

bool CsvReader::next() {
  if (number_ > 0 && rest_.find_first_not_of("\r\n") == std::string_view::npos) return false;
  if (rest_.empty()) return false;
  const std::size_t end = std::min(rest_.find('\n'), rest_.size());
  has_end_ = end < rest_.size();
  line_ = rest_.substr(0, end);
  rest_.remove_prefix(has_end_ ? end + 1 : end);
  if (line_.ends_with('\r')) line_.remove_suffix(1);
  ++number_;
  cells_.clear();
  for (std::size_t begin = 0; begin <= line_.size();) {
    std::size_t comma = std::min(line_.find(',', begin), line_.size());
    std::string_view cell = line_.substr(begin, comma - begin);
    if (cell.starts_with('"')) {
      const std::size_t quote = line_.find('"', begin + 1);
      if (quote != std::string_view::npos && (quote + 1 == line_.size() || line_[quote + 1] == ',')) {
        comma = quote + 1;
        cell = line_.substr(begin + 1, quote - begin - 1);
      }
    }
    cells_.push_back(cell);
    begin = comma + 1;
  }
  return true;
}

}  // namespace psctl
