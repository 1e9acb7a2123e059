#include "results/columns.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <string_view>

#include "base/csv.h"
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

}  // namespace

std::vector<Column> read_columns(const std::string& path, const std::vector<std::string>& names) {
  const std::string text = read_whole(path);
  CsvReader reader(text);
  if (!reader.next() || !reader.has_end()) throw WorldError(path + ": is empty");
  // Where in the answer the columns of the file go.
  constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> places;
  for (const std::string_view name : reader.cells()) {
    const auto found = std::ranges::find(names, name);
    places.push_back(found == names.end() ? kNowhere : static_cast<std::size_t>(found - names.begin()));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::find(places, i) == places.end())
      throw WorldError(fmt::format("{}: there is no column {}", path, names[i]));
  }
  std::vector<Column> columns(names.size());
  while (reader.next() && reader.has_end()) {
    if (reader.cells().size() < places.size())
      throw WorldError(fmt::format("{}:{}: the line has fewer cells than the first one", path, reader.number()));
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] != kNowhere) columns[places[i]].push_back(number(reader.cells()[i], path, reader.number()));
    }
  }
  return columns;
}

}  // namespace psctl::results
