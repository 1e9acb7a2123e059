#include "data/csv.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "data/csv_layout.h"
#include "data/decimal.h"
#include "data/text_labels.h"

namespace psctl::data {
namespace {

using csv::Dialect;
using csv::Field;
using csv::is_missing;
using csv::Layout;
using csv::Record;

constexpr std::size_t kLongestRecord = std::size_t{1} << 30;

// Whole records, about as many as fit. Quotes tell where a record ends, for as long as no fault comes before.
std::size_t cut_records(std::string_view rest, std::size_t block_size) {
  if (rest.size() <= block_size) return rest.size();
  const std::size_t last = rest.rfind('\n', block_size - 1);
  const auto is_even = [](std::string_view lines) {
    return lines.find('"') == std::string_view::npos || std::ranges::count(lines, '"') % 2 == 0;
  };
  if (last != std::string_view::npos && is_even(rest.substr(0, last))) return last + 1;
  bool open = false;
  std::size_t found = 0;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '"') open = !open;
    if (rest[i] == '\n' && !open) found = i + 1;
    if (i + 1 >= block_size && found > 0) return found;
  }
  return rest.size();
}

// A block's rows.
template <class Value>
struct BlockRows {
  std::unique_ptr<Value[]> values;
  std::size_t room = 0;
  std::size_t count = 0;
  std::vector<std::uint32_t> labels;  // numbers of `names`, later codes
  BlockLabels names;
  std::string scratch;
  std::uint64_t rounded = 0;       // whole numbers that no float is
  std::size_t rounded_column = 0;  // of the first of them

  void clear(std::size_t text_size) {
    const std::size_t needed = text_size + 1;  // a value takes at least its delimiter
    if (needed > room) {
      values = std::make_unique_for_overwrite<Value[]>(needed);
      room = needed;
    }
    count = 0;
    labels.clear();
    names.clear();
    rounded = 0;
  }
};

template <class Value>
class RecordParser {
 public:
  RecordParser(const Layout& layout, Missing missing) : layout_(layout), dialect_(layout.dialect), missing_(missing) {}

  void parse(std::string_view block, BlockRows<Value>& rows) const {
    if (block.size() > kLongestRecord) {
      throw Fault{block.data(), fmt::format("expected the end of the line within {} bytes", kLongestRecord)};
    }
    rows.clear(block.size());
    Value* value = rows.values.get();
    const char* const end = block.data() + block.size();
    const char* at = dialect_.next_record(block.data(), end);
    while (at != end) at = dialect_.next_record(parse_record(at, end, value, rows), end);
    rows.count = static_cast<std::size_t>(value - rows.values.get());
  }

 private:
  const char* parse_record(const char* at, const char* end, Value*& value, BlockRows<Value>& rows) const {
    try {
      return parse_fields(at, end, value, rows);
    } catch (const Fault&) {
      rows.names.drop_from(at);
      check_count(at, end);
      throw;
    }
  }

  const char* parse_fields(const char* at, const char* end, Value*& value, BlockRows<Value>& rows) const {
    std::size_t column = 0;
    if (layout_.row_names) {
      Field ignored;
      at = dialect_.read_field(at, end, rows.scratch, ignored);
      ++column;
    }
    for (; column < layout_.columns; ++column) {
      if (column > 0) {
        if (at == end || !dialect_.is_delimiter(*at)) throw Fault{at, kOtherCount};
        at = dialect_.after_delimiter(at, end);
      }
      if (column == layout_.label) {
        at = parse_label(at, end, rows);
      } else {
        at = parse_value(at, end, *value++, column, rows);
      }
    }
    at = dialect_.skip_to_line_end(at, end);
    if (!Dialect::at_line_end(at, end)) throw Fault{at, kOtherCount};
    return Dialect::after_line_end(at, end);
  }

  // A field that is missing or too many makes others wrong, so this is what to tell.
  void check_count(const char* begin, const char* end) const {
    std::vector<Record::Word> words;
    try {
      words = read_record(dialect_, begin, end).words;
    } catch (const Fault&) {
      return;  // comes after the fault at hand
    }
    if (words.size() == layout_.columns) return;
    throw Fault{words[std::min(words.size() - 1, layout_.columns)].at,
                fmt::format("expected {} fields as in the first line, found {}{}", layout_.columns, words.size(),
                            has_thousands(words) ? kPlainNumbers : "")};
  }

