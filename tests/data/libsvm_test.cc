#include "data/libsvm.h"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <map>
#include <oneapi/tbb/global_control.h>
#include <sstream>

#include "data/text_support.h"
#include "support/folder.h"
#include "support/paths.h"

using namespace psctl;
using namespace psctl::data;
using namespace psctl::data::test;

namespace {

const std::string kFiles = psctl::test::source_path("tests/data/files/");

Recorded parse(const std::string& content, const ImportOptions& options = {}, std::size_t block_size = kBlockSize) {
  return parse_text(import_libsvm, content, options, block_size);
}

std::string fault_of(const std::string& content, const ImportOptions& options = {}) {
  return fault_of_text(import_libsvm, content, options);
}

using Labels = std::vector<std::uint32_t>;
using Names = std::vector<std::string>;
using Entries = std::vector<Entry>;

// The format read the plain way: a line, its words, what each must be. Nothing where anything is wrong.
struct Naive {
  std::vector<double> labels;
  std::vector<std::vector<Entry>> rows;
};

std::optional<Naive> read_naively(const std::string& content, std::uint32_t first_index) {
  Naive naive;
  std::istringstream lines(content);
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    line = line.substr(0, line.find('#'));
    if (line.find('\r') != std::string::npos) return {};
    std::ranges::replace(line, '\t', ' ');
    std::istringstream words(line);
    std::string word;
    if (!(words >> word)) continue;
    const auto number = [](const std::string& text) -> std::optional<double> {
      if (text.empty() || text.find_first_not_of("0123456789+-.e") != std::string::npos) return {};
      char* end;
      const double value = std::strtod(text.c_str(), &end);
      return *end == 0 && std::isfinite(value) ? std::optional(value) : std::nullopt;
    };
    const auto label = number(word);
    if (!label) return {};
    naive.labels.push_back(*label);
    naive.rows.emplace_back();
    long before = -1;
    while (words >> word) {
      const auto colon = word.find(':');
      if (colon == std::string::npos || colon == 0 || word.find_first_not_of("0123456789") != colon) return {};
      const auto value = number(word.substr(colon + 1));
      if (!value || std::isinf(std::strtof(word.c_str() + colon + 1, nullptr)) || colon > 18) return {};
      const long index = std::stol(word.substr(0, colon)) - first_index;
      if (index <= before || index + first_index > 4294967294) return {};
      before = index;
      naive.rows.back().push_back({static_cast<std::uint32_t>(index), std::strtof(word.c_str() + colon + 1, nullptr)});
    }
  }
  return naive;
}

