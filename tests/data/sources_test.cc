#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <numeric>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "data/dataset.h"
#include "data/idx_bytes.h"
#include "data/import.h"
#include "data/load.h"
#include "data/prepare.h"
#include "data/prepared.h"
#include "data/source.h"
#include "support/batches.h"

using namespace psctl;
using namespace psctl::data;
using psctl::test::batch_of;
using psctl::test::values_of;
using namespace psctl::data::test;

namespace {

constexpr const char* kFolderAdvice =
    "; a data folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, each plain or with .gz";

// `train` images of 2 x 2 whose four values are their number, labelled by turns 0, 1, 2; 3 test images.
void write_small_set(const TemporaryFolder& folder, std::uint32_t train = 12) {
  Bytes images, labels;
  for (std::uint32_t i = 0; i < train; ++i) {
    images.insert(images.end(), 4, static_cast<std::uint8_t>(i));
    labels.push_back(static_cast<std::uint8_t>(i % 3));
  }
  folder.write("train-images-idx3-ubyte", idx({train, 2, 2}, images));
  folder.write("train-labels-idx1-ubyte.gz", gzip(idx({train}, labels)));
  folder.write("t10k-images-idx3-ubyte.gz", gzip(idx({3, 2, 2}, Bytes(12, 100))));
  folder.write("t10k-labels-idx1-ubyte", idx({3}, {2, 1, 0}));
}

DataConfig config_for(const std::string& source) {
  DataConfig config;
  config.source = {source};
  config.normalize.kind = Normalize::kNone;
  return config;
}

Splits load(const DataConfig& config, std::uint64_t seed) {
  return data::load(config, *prepare(config).prepared, seed);
}

std::string loading(const DataConfig& config) {
  try {
    load(config, 1);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

// The number that write_small_set wrote into the sample's pixels.
std::vector<std::uint32_t> numbers(const Dataset& dataset) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < dataset.size(); ++i) all.push_back(dataset.bytes(i)[0]);
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets)

BOOST_AUTO_TEST_CASE(gather_writes_the_samples_asked_for_in_that_order_transformed) {
  Dataset dataset({.channels = 1, .height = 1, .width = 3}, 2, {0, 1, 2, 10, 20, 30, 253, 254, 255}, {0, 1, 0});
  const std::vector<std::uint32_t> samples{2, 0, 2};
  std::vector<float> out(10, -1);
  batch_of(dataset, samples).write_values(0, 3, out.data());
  BOOST_TEST(out == (std::vector<float>{253, 254, 255, 0, 1, 2, 253, 254, 255, -1}), boost::test_tools::per_element());
  dataset.set_transform({.scale = 0.5F, .shift = -1});
  const Batch batch = batch_of(dataset, samples);
  BOOST_TEST(batch.labels == (std::vector<std::uint32_t>{0, 0, 0}), boost::test_tools::per_element());
  std::ranges::fill(out, -2.0F);
  batch.write_values(1, 1, out.data());
  BOOST_TEST(std::span(out).first(4) == (std::vector<float>{-1, -0.5F, 0, -2}), boost::test_tools::per_element());
  BOOST_CHECK_THROW(batch.write_values(1, 3, out.data()), InternalError);
}

BOOST_AUTO_TEST_CASE(gather_rounds_the_product_and_then_the_sum_at_every_width) {
  for (std::size_t width : {1, 7, 15, 16, 17, 63, 64, 65, 784}) {
    std::vector<std::uint8_t> pixels(2 * width);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(37 * i + 11);
    Dataset dataset({.channels = 1, .height = 1, .width = width}, 1, pixels, {0, 0});
    const Affine transform{.scale = 0.0111084962F, .shift = -0.810257673F};
    dataset.set_transform(transform);
    std::vector<float> out(2 * width + 1, 7.0F);
    batch_of(dataset, std::vector<std::uint32_t>{0, 1}).write_values(0, 2, out.data());
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      const volatile float product = transform.scale * static_cast<float>(pixels[i]);
      const float expected = product + transform.shift;
      BOOST_REQUIRE_EQUAL(out[i], expected);
    }
    BOOST_REQUIRE_EQUAL(out.back(), 7.0F);
  }
}

