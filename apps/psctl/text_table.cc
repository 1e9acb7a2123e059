#include "text_table.h"

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>

#include "base/error.h"

namespace psctl::app {
namespace {

// In characters, of UTF-8.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

// A cell on one line; `separator` would end it.
std::string one_line(const std::string& cell, char separator) {
  std::string text;
  for (const char c : cell) {
    if (c == separator && separator != ' ') text += '\\';
    text += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return text;
}

using Row = std::vector<std::string>;

std::string csv_line(const Row& row) {
  std::string line;
  for (const std::string& cell : row) line += (line.empty() && &cell == row.data() ? "" : ",") + csv_cell(cell);
  return line + "\n";
}

}  // namespace

Format parse_format(const std::string& word) {
  if (word == "table") return Format::kTable;
  if (word == "csv") return Format::kCsv;
  if (word == "markdown") return Format::kMarkdown;
  if (word == "json") return Format::kJson;
  throw UserError(fmt::format("--format {}: {}", word, kFormats));
}

std::string to_text(const TextTable& table, Format format) {
  Row titles;
  for (const TextTable::Column& column : table.columns) titles.push_back(column.title);
  std::string text;
  if (format == Format::kCsv) {
    text = csv_line(titles);
    for (const Row& row : table.rows) text += csv_line(row);
    return text;
  }
  const char separator = format == Format::kMarkdown ? '|' : ' ';
  std::vector<Row> lines = {titles};
  lines.insert(lines.end(), table.rows.begin(), table.rows.end());
  std::vector<std::size_t> widths(titles.size(), format == Format::kMarkdown ? 3 : 0);
  for (Row& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      line[i] = one_line(line[i], separator);
      widths[i] = std::max(widths[i], width_of(line[i]));
    }
  }
  for (std::size_t n = 0; n < lines.size(); ++n) {
    std::string line;
    for (std::size_t i = 0; i < lines[n].size(); ++i) {
      const std::string& cell = lines[n][i];
      const std::string filling(widths[i] - width_of(cell), ' ');
      const std::string filled = table.columns[i].left ? cell + filling : filling + cell;
      line += format == Format::kMarkdown ? fmt::format("| {} ", filled) : (i > 0 ? "  " : "") + filled;
    }
    if (format == Format::kMarkdown) line += "|";
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
    if (n > 0 || format != Format::kMarkdown) continue;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string dashes(widths[i] + 1, '-');
      text += table.columns[i].left ? fmt::format("|{}-", dashes) : fmt::format("|{}:", dashes);
    }
    text += "|\n";
  }
  return text;
}

}  // namespace psctl::app
