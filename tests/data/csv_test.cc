#include "data/csv.h"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <oneapi/tbb/global_control.h>

#include "data/text_support.h"
#include "support/folder.h"
#include "support/paths.h"

using namespace psctl;
using namespace psctl::data;
using namespace psctl::data::test;

namespace {

const std::string kFiles = psctl::test::source_path("tests/data/files/");
const float kNone = std::numeric_limits<float>::quiet_NaN();

Recorded parse(const std::string& content, const ImportOptions& options = {}, std::size_t block_size = kBlockSize) {
  return parse_text(import_csv, content, options, block_size);
}

std::string fault_of(const std::string& content, const ImportOptions& options = {}) {
  return fault_of_text(import_csv, content, options);
}

using Labels = std::vector<std::uint32_t>;
using Names = std::vector<std::string>;
using Floats = std::vector<float>;

// The format read the plain way, character by character. Nothing where anything is wrong.
std::optional<std::vector<Names>> read_naively(const std::string& content, char delimiter) {
  std::vector<Names> rows;
  Names row;
  std::string field;
  enum { kBefore, kPlain, kOpen, kClosed } state = kBefore;
  const auto end_field = [&] {
    if (state != kOpen && state != kClosed) {
      while (!field.empty() && field.front() == ' ') field.erase(0, 1);
      while (!field.empty() && field.back() == ' ') field.pop_back();
    }
    row.push_back(field);
    field.clear();
    state = kBefore;
  };
  for (std::size_t i = 0; i <= content.size(); ++i) {
    const bool last = i == content.size();
    if (state == kOpen) {
      if (last) return {};
      if (content[i] != '"') {
        field += content[i];
      } else if (i + 1 < content.size() && content[i + 1] == '"') {
        field += content[i++];
      } else {
        state = kClosed;
      }
      continue;
    }
    std::size_t next = i;
    if (!last && content[i] == '\r' && (i + 1 == content.size() || content[i + 1] == '\n')) ++next;
    if (last || next == content.size() || content[next] == '\n') {
      const bool empty = row.empty() && state == kBefore;
      if (!empty) {
        end_field();
        rows.push_back(row);
        row.clear();
      }
      i = next;
    } else if (content[i] == delimiter) {
      end_field();
    } else if (state == kClosed) {
      return {};
    } else if (content[i] == '"') {
      if (state != kBefore) return {};
      state = kOpen;
    } else if (content[i] == '\r') {
      return {};
    } else {
      field += content[i];
      state = kPlain;
    }
  }
  return rows;
}

std::string long_text(std::size_t rows) {
  Draws draws({.seed = 6, .purpose = Purpose::kTest});
  const char* const labels[] = {"a", "\"b\"", "\"a \"\"c\"\"\nof two lines\"", "d e"};
  std::string text = "x,\"y\nz\",class,w\n";
  for (std::size_t row = 0; row < rows; ++row) {
    text += fmt::format("{:.{}g},\"{}\",{},{}{}", draws.normal(), 1 + draws.below(17), draws.below(100),
                        labels[draws.below(4)], draws.below(9), draws.below(5) ? "\n" : "\r\n");
  }
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(csv_files)

BOOST_AUTO_TEST_CASE(files_that_pandas_and_python_wrote_read_as_what_they_wrote) {
  struct Case {
    const char* name;
    ImportOptions options;
    Names classes;
  };
  ImportOptions first, named;
  first.label = "1";
  named.label = "class";
  named.missing = Missing::kMean;
  ImportOptions bytes = first;
  bytes.values = Values::kBytes;
  for (const Case& each :
       {Case{"words.csv", {}, {"Iris setosa", "so-called \"versicolor\"", "virginica, wild\nor not"}},
        Case{"numbers.tsv", first, {"3", "4", "5"}}, Case{"missing.csv", named, {"0", "1", "2"}},
        Case{"pixels.csv", first, {"0", "1", "2"}}, Case{"pixels.csv", bytes, {"0", "1", "2"}}}) {
    BOOST_TEST_CONTEXT(each.name) {
      const Expected expected = read_expected(kFiles + each.name + ".expected");
      const Recorded recorded = import_file(kCsvImporter, kFiles + each.name, each.options);
      BOOST_TEST(recorded.labels == expected.labels, boost::test_tools::per_element());
      BOOST_TEST(recorded.summary.classes == each.classes, boost::test_tools::per_element());
      BOOST_TEST(same_values(recorded.dense(), expected.values));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_last_column_is_the_label_unless_another_is_named_or_numbered) {
  const std::string text = "a,b,c\n1,2,3\n4,5,6\n";
  const auto check = [&](const ImportOptions& options, const Floats& values, const Names& classes) {
    const Recorded recorded = parse(text, options);
    BOOST_TEST(recorded.floats == values, boost::test_tools::per_element());
    BOOST_TEST(recorded.summary.classes == classes, boost::test_tools::per_element());
    BOOST_TEST(recorded.labels == (Labels{0, 1}), boost::test_tools::per_element());
    BOOST_TEST((recorded.description.shape == Shape{.channels = 1, .height = 1, .width = 2}));
  };
  check({}, {1, 2, 4, 5}, {"3", "6"});
  check({.label = "3"}, {1, 2, 4, 5}, {"3", "6"});
  check({.label = "1"}, {2, 3, 5, 6}, {"1", "4"});
  check({.label = "b"}, {1, 3, 4, 6}, {"2", "5"});
  BOOST_TEST(fault_of(text, {.label = "4"}) == "line 1, column 1: expected the label in a column from 1 to 3, found 4");
  BOOST_TEST(fault_of(text, {.label = "0"}) == "line 1, column 1: expected the label in a column from 1 to 3, found 0");
  BOOST_TEST(fault_of("height,width,kind\n1,2,3\n", {.label = "knid"}) ==
             "line 1, column 1: expected a column named 'knid' (did you mean 'kind'?), found height, width, kind");
  BOOST_TEST(fault_of("a,b,a\n1,2,3\n", {.label = "a"}) ==
             "line 1, column 5: expected one column named 'a', found a second; say its number (label)");
  BOOST_TEST(fault_of("2,1\n3,4\n", {.label = "1", .header = true}) ==
             "line 1, column 3: expected the label in column 1, found that another column has the name '1'; rename it");
  BOOST_TEST(fault_of(text, {.label = "b", .header = false}) ==
             "label: expected the number of a column, as header is false, found 'b'");
  BOOST_TEST(fault_of(text, {.label = ""}) ==
             "label: expected the name of a column or its number from 1, found nothing");
}

BOOST_AUTO_TEST_CASE(a_first_line_of_words_names_the_columns_and_one_of_numbers_is_a_sample) {
  BOOST_TEST(parse("a,b\n1,2\n3,4\n").size() == 2);
  BOOST_TEST(parse("1,2\n3,4\n").size() == 2);
  BOOST_TEST(parse("1,x\n3,y\n").size() == 2);
  BOOST_TEST(parse(",a,b\n0,1,x\n1,2,y\n").size() == 2);
  BOOST_TEST(parse("0,1,label\n5,6,1\n7,8,2\n").size() == 2);
  BOOST_TEST(parse("?,1\n3,4\n", {.missing = Missing::kZero}).size() == 2);
  BOOST_TEST(parse("1,2\n3,4\n5,6\n", {.header = true}).size() == 2);
  BOOST_TEST(fault_of("a,b\n1,2\n3,4\n", {.header = false}) ==
             "line 1, column 1: expected a number as field 1, found 'a'");
  BOOST_TEST(fault_of("1,b,x\n1,2,y\n") ==
             "line 1, column 3: expected only numbers or only names as features in the first line, found 'b' beside "
             "numbers; if the line names the columns, say so (header)");
  BOOST_TEST(
      fault_of("0,1,species\n5,6,x\n7,8,y\n") ==
      "line 1, column 1: expected a first line that is a sample or names the columns, found 0, 1, 2 and so on; say "
      "which (header)");
}

BOOST_AUTO_TEST_CASE(the_delimiter_is_found_unless_two_would_do) {
  const Recorded plain = parse("1,2\n3,4\n");
  for (const char* text : {"1\t2\n3\t4\n", "1;2\n3;4\n", "1 , 2 \n 3,4", "\"1\";\"2\"\n3;4\n"})
    BOOST_TEST(same(parse(text), plain), text);
  BOOST_TEST(same(parse("1|2\n3|4\n", {.delimiter = '|'}), plain));
  BOOST_TEST(parse("1;a,b\n2;c,d,e\n").summary.classes == (Names{"a,b", "c,d,e"}), boost::test_tools::per_element());
  BOOST_TEST(
      fault_of("1,5;2\n2,5;3\n") ==
      "line 1, column 1: expected one delimiter, found that comma and semicolon may be it; say which (delimiter)");
  BOOST_TEST(
      fault_of("12\n13\n") ==
      "line 1, column 1: expected at least two columns, with a comma, a tab or a semicolon between them, found '12'");
  BOOST_TEST(fault_of("1,2\n", {.delimiter = '\t'}) ==
             "line 1, column 1: expected at least two columns with a tab between them, found one");
  BOOST_TEST(fault_of("1,2\n", {.delimiter = 'x'}) ==
             "delimiter: expected a comma, a tab, a semicolon or a bar, found 'x'");
}

BOOST_AUTO_TEST_CASE(fields_in_quotes_may_hold_delimiters_line_ends_and_quotes) {
  const Recorded recorded = parse("\"a,1\",\"b\"\"2\"\"\"\n\"1.5\",\"x,\"\"y\"\"\nz\"\n2,\"\"\"\"\n 3 , x y \n");
  BOOST_TEST(recorded.floats == (Floats{1.5, 2, 3}), boost::test_tools::per_element());
  BOOST_TEST(recorded.summary.classes == (Names{"\"", "x y", "x,\"y\"\nz"}), boost::test_tools::per_element());
  BOOST_TEST(recorded.summary.notes.front() == "the first line names the columns; the label is column 2 (b\"2\")");
  BOOST_TEST(parse("1,\" a\"\n2,a\n").summary.classes == (Names{" a", "a"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(labels_that_all_are_numbers_are_classes_by_value_and_others_by_their_letters) {
  const Recorded numbers = parse("1,10\n1,9.0\n1,-1\n1,9\n");
  BOOST_TEST(numbers.labels == (Labels{2, 1, 0, 1}), boost::test_tools::per_element());
  BOOST_TEST(numbers.summary.classes == (Names{"-1", "9", "10"}), boost::test_tools::per_element());
  const Recorded words = parse("1,10\n1,9.0\n1,x\n1,9\n");
  BOOST_TEST(words.labels == (Labels{0, 2, 3, 1}), boost::test_tools::per_element());
  BOOST_TEST(words.summary.classes == (Names{"10", "9", "9.0", "x"}), boost::test_tools::per_element());
  BOOST_TEST(words.summary.notes.back() == "labels 10, 9, 9.0, x became classes 0, 1, 2, 3");
}

BOOST_AUTO_TEST_CASE(whole_numbers_as_labels_are_classes_to_their_last_digit) {
  // Three neighbours beyond 2^53, two of which are one double; and some that no integer type holds.
  const Recorded neighbours = parse("1,9007199254740993\n2,9007199254740992\n3,9007199254740994\n4,-3\n");
  BOOST_TEST(neighbours.summary.classes == (Names{"-3", "9007199254740992", "9007199254740993", "9007199254740994"}),
             boost::test_tools::per_element());
  BOOST_TEST(neighbours.labels == (Labels{2, 1, 3, 0}), boost::test_tools::per_element());
  const Recorded long_ones =
      parse("1,340282366920938463463374607431768211456\n2,340282366920938463463374607431768211457\n");
  BOOST_TEST(long_ones.summary.classes ==
                 (Names{"340282366920938463463374607431768211456", "340282366920938463463374607431768211457"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(labels_that_may_be_codes_keep_their_zeros_or_a_note_tells) {
  const Recorded codes = parse("1,007\n2,012\n3,100\n4,007\n");
  BOOST_TEST(codes.summary.classes == (Names{"007", "012", "100"}), boost::test_tools::per_element());
  BOOST_TEST(codes.labels == (Labels{0, 1, 2, 0}), boost::test_tools::per_element());
  const Recorded one = parse("1,1\n2,01\n3,001\n4,1e0\n5,2\n6,2.0\n7,3\n8,+3\n");
  BOOST_TEST(one.summary.classes == (Names{"1", "2", "3"}), boost::test_tools::per_element());
  BOOST_TEST(one.summary.notes.back() ==
             "labels '001', '01', '1', '1e0' are one number and became one class, as did those of 1 more; if they are "
             "codes, put a letter before them");
  BOOST_TEST(parse("1,1\n2,+1\n3,2\n").summary.notes.back() == "labels 1, 2 became classes 0, 1");
}

BOOST_AUTO_TEST_CASE(a_column_of_measurements_is_no_label) {
  const auto text = [](std::size_t rows, const auto& label) {
    std::string lines = "a,b\n";
    for (std::size_t row = 0; row < rows; ++row) lines += fmt::format("{},{}\n", row % 7, label(row));
    return lines;
  };
  const std::string advice =
      "; psctl trains classifiers, it does not fit numbers; if another column is the label, say which (label)";
  const auto real = [](std::size_t row) { return fmt::format("{}", static_cast<double>(row % 40) / 8); };
  BOOST_TEST(fault_of(text(100, real)) ==
             "expected classes as labels, found 40 different real numbers in 100 samples, such as '0.125'" + advice);
  // Enough samples of each, and few enough of them: marks in eighths.
  BOOST_TEST(parse(text(400, real)).summary.classes.size() == 40);
  const auto many = [](std::size_t row) { return fmt::format("{}", static_cast<double>(row % 101) / 8); };
  BOOST_TEST(fault_of(text(2000, many)).starts_with("expected classes as labels, found 101 different real numbers"));
  const auto whole = [](std::size_t row) { return fmt::format("{}", 100 * (row / 2)); };
  BOOST_TEST(fault_of(text(1000, whole)) ==
             "expected classes as labels, found 500 different numbers in 1000 samples, such as '0'" + advice);
  const auto word = [](std::size_t row) { return fmt::format("n{}", row / 2); };
  BOOST_TEST(fault_of(text(20, word)) ==
             "expected classes as labels, found 10 different words in 20 samples, such as 'n0'" + advice);
  BOOST_TEST(parse(text(19, word)).summary.classes.size() == 10);
  const auto thirds = [](std::size_t row) { return fmt::format("{}", row / 3); };
  BOOST_TEST(parse(text(300, thirds)).summary.classes.size() == 100);
}

BOOST_AUTO_TEST_CASE(missing_values_are_refused_or_handed_over_as_such) {
  for (const char* hole : {"", " ", "?", "NA", "n/a", "NaN", "null", "\"\""}) {
    const std::string text = fmt::format("a,b,c\n1,2,x\n{},4,y\n", hole);
    const Recorded recorded = parse(text, {.missing = Missing::kMean});
    BOOST_TEST(same_values(recorded.floats, {1, 2, kNone, 4}), text);
  }
  BOOST_TEST(
      fault_of("a,b,c\n1,2,x\n3,,y\n") ==
      "line 3, column 3: expected a number as field 2 (b), found nothing; say what missing values become (missing)");
  BOOST_TEST(fault_of("1,2,x\n3,NaN,y\n") ==
             "line 2, column 3: expected a number as field 2, found 'NaN'; say what missing values become (missing)");
  BOOST_TEST(fault_of("1,2,x\n3,\"NA\",y\n", {.missing = Missing::kZero}) ==
             "line 2, column 3: expected a number as field 2, found 'NA'");
  BOOST_TEST(fault_of("1,2,x\n3,4,\n", {.missing = Missing::kZero}) ==
             "line 2, column 5: expected a label as field 3, found nothing");
  BOOST_TEST(fault_of("1,2,x\n3,4,\n", {.values = Values::kBytes, .missing = Missing::kZero}) ==
             "missing: expected no filling in when values are bytes; use floats");
}

BOOST_AUTO_TEST_CASE(values_may_be_kept_as_bytes_and_rows_as_images) {
  const ImportOptions options{.shape = Shape{.channels = 1, .height = 2, .width = 2}, .values = Values::kBytes};
  const Recorded recorded = parse("0,255,1e1,\"7\",x\n1,2,3,4.0,y\n", options);
  BOOST_TEST(recorded.bytes == (std::vector<std::uint8_t>{0, 255, 10, 7, 1, 2, 3, 4}),
             boost::test_tools::per_element());
  BOOST_TEST((recorded.description.shape == *options.shape));
  for (const char* value : {"256", "-1", "0.5", "1e39"}) {
    BOOST_TEST(fault_of(fmt::format("1,2,x\n3,{},y\n", value), {.values = Values::kBytes}) ==
               fmt::format("line 2, column 3: expected {} as field 2, found '{}'",
                           value == std::string("1e39") ? "a number that a 32-bit float can hold"
                                                        : "a whole number from 0 to 255",
                           value));
  }
  BOOST_TEST(fault_of("1,2,3,x\n4,5,6,y\n", options) == "expected 4 features for samples of 1 x 2 x 2, found 3");
}

BOOST_AUTO_TEST_CASE(every_kind_of_damage_is_told_with_line_and_column) {
  BOOST_TEST(fault_of("1,2,x\n3,y\n4,5,z\n") == "line 2, column 3: expected 3 fields as in the first line, found 2");
  BOOST_TEST(fault_of("1,2,x\n3,4,y,5\n") == "line 2, column 7: expected 3 fields as in the first line, found 4");
  BOOST_TEST(fault_of("1,2,x\n3,4,y,\n") == "line 2, column 7: expected 3 fields as in the first line, found 4");
  BOOST_TEST(fault_of("1,2,x\n   \n3,4,y\n") == "line 2, column 4: expected 3 fields as in the first line, found 1");
  BOOST_TEST(fault_of("1,2,x\n3,four,y\n") == "line 2, column 3: expected a number as field 2, found 'four'");
  BOOST_TEST(fault_of("1,2,x\n3,4 5,y\n") == "line 2, column 3: expected a number as field 2, found '4 5'");
  BOOST_TEST(fault_of("1,2,x\n3,1e39,y\n") ==
             "line 2, column 3: expected a number that a 32-bit float can hold as field 2, found '1e39'");
  BOOST_TEST(fault_of("1,2,x\n3,inf,y\n") == "line 2, column 3: expected a number as field 2, found 'inf'");
  BOOST_TEST(fault_of("1,2,x\n3,4,\"y\n5,6,z\n") ==
             "line 2, column 5: expected a closing quote to this one, found the end of the file");
  BOOST_TEST(fault_of("1,2,x\n3,4,\"y\"z\n") ==
             "line 2, column 8: expected a delimiter or the end of the line after the closing quote, found 'z'");
  BOOST_TEST(fault_of("1,2,x\n3,4,5\" pipe\n6,7,y\n") ==
             "line 2, column 6: expected a quote only around a whole field, found one within '5\"'");
  BOOST_TEST(fault_of("1,x\r\n2,y\r3,z\n") ==
             "line 2, column 4: expected a line feed after the carriage return, found '3'");
  BOOST_TEST(fault_of("1,2,x\n3,4,\x01\n") ==
             "line 2, column 5: expected a label in UTF-8 without control characters, found '\\x01'");
  BOOST_TEST(fault_of("1,2,x\n3,4,\xE4\n") ==
             "line 2, column 5: expected a label in UTF-8 without control characters, found '\\xe4'");
  BOOST_TEST(fault_of("1,2,x\n3,4," + std::string(256, 'y')) ==
             "line 2, column 5: expected a label of at most 255 bytes, found 256 bytes, '" + std::string(32, 'y') +
                 "...'");
  BOOST_TEST(fault_of("1,2,x\n3,4,x\n") ==
             "expected at least two classes, found 'x' as every label; if "
             "another column is the label, say which (label)");
  BOOST_TEST(fault_of("") == "line 1, column 1: expected at least one sample, found the end of the file");
  BOOST_TEST(fault_of("\n\n") == "line 3, column 1: expected at least one sample, found the end of the file");
  BOOST_TEST(fault_of("a,b,c\n") == "line 2, column 1: expected at least one sample, found the end of the file");
  BOOST_TEST(fault_of("\x1F\x8B\x08") == "line 1, column 1: expected text, found a gzip stream; unpack it first");
}

BOOST_AUTO_TEST_CASE(empty_lines_line_ends_of_two_bytes_and_a_byte_order_mark_count_nothing) {
  const Recorded plain = parse("a,b\n1,2\n3,4\n");
  for (const char* text : {"\xEF\xBB\xBF"
                           "a,b\r\n1,2\r\n\r\n3,4\r\n",
                           "\n\na,b\n1,2\n\n\n3,4", "a,b\n1,2\n3,4\r"})
    BOOST_TEST(same(parse(text), plain), text);
}

BOOST_AUTO_TEST_CASE(files_of_a_set_have_the_same_columns_and_the_classes_of_the_training_part) {
  const auto texts = [](std::string_view test) {
    return std::vector<Text>{{.content = "a,b,c\n1,2,x\n3,4,y\n", .name = "train", .part = Part::kTrain},
                             {.content = test, .name = "test", .part = Part::kTest}};
  };
  const Recorded recorded = parse_text(import_csv, texts("a,b,c\n5,6,y\n"));
  BOOST_TEST(recorded.labels == (Labels{0, 1, 1}), boost::test_tools::per_element());
  BOOST_TEST((recorded.parts == std::vector{Part::kTrain, Part::kTrain, Part::kTest}));
  BOOST_TEST(fault_of_texts(import_csv, texts("a,b,c\n5,6,z\n")) ==
             "test: line 2, column 5: expected a label of the training part (x, y), found 'z'");
  BOOST_TEST(fault_of_texts(import_csv, texts("a,d,c\n5,6,x\n")) ==
             "test: line 1, column 3: expected the header of train: a, b, c; found a, d, c");
  BOOST_TEST(fault_of_texts(import_csv, texts("a,b,c,d\n5,6,x,1\n")) ==
             "test: line 1, column 7: expected 3 columns as in train, found 4");
  BOOST_TEST(fault_of_texts(import_csv, texts("a,b,c\n5,6,7,x\n")) ==
             "test: line 2, column 7: expected 3 fields as in the first line, found 4");
  BOOST_TEST(fault_of_texts(import_csv, texts("")) ==
             "test: line 1, column 1: expected at least one sample, found the end of the file");
}

BOOST_AUTO_TEST_CASE(neither_the_size_of_blocks_nor_the_number_of_threads_changes_anything) {
  const std::string text = long_text(2000);
  const ImportOptions options{.label = "class"};
  const Recorded whole = parse(text, options);
  BOOST_TEST(whole.size() == 2000);
  BOOST_TEST(whole.summary.classes.size() == 4);
  for (const std::size_t block_size : {1, 2, 7, 100, 4096})
    BOOST_TEST(same(parse(text, options, block_size), whole), block_size);
  for (const std::size_t threads : {1, 2, 5}) {
    const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism, threads);
    BOOST_TEST(same(parse(text, options, 999), whole), threads);
  }
}

BOOST_AUTO_TEST_CASE(of_several_faults_the_first_in_the_file_is_told_whatever_the_blocks) {
  std::string text = long_text(2000);
  text += "1,x,a,2\n";
  const std::size_t first = text.find("\n0", text.size() / 2) + 1;
  text.insert(first, "1,2\" wide,a,3\n");
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(first), '\n');
  for (int i = 0; i < 10; ++i) {
    for (const std::size_t block_size : {64, 1000, 1 << 20}) {
      BOOST_TEST(
          fault_of_text(import_csv, text, {.label = "class"}, block_size) ==
          fmt::format("line {}, column 4: expected a quote only around a whole field, found one within '2\"'", line));
    }
  }
}

BOOST_AUTO_TEST_CASE(samples_come_in_batches_of_about_a_block_of_text_however_large_the_file) {
  std::string text;
  for (int row = 0; row < 400'000; ++row) text += fmt::format("{},{}\n", 1000 + row % 1000, 1000 + row % 2);
  const std::vector<Text> texts{{.content = text, .name = "name", .part = Part::kTrain}};
  LargestBatch batches;
  import_csv(texts, {}, batches);
  BOOST_TEST(batches.samples == 400'000);
  BOOST_TEST(batches.largest <= kBlockSize / 10);
  BOOST_TEST(batches.largest > kBlockSize / 10 / 2);
}

BOOST_AUTO_TEST_CASE(random_text_reads_as_a_plain_reader_reads_it) {
  constexpr std::string_view kPieces[] = {"1",
                                          "2",
                                          "-0.5",
                                          "3e2",
                                          ",",
                                          ",",
                                          ",",
                                          ",",
                                          "\n",
                                          "\n",
                                          "\"",
                                          "\"1\"",
                                          "\"\"",
                                          " ",
                                          "\r\n",
                                          "\r",
                                          "x",
                                          ";",
                                          "\n1,2,a",
                                          "\n4,5,\"b\nc\"",
                                          "\n6,\"7\",b\r\n",
                                          "\n8,9,\"a\"\"b\"",
                                          "0.1234567890123",
                                          "nan"};
  Draws draws({.seed = 10, .purpose = Purpose::kTest});
  int good = 0, bad = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string text = "1,1,a\n2,2,b" + random_text(draws, kPieces, 10);
    const auto naive = read_naively(text, ',');
    bool right = naive.has_value();
    Floats values;
    Names labels;
    if (right) {
      for (const Names& row : *naive) {
        right = right && row.size() == 3 && !row[2].empty() && row[2] != "nan";
        for (std::size_t column = 0; right && column < 2; ++column) {
          char* end;
          values.push_back(std::strtof(row[column].c_str(), &end));
          right = end != row[column].c_str() && *end == 0 && std::isfinite(values.back()) &&
                  row[column].find_first_of("x \n\r") == std::string::npos;
        }
        if (right) labels.push_back(row[2]);
      }
    }
    std::optional<Recorded> recorded;
    std::string fault;
    try {
      recorded = parse(text, {.header = false, .delimiter = ','}, 1 + draws.below(30));
    } catch (const UserError& error) {
      fault = error.what();
    }
    BOOST_REQUIRE_MESSAGE(recorded.has_value() == right, text << "\n" << fault);
    (right ? good : bad) += 1;
    if (!right) continue;
    BOOST_REQUIRE_MESSAGE(recorded->floats == values, text);
    for (std::size_t row = 0; row < labels.size(); ++row) {
      for (std::size_t other = 0; other < row; ++other) {
        BOOST_REQUIRE_MESSAGE((labels[row] == labels[other]) == (recorded->labels[row] == recorded->labels[other]),
                              text);
      }
    }
  }
  BOOST_TEST_MESSAGE(good << " right, " << bad << " wrong");
  BOOST_TEST(good > 2000);
  BOOST_TEST(bad > 5000);
}

BOOST_AUTO_TEST_CASE(text_of_the_format_is_recognised_and_other_text_is_not) {
  for (const char* text : {"1,2\n", "a,b\n1,2\n", "1\t2\n3\t4",
                           "\xEF\xBB\xBF"
                           "x;y\n1;2\n",
                           "\"a\nb\",c\n1,2\n", "a,1\nb,2\n"}) {
    BOOST_TEST(recognised(kCsvImporter, text), text);
  }
  for (const char* text :
       {"", "\n", "1\n2\n", "1 1:1\n", "Hello, world\n", "a,b\nc,d\n", "1,2\x01\n", "<html>,1\n<b>\n1;2"}) {
    BOOST_TEST(recognised(kCsvImporter, text) == (text[0] == '<'), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()