BOOST_AUTO_TEST_CASE(a_sample_that_is_not_there_is_refused) {
  const Dataset dataset({.channels = 1, .height = 1, .width = 1}, 1, {5}, {0});
  Batch batch;
  BOOST_CHECK_THROW(dataset.gather(std::vector<std::uint32_t>{1}, batch), InternalError);
}

BOOST_AUTO_TEST_CASE(the_digest_covers_everything) {
  const Shape shape{.channels = 1, .height = 2, .width = 1};
  const std::vector<std::uint8_t> pixels{1, 2, 3, 4};
  const std::vector<std::uint32_t> labels{0, 1};
  const Dataset dataset(shape, 2, pixels, labels);
  std::set<std::string> digests{dataset.digest()};
  digests.insert(Dataset({.channels = 1, .height = 1, .width = 2}, 2, pixels, labels).digest());
  digests.insert(Dataset({.channels = 2, .height = 1, .width = 1}, 2, pixels, labels).digest());
  digests.insert(Dataset(shape, 3, pixels, labels).digest());
  digests.insert(Dataset(shape, 2, {1, 2, 3, 5}, labels).digest());
  digests.insert(Dataset(shape, 2, pixels, {1, 0}).digest());
  for (const Affine transform : {Affine{.scale = 2, .shift = 0}, Affine{.scale = 1, .shift = 1}}) {
    Dataset transformed = dataset;
    transformed.set_transform(transform);
    digests.insert(transformed.digest());
  }
  BOOST_TEST(digests.size() == 8);
  BOOST_TEST(Dataset(shape, 2, pixels, labels).digest() == dataset.digest());
}

BOOST_AUTO_TEST_CASE(floats_are_gathered_with_the_bits_that_bytes_have) {
  const std::vector<std::uint8_t> bytes{0, 1, 2, 253, 254, 255};
  Dataset of_bytes({.width = 3}, 2, bytes, {0, 1});
  Dataset of_floats(samples_of({.width = 3}, 2, std::vector<float>(bytes.begin(), bytes.end()), {0, 1}));
  const std::vector<std::uint32_t> samples{1, 0};
  for (const Affine transform : {Affine{}, Affine{.scale = 0.0111084962F, .shift = -0.810257673F}}) {
    of_bytes.set_transform(transform);
    of_floats.set_transform(transform);
    const std::vector<float> from_bytes = values_of(of_bytes, samples);
    const std::vector<float> from_floats = values_of(of_floats, samples);
    BOOST_TEST(from_bytes == from_floats, boost::test_tools::per_element());
    BOOST_TEST(from_bytes[0] == transform.scale * 253 + transform.shift);
  }
  BOOST_TEST(of_bytes.digest() != of_floats.digest());
}

BOOST_AUTO_TEST_CASE(sparse_samples_are_gathered_as_they_are_and_with_their_zeros) {
  Dataset dataset(samples_of(5, 2, {0, 2, 2, 3}, {{1, 2.0F}, {4, -1.0F}, {0, 7.0F}}, {1, 0, 1}));
  dataset.set_transform({.scale = 0.5F, .shift = 0});
  const std::vector<std::uint32_t> samples{2, 0, 1, 2};
  Batch batch;
  batch.entries.entries.resize(9);
  dataset.gather(samples, batch);
  BOOST_TEST(batch.entries.row_starts == (std::vector<std::uint32_t>{0, 1, 3, 3, 4}), boost::test_tools::per_element());
  BOOST_TEST((batch.entries.entries == std::vector<Entry>{{0, 3.5F}, {1, 1.0F}, {4, -0.5F}, {0, 3.5F}}));
  std::vector<float> dense(20, 9);
  batch.write_values(0, 4, dense.data());
  BOOST_TEST(dense == (std::vector<float>{3.5F, 0, 0, 0, 0, 0, 1, 0, 0, -0.5F, 0, 0, 0, 0, 0, 3.5F, 0, 0, 0, 0}),
             boost::test_tools::per_element());
  BOOST_CHECK_THROW(dataset.set_transform({.scale = 1, .shift = 1}), InternalError);
}

