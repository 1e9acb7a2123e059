#include "data/prepared.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <oneapi/tbb/global_control.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/random.h"
#include "data/dataset.h"
#include "data/idx_bytes.h"
#include "data/prepared_format.h"

using namespace psctl;
using namespace psctl::data;
using psctl::data::test::TemporaryFolder;

namespace {

namespace fs = std::filesystem;

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

std::vector<std::uint32_t> turns(std::size_t samples, std::uint32_t classes) {
  std::vector<std::uint32_t> labels(samples);
  for (std::size_t i = 0; i < samples; ++i) labels[i] = static_cast<std::uint32_t>(i) % classes;
  return labels;
}

std::vector<std::uint8_t> some_bytes(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::uint8_t>((i * 2654435761U) >> 13);
  return bytes;
}

// Three training samples of three values and two of the test part.
std::string write_small(const TemporaryFolder& folder, const std::string& name = "small.psctl") {
  PreparedWriter writer(folder.file(name), Missing::kRefuse);
  writer.begin({.shape = {.channels = 1, .height = 1, .width = 3}, .values = Values::kBytes});
  writer.begin_part(Part::kTrain);
  writer.add({.bytes = std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6},
              .floats = {},
              .entries = {},
              .row_entries = {},
              .labels = std::vector<std::uint32_t>{0, 1}});
  writer.add({.bytes = std::vector<std::uint8_t>{7, 8, 9},
              .floats = {},
              .entries = {},
              .row_entries = {},
              .labels = std::vector<std::uint32_t>{1}});
  writer.begin_part(Part::kTest);
  writer.add({.bytes = std::vector<std::uint8_t>{10, 11, 12, 13, 14, 15},
              .floats = {},
              .entries = {},
              .row_entries = {},
              .labels = std::vector<std::uint32_t>{0, 0}});
  writer.end({.classes = {"cat", "dog"}, .class_of = {1, 0}, .features = 0, .notes = {"of pets", "drawn, not seen"}});
  return folder.file(name);
}

// Three sparse training samples of five features.
std::string write_sparse(const TemporaryFolder& folder) {
  PreparedWriter writer(folder.file("sparse.psctl"), Missing::kRefuse);
  writer.begin({.shape = {.channels = 1, .height = 1, .width = 0}, .values = Values::kFloats, .sparse = true});
  writer.begin_part(Part::kTrain);
  writer.add({.bytes = {},
              .floats = {},
              .entries = std::vector<Entry>{{1, 2.0F}, {3, -1.5F}, {0, 1.0F}},
              .row_entries = std::vector<std::uint32_t>{2, 0, 1},
              .labels = std::vector<std::uint32_t>{0, 1, 0}});
  writer.end({.classes = {"-1", "1"}, .class_of = {}, .features = 5, .notes = {}});
  return folder.file("sparse.psctl");
}

std::string file_bytes(const std::string& path) { return psctl::test::read_file(path); }

// Changes the header of a file and seals it again, as somebody would who wants to be believed.
void forge(const std::string& path, const std::function<void(PreparedHeader&)>& change) {
  std::string bytes = file_bytes(path);
  PreparedHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  change(header);
  header.seal = header_seal(header);
  std::memcpy(bytes.data(), &header, sizeof header);
  psctl::test::write_file(path, bytes);
}

// What reading everything of the file says, without the file's name.
std::string fault(const std::string& path) {
  try {
    Prepared::open(path)->check();
  } catch (const UserError& error) {
    const std::string text = error.what();
    BOOST_TEST(text.starts_with(path + ": "));
    return text.substr(std::min(text.size(), path.size() + 2));
  }
  return "no fault";
}

