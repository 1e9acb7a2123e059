#include "data/csv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "data/decimal.h"
#include "data/text_labels.h"

namespace psctl::data {
namespace {

constexpr std::string_view kUsualDelimiters = ",\t;";
constexpr std::string_view kDelimiters = ",\t;|";
constexpr std::size_t kLongestRecord = std::size_t{1} << 30;
constexpr std::ptrdiff_t kLongestField = std::ptrdiff_t{1} << 20;
constexpr std::size_t kMostFields = std::size_t{1} << 20;
constexpr std::size_t kShownNames = 12;

struct Field {
  const char* at;         // where it begins
  std::string_view text;  // without quotes and the blanks around
  bool quoted;
};

// What every line of a file is read by.
class Dialect {
 public:
  explicit Dialect(char delimiter) : delimiter_(delimiter) {}

  char delimiter() const { return delimiter_; }
  bool is_blank(char character) const { return character == ' ' || (character == '\t' && delimiter_ != '\t'); }
  const char* skip_blanks(const char* at, const char* end) const {
    while (at != end && is_blank(*at)) ++at;
    return at;
  }
  static bool at_line_end(const char* at, const char* end) {
    return at == end || *at == '\n' || (*at == '\r' && (at + 1 == end || at[1] == '\n'));
  }
  bool ends_field(const char* at, const char* end) const {
    return (at != end && *at == delimiter_) || at_line_end(at, end);
  }

  // Reads the field at `at` and returns its end, where a delimiter or the line's end stands. `scratch` keeps what the
  // text cannot show as it is. Throws Fault.
  const char* read_field(const char* at, const char* end, std::string& scratch, Field& field) const {
    const char* const stop =
        at != end && *at == '"' ? read_quoted(at, end, scratch, field) : read_plain(at, end, field);
    if (stop - at > kLongestField) {
      throw Fault{at, fmt::format("expected a field of at most {} bytes, found {}", kLongestField, stop - at)};
    }
    return stop;
  }

 private:
  const char* read_plain(const char* at, const char* end, Field& field) const {
    const char* stop = at;
    for (; !ends_field(stop, end); ++stop) {
      if (*stop == '"') {
        throw Fault{stop,
                    "expected a quote only around a whole field, found one within " + found_at(at, end, delimiter_)};
      }
      if (*stop == '\r') {
        throw Fault{stop,
                    "expected a line feed after the carriage return, found " + found_at(stop + 1, end, delimiter_)};
      }
    }
    const char* const begin = skip_blanks(at, stop);
    const char* last = stop;
    while (last != begin && is_blank(last[-1])) --last;
    field = {begin, {begin, static_cast<std::size_t>(last - begin)}, false};
    return stop;
  }

  const char* read_quoted(const char* at, const char* end, std::string& scratch, Field& field) const {
    const char* const begin = at + 1;
    const char* stop = find_quote(begin, end, at);
    field = {at, {begin, static_cast<std::size_t>(stop - begin)}, true};
    ++stop;
    if (stop != end && *stop == '"') {
      scratch.assign(field.text);
      while (stop != end && *stop == '"') {
        const char* const next = find_quote(stop + 1, end, at);
        scratch.append(stop, next);
        stop = next + 1;
      }
      field.text = scratch;
    }
    if (!ends_field(stop, end)) {
      throw Fault{stop, "expected a delimiter or the end of the line after the closing quote, found " +
                            found_at(stop, end, delimiter_)};
    }
    return stop;
  }

  static const char* find_quote(const char* at, const char* end, const char* opening) {
    const void* const found = std::memchr(at, '"', static_cast<std::size_t>(end - at));
    if (!found) throw Fault{opening, "expected a closing quote to this one, found the end of the file"};
    return static_cast<const char*>(found);
  }

