#include "data/idx.h"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <numeric>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"
#include "data/idx_bytes.h"

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

BOOST_AUTO_TEST_CASE(files_read_as_their_bytes_do_and_the_quick_look_sees_the_header_and_the_length) {
  const TemporaryFolder folder;
  folder.write("plain", kTwoImages);
  folder.write("packed.gz", gzip(kTwoImages));
  folder.write("packed-without-saying", gzip(kTwoImages));
  for (const char* name : {"plain", "packed.gz", "packed-without-saying"}) {
    BOOST_TEST((read_idx(folder.file(name), 3).values == parse(kTwoImages, 3).values));
    BOOST_TEST((read_idx_dimensions(folder.file(name), 3) == std::vector<std::size_t>{2, 2, 3}));
  }
  folder.write("short", first(kTwoImages, 20));
  BOOST_TEST(message_of([&] { read_idx_dimensions(folder.file("short"), 3); }) ==
             folder.file("short") + ": byte 20: expected 28 bytes (16 of header and 2 x 2 x 3 values), the file ends");
}

BOOST_AUTO_TEST_CASE(a_name_that_promises_gzip_is_held_to_it) {
  const TemporaryFolder folder;
  folder.write("unpacked.gz", kTwoImages);
  folder.write("empty.gz", {});
  for (auto read : {+[](const std::string& path) { read_idx(path, 3); },
                    +[](const std::string& path) { read_idx_dimensions(path, 3); }}) {
    BOOST_TEST(message_of([&] { read(folder.file("unpacked.gz")); }) ==
               folder.file("unpacked.gz") + ": byte 0: expected 1f 8b (gzip, as the name ends in .gz), found 00 00");
    BOOST_TEST(message_of([&] { read(folder.file("empty.gz")); }) ==
               folder.file("empty.gz") + ": byte 0: expected 1f 8b (gzip, as the name ends in .gz), found nothing");
  }
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
  const bool root = geteuid() == 0;  // whom no permission stops
  if (root) BOOST_REQUIRE(seteuid(65534) == 0);
  const std::string found = reading("secret");
  if (root) BOOST_REQUIRE(seteuid(0) == 0);
  BOOST_TEST(found == folder.file("secret") + ": cannot be opened: Permission denied");
}

BOOST_AUTO_TEST_SUITE_END()