std::string long_text(std::size_t rows) {
  Draws draws({.seed = 5, .purpose = Purpose::kTest});
  std::string text;
  for (std::size_t row = 0; row < rows; ++row) {
    text += std::to_string(draws.below(5));
    for (std::uint64_t index = draws.below(9), count = draws.below(12); count > 0;
         --count, index += 1 + draws.below(99)) {
      text += fmt::format(" {}:{:.{}g}", index + 1, draws.normal(), 1 + draws.below(17));
    }
    text += draws.below(20) ? "\n" : " # a comment: 1:2\r\n";
  }
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(libsvm_files)

BOOST_AUTO_TEST_CASE(files_that_scikit_learn_wrote_read_as_what_it_wrote) {
  for (const char* name : {"binary.libsvm", "classes.libsvm"}) {
    const Recorded recorded = import_file(kLibsvmImporter, kFiles + name);
    const Expected expected = read_expected(kFiles + name + ".expected");
    BOOST_TEST(recorded.labels == expected.labels, boost::test_tools::per_element());
    BOOST_TEST(recorded.summary.features == 9);
    BOOST_TEST(same_values(recorded.dense(), expected.values));
  }
}

BOOST_AUTO_TEST_CASE(samples_stay_sparse_and_indices_count_from_0_afterwards) {
  const Recorded recorded = parse("+1 1:0.5 3:-2e1\n-1\n+1 2:7 # c 4:4\n");
  BOOST_TEST(recorded.description.sparse);
  BOOST_TEST((recorded.entries == Entries{{0, 0.5}, {2, -20}, {1, 7}}));
  BOOST_TEST(recorded.row_entries == (Labels{2, 0, 1}), boost::test_tools::per_element());
  BOOST_TEST(recorded.summary.features == 3);
}

BOOST_AUTO_TEST_CASE(an_index_0_anywhere_means_that_indices_count_from_0) {
  BOOST_TEST((parse("1 1:1\n2 2:2\n").entries == Entries{{0, 1}, {1, 2}}));
  BOOST_TEST((parse("1 1:1\n2 0:3 2:2\n").entries == Entries{{1, 1}, {0, 3}, {2, 2}}));
  BOOST_TEST((parse("1 1:1\n2 2:2 # 0:1\n").entries == Entries{{0, 1}, {1, 2}}));
  BOOST_TEST((parse("1 1:1\n2 2:2\n", {.first_index = 0}).entries == Entries{{1, 1}, {2, 2}}));
  BOOST_TEST(fault_of("1 1:1\n2 0:2\n", {.first_index = 1}) ==
             "line 2, column 3: expected an index of at least 1, found 0; indices count from 1 here");
  BOOST_TEST(fault_of("1 1:1\n2 1:2\n", {.first_index = 2}) == "first_index: expected 0 or 1, found 2");
  const std::vector<Text> two{{.content = "1 1:1\n2 2:2\n", .name = "a", .part = Part::kTrain},
                              {.content = "1 0:3\n", .name = "b", .part = Part::kTest}};
  BOOST_TEST((parse_text(import_libsvm, two).entries == Entries{{1, 1}, {2, 2}, {0, 3}}));
}

BOOST_AUTO_TEST_CASE(labels_become_classes_in_ascending_order_whatever_they_are_written_as) {
  const Recorded signs = parse("+1 1:1\n-1 1:1\n1 1:1\n1.0 1:1\n-1e0 1:1\n");
  BOOST_TEST(signs.labels == (Labels{1, 0, 1, 1, 0}), boost::test_tools::per_element());
  BOOST_TEST(signs.summary.classes == (Names{"-1", "1"}), boost::test_tools::per_element());
  BOOST_TEST(signs.summary.notes.front() == "labels -1, 1 became classes 0, 1");
  const Recorded several = parse("10 1:1\n2.5 1:1\n-3 1:1\n2.5 1:1\n");
  BOOST_TEST(several.labels == (Labels{2, 1, 0, 1}), boost::test_tools::per_element());
  BOOST_TEST(several.summary.classes == (Names{"-3", "2.5", "10"}), boost::test_tools::per_element());
  const Recorded plain = parse("1 1:1\n0 1:1\n-0 1:1");
  BOOST_TEST(plain.labels == (Labels{1, 0, 0}), boost::test_tools::per_element());
  BOOST_TEST(plain.summary.notes.size() == 1);
  const Recorded large = parse("72048431380967004 1:1\n72048431380967008 1:2\n1 1:3\n");
  BOOST_TEST(large.summary.classes == (Names{"1", "72048431380967004", "72048431380967008"}),
             boost::test_tools::per_element());
  BOOST_TEST(large.labels == (Labels{1, 2, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_classes_are_those_of_the_training_part) {
  const auto texts = [](std::string_view test) {
    return std::vector<Text>{{.content = "-1 1:1\n+1 2:2\n", .name = "train", .part = Part::kTrain},
                             {.content = test, .name = "test", .part = Part::kTest}};
  };
  const Recorded recorded = parse_text(import_libsvm, texts("1.0 9:1\n-1 1:1\n"));
  BOOST_TEST(recorded.labels == (Labels{0, 1, 1, 0}), boost::test_tools::per_element());
  BOOST_TEST((recorded.parts == std::vector{Part::kTrain, Part::kTrain, Part::kTest, Part::kTest}));
  BOOST_TEST(recorded.summary.features == 9);
  BOOST_TEST(fault_of_texts(import_libsvm, texts("1 1:1\n\n2 1:1\n")) ==
             "test: line 3, column 1: expected a label of the training part (-1, 1), found '2'");
}

BOOST_AUTO_TEST_CASE(blank_lines_comments_line_ends_of_two_bytes_and_a_byte_order_mark_count_nothing) {
  const Recorded plain = parse("1 1:1 2:2\n0 1:3\n");
  for (const char* text : {"\xEF\xBB\xBF# head\r\n\r\n1 1:1 2:2\r\n   \t\n0 1:3\r\n\n\n", "1\t1:1  2:2 \n0 1:3",
                           "1 1:1 2:2#3:4\n #x\n0 1:3 \r", "  1 1:1 2:2\n\t0 1:3"}) {
    BOOST_TEST(same(parse(text), plain), text);
  }
}

BOOST_AUTO_TEST_CASE(every_kind_of_damage_is_told_with_line_and_column) {
  BOOST_TEST(fault_of("1 1:1\n0 qid:3 1:1\n") ==
             "line 2, column 3: expected INDEX:VALUE, found 'qid:3'; query ids are for ranking, which psctl does not "
             "train: remove them");
  BOOST_TEST(fault_of("1 1:1\n0 2:1 2:3\n") == "line 2, column 7: expected indices that ascend, found 2 after 2");
  BOOST_TEST(fault_of("1 1:1\n0 5:1 2:3\n") == "line 2, column 7: expected indices that ascend, found 2 after 5");
  BOOST_TEST(fault_of("1 1:nan\n") == "line 1, column 5: expected a finite number as the value, found 'nan'");
  BOOST_TEST(fault_of("1 1:-inf\n") == "line 1, column 5: expected a finite number as the value, found '-inf'");
  BOOST_TEST(fault_of("1 1:1e39\n") == "line 1, column 5: expected a value that a 32-bit float can hold, found '1e39'");
  BOOST_TEST(fault_of("1 1:\n") ==
             "line 1, column 5: expected a finite number as the value, found the end of the line");
  BOOST_TEST(fault_of("1 1:") == "line 1, column 5: expected a finite number as the value, found the end of the file");
  BOOST_TEST(fault_of("1 1:1x\n") == "line 1, column 5: expected a finite number as the value, found '1x'");
  BOOST_TEST(fault_of("1 1:1:2\n") == "line 1, column 5: expected a finite number as the value, found '1:2'");
  BOOST_TEST(fault_of("1 1:1 junk\n") == "line 1, column 7: expected INDEX:VALUE, found 'junk'");
  BOOST_TEST(fault_of("1 12\n") == "line 1, column 3: expected INDEX:VALUE, found '12'");
  BOOST_TEST(fault_of("1 1 :2\n") == "line 1, column 3: expected INDEX:VALUE, found '1'");
  BOOST_TEST(fault_of("1 -1:2\n") == "line 1, column 3: expected an index that is not negative, found '-1:2'");
  BOOST_TEST(fault_of("1 99999999999999999999999:2\n") ==
             "line 1, column 3: expected an index of at most 4294967294, found '99999999999999999999999'");
  BOOST_TEST(fault_of("1:2 3:4\n") == "line 1, column 1: expected a finite number as the label, found '1:2'");
  BOOST_TEST(fault_of("1 1:1\nspam 1:2\n") == "line 2, column 1: expected a finite number as the label, found 'spam'");
  BOOST_TEST(fault_of("nan 1:1\n") == "line 1, column 1: expected a finite number as the label, found 'nan'");
  BOOST_TEST(
      fault_of("1,2 1:1\n") ==
      "line 1, column 1: expected one number as the label, found several, '1,2'; a sample has one class in psctl");
  BOOST_TEST(fault_of("1 1:1\r2 1:1\n") == "line 1, column 5: expected a finite number as the value, found '1\\x0d2'");
  BOOST_TEST(fault_of(std::string("1 1:1\0\n", 7)) ==
             "line 1, column 5: expected a finite number as the value, found '1\\x00'");
  BOOST_TEST(fault_of("") == "line 1, column 1: expected at least one sample, found the end of the file");
  BOOST_TEST(fault_of("# only\n\n") == "line 3, column 1: expected at least one sample, found the end of the file");
  BOOST_TEST(fault_of("1 1:1\n1 2:2\n") == "expected at least two classes, found '1' as every label");
  BOOST_TEST(fault_of("1\n2\n") == "expected at least one INDEX:VALUE, found samples without any");
  BOOST_TEST(fault_of("\x1F\x8B\x08") == "line 1, column 1: expected text, found a gzip stream; unpack it first");
  BOOST_TEST(fault_of("\xFF\xFE"
                      "1") == "line 1, column 1: expected text in UTF-8, found UTF-16");
}

BOOST_AUTO_TEST_CASE(a_width_that_was_given_stands_and_bounds_the_indices) {
  BOOST_TEST(parse("1 1:1\n2 3:1\n", {.features = 7}).summary.features == 7);
  BOOST_TEST(parse("1 1:1\n2 3:1\n", {.features = 3}).summary.features == 3);
  BOOST_TEST(fault_of("1 1:1\n2 3:1\n", {.features = 2}) ==
             "line 2, column 3: expected an index of at most 2, by the number of features given, found '3'");
  BOOST_TEST(fault_of("1 0:1\n2 2:1\n", {.features = 2}) ==
             "line 2, column 3: expected an index of at most 1, by the number of features given, found '2'");
  BOOST_TEST(fault_of("1 1:1\n2 3:1\n", {.features = 0}) == "features: expected at least 1, found 0");
}

BOOST_AUTO_TEST_CASE(too_many_different_labels_are_refused_where_they_become_too_many) {
  std::string text;
  for (int label = 0; label <= 65536; ++label) text += fmt::format("{}.5 1:1\n", label);
  BOOST_TEST(
      fault_of(text) ==
      "line 65537, column 1: expected at most 65536 different labels, as psctl tells classes apart, found another "
      "one, '65536.5'");
}

BOOST_AUTO_TEST_CASE(neither_the_size_of_blocks_nor_the_number_of_threads_changes_anything) {
  const std::string text = long_text(3000);
  const Recorded whole = parse(text);
  BOOST_TEST(whole.size() == 3000);
  for (const std::size_t block_size : {1, 2, 7, 100, 4096})
    BOOST_TEST(same(parse(text, {}, block_size), whole), block_size);
  for (const std::size_t threads : {1, 2, 5}) {
    const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism, threads);
    BOOST_TEST(same(parse(text, {}, 999), whole), threads);
  }
}

BOOST_AUTO_TEST_CASE(of_several_faults_the_first_in_the_file_is_told_whatever_the_blocks) {
  std::string text = long_text(2000);
  const std::size_t later = text.find('\n', text.size() - 2000) + 1;
  text.insert(later, "1 1:x\n");
  const std::size_t first = text.find('\n', text.size() / 2) + 1;
  text.insert(first, "1 2:1 1:1\n");
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(first), '\n');
  for (int i = 0; i < 20; ++i) {
    for (const std::size_t block_size : {64, 1000, 1 << 20}) {
      BOOST_TEST(fault_of_text(import_libsvm, text, {}, block_size) ==
                 fmt::format("line {}, column 7: expected indices that ascend, found 1 after 2", line));
    }
  }
}

BOOST_AUTO_TEST_CASE(samples_come_in_batches_of_about_a_block_of_text_however_large_the_file) {
  std::string text;
  for (int row = 0; row < 400'000; ++row) text += fmt::format("{} {}:1\n", 1000 + row % 2, 1000 + row % 1000);
  const std::vector<Text> texts{{.content = text, .name = "name", .part = Part::kTrain}};
  LargestBatch batches;
  import_libsvm(texts, {}, batches);
  BOOST_TEST(batches.samples == 400'000);
  BOOST_TEST(batches.largest <= kBlockSize / 12);
  BOOST_TEST(batches.largest > kBlockSize / 12 / 2);
}

BOOST_AUTO_TEST_CASE(random_text_reads_as_a_plain_reader_reads_it) {
  constexpr std::string_view kPieces[] = {
      "1",       "-1",          "2",      "0",       " ",     " ",       " ",    "\n",   "\n",
      "1:1",     "2:.5",        "3:-2e3", "5:0",     " 4:4 ", "#",       "\r\n", "\r",   "\t",
      ":",       "x",           "0:1",    "e",       "+",     "10:1.25", "nan",  "1e39", "0.1234567890123",
      "\n1 1:1", "\n2 2:2 3:3", "\n3",    "12345678"};
  Draws draws({.seed = 9, .purpose = Purpose::kTest});
  int good = 0, bad = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string text = "1 1:1\n2 2:2\n" + random_text(draws, kPieces, 14);
    const std::uint32_t first_index = draws.below(2) == 1;
    const auto naive = read_naively(text, first_index);
    std::optional<Recorded> recorded;
    try {
      recorded = parse(text, {.first_index = first_index}, 1 + draws.below(40));
    } catch (const UserError&) {
    }
    BOOST_REQUIRE_MESSAGE(recorded.has_value() == naive.has_value(), text);
    (naive ? good : bad) += 1;
    if (!naive) continue;
    Entries entries;
    for (const auto& row : naive->rows) entries.insert(entries.end(), row.begin(), row.end());
    BOOST_REQUIRE_MESSAGE(recorded->entries == entries, text);
    std::map<double, std::uint32_t> classes;
    for (const double label : naive->labels) classes.emplace(label, 0);
    std::uint32_t next = 0;
    for (auto& [label, number] : classes) number = next++;
    Labels labels;
    for (const double label : naive->labels) labels.push_back(classes.at(label));
    BOOST_REQUIRE_MESSAGE(recorded->labels == labels, text);
  }
  BOOST_TEST_MESSAGE(good << " right, " << bad << " wrong");
  BOOST_TEST(good > 5000);
  BOOST_TEST(bad > 5000);
}

BOOST_AUTO_TEST_CASE(text_of_the_format_is_recognised_and_other_text_is_not) {
  for (const char* text : {"1 1:1\n", "# c\n\n-1\t3:0.5 4:1\n", "+1 qid:1 2:3\n",
                           "\xEF\xBB\xBF"
                           "1 1:1",
                           "0.5 12:", "1,2 3:4 5:1\n0,5 1:1\n", "324, 674, 54 4:1 5:3\n", "1 ,2 3:4\n", "1\n2\n3 1:1\n",
                           "3:4 5:1\n1 2:1\n"}) {
    BOOST_TEST(recognised(kLibsvmImporter, text), text);
  }
  for (const char* text : {"", "\n", "1\n", "a 1:1\n", "1,2,3\n", "1 x:1\n", "# 1 1:1\n", "1 :1\n", "1;1:1",
                           "1, 2, 12:30\n", "12:30,1,2\n", "1 2 3:4\n", "1,2 x\n3 1:1\n"}) {
    BOOST_TEST(!recognised(kLibsvmImporter, text), text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_file_is_told) {
  const psctl::test::TemporaryFolder folder;
  const auto fault = [&](const std::string& path) {
    try {
      import_file(kLibsvmImporter, path);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("no fault");
  };
  BOOST_TEST(fault(folder.path()) == folder.path() + ": expected a regular file, found a folder");
  BOOST_TEST(fault(folder / "none") == folder / "none" + ": cannot be opened: No such file or directory");
  BOOST_TEST(fault("/dev/null") == "/dev/null: expected a regular file, found something else");
  psctl::test::write_file(folder / "empty", "");
  BOOST_TEST(fault(folder / "empty") ==
             folder / "empty" + ": line 1, column 1: expected at least one sample, found the end of the file");
}

BOOST_AUTO_TEST_SUITE_END()
