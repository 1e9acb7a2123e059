#include "data/idx.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <new>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"
#include "base/text.h"
#include "data/import.h"

namespace psctl::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 1 << 16;
constexpr std::uint8_t kGzipMagic[] = {0x1f, 0x8b};
constexpr std::uint8_t kUnsignedBytes = 0x08;
constexpr std::size_t kImageRank = 3;
constexpr std::size_t kLabelRank = 1;

std::string hex(std::span<const std::uint8_t> bytes) { return fmt::format("{:02x}", fmt::join(bytes, " ")); }

// The unpacked bytes of a file.
class Content {
 public:
  // Fills the span with the file's next bytes and says how many; fewer only at its end.
  using Reader = std::function<std::size_t(std::span<std::uint8_t>)>;

  Content(Reader reader, std::string name) : reader_(std::move(reader)), name_(std::move(name)) {
    refill();
    packed_ = available_ >= 2 && std::equal(std::begin(kGzipMagic), std::end(kGzipMagic), block_.begin());
    if (packed_ && inflateInit2(&stream_, MAX_WBITS + 16) != Z_OK) throw std::bad_alloc();
  }
  ~Content() {
    if (packed_) inflateEnd(&stream_);
  }
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;

  bool packed() const { return packed_; }
  std::span<const std::uint8_t> block() const { return std::span(block_).first(available_); }

  // Fills the span with the next bytes and says how many; fewer only at the end.
  std::size_t read(std::span<std::uint8_t> out) { return packed_ ? inflate_into(out) : copy_into(out); }

  [[noreturn]] void fail(std::uint64_t offset, const std::string& text) const {
    throw UserError(fmt::format("{}: byte {}{}: {}", name_, offset, packed_ ? " (unpacked)" : "", text));
  }

 private:
  [[noreturn]] void fail_packed(const std::string& text) const {
    throw UserError(fmt::format("{}: byte {} (packed): {}", name_, raw_position_ - available_, text));
  }

  bool refill() {
    next_ = 0;
    available_ = reader_(block_);
    raw_position_ += available_;
    return available_ > 0;
  }

  std::size_t copy_into(std::span<std::uint8_t> out) {
    std::size_t done = 0;
    while (done < out.size() && (available_ > 0 || refill())) {
      const std::size_t count = std::min(out.size() - done, available_);
      std::memcpy(out.data() + done, block_.data() + next_, count);
      next_ += count;
      available_ -= count;
      done += count;
    }
    return done;
  }

  std::size_t inflate_into(std::span<std::uint8_t> out) {
    std::size_t done = 0;
    while (done < out.size() && !ended_) {
      if (available_ == 0 && !refill()) fail_packed("expected more of the gzip stream, the file ends");
      const std::size_t room = std::min(out.size() - done, std::size_t{1} << 30);
      stream_.next_in = block_.data() + next_;
      stream_.avail_in = static_cast<uInt>(available_);
      stream_.next_out = out.data() + done;
      stream_.avail_out = static_cast<uInt>(room);
      const int result = inflate(&stream_, Z_NO_FLUSH);
      next_ += available_ - stream_.avail_in;
      available_ = stream_.avail_in;
      done += room - stream_.avail_out;
      if (result == Z_MEM_ERROR) throw std::bad_alloc();
      if (result == Z_STREAM_END) {
        end_member();
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        fail_packed(fmt::format("expected a sound gzip stream, found: {}", stream_.msg ? stream_.msg : "damage"));
      }
    }
    return done;
  }

  // A gzip file may be several streams in a row.
  void end_member() {
    if (available_ == 0 && !refill()) {
      ended_ = true;
    } else if (block_[next_] != kGzipMagic[0]) {
      fail_packed("expected the end of the file, found bytes after the gzip stream");
    } else {
      inflateReset(&stream_);
    }
  }