  char delimiter_;
};

const char* after_line_end(const char* at, const char* end) {
  if (at != end && *at == '\r') ++at;
  return at == end ? at : at + 1;
}

const char* skip_empty_lines(const char* at, const char* end) {
  while (at != end && Dialect::at_line_end(at, end)) at = after_line_end(at, end);
  return at;
}

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

Record read_record(const Dialect& dialect, const char* at, const char* end) {
  Record record{.words = {}, .begin = at, .end = end};
  std::string scratch;
  Field field;
  for (;;) {
    at = dialect.read_field(at, end, scratch, field);
    record.words.push_back({field.at, std::string(field.text), field.quoted});
    if (Dialect::at_line_end(at, end)) break;
    if (record.words.size() == kMostFields) {
      throw Fault{at, fmt::format("expected at most {} fields, found more", kMostFields)};
    }
    ++at;
  }
  record.end = after_line_end(at, end);
  return record;
}

bool is_missing(std::string_view text, bool quoted) {
  if (text.empty()) return true;
  constexpr std::string_view kWords[] = {"?", "na", "n/a", "nan", "null"};
  constexpr std::size_t kLongest = 4;
  if (quoted || text.size() > kLongest) return false;
  std::string lower(text);
  for (char& character : lower) {
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  }
  return std::ranges::find(kWords, lower) != std::end(kWords);
}

// The first two lines that are not empty.
struct Head {
  Record first;
  std::optional<Record> second;
};

Head read_head(const Dialect& dialect, std::string_view body) {
  const char* const end = body.data() + body.size();
  Head head{.first = read_record(dialect, skip_empty_lines(body.data(), end), end), .second = {}};
  const char* const next = skip_empty_lines(head.first.end, end);
  if (next != end) head.second = read_record(dialect, next, end);
  return head;
}

std::string name_of(char delimiter) {
  switch (delimiter) {
    case ',':
      return "comma";
    case '\t':
      return "tab";
    case ';':
      return "semicolon";
    default:
      return "bar";
  }
}

// The usual delimiter that the first two lines agree on; else the only one that the first line has.
char find_delimiter(std::string_view body) {
  const char* const end = body.data() + body.size();
  const char* const begin = skip_empty_lines(body.data(), end);
  std::vector<std::string> names;
  std::string agree, there;
  std::optional<Fault> fault;
  for (const char delimiter : kUsualDelimiters) {
    try {
      const Dialect dialect(delimiter);
      if (read_record(dialect, begin, end).words.size() < 2) continue;
      there += delimiter;
      const Head head = read_head(dialect, body);
      if (!head.second || head.second->words.size() == head.first.words.size()) agree += delimiter;
    } catch (const Fault& found) {
      if (!fault) fault = found;
    }
  }
  const std::string& found = agree.empty() ? there : agree;
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    if (fault) throw Fault(*fault);
    throw Fault{begin, "expected at least two columns, with a comma, a tab or a semicolon between them, found " +
                           found_at(begin, end)};
  }
  for (const char delimiter : found) names.push_back(name_of(delimiter));
  throw Fault{begin,
              fmt::format("expected one delimiter, found that {} may be it; say which (delimiter)", enumerate(names))};
}

// How the files of a data set are laid out; the first tells.
struct Layout {
  Dialect dialect;
  std::size_t columns;
  std::size_t label;  // from 0
  std::optional<Record> header;
};

std::string names_of(const Record& header) {
  std::vector<std::string> names;
  for (const Record::Word& word : header.words) names.push_back(word.text);
  const std::size_t shown = std::min(names.size(), kShownNames);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     shown < names.size() ? ", ..." : "");
}

// The columns of that name.
std::vector<std::size_t> columns_named(const Record& record, const std::string& name) {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < record.words.size(); ++i) {
    if (record.words[i].text == name) columns.push_back(i);
  }
  return columns;
}

bool is_column_number(const std::string& label) {
  return !label.empty() && label.find_first_not_of("0123456789") == std::string::npos;
}

std::size_t label_by_number(const Record& first, const std::string& label) {
  const std::size_t columns = first.words.size();
  constexpr std::size_t kMostDigits = 9;
  const std::size_t number = label.size() > kMostDigits ? 0 : std::stoul(label);
  if (number < 1 || number > columns) {
    throw Fault{first.begin, fmt::format("expected the label in a column from 1 to {}, found {}", columns, label)};
  }
  return number - 1;
}

std::size_t label_by_name(const Record& first, const std::string& label) {
  const auto found = columns_named(first, label);
  if (found.size() == 1) return found[0];
  if (!found.empty()) {
    throw Fault{first.words[found[1]].at,
                fmt::format("expected one column named {}, found a second; say its number (label)", in_quotes(label))};
  }
  std::vector<std::string> names;
  for (const Record::Word& word : first.words) names.push_back(word.text);
  const std::string near = nearest(label, names);
  throw Fault{
      first.begin,
      fmt::format("expected a column named {}{}, found {}", in_quotes(label),
                  near.empty() ? std::string() : fmt::format(" (did you mean {}?)", in_quotes(near)), names_of(first))};
}

