#include "data/idx.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace psctl::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 1 << 16;
constexpr std::uint8_t kUnsignedBytes = 0x08;
constexpr std::size_t kImageRank = 3;
constexpr std::size_t kLabelRank = 1;

std::string hex(std::span<const std::uint8_t> bytes) { return fmt::format("{:02x}", fmt::join(bytes, " ")); }

std::size_t header_size(std::size_t rank) { return 4 + 4 * rank; }

std::uint64_t count_values(std::span<const std::size_t> dimensions) {
  std::uint64_t count = 1;
  for (const std::uint64_t dimension : dimensions) count *= dimension;
  return count;
}

// What the third byte says the values are.
std::optional<Element> element_of(std::uint8_t code) {
  switch (code) {
    case kUnsignedBytes:
      return Element{.kind = ElementKind::kUnsigned, .bytes = 1, .big_endian = true};
    case 0x09:
      return Element{.kind = ElementKind::kSigned, .bytes = 1, .big_endian = true};
    case 0x0B:
      return Element{.kind = ElementKind::kSigned, .bytes = 2, .big_endian = true};
    case 0x0C:
      return Element{.kind = ElementKind::kSigned, .bytes = 4, .big_endian = true};
    case 0x0D:
      return Element{.kind = ElementKind::kFloat, .bytes = 4, .big_endian = true};
    case 0x0E:
      return Element{.kind = ElementKind::kFloat, .bytes = 8, .big_endian = true};
    default:
      return std::nullopt;
  }
}