void check_begins(const std::string& text, const std::string& begin) {
  BOOST_TEST(text.starts_with(begin), text << " does not begin with " << begin);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(prepared_files)

BOOST_AUTO_TEST_CASE(what_was_written_is_read_where_it_lies) {
  const TemporaryFolder folder;
  const auto prepared = Prepared::open(write_small(folder));
  BOOST_TEST((prepared->description().shape == Shape{.channels = 1, .height = 1, .width = 3}));
  BOOST_TEST(prepared->classes() == 2);
  BOOST_TEST(prepared->class_names() == (std::vector<std::string>{"cat", "dog"}), boost::test_tools::per_element());
  BOOST_TEST(prepared->notes() == (std::vector<std::string>{"of pets", "drawn, not seen"}),
             boost::test_tools::per_element());
  BOOST_TEST(prepared->size(Part::kTrain) == 3);
  BOOST_TEST(prepared->size(Part::kValidation) == 0);
  BOOST_TEST(prepared->size(Part::kTest) == 2);
  BOOST_TEST(!prepared->part(Part::kValidation));
  const auto samples = prepared->part(Part::kTrain);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(samples->rows.data()) % 4096 == 0);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(samples->labels.data()) % 64 == 0);
  const Dataset train(samples), test(prepared->part(Part::kTest));
  BOOST_TEST(train.labels() == (std::vector<std::uint32_t>{1, 0, 0}), boost::test_tools::per_element());
  BOOST_TEST(train.bytes(2) == (std::vector<std::uint8_t>{7, 8, 9}), boost::test_tools::per_element());
  BOOST_TEST(train.bytes(0).data() == reinterpret_cast<const std::uint8_t*>(samples->rows.data()));
  BOOST_TEST(test.bytes(1) == (std::vector<std::uint8_t>{13, 14, 15}), boost::test_tools::per_element());
  prepared->check();
}