// Whether the first line names the columns. What cannot be told is refused.
bool find_header(const Head& head, std::size_t label) {
  std::size_t numbers = 0, words = 0, counting = 0;
  const Record::Word* word_seen = nullptr;
  for (std::size_t i = 0; i < head.first.words.size(); ++i) {
    const Record::Word& word = head.first.words[i];
    if (i == label || is_missing(word.text, word.quoted)) continue;
    if (parse_number(word.text)) {
      counting += word.text == fmt::to_string(numbers);
      ++numbers;
    } else {
      ++words;
      word_seen = &word;
    }
  }
  if (words > 0 && numbers == 0) return true;
  if (words > 0) {
    throw Fault{word_seen->at,
                fmt::format("expected only numbers or only names as features in the first line, found {} "
                            "beside numbers; if the line names the columns, say so (header)",
                            in_quotes(word_seen->text))};
  }
  const auto label_is_number = [&](const Record& record) {
    return label < record.words.size() && parse_number(record.words[label].text);
  };
  const bool named = !label_is_number(head.first);
  if (named && head.second && label_is_number(*head.second)) return true;
  if (named && numbers > 1 && counting == numbers) {
    throw Fault{
        head.first.begin,
        "expected a first line that is a sample or names the columns, found 0, 1, 2 and so on; say which (header)"};
  }
  return false;
}

Layout find_layout(const Text& text, const ImportOptions& options) {
  const Dialect dialect(options.delimiter ? *options.delimiter : find_delimiter(text.body()));
  Head head = read_head(dialect, text.body());
  const std::size_t columns = head.first.words.size();
  if (columns < 2) {
    throw Fault{head.first.begin, fmt::format("expected at least two columns with a {} between them, found one",
                                              name_of(dialect.delimiter()))};
  }
  std::size_t label = columns - 1;
  bool header = options.header.value_or(false);
  if (!options.label) {
    if (!options.header) header = find_header(head, label);
  } else if (is_column_number(*options.label)) {
    label = label_by_number(head.first, *options.label);
    if (!options.header) header = find_header(head, label);
    const auto named = header ? columns_named(head.first, *options.label) : std::vector<std::size_t>();
    if (!named.empty() && named != std::vector{label}) {
      throw Fault{head.first.words[named[0]].at,
                  fmt::format("expected the label in column {}, found that another column has the name {}; rename it",
                              *options.label, in_quotes(*options.label))};
    }
  } else {
    label = label_by_name(head.first, *options.label);
    header = true;
  }
  return {.dialect = dialect,
          .columns = columns,
          .label = label,
          .header = header ? std::optional(std::move(head.first)) : std::nullopt};
}

