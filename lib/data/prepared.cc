#include "data/prepared.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"
#include "data/prepared_format.h"

namespace psctl::data {
namespace {

__extension__ using Wide = unsigned __int128;

class Mapping {
 public:
  Mapping(int descriptor, std::size_t bytes, const std::string& name) : bytes_(bytes) {
    void* begin = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
    if (begin == MAP_FAILED) throw WorldError(fmt::format("{}: cannot be mapped: {}", name, std::strerror(errno)));
    begin_ = static_cast<const std::byte*>(begin);
  }
  // Samples come in random order: reading on after one, as the kernel does of its own accord, reads the file many
  // times.
  void expect_random(std::uint64_t offset, std::uint64_t bytes) const {
    madvise(const_cast<std::byte*>(begin_) + offset, bytes, MADV_RANDOM);
  }
  ~Mapping() { munmap(const_cast<std::byte*>(begin_), bytes_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::span<const std::byte> bytes() const { return {begin_, bytes_}; }
  std::span<const std::byte> at(const Section& section) const { return bytes().subspan(section.offset, section.bytes); }

 private:
  const std::byte* begin_;
  std::size_t bytes_;
};

// A file and what its header says, once that was found sound.
struct File {
  std::string name;
  PreparedHeader header;
  Layout layout;
  std::shared_ptr<const Mapping> mapping;

  [[noreturn]] void fail(std::uint64_t offset, const std::string& text) const {
    throw UserError(fmt::format("{}: byte {}: {}", name, offset, text));
  }
  void check_seal(const Section& section, const Sha256Bytes& expected, const char* what) const {
    const auto bytes = mapping->at(section);
    const Sha256Bytes found = seal_of(bytes.data(), bytes.size());
    if (found == expected) return;
    fail(section.offset, fmt::format("expected {} of {} bytes with SHA-256 {}, found {}: the file is damaged; import "
                                     "the data anew",
                                     what, section.bytes, hex(expected), hex(found)));
  }
};

class RowSeals final : public Seals {
 public:
  RowSeals(std::shared_ptr<const File> file, std::size_t part)
      : file_(std::move(file)), part_(part), seen_((rows().bytes + kBlockBytes - 1) / kBlockBytes) {}

  void check(std::size_t first_byte, std::size_t bytes) const override {
    if (bytes == 0) return;
    const std::size_t end = (first_byte + bytes - 1) / kBlockBytes + 1;
    std::size_t block = first_byte / kBlockBytes;
    while (block < end && seen_[block].load(std::memory_order_acquire)) ++block;
    if (block == end) return;
    read_ahead(block, end);
    for (; block < end; ++block) {
      if (seen_[block].load(std::memory_order_acquire)) continue;
      check_block(block);
      seen_[block].store(true, std::memory_order_release);
    }
  }

  void expect(std::size_t first_byte, std::size_t bytes) const override {
    if (bytes == 0) return;
    std::size_t begin = first_byte / kBlockBytes, end = (first_byte + bytes - 1) / kBlockBytes + 1;
    while (begin < end && seen_[begin].load(std::memory_order_relaxed)) ++begin;
    while (begin < end && seen_[end - 1].load(std::memory_order_relaxed)) --end;
    if (begin < end) ask_for(begin, end);
  }

  std::string rows_digest() const override { return hex(file_->header.parts[part_].rows_seal); }

 private:
  // Asks for blocks whole; and, if they come after those before, for what comes next.
  void read_ahead(std::size_t block, std::size_t end) const {
    const bool in_order = last_.exchange(end - 1, std::memory_order_relaxed) + 1 == block;
    if (in_order && end + kBlocksAhead / 2 < asked_.load(std::memory_order_relaxed)) return;
    if (in_order) end += kBlocksAhead;
    asked_.store(end, std::memory_order_relaxed);
    ask_for(block, end);
  }

  void ask_for(std::size_t block, std::size_t end) const {
    const auto bytes = file_->mapping->at(rows()).subspan(block * kBlockBytes);
    madvise(const_cast<std::byte*>(bytes.data()), std::min(bytes.size(), (end - block) * kBlockBytes), MADV_WILLNEED);
  }

  Section rows() const { return file_->layout.rows[part_]; }

  void check_block(std::size_t block) const {
    const std::size_t first = block * kBlockBytes;
    const Section section{rows().offset + first, std::min<std::uint64_t>(kBlockBytes, rows().bytes - first)};
    const auto bytes = file_->mapping->at(section);
    Sha256Bytes seal;
    std::memcpy(seal.data(), &file_->mapping->at(file_->layout.seals[part_])[block * seal.size()], seal.size());
    file_->check_seal(section, seal, "a block of rows");
    // A seal says that the block is what was written, not that it was written by psctl.
    if (file_->header.sparse) {
      const std::span entries(reinterpret_cast<const Entry*>(bytes.data()), bytes.size() / sizeof(Entry));
      for (const Entry& entry : entries) {
        if (entry.index < file_->header.width && std::isfinite(entry.value)) continue;
        file_->fail(section.offset + static_cast<std::size_t>(&entry - entries.data()) * sizeof(Entry),
                    fmt::format("expected a finite value of a feature below {}, found {} of feature {}",
                                file_->header.width, entry.value, entry.index));
      }
    } else if (file_->header.values == 1) {
      const std::span floats(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
      const auto found = std::ranges::find_if(floats, [](float value) { return !std::isfinite(value); });
      if (found == floats.end()) return;
      file_->fail(section.offset + static_cast<std::size_t>(found - floats.begin()) * sizeof(float),
                  fmt::format("expected a finite value, found {}", *found));
    }
  }

  std::shared_ptr<const File> file_;
  std::size_t part_;
  static constexpr std::size_t kBlocksAhead = 32;
  mutable std::vector<std::atomic<bool>> seen_;
  mutable std::atomic<std::size_t> last_ = ~std::size_t{1},
                                   asked_ = 0;  // as one thread would read; else little is lost
};

class MappedPrepared final : public Prepared {
 public:
  explicit MappedPrepared(std::shared_ptr<const File> file) : file_(std::move(file)) {
    const PreparedHeader& header = file_->header;
    description_ = {.shape = {header.channels, header.height, header.width},
                    .values = header.values == 0 ? Values::kBytes : Values::kFloats,
                    .sparse = header.sparse == 1};
    names_ = read_texts(file_->layout.names, header.names_seal, "class name");
    if (!names_.empty() && names_.size() != classes()) {
      file_->fail(file_->layout.names.offset,
                  fmt::format("expected {} class names, found {}", classes(), names_.size()));
    }
    notes_ = read_texts(file_->layout.notes, header.notes_seal, "note");
    for (std::size_t part = 0; part < seals_.size(); ++part) seals_[part] = std::make_shared<RowSeals>(file_, part);
  }

  const std::string& name() const override { return file_->name; }
  const Description& description() const override { return description_; }
  std::size_t classes() const override { return file_->header.classes; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::size_t size(Part part) const override { return file_->header.parts[static_cast<std::size_t>(part)].samples; }
  const Sha256Bytes& source() const override { return file_->header.source; }
  const std::vector<std::string>& notes() const override { return notes_; }

  std::shared_ptr<const Samples> part(Part which) const override {
    const auto number = static_cast<std::size_t>(which);
    if (size(which) == 0) return nullptr;
    check_index(number);
    check_statistics();
    auto samples = std::make_shared<Samples>();
    samples->shape = description_.shape;
    samples->classes = classes();
    samples->values = description_.values;
    samples->sparse = description_.sparse;
    samples->rows = file_->mapping->at(file_->layout.rows[number]);
    samples->row_starts = at<std::uint64_t>(file_->layout.row_starts[number]);
    samples->labels = at<std::uint32_t>(file_->layout.labels[number]);
    samples->statistics = at<FeatureStatistics>(file_->layout.statistics);
    samples->class_names = names_;
    samples->seals = seals_[number];
    samples->owner = file_->mapping;
    return samples;
  }

  void check() const override {
    for (const Part which : {Part::kTrain, Part::kValidation, Part::kTest}) {
      const auto samples = part(which);
      if (!samples) continue;
      samples->seals->check(0, samples->rows.size());
      if (samples->sparse) check_order(static_cast<std::size_t>(which), *samples);
    }
  }

 private:
  template <class T>
  std::span<const T> at(const Section& section) const {
    return {reinterpret_cast<const T*>(file_->mapping->at(section).data()), section.bytes / sizeof(T)};
  }

  // One after the other, each with its length before it.
  std::vector<std::string> read_texts(const Section& section, const Sha256Bytes& seal, const char* what) const {
    file_->check_seal(section, seal, fmt::format("{}s", what).c_str());
    std::vector<std::string> texts;
    auto rest = file_->mapping->at(section);
    const auto place = [&] { return section.offset + section.bytes - rest.size(); };
    while (!rest.empty()) {
      std::uint32_t length = 0;
      if (rest.size() < sizeof length) {
        file_->fail(place(), fmt::format("expected the length of a {0}, the {0}s end", what));
      }
      std::memcpy(&length, rest.data(), sizeof length);
      if (length > rest.size() - sizeof length) {
        file_->fail(place(), fmt::format("expected a {} of at most {} bytes, found {}", what,
                                         rest.size() - sizeof length, length));
      }
      texts.emplace_back(reinterpret_cast<const char*>(rest.data()) + sizeof length, length);
      rest = rest.subspan(sizeof length + length);
    }
    return texts;
  }

  void check_index(std::size_t part) const {
    const PartHeader& header = file_->header.parts[part];
    const Section labels = file_->layout.labels[part], starts = file_->layout.row_starts[part];
    file_->check_seal(labels, header.labels_seal, "labels");
    const auto numbers = at<std::uint32_t>(labels);
    std::uint32_t largest = 0;
    for (const std::uint32_t label : numbers) largest = std::max(largest, label);  // in vector units
    if (largest >= classes()) {
      const auto stranger = std::ranges::find_if(numbers, [&](std::uint32_t label) { return label >= classes(); });
      file_->fail(labels.offset + static_cast<std::size_t>(stranger - numbers.begin()) * sizeof(std::uint32_t),
                  fmt::format("expected a label from 0 to {}, found {}", classes() - 1, *stranger));
    }
    if (!description_.sparse) return;
    file_->check_seal(starts, header.row_starts_seal, "row starts");
    const auto rows = at<std::uint64_t>(starts);
    std::uint64_t least = 0;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const bool end = row + 1 == rows.size();
      const std::uint64_t from = end ? header.entries : least, to = row == 0 ? 0 : header.entries;
      if (rows[row] < from || rows[row] > to) {
        file_->fail(starts.offset + row * sizeof(std::uint64_t),
                    fmt::format("expected a row start from {} to {}, found {}", from, to, rows[row]));
      }
      least = rows[row];
    }
  }

  void check_statistics() const {
    const Section section = file_->layout.statistics;
    file_->check_seal(section, file_->header.statistics_seal, "statistics");
    const auto features = at<FeatureStatistics>(section);
    const auto sound = [](const FeatureStatistics& feature) {
      return std::isfinite(feature.sum) && std::isfinite(feature.squares) && std::isfinite(feature.origin) &&
             std::isfinite(feature.least) && std::isfinite(feature.most) && feature.least <= feature.most;
    };
    const auto found = std::ranges::find_if_not(features, sound);
    if (found == features.end()) return;
    file_->fail(section.offset + static_cast<std::size_t>(found - features.begin()) * sizeof(FeatureStatistics),
                "expected statistics of finite numbers, found others");
  }

  void check_order(std::size_t part, const Samples& samples) const {
    const auto entries = at<Entry>(file_->layout.rows[part]);
    for (std::size_t row = 0; row + 1 < samples.row_starts.size(); ++row) {
      for (std::size_t i = samples.row_starts[row] + 1; i < samples.row_starts[row + 1]; ++i) {
        if (entries[i - 1].index < entries[i].index) continue;
        file_->fail(file_->layout.rows[part].offset + i * sizeof(Entry),
                    fmt::format("expected a feature above {}, found {}", entries[i - 1].index, entries[i].index));
      }
    }
  }

  std::shared_ptr<const File> file_;
  Description description_;
  std::vector<std::string> names_, notes_;
  std::array<std::shared_ptr<const RowSeals>, kParts> seals_;  // whoever reads a part checks a block, and no one again
};

// Every number of the header, before anything is made of it.
void check_numbers(const File& file) {
  const PreparedHeader& header = file.header;
  const auto expect = [&](const auto& field, bool sound, const std::string& what) {
    if (sound) return;
    const auto offset = reinterpret_cast<const std::byte*>(&field) - reinterpret_cast<const std::byte*>(&header);
    file.fail(static_cast<std::uint64_t>(offset), fmt::format("expected {}, found {}", what, field));
  };
  expect(header.block_bytes, header.block_bytes == kBlockBytes, fmt::format("blocks of {} bytes", kBlockBytes));
  const std::uint64_t* dimensions[] = {&header.channels, &header.height, &header.width};
  Wide features = 1;
  for (const std::uint64_t* dimension : dimensions) {
    if (*dimension <= kMostFeatures) features *= *dimension;
    expect(*dimension, *dimension > 0 && *dimension <= kMostFeatures && features <= kMostFeatures,
           fmt::format("a dimension of at least 1, and at most {} values in all", kMostFeatures));
  }
  expect(header.values, header.values <= 1, "0 (bytes) or 1 (floats)");
  expect(header.sparse, header.sparse <= header.values, "0 (dense), or 1 (sparse) with floats");
  if (header.sparse) {
    expect(header.channels, header.channels == 1, "1 channel as the samples are sparse");
    expect(header.height, header.height == 1, "a height of 1 as the samples are sparse");
  }
  expect(header.classes, header.classes > 0 && header.classes <= kMostClasses,
         fmt::format("from 1 to {} classes", kMostClasses));
  expect(header.name_bytes, header.name_bytes <= kMostNameBytes,
         fmt::format("at most {} bytes of class names", kMostNameBytes));
  expect(header.note_bytes, header.note_bytes <= kMostNoteBytes,
         fmt::format("at most {} bytes of notes", kMostNoteBytes));
  expect(header.statistics, header.statistics == 0 || header.statistics == features,
         fmt::format("statistics of 0 or {} features", static_cast<std::uint64_t>(features)));
  for (const PartHeader& part : header.parts) {
    const bool train = &part == &header.parts[0];
    expect(part.samples, part.samples <= kMostSamples && (part.samples > 0 || !train),
           fmt::format("from {} to {} samples", train ? 1 : 0, kMostSamples));
    const std::uint64_t most = header.sparse ? part.samples * header.width : 0;
    expect(part.entries, part.entries <= most, fmt::format("at most {} entries", most));
  }
}

}  // namespace

std::optional<Layout> lay_out(const PreparedHeader& header) {
  constexpr Wide kMostBytes = Wide{1} << 62;
  Layout layout;
  Wide end = kPage;
  const auto place = [&](Section& section, Wide bytes, std::uint64_t alignment) {
    end = (end + alignment - 1) / alignment * alignment;
    if (end + bytes > kMostBytes) return false;
    section = {static_cast<std::uint64_t>(end), static_cast<std::uint64_t>(bytes)};
    end += bytes;
    return true;
  };
  const Wide width = Wide{header.channels} * header.height * header.width;
  for (std::size_t part = 0; part < kParts; ++part) {
    const Wide dense = header.parts[part].samples * width * (header.values == 0 ? 1 : sizeof(float));
    const Wide bytes = header.sparse ? Wide{header.parts[part].entries} * sizeof(Entry) : dense;
    if (!place(layout.rows[part], bytes, kPage)) return std::nullopt;
  }
  for (std::size_t part = 0; part < kParts; ++part) {
    const std::uint64_t samples = header.parts[part].samples;
    const std::uint64_t starts = header.sparse && samples > 0 ? (samples + 1) * sizeof(std::uint64_t) : 0;
    const std::uint64_t blocks = (layout.rows[part].bytes + kBlockBytes - 1) / kBlockBytes;
    if (!place(layout.row_starts[part], starts, kAlignment)) return std::nullopt;
    if (!place(layout.labels[part], samples * sizeof(std::uint32_t), kAlignment)) return std::nullopt;
    if (!place(layout.seals[part], blocks * sizeof(Sha256Bytes), kAlignment)) return std::nullopt;
  }
  if (!place(layout.names, header.name_bytes, kAlignment)) return std::nullopt;
  if (!place(layout.notes, header.note_bytes, kAlignment)) return std::nullopt;
  if (!place(layout.statistics, Wide{header.statistics} * sizeof(FeatureStatistics), kAlignment)) return std::nullopt;
  layout.file_bytes = static_cast<std::uint64_t>(end);
  return layout;
}

Sha256Bytes seal_of(const void* bytes, std::size_t count) {
  Sha256 hash;
  hash.add({static_cast<const std::byte*>(bytes), count});
  return hash.finish_raw();
}

std::shared_ptr<const Prepared> open_prepared(int descriptor, const std::string& name) {
  const auto file = std::make_shared<File>();
  file->name = name;
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    throw WorldError(fmt::format("{}: cannot be read: {}", name, std::strerror(errno)));
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::array<std::byte, kPage> page{};
  const ssize_t count = pread(descriptor, page.data(), page.size(), 0);
  if (count < 0) throw WorldError(fmt::format("{}: cannot be read: {}", name, std::strerror(errno)));
  const auto found = std::span(page).first(static_cast<std::size_t>(count));
  const std::span<const std::uint8_t> begin(reinterpret_cast<const std::uint8_t*>(found.data()), found.size());
  if (!Prepared::recognises(begin)) {
    file->fail(0, fmt::format("expected '{}' (a data set prepared by psctl), found {}",
                              std::string_view(kPreparedMagic.data(), kPreparedMagic.size()),
                              begin.empty()
                                  ? "nothing"
                                  : fmt::format("{:02x}",
                                                fmt::join(begin.first(std::min<std::size_t>(begin.size(), 8)), " "))));
  }
  if (found.size() < kPage) {
    file->fail(found.size(), fmt::format("expected a header of {} bytes, the file ends", kPage));
  }
  PreparedHeader& header = file->header;
  std::memcpy(&header, page.data(), sizeof header);
  if (header.version != kPreparedVersion) {
    file->fail(offsetof(PreparedHeader, version),
               fmt::format("expected version {}, found {}; import the data anew with this psctl", kPreparedVersion,
                           header.version));
  }
  if (header_seal(header) != header.seal) {
    file->fail(offsetof(PreparedHeader, seal),
               fmt::format("expected a header with SHA-256 {}, found {}: the file is damaged; import the data anew",
                           hex(header.seal), hex(header_seal(header))));
  }
  const auto stray =
      std::ranges::find_if(found.subspan(sizeof header), [](std::byte byte) { return byte != std::byte{}; });
  if (stray != found.end()) file->fail(static_cast<std::uint64_t>(stray - found.begin()), "expected 0, found more");
  check_numbers(*file);
  const std::optional<Layout> layout = lay_out(header);
  if (!layout || layout->file_bytes != header.file_bytes) {
    file->fail(offsetof(PreparedHeader, file_bytes),
               fmt::format("expected a length of {} bytes by the counts of the header, found {}",
                           layout ? std::to_string(layout->file_bytes) : "far too many", header.file_bytes));
  }
  if (size != header.file_bytes) {
    file->fail(std::min(size, header.file_bytes),
               fmt::format("expected {} bytes, {}", header.file_bytes,
                           size < header.file_bytes ? "the file ends" : "found more"));
  }
  file->layout = *layout;
  file->mapping = std::make_shared<const Mapping>(descriptor, size, name);
  const Section last = layout->rows[kParts - 1];
  file->mapping->expect_random(kPage, last.offset + last.bytes - kPage);
  for (std::size_t part = 0; part < kParts; ++part) {
    file->check_seal(layout->seals[part], header.parts[part].rows_seal, "seals");
  }
  return std::make_shared<const MappedPrepared>(file);
}

bool Prepared::recognises(std::span<const std::uint8_t> begin) {
  return begin.size() >= kPreparedMagic.size() &&
         std::equal(kPreparedMagic.begin(), kPreparedMagic.end(), begin.begin());
}

std::shared_ptr<const Prepared> Prepared::open(const std::filesystem::path& path) {
  // Without O_NONBLOCK a named pipe would wait for a writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw UserError(fmt::format("{}: cannot be opened: {}", path.string(), std::strerror(errno)));
  struct Closing {
    int descriptor;
    ~Closing() { close(descriptor); }
  } closing{descriptor};
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    throw UserError(fmt::format("{}: expected a regular file, found {}", path.string(),
                                S_ISDIR(status.st_mode) ? "a folder" : "something else"));
  }
  return open_prepared(descriptor, path.string());
}

}  // namespace psctl::data
