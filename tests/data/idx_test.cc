#include "data/idx.h"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <numeric>
#include <optional>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"
#include "data/idx_bytes.h"
#include "data/recorded.h"

using namespace psctl;
using namespace psctl::data;
using namespace psctl::data::test;

namespace {

Idx parse(const Bytes& bytes, std::size_t rank) { return parse_idx(std::as_bytes(std::span(bytes)), rank, "name"); }

std::string fault_of(const Bytes& bytes, std::size_t rank) {
  try {
    parse(bytes, rank);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

template <class Act>
std::string message_of(Act act) {
  try {
    act();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

const Bytes kTwoImages = idx({2, 2, 3}, {0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255});

Bytes first(const Bytes& bytes, std::size_t count) { return {bytes.begin(), bytes.begin() + static_cast<long>(count)}; }

Bytes joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(idx_files)

BOOST_AUTO_TEST_CASE(a_sound_file_reads_the_same_plain_and_packed) {
  for (const Bytes& bytes : {kTwoImages, gzip(kTwoImages)}) {
    const Idx images = parse(bytes, 3);
    BOOST_TEST(images.dimensions == (std::vector<std::size_t>{2, 2, 3}), boost::test_tools::per_element());
    BOOST_TEST(images.values == (Bytes{0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255}),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_file_larger_than_any_block_reads_the_same_plain_and_packed) {
  Bytes values(300 * 28 * 28);
  Draws draws({.seed = 1, .purpose = Purpose::kTest});
  for (auto& value : values) value = static_cast<std::uint8_t>(draws.bits());
  const Bytes plain = idx({300, 28, 28}, values);
  BOOST_TEST((parse(plain, 3).values == values));
  BOOST_TEST((parse(gzip(plain), 3).values == values));
}

BOOST_AUTO_TEST_CASE(several_gzip_streams_in_a_row_are_one_file) {
  const Bytes head = first(kTwoImages, 18), tail(kTwoImages.begin() + 18, kTwoImages.end());
  BOOST_TEST((parse(joined(gzip(head), gzip(tail)), 3).values == parse(kTwoImages, 3).values));
}

BOOST_AUTO_TEST_CASE(every_kind_of_damage_to_a_plain_file_is_told_with_its_offset) {
  BOOST_TEST(fault_of({}, 3) == "name: byte 0: expected a header of 16 bytes, found nothing");
  BOOST_TEST(fault_of(first(kTwoImages, 3), 3) == "name: byte 3: expected a header of 16 bytes, the file ends");
  BOOST_TEST(fault_of(first(kTwoImages, 15), 3) == "name: byte 15: expected a header of 16 bytes, the file ends");
  BOOST_TEST(fault_of(kTwoImages, 1) ==
             "name: byte 0: expected 00 00 08 01 (IDX, unsigned bytes, 1 dimension), found 00 00 08 03");
  BOOST_TEST(fault_of({'<', 'h', 't', 'm', 'l', '>'}, 3) ==
             "name: byte 0: expected 00 00 08 03 (IDX, unsigned bytes, 3 dimensions), found 3c 68 74 6d");
  BOOST_TEST(fault_of({'<'}, 3) == "name: byte 0: expected 00 00 08 03 (IDX, unsigned bytes, 3 dimensions), found 3c");
  BOOST_TEST(fault_of(idx({2, 0, 3}, {}), 3) == "name: byte 8: expected a dimension of at least 1, found 0");
  BOOST_TEST(fault_of(idx({0}, {}), 1) == "name: byte 4: expected a dimension of at least 1, found 0");
  BOOST_TEST(fault_of(first(kTwoImages, 27), 3) ==
             "name: byte 27: expected 28 bytes (16 of header and 2 x 2 x 3 values), the file ends");
  BOOST_TEST(fault_of(joined(kTwoImages, {7}), 3) ==
             "name: byte 28: expected 28 bytes (16 of header and 2 x 2 x 3 values), found more");
}

BOOST_AUTO_TEST_CASE(every_kind_of_damage_to_a_packed_file_is_told_with_its_offset) {
  const Bytes packed = gzip(kTwoImages);
  BOOST_TEST(fault_of(gzip({}), 3) == "name: byte 0 (unpacked): expected a header of 16 bytes, found nothing");
  BOOST_TEST(fault_of(gzip(first(kTwoImages, 27)), 3) ==
             "name: byte 27 (unpacked): expected 28 bytes (16 of header and 2 x 2 x 3 values), the file ends");
  BOOST_TEST(fault_of(gzip(joined(kTwoImages, {7})), 3) ==
             "name: byte 28 (unpacked): expected 28 bytes (16 of header and 2 x 2 x 3 values), found more");
  for (std::size_t kept = 2; kept < packed.size(); ++kept) {
    BOOST_TEST(fault_of(first(packed, kept), 3) ==
               fmt::format("name: byte {} (packed): expected more of the gzip stream, the file ends", kept));
  }
  BOOST_TEST(fault_of(joined(packed, {0}), 3) ==
             fmt::format("name: byte {} (packed): expected the end of the file, found bytes after the gzip stream",
                         packed.size()));
  Bytes wrong_checksum = packed;
  wrong_checksum[packed.size() - 8] ^= 1;
  BOOST_TEST(
      fault_of(wrong_checksum, 3).ends_with("(packed): expected a sound gzip stream, found: incorrect data check"));
  Bytes wrong_length = packed;
  wrong_length[packed.size() - 1] ^= 1;
  BOOST_TEST(
      fault_of(wrong_length, 3).ends_with("(packed): expected a sound gzip stream, found: incorrect length check"));
  Bytes wrong_method = packed;
  wrong_method[2] = 9;
  BOOST_TEST(
      fault_of(wrong_method, 3).ends_with("(packed): expected a sound gzip stream, found: unknown compression method"));
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_of_a_packed_file_is_told_or_changes_no_value) {
  const Bytes packed = gzip(kTwoImages);
  const Bytes sound = parse(kTwoImages, 3).values;
  int harmless = 0;
  for (std::size_t bit = 0; bit < 8 * packed.size(); ++bit) {
    Bytes damaged = packed;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    // Time, origin and the padding of the last byte change no value.
    if (fault_of(damaged, 3) == "no fault") {
      BOOST_TEST((parse(damaged, 3).values == sound));
      ++harmless;
    }
  }
  BOOST_TEST(harmless < 8 * 10);
}

BOOST_AUTO_TEST_CASE(random_bytes_are_refused_and_never_crash) {
  for (std::uint64_t step = 0; step < 20'000; ++step) {
    Draws draws({.seed = 2, .purpose = Purpose::kTest, .step = step});
    Bytes bytes(draws.below(64));
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(draws.bits());
    if (step % 2 == 0 && bytes.size() > 10) std::copy_n(gzip({}).begin(), 10, bytes.begin());
    BOOST_REQUIRE_MESSAGE(fault_of(bytes, 3) != "no fault", "step " << step);
  }
}

BOOST_AUTO_TEST_CASE(a_header_that_claims_too_much_is_refused_before_anything_is_allocated) {
  BOOST_TEST(
      fault_of(idx({0xffffffff, 0xffffffff, 0xffffffff}, {1}), 3) ==
      "name: byte 8: expected at most 4294967296 values in all, found dimension 4294967295 after 4294967295 values");
  BOOST_TEST(fault_of(idx({65536, 65536, 2}, {1}), 3) ==
             "name: byte 12: expected at most 4294967296 values in all, found dimension 2 after 4294967296 values");
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const Bytes claim = idx({4'000'000, 32, 32}, {1, 2, 3});
  BOOST_TEST(fault_of(claim, 3) ==
             "name: byte 19: expected 4096000016 bytes (16 of header and 4000000 x 32 x 32 values), the file ends");
  BOOST_TEST(
      fault_of(gzip(claim), 3) ==
      "name: byte 19 (unpacked): expected 4096000016 bytes (16 of header and 4000000 x 32 x 32 values), the file ends");
  getrusage(RUSAGE_SELF, &after);
  BOOST_TEST(after.ru_maxrss - before.ru_maxrss < 100'000);
}

BOOST_AUTO_TEST_CASE(a_packed_file_that_unpacks_to_more_than_it_claims_is_left_at_the_first_byte_too_many) {
  Bytes bomb = idx({1, 1, 1}, Bytes(50'000'000));
  const Bytes packed = gzip(bomb);
  bomb = {};
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  BOOST_TEST(fault_of(packed, 3) ==
             "name: byte 17 (unpacked): expected 17 bytes (16 of header and 1 x 1 x 1 values), found more");
  getrusage(RUSAGE_SELF, &after);
  BOOST_TEST(after.ru_maxrss - before.ru_maxrss < 20'000);
}

BOOST_AUTO_TEST_CASE(files_read_as_their_bytes_do) {
  const TemporaryFolder folder;
  folder.write("plain", kTwoImages);
  folder.write("packed.gz", gzip(kTwoImages));
  folder.write("packed-without-saying", gzip(kTwoImages));
  for (const char* name : {"plain", "packed.gz", "packed-without-saying"}) {
    BOOST_TEST((read_idx(folder.file(name), 3).values == parse(kTwoImages, 3).values));
  }
  folder.write("short", first(kTwoImages, 20));
  BOOST_TEST(message_of([&] { read_idx(folder.file("short"), 3); }) ==
             folder.file("short") + ": byte 20: expected 28 bytes (16 of header and 2 x 2 x 3 values), the file ends");
}

BOOST_AUTO_TEST_CASE(a_name_that_promises_gzip_is_held_to_it) {
  const TemporaryFolder folder;
  folder.write("unpacked.gz", kTwoImages);
  folder.write("empty.gz", {});
  const auto reading = [&](const char* name) { return message_of([&] { read_idx(folder.file(name), 3); }); };
  BOOST_TEST(reading("unpacked.gz") ==
             folder.file("unpacked.gz") + ": byte 0: expected 1f 8b (gzip, as the name ends in .gz), found 00 00");
  BOOST_TEST(reading("empty.gz") ==
             folder.file("empty.gz") + ": byte 0: expected 1f 8b (gzip, as the name ends in .gz), found nothing");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_opened_is_told_with_the_reason) {
  const TemporaryFolder folder;
  const auto reading = [&](const std::string& name) { return message_of([&] { read_idx(folder.file(name), 3); }); };
  BOOST_TEST(reading("none") == folder.file("none") + ": cannot be opened: No such file or directory");
  std::filesystem::create_directory(folder.path() / "inner");
  BOOST_TEST(reading("inner") == folder.file("inner") + ": expected a regular file, found a folder");
  BOOST_REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  BOOST_TEST(reading("pipe") == folder.file("pipe") + ": expected a regular file, found something else");

  folder.write("secret", kTwoImages);
  BOOST_REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
  BOOST_REQUIRE(chmod(folder.file("secret").c_str(), 0) == 0);
  const bool root = geteuid() == 0;  // which no permission stops
  if (root) BOOST_REQUIRE(seteuid(65534) == 0);
  const std::string found = reading("secret");
  if (root) BOOST_REQUIRE(seteuid(0) == 0);
  BOOST_TEST(found == folder.file("secret") + ": cannot be opened: Permission denied");
}

namespace {

Bytes typed(std::uint8_t code, std::initializer_list<std::uint32_t> dimensions, const Bytes& values) {
  Bytes bytes = idx(dimensions, values);
  bytes[2] = code;
  return bytes;
}

const Bytes kTwoLabels = idx({2}, {1, 3});

Recorded import_pair(const Bytes& samples, const std::optional<Bytes>& labels, const ImportOptions& options = {}) {
  const auto text = [](const Bytes& bytes, const char* name) {
    return Text{
        .content = {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, .name = name, .part = Part::kTrain};
  };
  LabelledText pair{.samples = text(samples, "x"), .labels = {}};
  if (labels) pair.labels = text(*labels, "y");
  RecordingSink sink;
  import_idx({&pair, 1}, options, sink);
  return sink.recorded();
}

}  // namespace

BOOST_AUTO_TEST_CASE(files_given_one_by_one_are_read_by_what_they_hold) {
  const TemporaryFolder folder;
  folder.write("train", kTwoImages);
  folder.write("train-labels", gzip(kTwoLabels));
  folder.write("test", gzip(kTwoImages));
  folder.write("test-labels", kTwoLabels);
  const std::vector<Input> inputs{{folder.file("train"), Part::kTrain, folder.file("train-labels")},
                                  {folder.file("test"), Part::kTest, folder.file("test-labels")}};
  const Importer& importer = importer_for(inputs);
  BOOST_TEST(std::string(importer.name) == "idx");
  RecordingSink sink;
  import_data(importer, inputs, {}, sink);
  const Recorded& recorded = sink.recorded();
  BOOST_TEST((recorded.description.shape == Shape{.channels = 1, .height = 2, .width = 3}));
  const Bytes values = parse(kTwoImages, 3).values;
  BOOST_TEST((recorded.bytes == joined(values, values)));
  BOOST_TEST(recorded.labels == (std::vector<std::uint32_t>{0, 1, 0, 1}), boost::test_tools::per_element());
  BOOST_TEST(recorded.summary.classes == (std::vector<std::string>{"1", "3"}), boost::test_tools::per_element());
  BOOST_TEST((recorded.parts == std::vector{Part::kTrain, Part::kTrain, Part::kTest, Part::kTest}));
}

BOOST_AUTO_TEST_CASE(a_note_tells_that_images_of_emnist_lie_on_their_side) {
  const auto notes = [](const std::string& name) {
    const TemporaryFolder folder;
    folder.write(name, kTwoImages);
    folder.write("labels", kTwoLabels);
    RecordingSink sink;
    import_data(kIdxImporter, std::vector<Input>{{folder.file(name), Part::kTrain, folder.file("labels")}}, {}, sink);
    return sink.recorded().summary.notes;
  };
  BOOST_TEST(notes("emnist-letters-train-images-idx3-ubyte")
                 .front()
                 .starts_with("EMNIST has rows and columns of its images exchanged"));
  BOOST_TEST(notes("mnist-train-images-idx3-ubyte").size() ==
             notes("emnist-letters-train-images-idx3-ubyte").size() - 1);
}

BOOST_AUTO_TEST_CASE(values_of_every_type_are_read_as_big_endian) {
  const auto floats = [](std::uint8_t code, const Bytes& values) {
    return import_pair(typed(code, {2, 1}, values), kTwoLabels).floats;
  };
  BOOST_TEST(floats(0x09, {0x80, 0x7F}) == (std::vector<float>{-128, 127}), boost::test_tools::per_element());
  BOOST_TEST(floats(0x0B, {0x80, 0, 1, 2}) == (std::vector<float>{-32768, 258}), boost::test_tools::per_element());
  BOOST_TEST(floats(0x0C, {0xFF, 0xFF, 0xFF, 0xFE, 0, 1, 0, 0}) == (std::vector<float>{-2, 65536}),
             boost::test_tools::per_element());
  BOOST_TEST(floats(0x0D, {0x3F, 0x80, 0, 0, 0xC0, 0x20, 0, 0}) == (std::vector<float>{1, -2.5}),
             boost::test_tools::per_element());
  BOOST_TEST(floats(0x0E, {0x3F, 0xF8, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0}) == (std::vector<float>{1.5, -2}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(damage_to_files_given_one_by_one_is_told_with_its_offset) {
  const auto told = [&](const Bytes& samples, const std::optional<Bytes>& labels, const ImportOptions& options = {}) {
    return message_of([&] { import_pair(samples, labels, options); });
  };
  BOOST_TEST(told(kTwoImages, kTwoLabels) == "no fault");
  BOOST_TEST(told(kTwoImages, {}) ==
             "x: byte 0: expected a file of labels with these samples, found none; give it (labels)");
  BOOST_TEST(told(kTwoLabels, {}) ==
             "x: byte 0: expected samples, found one dimension, as labels have; give the samples and, with them, this "
             "file (labels)");
  BOOST_TEST(
      told(typed(0x0A, {2, 1}, {1, 2}), kTwoLabels) ==
      "x: byte 0: expected 00 00, a type of values (08, 09, 0b to 0e) and a number of dimensions (IDX), found 00 00 "
      "0a 02");
  BOOST_TEST(told({}, kTwoLabels) ==
             "x: byte 0: expected 00 00, a type of values (08, 09, 0b to 0e) and a number of dimensions (IDX), found "
             "nothing");
  BOOST_TEST(told(kTwoImages, idx({3}, {0, 1, 2})) ==
             "y: byte 4: expected 2 labels, one for each sample of x, found 3");
  BOOST_TEST(told(gzip(joined(kTwoImages, {7})), kTwoLabels) ==
             "x: byte 28 (unpacked): expected 28 bytes (16 of header and 2 x 2 x 3 elements of 1), found more");
  BOOST_TEST(told(typed(0x0E, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, {}), kTwoLabels)
                 .starts_with("x: byte 8: expected at most 72057594037927936 values in all"));
  const Bytes packed = gzip(kTwoImages);
  for (std::size_t kept = 0; kept < kTwoImages.size(); ++kept) {
    BOOST_TEST(told(first(kTwoImages, kept), kTwoLabels).starts_with("x: byte "), kept);
  }
  for (std::size_t kept = 0; kept < packed.size(); ++kept) {
    BOOST_TEST(told(first(packed, kept), kTwoLabels).starts_with("x: byte "), kept);
  }
}

BOOST_AUTO_TEST_CASE(what_begins_as_idx_but_is_not_as_long_as_it_says_is_not_taken_for_it) {
  const auto seen = [](const Bytes& bytes, bool packed = false) {
    return kIdxImporter.recognises(
        {.path = "file", .folder = false, .packed = packed, .size = bytes.size(), .begin = bytes, .file_names = {}});
  };
  BOOST_TEST(seen(kTwoImages));
  BOOST_TEST(seen(first(kTwoImages, 16), true));
  BOOST_TEST(!seen(joined(kTwoImages, {1})));
  BOOST_TEST(!seen(first(kTwoImages, 15)));
  BOOST_TEST(!seen({0, 0, 8, 0}));
  BOOST_TEST(!seen({}));
}

BOOST_AUTO_TEST_CASE(of_a_damaged_file_the_name_tells_the_format_unless_its_content_does) {
  const TemporaryFolder folder;
  const auto format_of = [&](const char* name, const Bytes& bytes) -> std::string {
    folder.write(name, bytes);
    try {
      return importer_for(std::vector<Input>{{.path = folder.file(name), .part = Part::kTrain, .labels = {}}}).name;
    } catch (const UserError& error) {
      return error.what();
    }
  };
  const auto text = [](std::string_view letters) { return Bytes(letters.begin(), letters.end()); };
  BOOST_TEST(format_of("train-images-idx3-ubyte", first(kTwoImages, 20)) == "idx");
  BOOST_TEST(format_of("a.NPY", text("what")) == "numpy");
  BOOST_TEST(format_of("a.csv", text("a,b\n1,\"2\n")) == "csv");
  BOOST_TEST(format_of("a.svm", text("cat 1:1\ndog 2:1\n")) == "libsvm");
  BOOST_TEST(format_of("b.txt", text("1 1:1 3:1\n0 2:1\n")) == "libsvm");
  BOOST_TEST(format_of("b.csv", text("1 1:1 3:1\n0 2:1\n"))
                 .starts_with(folder.file("b.csv") + ": its name says csv, its content looks like libsvm; "));
  BOOST_TEST(format_of("b.csv", kTwoImages) == "idx");
  BOOST_TEST(format_of("a.bin", first(kTwoImages, 20)).starts_with(folder.file("a.bin") + ": expected data as idx, "));
  Bytes packed = gzip(kTwoImages);
  packed[packed.size() - 8] ^= 1;  // of the CRC-32
  BOOST_TEST(format_of("a.gz", packed)
                 .starts_with(fmt::format("{}: byte {} (packed): expected a sound gzip stream, found: ",
                                          folder.file("a.gz"), packed.size() - 4)));
}

BOOST_AUTO_TEST_SUITE_END()