// Where the samples begin. A file of several must begin with the header that the first has.
const char* skip_header(const Layout& layout, const Text& text, const Text& first) {
  const std::string_view body = text.body();
  const char* const begin = skip_empty_lines(body.data(), text.end());
  if (!layout.header || begin == text.end()) return begin;
  const Record record = read_record(layout.dialect, begin, text.end());
  const auto [found, expected] =
      std::ranges::mismatch(record.words, layout.header->words,
                            [](const Record::Word& a, const Record::Word& b) { return a.text == b.text; });
  if (expected != layout.header->words.end()) {
    throw Fault{
        found == record.words.end() ? begin : found->at,
        fmt::format("expected the header of {}: {}; found {}", first.name, names_of(*layout.header), names_of(record))};
  }
  if (found != record.words.end()) {
    throw Fault{found->at,
                fmt::format("expected {} columns as in {}, found {}", layout.columns, first.name, record.words.size())};
  }
  return record.end;
}

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

  void clear(std::size_t text_size) {
    const std::size_t needed = text_size + 1;  // a value takes at least its delimiter
    if (needed > room) {
      values = std::make_unique_for_overwrite<Value[]>(needed);
      room = needed;
    }
    count = 0;
    labels.clear();
    names.clear();
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
    const char* at = skip_empty_lines(block.data(), end);
    while (at != end) at = skip_empty_lines(parse_record(at, end, value, rows), end);
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
    for (std::size_t column = 0; column < layout_.columns; ++column) {
      if (column > 0) {
        if (at == end || *at != dialect_.delimiter()) throw Fault{at, kOtherCount};
        ++at;
      }
      if (column == layout_.label) {
        at = parse_label(at, end, rows);
      } else {
        at = parse_value(at, end, *value++, column, rows.scratch);
      }
    }
    if (!Dialect::at_line_end(at, end)) throw Fault{at, kOtherCount};
    return after_line_end(at, end);
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
                fmt::format("expected {} fields as in the first line, found {}", layout_.columns, words.size())};
  }

  const char* parse_label(const char* at, const char* end, BlockRows<Value>& rows) const {
    Field field;
    const char* const stop = dialect_.read_field(at, end, rows.scratch, field);
    if (is_missing(field.text, field.quoted)) {
      throw Fault{field.at, fmt::format("expected a label as {}, found {}", name(layout_.label), shown(field))};
    }
    rows.labels.push_back(rows.names.number(field.text, field.at));
    return stop;
  }

  const char* parse_value(const char* at, const char* end, Value& value, std::size_t column,
                          std::string& scratch) const {
    float number;
    const char* stop = read_float(dialect_.skip_blanks(at, end), end, number);
    if (stop) {
      stop = dialect_.skip_blanks(stop, end);
      if (dialect_.ends_field(stop, end) && fits(number)) {
        value = static_cast<Value>(number);
        return stop;
      }
    }
    return parse_unusual(at, end, value, column, scratch);
  }

  // Numbers in quotes, missing values, and all that is wrong.
  const char* parse_unusual(const char* at, const char* end, Value& value, std::size_t column,
                            std::string& scratch) const {
    Field field;
    const char* const stop = dialect_.read_field(at, end, scratch, field);
    if (is_missing(field.text, field.quoted)) {
      if (missing_ == Missing::kRefuse) {
        throw Fault{field.at, fmt::format("expected a number as {}, found {}; say what missing values become (missing)",
                                          name(column), shown(field))};
      }
      value = std::numeric_limits<Value>::quiet_NaN();
      return stop;
    }
    const char* const text_end = field.text.data() + field.text.size();
    float number;
    const bool is_number = read_float(field.text.data(), text_end, number) == text_end;
    if (!is_number || !fits(number)) {
      throw Fault{field.at,
                  fmt::format("expected {} as {}, found {}",
                              is_number && std::isinf(number) ? "a number that a 32-bit float can hold" : kExpected,
                              name(column), shown(field))};
    }
    value = static_cast<Value>(number);
    return stop;
  }

  static bool fits(float number) {
    if constexpr (std::is_same_v<Value, float>) {
      return !std::isinf(number);
    } else {
      return number >= 0 && number <= 255 && number == std::floor(number);
    }
  }

  static std::string shown(const Field& field) { return field.text.empty() ? "nothing" : in_quotes(field.text); }

  std::string name(std::size_t column) const {
    if (!layout_.header) return fmt::format("field {}", column + 1);
    return fmt::format("field {} ({})", column + 1, layout_.header->words[column].text);
  }

  static constexpr const char* kOtherCount = "expected another number of fields";  // check_count says more
  static constexpr const char* kExpected = std::is_same_v<Value, float> ? "a number" : "a whole number from 0 to 255";

  const Layout& layout_;
  Dialect dialect_;
  Missing missing_;
};

void check_options(const ImportOptions& options) {
  if (options.delimiter && kDelimiters.find(*options.delimiter) == std::string_view::npos) {
    throw UserError(fmt::format("delimiter: expected a comma, a tab, a semicolon or a bar, found {}",
                                in_quotes({&*options.delimiter, 1})));
  }
  if (options.label && options.label->empty()) {
    throw UserError("label: expected the name of a column or its number from 1, found nothing");
  }
  if (options.label && !is_column_number(*options.label) && options.header == false) {
    throw UserError(
        fmt::format("label: expected the number of a column, as header is false, found {}", in_quotes(*options.label)));
  }
  if (options.values == Values::kBytes && options.missing != Missing::kRefuse) {
    throw UserError("missing: expected no filling in when values are bytes; use floats");
  }
}

