#include <array>
#include <boost/test/unit_test.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "data/dataset.h"
#include "data/idx_bytes.h"
#include "data/import.h"
#include "data/prepared.h"

using namespace psctl;
using namespace psctl::data;
using namespace psctl::data::test;

namespace {

// Records as the makers of CIFAR describe them: labels, then 1024 bytes of red, of green, of blue.
Bytes batch(const std::vector<Bytes>& labels, std::uint8_t first) {
  Bytes bytes;
  for (const Bytes& each : labels) {
    bytes.insert(bytes.end(), each.begin(), each.end());
    for (int i = 0; i < 3072; ++i) bytes.push_back(static_cast<std::uint8_t>(first + i / 1024));
    ++first;
  }
  return bytes;
}

std::shared_ptr<const Prepared> imported(const std::vector<Input>& inputs, const std::string& format = {}) {
  const auto writer = PreparedWriter::in_memory("here", Missing::kRefuse);
  import_data(importer_for(inputs, format), inputs, {}, *writer);
  return writer->open();
}

std::string fault(const std::string& path, const std::string& format) {
  try {
    imported({{path, Part::kTrain, {}}}, format);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cifar)

BOOST_AUTO_TEST_CASE(the_folder_of_cifar_10_is_read_in_the_order_of_its_batches) {
  const TemporaryFolder folder;
  for (std::uint8_t i = 1; i <= 5; ++i) {
    folder.write(fmt::format("data_batch_{}.bin", i), batch({{i}, {0}}, static_cast<std::uint8_t>(10 * i)));
  }
  folder.write("test_batch.bin", batch({{9}}, 200));
  psctl::test::write_file(folder.file("batches.meta.txt"),
                          "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  const std::vector<Input> inputs{{folder.path(), Part::kTrain, {}}};
  BOOST_TEST(std::string(importer_for(inputs).name) == "cifar10");
  const auto prepared = imported(inputs);
  BOOST_TEST((prepared->description().shape == Shape{.channels = 3, .height = 32, .width = 32}));
  BOOST_TEST(prepared->class_names()[3] == "cat");
  const Dataset train(prepared->part(Part::kTrain)), test(prepared->part(Part::kTest));
  BOOST_TEST(train.labels() == (std::vector<std::uint32_t>{1, 0, 2, 0, 3, 0, 4, 0, 5, 0}),
             boost::test_tools::per_element());
  BOOST_TEST(train.bytes(3)[0] == 21);
  BOOST_TEST(train.bytes(3)[1023] == 21);
  BOOST_TEST(train.bytes(3)[1024] == 22);
  BOOST_TEST(train.bytes(3)[3071] == 23);
  BOOST_TEST(test.size() == 1);
  BOOST_TEST(test.labels()[0] == 9);
}

BOOST_AUTO_TEST_CASE(cifar_100_takes_the_fine_label) {
  const TemporaryFolder folder;
  folder.write("train.bin", batch({{3, 77}, {19, 99}}, 1));
  folder.write("test.bin", batch({{0, 0}}, 5));
  const std::vector<Input> inputs{{folder.file("train.bin"), Part::kTrain, {}},
                                  {folder.file("test.bin"), Part::kTest, {}}};
  BOOST_TEST(std::string(importer_for(inputs).name) == "cifar100");
  const auto prepared = imported(inputs);
  BOOST_TEST(prepared->classes() == 100);
  BOOST_TEST(prepared->class_names()[42] == "42");
  const Dataset train(prepared->part(Part::kTrain));
  BOOST_TEST(train.labels() == (std::vector<std::uint32_t>{77, 99}), boost::test_tools::per_element());
  BOOST_TEST(train.bytes(1)[0] == 2);
  BOOST_TEST(imported({{folder.path(), Part::kTrain, {}}})->size(Part::kTest) == 1);
}

BOOST_AUTO_TEST_CASE(the_version_for_python_is_told_from_the_binary_one) {
  const TemporaryFolder folder;
  const Bytes pickle{0x80, 0x02, '}', 'q'};
  folder.write("data_batch_1", pickle);
  const std::string found =
      ": expected the binary version of CIFAR-10, found the one for Python, pickles; get "
      "cifar-10-binary.tar.gz, or: psctl data fetch cifar-10";
  BOOST_TEST(fault(folder.path(), "") == folder.path().string() + found);
  BOOST_TEST(fault(folder.file("data_batch_1"), "") == folder.file("data_batch_1") + found);
  const TemporaryFolder hundred;
  hundred.write("train", pickle);
  BOOST_TEST(fault(hundred.path(), "") == hundred.path().string() +
                                              ": expected the binary version of CIFAR-100, found the one for Python, "
                                              "pickles; get cifar-100-binary.tar.gz");
  hundred.write("train", {'1', ',', '2', '\n', '3', ',', '4', '\n'});
  BOOST_TEST(std::string(importer_for(std::vector<Input>{{hundred.file("train"), Part::kTrain, {}}}).name) == "csv");
}

BOOST_AUTO_TEST_CASE(broken_batches_are_told_with_the_byte) {
  const TemporaryFolder folder;
  const std::string path = folder.file("b.bin");
  folder.write("b.bin", batch({{1}, {10}}, 1));
  BOOST_TEST(fault(path, "cifar10") == path + ": byte 3073: expected a label from 0 to 9, found 10");
  Bytes cut = batch({{1}, {2}}, 1);
  cut.pop_back();
  folder.write("b.bin", cut);
  BOOST_TEST(fault(path, "cifar10") == path + ": byte 6145: expected records of 3073 bytes, the last one has 3072");
  folder.write("b.bin", {});
  BOOST_TEST(fault(path, "cifar10") == path + ": byte 0: expected images, found nothing");
  folder.write("b.bin", batch({{20, 1}}, 1));
  BOOST_TEST(fault(path, "cifar100") == path + ": byte 0: expected a coarse label from 0 to 19, found 20");
  folder.write("b.bin", batch({{1, 100}}, 1));
  BOOST_TEST(fault(path, "cifar100") == path + ": byte 1: expected a label from 0 to 99, found 100");
  folder.write("b.bin", batch({{1}}, 1));
  psctl::test::write_file(folder.file("batches.meta.txt"), "airplane\nbird\n");
  BOOST_TEST(fault(path, "cifar10") == folder.file("batches.meta.txt") + ": line 3: expected 10 class names, found 2");
  BOOST_TEST(
      fault(path, "cifar") ==
      "expected a format, idx, numpy, cifar10, cifar100, libsvm or csv, found 'cifar' (did you mean 'cifar10'?)");
}

BOOST_AUTO_TEST_SUITE_END()
