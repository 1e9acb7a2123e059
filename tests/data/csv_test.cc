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
const ImportOptions kNoHeader{.header = false};
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
  BOOST_TEST(parse("1,x\n3,y\n5,x\n").size() == 3);
  BOOST_TEST(parse("True,x\nFALSE,y\ntrue,x\n").size() == 3);
  BOOST_TEST(parse("0,1,label\n5,6,1\n7,8,2\n").size() == 2);
  BOOST_TEST(parse("?,1\n3,4\n", {.missing = Missing::kZero}).size() == 2);
  BOOST_TEST(parse("1,2\n3,4\n5,6\n", {.header = true}).size() == 2);
  BOOST_TEST(parse("1,2,3\n3,4,4\n", kNoHeader).size() == 2);
  BOOST_TEST(fault_of("a,b\n1,2\n3,4\n", kNoHeader) == "line 1, column 1: expected a number as field 1, found 'a'");
  BOOST_TEST(fault_of("1,b,x\n1,2,y\n") ==
             "line 1, column 3: expected only numbers or only names as features in the first line, found 'b' beside "
             "numbers; if the line names the columns, say so (header)");
}

BOOST_AUTO_TEST_CASE(a_first_line_of_numbers_that_may_be_names_is_refused) {
  const std::string refused = "line 1, column 1: expected a first line that is a sample or names the columns, found ";
  // A word that is no later label: the last class of one sample, or the name of the column.
  for (const char* text :
       {"2018,2019,2020,grade\n1,2,3,low\n4,5,6,high\n", "400,402.5,grade\n0.1,0.2,oak\n0.4,0.5,oak\n",
        "0,1,grade\n5,6,x\n7,8,y\n", "1,grade\n3,y\n"}) {
    BOOST_TEST(fault_of(text) == refused + "numbers and 'grade', which is no later line's label; say which (header)",
               text);
    BOOST_TEST(parse(text, {.header = false}).summary.classes.size() >= 2U, text);
  }
  // As pandas names columns, and years: all of them numbers.
  for (const auto& [text, found] :
       {std::pair("0,1,2\n5,6,1\n7,8,2\n", "0, 1, 2"), std::pair(",0,1,2\n0,5,6,1\n1,7,8,2\n", ", 0, 1, 2"),
        std::pair("2018,2019,2020\n1,2,0\n3,4,1\n", "2018, 2019, 2020")}) {
    BOOST_TEST(fault_of(text) == refused + "numbers that count up, " + found + "; say which (header)", text);
    BOOST_TEST(parse(text, {.header = true}).size() == 2, text);
  }
  BOOST_TEST(fault_of("5,0,1,2,3\n5,6,7,8,9\n", {.label = "1"}) ==
             "expected at least two classes, found '5' as every "
             "label; if another column is the label, say which (label)");
}