  // Whether two fields may be one number, such as 1,234, whose comma is no delimiter.
  bool has_thousands(const std::vector<Record::Word>& words) const {
    if (dialect_.delimiter() != ',' || words.size() < layout_.columns) return false;
    const auto digits = [](const std::string& text) {
      return std::min(text.find_first_not_of("0123456789"), text.size());
    };
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      const std::string &before = words[i].text, &after = words[i + 1].text;
      const std::size_t sign = before.starts_with('-') ? 1 : 0, count = digits(before.substr(sign));
      constexpr std::size_t kGroup = 3;
      if (count == 0 || count > kGroup || sign + count < before.size() || digits(after) != kGroup) continue;
      if (after.size() == kGroup || after[kGroup] == '.') return true;
    }
    return false;
  }

  const char* parse_label(const char* at, const char* end, BlockRows<Value>& rows) const {
    Field field;
    const char* const stop = dialect_.read_field(at, end, rows.scratch, field);
    if (is_missing(field.text, field.quoted)) {
      throw Fault{field.at,
                  fmt::format("expected a label as {}, found {}{}", name(layout_.label), shown(field),
                              field.text.empty() ? "" : "; if that is a class, put it in quotes in the file")};
    }
    rows.labels.push_back(rows.names.number(field.text, field.at));
    return stop;
  }

  const char* parse_value(const char* at, const char* end, Value& value, std::size_t column,
                          BlockRows<Value>& rows) const {
    float number;
    const char* stop = read_float(dialect_.skip_blanks(at, end), end, number);
    if (stop) {
      stop = dialect_.skip_blanks(stop, end);
      if (dialect_.ends_field(stop, end) && is_usual(number)) {
        value = static_cast<Value>(number);
        return stop;
      }
    }
    return parse_unusual(at, end, value, column, rows);
  }

  // Large numbers, those in quotes, truth values, missing ones, and all that is wrong.
  const char* parse_unusual(const char* at, const char* end, Value& value, std::size_t column,
                            BlockRows<Value>& rows) const {
    Field field;
    const char* const stop = dialect_.read_field(at, end, rows.scratch, field);
    if (is_missing(field.text, field.quoted)) {
      if (missing_ == Missing::kRefuse) {
        throw Fault{field.at, fmt::format("expected a number as {}, found {}; say what missing values become (missing)",
                                          name(column), shown(field))};
      }
      value = std::numeric_limits<Value>::quiet_NaN();
      return stop;
    }
    const char* const text_end = field.text.data() + field.text.size();
    float number = 0;
    bool is_number = read_float(field.text.data(), text_end, number) == text_end;
    if (const auto known = is_number ? std::nullopt : csv::truth(field.text)) {
      number = *known;
      is_number = true;
    }
    if (!is_number || std::isinf(number) || (kBytes && !is_usual(number))) {
      throw Fault{field.at,
                  fmt::format("expected {} as {}, found {}{}",
                              is_number && std::isinf(number) ? "a number that a 32-bit float can hold" : kExpected,
                              name(column), shown(field), has_separators(field.text) ? kPlainNumbers : "")};
    }
    if (is_rounded_whole(field.text, number) && rows.rounded++ == 0) rows.rounded_column = column;
    value = static_cast<Value>(number);
    return stop;
  }

  // Whether it is a value for certain, and the number that the text spells, as far as whole ones go.
  static bool is_usual(float number) {
    if constexpr (kBytes) {
      return number >= 0 && number <= 255 && number == std::floor(number);
    } else {
      return std::abs(number) < kLargestWhole;
    }
  }

  // Whether it is a number with a comma, as a decimal sign or between thousands.
  static bool has_separators(std::string_view text) {
    return text.find_first_not_of("+-0123456789,. ") == std::string_view::npos &&
           text.find(',') != std::string_view::npos && text.find_first_of("0123456789") != std::string_view::npos;
  }

  static std::string shown(const Field& field) { return field.text.empty() ? "nothing" : in_quotes(field.text); }

  std::string name(std::size_t column) const {
    if (!layout_.header) return fmt::format("field {}", column + 1);
    return fmt::format("field {} ({})", column + 1, layout_.names[column]);
  }

  static constexpr const char* kOtherCount = "expected another number of fields";  // check_count says more
  static constexpr const char* kPlainNumbers =
      "; numbers are read with a decimal point and without commas between thousands, as 1234.5";
  static constexpr bool kBytes = std::is_same_v<Value, std::uint8_t>;
  static constexpr const char* kExpected = kBytes ? "a whole number from 0 to 255" : "a number";
  static constexpr float kLargestWhole = 0x1p24F;  // below it all whole numbers are floats

  const Layout& layout_;
  Dialect dialect_;
  Missing missing_;
};

// Runs what reads a text; its fault is told with the place.
template <class Read>
auto told(const Text& text, Read read) {
  try {
    return read();
  } catch (const Fault& fault) {
    text.fail(fault.at, fault.message);
  }
}

// Whole numbers that were rounded, of all texts.
struct Rounded {
  std::uint64_t count = 0;
  std::size_t column = 0;  // of the first
};