// Reads the dimensions, which stand after the first four bytes, so many of them.
std::vector<std::size_t> read_dimensions(ByteStream& stream, std::size_t rank, std::uint64_t most_values) {
  std::vector<std::uint8_t> bytes(4 * rank);
  const std::size_t found = stream.read(bytes);
  if (found < bytes.size()) {
    stream.fail(4 + found, fmt::format("expected a header of {} bytes, the file ends", header_size(rank)));
  }
  std::vector<std::size_t> dimensions;
  std::uint64_t values = 1;
  for (std::size_t at = 0; at < bytes.size(); at += 4) {
    const std::uint64_t dimension =
        (std::uint64_t{bytes[at]} << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    if (dimension == 0) stream.fail(4 + at, "expected a dimension of at least 1, found 0");
    if (dimension > most_values / values) {
      stream.fail(4 + at, fmt::format("expected at most {} values in all, found dimension {} after {} values",
                                      most_values, dimension, values));
    }
    values *= dimension;
    dimensions.push_back(dimension);
  }
  return dimensions;
}

std::vector<std::size_t> parse_header(ByteStream& stream, std::size_t rank) {
  std::array<std::uint8_t, 4> bytes{};
  const std::size_t found = stream.read(bytes);
  const std::array<std::uint8_t, 4> magic{0, 0, kUnsignedBytes, static_cast<std::uint8_t>(rank)};
  const auto begin = std::span(bytes).first(found);
  if (!std::ranges::equal(begin, std::span(magic).first(found))) {
    stream.fail(0, fmt::format("expected {} (IDX, unsigned bytes, {} dimension{}), found {}", hex(magic), rank,
                               rank == 1 ? "" : "s", hex(begin)));
  }
  if (found < bytes.size()) {
    stream.fail(found, fmt::format("expected a header of {} bytes, {}", header_size(rank),
                                   found == 0 ? "found nothing" : "the file ends"));
  }
  return read_dimensions(stream, rank, kMaxIdxValues);
}

void check_length(const ByteStream& content, std::span<const std::size_t> dimensions, std::uint64_t found) {
  const std::size_t header = header_size(dimensions.size());
  const std::uint64_t expected = header + count_values(dimensions);
  if (found == expected) return;
  const std::string promise =
      fmt::format("expected {} bytes ({} of header and {} values)", expected, header, fmt::join(dimensions, " x "));
  if (found < expected) content.fail(found, promise + ", the file ends");
  content.fail(expected, promise + ", found more");
}

// Grows with what is really there, so that a small file with a large claim costs little.
std::vector<std::uint8_t> inflate_values(ByteStream& content, std::span<const std::size_t> dimensions) {
  const std::uint64_t expected = count_values(dimensions);
  std::vector<std::uint8_t> values;
  while (values.size() < expected) {
    const std::size_t before = values.size();
    const std::size_t target = std::min<std::uint64_t>(expected, std::max(kBlock, 2 * before));
    values.reserve(target);
    values.resize(target);
    const std::size_t found = content.read(std::span(values).subspan(before));
    if (before + found < target) check_length(content, dimensions, header_size(dimensions.size()) + before + found);
  }
  std::uint8_t more;
  // This also reaches the stream's checksum.
  const std::size_t beyond = content.read(std::span(&more, 1));
  check_length(content, dimensions, header_size(dimensions.size()) + expected + beyond);
  return values;
}

Idx parse(const Text& text, std::size_t rank) {
  const auto stream = open_stream(text);
  Idx idx{.dimensions = parse_header(*stream, rank), .values = {}};
  if (const auto whole = stream->whole()) {
    check_length(*stream, idx.dimensions, whole->size());
    const ByteSpan values = whole->subspan(header_size(rank));
    idx.values.assign(values.begin(), values.end());
  } else {
    idx.values = inflate_values(*stream, idx.dimensions);
  }
  return idx;
}

void check_packed_as_named(const Text& text) {
  const ByteSpan content = bytes_of(text);
  if (!text.name.ends_with(".gz") || is_gzip(content)) return;
  const ByteSpan begin = content.first(std::min<std::size_t>(content.size(), 2));
  open_stream(text)->fail(0, fmt::format("expected 1f 8b (gzip, as the name ends in .gz), found {}",
                                         begin.empty() ? "nothing" : hex(begin)));
}

constexpr const char* kTrainImages = "train-images-idx3-ubyte";
constexpr const char* kTrainLabels = "train-labels-idx1-ubyte";
constexpr const char* kTestImages = "t10k-images-idx3-ubyte";
constexpr const char* kTestLabels = "t10k-labels-idx1-ubyte";

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

fs::path packed_name(fs::path path) { return path += ".gz"; }

// The paths that a file of a folder may have: plain or packed, and with a point for the last hyphen but one, as some
// unpack it (train-images.idx3-ubyte).
std::array<fs::path, 4> paths_of(const fs::path& folder, const std::string& name) {
  std::string with_point = name;
  with_point[name.find("-idx")] = '.';
  return {folder / name, packed_name(folder / name), folder / with_point, packed_name(folder / with_point)};
}

// The path of a file of a folder; none if it is not there.
std::optional<fs::path> find_file(const fs::path& folder, const char* name) {
  std::optional<fs::path> found;
  for (const fs::path& path : paths_of(folder, name)) {
    if (!is_there(path)) continue;
    if (found) {
      throw UserError(fmt::format("{}: both {} and {} are there; remove one of them", folder.string(),
                                  found->filename().string(), path.filename().string()));
    }
    found = path;
  }
  return found;
}

struct Paths {
  fs::path train_images, train_labels, test_images, test_labels;
};

Paths find_files(const fs::path& folder) {
  Paths paths;
  std::vector<std::string> missing;
  const auto look = [&](const char* name, fs::path& path) {
    if (auto found = find_file(folder, name)) {
      path = *found;
    } else {
      missing.push_back(name);
    }
  };
  look(kTrainImages, paths.train_images);
  look(kTrainLabels, paths.train_labels);
  look(kTestImages, paths.test_images);
  look(kTestLabels, paths.test_labels);
  if (!missing.empty()) {
    throw UserError(fmt::format("{}: missing: {} (plain or with .gz)", folder.string(), enumerate(missing)));
  }
  return paths;
}

void check_counts(std::size_t images, const fs::path& image_path, std::size_t labels, const fs::path& label_path) {
  if (images == labels) return;
  throw UserError(fmt::format("{}: byte 4: expected {} labels, one for each image of {}, found {}", label_path.string(),
                              images, image_path.string(), labels));
}

void check_shapes(std::span<const std::size_t> train, const fs::path& train_path, std::span<const std::size_t> test,
                  const fs::path& test_path) {
  for (std::size_t axis : {1, 2}) {
    if (train[axis] == test[axis]) continue;
    throw UserError(fmt::format("{}: byte {}: expected images of {} x {} as in {}, found {} x {}", test_path.string(),
                                4 + 4 * axis, train[1], train[2], train_path.string(), test[1], test[2]));
  }
}

std::vector<std::uint32_t> widen(std::span<const std::uint8_t> labels) { return {labels.begin(), labels.end()}; }

}  // namespace

