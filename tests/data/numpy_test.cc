#include "data/numpy.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <sys/resource.h>

#include "data/numpy_bytes.h"
#include "data/text_support.h"
#include "data/zip.h"
#include "support/folder.h"
#include "support/paths.h"

using namespace psctl;
using namespace psctl::data;
using namespace psctl::data::test;

namespace {

std::string path_of(const std::string& name) { return psctl::test::source_path("tests/data/files/") + name; }

Recorded import_all(const std::vector<Input>& inputs, const ImportOptions& options = {}) {
  RecordingSink sink;
  import_data(importer_for(inputs), inputs, options, sink);
  return sink.recorded();
}

Recorded import_one(const std::string& file, const std::string& labels = {}, const ImportOptions& options = {}) {
  return import_all({{.path = path_of(file), .part = Part::kTrain, .labels = labels.empty() ? "" : path_of(labels)}},
                    options);
}

Text text_of(const std::string& content, const std::string& name) {
  return {.content = content, .name = name, .part = Part::kTrain};
}

// Samples "x" with labels "y"; or one archive "x".
Recorded parse(const std::string& samples, const std::optional<std::string>& labels = {},
               const ImportOptions& options = {}) {
  LabelledText text{.samples = text_of(samples, "x"), .labels = {}};
  if (labels) text.labels = text_of(*labels, "y");
  RecordingSink sink;
  import_numpy({&text, 1}, options, sink);
  return sink.recorded();
}

std::string fault(const std::string& samples, const std::optional<std::string>& labels = {},
                  const ImportOptions& options = {}) {
  try {
    parse(samples, labels, options);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

const std::string kTwoLabels = npy("|u1", "(2,)", std::string("\0\1", 2));

std::string fault_of_shape(const std::string& shape, std::size_t values, const ImportOptions& options = {}) {
  return fault(npy("|u1", shape, std::string(values, '\1')), kTwoLabels, options);
}

std::string note_with(const Recorded& recorded, const std::string& part) {
  for (const std::string& note : recorded.summary.notes) {
    if (note.find(part) != std::string::npos) return note;
  }
  return "no such note";
}

void check_expected(const Recorded& recorded, const std::string& name) {
  const Expected expected = read_expected(path_of(name + ".expected"));
  BOOST_TEST(recorded.labels == expected.labels, boost::test_tools::per_element());
  BOOST_TEST(same_values(recorded.dense(), expected.values), name);
}

std::string member_of(const Zip& zip, const Zip::Member& member) {
  const auto stream = zip.open(member);
  std::string content(member.unpacked + 1, '\0');
  content.resize(stream->read({reinterpret_cast<std::uint8_t*>(content.data()), content.size()}));
  return content;
}

// By name, without .npy.
std::map<std::string, std::string> members_of(const std::string& name) {
  const std::string content = psctl::test::read_file(path_of(name));
  const Zip zip(text_of(content, name));
  std::map<std::string, std::string> members;
  for (const auto& member : zip.members()) {
    members[member.name.substr(0, member.name.size() - 4)] = member_of(zip, member);
  }
  return members;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(numpy_files)

BOOST_AUTO_TEST_CASE(every_type_in_both_byte_orders_becomes_the_floats_that_numpy_makes_of_it) {
  const auto members = members_of("types.npz");
  std::ifstream file(path_of("types.npz.expected"));
  std::size_t count = 0;
  const std::string labels = npy("<i8", "(3,)", elements<std::int64_t>({0, 1, 0}));
  for (std::string line; std::getline(file, line); ++count) {
    std::istringstream words(line);
    std::string name, word;
    words >> name;
    std::vector<float> expected;
    while (words >> word) expected.push_back(std::strtof(word.c_str(), nullptr));
    const Recorded recorded = parse(members.at(name), labels, {.values = Values::kFloats});
    BOOST_TEST(expected.size() == 9);
    BOOST_TEST(recorded.floats == expected, name);
    const bool is_byte = name == "u1|" || name == "b1|";
    BOOST_TEST((parse(members.at(name), labels).description.values == (is_byte ? Values::kBytes : Values::kFloats)));
  }
  BOOST_TEST(count == members.size());
  BOOST_TEST(count == 21U);
}

BOOST_AUTO_TEST_CASE(what_a_float_cannot_hold_is_rounded_and_told) {
  const auto read = [&](const std::string& type, const std::string& values) {
    return note_with(parse(npy(type, "(2, 2)", values), kTwoLabels), "rounded");
  };
  BOOST_TEST(read("<f8", elements<double>({0.1, 0.5, 1e-60, 3})) == "2 of 4 values were rounded to 32-bit floats");
  BOOST_TEST(read("<f8", elements<double>({0.25, 0.5, -7, 3e8})) == "no such note");
  BOOST_TEST(read("<i4", elements<std::int32_t>({16777217, 16777216, -16777219, 33554436})) ==
             "2 of 4 values were rounded to 32-bit floats");
  BOOST_TEST(read("<i8", elements<std::int64_t>({INT64_MIN, INT64_MAX, 1LL << 62, 0})) ==
             "1 of 4 values were rounded to 32-bit floats");
  BOOST_TEST(read("<u8", elements<std::uint64_t>({UINT64_MAX, 1ULL << 63, 5, 0})) ==
             "1 of 4 values were rounded to 32-bit floats");
}

BOOST_AUTO_TEST_CASE(every_half_is_the_float_that_its_bits_say) {
  std::vector<std::uint16_t> halves;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    if ((bits >> 10 & 0x1F) != 0x1F) halves.push_back(static_cast<std::uint16_t>(bits));
  }
  const Recorded recorded = parse(npy("<f2", fmt::format("(2, {})", halves.size() / 2), elements(halves)), kTwoLabels);
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const int exponent = halves[i] >> 10 & 0x1F, fraction = halves[i] & 0x3FF;
    const double magnitude =
        exponent == 0 ? fraction * std::exp2(-24) : (1 + fraction / 1024.0) * std::exp2(exponent - 15);
    BOOST_REQUIRE(recorded.floats[i] == (halves[i] >> 15 ? -magnitude : magnitude));
  }
}

BOOST_AUTO_TEST_CASE(an_archive_named_as_keras_does_brings_both_parts_as_bytes) {
  const Recorded recorded = import_one("mnist.npz");
  check_expected(recorded, "mnist.npz");
  BOOST_TEST((recorded.description.values == Values::kBytes));
  BOOST_TEST((recorded.description.shape == Shape{.channels = 1, .height = 4, .width = 5}));
  BOOST_TEST(std::ranges::count(recorded.parts, Part::kTrain) == 10);
  BOOST_TEST(std::ranges::count(recorded.parts, Part::kTest) == 4);
  BOOST_TEST(note_with(recorded, "x_test") == "'x_test' are the samples, 'y_test' their labels");
}

BOOST_AUTO_TEST_CASE(words_become_classes_and_arrays_that_are_not_used_are_told) {
  for (const ImportOptions& options : {ImportOptions{}, ImportOptions{.label = "target"}}) {
    const Recorded recorded = import_one("trees.npz", {}, options);
    check_expected(recorded, "trees.npz");
    BOOST_TEST(recorded.summary.classes == (std::vector<std::string>{"ash", "birch", "elm"}),
               boost::test_tools::per_element());
    BOOST_TEST(note_with(recorded, "not used") == "not used: 'feature_names'");
  }
}

BOOST_AUTO_TEST_CASE(types_without_a_byte_order_are_read_as_numpy_reads_them) {
  const auto same = [](const std::string& a, const std::string& b, const std::string& content) {
    const Recorded one = parse(npy(a, "(2, 1)", content), kTwoLabels),
                   other = parse(npy(b, "(2, 1)", content), kTwoLabels);
    return one.floats == other.floats && one.bytes == other.bytes && one.size() == 2U;
  };
  BOOST_TEST(same("f4", "<f4", elements<float>({1.5, -2})));
  BOOST_TEST(same("i8", "<i8", elements<std::int64_t>({1, -2})));
  BOOST_TEST(same("u1", "|u1", "ab"));
  for (const char* type : {"?", "|?", "b1"}) BOOST_TEST(same(type, "|b1", std::string("\0\1", 2)), type);
  for (const char* type : {"", "<", "f", "4", "??", "f44"}) {
    BOOST_TEST(fault(npy(type, "(2, 1)", elements<float>({1, 2})), kTwoLabels).find("expected numbers, such as") !=
                   std::string::npos,
               type);
  }
}

BOOST_AUTO_TEST_CASE(an_archive_with_two_arrays_of_one_name_is_refused) {
  const std::string x = npy("|u1", "(2, 1)", "ab"), other = npy("|u1", "(2, 1)", "cd");
  BOOST_TEST(fault(zip({{"x.npy", x}, {"y.npy", kTwoLabels}, {"x.npy", other}})) ==
             "x: expected every array once, found 'x' twice; write the archive anew");
}

BOOST_AUTO_TEST_CASE(labels_of_every_type_are_the_same_classes) {
  const std::string samples = npy("|u1", "(3, 2)", "abcdef");
  const auto members = members_of("labels.npz");
  BOOST_TEST(members.size() == 17U);
  for (const auto& [name, labels] : members) {
    const Recorded recorded = parse(samples, labels);
    BOOST_TEST(recorded.labels == (std::vector<std::uint32_t>{0, 1, 0}), boost::test_tools::per_element());
    const bool text = name[0] == 'U' || name == "S";
    BOOST_TEST(recorded.summary.classes[1] == (text ? "Kätzchen \U0001f431" : name == "bool" ? "1" : "7"), name);
  }
}

BOOST_AUTO_TEST_CASE(fortran_order_reads_as_the_same_array_in_c_order) {
  check_expected(import_one("columns.npy", "classes.npy"), "columns.npy");
  check_expected(import_one("pictures.npy", "classes.npy"), "pictures.npy");
  check_expected(import_one("pictures_by_columns.npy", "classes.npy"), "pictures.npy");
  const std::string array = psctl::test::read_file(path_of("columns.npy"));
  const std::string labels = psctl::test::read_file(path_of("classes.npy"));
  check_expected(parse(zip({{"x.npy", array}, {"y.npy", labels}})), "columns.npy");
  BOOST_TEST(fault(zip({{.name = "x.npy", .content = array, .deflate = true}, {"y.npy", labels}})) ==
             "x: 'x.npy': byte 59: expected rows one after the other in a packed file, found Fortran order; save the "
             "array with numpy.ascontiguousarray, or do not pack it");
  // Of one column both orders are the same.
  BOOST_TEST((parse(npy("|u1", "(2, 1)", "ab", true), kTwoLabels).bytes == std::vector<std::uint8_t>{'a', 'b'}));
}

BOOST_AUTO_TEST_CASE(headers_of_every_version_and_archives_with_wide_records_are_read) {
  check_expected(import_one("version2.npy", "classes.npy"), "columns.npy");
  check_expected(import_one("version3.npy", "classes.npy"), "columns.npy");
  check_expected(import_one("wide.npz"), "wide.npz");
}

BOOST_AUTO_TEST_CASE(arrays_larger_than_any_block_read_the_same_plain_packed_and_by_columns) {
  Draws draws({.seed = 3, .purpose = Purpose::kTest});
  constexpr std::size_t kRows = 500, kWidth = 700;
  std::vector<double> values(kRows * kWidth), columns(kRows * kWidth);
  std::string classes(kRows, '\0');
  for (std::size_t row = 0; row < kRows; ++row) {
    classes[row] = static_cast<char>(row % 5);
    for (std::size_t i = 0; i < kWidth; ++i) {
      columns[i * kRows + row] = values[row * kWidth + i] = static_cast<double>(draws.below(1000)) / 8;
    }
  }
  const std::string shape = fmt::format("({}, {})", kRows, kWidth);
  const std::string array = npy("<f8", shape, elements(values)),
                    labels = npy("|i1", fmt::format("({},)", kRows), classes);
  const Recorded plain = parse(array, labels);
  BOOST_TEST((plain.floats == std::vector<float>(values.begin(), values.end())));
  const Recorded packed = parse(zip(
      {{.name = "x.npy", .content = array, .deflate = true}, {.name = "y.npy", .content = labels, .deflate = true}}));
  BOOST_TEST((packed.floats == plain.floats && packed.labels == plain.labels));
  BOOST_TEST((parse(npy("<f8", shape, elements(columns), true), labels).floats == plain.floats));
}

BOOST_AUTO_TEST_CASE(the_place_of_an_images_channels_is_seen_from_the_sizes_or_must_be_said) {
  const auto shape_of = [](const std::string& shape, std::size_t values, const ImportOptions& options = {}) {
    return parse(npy("|u1", shape, std::string(values, '\1')), kTwoLabels, options).description.shape;
  };
  const Shape image{.channels = 3, .height = 5, .width = 6};
  BOOST_TEST((shape_of("(2, 5, 6, 3)", 180) == image));
  BOOST_TEST((shape_of("(2, 3, 5, 6)", 180) == image));
  BOOST_TEST((shape_of("(2, 90)", 180, {.shape = image}) == image));
  BOOST_TEST((shape_of("(2, 3, 30)", 180, {.shape = image}) == image));
  BOOST_TEST((shape_of("(2, 3, 1, 5, 6)", 180, {.shape = image}) == image));
  const Shape small{.channels = 3, .height = 4, .width = 2};
  BOOST_TEST((shape_of("(2, 4, 2, 3)", 48, {.shape = small}) == small));
  BOOST_TEST((shape_of("(2, 4, 2, 3)", 48, {.channels_last = true}) == small));
  BOOST_TEST((shape_of("(2, 3, 4, 2)", 48, {.channels_last = false}) == small));
  const std::string unclear =
      "x: byte 60: expected images of which the sizes tell whether the channels come first or last, found shape ({}); "
      "say which (channels)";
  BOOST_TEST(fault_of_shape("(2, 4, 2, 3)", 48) == fmt::format(fmt::runtime(unclear), "2, 4, 2, 3"));
  BOOST_TEST(fault_of_shape("(2, 9, 9, 9)", 1458) == fmt::format(fmt::runtime(unclear), "2, 9, 9, 9"));
  BOOST_TEST(fault_of_shape("(2, 3, 3, 3)", 54, {.shape = Shape{3, 3, 3}}) ==
             fmt::format(fmt::runtime(unclear), "2, 3, 3, 3"));
  BOOST_TEST(
      fault_of_shape("(2, 4, 2, 3)", 48, {.shape = Shape{2, 3, 4}}) ==
      "x: byte 60: expected samples of 2 x 3 x 4, found 4 x 2 x 3 with the channels first and 3 x 4 x 2 with the "
      "channels last");
  BOOST_TEST(fault_of_shape("(2, 5)", 10, {.shape = Shape{1, 2, 3}}) ==
             "x: byte 60: expected samples of 1 x 2 x 3, found shape (2, 5)");
  BOOST_TEST(fault_of_shape("(2, 5)", 10, {.channels_last = true}) ==
             "x: byte 60: expected four axes, as it is said where the channels are, found shape (2, 5)");
  BOOST_TEST(fault_of_shape("(2, 1, 1, 1, 5)", 10) ==
             "x: byte 60: expected at most four axes, found shape (2, 1, 1, 1, 5); say what an image is (shape)");
  BOOST_TEST(fault_of_shape("(2,)", 2) ==
             "x: byte 60: expected an array of at least two axes, the first one the samples, found shape (2,)");
}

BOOST_AUTO_TEST_CASE(values_that_are_missing_or_too_large_are_told_with_their_place) {
  const auto array = [](std::vector<double> values) { return npy("<f8", "(2, 2)", elements(values)); };
  const double nan = std::nan(""), infinite = INFINITY;
  BOOST_TEST(
      fault(array({1, 2, nan, 4}), kTwoLabels) ==
      "x: byte 144: expected a number as value 1 of sample 2, found nan; say what missing values become (missing)");
  BOOST_TEST(fault(array({1, 2, 3, -infinite}), kTwoLabels, {.missing = Missing::kZero}) ==
             "x: byte 152: expected a finite number as value 2 of sample 2, found -inf");
  BOOST_TEST(fault(array({1, 1e300, 3, 4}), kTwoLabels) ==
             "x: byte 136: expected a number that a 32-bit float can hold as value 2 of sample 1, found 1e+300");
  BOOST_TEST(std::isnan(parse(array({1, 2, nan, 4}), kTwoLabels, {.missing = Missing::kMean}).floats[2]));
  BOOST_TEST(
      fault(npy("<f8", "(2, 2)", elements<double>({1, 2, nan, 4}), true), kTwoLabels) ==
      "x: byte 144: expected a number as value 2 of sample 1, found nan; say what missing values become (missing)");

  const ImportOptions bytes{.values = Values::kBytes};
  BOOST_TEST((parse(array({0, 255, 7, 1}), kTwoLabels, bytes).bytes == std::vector<std::uint8_t>{0, 255, 7, 1}));
  for (const double wrong : {256.0, -1.0, 0.5, nan, infinite, 1e300}) {
    BOOST_TEST(
        fault(array({0, 1, 2, wrong}), kTwoLabels, bytes) ==
        fmt::format("x: byte 152: expected a whole number from 0 to 255 as value 2 of sample 2, found {}", wrong));
  }
  BOOST_TEST(fault(npy("<i8", "(2, 1)", elements<std::int64_t>({0, 256})), kTwoLabels, bytes) ==
             "x: byte 136: expected a whole number from 0 to 255 as value 1 of sample 2, found 256");
  BOOST_TEST(fault(array({0, 1, 2, 3}), kTwoLabels, {.values = Values::kBytes, .missing = Missing::kZero}) ==
             "missing: expected no filling in when values are bytes; use floats");
  BOOST_TEST(fault(npy("|b1", "(2, 1)", "\1\2"), kTwoLabels) ==
             "x: byte 129: expected 0 or 1 as value 1 of sample 2, found 2");
}

BOOST_AUTO_TEST_CASE(whole_numbers_as_labels_are_classes_to_their_last_digit_and_text_stays_text) {
  const std::string samples = npy("|u1", "(4, 2)", "abcdefgh");
  using Names = std::vector<std::string>;
  const auto classes = [&](const std::string& type, const std::string& content) {
    return parse(samples, npy(type, "(4,)", content)).summary.classes;
  };
  constexpr std::int64_t kBeyond = std::int64_t{1} << 53;
  BOOST_TEST(classes("<i8", elements<std::int64_t>({kBeyond, kBeyond + 1, kBeyond + 2, -kBeyond - 1})) ==
                 (Names{"-9007199254740993", "9007199254740992", "9007199254740993", "9007199254740994"}),
             boost::test_tools::per_element());
  BOOST_TEST(classes("<u8", elements<std::uint64_t>({UINT64_MAX, UINT64_MAX - 1, 0, 1})) ==
                 (Names{"0", "1", "18446744073709551614", "18446744073709551615"}),
             boost::test_tools::per_element());
  BOOST_TEST(classes("|S3", std::string("1\0\0"
                                        "01\0"
                                        "001"
                                        "10\0",
                                        12)) == (Names{"001", "01", "1", "10"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(labels_that_are_none_are_refused_with_their_place) {
  const std::string samples = npy("|u1", "(2, 2)", "abcd");
  const auto labels = [&](const std::string& type, const std::string& content, const std::string& shape = "(2,)") {
    return fault(samples, npy(type, shape, content));
  };
  BOOST_TEST(labels("<f4", elements<float>({1, 0.5})) ==
             "y: byte 132: expected a whole number as a label, found 0.5 (of sample 2)");
  BOOST_TEST(labels("<f4", elements<float>({NAN, 0.5})) ==
             "y: byte 128: expected a whole number as a label, found nan (of sample 1)");
  BOOST_TEST(labels("|u1", std::string("\0\1\0\1\0\0", 6), "(2, 3)") ==
             "y: byte 60: expected one label for each of 2 samples, found shape (2, 3); of rows with a 1 at the class "
             "take numpy.argmax(labels, 1)");
  for (const std::string& rows : {std::string("\1\1\0\1\0\0", 6), std::string("\0\1\0\0\0\0", 6)}) {
    BOOST_TEST(
        labels("|u1", rows, "(2, 3)") ==
        "y: byte 60: expected one label for each of 2 samples, found shape (2, 3); rows of several labels or none "
        "are of multi-label data, which psctl does not train");
  }
  BOOST_TEST(labels("<f4", elements<float>({0, 1, 1, 0}), "(2, 2)") ==
             "y: byte 60: expected one label for each of 2 samples, found shape (2, 2); of rows with a 1 at the class "
             "take numpy.argmax(labels, 1)");
  BOOST_TEST(labels("|u1", "abc", "(3,)") == "y: byte 60: expected 2 labels, one for each sample of x, found 3");
  BOOST_TEST(labels("|S2", std::string("a\0\0\0", 4)) == "y: byte 130: expected a label, found nothing (of sample 2)");
  BOOST_TEST(labels("<U1", elements<std::uint32_t>({'a', 0xD800})) ==
             "y: byte 132: expected a label of Unicode characters, found 0xd800 (of sample 2)");
  BOOST_TEST(labels("|S1", "a\xFF") ==
             "y: byte 129: expected a label in UTF-8 without control characters, found "
             "'\\xff' (of sample 2)");
  BOOST_TEST(labels("|u1", "aa") == "y: expected at least two classes, found '97' as every label");
  BOOST_TEST(fault(npy("<U1", "(2, 1)", elements<std::uint32_t>({'a', 'b'})), kTwoLabels) ==
             "x: byte 60: expected numbers as samples, found text");
}

BOOST_AUTO_TEST_CASE(a_test_part_must_be_like_the_training_part) {
  const std::string train = npy("|u1", "(2, 2)", "abcd");
  const auto with = [&](const std::string& test, const std::string& labels) {
    return fault(
        zip({{"x_train.npy", train}, {"y_train.npy", kTwoLabels}, {"test_x.npy", test}, {"test_y.npy", labels}}));
  };
  BOOST_TEST(with(train, kTwoLabels) == "no fault");
  BOOST_TEST(with(npy("|u1", "(2, 3)", "abcdef"), kTwoLabels) ==
             "x: 'test_x.npy': byte 60: expected samples as in x: 'x_train.npy', (2, 2), found shape (2, 3)");
  BOOST_TEST(with(npy("<f4", "(2, 2)", elements<float>({1, 2, 3, 4})), kTwoLabels) ==
             "x: 'test_x.npy': byte 60: expected uint8 as in x: 'x_train.npy', found float32; say what the values are "
             "(values)");
  BOOST_TEST(with(train, npy("|u1", "(2,)", std::string("\0\5", 2))) ==
             "x: 'test_y.npy': byte 129: expected a label of the training part (0, 1), found '5' (of sample 2)");
}

BOOST_AUTO_TEST_CASE(which_arrays_are_meant_is_never_guessed) {
  const std::string x = npy("|u1", "(2, 2)", "abcd"), y = kTwoLabels;
  const auto with = [&](const std::vector<std::string>& names, const ImportOptions& options = {}) {
    std::vector<ZipFile> files;
    for (const std::string& name : names) {
      files.push_back({.name = name + ".npy", .content = name.find('y') == std::string::npos ? x : y});
    }
    return fault(zip(files), {}, options);
  };
  for (const auto& names : std::vector<std::vector<std::string>>{
           {"x", "y"}, {"X_train", "y_train"}, {"x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"}}) {
    BOOST_TEST(with(names) == "no fault");
  }
  BOOST_TEST(with({"a", "my"}, {.label = "my"}) == "no fault");
  BOOST_TEST(with({"deep/a", "deep/../y"}, {.label = "deep/../y"}) == "no fault");
  BOOST_TEST(with({"a", "my"}) ==
             "x: expected arrays named as samples and labels are, such as x_train and y_train, found "
             "'a' and 'my'; say which are the labels (label)");
  BOOST_TEST(
      with({"a", "b", "my"}, {.label = "my"}) ==
      "x: expected one array of samples beside the labels 'my', found 'a', 'b' and 'my'; give the samples and the "
      "labels as files of their own");
  BOOST_TEST(with({"a", "my"}, {.label = "mx"}) ==
             "x: expected an array of labels named 'mx' (did you mean 'my'?), found 'a' and 'my'");
  BOOST_TEST(with({"x"}) == "x: expected samples and labels, found 'x' alone; the arrays are 'x'");
  BOOST_TEST(with({"x", "data", "y"}) == "x: expected one array of samples for each part, found 'x' and 'data'");
  BOOST_TEST(with({"x", "y", "x_test", "y_test"}) ==
             "x: expected arrays of parts or of none, found 'x', 'y', 'x_test' and 'y_test'; say which are the labels "
             "(label)");
  BOOST_TEST(with({"x_test", "y_test"}) == "x: expected arrays of the training part, found 'x_test' and 'y_test'");
  BOOST_TEST(with({}) == "x: byte 0: expected 93 4e 55 4d 50 59 (NumPy), found 50 4b 05 06 00 00");
  BOOST_TEST(fault(x) == "x: expected a file of labels with these samples, found none; give it (labels)");
  BOOST_TEST(fault(x, y, {.label = "y"}) ==
             "label: expected an archive of arrays, of which it names one, found files of labels");
  BOOST_TEST(fault(zip({{"x.npy", x}, {"y.npy", y}}), y) ==
             "x: expected one array, as the labels are a file of their own, found 2: 'x' and 'y'");
  BOOST_TEST(fault(zip({{"any.npy", x}, {"readme.txt", "hello"}}), zip({{"y.npy", y}})) == "no fault");
}

BOOST_AUTO_TEST_CASE(headers_that_lie_or_say_what_is_not_read_are_told_with_the_byte) {
  const auto header = [](const std::string& text) { return fault(npy_of(text, ""), kTwoLabels); };
  const auto type = [](const std::string& name) { return fault(npy(name, "(2, 2)", "abcd"), kTwoLabels); };
  BOOST_TEST(type("|O") ==
             "x: byte 20: expected numbers, such as '|u1' or '<f4', found '|O', Python objects; save the "
             "array as numbers");
  BOOST_TEST(type("<c8") == "x: byte 20: expected numbers, such as '|u1' or '<f4', found '<c8', complex numbers");
  BOOST_TEST(type("<M8[ns]") == "x: byte 20: expected numbers, such as '|u1' or '<f4', found '<M8[ns]', times");
  BOOST_TEST(type("|V2") ==
             "x: byte 20: expected numbers, such as '|u1' or '<f4', found '|V2', records or a type of its own");
  for (const char* wrong : {"", "u", "|u3", "<f1", "<f16", "<x4", "u11", "<U99999999999", "<i-4"}) {
    BOOST_TEST(type(wrong) == fmt::format("x: byte 20: expected numbers, such as '|u1' or '<f4', found '{}'", wrong));
  }
  BOOST_TEST(
      header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2)}") ==
      "x: byte 20: expected elements of one type, such as '<f4'; records are not read, found '[('a', '<f4')], '");
  BOOST_TEST(header("{'descr': '<f4', 'fortran_order': False}") ==
             "x: byte 10: expected 'descr', 'fortran_order' and 'shape', found only 'descr' and 'fortran_order'");
  BOOST_TEST(header("{'shape': (2,), 'shape': (3,)}") == "x: byte 26: expected 'shape' once, found it twice");
  BOOST_TEST(header("{'order': 1}") == "x: byte 11: expected 'descr', 'fortran_order' or 'shape', found 'order'");
  BOOST_TEST(header("{'shape': (2, 0)}") == "x: byte 24: expected a size of at least 1, found 0");
  BOOST_TEST(header("{'shape': ()}") == "x: byte 20: expected an array of at least one axis, found a single value");
  BOOST_TEST(header("{'shape': (-2,)}") == "x: byte 21: expected a size or the end of the tuple, found '-2,)}'");
  BOOST_TEST(header("{'fortran_order': maybe}") == "x: byte 28: expected True or False, found 'maybe}'");
  BOOST_TEST(header("{'descr': '<f4") == "x: byte 20: expected a closing quote, found ''<f4'");
  BOOST_TEST(header("") == "x: byte 10: expected a dictionary, found the end of the header");
  BOOST_TEST(header("{'shape': (2L, 3L), 'descr': \"<f4\", 'fortran_order': False} ")
                 .find("2 x 3 elements of 4), the file ends") != std::string::npos);
  BOOST_TEST(fault(npy("<f8", "(4611686018427387904, 4)", ""), kTwoLabels) ==
             "x: byte 60: expected less than 2^62 bytes in all, found elements of 8 bytes and shape "
             "(4611686018427387904, 4)");
  BOOST_TEST(fault(npy("|u1", "(2, 99999999999999999999999)", ""), kTwoLabels).find("less than 2^62 bytes") !=
             std::string::npos);
  BOOST_TEST(fault(npy("|u1", "(2, 3)", "abcde"), kTwoLabels) ==
             "x: byte 133: expected 134 bytes (128 of header and 2 x 3 elements of 1), the file ends");
  BOOST_TEST(fault(npy("|u1", "(2, 3)", "abcdefg"), kTwoLabels) ==
             "x: byte 134: expected 134 bytes (128 of header and 2 x 3 elements of 1), found more");
  BOOST_TEST(fault("\x93NUMPY\4", kTwoLabels) == "x: byte 7: expected a header, the file ends");
  BOOST_TEST(fault(std::string("\x93NUMPY\4\0", 8), kTwoLabels) ==
             "x: byte 6: expected version 1.0, 2.0 or 3.0, found 4.0");
  BOOST_TEST(fault(std::string("\x93NUMPY\2\0\0\0\0\x80", 12), kTwoLabels) ==
             "x: byte 8: expected a header of at most 65536 bytes, found 2147483648");
}

BOOST_AUTO_TEST_CASE(a_file_cut_at_any_byte_is_refused_with_its_name) {
  const std::string labels = psctl::test::read_file(path_of("classes.npy"));
  for (const char* name : {"columns.npy", "version2.npy", "pictures.npy"}) {
    const std::string sound = psctl::test::read_file(path_of(name));
    for (std::size_t kept = 0; kept < sound.size(); ++kept) {
      const std::string found = fault(sound.substr(0, kept), labels);
      BOOST_TEST(found.starts_with("x: byte "), name << " cut at " << kept << ": " << found);
    }
  }
  const std::string columns = psctl::test::read_file(path_of("columns.npy"));
  for (std::size_t kept = 0; kept < labels.size(); ++kept) {
    BOOST_TEST(fault(columns, labels.substr(0, kept)).starts_with("y: byte "), kept);
  }
  for (const char* name : {"mnist.npz", "trees.npz", "wide.npz"}) {
    const std::string sound = psctl::test::read_file(path_of(name));
    BOOST_TEST(fault(sound) == "no fault");
    for (std::size_t kept = 0; kept < sound.size(); ++kept) {
      BOOST_TEST(fault(sound.substr(0, kept)).starts_with("x: "), name << " cut at " << kept);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_of_an_archive_is_told_or_changes_no_value) {
  for (const char* name : {"mnist.npz", "trees.npz", "wide.npz"}) {
    const std::string sound = psctl::test::read_file(path_of(name));
    const Recorded expected = parse(sound);
    for (std::size_t bit = 0; bit < 8 * sound.size(); ++bit) {
      std::string damaged = sound;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      if (fault(damaged) != "no fault") continue;
      const Recorded recorded = parse(damaged);
      BOOST_TEST((recorded.dense() == expected.dense() && recorded.labels == expected.labels), name << ", bit " << bit);
    }
  }
}

BOOST_AUTO_TEST_CASE(archives_that_lie_are_refused_before_anything_is_made_of_it) {
  const std::string x = npy("|u1", "(2, 2)", "abcd"), y = kTwoLabels;
  const auto with = [&](ZipFile file) {
    file.name = "x.npy";
    file.content = x;
    return fault(zip({file, {"y.npy", y}}));
  };
  BOOST_TEST(with({}) == "no fault");
  BOOST_TEST(with({.deflate = true}) == "no fault");
  for (const bool deflate : {false, true}) {
    BOOST_TEST(with({.deflate = deflate, .crc = 0xDEADBEEF})
                   .starts_with("x: 'x.npy': byte 132: expected bytes with CRC-32 deadbeef, found "));
  }
  BOOST_TEST(with({.flags = 1}) == "x: byte 332: expected 'x.npy' without encryption, found it encrypted");
  BOOST_TEST(with({.method = 12}) ==
             "x: byte 332: expected 'x.npy' stored or deflated (method 0 or 8), found method 12");
  BOOST_TEST(with({.unpacked = 131}) == "x: byte 332: expected 131 stored bytes, found 132");
  BOOST_TEST(with({.deflate = true, .unpacked = 131}) ==
             "x: 'x.npy': byte 131: expected 131 bytes as the archive says, found more");
  BOOST_TEST(with({.deflate = true, .unpacked = 133}) ==
             "x: 'x.npy': byte 132: expected 133 bytes as the archive says, found the end");
  BOOST_TEST(with({.packed = 1000}) ==
             "x: byte 332: expected 1000 packed bytes from byte 0 on before byte 167, where "
             "others begin");
  BOOST_TEST(with({.begin = 167}).starts_with("x: byte "));
  BOOST_TEST(with({.begin = 1}).starts_with("x: byte "));
  BOOST_TEST(with({.begin = 0xFFFFFFFF}).starts_with("x: byte "));
  BOOST_TEST(with({.deflate = true, .unpacked = 0xFFFFFF00}).find("deflated ones, found 4294967040") !=
             std::string::npos);
  BOOST_TEST(fault(zip({{"x.npy", x}, {"y.npy", y}}, "a comment, PK\5\6 in it")) == "no fault");
  BOOST_TEST(fault(zip({{"x.npy", x}, {"y.npy", y}}) + "more") ==
             "x: byte 460: expected the end of a zip archive, with its directory, found the end of the file");
}

BOOST_AUTO_TEST_CASE(what_unpacks_to_far_more_than_it_is_costs_no_memory) {
  // 30 MB of zeros in 30 kB, claimed as 2 x 2^26 and as 30 MB.
  const std::string zeros(30'000'000, '\0');
  const std::string bomb =
      zip({{.name = "x.npy", .content = npy("|u1", "(2, 67108864)", zeros), .deflate = true}, {"y.npy", kTwoLabels}});
  const std::string honest =
      zip({{.name = "x.npy", .content = npy("|u1", "(30000, 1000)", zeros), .deflate = true},
           {.name = "y.npy", .content = npy("<f8", "(30000,)", zeros.substr(0, 240'000)), .deflate = true}});
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  BOOST_TEST(bomb.size() < 60'000U);
  BOOST_TEST(fault(npy("<f8", "(2, 1152921504606846)", ""), kTwoLabels).find("at most 67108864 values a sample") !=
             std::string::npos);
  LabelledText text{.samples = text_of(honest, "x"), .labels = {}};
  LargestBatch sink;
  BOOST_CHECK_THROW(import_numpy({&text, 1}, {}, sink), UserError);  // one class
  BOOST_TEST(sink.samples == 30'000U);
  getrusage(RUSAGE_SELF, &after);
  BOOST_TEST(after.ru_maxrss - before.ru_maxrss < 20'000);
  BOOST_TEST(fault(bomb).starts_with("x: 'x.npy': byte 30000128: expected 134217856 bytes "));
}

BOOST_AUTO_TEST_CASE(a_packed_npy_is_read_too_and_the_content_tells_the_format) {
  const psctl::test::TemporaryFolder folder;
  psctl::test::write_file(folder / "x", npy("|u1", "(2, 2)", "abcd"));
  psctl::test::write_file(folder / "y", kTwoLabels);
  BOOST_TEST((import_all({{.path = folder / "x", .part = Part::kTrain, .labels = folder / "y"}}).bytes ==
              std::vector<std::uint8_t>{'a', 'b', 'c', 'd'}));
  BOOST_TEST(recognised(kNumpyImporter, zip({{"a/b.npy", ""}})));
  BOOST_TEST(!recognised(kNumpyImporter, zip({{"word/document.xml", ""}})));
  BOOST_TEST(!recognised(kNumpyImporter, "PK\3\4"));
  BOOST_TEST(!recognised(kNumpyImporter, ""));
}

BOOST_AUTO_TEST_SUITE_END()