BOOST_AUTO_TEST_CASE(a_part_outlives_the_opened_file_and_the_file_itself) {
  const TemporaryFolder folder;
  const std::string path = write_small(folder);
  const Dataset train(Prepared::open(path)->part(Part::kTrain));
  fs::remove(path);
  BOOST_TEST(train.bytes(1) == (std::vector<std::uint8_t>{4, 5, 6}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(sparse_samples_are_read_where_they_lie) {
  const TemporaryFolder folder;
  const auto prepared = Prepared::open(write_sparse(folder));
  prepared->check();
  BOOST_TEST(prepared->description().sparse);
  const Dataset train(prepared->part(Part::kTrain));
  BOOST_TEST(train.shape().width == 5);
  BOOST_TEST(train.entries(1).empty());
  BOOST_TEST((train.entries(0)[1] == Entry{3, -1.5F}));
  BOOST_TEST(train.digest() ==
             Dataset(samples_of(5, 2, {0, 2, 2, 3}, {{1, 2.0F}, {3, -1.5F}, {0, 1.0F}}, {0, 1, 0})).digest());
}

BOOST_AUTO_TEST_CASE(the_digest_is_that_of_the_content_in_memory_however_the_rows_came) {
  // Rows of 1000 bytes, so that blocks of 64 KiB cut rows.
  constexpr std::size_t kSamples = 3'500, kWidth = 1'000;
  const auto bytes = some_bytes(kSamples * kWidth);
  const auto labels = turns(kSamples, 7);
  const Dataset in_memory({.width = kWidth}, 7, bytes, labels);
  const TemporaryFolder folder;
  std::string first;
  for (const std::size_t batch : {std::size_t{1}, std::size_t{1'049}, kSamples}) {
    PreparedWriter writer(folder.file("a"), Missing::kRefuse);
    writer.begin({.shape = {.width = kWidth}, .values = Values::kBytes});
    writer.begin_part(Part::kTrain);
    for (std::size_t begin = 0; begin < kSamples; begin += batch) {
      const std::size_t count = std::min(batch, kSamples - begin);
      writer.add({.bytes = std::span(bytes).subspan(begin * kWidth, count * kWidth),
                  .floats = {},
                  .entries = {},
                  .row_entries = {},
                  .labels = std::span(labels).subspan(begin, count)});
    }
    writer.end({.classes = {"0", "1", "2", "3", "4", "5", "6"}, .class_of = {}, .features = 0, .notes = {}});
    const Dataset mapped(writer.open()->part(Part::kTrain));
    BOOST_TEST(mapped.digest() == in_memory.digest());
    std::vector<std::uint32_t> all(kSamples);
    std::iota(all.begin(), all.end(), 0U);
    BOOST_TEST(mapped.select(all).digest() == in_memory.digest());
    if (first.empty()) first = file_bytes(folder.file("a"));
    BOOST_TEST((file_bytes(folder.file("a")) == first));
  }
}

BOOST_AUTO_TEST_CASE(a_set_in_memory_is_the_same_as_in_a_file) {
  const auto writer = PreparedWriter::in_memory("here", Missing::kRefuse);
  writer->begin({.shape = {.width = 2}, .values = Values::kFloats});
  writer->begin_part(Part::kTrain);
  writer->add({.bytes = {},
               .floats = std::vector<float>{1, 2, 3, 4},
               .entries = {},
               .row_entries = {},
               .labels = std::vector<std::uint32_t>{0, 1}});
  writer->end({.classes = {"a", "b"}, .class_of = {}, .features = 0, .notes = {}});
  const Dataset train(writer->open()->part(Part::kTrain));
  BOOST_TEST(train.digest() == Dataset(samples_of({.width = 2}, 2, std::vector<float>{1, 2, 3, 4}, {0, 1})).digest());
}

BOOST_AUTO_TEST_CASE(statistics_are_those_of_a_plain_loop_over_the_training_part) {
  constexpr std::size_t kSamples = 70'000, kWidth = 17;  // more rows than 32-bit sums of squares hold
  auto bytes = some_bytes(kSamples * kWidth);
  for (std::size_t i = 0; i < kSamples; ++i) bytes[i * kWidth + 3] = 255;
  const std::vector<float> floats(bytes.begin(), bytes.end());
  const auto labels = turns(kSamples, 2);
  for (const Values values : {Values::kBytes, Values::kFloats}) {
    const auto writer = PreparedWriter::in_memory("here", Missing::kRefuse);
    writer->begin({.shape = {.width = kWidth}, .values = values});
    for (const Part part : {Part::kTrain, Part::kTest}) {  // the test part must not count
      writer->begin_part(part);
      const std::size_t count = part == Part::kTrain ? kSamples : 1;
      writer->add(
          {.bytes = values == Values::kBytes ? std::span(bytes).first(count * kWidth) : std::span<std::uint8_t>(),
           .floats = values == Values::kFloats ? std::span(floats).first(count * kWidth) : std::span<const float>(),
           .entries = {},
           .row_entries = {},
           .labels = std::span(labels).first(count)});
    }
    writer->end({.classes = {"a", "b"}, .class_of = {}, .features = 0, .notes = {}});
    const auto samples = writer->open()->part(Part::kTrain);
    BOOST_REQUIRE(samples->statistics.size() == kWidth);
    for (std::size_t feature = 0; feature < kWidth; ++feature) {
      const FeatureStatistics& found = samples->statistics[feature];
      const double origin = values == Values::kBytes ? 0 : floats[feature];
      double sum = 0, squares = 0;
      float least = 255, most = 0;
      for (std::size_t i = 0; i < kSamples; ++i) {
        const float value = floats[i * kWidth + feature];
        sum += value - origin;
        squares += (value - origin) * (value - origin);
        least = std::min(least, value);
        most = std::max(most, value);
      }
      BOOST_TEST(found.sum == sum);  // whole numbers below 2^53: exact in any order
      BOOST_TEST(found.squares == squares);
      BOOST_TEST(found.present == kSamples);
      BOOST_TEST(found.origin == static_cast<float>(origin));
      BOOST_TEST(found.least == least);
      BOOST_TEST(found.most == most);
    }
  }
  const TemporaryFolder folder;
  const auto sparse = Prepared::open(write_sparse(folder))->part(Part::kTrain);
  BOOST_REQUIRE(sparse->statistics.size() == 5);
  BOOST_TEST(sparse->statistics[3].sum == -1.5);
  BOOST_TEST(sparse->statistics[3].squares == 2.25);
  BOOST_TEST(sparse->statistics[3].present == 1);
  BOOST_TEST(sparse->statistics[4].present == 0);
}

BOOST_AUTO_TEST_CASE(no_bit_depends_on_the_number_of_threads) {
  constexpr std::size_t kSamples = 6'000, kWidth = 170;
  Draws draws({.seed = 1, .purpose = Purpose::kTest});
  std::vector<float> floats(kSamples * kWidth);
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < floats.size(); ++i) {
    floats[i] = i % 7 == 3 ? kMissing : static_cast<float>(draws.normal());
    entries.push_back({static_cast<std::uint32_t>(i % kWidth), static_cast<float>(draws.normal())});
  }
  const std::vector<std::uint32_t> row_entries(kSamples, kWidth);
  const auto labels = turns(kSamples, 2);
  const TemporaryFolder folder;
  for (const bool sparse : {false, true}) {
    std::string expected;
    for (const std::size_t threads : {1, 2, 9}) {
      const oneapi::tbb::global_control control(oneapi::tbb::global_control::max_allowed_parallelism, threads);
      PreparedWriter writer(folder.file("set"), sparse ? Missing::kRefuse : Missing::kMean);
      writer.begin({.shape = {.width = sparse ? 0 : kWidth}, .values = Values::kFloats, .sparse = sparse});
      for (const Part part : {Part::kTrain, Part::kTest}) {
        writer.begin_part(part);
        writer.add({.bytes = {},
                    .floats = sparse ? std::span<const float>() : floats,
                    .entries = sparse ? entries : std::span<const Entry>(),
                    .row_entries = sparse ? row_entries : std::span<const std::uint32_t>(),
                    .labels = labels});
      }
      writer.end({.classes = {"a", "b"}, .class_of = {}, .features = sparse ? kWidth : 0, .notes = {}});
      Prepared::open(folder.file("set"))->check();
      const std::string bytes = file_bytes(folder.file("set"));
      if (expected.empty()) expected = bytes;
      BOOST_TEST((bytes == expected), threads << " threads");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_disk_that_takes_no_more_is_told) {
  const TemporaryFolder folder;
  {
    const auto action = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    BOOST_REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    const rlimit low{.rlim_cur = 5'000'000, .rlim_max = limit.rlim_max};
    BOOST_REQUIRE(setrlimit(RLIMIT_FSIZE, &low) == 0);
    PreparedWriter writer(folder.file("set"), Missing::kRefuse);
    writer.begin({.shape = {.width = 1'000}, .values = Values::kBytes});
    writer.begin_part(Part::kTrain);
    const auto write_all = [&] {
      const auto bytes = some_bytes(1'000'000);
      const auto labels = turns(1'000, 2);
      for (int i = 0; i < 40; ++i) {
        writer.add({.bytes = bytes, .floats = {}, .entries = {}, .row_entries = {}, .labels = labels});
      }
      writer.end({.classes = {"a", "b"}, .class_of = {}, .features = 0, .notes = {}});
    };
    BOOST_CHECK_EXCEPTION(write_all(), WorldError, [&](const WorldError& error) {
      return std::string(error.what()) == folder.file("set") + ": cannot be written: File too large";
    });
    BOOST_REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    std::signal(SIGXFSZ, action);
  }
  BOOST_TEST(fs::is_empty(folder.path()));
}

BOOST_AUTO_TEST_CASE(missing_values_are_filled_with_zero_or_with_the_mean_of_the_training_part) {
  const std::vector<float> train{1, kMissing, 3, 10, kMissing, 20}, test{kMissing, kMissing};
  for (const Missing missing : {Missing::kZero, Missing::kMean}) {
    const auto writer = PreparedWriter::in_memory("here", missing);
    writer->begin({.shape = {.width = 2}, .values = Values::kFloats});
    writer->begin_part(Part::kTrain);
    writer->add({.bytes = {},
                 .floats = train,
                 .entries = {},
                 .row_entries = {},
                 .labels = std::vector<std::uint32_t>{0, 1, 1}});
    writer->begin_part(Part::kTest);
    writer->add(
        {.bytes = {}, .floats = test, .entries = {}, .row_entries = {}, .labels = std::vector<std::uint32_t>{0}});
    writer->end({.classes = {"a", "b"}, .class_of = {}, .features = 0, .notes = {}});
    const auto prepared = writer->open();
    prepared->check();
    const bool zero = missing == Missing::kZero;
    const std::vector<float> filled{1, zero ? 0.0F : 15.0F, 3, 10, zero ? 0.0F : 2.0F, 20};
    const Dataset set(prepared->part(Part::kTrain)), other(prepared->part(Part::kTest));
    BOOST_TEST(set.digest() == Dataset(samples_of({.width = 2}, 2, filled, {0, 1, 1})).digest());
    BOOST_TEST(other.floats(0)[1] == (zero ? 0.0F : 15.0F));
    const auto statistics = set.samples().statistics;
    BOOST_TEST(statistics[0].missing == 2);
    BOOST_TEST(statistics[1].missing == 2);
    BOOST_TEST(statistics[1].origin + statistics[1].sum / 3 == (zero ? 10.0 : 15.0));
  }
}

BOOST_AUTO_TEST_CASE(a_mean_of_nothing_is_refused) {
  const auto writer = PreparedWriter::in_memory("here", Missing::kMean);
  writer->begin({.shape = {.width = 1}, .values = Values::kFloats});
  writer->begin_part(Part::kTrain);
  writer->add({.bytes = {},
               .floats = std::vector<float>{kMissing},
               .entries = {},
               .row_entries = {},
               .labels = std::vector<std::uint32_t>{0}});
  BOOST_CHECK_THROW(writer->end({.classes = {"a", "b"}, .class_of = {}, .features = 0, .notes = {}}), UserError);
}

BOOST_AUTO_TEST_CASE(a_writer_that_does_not_come_to_its_end_leaves_nothing_and_harms_nothing) {
  const TemporaryFolder folder;
  const std::string path = write_small(folder), before = file_bytes(path);
  {
    PreparedWriter writer(path, Missing::kRefuse);
    writer.begin({.shape = {.width = 1'000'000}, .values = Values::kBytes});
    writer.begin_part(Part::kTrain);
    writer.add({.bytes = some_bytes(3'000'000),
                .floats = {},
                .entries = {},
                .row_entries = {},
                .labels = std::vector<std::uint32_t>{0, 1, 1}});
  }
  BOOST_TEST((file_bytes(path) == before));
  BOOST_TEST(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 1);
  BOOST_CHECK_THROW(PreparedWriter(folder.file("no/such/folder"), Missing::kRefuse), UserError);
}

BOOST_AUTO_TEST_CASE(an_importer_that_breaks_the_contract_is_found_out) {
  const auto writer = PreparedWriter::in_memory("here", Missing::kRefuse);
  writer->begin({.shape = {.width = 1}, .values = Values::kFloats});
  writer->begin_part(Part::kTest);
  BOOST_CHECK_THROW(writer->begin_part(Part::kTrain), InternalError);
  BOOST_CHECK_THROW(
      writer->add(
          {.bytes = {}, .floats = {}, .entries = {}, .row_entries = {}, .labels = std::vector<std::uint32_t>{0}}),
      InternalError);
  for (const float value : {kMissing, std::numeric_limits<float>::infinity()}) {
    const auto other = PreparedWriter::in_memory("here", Missing::kRefuse);
    other->begin({.shape = {.width = 1}, .values = Values::kFloats});
    other->begin_part(Part::kTrain);
    other->add({.bytes = {},
                .floats = std::vector<float>{value},
                .entries = {},
                .row_entries = {},
                .labels = std::vector<std::uint32_t>{0}});
    BOOST_CHECK_THROW(other->end({.classes = {"a", "b"}, .class_of = {}, .features = 0, .notes = {}}), InternalError);
  }
}

BOOST_AUTO_TEST_CASE(ten_gigabytes_are_opened_without_reading_them) {
  constexpr std::uint64_t kSamples = 3'300'000;
  const TemporaryFolder folder;
  const std::string path = write_small(folder);
  // 3'300'000 samples of 3072 bytes; a file with holes takes no room, and seals of zeros are computed once.
  forge(path, [](PreparedHeader& header) {
    header.width = 3072;
    header.statistics = 0;
    header.statistics_seal = seal_of(nullptr, 0);
    header.name_bytes = 0;
    header.names_seal = seal_of(nullptr, 0);
    header.note_bytes = 0;
    header.notes_seal = seal_of(nullptr, 0);
    header.parts[2] = {.samples = 0,
                       .entries = 0,
                       .rows_seal = seal_of(nullptr, 0),
                       .row_starts_seal = seal_of(nullptr, 0),
                       .labels_seal = seal_of(nullptr, 0)};
    header.parts[0].samples = kSamples;
    header.parts[1].rows_seal = header.parts[2].rows_seal;
    const std::vector<std::uint32_t> labels(kSamples);
    header.parts[0].labels_seal = seal_of(labels.data(), labels.size() * 4);
    const Layout layout = *lay_out(header);
    const std::vector<std::byte> seals(layout.seals[0].bytes);
    header.parts[0].rows_seal = seal_of(seals.data(), seals.size());
    header.file_bytes = layout.file_bytes;
  });
  fs::resize_file(path, 4096);
  PreparedHeader header;
  std::memcpy(&header, file_bytes(path).data(), sizeof header);
  BOOST_REQUIRE(header.file_bytes > 10'000'000'000);
  fs::resize_file(path, header.file_bytes);
  const auto resident = [] {
    std::size_t total = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> total >> pages;
    return pages * 4096;
  };
  const auto processor_time = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const std::size_t before = resident();
  const double start = processor_time();
  const auto prepared = Prepared::open(path);
  const Dataset train(prepared->part(Part::kTrain));
  const double took = processor_time() - start;
  BOOST_TEST_MESSAGE("opened in " << 1e3 * took << " ms of processor time");
  BOOST_TEST(took < 0.25);  // it is about 0.012; reading and sealing 10 GB takes 5
  BOOST_TEST(train.size() == kSamples);
  // Seals and labels, which are mapped: 5 and 13 MB.
  BOOST_TEST(resident() - before < 32'000'000);
  // Its first block is not what its seal says: found when it is touched, not before.
  BOOST_CHECK_THROW(train.bytes(0), UserError);
}

BOOST_AUTO_TEST_CASE(damage_of_any_byte_is_found) {
  const TemporaryFolder folder;
  for (const std::string& path : {write_small(folder), write_sparse(folder)}) {
    const std::string sound = file_bytes(path);
    BOOST_TEST(fault(path) == "no fault");
    std::size_t padding = 0;
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      const auto put = [&](std::size_t at, char byte) {
        file.seekp(static_cast<std::streamoff>(at)).put(byte).flush();
      };
      for (std::size_t at = 0; at < sound.size(); at += at < 520 || at > 4090 ? 1 : 97) {
        put(at, static_cast<char>(sound[at] ^ 0x41));
        if (fault(path) == "no fault") {
          BOOST_TEST(sound[at] == 0);  // between sections, where nothing lies
          ++padding;
        }
        put(at, sound[at]);
      }
    }
    BOOST_TEST(padding > 0);
    BOOST_TEST(fault(path) == "no fault");
    psctl::test::write_file(path, sound + '\0');
    check_begins(fault(path), fmt::format("byte {}: expected {} bytes, found more", sound.size(), sound.size()));
    for (std::size_t length = sound.size(); length-- > 0;) {
      if (length >= 20 && length <= 4090 && length % 101 != 0) continue;
      fs::resize_file(path, length);
      BOOST_TEST(fault(path) != "no fault");
    }
  }
}

BOOST_AUTO_TEST_CASE(messages_name_the_place_and_what_was_expected) {
  const TemporaryFolder folder;
  const std::string path = write_small(folder), sound = file_bytes(path);
  psctl::test::write_file(path, "");
  check_begins(fault(path), "byte 0: expected 'psctlset' (a data set prepared by psctl), found nothing");
  psctl::test::write_file(path, "label,a,b\n");
  check_begins(fault(path),
               "byte 0: expected 'psctlset' (a data set prepared by psctl), found 6c 61 62 65 6c 2c 61 2c");
  psctl::test::write_file(path, sound.substr(0, 100));
  check_begins(fault(path), "byte 100: expected a header of 4096 bytes, the file ends");
  psctl::test::write_file(path, sound.substr(0, 4100));
  check_begins(fault(path), fmt::format("byte 4100: expected {} bytes, the file ends", sound.size()));
  std::string damaged = sound;
  damaged[4097] ^= 1;
  psctl::test::write_file(path, damaged);
  check_begins(fault(path), "byte 4096: expected a block of rows of 9 bytes with SHA-256 ");
  psctl::test::write_file(path, sound);
  forge(path, [](PreparedHeader& header) { header.version = 1; });
  check_begins(fault(path), "byte 8: expected version 3, found 1; import the data anew with this psctl");
  BOOST_TEST(fault(write_small(folder)) == "no fault");
  try {
    Prepared::open(folder.file("nothing"));
    BOOST_TEST(false);
  } catch (const UserError& error) {
    BOOST_TEST(error.what() == folder.file("nothing") + ": cannot be opened: No such file or directory");
  }
  BOOST_CHECK_THROW(Prepared::open(folder.path()), UserError);
}

BOOST_AUTO_TEST_CASE(every_number_of_a_forged_header_is_checked) {
  const TemporaryFolder folder;
  const auto forged = [&](const std::function<void(PreparedHeader&)>& change, bool sparse = false) {
    const std::string path = sparse ? write_sparse(folder) : write_small(folder);
    forge(path, change);
    return fault(path);
  };
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  BOOST_TEST(forged([](PreparedHeader&) {}) == "no fault");
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{1} << 32, kHuge, kHuge / 3}) {
    for (const bool sparse : {false, true}) {
      BOOST_TEST(forged([&](auto& header) { header.channels = number; }, sparse) != "no fault");
      BOOST_TEST(forged([&](auto& header) { header.height = number; }, sparse) != "no fault");
      BOOST_TEST(forged([&](auto& header) { header.width = number; }, sparse) != "no fault");
      BOOST_TEST(forged([&](auto& header) { header.parts[0].samples = number; }, sparse) != "no fault");
      BOOST_TEST(forged([&](auto& header) { header.parts[1].samples = number > 0 ? number : 1; }, sparse) !=
                 "no fault");
      BOOST_TEST(forged([&](auto& header) { header.parts[0].entries = number > 0 ? number : 1; }, sparse) !=
                 "no fault");
      BOOST_TEST(forged([&](auto& header) { header.name_bytes = number > 0 ? number : 1; }, sparse) != "no fault");
      BOOST_TEST(forged([&](auto& header) { header.note_bytes = number > 0 ? number : 1; }, sparse) != "no fault");
      BOOST_TEST(forged([&](auto& header) { header.statistics = number > 0 ? number : 1; }, sparse) != "no fault");
      BOOST_TEST(forged([&](auto& header) { header.file_bytes = number; }, sparse) != "no fault");
      if (number != 2) {
        BOOST_TEST(forged([&](auto& header) { header.classes = number; }, sparse) != "no fault");
      }
    }
  }
  check_begins(forged([](auto& header) { header.values = 2; }), "byte 48: expected 0 (bytes) or 1 (floats), found 2");
  check_begins(forged([](auto& header) { header.sparse = 1; }),
               "byte 52: expected 0 (dense), or 1 (sparse) with floats, found 1");
  check_begins(forged([](auto& header) { header.classes = 1; }), "byte 8512: expected 1 class names, found 2");
}

BOOST_AUTO_TEST_CASE(forged_rows_labels_and_starts_are_refused_though_their_seals_hold) {
  const TemporaryFolder folder;
  // Writes `number` at a place of the file and seals everything again.
  const auto forged = [&](const std::string& path, auto place, auto number) {
    std::string bytes = file_bytes(path);
    PreparedHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    const Layout layout = *lay_out(header);
    std::memcpy(bytes.data() + place(layout), &number, sizeof number);
    for (std::size_t part = 0; part < kParts; ++part) {
      const auto seal = [&](const Section& section) { return seal_of(bytes.data() + section.offset, section.bytes); };
      if (layout.rows[part].bytes > 0) {
        const Sha256Bytes block = seal(layout.rows[part]);
        std::memcpy(bytes.data() + layout.seals[part].offset, block.data(), block.size());
      }
      header.parts[part] = {.samples = header.parts[part].samples,
                            .entries = header.parts[part].entries,
                            .rows_seal = seal(layout.seals[part]),
                            .row_starts_seal = seal(layout.row_starts[part]),
                            .labels_seal = seal(layout.labels[part])};
    }
    header.seal = header_seal(header);
    std::memcpy(bytes.data(), &header, sizeof header);
    psctl::test::write_file(path, bytes);
    return fault(path);
  };
  const auto rows = [](const Layout& layout) { return layout.rows[0].offset; };
  const auto labels = [](const Layout& layout) { return layout.labels[0].offset + 4; };
  BOOST_TEST(forged(write_small(folder), rows, std::uint8_t{77}) == "no fault");
  BOOST_TEST(forged(write_small(folder), labels, std::uint32_t{2}).ends_with("expected a label from 0 to 1, found 2"));
  for (const std::uint32_t index : {5U, ~0U}) {
    BOOST_TEST(forged(write_sparse(folder), rows, index) ==
               fmt::format("byte 4096: expected a finite value of a feature below 5, found 2 of feature {}", index));
  }
  check_begins(forged(
                   write_sparse(folder), [&](const Layout& layout) { return rows(layout) + 12; }, kMissing),
               "byte 4104: expected a finite value of a feature below 5, found nan");
  BOOST_TEST(forged(write_sparse(folder), rows, std::uint32_t{3}) == "byte 4104: expected a feature above 3, found 3");
  const auto start = [](std::size_t row) {
    return [row](const Layout& layout) { return layout.row_starts[0].offset + 8 * row; };
  };
  BOOST_TEST(forged(write_sparse(folder), start(0), std::uint64_t{1}).ends_with("a row start from 0 to 0, found 1"));
  BOOST_TEST(forged(write_sparse(folder), start(1), std::uint64_t{4}).ends_with("a row start from 0 to 3, found 4"));
  BOOST_TEST(forged(write_sparse(folder), start(2), std::uint64_t{1}).ends_with("a row start from 2 to 3, found 1"));
  BOOST_TEST(forged(write_sparse(folder), start(3), std::uint64_t{2}).ends_with("a row start from 3 to 3, found 2"));
}

BOOST_AUTO_TEST_SUITE_END()