BOOST_AUTO_TEST_CASE(a_selection_shows_its_rows_in_its_order_and_has_the_digest_of_its_content) {
  const Dataset whole({.width = 2}, 3, {0, 1, 10, 11, 20, 21, 30, 31}, {0, 1, 2, 0});
  const Dataset selection = whole.select({3, 1, 2}).select({2, 0});
  BOOST_TEST(selection.labels() == (std::vector<std::uint32_t>{2, 0}), boost::test_tools::per_element());
  const std::vector<float> out = values_of(selection, std::vector<std::uint32_t>{0, 1});
  BOOST_TEST(out == (std::vector<float>{20, 21, 30, 31}), boost::test_tools::per_element());
  BOOST_TEST(selection.digest() == Dataset({.width = 2}, 3, {20, 21, 30, 31}, {2, 0}).digest());
  BOOST_TEST(whole.select({}).size() == 0);
  BOOST_CHECK_THROW(whole.select({4}), InternalError);

  const Dataset sparse(samples_of(4, 2, {0, 1, 3, 3}, {{0, 1.0F}, {1, 2.0F}, {3, 3.0F}}, {0, 1, 1}));
  BOOST_TEST(sparse.select({2, 1}).digest() ==
             Dataset(samples_of(4, 2, {0, 0, 2}, {{1, 2.0F}, {3, 3.0F}}, {1, 1})).digest());
  BOOST_TEST(sparse.select({1, 2}).digest() !=
             Dataset(samples_of(4, 2, {0, 1, 2}, {{1, 2.0F}, {3, 3.0F}}, {1, 1})).digest());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sources)