BOOST_AUTO_TEST_CASE(a_first_column_without_a_name_names_the_rows_and_is_left_out) {
  const Recorded plain = parse("a,b,c\n1,2,x\n3,4,y\n");
  const std::string note =
      " and is left out, as pandas and R write the names of rows; give it a name if it is a feature";
  for (const char* text :
       {",a,b,c\n0,1,2,x\n1,3,4,y\n", "\"\",\"a\",\"b\",\"c\"\n\"first\",1,2,\"x\"\n\"2\",3,4,\"y\"\n",
        "a,b,c\nfirst row,1,2,x\nsecond,3,4,y\n", "\"a\" \"b\" \"c\"\n\"1\" 1 2 \"x\"\n\"2\" 3 4 \"y\"\n"}) {
    const Recorded recorded = parse(text);
    BOOST_TEST(recorded.floats == plain.floats, boost::test_tools::per_element());
    BOOST_TEST(recorded.labels == plain.labels, boost::test_tools::per_element());
    BOOST_TEST(recorded.summary.classes == plain.summary.classes, boost::test_tools::per_element());
    BOOST_TEST(recorded.summary.notes[0] == "the first line names the columns; the label is column 4 (c)", text);
    BOOST_TEST(recorded.summary.notes[1] == "column 1 has no name" + note, text);
  }
  BOOST_TEST(parse("Unnamed: 0,a,c\n0,1,x\n1,3,y\n").summary.notes[1] == "column 1 is named 'Unnamed: 0'" + note);
  // It is the label if that is said.
  BOOST_TEST(parse(",a,b\n0,1,2\n1,3,4\n", {.label = "1"}).floats == (Floats{1, 2, 3, 4}),
             boost::test_tools::per_element());
  BOOST_TEST(fault_of(",c\n0,x\n1,y\n", {.header = true}) ==
             "line 1, column 1: expected a feature beside the label, found only the names of rows");
  const std::vector<Text> two{{.content = "a,c\n7,1,x\n8,2,y\n", .name = "train", .part = Part::kTrain},
                              {.content = "a,c\n9,3,y\n", .name = "test", .part = Part::kTest}};
  BOOST_TEST(parse_text(import_csv, two).floats == (Floats{1, 2, 3}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_first_column_that_counts_the_lines_is_told) {
  for (const int first : {0, 1, 2}) {
    std::string text = "Id,a,c\n";
    for (int row = 0; row < 30; ++row) text += fmt::format("{},{},{}\n", first + row, row % 5, row / 15);
    const auto notes = parse(text).summary.notes;
    const bool told = notes[1] ==
                      "column 1 (Id) counts the lines and is a feature; if it is only their number, remove "
                      "it from the file";
    BOOST_TEST(told == (first < 2), first);
  }
}

BOOST_AUTO_TEST_CASE(a_label_by_its_name_in_another_column_than_the_last_is_asked_for) {
  BOOST_TEST(
      fault_of("label,pixel0,pixel1\n1,2,3\n0,4,5\n") ==
      "line 1, column 1: expected the label in the last column, 'pixel1', found a column named 'label'; say which "
      "of them is the label (label)");
  BOOST_TEST(parse("Class,a,class\n1,2,3\n0,4,5\n").size() == 2);
  BOOST_TEST(parse("label,a,b\n1,2,3\n0,4,5\n", {.label = "b"}).size() == 2);
}

BOOST_AUTO_TEST_CASE(the_delimiter_is_found_unless_two_would_do) {
  const Recorded plain = parse("1,2\n3,4\n");
  for (const char* text : {"1\t2\n3\t4\n", "1;2\n3;4\n", "1 , 2 \n 3,4", "\"1\";\"2\"\n3;4\n"})
    BOOST_TEST(same(parse(text), plain), text);
  BOOST_TEST(same(parse("1|2\n3|4\n", {.delimiter = '|'}), plain));
  BOOST_TEST(parse("1;a,b\n2;c,d,e\n", kNoHeader).summary.classes == (Names{"a,b", "c,d,e"}),
             boost::test_tools::per_element());
  BOOST_TEST(
      fault_of("1,5;2\n2,5;3\n") ==
      "line 1, column 1: expected one delimiter, found that comma and semicolon may be it; say which (delimiter); if "
      "the comma is the decimal sign, write points for it");
  BOOST_TEST(
      fault_of("12\n13\n") ==
      "line 1, column 1: expected at least two columns, with a comma, a tab, a semicolon or blanks between them, found "
      "'12'");
  BOOST_TEST(fault_of("1,2\n", {.delimiter = '\t'}) ==
             "line 1, column 1: expected at least two columns with a tab between them, found one");
  BOOST_TEST(fault_of("1,2\n", {.delimiter = 'x'}) ==
             "delimiter: expected a comma, a tab, a semicolon, a bar or a space, found 'x'");
}

BOOST_AUTO_TEST_CASE(numbers_parted_by_blanks_are_read_as_numpy_r_and_octave_write_them) {
  const Recorded plain = parse("1,2\n-3,4\n");
  for (const char* text :
       {"1.000000000000000000e+00 2.000000000000000000e+00\n-3.000000000000000000e+00 4.000000000000000000e+00\n",
        "   1.0000000e+00   2.0000000e+00\n  -3.0000000e+00   4.0000000e+00\n", " 1\t2 \n\n-3 \t 4\t\r\n   ",
        "1 2\n-3 4", "# made by hand, on a Monday\n# x y\n1 2\n-3 4\n"}) {
    BOOST_TEST(same(parse(text), plain), text);
    BOOST_TEST(same(parse(text, {.delimiter = ' '}), plain), text);
    BOOST_TEST(recognised(kCsvImporter, text), text);
  }
  BOOST_TEST(parse("a b kind\n1 2 \"so called\"\n3 4 y\n").summary.classes == (Names{"so called", "y"}),
             boost::test_tools::per_element());
  BOOST_TEST(fault_of("1 2 3\n4 5\n6 7 8\n", {.header = false}) ==
             "line 2, column 3: expected 3 fields as in the first line, found 2");
  BOOST_TEST(fault_of("1 2 3\n4 5 6 7 \n", {.header = false}) ==
             "line 2, column 7: expected 3 fields as in the first line, found 4");
  BOOST_TEST(fault_of("a b c\n1 x 3\n4 5 6\n") == "line 2, column 3: expected a number as field 2 (b), found 'x'");
  BOOST_TEST(fault_of("12\n", {.delimiter = ' '}) ==
             "line 1, column 1: expected at least two columns with a blank between them, found one");
  // A line that # begins names the columns where they are as many.
  BOOST_TEST(parse("#,a,c\n1,2,x\n3,4,y\n").summary.notes.front() ==
             "the first line names the columns; the label is column 3 (c)");
  BOOST_TEST(parse("# 2024\na,c\n1,x\n3,y\n").size() == 2);
}

BOOST_AUTO_TEST_CASE(truth_values_are_read_as_0_and_1) {
  for (const auto& [yes, no] : {std::pair("True", "False"), std::pair("TRUE", "FALSE"), std::pair("true", "false"),
                                std::pair("\"true\"", "\"false\"")}) {
    const std::string text = fmt::format("a,b,c\n{0},2,{0}\n{1},3,{1}\n", yes, no);
    BOOST_TEST(parse(text).floats == (Floats{1, 2, 0, 3}), boost::test_tools::per_element());
    BOOST_TEST(parse(text, {.values = Values::kBytes}).bytes == (std::vector<std::uint8_t>{1, 2, 0, 3}),
               boost::test_tools::per_element());
  }
  BOOST_TEST(fault_of("a,b,c\nyes,2,x\nno,3,y\n", {.header = true}) ==
             "line 2, column 1: expected a number as field 1 (a), found 'yes'");
}

BOOST_AUTO_TEST_CASE(commas_within_numbers_are_told_of) {
  const std::string advice = "; numbers are read with a decimal point and without commas between thousands, as 1234.5";
  BOOST_TEST(fault_of("a;b;c\n5,1;2;x\n3;4;y\n") ==
             "line 2, column 1: expected a number as field 1 (a), found '5,1'" + advice);
  BOOST_TEST(fault_of("a,b,c\n1,2,x\n\"1,234.5\",4,y\n") ==
             "line 3, column 1: expected a number as field 1 (a), found '1,234.5'" + advice);
  BOOST_TEST(fault_of("a,b,c\n1,2,x\n3,1,234.5,y\n") ==
             "line 3, column 11: expected 3 fields as in the first line, found 4" + advice);
  BOOST_TEST(fault_of("a,b,c\n1,2,x\n3,4,5,y\n") ==
             "line 3, column 7: expected 3 fields as in the first line, found 4");
}

BOOST_AUTO_TEST_CASE(whole_numbers_that_no_float_is_are_told_of) {
  const Recorded recorded = parse("id,b,c\n16777216,-16777217,x\n16777218,123456789012345678901,y\n5,1e30,x\n");
  BOOST_TEST(recorded.floats == (Floats{16777216, -16777216, 16777218, 123456789012345678901.0F, 5, 1e30F}),
             boost::test_tools::per_element());
  BOOST_TEST(recorded.summary.notes[1] ==
             "2 whole numbers beyond 2^24 were rounded to 32-bit floats, the first of column 2 (b)");
}

BOOST_AUTO_TEST_CASE(fields_in_quotes_may_hold_delimiters_line_ends_and_quotes) {
  const Recorded recorded = parse("\"a,1\",\"b\"\"2\"\"\"\n\"1.5\",\"x,\"\"y\"\"\nz\"\n2,\"\"\"\"\n 3 , x y \n");
  BOOST_TEST(recorded.floats == (Floats{1.5, 2, 3}), boost::test_tools::per_element());
  BOOST_TEST(recorded.summary.classes == (Names{"\"", "x y", "x,\"y\"\nz"}), boost::test_tools::per_element());
  BOOST_TEST(recorded.summary.notes.front() == "the first line names the columns; the label is column 2 (b\"2\")");
  BOOST_TEST(parse("1,\" a\"\n2,a\n", kNoHeader).summary.classes == (Names{" a", "a"}),
             boost::test_tools::per_element());
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
  BOOST_TEST(fault_of("1,2,x\n3,NaN,y\n", kNoHeader) ==
             "line 2, column 3: expected a number as field 2, found 'NaN'; say what missing values become (missing)");
  BOOST_TEST(fault_of("1,2,x\n3,\"NA\",y\n", {.missing = Missing::kZero, .header = false}) ==
             "line 2, column 3: expected a number as field 2, found 'NA'");
  BOOST_TEST(fault_of("1,2,x\n3,4,\n", {.missing = Missing::kZero, .header = false}) ==
             "line 2, column 5: expected a label as field 3, found nothing");
  BOOST_TEST(
      fault_of("a,b,c\n1,2,NA\n3,4,SA\n") ==
      "line 2, column 5: expected a label as field 3 (c), found 'NA'; if that is a class, put it in quotes in the "
      "file");
  BOOST_TEST(parse("a,b,c\n1,2,\"NA\"\n3,4,SA\n").summary.classes == (Names{"NA", "SA"}),
             boost::test_tools::per_element());
  BOOST_TEST(fault_of("1,2,x\n3,4,\n", {.values = Values::kBytes, .missing = Missing::kZero}) ==
             "missing: expected no filling in when values are bytes; use floats");
}

BOOST_AUTO_TEST_CASE(values_may_be_kept_as_bytes_and_rows_as_images) {
  const ImportOptions options{
      .shape = Shape{.channels = 1, .height = 2, .width = 2}, .values = Values::kBytes, .header = false};
  const Recorded recorded = parse("0,255,1e1,\"7\",x\n1,2,3,4.0,y\n", options);
  BOOST_TEST(recorded.bytes == (std::vector<std::uint8_t>{0, 255, 10, 7, 1, 2, 3, 4}),
             boost::test_tools::per_element());
  BOOST_TEST((recorded.description.shape == *options.shape));
  for (const char* value : {"256", "-1", "0.5", "1e39"}) {
    BOOST_TEST(fault_of(fmt::format("1,2,x\n3,{},y\n", value), {.values = Values::kBytes, .header = false}) ==
               fmt::format("line 2, column 3: expected {} as field 2, found '{}'",
                           value == std::string("1e39") ? "a number that a 32-bit float can hold"
                                                        : "a whole number from 0 to 255",
                           value));
  }
  BOOST_TEST(fault_of("1,2,3,x\n4,5,6,y\n", options) == "expected 4 features for samples of 1 x 2 x 2, found 3");
}

BOOST_AUTO_TEST_CASE(every_kind_of_damage_is_told_with_line_and_column) {
  BOOST_TEST(fault_of("1,2,x\n3,y\n4,5,z\n", kNoHeader) ==
             "line 2, column 3: expected 3 fields as in the first line, found 2");
  BOOST_TEST(fault_of("1,2,x\n3,4,y,5\n", kNoHeader) ==
             "line 2, column 7: expected 3 fields as in the first line, found 4");
  BOOST_TEST(fault_of("1,2,x\n3,4,y,\n", kNoHeader) ==
             "line 2, column 7: expected 3 fields as in the first line, found 4");
  BOOST_TEST(fault_of("1,2,x\n   \n3,4,y\n", kNoHeader) ==
             "line 2, column 4: expected 3 fields as in the first line, found 1");
  BOOST_TEST(fault_of("1,2,x\n3,four,y\n", kNoHeader) ==
             "line 2, column 3: expected a number as field 2, found 'four'");
  BOOST_TEST(fault_of("1,2,x\n3,4 5,y\n", kNoHeader) == "line 2, column 3: expected a number as field 2, found '4 5'");
  BOOST_TEST(fault_of("1,2,x\n3,1e39,y\n", kNoHeader) ==
             "line 2, column 3: expected a number that a 32-bit float can hold as field 2, found '1e39'");
  BOOST_TEST(fault_of("1,2,x\n3,inf,y\n", kNoHeader) == "line 2, column 3: expected a number as field 2, found 'inf'");
  BOOST_TEST(fault_of("1,2,x\n3,4,\"y\n5,6,z\n", kNoHeader) ==
             "line 2, column 5: expected a closing quote to this one, found the end of the file");
  BOOST_TEST(fault_of("1,2,x\n3,4,\"y\"z\n", kNoHeader) ==
             "line 2, column 8: expected a delimiter or the end of the line after the closing quote, found 'z'");
  BOOST_TEST(fault_of("1,2,x\n3,4,5\" pipe\n6,7,y\n", kNoHeader) ==
             "line 2, column 6: expected a quote only around a whole field, found one within '5\"'");
  BOOST_TEST(fault_of("1,x\r\n2,y\r3,z\n", kNoHeader) ==
             "line 2, column 4: expected a line feed after the carriage return, found '3'");
  BOOST_TEST(fault_of("1,2,x\n3,4,\x01\n", kNoHeader) ==
             "line 2, column 5: expected a label in UTF-8 without control characters, found '\\x01'");
  BOOST_TEST(fault_of("1,2,x\n3,4,\xE4\n", kNoHeader) ==
             "line 2, column 5: expected a label in UTF-8 without control characters, found '\\xe4'");
  BOOST_TEST(fault_of("1,2,x\n3,4," + std::string(256, 'y'), kNoHeader) ==
             "line 2, column 5: expected a label of at most 255 bytes, found 256 bytes, '" + std::string(32, 'y') +
                 "...'");
  BOOST_TEST(fault_of("1,2,x\n3,4,x\n", kNoHeader) ==
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
  for (const char* text : {"", "\n", "1\n2\n", "Hello, world\n", "a,b\nc,d\n", "1,2\x01\n", "<html>,1\n<b>\n1;2",
                           "[1, 2, 3]\n[4, 5, 6]\n", "1,2,x\n1,y,z\n", "1,2,x\n1,2\n",
                           "{\"a\": 1, \"b\": 2}\n{\"a\": 3, \"b\": 4}\n", "Some words and 1\nof prose, with 2\n"}) {
    BOOST_TEST(!recognised(kCsvImporter, text), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()
