#include "data/csv_layout.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "data/decimal.h"

namespace psctl::data::csv {
namespace {

constexpr std::string_view kUsualDelimiters = ",\t;", kDelimiters = ",\t;| ";
constexpr std::ptrdiff_t kLongestField = std::ptrdiff_t{1} << 20;
constexpr std::size_t kMostFields = std::size_t{1} << 20;
constexpr std::size_t kShownNames = 12;
constexpr std::size_t kLookedAt = 64;  // lines

const char* find_quote(const char* at, const char* end, const char* opening) {
  const void* const found = std::memchr(at, '"', static_cast<std::size_t>(end - at));
  if (!found) throw Fault{opening, "expected a closing quote to this one, found the end of the file"};
  return static_cast<const char*>(found);
}

std::string lower(std::string_view text) {
  std::string small(text);
  std::ranges::transform(small, small.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return small;
}

}  // namespace

const char* Dialect::read_field(const char* at, const char* end, std::string& scratch, Field& field) const {
  const char* const stop = at != end && *at == '"' ? read_quoted(at, end, scratch, field) : read_plain(at, end, field);
  if (stop - at > kLongestField) {
    throw Fault{at, fmt::format("expected a field of at most {} bytes, found {}", kLongestField, stop - at)};
  }
  return stop;
}

const char* Dialect::read_plain(const char* at, const char* end, Field& field) const {
  const char* stop = at;
  for (; !ends_field(stop, end); ++stop) {
    if (*stop == '"') {
      throw Fault{stop,
                  "expected a quote only around a whole field, found one within " + found_at(at, end, delimiter_)};
    }
    if (*stop == '\r') {
      throw Fault{stop, "expected a line feed after the carriage return, found " + found_at(stop + 1, end, delimiter_)};
    }
  }
  const char* const begin = skip_blanks(at, stop);
  const char* last = stop;
  while (last != begin && is_blank(last[-1])) --last;
  field = {begin, {begin, static_cast<std::size_t>(last - begin)}, false};
  return stop;
}

const char* Dialect::read_quoted(const char* at, const char* end, std::string& scratch, Field& field) const {
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

Record read_record(const Dialect& dialect, const char* at, const char* end) {
  Record record{.words = {}, .begin = at, .end = end};
  std::string scratch;
  Field field;
  for (;;) {
    at = dialect.read_field(at, end, scratch, field);
    record.words.push_back({field.at, std::string(field.text), field.quoted});
    at = dialect.skip_to_line_end(at, end);
    if (Dialect::at_line_end(at, end)) break;
    if (record.words.size() == kMostFields) {
      throw Fault{at, fmt::format("expected at most {} fields, found more", kMostFields)};
    }
    at = dialect.after_delimiter(at, end);
  }
  record.end = Dialect::after_line_end(at, end);
  return record;
}

bool is_missing(std::string_view text, bool quoted) {
  if (text.empty()) return true;
  constexpr std::string_view kWords[] = {"?", "na", "n/a", "nan", "null"};
  constexpr std::size_t kLongest = 4;
  if (quoted || text.size() > kLongest) return false;
  return std::ranges::find(kWords, lower(text)) != std::end(kWords);
}

std::optional<float> truth(std::string_view text) {
  if (text == "True" || text == "TRUE" || text == "true") return 1.0F;
  if (text == "False" || text == "FALSE" || text == "false") return 0.0F;
  return std::nullopt;
}

namespace {

// Whether it can be a feature's value.
bool is_value(const Record::Word& word) {
  return is_missing(word.text, word.quoted) || parse_number(word.text) || truth(word.text);
}

bool is_name(const Record::Word& word) { return !word.text.empty() && !is_value(word); }

std::size_t fields_of(const Dialect& dialect, const char* at, const char* end) {
  try {
    return at == end ? 0 : read_record(dialect, at, end).words.size();
  } catch (const Fault&) {
    return 0;
  }
}

// Where the first line begins. Comments before it do not count, as np.savetxt and Octave write them; but a line such as
// "#,name,weight" names the columns, if they are as many.
const char* begin_of(const Dialect& dialect, const Text& text) {
  const char* const end = text.end();
  const char* const first = dialect.next_record(text.body().data(), end);
  const char* at = first;
  while (at != end && *at == '#') {
    const void* const stop = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
    at = dialect.next_record(stop ? static_cast<const char*>(stop) : end, end);
  }
  const bool names = at != first && fields_of(dialect, first, end) == fields_of(dialect, at, end);
  return names ? first : at;
}

// The first two lines that are not empty.
struct Head {
  Record first;
  std::optional<Record> second;
};

Head read_head(const Dialect& dialect, const Text& text) {
  Head head{.first = read_record(dialect, begin_of(dialect, text), text.end()), .second = {}};
  const char* const next = dialect.next_record(head.first.end, text.end());
  if (next != text.end()) head.second = read_record(dialect, next, text.end());
  return head;
}

// Whether the first line names all columns but the first, as R's write.table leaves it out.
bool is_short_header(const Head& head) {
  return head.second && head.second->words.size() == head.first.words.size() + 1 &&
         std::ranges::all_of(head.first.words, is_name);
}

std::string name_of(char delimiter) {
  switch (delimiter) {
    case ',':
      return "comma";
    case '\t':
      return "tab";
    case ';':
      return "semicolon";
    case ' ':
      return "blank";
    default:
      return "bar";
  }
}

// The usual delimiter that the first two lines agree on, else with a header that lacks the first name; else the only
// one that the first line has; else blanks.
char find_delimiter(const Text& text) {
  std::string agree, agree_but_one, there;
  std::optional<Fault> fault;
  const auto look = [&](char delimiter) {
    try {
      const Dialect dialect(delimiter);
      if (read_record(dialect, begin_of(dialect, text), text.end()).words.size() < 2) return;
      there += delimiter;
      const Head head = read_head(dialect, text);
      if (!head.second || head.second->words.size() == head.first.words.size()) agree += delimiter;
      if (is_short_header(head)) agree_but_one += delimiter;
    } catch (const Fault& found) {
      if (!fault) fault = found;
    }
  };
  std::ranges::for_each(kUsualDelimiters, look);
  if (agree.empty() && agree_but_one.empty() && (there.empty() || there == "\t")) {
    const std::string before = there;
    look(' ');
    if (!before.empty()) there = before;
  }
  const std::string& found = !agree.empty() ? agree : !agree_but_one.empty() ? agree_but_one : there;
  if (found.size() == 1) return found[0];
  const char* const begin = begin_of(Dialect(' '), text);
  if (found.empty()) {
    if (fault) throw Fault(*fault);
    throw Fault{begin,
                "expected at least two columns, with a comma, a tab, a semicolon or blanks between them, found " +
                    found_at(begin, text.end())};
  }
  std::vector<std::string> names;
  for (const char delimiter : found) names.push_back(name_of(delimiter));
  throw Fault{begin,
              fmt::format("expected one delimiter, found that {} may be it; say which (delimiter){}", enumerate(names),
                          found == ",;" ? "; if the comma is the decimal sign, write points for it" : "")};
}

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

// The last column; refused where the header gives another one the name that labels usually have.
std::size_t label_by_default(const Record& first, bool header) {
  const std::size_t last = first.words.size() - 1;
  if (!header) return last;
  constexpr std::array<std::string_view, 4> kUsualNames{"label", "labels", "class", "target"};
  const auto is_usual = [&](const Record::Word& word) {
    return std::ranges::find(kUsualNames, lower(word.text)) != kUsualNames.end();
  };
  const auto usual = std::ranges::find_if(first.words, is_usual);
  if (usual == first.words.end() || is_usual(first.words[last])) return last;
  throw Fault{usual->at, fmt::format("expected the label in the last column, {}, found a column named {}; say which of "
                                     "them is the label (label)",
                                     in_quotes(first.words[last].text), in_quotes(usual->text))};
}

// Whether all fields are whole numbers, each the one before and 1; a first field without anything aside. So count the
// names that pandas gives columns, and years.
bool counts_up(const Record& record) {
  constexpr std::size_t kFewest = 3;
  const auto words = std::span(record.words).subspan(record.words.front().text.empty() ? 1 : 0);
  std::optional<double> before;
  for (const Record::Word& word : words) {
    const auto number = parse_number(word.text);
    if (!number || (before && *number != *before + 1) || word.text.find_first_not_of("0123456789") != std::string::npos)
      return false;
    before = number;
  }
  return words.size() >= kFewest;
}

// Whether a later line has this text as its label. Where the text is damaged, the parser will tell: yes.
bool has_label_again(const Dialect& dialect, const Text& text, const Record& first, std::size_t label) {
  try {
    for (const char* at = dialect.next_record(first.end, text.end()); at != text.end();) {
      const Record record = read_record(dialect, at, text.end());
      if (label < record.words.size() && record.words[label].text == first.words[label].text) return true;
      at = dialect.next_record(record.end, text.end());
    }
  } catch (const Fault&) {
    return true;
  }
  return false;
}

// Whether the first line names the columns. What cannot be told is refused.
bool find_header(const Dialect& dialect, const Text& text, const Head& head, std::size_t label) {
  const Record::Word* name = nullptr;
  bool values = false;
  for (std::size_t i = 0; i < head.first.words.size(); ++i) {
    const Record::Word& word = head.first.words[i];
    if (i == label || is_missing(word.text, word.quoted)) continue;
    if (is_name(word)) {
      name = &word;
    } else {
      values = true;
    }
  }
  if (name && !values) return true;
  if (name) {
    throw Fault{name->at, fmt::format("expected only numbers or only names as features in the first line, found {} "
                                      "beside numbers; if the line names the columns, say so (header)",
                                      in_quotes(name->text))};
  }
  const auto refuse = [&](const std::string& found) {
    throw Fault{head.first.begin,
                fmt::format("expected a first line that is a sample or names the columns, found {}; say which (header)",
                            found)};
  };
  const auto label_is_number = [&](const Record& record) {
    return label < record.words.size() && parse_number(record.words[label].text);
  };
  if (label_is_number(head.first)) {
    if (counts_up(head.first)) {
      refuse(fmt::format("numbers that count up, {}", names_of(head.first)));
    }
    return false;
  }
  if (head.second && label_is_number(*head.second)) return true;
  const Record::Word& word = head.first.words[label];
  if (!is_missing(word.text, word.quoted) && !has_label_again(dialect, text, head.first, label)) {
    refuse(fmt::format("numbers and {}, which is no later line's label", in_quotes(word.text)));
  }
  return false;
}

// Whether a column without a name, as pandas and R write the names of rows; or the name that pandas and readr give such
// a column when they read it.
bool is_unnamed(const std::string& name) { return name.empty() || name == "Unnamed: 0" || name == "...1"; }

// Whether the first field of each line is a whole number, one more than that of the line before.
bool first_column_counts(const Dialect& dialect, const char* at, const char* end) {
  constexpr std::size_t kFewest = 10;
  std::optional<double> before;
  std::size_t lines = 0;
  std::string scratch;
  try {
    for (; at != end && lines < kLookedAt; ++lines) {
      const Record record = read_record(dialect, at, end);
      const auto number = parse_number(record.words.front().text);
      if (!number || (before ? *number != *before + 1 : *number != 0 && *number != 1)) return false;
      before = number;
      at = dialect.next_record(record.end, end);
    }
  } catch (const Fault&) {  // the parser will tell
  }
  return lines >= kFewest;
}

}  // namespace

void check_options(const ImportOptions& options) {
  if (options.delimiter && kDelimiters.find(*options.delimiter) == std::string_view::npos) {
    throw UserError(fmt::format("delimiter: expected a comma, a tab, a semicolon, a bar or a space, found {}",
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

Layout find_layout(const Text& text, const ImportOptions& options) {
  const Dialect dialect(options.delimiter ? *options.delimiter : find_delimiter(text));
  Head head = read_head(dialect, text);
  std::optional<Record> header;
  if (options.header != false && is_short_header(head)) {
    header = head.first;
    head.first.words.insert(head.first.words.begin(), {head.first.begin, "", false});
  }
  const Record& first = head.first;
  const std::size_t columns = first.words.size();
  if (columns < 2) {
    throw Fault{first.begin, fmt::format("expected at least two columns with a {} between them, found one",
                                         name_of(dialect.delimiter()))};
  }
  std::size_t label = columns - 1;
  bool named = header || options.header.value_or(false);
  const auto look = [&] {
    if (!named && !options.header) named = find_header(dialect, text, head, label);
  };
  if (!options.label) {
    look();
    label = label_by_default(first, named);
  } else if (is_column_number(*options.label)) {
    label = label_by_number(first, *options.label);
    look();
    const auto by_name = named ? columns_named(first, *options.label) : std::vector<std::size_t>();
    if (!by_name.empty() && by_name != std::vector{label}) {
      throw Fault{first.words[by_name[0]].at,
                  fmt::format("expected the label in column {}, found that another column has the name {}; rename it",
                              *options.label, in_quotes(*options.label))};
    }
  } else {
    label = label_by_name(first, *options.label);
    named = true;
  }
  Layout layout{.dialect = dialect,
                .columns = columns,
                .label = label,
                .row_names = named && label != 0 && is_unnamed(first.words.front().text),
                .header = {},
                .names = {},
                .counts_rows = false};
  if (named) {
    for (const Record::Word& word : first.words) layout.names.push_back(word.text);
    layout.header = header ? std::move(header) : std::move(head.first);
  }
  if (layout.features() == 0) {
    throw Fault{head.first.begin, "expected a feature beside the label, found only the names of rows"};
  }
  const char* const samples =
      layout.header ? dialect.next_record(layout.header->end, text.end()) : begin_of(dialect, text);
  layout.counts_rows = !layout.row_names && label != 0 && first_column_counts(dialect, samples, text.end());
  return layout;
}

const char* skip_header(const Layout& layout, const Text& text, const Text& first) {
  const char* const begin = begin_of(layout.dialect, text);
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
    throw Fault{found->at, fmt::format("expected {} columns as in {}, found {}", layout.header->words.size(),
                                       first.name, record.words.size())};
  }
  return record.end;
}

bool looks_like_columns(std::string_view content) {
  const Text text{.content = content, .name = {}, .part = Part::kTrain};
  try {
    const Dialect dialect(find_delimiter(text));
    const Head head = read_head(dialect, text);
    const bool short_header = is_short_header(head);
    const bool row_names = short_header || head.first.words.front().text.empty();
    const std::size_t columns = head.first.words.size() + (short_header ? 1 : 0);
    std::vector<bool> is_words(columns);
    std::size_t values = 0;
    const char* at = begin_of(dialect, text);
    const auto is_header = [&](const Record& record) {
      const auto names = std::ranges::count_if(record.words, is_name);
      return head.second && names + (row_names ? 1 : 0) >= static_cast<std::ptrdiff_t>(columns);
    };
    for (std::size_t line = 0; line < kLookedAt && at != text.end(); ++line) {
      if (line > 1 && fields_of(dialect, at, text.end()) == 0) break;  // damaged; the parser will tell
      const Record record = read_record(dialect, at, text.end());
      at = dialect.next_record(record.end, text.end());
      if (line == 0 && is_header(record)) continue;
      if (record.words.size() != columns) return false;
      for (std::size_t i = row_names ? 1 : 0; i < columns; ++i) {
        const bool word = is_name(record.words[i]);
        is_words[i] = is_words[i] || word;
        values += !word && !record.words[i].text.empty();
      }
    }
    return values > 0 && std::ranges::count(is_words, true) <= 1;
  } catch (const Fault&) {
    return false;
  }
}

}  // namespace psctl::data::csv