  Reader reader_;
  std::string name_;
  std::array<std::uint8_t, kBlock> block_;
  std::size_t next_ = 0, available_ = 0;
  std::uint64_t raw_position_ = 0;
  bool packed_ = false, ended_ = false;
  z_stream stream_{};
};

std::size_t header_size(std::size_t rank) { return 4 + 4 * rank; }

std::uint64_t count_values(std::span<const std::size_t> dimensions) {
  std::uint64_t count = 1;
  for (const std::uint64_t dimension : dimensions) count *= dimension;
  return count;
}

std::vector<std::size_t> parse_header(Content& content, std::size_t rank) {
  std::vector<std::uint8_t> header(header_size(rank));
  const std::size_t found = content.read(header);
  const std::array<std::uint8_t, 4> magic{0, 0, kUnsignedBytes, static_cast<std::uint8_t>(rank)};
  const auto begin = std::span(header).first(std::min<std::size_t>(found, 4));
  if (!std::ranges::equal(begin, std::span(magic).first(begin.size()))) {
    content.fail(0, fmt::format("expected {} (IDX, unsigned bytes, {} dimension{}), found {}", hex(magic), rank,
                                rank == 1 ? "" : "s", hex(begin)));
  }
  if (found < header.size()) {
    content.fail(found, found == 0 ? fmt::format("expected a header of {} bytes, found nothing", header.size())
                                   : fmt::format("expected a header of {} bytes, the file ends", header.size()));
  }
  std::vector<std::size_t> dimensions;
  std::uint64_t values = 1;
  for (std::size_t at = 4; at < header.size(); at += 4) {
    const std::uint64_t dimension =
        (std::uint64_t{header[at]} << 24) | (header[at + 1] << 16) | (header[at + 2] << 8) | header[at + 3];
    if (dimension == 0) content.fail(at, "expected a dimension of at least 1, found 0");
    if (dimension > kMaxIdxValues / values) {
      content.fail(at, fmt::format("expected at most {} values in all, found dimension {} after {} values",
                                   kMaxIdxValues, dimension, values));
    }
    values *= dimension;
    dimensions.push_back(dimension);
  }
  return dimensions;
}

void check_length(const Content& content, std::span<const std::size_t> dimensions, std::uint64_t found) {
  const std::size_t header = header_size(dimensions.size());
  const std::uint64_t expected = header + count_values(dimensions);
  if (found == expected) return;
  const std::string promise =
      fmt::format("expected {} bytes ({} of header and {} values)", expected, header, fmt::join(dimensions, " x "));
  if (found < expected) content.fail(found, promise + ", the file ends");
  content.fail(expected, promise + ", found more");
}