Idx parse_idx(std::span<const std::byte> bytes, std::size_t rank, const std::string& name) {
  return parse({.content = {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, .name = name}, rank);
}

Idx read_idx(const fs::path& path, std::size_t rank) {
  const TextFile file({.path = path, .part = Part::kTrain, .labels = {}});
  check_packed_as_named(file.text());
  return parse(file.text(), rank);
}

namespace {

// Whether any of its files is there.
bool is_idx_folder(const fs::path& folder) {
  return std::ranges::any_of(std::array{kTrainImages, kTrainLabels, kTestImages, kTestLabels},
                             [&](const char* name) { return std::ranges::any_of(paths_of(folder, name), is_there); });
}

struct Pixels {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint32_t> labels;
};

struct Contents {
  Shape shape;
  std::size_t classes = 0;
  Pixels train, test;
};

// The classes are those up to the largest label of the training part; no other label may stand in the test part.
Contents read_folder(const fs::path& folder) {
  const Paths paths = find_files(folder);
  Idx train_labels = read_idx(paths.train_labels, kLabelRank);
  Idx test_labels = read_idx(paths.test_labels, kLabelRank);
  const std::size_t classes = std::size_t{*std::ranges::max_element(train_labels.values)} + 1;
  if (classes == 1) {
    throw UserError(
        fmt::format("{}: expected at least two classes, found 0 as every label", paths.train_labels.string()));
  }
  const auto stranger = std::ranges::find_if(test_labels.values, [&](std::size_t label) { return label >= classes; });
  if (stranger != test_labels.values.end()) {
    throw UserError(fmt::format("{}: byte {}{}: expected a label from 0 to {} as in {}, found {}",
                                paths.test_labels.string(),
                                header_size(kLabelRank) + (stranger - test_labels.values.begin()),
                                paths.test_labels.extension() == ".gz" ? " (unpacked)" : "", classes - 1,
                                paths.train_labels.string(), *stranger));
  }
  Idx train_images = read_idx(paths.train_images, kImageRank);
  Idx test_images = read_idx(paths.test_images, kImageRank);
  check_counts(train_images.dimensions[0], paths.train_images, train_labels.dimensions[0], paths.train_labels);
  check_counts(test_images.dimensions[0], paths.test_images, test_labels.dimensions[0], paths.test_labels);
  check_shapes(train_images.dimensions, paths.train_images, test_images.dimensions, paths.test_images);
  return {.shape = {.channels = 1, .height = train_images.dimensions[1], .width = train_images.dimensions[2]},
          .classes = classes,
          .train = {std::move(train_images.values), widen(train_labels.values)},
          .test = {std::move(test_images.values), widen(test_labels.values)}};
}

void import_folder(const fs::path& folder, Sink& sink) {
  const Contents contents = read_folder(folder);
  Summary summary;
  for (std::size_t label = 0; label < contents.classes; ++label) summary.classes.push_back(std::to_string(label));
  sink.begin({.shape = contents.shape, .values = Values::kBytes});
  for (const auto& [part, pixels] :
       {std::pair(Part::kTrain, &contents.train), std::pair(Part::kTest, &contents.test)}) {
    sink.begin_part(part);
    sink.add({.bytes = pixels->pixels, .floats = {}, .entries = {}, .row_entries = {}, .labels = pixels->labels});
  }
  sink.end(summary);
}

Array open_array(const Text& text) {
  Array array;
  array.name = text.name;
  array.stream = open_stream(text);
  array.shape_at = 4;
  array.part = text.part;
  std::array<std::uint8_t, 4> magic{};
  const std::size_t found = array.stream->read(magic);
  const auto element = element_of(magic[2]);
  if (found < magic.size() || magic[0] != 0 || magic[1] != 0 || !element || magic[3] == 0) {
    array.stream->fail(0, fmt::format("expected 00 00, a type of values (08, 09, 0b to 0e) and a number of dimensions "
                                      "(IDX), found {}",
                                      found == 0 ? "nothing" : hex(std::span(magic).first(found))));
  }
  constexpr std::uint64_t kMostValues = std::uint64_t{1} << 56;
  array.element = *element;
  array.first = header_size(magic[3]);
  for (const std::size_t size : read_dimensions(*array.stream, magic[3], kMostValues)) {
    array.dimensions.push_back(size);
  }
  return array;
}

bool recognises(const Glimpse& glimpse) {
  if (glimpse.folder) return is_idx_folder(glimpse.path);
  const auto begin = glimpse.begin;
  if (begin.size() < 4 || begin[0] != 0 || begin[1] != 0 || begin[3] == 0) return false;
  const auto element = element_of(begin[2]);
  const std::size_t header = header_size(begin[3]);
  if (!element || begin.size() < header) return false;
  std::vector<std::uint64_t> sizes;
  for (std::size_t at = 4; at < header; at += 4) {
    sizes.push_back((std::uint64_t{begin[at]} << 24) | (begin[at + 1] << 16) | (begin[at + 2] << 8) | begin[at + 3]);
  }
  const auto bytes = bytes_of_elements(sizes, element->bytes);
  return bytes && *bytes > 0 && (glimpse.packed || glimpse.size == header + *bytes);
}

void run(std::span<const Input> inputs, const ImportOptions& options, Sink& sink) {
  if (!fs::is_directory(inputs.front().path)) {
    import_idx(LabelledFiles(inputs).texts(), options, sink);
    return;
  }
  if (inputs.size() > 1 || !inputs.front().labels.empty()) {
    throw UserError(
        fmt::format("{}: a folder brings all parts and labels and is read alone", inputs.front().path.string()));
  }
  if (options.shape || options.channels_last || options.values || options.missing != Missing::kRefuse) {
    throw UserError(fmt::format("{}: a folder of IDX files takes no options; give the files one by one",
                                inputs.front().path.string()));
  }
  import_folder(inputs.front().path, sink);
}

std::vector<fs::path> all_files(const Input& input) {
  if (!fs::is_directory(input.path)) {
    return input.labels.empty() ? std::vector{input.path} : std::vector{input.path, input.labels};
  }
  std::vector<fs::path> files;
  for (const char* name : {kTrainImages, kTrainLabels, kTestImages, kTestLabels}) {
    for (const fs::path& path : paths_of(input.path, name)) {
      if (is_there(path)) files.push_back(path);
    }
  }
  return files;
}

}  // namespace

void import_idx(std::span<const LabelledText> texts, const ImportOptions& options, Sink& sink) {
  std::vector<LabelledArray> arrays;
  for (const LabelledText& text : texts) {
    Array samples = open_array(text.samples);
    if (!text.labels) {
      samples.stream->fail(0, samples.dimensions.size() == 1
                                  ? "expected samples, found one dimension, as labels have; give the samples and, with "
                                    "them, this file (labels)"
                                  : "expected a file of labels with these samples, found none; give it (labels)");
    }
    arrays.push_back({.samples = std::move(samples), .labels = open_array(*text.labels)});
  }
  std::vector<std::string> notes;
  std::string name = fs::path(texts.front().samples.name).filename().string();
  std::ranges::transform(name, name.begin(), [](unsigned char letter) { return std::tolower(letter); });
  if (name.find("emnist") != std::string::npos) {
    notes.push_back(
        "EMNIST has rows and columns of its images exchanged: they are kept so, and pictures of them lie on "
        "their side");
  }
  import_arrays(arrays, options, sink, std::move(notes));
}

constexpr std::string_view kEndings[] = {"-ubyte", ".idx"};

const Importer kIdxImporter{
    .name = "idx",
    .holds = "IDX, as MNIST: a file of samples with one of labels, or the folder of four, plain or packed with gzip",
    .options = kArrayOptions,
    .recognises = recognises,
    .endings = kEndings,
    .files = all_files,
    .run = run,
    .labels_apart = true,
};

}  // namespace psctl::data
