// The binary batches of CIFAR-10 and CIFAR-100: records of one fixed length, a label (CIFAR-100: a coarse one first)
// and an image of 3 x 32 x 32 bytes, channels first. Files, or the folder as it comes.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "data/import.h"
#include "data/text_file.h"

namespace psctl::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kImageBytes = 3 * 32 * 32;
constexpr std::size_t kRowsAtOnce = 256;

struct Kind {
  std::size_t labels;  // bytes before the image; the last of them is the class
  std::uint32_t classes;
  std::uint32_t coarse_classes;
  std::vector<std::string> train, test;  // in the folder
  const char *title, *archive, *fetch;   // for messages
  const char* names;                     // a file of class names beside the batches, one a line; need not be there
  std::size_t record() const { return labels + kImageBytes; }
};

const Kind& cifar10() {
  static const Kind kKind{
      .labels = 1,
      .classes = 10,
      .coarse_classes = 0,
      .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
      .test = {"test_batch.bin"},
      .title = "CIFAR-10",
      .archive = "cifar-10-binary.tar.gz",
      .fetch = ", or: psctl data fetch cifar-10",
      .names = "batches.meta.txt"};
  return kKind;
}

const Kind& cifar100() {
  static const Kind kKind{.labels = 2,
                          .classes = 100,
                          .coarse_classes = 20,
                          .train = {"train.bin"},
                          .test = {"test.bin"},
                          .title = "CIFAR-100",
                          .archive = "cifar-100-binary.tar.gz",
                          .fetch = "",
                          .names = "fine_label_names.txt"};
  return kKind;
}

// What is wrong with the labels of a record, if anything is.
std::optional<std::string> fault_of(const Kind& kind, std::span<const std::uint8_t> record, std::size_t& at) {
  at = 0;
  if (kind.labels == 2 && record[0] >= kind.coarse_classes) {
    return fmt::format("expected a coarse label from 0 to {}, found {}", kind.coarse_classes - 1, record[0]);
  }
  at = kind.labels - 1;
  if (record[at] < kind.classes) return std::nullopt;
  return fmt::format("expected a label from 0 to {}, found {}", kind.classes - 1, record[at]);
}

// The name of a batch in the version for Python, pickles, which are refused.
std::string python_name(const std::string& binary) { return fs::path(binary).stem().string(); }

bool is_pickle(std::span<const std::uint8_t> begin) {
  return begin.size() > 1 && begin[0] == 0x80 && begin[1] >= 2 && begin[1] <= 5;
}

bool is_python_version(const Kind& kind, const fs::path& path) {
  std::error_code error;
  const fs::path file = fs::is_directory(path, error) ? path / python_name(kind.train.front()) : path;
  const auto has_its_name = [&](const std::string& binary) { return file.filename() == python_name(binary); };
  if (!std::ranges::any_of(kind.train, has_its_name) && !std::ranges::any_of(kind.test, has_its_name)) return false;
  std::array<char, 2> begin{};
  return fs::is_regular_file(file, error) && std::ifstream(file, std::ios::binary).read(begin.data(), begin.size()) &&
         is_pickle({reinterpret_cast<const std::uint8_t*>(begin.data()), begin.size()});
}

bool recognises(const Kind& kind, const Glimpse& glimpse) {
  if (glimpse.folder) {
    return std::ranges::find(glimpse.file_names, kind.train.front()) != glimpse.file_names.end() ||
           is_python_version(kind, glimpse.path);
  }
  if (is_python_version(kind, glimpse.path)) return true;
  if (glimpse.packed || glimpse.size == 0 || glimpse.size % kind.record() != 0) return false;
  std::size_t at = 0;
  for (auto rest = glimpse.begin; rest.size() >= kind.record(); rest = rest.subspan(kind.record())) {
    if (fault_of(kind, rest, at)) return false;
  }
  return true;
}

std::vector<Input> files_of(const Kind& kind, std::span<const Input> inputs) {
  std::vector<Input> files;
  for (const Input& input : inputs) {
    if (is_python_version(kind, input.path) && !fs::exists(input.path / kind.train.front())) {
      throw UserError(fmt::format("{}: expected the binary version of {}, found the one for Python, pickles; get {}{}",
                                  input.path.string(), kind.title, kind.archive, kind.fetch));
    }
    if (!fs::is_directory(input.path)) {
      files.push_back(input);
      continue;
    }
    if (inputs.size() > 1) {
      throw UserError(fmt::format("{}: a folder brings all parts and is read alone", input.path.string()));
    }
    for (const std::string& name : kind.train) files.push_back({input.path / name, Part::kTrain, {}});
    for (const std::string& name : kind.test) files.push_back({input.path / name, Part::kTest, {}});
  }
  return files;
}