BOOST_AUTO_TEST_CASE(fashion_mnist_is_what_the_package_holds) {
  DataConfig config = config_for("fashion-mnist");
  const Splits splits = load(config, 1);
  BOOST_TEST(splits.train->size() == 60'000);
  BOOST_TEST(splits.test->size() == 10'000);
  BOOST_TEST(!splits.validation);
  BOOST_TEST((splits.train->shape() == Shape{.channels = 1, .height = 28, .width = 28}));
  BOOST_TEST((splits.test->shape() == splits.train->shape()));
  BOOST_TEST(splits.train->classes() == 10);
  std::map<std::uint32_t, int> counts;
  for (const std::uint32_t label : splits.train->labels()) ++counts[label];
  BOOST_TEST(counts.size() == 10);
  for (const auto& [label, count] : counts) BOOST_TEST(count == 6'000);
  BOOST_TEST(splits.train->digest() == "5f8ccc1dc18949d785bd85b5bab7b70dc714bec0075e302fab5779dc3982a9dc");
  BOOST_TEST(splits.test->digest() == "4a2787897b94fa85be19c3e3ddd3241550c8163436fc5b05d4c88a9ac30a8d05");
}

BOOST_AUTO_TEST_CASE(standard_normalisation_gives_the_training_part_mean_0_and_deviation_1) {
  DataConfig config = config_for("fashion-mnist");
  config.normalize.kind = Normalize::kStandard;
  config.train_limit = 2'000;
  const Splits splits = load(config, 3);
  std::vector<std::uint32_t> all(splits.train->size());
  std::iota(all.begin(), all.end(), 0U);
  const std::vector<float> values = values_of(*splits.train, all);
  double sum = 0, square = 0;
  for (const double value : values) sum += value, square += value * value;
  const auto count = static_cast<double>(values.size());
  BOOST_TEST(std::abs(sum / count) < 1e-5);
  BOOST_TEST(std::abs(square / count - 1) < 1e-5);
  BOOST_TEST(splits.test->transform().all.scale == splits.train->transform().all.scale);
  BOOST_TEST(splits.test->transform().all.shift == splits.train->transform().all.shift);
}

BOOST_AUTO_TEST_CASE(standard_normalisation_agrees_with_a_plain_sum) {
  const TemporaryFolder folder;
  write_small_set(folder);
  DataConfig config = config_for(folder.path().string());
  config.normalize.kind = Normalize::kStandard;
  const Affine transform = load(config, 1).train->transform().all;
  // Values 0 to 11, four times each: mean 5.5, variance (12 * 12 - 1) / 12.
  const double deviation = std::sqrt(143.0 / 12);
  BOOST_TEST(transform.scale == static_cast<float>(1 / deviation));
  BOOST_TEST(transform.shift == static_cast<float>(-5.5 / deviation));
}

BOOST_AUTO_TEST_CASE(unit_normalisation_maps_the_ends_to_0_and_1) {
  const TemporaryFolder folder;
  write_small_set(folder);
  folder.write("train-images-idx3-ubyte", idx({2, 2, 2}, {0, 255, 0, 0, 0, 0, 0, 0}));
  folder.write("train-labels-idx1-ubyte.gz", gzip(idx({2}, {0, 2})));
  DataConfig config = config_for(folder.path().string());
  config.normalize.kind = Normalize::kUnit;
  const std::vector<float> out = values_of(*load(config, 1).train, std::vector<std::uint32_t>{0});
  BOOST_TEST(out[0] == 0.0F);
  BOOST_TEST(out[1] == 1.0F);
}

BOOST_AUTO_TEST_CASE(standard_normalisation_of_values_that_are_all_equal_is_refused) {
  const TemporaryFolder folder;
  write_small_set(folder);
  folder.write("train-images-idx3-ubyte", idx({12, 2, 2}, Bytes(48, 9)));
  DataConfig config = config_for(folder.path().string());
  config.normalize.kind = Normalize::kStandard;
  BOOST_TEST(
      loading(config) ==
      fmt::format("data.normalize: standard needs values that differ, every value of the training part of {} is 9; "
                  "use unit or none",
                  folder.path().string()));
}

BOOST_AUTO_TEST_CASE(a_folder_may_mix_plain_and_packed_files) {
  const TemporaryFolder folder;
  write_small_set(folder);
  const DataConfig config = config_for(folder.path().string());
  const Splits splits = load(config, 1);
  BOOST_TEST(splits.train->size() == 12);
  BOOST_TEST(splits.train->classes() == 3);
  BOOST_TEST((splits.train->shape() == Shape{.channels = 1, .height = 2, .width = 2}));
  BOOST_TEST(numbers(*splits.train) == (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}),
             boost::test_tools::per_element());
  BOOST_TEST(splits.test->labels()[0] == 2);
}

BOOST_AUTO_TEST_CASE(limit_and_validation_part_the_training_set_and_are_keyed_by_the_seed) {
  const TemporaryFolder folder;
  write_small_set(folder, 200);
  DataConfig config = config_for(folder.path().string());
  config.train_limit = 100;
  config.validation.count = 30;
  const Splits splits = load(config, 1);
  const auto train = numbers(*splits.train), validation = numbers(*splits.validation);
  BOOST_TEST(train.size() == 70);
  BOOST_TEST(validation.size() == 30);
  std::set<std::uint32_t> all(train.begin(), train.end());
  all.insert(validation.begin(), validation.end());
  BOOST_TEST(all.size() == 100);
  BOOST_TEST(std::ranges::is_sorted(train));
  for (const auto& part : {splits.train, splits.validation}) {
    for (std::uint32_t i = 0; i < part->size(); ++i) BOOST_TEST(part->labels()[i] == part->bytes(i)[0] % 3U);
  }
  BOOST_TEST((numbers(*load(config, 1).train) == train));
  BOOST_TEST((numbers(*load(config, 2).train) != train));
  config.validation.count = 0;
  const auto limited = numbers(*load(config, 1).train);
  BOOST_TEST((std::set<std::uint32_t>(limited.begin(), limited.end()) == all));
  BOOST_TEST(splits.test->size() == 3);
}

BOOST_AUTO_TEST_CASE(limits_beyond_the_set_are_refused_with_the_numbers) {
  const TemporaryFolder folder;
  write_small_set(folder);
  DataConfig config = config_for(folder.path().string());
  config.train_limit = 12;
  BOOST_TEST(loading(config) == "no fault");
  config.train_limit = 13;
  BOOST_TEST(loading(config) ==
             fmt::format("data.train_limit: expected at most 12, the training samples of {}, found 13",
                         folder.path().string()));
  config.train_limit = 0;
  config.validation.count = 11;
  BOOST_TEST(loading(config) == "no fault");
  config.validation.count = 12;
  BOOST_TEST(loading(config) ==
             fmt::format("data.validation: expected less than 12, the training samples of {}, found 12",
                         folder.path().string()));
  config.train_limit = 5;
  config.validation.count = 5;
  BOOST_TEST(loading(config) ==
             "data.validation: expected less than 5, the training samples that data.train_limit leaves, found 5");
}

BOOST_AUTO_TEST_CASE(a_known_name_is_what_was_fetched_and_else_tells_how_to_get_it) {
  const TemporaryFolder folder;
  ::setenv("PSCTL_DATA", folder.path().c_str(), 1);
  BOOST_TEST(loading(config_for("mnist")) == "mnist is not on this machine; to get it: psctl data fetch mnist");
  write_small_set(folder);
  const std::string fetched = folder.file("mnist.psctl");
  PreparedWriter writer(fetched, Missing::kRefuse);
  const std::array inputs{Input{folder.path(), Part::kTrain, {}}};
  import_data(kIdxImporter, inputs, {}, writer);
  BOOST_TEST(path_of_source("mnist") == fetched);
  BOOST_TEST(load(config_for("mnist"), 1).train->size() == 12U);
  folder.write("fashion-mnist.psctl", {1});
  BOOST_TEST(path_of_source("fashion-mnist") == folder.file("fashion-mnist.psctl"));
  ::unsetenv("PSCTL_DATA");
  BOOST_TEST(path_of_source("fashion-mnist") == "/usr/share/datasets/fashion-mnist");
}

BOOST_AUTO_TEST_CASE(a_source_that_is_not_there_is_told_with_what_there_is) {
  BOOST_TEST(loading({}) == "data.source: expected a known data set, a file or a folder, found nothing");
  BOOST_TEST(loading(config_for("fashion_mnist")) ==
             std::string("data.source: 'fashion_mnist' is neither a known data set (mnist, fashion-mnist, cifar-10, "
                         "a9a, rcv1 and covtype) nor a file or folder (did you "
                         "mean 'fashion-mnist'?)") +
                 kFolderAdvice);
  BOOST_TEST(loading(config_for("/nowhere/at/all")) ==
             std::string("data.source: '/nowhere/at/all' is neither a known data set (mnist, fashion-mnist, cifar-10, "
                         "a9a, rcv1 and covtype) nor a file or folder") +
                 kFolderAdvice);
  const TemporaryFolder folder;
  const std::string empty = folder.path().string();
  BOOST_TEST(loading(config_for(empty)) ==
             "data.source: " + empty + ": holds no data set that psctl reads" + kFolderAdvice);
  folder.write("file", {1});
  BOOST_TEST(loading(config_for(folder.file("file"))) ==
             "data.source: " + folder.file("file") +
                 ": expected data as idx, numpy, cifar10, cifar100, libsvm or csv; its content is of none of these for "
                 "certain: say which it is, if it is one of them (--format, data.import.format)");
}

BOOST_AUTO_TEST_CASE(a_file_of_another_kind_is_told_as_that) {
  const TemporaryFolder folder;
  const auto found = [&](const std::string& begin) {
    folder.write("file", Bytes(begin.begin(), begin.end()));
    const std::string fault = loading(config_for(folder.file("file")));
    return fault.substr(fault.rfind("; found ") + 8);
  };
  BOOST_TEST(found("\x80\x04\x95 and more") == "a Python pickle; save its arrays with numpy.savez");
  BOOST_TEST(found("\x89HDF\r\n\x1a\n") == "HDF5; save its arrays with numpy.savez");
  BOOST_TEST(found("@relation iris\n@attribute a numeric\n") == "ARFF; write its data as CSV");
}

BOOST_AUTO_TEST_CASE(text_whose_name_says_another_format_than_its_content_is_asked_for_its_format) {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::string& text) {
    folder.write(name, Bytes(text.begin(), text.end()));
    return config_for(folder.file(name));
  };
  const std::string sparse = "1,2 3:4 5:1\n0,5 1:1\n1,2 3:4\n", columns = "1,2,0\n2,3,1\n";
  BOOST_TEST(loading(write("a.csv", sparse)) ==
             "data.source: " + folder.file("a.csv") +
                 ": its name says csv, its content looks like libsvm; say which of them it is (--format, "
                 "data.import.format)");
  BOOST_TEST(loading(write("a.svm", columns)) ==
             "data.source: " + folder.file("a.svm") +
                 ": its name says libsvm, its content looks like csv; say which of them it is (--format, "
                 "data.import.format)");
  // What the user says is done.
  DataConfig config = write("a.csv", "0 1:1\n1 2:1\n");
  config.import.format = "libsvm";
  config.test.count = 1;
  BOOST_TEST(loading(config) == "no fault");
  for (const char* name : {"a.svm", "a.txt", "a"}) {
    BOOST_TEST(loading(write(name, sparse)) == folder.file(name) +
                                                   ": line 1, column 1: expected one number as the label, found "
                                                   "several, '1,2'; a sample has one class in psctl");
  }
}

BOOST_AUTO_TEST_CASE(a_file_that_is_empty_or_packed_is_told_as_that_and_not_asked_for_its_format) {
  const TemporaryFolder folder;
  folder.write("empty", {});
  folder.write("text.gz", gzip({'a', ',', 'b', '\n', '1', ',', '2', '\n'}));
  folder.write("text.bz2", {'B', 'Z', 'h', '9', 0x31});
  folder.write("text.xz", {0xFD, '7', 'z', 'X', 'Z', 0});
  for (const auto& [name, found] :
       {std::pair("empty", "an empty file"), std::pair("text.gz", "a file packed with gzip: unpack it first"),
        std::pair("text.bz2", "a file packed with bzip2: unpack it first"),
        std::pair("text.xz", "a file packed with xz: unpack it first")}) {
    BOOST_TEST(loading(config_for(folder.file(name))) ==
               fmt::format("data.source: {}: expected data as idx, numpy, cifar10, cifar100, libsvm or csv; found {}",
                           folder.file(name), found));
  }
}

BOOST_AUTO_TEST_CASE(a_folder_that_may_not_be_entered_is_told_with_the_reason) {
  const TemporaryFolder folder;
  write_small_set(folder);
  BOOST_REQUIRE(chmod(folder.path().c_str(), 0644) == 0);
  const bool root = geteuid() == 0;  // which no permission stops
  if (root) BOOST_REQUIRE(seteuid(65534) == 0);
  const std::string found = loading(config_for(folder.path().string()));
  if (root) BOOST_REQUIRE(seteuid(0) == 0);
  BOOST_REQUIRE(chmod(folder.path().c_str(), 0700) == 0);
  BOOST_TEST(found == "data.source: " + folder.path().string() + ": cannot be read: Permission denied");
}

BOOST_AUTO_TEST_CASE(the_files_of_a_folder_may_have_a_point_in_their_names) {
  const TemporaryFolder plain, pointed;
  write_small_set(plain);
  write_small_set(pointed);
  const auto rename = [&](const char* from, const char* to) {
    std::filesystem::rename(pointed.path() / from, pointed.path() / to);
  };
  rename("train-images-idx3-ubyte", "train-images.idx3-ubyte");
  rename("train-labels-idx1-ubyte.gz", "train-labels.idx1-ubyte.gz");
  rename("t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte");
  BOOST_TEST(load(config_for(pointed.path()), 1).train->digest() == load(config_for(plain.path()), 1).train->digest());
  pointed.write("train-images-idx3-ubyte", {1});
  BOOST_TEST(
      loading(config_for(pointed.path())).find("both train-images-idx3-ubyte and train-images.idx3-ubyte are there") !=
      std::string::npos);
}

BOOST_AUTO_TEST_CASE(missing_and_doubled_files_of_a_folder_are_named) {
  const TemporaryFolder folder;
  write_small_set(folder);
  const std::string source = folder.path().string();
  std::filesystem::copy(folder.path() / "train-images-idx3-ubyte", folder.path() / "train-images-idx3-ubyte.gz");
  BOOST_TEST(loading(config_for(source)) ==
             source + ": both train-images-idx3-ubyte and train-images-idx3-ubyte.gz are there; remove one of them" +
                 kFolderAdvice);
  std::filesystem::remove(folder.path() / "train-images-idx3-ubyte.gz");
  std::filesystem::remove(folder.path() / "train-images-idx3-ubyte");
  std::filesystem::remove(folder.path() / "t10k-labels-idx1-ubyte");
  BOOST_TEST(loading(config_for(source)) ==
             source + ": missing: train-images-idx3-ubyte and t10k-labels-idx1-ubyte (plain or with .gz)" +
                 kFolderAdvice);
}

BOOST_AUTO_TEST_CASE(files_that_disagree_are_told_with_both_names) {
  const TemporaryFolder folder;
  write_small_set(folder);
  const DataConfig config = config_for(folder.path().string());
  folder.write("t10k-labels-idx1-ubyte", idx({4}, {0, 1, 2, 0}));
  BOOST_TEST(loading(config) == fmt::format("{}: byte 4: expected 3 labels, one for each image of {}, found 4{}",
                                            folder.file("t10k-labels-idx1-ubyte"),
                                            folder.file("t10k-images-idx3-ubyte.gz"), kFolderAdvice));
  write_small_set(folder);
  folder.write("t10k-images-idx3-ubyte.gz", gzip(idx({3, 2, 3}, Bytes(18))));
  BOOST_TEST(loading(config) == fmt::format("{}: byte 12: expected images of 2 x 2 as in {}, found 2 x 3{}",
                                            folder.file("t10k-images-idx3-ubyte.gz"),
                                            folder.file("train-images-idx3-ubyte"), kFolderAdvice));
}

BOOST_AUTO_TEST_CASE(labels_out_of_range_are_told_with_their_place) {
  const TemporaryFolder folder;
  write_small_set(folder);
  const DataConfig config = config_for(folder.path().string());
  folder.write("t10k-labels-idx1-ubyte", idx({3}, {2, 1, 3}));
  BOOST_TEST(loading(config) == fmt::format("{}: byte 10: expected a label from 0 to 2 as in {}, found 3{}",
                                            folder.file("t10k-labels-idx1-ubyte"),
                                            folder.file("train-labels-idx1-ubyte.gz"), kFolderAdvice));
  folder.write("train-labels-idx1-ubyte.gz", gzip(idx({12}, Bytes(12))));
  BOOST_TEST(loading(config) == fmt::format("{}: expected at least two classes, found 0 as every label{}",
                                            folder.file("train-labels-idx1-ubyte.gz"), kFolderAdvice));
}

BOOST_AUTO_TEST_CASE(damage_is_told_with_file_offset_and_the_way_to_sound_data) {
  const TemporaryFolder folder;
  write_small_set(folder);
  const DataConfig config = config_for(folder.path().string());
  folder.write("train-labels-idx1-ubyte.gz", {'<', 'h', 't', 'm', 'l'});
  BOOST_TEST(loading(config) == fmt::format("{}: byte 0: expected 1f 8b (gzip, as the name ends in .gz), found 3c 68{}",
                                            folder.file("train-labels-idx1-ubyte.gz"), kFolderAdvice));
  write_small_set(folder);
  std::filesystem::remove(folder.path() / "train-images-idx3-ubyte");
  std::filesystem::create_directory(folder.path() / "train-images-idx3-ubyte");
  BOOST_TEST(loading(config) == fmt::format("{}: expected a regular file, found a folder{}",
                                            folder.file("train-images-idx3-ubyte"), kFolderAdvice));
}

BOOST_AUTO_TEST_CASE(an_imported_set_is_the_set_it_was_made_of_to_the_last_bit) {
  const TemporaryFolder folder;
  write_small_set(folder, 200);
  const std::array inputs{Input{.path = folder.path(), .part = Part::kTrain, .labels = {}}};
  PreparedWriter writer(folder.file("prepared"), Missing::kRefuse);
  import_data(importer_for(inputs), inputs, {}, writer);
  for (const Normalize normalize : {Normalize::kNone, Normalize::kUnit, Normalize::kStandard}) {
    for (const std::size_t limit : {0, 100}) {
      DataConfig config = config_for(folder.path().string());
      config.normalize.kind = normalize;
      config.train_limit = limit;
      config.validation.count = limit / 5;
      const Splits from_idx = load(config, 4);
      config.source = {folder.file("prepared")};
      const Splits prepared = load(config, 4);
      BOOST_TEST(prepared.train->digest() == from_idx.train->digest());
      BOOST_TEST(prepared.test->digest() == from_idx.test->digest());
      BOOST_TEST(!prepared.validation == !from_idx.validation);
      if (limit > 0) BOOST_TEST(prepared.validation->digest() == from_idx.validation->digest());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_file_without_a_test_part_is_refused_with_the_way_to_one) {
  const TemporaryFolder folder;
  psctl::test::write_file(folder.file("a.svm"), "1 1:0.5 3:1\n-1 2:2\n1 1:1\n");
  BOOST_TEST(
      loading(config_for(folder.file("a.svm"))) ==
      "data.test: " + folder.file("a.svm") +
          " brings no test part; name a file of test samples, or give the number of training samples to take out "
          "for it");
}

BOOST_AUTO_TEST_CASE(floats_are_standardised_by_their_own_mean_and_deviation_and_sparse_ones_keep_their_zeros) {
  const TemporaryFolder folder;
  const auto prepare = [&](const std::string& name, const std::string& text) {
    psctl::test::write_file(folder.file(name), text);
    const std::array inputs{Input{.path = folder.file(name), .part = Part::kTrain, .labels = {}},
                            Input{.path = folder.file(name), .part = Part::kTest, .labels = {}}};
    PreparedWriter writer(folder.file(name + ".psctl"), Missing::kRefuse);
    import_data(importer_for(inputs), inputs, {}, writer);
    DataConfig config = config_for(folder.file(name + ".psctl"));
    config.normalize.kind = Normalize::kStandard;
    return config;
  };
  DataConfig dense = prepare("a.csv", "x,y,label\n0.5,-2,a\n1.5,4,b\n1000000.25,7,a\n");
  const std::vector<double> values{0.5, -2, 1.5, 4, 1000000.25, 7};
  double mean = 0, spread = 0;
  for (const double value : values) mean += value / 6;
  for (const double value : values) spread += (value - mean) * (value - mean) / 6;
  const Affine transform = load(dense, 1).train->transform().all;
  BOOST_TEST(std::abs(transform.scale * std::sqrt(spread) - 1) < 1e-6);
  BOOST_TEST(std::abs(transform.shift * std::sqrt(spread) / mean + 1) < 1e-6);
  dense.normalize.kind = Normalize::kUnit;
  const Splits unit = load(dense, 1);
  BOOST_TEST(std::abs(values_of(*unit.train, std::vector<std::uint32_t>{2})[0] - 1) < 1e-6);
  BOOST_TEST(std::abs(values_of(*unit.train, std::vector<std::uint32_t>{0})[1]) < 1e-6);

  DataConfig sparse = prepare("a.svm", "1 1:0.5 3:1\n-1 2:-4\n1 1:1\n");
  BOOST_TEST(loading(sparse) == "data.normalize: standard would fill in the zeros of " + sparse.source.front() +
                                    ", which is sparse; use unit, max_abs or none");
  sparse.normalize.kind = Normalize::kUnit;
  BOOST_TEST(load(sparse, 1).train->transform().all.scale == 0.25F);
  BOOST_TEST(load(sparse, 1).train->transform().all.shift == 0.0F);
}

BOOST_AUTO_TEST_CASE(without_a_word_dense_samples_are_standardised_and_sparse_ones_scaled_into_minus_one_to_one) {
  const TemporaryFolder folder;
  const auto loaded = [&](const std::string& name, const std::string& text, Normalize normalize) {
    psctl::test::write_file(folder.file(name), text);
    const std::array inputs{Input{.path = folder.file(name), .part = Part::kTrain, .labels = {}},
                            Input{.path = folder.file(name), .part = Part::kTest, .labels = {}}};
    PreparedWriter writer(folder.file(name + ".psctl"), Missing::kRefuse);
    import_data(importer_for(inputs), inputs, {}, writer);
    DataConfig config = config_for(folder.file(name + ".psctl"));
    config.normalize.kind = normalize;
    return load(config, 1).train->digest();
  };
  const std::string csv = "x,y,label\n0.5,-2,a\n1.5,4,b\n", libsvm = "1 1:0.5 3:1\n-1 2:-4\n";
  BOOST_TEST(loaded("a.csv", csv, Normalize::kAuto) == loaded("a.csv", csv, Normalize::kStandard));
  BOOST_TEST(loaded("a.svm", libsvm, Normalize::kAuto) == loaded("a.svm", libsvm, Normalize::kUnit));
  BOOST_TEST(loaded("a.svm", libsvm, Normalize::kAuto) != loaded("a.svm", libsvm, Normalize::kNone));
  // More features than statistics are kept of.
  const std::string wide = "1 1:0.5 5000000:1\n-1 2:-4\n";
  BOOST_TEST(loaded("b.svm", wide, Normalize::kAuto) == loaded("b.svm", wide, Normalize::kNone));
}

BOOST_AUTO_TEST_SUITE_END()
