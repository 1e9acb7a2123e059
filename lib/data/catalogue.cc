#include "data/catalogue.h"

#include <algorithm>
#include <cstdlib>

namespace psctl::data {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr const char* kLibsvmAddress = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/";
constexpr const char* kLibsvmPage = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary.html";

RemoteFile exact(std::string name, std::uint64_t bytes, std::string sha256) {
  return {.name = std::move(name), .bytes = bytes, .most_bytes = bytes, .sha256 = std::move(sha256)};
}

// Digests stand here only where several publishers of their own give the same one. The LIBSVM page gives none: its
// files are held against the counts that it publishes.
std::vector<KnownSet> make() {
  std::vector<KnownSet> sets;
  sets.push_back(
      {.name = "mnist",
       .what = "handwritten digits, 28 x 28 grey values",
       // The authors' own server refuses most requests; these are the mirrors that PyTorch and TensorFlow use.
       .addresses = {"https://ossci-datasets.s3.amazonaws.com/mnist/",
                     "https://storage.googleapis.com/cvdf-datasets/mnist/"},
       .files = {exact("train-images-idx3-ubyte.gz", 9'912'422,
                       "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                 exact("train-labels-idx1-ubyte.gz", 28'881,
                       "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                 exact("t10k-images-idx3-ubyte.gz", 1'648'877,
                       "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                 exact("t10k-labels-idx1-ubyte.gz", 4'542,
                       "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6")},
       .members = {},
       .format = "idx",
       .folder = true,
       .shape = {.channels = 1, .height = 28, .width = 28},
       .classes = 10,
       .train = 60'000,
       .test = 10'000,
       .licence = "Y. LeCun and C. Cortes; commonly given as CC BY-SA 3.0",
       .citation = "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document "
                   "Recognition, Proceedings of the IEEE 86(11), 1998",
       .page = "http://yann.lecun.com/exdb/mnist/"});
  sets.push_back({.name = "fashion-mnist",
                  .what = "pictures of clothes, 28 x 28 grey values",
                  .addresses = {"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"},
                  .files = {exact("train-images-idx3-ubyte.gz", 26'421'880,
                                  "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                            exact("train-labels-idx1-ubyte.gz", 29'515,
                                  "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
                            exact("t10k-images-idx3-ubyte.gz", 4'422'102,
                                  "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                            exact("t10k-labels-idx1-ubyte.gz", 5'148,
                                  "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5")},
                  .members = {},
                  .format = "idx",
                  .folder = true,
                  .shape = {.channels = 1, .height = 28, .width = 28},
                  .classes = 10,
                  .train = 60'000,
                  .test = 10'000,
                  .licence = "MIT, Zalando SE",
                  .citation =
                      "H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
                      "Learning Algorithms, arXiv:1708.07747, 2017",
                  .page = "https://github.com/zalandoresearch/fashion-mnist",
                  .package = "dataset-fashion-mnist",
                  .package_folder = "/usr/share/datasets/fashion-mnist"});
  KnownSet cifar{
      .name = "cifar-10",
      .what = "pictures of ten kinds of things, 3 x 32 x 32 colour values",
      .addresses = {"https://www.cs.toronto.edu/~kriz/"},
      .files = {exact("cifar-10-binary.tar.gz", 170'052'171,
                      "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")},
      .packing = Packing::kTarGzip,
      .members = {{"cifar-10-batches-bin/batches.meta.txt", 4096}},
      .format = "cifar10",
      .folder = true,
      .shape = {.channels = 3, .height = 32, .width = 32},
      .classes = 10,
      .train = 50'000,
      .test = 10'000,
      .licence = "none stated; its authors ask to be cited",
      .citation = "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009",
      .page = "https://www.cs.toronto.edu/~kriz/cifar.html"};
  constexpr std::uint64_t kBatchBytes = 10'000 * (1 + 3 * 32 * 32);
  for (const char* batch :
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
    cifar.members.push_back({std::string("cifar-10-batches-bin/") + batch + ".bin", kBatchBytes});
  }
  sets.push_back(std::move(cifar));
  sets.push_back({.name = "a9a",
                  .what = "census data: whether somebody earns more than 50,000 dollars a year; sparse",
                  .addresses = {kLibsvmAddress},
                  .files = {{.name = "a9a", .part = Part::kTrain, .most_bytes = 16 * kMiB, .sha256 = {}},
                            {.name = "a9a.t", .part = Part::kTest, .most_bytes = 16 * kMiB, .sha256 = {}}},
                  .members = {},
                  .format = "libsvm",
                  .features = 123,
                  .shape = {.channels = 1, .height = 1, .width = 123},
                  .classes = 2,
                  .train = 32'561,
                  .test = 16'281,
                  .licence = "CC BY 4.0, UCI Machine Learning Repository (Adult)",
                  .citation = "J. C. Platt, Fast Training of Support Vector Machines using Sequential Minimal "
                              "Optimization, 1998; from B. Becker, R. Kohavi, Adult, UCI, 1996",
                  .page = kLibsvmPage});
  sets.push_back(
      {.name = "rcv1",
       .what = "news stories as weighted words, two classes; sparse",
       .addresses = {kLibsvmAddress},
       .files = {{.name = "rcv1_train.binary.bz2", .part = Part::kTrain, .most_bytes = 64 * kMiB, .sha256 = {}},
                 {.name = "rcv1_test.binary.bz2", .part = Part::kTest, .most_bytes = 1024 * kMiB, .sha256 = {}}},
       .packing = Packing::kBzip2,
       .members = {},
       .most_unpacked = 4096 * kMiB,
       .format = "libsvm",
       .features = 47'236,
       .shape = {.channels = 1, .height = 1, .width = 47'236},
       .classes = 2,
       .train = 20'242,
       .test = 677'399,
       .licence = "for research; the stories are Reuters'",
       .citation = "D. D. Lewis, Y. Yang, T. G. Rose, F. Li, RCV1: A New Benchmark Collection for Text Categorization "
                   "Research, JMLR 5, 2004",
       .page = kLibsvmPage});
  sets.push_back(
      {.name = "covtype",
       .what = "forest cover, the commonest kind against all others, scaled into [0, 1]; one part only",
       .addresses = {kLibsvmAddress},
       .files =
           {{.name = "covtype.libsvm.binary.scale.bz2", .part = Part::kTrain, .most_bytes = 128 * kMiB, .sha256 = {}}},
       .packing = Packing::kBzip2,
       .members = {},
       .most_unpacked = 512 * kMiB,
       .format = "libsvm",
       .features = 54,
       .shape = {.channels = 1, .height = 1, .width = 54},
       .classes = 2,
       .train = 581'012,
       .test = 0,
       .licence = "CC BY 4.0, UCI Machine Learning Repository (Covertype)",
       .citation = "R. Collobert, S. Bengio, Y. Bengio, A Parallel Mixture of SVMs for Very Large Scale "
                   "Problems, 2002; from J. A. Blackard, Covertype, UCI, 1998",
       .page = kLibsvmPage});
  return sets;
}

}  // namespace

std::span<const KnownSet> catalogue() {
  static const std::vector<KnownSet> kSets = make();
  return kSets;
}

const KnownSet* find_known(std::string_view name) {
  const auto sets = catalogue();
  const auto found = std::ranges::find(sets, name, &KnownSet::name);
  return found == sets.end() ? nullptr : &*found;
}

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const KnownSet& set : catalogue()) names.push_back(set.name);
  return names;
}

std::filesystem::path data_folder() {
  const char* named = std::getenv("PSCTL_DATA");
  return named && *named ? named : "data";
}

std::filesystem::path fetched_file(const std::filesystem::path& folder, const KnownSet& set) {
  return folder / (set.name + ".psctl");
}

std::filesystem::path place_of(const KnownSet& set) {
  std::error_code error;
  const std::filesystem::path fetched = fetched_file(data_folder(), set);
  if (std::filesystem::status(fetched, error).type() != std::filesystem::file_type::not_found) return fetched;
  if (set.package.empty()) return {};
  const bool brought =
      std::filesystem::status(set.package_folder, error).type() != std::filesystem::file_type::not_found;
  return brought ? set.package_folder : "";
}

std::string how_to_get(const KnownSet& set) {
  const std::string fetch = "psctl data fetch " + set.name;
  return set.package.empty() ? fetch : fetch + ", or apt-get install " + set.package;
}

}  // namespace psctl::data
