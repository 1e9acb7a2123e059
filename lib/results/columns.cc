#include "results/columns.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <string_view>

#include "base/error.h"

namespace psctl::results {
namespace {

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw WorldError(fmt::format("{}: {}", path, std::strerror(errno)));
  const std::streamoff size = file.tellg();
  std::string text(static_cast<std::size_t>(std::max<std::streamoff>(size, 0)), '\0');
  file.seekg(0);
  if (!file.read(text.data(), size)) throw WorldError(path + ": cannot be read");
  return text;
}

double number(std::string_view cell, const std::string& path, std::size_t line) {
  if (cell.empty()) return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size())
    throw WorldError(fmt::format("{}:{}: '{}' is no number", path, line, cell.substr(0, 40)));
  return value;
}

class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) {}
  bool has_cell() const { return !ended_; }
  std::string_view next_cell() {
    const std::size_t comma = rest_.find(',');
    const std::string_view cell = rest_.substr(0, comma);
    ended_ = comma == std::string_view::npos;
    if (!ended_) rest_.remove_prefix(comma + 1);
    return cell;
  }

 private:
  std::string_view rest_;
  bool ended_ = false;
};

}  // namespace

std::vector<Column> read_columns(const std::string& path, const std::vector<std::string>& names) {
  const std::string text = read_whole(path);
  std::string_view rest(text);
  const auto next_line = [&] {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return line;
  };
  if (rest.find('\n') == std::string_view::npos) throw WorldError(path + ": is empty");
  // Where in the answer the columns of the file go.
  constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> places;
  for (Line header(next_line()); header.has_cell();) {
    const auto found = std::ranges::find(names, header.next_cell());
    places.push_back(found == names.end() ? kNowhere : static_cast<std::size_t>(found - names.begin()));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::find(places, i) == places.end())
      throw WorldError(fmt::format("{}: there is no column {}", path, names[i]));
  }
  std::vector<Column> columns(names.size());
  for (std::size_t row = 2; rest.find('\n') != std::string_view::npos; ++row) {
    Line line(next_line());
    for (const std::size_t place : places) {
      if (!line.has_cell())
        throw WorldError(fmt::format("{}:{}: the line has fewer cells than the first one", path, row));
      const std::string_view cell = line.next_cell();
      if (place != kNowhere) columns[place].push_back(number(cell, path, row));
    }
  }
  return columns;
}

}  // namespace psctl::results