std::vector<std::string> class_names(const Kind& kind, const fs::path& batch) {
  std::vector<std::string> names;
  const fs::path path = batch.parent_path() / kind.names;
  std::ifstream file(path);
  for (std::string line; names.size() <= kind.classes && std::getline(file, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (file.is_open() && names.size() != kind.classes) {
    throw UserError(fmt::format("{}: line {}: expected {} class names, found {}", path.string(), names.size() + 1,
                                kind.classes, names.size() > kind.classes ? "more" : std::to_string(names.size())));
  }
  for (std::uint32_t label = 0; names.size() < kind.classes; ++label) names.push_back(std::to_string(label));
  return names;
}

void read_batch(const Kind& kind, const Input& input, Sink& sink) {
  const TextFile file(input);
  const std::string_view content = file.text().content;
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
  const std::string name = input.path.string();
  if (bytes.empty()) throw UserError(fmt::format("{}: byte 0: expected images, found nothing", name));
  if (bytes.size() % kind.record() != 0) {
    throw UserError(fmt::format("{}: byte {}: expected records of {} bytes, the last one has {}", name, bytes.size(),
                                kind.record(), bytes.size() % kind.record()));
  }
  std::vector<std::uint8_t> images;
  std::vector<std::uint32_t> labels;
  const auto hand_over = [&] {
    sink.add({.bytes = images, .floats = {}, .entries = {}, .row_entries = {}, .labels = labels});
    images.clear();
    labels.clear();
  };
  for (std::size_t begin = 0; begin < bytes.size(); begin += kind.record()) {
    const auto record = bytes.subspan(begin, kind.record());
    std::size_t at = 0;
    if (const auto fault = fault_of(kind, record, at)) {
      throw UserError(fmt::format("{}: byte {}: {}", name, begin + at, *fault));
    }
    labels.push_back(record[kind.labels - 1]);
    images.insert(images.end(), record.begin() + static_cast<std::ptrdiff_t>(kind.labels), record.end());
    if (labels.size() == kRowsAtOnce) hand_over();
  }
  if (!labels.empty()) hand_over();
}

std::vector<fs::path> all_files(const Kind& kind, const Input& input) {
  std::vector<fs::path> files;
  for (const Input& file : files_of(kind, std::span(&input, 1))) files.push_back(file.path);
  const fs::path names = files.front().parent_path() / kind.names;
  if (fs::exists(names)) files.push_back(names);
  return files;
}

void run(const Kind& kind, std::span<const Input> inputs, Sink& sink) {
  const std::vector<Input> files = files_of(kind, inputs);
  sink.begin({.shape = {.channels = 3, .height = 32, .width = 32}, .values = Values::kBytes});
  std::optional<Part> part;
  for (const Input& file : files) {
    if (part != file.part) sink.begin_part(file.part);
    part = file.part;
    read_batch(kind, file, sink);
  }
  sink.end({.classes = class_names(kind, files.front().path), .class_of = {}, .features = 0, .notes = {}});
}

}  // namespace

const Importer kCifar10Importer{
    .name = "cifar10",
    .holds = "CIFAR-10, binary: batches of records of 3073 bytes, or the folder of data_batch_1.bin to test_batch.bin",
    .options = {},
    .recognises = [](const Glimpse& glimpse) { return recognises(cifar10(), glimpse); },
    .files = [](const Input& input) { return all_files(cifar10(), input); },
    .run = [](std::span<const Input> inputs, const ImportOptions&, Sink& sink) { run(cifar10(), inputs, sink); },
};

const Importer kCifar100Importer{
    .name = "cifar100",
    .holds =
        "CIFAR-100, binary: records of 3074 bytes, or the folder of train.bin and test.bin; classes are the fine ones",
    .options = {},
    .recognises = [](const Glimpse& glimpse) { return recognises(cifar100(), glimpse); },
    .files = [](const Input& input) { return all_files(cifar100(), input); },
    .run = [](std::span<const Input> inputs, const ImportOptions&, Sink& sink) { run(cifar100(), inputs, sink); },
};

}  // namespace psctl::data
