// The schema for people and for programs.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/config.h"
#include "config/json.h"
#include "config/schema.h"

namespace psctl::config {
namespace {

using Json = nlohmann::ordered_json;

struct Row {
  std::string path;
  std::string kind_path;  // of the section's kind
  const Field* field;
};

void list_rows(const Section& section, const std::string& path, std::vector<Row>& rows) {
  const std::string kind_path = section.kind_field() ? joined(path, section.kind_field()->key) : "";
  for (const Field& field : section.fields()) {
    const std::string field_path = joined(path, field.key);
    if (!field.meaning.empty()) rows.push_back({field_path, kind_path, &field});
    if (const Section* below = field.value->section()) {
      list_rows(*below, field.value->is_list() ? joined(field_path, "N") : field_path, rows);
    }
  }
}

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  list_rows(root_section(), "", rows);
  return rows;
}

std::string told_value(const Description& description) {
  if (!description.choices.empty()) return enumerate(description.choices, "or");
  if (description.type == "boolean") return description.allowed;
  return description.allowed.empty() ? description.type : fmt::format("{}, {}", description.type, description.allowed);
}

std::string told_default(const Field& field) {
  if (field.required) return "(required)";
  if (!field.default_in_words.empty()) return field.default_in_words;
  return field.default_in_schema ? to_line(*field.default_in_schema) : "-";
}

std::string told_meaning(const Row& row) {
  if (row.field->under.empty()) return row.field->meaning;
  return fmt::format("{}: {}", enumerate(row.field->under), row.field->meaning);
}

std::string first_part(const std::string& path) { return path.substr(0, path.find('.')); }

std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines(1);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
    at = end + 1;
  }
  return lines;
}

constexpr std::size_t kColumns = 4;
constexpr std::array<std::size_t, kColumns> kWidths = {37, 14, 28, 44};

void append_cells(const std::array<std::string, kColumns>& cells, std::string& text) {
  std::array<std::vector<std::string>, kColumns> lines;
  std::size_t height = 0;
  for (std::size_t i = 0; i < kColumns; ++i) {
    lines[i] = wrapped(cells[i], kWidths[i]);
    height = std::max(height, lines[i].size());
  }
  for (std::size_t k = 0; k < height; ++k) {
    std::string line;
    for (std::size_t i = 0; i < kColumns; ++i) {
      line += fmt::format("{:<{}}  ", k < lines[i].size() ? lines[i][k] : "", kWidths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
}

Json key_as_json(const Row& row) {
  const Field& field = *row.field;
  const Description description = field.value->describe();
  Json key = {{"key", row.path}, {"type", description.type}, {"required", field.required}};
  key["default"] = field.default_in_schema ? as_json(*field.default_in_schema) : Json(nullptr);
  if (!field.default_in_words.empty()) key["default_in_words"] = field.default_in_words;
  if (description.minimum) {
    key[description.above_minimum ? "exclusive_minimum" : "minimum"] = as_json(*description.minimum);
  }
  if (description.maximum) {
    key[description.below_maximum ? "exclusive_maximum" : "maximum"] = as_json(*description.maximum);
  }
  if (description.or_zero) key["or_zero"] = true;
  if (!description.choices.empty()) key["choices"] = description.choices;
  if (!field.under.empty()) key["only_with"] = {{row.kind_path, field.under}};
  key["meaning"] = field.meaning;
  return key;
}

}  // namespace

std::string schema_text() {
  std::string text;
  append_cells({"KEY", "DEFAULT", "VALUE", "MEANING"}, text);
  std::string path_before;
  for (const Row& row : all_rows()) {
    const bool in_a_section = row.path.find('.') != std::string::npos || path_before.find('.') != std::string::npos;
    if (in_a_section && first_part(row.path) != first_part(path_before)) text += '\n';
    path_before = row.path;
    append_cells({row.path, told_default(*row.field), told_value(row.field->value->describe()), told_meaning(row)},
                 text);
  }
  return text;
}

std::string schema_json() {
  Json keys = Json::array();
  for (const Row& row : all_rows()) keys.push_back(key_as_json(row));
  return Json{{"keys", std::move(keys)}}.dump(2) + "\n";
}

}  // namespace psctl::config