// Runs what reads a text; its fault is told with the place.
template <class Read>
auto told(const Text& text, Read read) {
  try {
    return read();
  } catch (const Fault& fault) {
    text.fail(fault.at, fault.message);
  }
}

template <class Value>
void read_all(std::span<const Text> texts, const ImportOptions& options, const Layout& layout, Sink& sink,
              Labels& labels, std::size_t block_size) {
  const RecordParser<Value> parser(layout, options.missing);
  std::optional<Part> part;
  for (const Text& text : texts) {
    if (part != text.part) sink.begin_part(text.part);
    part = text.part;
    const char* const begin = told(text, [&] { return skip_header(layout, text, texts.front()); });
    bool empty = true;
    const auto take = [&](BlockRows<Value>& rows, bool sound) {
      const auto& codes = labels.merge(rows.names, text);
      labels.count(text.part, rows.labels.size());
      if (rows.labels.empty() || !sound) return;
      empty = false;
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
}

}  // namespace

void import_csv(std::span<const Text> texts, const ImportOptions& options, Sink& sink, std::size_t block_size) {
  check_options(options);
  for (const Text& text : texts) text.check_begin();
  const Text& first = texts.front();
  if (skip_empty_lines(first.body().data(), first.end()) == first.end()) {
    first.fail(first.end(), "expected at least one sample, found the end of the file");
  }
  const Layout layout = told(first, [&] { return find_layout(first, options); });
  const Shape shape = options.shape.value_or(Shape{.channels = 1, .height = 1, .width = layout.columns - 1});
  if (shape.size() != layout.columns - 1) {
    throw UserError(fmt::format("{}: expected {} features for samples of {} x {} x {}, found {}", first.name,
                                shape.size(), shape.channels, shape.height, shape.width, layout.columns - 1));
  }
  const Values values = options.values.value_or(Values::kFloats);
  sink.begin({.shape = shape, .values = values, .sparse = false});
  Labels labels;
  if (values == Values::kBytes) {
    read_all<std::uint8_t>(texts, options, layout, sink, labels, block_size);
  } else {
    read_all<float>(texts, options, layout, sink, labels, block_size);
  }
  Summary summary;
  summary.notes.push_back(layout.header
                              ? fmt::format("the first line names the columns; the label is column {} ({})",
                                            layout.label + 1, layout.header->words[layout.label].text)
                              : fmt::format("the first line is a sample; the label is column {}", layout.label + 1));
  labels.summarise(first, summary, "; if another column is the label, say which (label)");
  sink.end(summary);
}

namespace {

// Whether the first two lines are columns with at least a number among them.
bool recognises(const Glimpse& glimpse) {
  if (glimpse.folder || glimpse.packed) return false;
  Text text{.content = {reinterpret_cast<const char*>(glimpse.begin.data()), glimpse.begin.size()},
            .name = {},
            .part = Part::kTrain};
  if (text.content.size() < glimpse.size) text.content = text.content.substr(0, text.content.rfind('\n') + 1);
  const auto is_text = [](char character) {
    return static_cast<unsigned char>(character) >= ' ' || character == '\t' || character == '\n' || character == '\r';
  };
  if (!std::ranges::all_of(text.content, is_text)) return false;
  try {
    const Head head = read_head(Dialect(find_delimiter(text.body())), text.body());
    const auto has_number = [](const Record& record) {
      return std::ranges::any_of(record.words, [](const auto& word) { return parse_number(word.text).has_value(); });
    };
    return has_number(head.first) || (head.second && has_number(*head.second));
  } catch (const Fault&) {
    return false;
  }
}

void run(std::span<const Input> inputs, const ImportOptions& options, Sink& sink) {
  const TextFiles files(inputs);
  import_csv(files.texts(), options, sink);
}

constexpr std::string_view kOptions[] = {"shape", "values", "missing", "label", "header", "delimiter"};

constexpr std::string_view kEndings[] = {".csv", ".tsv"};

}  // namespace

const Importer kCsvImporter{
    .name = "csv",
    .holds = "CSV or TSV: a line a sample, a column the label, all others numbers",
    .options = kOptions,
    .recognises = recognises,
    .endings = kEndings,
    .run = run,
};

}  // namespace psctl::data