// Grows with what is really there, so that a small file with a large claim costs little.
std::vector<std::uint8_t> inflate_values(Content& content, std::span<const std::size_t> dimensions) {
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

Idx parse(Content& content, std::uint64_t raw_size, std::size_t rank) {
  Idx idx{.dimensions = parse_header(content, rank), .values = {}};
  if (content.packed()) {
    idx.values = inflate_values(content, idx.dimensions);
  } else {
    check_length(content, idx.dimensions, raw_size);
    idx.values.resize(count_values(idx.dimensions));
    const std::size_t found = content.read(idx.values);
    check_length(content, idx.dimensions, header_size(rank) + found);
  }
  return idx;
}

class File {
 public:
  explicit File(const fs::path& path) : path_(path.string()) {
    // Without O_NONBLOCK a named pipe would wait for a writer.
    descriptor_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status {};
    if (descriptor_ < 0 || fstat(descriptor_, &status) != 0) {
      const int error = errno;
      close_if_open();
      throw UserError(fmt::format("{}: cannot be opened: {}", path_, std::strerror(error)));
    }
    if (!S_ISREG(status.st_mode)) {
      close_if_open();
      throw UserError(fmt::format("{}: expected a regular file, found {}", path_,
                                  S_ISDIR(status.st_mode) ? "a folder" : "something else"));
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~File() { close_if_open(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::uint64_t size() const { return size_; }

  std::size_t read(std::span<std::uint8_t> out) {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t count = ::read(descriptor_, out.data() + done, out.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw WorldError(fmt::format("{}: cannot be read: {}", path_, std::strerror(errno)));
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

 private:
  void close_if_open() {
    if (descriptor_ >= 0) close(descriptor_);
  }

  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

Content open_content(File& file, const fs::path& path) {
  return Content([&file](std::span<std::uint8_t> out) { return file.read(out); }, path.string());
}

void check_packed_as_named(const Content& content, const fs::path& path) {
  if (path.extension() != ".gz" || content.packed()) return;
  const auto block = content.block();
  const auto begin = block.first(std::min<std::size_t>(block.size(), 2));
  content.fail(0, fmt::format("expected {} (gzip, as the name ends in .gz), found {}", hex(kGzipMagic),
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

// The path of a file of a folder, plain or packed; none if neither is there.
std::optional<fs::path> find_file(const fs::path& folder, const char* name) {
  const fs::path plain = folder / name;
  const fs::path packed = packed_name(plain);
  if (is_there(plain) && is_there(packed)) {
    throw UserError(fmt::format("{0}: both {1} and {1}.gz are there; remove one of them", folder.string(), name));
  }
  if (is_there(plain)) return plain;
  if (is_there(packed)) return packed;
  return {};
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
  std::size_t position = 0;
  Content content(
      [&](std::span<std::uint8_t> out) {
        const std::size_t count = std::min(out.size(), bytes.size() - position);
        if (count > 0) std::memcpy(out.data(), bytes.data() + position, count);
        position += count;
        return count;
      },
      name);
  return parse(content, bytes.size(), rank);
}

Idx read_idx(const fs::path& path, std::size_t rank) {
  File file(path);
  Content content = open_content(file, path);
  check_packed_as_named(content, path);
  return parse(content, file.size(), rank);
}

std::vector<std::size_t> read_idx_dimensions(const fs::path& path, std::size_t rank) {
  File file(path);
  Content content = open_content(file, path);
  check_packed_as_named(content, path);
  std::vector<std::size_t> dimensions = parse_header(content, rank);
  if (!content.packed()) check_length(content, dimensions, file.size());
  return dimensions;
}

bool is_idx_folder(const fs::path& folder) {
  return std::ranges::any_of(std::array{kTrainImages, kTrainLabels, kTestImages, kTestLabels}, [&](const char* name) {
    return is_there(folder / name) || is_there(packed_name(folder / name));
  });
}

std::size_t check_idx_folder(const fs::path& folder) {
  const Paths paths = find_files(folder);
  const auto train = read_idx_dimensions(paths.train_images, kImageRank);
  check_counts(train[0], paths.train_images, read_idx_dimensions(paths.train_labels, kLabelRank)[0],
               paths.train_labels);
  const auto test = read_idx_dimensions(paths.test_images, kImageRank);
  check_counts(test[0], paths.test_images, read_idx_dimensions(paths.test_labels, kLabelRank)[0], paths.test_labels);
  check_shapes(train, paths.train_images, test, paths.test_images);
  return train[0];
}

Contents read_idx_folder(const fs::path& folder) {
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

namespace {

bool recognises_folder(const Glimpse& glimpse) { return glimpse.folder && is_idx_folder(glimpse.path); }

void import_folder(std::span<const Input> inputs, const ImportOptions&, Sink& sink) {
  if (inputs.size() != 1 || !fs::is_directory(inputs.front().path)) {
    throw UserError(fmt::format("{}: expected one folder that holds {}", inputs.back().path.string(), kIdxFolderFiles));
  }
  const Contents contents = read_idx_folder(inputs.front().path);
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

}  // namespace

const Importer kIdxImporter{
    .name = "idx",
    .holds = "IDX, as MNIST: a folder of four files, plain or packed with gzip",
    .options = {},
    .recognises = recognises_folder,
    .run = import_folder,
};

}  // namespace psctl::data
