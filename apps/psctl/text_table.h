// Tables of words and numbers, for people, for spreadsheets and for pages.
#pragma once

#include <string>
#include <vector>

namespace psctl::app {

enum class Format { kTable, kCsv, kMarkdown, kJson };
// "table", "csv", "markdown" or "json"; throws UserError for anything else.
Format parse_format(const std::string& word);
inline constexpr const char* kFormats = "table, csv, markdown or json";

struct TextTable {
  struct Column {
    std::string title;
    bool left = false;  // words begin in one line, numbers end in one
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

// With a line for the titles; not as JSON.
std::string to_text(const TextTable& table, Format format);

}  // namespace psctl::app