template <class Value>
Rounded read_all(std::span<const Text> texts, const ImportOptions& options, const Layout& layout, Sink& sink,
                 Labels& labels, std::size_t block_size) {
  Rounded rounded;
  const RecordParser<Value> parser(layout, options.missing);
  std::optional<Part> part;
  for (const Text& text : texts) {
    if (part != text.part) sink.begin_part(text.part);
    part = text.part;
    const char* const begin = told(text, [&] { return csv::skip_header(layout, text, texts.front()); });
    bool empty = true;
    const auto take = [&](BlockRows<Value>& rows, bool sound) {
      const auto& codes = labels.merge(rows.names, text);
      labels.count(text.part, rows.labels.size());
      if (rows.labels.empty() || !sound) return;
      empty = false;
      if (rounded.count == 0) rounded.column = rows.rounded_column;
      rounded.count += rows.rounded;
      for (std::uint32_t& label : rows.labels) label = codes[label];
      Rows taken;
      if constexpr (std::is_same_v<Value, float>) {
        taken.floats = {rows.values.get(), rows.count};
      } else {
        taken.bytes = {rows.values.get(), rows.count};
      }
      taken.labels = rows.labels;
      sink.add(taken);
    };
    in_blocks<BlockRows<Value>>(
        text, {begin, static_cast<std::size_t>(text.end() - begin)},
        [&](std::string_view rest) { return cut_records(rest, block_size); },
        [&](std::string_view block, BlockRows<Value>& rows) { parser.parse(block, rows); }, take);
    if (empty) text.fail(text.end(), "expected at least one sample, found the end of the file");
  }
  return rounded;
}

// What the user should be told of how the file was read.
std::vector<std::string> notes_of(const Layout& layout, const Rounded& rounded) {
  std::vector<std::string> notes;
  const auto name = [&](std::size_t column) {
    return layout.header ? fmt::format("{} ({})", column + 1, layout.names[column]) : fmt::format("{}", column + 1);
  };
  notes.push_back(fmt::format("the first line {}; the label is column {}",
                              layout.header ? "names the columns" : "is a sample", name(layout.label)));
  if (layout.row_names) {
    const std::string& row_names = layout.names.front();
    notes.push_back(
        fmt::format("column 1 {} and is left out, as pandas and R write the names of rows; give it a name "
                    "if it is a feature",
                    row_names.empty() ? "has no name" : "is named " + in_quotes(row_names)));
  }
  if (layout.counts_rows) {
    notes.push_back(fmt::format(
        "column {} counts the lines and is a feature; if it is only their number, remove it from the file", name(0)));
  }
  if (rounded.count > 0) {
    notes.push_back(fmt::format("{} beyond 2^24 {} rounded to 32-bit floats, the first of column {}",
                                counted(rounded.count, "whole number", "whole numbers"),
                                rounded.count == 1 ? "was" : "were", name(rounded.column)));
  }
  return notes;
}

}  // namespace

void import_csv(std::span<const Text> texts, const ImportOptions& options, Sink& sink, std::size_t block_size) {
  csv::check_options(options);
  for (const Text& text : texts) text.check_begin();
  const Text& first = texts.front();
  const Dialect any(',');
  if (any.next_record(first.body().data(), first.end()) == first.end()) {
    first.fail(first.end(), "expected at least one sample, found the end of the file");
  }
  const Layout layout = told(first, [&] { return csv::find_layout(first, options); });
  const Shape shape = options.shape.value_or(Shape{.channels = 1, .height = 1, .width = layout.features()});
  if (shape.size() != layout.features()) {
    throw UserError(fmt::format("{}: expected {} features for samples of {} x {} x {}, found {}", first.name,
                                shape.size(), shape.channels, shape.height, shape.width, layout.features()));
  }
  const Values values = options.values.value_or(Values::kFloats);
  sink.begin({.shape = shape, .values = values, .sparse = false});
  Labels labels;
  const Rounded rounded = values == Values::kBytes
                              ? read_all<std::uint8_t>(texts, options, layout, sink, labels, block_size)
                              : read_all<float>(texts, options, layout, sink, labels, block_size);
  Summary summary{.classes = {}, .class_of = {}, .features = 0, .notes = notes_of(layout, rounded)};
  labels.summarise(first, summary, "; if another column is the label, say which (label)");
  sink.end(summary);
}

namespace {

constexpr std::string_view kEndings[] = {".csv", ".tsv"};

bool recognises(const Glimpse& glimpse) {
  if (glimpse.folder || glimpse.packed) return false;
  std::string_view content(reinterpret_cast<const char*>(glimpse.begin.data()), glimpse.begin.size());
  if (content.size() < glimpse.size) content = content.substr(0, content.rfind('\n') + 1);
  const auto is_text = [](char character) {
    return static_cast<unsigned char>(character) >= ' ' || character == '\t' || character == '\n' || character == '\r';
  };
  return std::ranges::all_of(content, is_text) && csv::looks_like_columns(content);
}

void run(std::span<const Input> inputs, const ImportOptions& options, Sink& sink) {
  const TextFiles files(inputs);
  import_csv(files.texts(), options, sink);
}

constexpr std::string_view kOptions[] = {"shape", "values", "missing", "label", "header", "delimiter"};

}  // namespace

const Importer kCsvImporter{
    .name = "csv",
    .holds = "CSV or TSV: a line a sample, a column the label, all others numbers",
    .options = kOptions,
    .recognises = recognises,
    .endings = kEndings,
    .run = run,
    .is_text = true,
};

}  // namespace psctl::data
