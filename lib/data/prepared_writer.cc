#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <deque>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <mutex>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_group.h>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"
#include "data/prepared.h"
#include "data/prepared_format.h"
#include "data/statistics.h"

namespace psctl::data {
namespace {

namespace fs = std::filesystem;

// A file that is written under a temporary name, or in memory.
class Output {
 public:
  explicit Output(fs::path path) : path_(std::move(path)), name_(path_.string()) {
    if (path_.empty()) throw UserError("expected the name of a file to write, found nothing");
    // A device or a folder would be put aside for the file.
    std::error_code error;
    const fs::file_status status = fs::status(path_, error);
    if (fs::exists(status) && !fs::is_regular_file(status)) {
      throw UserError(fmt::format("{}: expected a file to write, found {}", name_,
                                  fs::is_directory(status) ? "a folder" : "something else"));
    }
    temporary_ = name_ + "." + std::string(6, 'X');
    descriptor_ = mkostemp(temporary_.data(), O_CLOEXEC);
    if (descriptor_ < 0) throw UserError(fmt::format("{}: cannot be written: {}", name_, std::strerror(errno)));
  }
  static std::unique_ptr<Output> in_memory(std::string name) {
    auto output = std::unique_ptr<Output>(new Output);
    output->name_ = std::move(name);
    output->descriptor_ = memfd_create("psctl-data", MFD_CLOEXEC);
    if (output->descriptor_ < 0) output->fail();
    return output;
  }
  ~Output() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!temporary_.empty()) unlink(temporary_.c_str());
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  int descriptor() const { return descriptor_; }
  const std::string& name() const { return name_; }
  std::string path() const {
    return path_.empty() ? fmt::format("/proc/{}/fd/{}", getpid(), descriptor_) : path_.string();
  }

  void write(std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
      const ssize_t count = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    }
  }

  void read(std::span<std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
      const ssize_t count = pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) fail();
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    }
  }

  void finish(std::uint64_t bytes) {
    if (ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) fail();
    if (temporary_.empty()) return;
    const mode_t mask = umask(0);
    umask(mask);
    // Not synced: should the machine fall over before the data are on the disk, the seals will tell.
    if (fchmod(descriptor_, 0666 & ~mask) != 0) fail();
    if (rename(temporary_.c_str(), path_.c_str()) != 0) fail();
    temporary_.clear();
  }

 private:
  Output() = default;
  [[noreturn]] void fail() const {
    throw WorldError(fmt::format("{}: cannot be written: {}", name_, std::strerror(errno)));
  }

  fs::path path_;
  std::string name_, temporary_;
  int descriptor_ = -1;
};

// What is sealed and written at a time.
constexpr std::size_t kPieceBytes = 16 * kBlockBytes;

struct Piece {
  std::vector<std::byte> bytes;
  std::uint64_t offset = 0;                   // in the file
  std::vector<Sha256Bytes>* seals = nullptr;  // of its blocks; null: it is not sealed
};

// Does the work on pieces on other threads, in any order, so that whoever fills them need not wait.
class Conveyor {
 public:
  explicit Conveyor(std::function<void(const Piece&)> work) : work_(std::move(work)) {}
  ~Conveyor() { tasks_.wait(); }
  Conveyor(const Conveyor&) = delete;
  Conveyor& operator=(const Conveyor&) = delete;

  // Takes the piece away and leaves an empty one with room. Throws what the work on an earlier one threw. Not
  // thread-safe.
  void put(Piece& piece) {
    std::vector<std::byte> spare;
    bool busy = false;
    {
      const std::scoped_lock lock(mutex_);
      if (failure_) std::rethrow_exception(failure_);
      busy = under_way_ == most_;
      if (!busy) ++under_way_;
      if (!busy && !spare_.empty()) {
        spare = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    if (busy) {  // as are all the others
      work_(piece);
      piece.bytes.clear();
      return;
    }
    tasks_.run([this, taken = std::make_shared<Piece>(std::move(piece))] { run(*taken); });
    piece = {};
    piece.bytes = std::move(spare);
    piece.bytes.reserve(kPieceBytes);
  }

  // Waits until nothing is left to do. Throws as put does.
  void drain() {
    tasks_.wait();
    const std::scoped_lock lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void run(Piece& piece) {
    std::exception_ptr failure;
    try {
      work_(piece);
    } catch (...) {
      failure = std::current_exception();
    }
    const std::scoped_lock lock(mutex_);
    --under_way_;
    if (failure && !failure_) failure_ = failure;
    piece.bytes.clear();
    spare_.push_back(std::move(piece.bytes));
  }

  std::function<void(const Piece&)> work_;
  const std::size_t most_ = 4 * static_cast<std::size_t>(oneapi::tbb::info::default_concurrency());
  std::mutex mutex_;
  std::size_t under_way_ = 0;
  std::vector<std::vector<std::byte>> spare_;
  std::exception_ptr failure_;
  // Not bound to what the first piece came from, which may end before the others.
  oneapi::tbb::task_group_context context_{oneapi::tbb::task_group_context::isolated};
  oneapi::tbb::task_group tasks_{context_};
};

std::vector<Sha256Bytes> seals_of(std::span<const std::byte> bytes) {
  std::vector<Sha256Bytes> seals;
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kBlockBytes))) {
    seals.push_back(seal_of(bytes.data(), std::min(bytes.size(), kBlockBytes)));
  }
  return seals;
}

std::uint64_t round_up(std::uint64_t number, std::uint64_t multiple) {
  return (number + multiple - 1) / multiple * multiple;
}

std::vector<char> lengths_and_texts(const std::vector<std::string>& texts) {
  std::vector<char> bytes;
  for (const std::string& text : texts) {
    const auto length = static_cast<std::uint32_t>(text.size());
    bytes.insert(bytes.end(), reinterpret_cast<const char*>(&length), reinterpret_cast<const char*>(&length + 1));
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  return bytes;
}

}  // namespace

struct PreparedWriter::State {
  State(std::unique_ptr<Output> to, Missing filling, std::string samples)
      : output(std::move(to)), about(samples.empty() ? output->name() : std::move(samples)), missing(filling) {}

  std::unique_ptr<Output> output;
  std::string about;
  Missing missing;
  Sha256Bytes source{};
  Description description;
  bool begun = false, ended = false;
  std::optional<std::size_t> part;
  std::uint64_t end = kPage;  // of what was put on the conveyor
  Piece piece;
  std::vector<std::uint32_t> labels[kParts];
  std::vector<std::uint64_t> row_starts[kParts];

  std::deque<std::vector<Sha256Bytes>> seals[kParts];  // each set by the conveyor
  // In the order of the samples, so that no bit depends on the number of threads.
  std::optional<FeatureSums> sums;
  std::vector<std::uint64_t> filled;           // of every feature; made when the first value is missing
  std::uint64_t position[kParts] = {0, 0, 0};  // values of the part so far

  std::optional<Conveyor> conveyor;

  std::size_t width() const { return description.shape.size(); }

  void append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto next = bytes.first(std::min(bytes.size(), kPieceBytes - piece.bytes.size()));
      piece.bytes.insert(piece.bytes.end(), next.begin(), next.end());
      bytes = bytes.subspan(next.size());
      if (piece.bytes.size() == kPieceBytes) put_piece();
    }
  }

  void put_piece() {
    if (description.values == Values::kFloats && !description.sparse) fill_zeros();
    if (part == 0) sums->add(piece.bytes);
    // Means are known at the end only; the rows are sealed when they are filled in.
    if (missing != Missing::kMean) piece.seals = &seals[*part].emplace_back();
    piece.offset = end;
    end += piece.bytes.size();
    conveyor->put(piece);
  }

  void end_part() {
    if (!piece.bytes.empty()) put_piece();
    end = round_up(end, kPage);
  }

  // Counts what is missing, and fills it if that is with 0.
  void fill_zeros() {
    const std::span values(reinterpret_cast<float*>(piece.bytes.data()), piece.bytes.size() / sizeof(float));
    std::uint64_t& first = position[*part];
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isnan(values[i])) continue;
      PSCTL_CHECK(missing != Missing::kRefuse, "an importer handed over a missing value");
      filled.resize(width());
      ++filled[(first + i) % width()];
      if (missing == Missing::kZero) values[i] = 0;
    }
    first += values.size();
  }

  void fill_means(const Layout& layout) {
    const std::vector<FeatureStatistics> features = sums->finish(width());
    if (features.empty()) {
      throw UserError(fmt::format("{}: means are taken of at most {} values a sample, found {}; fill with zero", about,
                                  kMostStatistics, width()));
    }
    std::vector<float> means(width());
    for (std::size_t i = 0; i < means.size(); ++i) {
      if (features[i].present == 0) {
        throw UserError(fmt::format(
            "{}: value {} of the samples is missing from all of the training part: there is no mean to fill it with; "
            "fill with zero or leave it out",
            about, i + 1));
      }
      means[i] = static_cast<float>(features[i].origin + features[i].sum / static_cast<double>(features[i].present));
    }
    sums.emplace(width(), description.values, false);
    for (std::size_t which = 0; which < kParts; ++which) {
      const Section rows = layout.rows[which];
      std::uint64_t value = 0;
      for (std::uint64_t offset = 0; offset < rows.bytes; offset += kPieceBytes) {
        piece.bytes.resize(std::min<std::uint64_t>(kPieceBytes, rows.bytes - offset));
        piece.offset = rows.offset + offset;
        piece.seals = &seals[which].emplace_back();
        output->read(piece.bytes, piece.offset);
        for (float& each :
             std::span(reinterpret_cast<float*>(piece.bytes.data()), piece.bytes.size() / sizeof(float))) {
          if (std::isnan(each)) each = means[value % width()];
          ++value;
        }
        if (which == 0) sums->add(piece.bytes);
        conveyor->put(piece);
      }
    }
    conveyor->drain();
  }

  template <class T>
  Sha256Bytes write_section(const Section& section, const std::vector<T>& content) {
    PSCTL_CHECK(content.size() * sizeof(T) == section.bytes);
    output->write(std::as_bytes(std::span(content)), section.offset);
    return seal_of(content.data(), section.bytes);
  }
};

PreparedWriter::PreparedWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}

PreparedWriter::PreparedWriter(fs::path path, Missing missing, std::string about)
    : state_(std::make_unique<State>(std::make_unique<Output>(std::move(path)), missing, std::move(about))) {}

std::unique_ptr<PreparedWriter> PreparedWriter::in_memory(std::string name, Missing missing) {
  return std::unique_ptr<PreparedWriter>(
      new PreparedWriter(std::make_unique<State>(Output::in_memory(std::move(name)), missing, std::string())));
}

PreparedWriter::~PreparedWriter() = default;

void PreparedWriter::set_source(const Sha256Bytes& digest) { state_->source = digest; }

void PreparedWriter::begin(const Description& description) {
  State& state = *state_;
  PSCTL_CHECK(!state.begun);
  state.begun = true;
  state.description = description;
  PSCTL_CHECK(!description.sparse || description.values == Values::kFloats);
  const auto& [channels, height, width] = description.shape;
  if (!description.sparse) {
    PSCTL_CHECK(channels > 0 && height > 0 && width > 0);
    if (height > kMostFeatures / channels || width > kMostFeatures / channels / height) {
      throw UserError(fmt::format("{}: expected at most {} values a sample, found {} x {} x {}", state.about,
                                  kMostFeatures, channels, height, width));
    }
  }
  state.sums.emplace(state.width(), description.values, description.sparse);
  state.piece.bytes.reserve(kPieceBytes);
  state.conveyor.emplace([&state](const Piece& piece) {
    if (piece.seals) *piece.seals = seals_of(piece.bytes);
    state.output->write(piece.bytes, piece.offset);
  });
}

void PreparedWriter::begin_part(Part part) {
  State& state = *state_;
  const auto number = static_cast<std::size_t>(part);
  PSCTL_CHECK(state.begun && !state.ended && (!state.part || *state.part < number));
  if (state.part) state.end_part();
  state.part = number;
  if (state.description.sparse) state.row_starts[number].assign(1, 0);
}

void PreparedWriter::add(const Rows& rows) {
  State& state = *state_;
  PSCTL_CHECK(state.part && !state.ended);
  const std::size_t samples = rows.labels.size();
  std::vector<std::uint32_t>& labels = state.labels[*state.part];
  if (samples > kMostSamples - labels.size()) {
    throw UserError(fmt::format("{}: expected at most {} samples in a part, found more", state.about, kMostSamples));
  }
  labels.insert(labels.end(), rows.labels.begin(), rows.labels.end());
  if (state.description.sparse) {
    PSCTL_CHECK(rows.row_entries.size() == samples);
    std::vector<std::uint64_t>& starts = state.row_starts[*state.part];
    std::uint64_t entries = 0;
    for (const std::uint32_t count : rows.row_entries) {
      entries += count;
      starts.push_back(starts.back() + count);
    }
    PSCTL_CHECK(entries == rows.entries.size());
    state.append(std::as_bytes(rows.entries));
  } else if (state.description.values == Values::kBytes) {
    PSCTL_CHECK(rows.bytes.size() == samples * state.width());
    state.append(std::as_bytes(rows.bytes));
  } else {
    PSCTL_CHECK(rows.floats.size() == samples * state.width());
    state.append(std::as_bytes(rows.floats));
  }
}

void PreparedWriter::end(const Summary& summary) {
  State& state = *state_;
  PSCTL_CHECK(state.part && !state.ended);
  state.end_part();
  state.conveyor->drain();
  if (state.labels[0].empty()) {
    throw UserError(fmt::format("{}: expected at least one training sample, found none", state.about));
  }
  if (summary.classes.size() > kMostClasses) {
    throw UserError(
        fmt::format("{}: expected at most {} classes, found {}", state.about, kMostClasses, summary.classes.size()));
  }
  PSCTL_CHECK(summary.classes.size() >= 2);

  PreparedHeader header{};
  header.magic = kPreparedMagic;
  header.version = kPreparedVersion;
  header.block_bytes = kBlockBytes;
  header.values = state.description.values == Values::kBytes ? 0 : 1;
  header.sparse = state.description.sparse ? 1 : 0;
  header.classes = summary.classes.size();
  header.source = state.source;
  const auto& [channels, height, width] = state.description.shape;
  header.channels = channels;
  header.height = height;
  header.width = state.description.sparse ? summary.features : width;
  PSCTL_CHECK(header.width > 0 && header.width <= kMostFeatures);
  const std::vector<char> names = lengths_and_texts(summary.classes), notes = lengths_and_texts(summary.notes);
  if (names.size() > kMostNameBytes) {
    throw UserError(fmt::format("{}: expected class names of at most {} bytes in all, found {}", state.about,
                                kMostNameBytes, names.size()));
  }
  if (notes.size() > kMostNoteBytes) {
    throw UserError(fmt::format("{}: expected notes of at most {} bytes in all, found {}", state.about, kMostNoteBytes,
                                notes.size()));
  }
  header.name_bytes = names.size();
  header.note_bytes = notes.size();
  const std::uint64_t features = header.channels * header.height * header.width;
  header.statistics = features <= kMostStatistics ? features : 0;
  for (std::size_t part = 0; part < kParts; ++part) {
    header.parts[part].samples = state.labels[part].size();
    if (!state.labels[part].empty() && header.sparse) header.parts[part].entries = state.row_starts[part].back();
    if (state.labels[part].empty()) state.row_starts[part].clear();
    for (std::uint32_t& label : state.labels[part]) {
      PSCTL_CHECK(summary.class_of.empty() || label < summary.class_of.size());
      if (!summary.class_of.empty()) label = summary.class_of[label];
      PSCTL_CHECK(label < header.classes);
    }
  }
  const std::optional<Layout> layout = lay_out(header);
  PSCTL_CHECK(layout && layout->rows[kParts - 1].offset + layout->rows[kParts - 1].bytes <= layout->file_bytes);
  header.file_bytes = layout->file_bytes;

  if (state.missing == Missing::kMean) state.fill_means(*layout);
  std::vector<FeatureStatistics> statistics = state.sums->finish(features);
  for (std::size_t i = 0; i < std::min(statistics.size(), state.filled.size()); ++i) {
    statistics[i].missing = state.filled[i];
  }
  for (std::size_t part = 0; part < kParts; ++part) {
    PartHeader& to = header.parts[part];
    std::vector<Sha256Bytes> seals;
    for (const auto& of_piece : state.seals[part]) seals.insert(seals.end(), of_piece.begin(), of_piece.end());
    to.rows_seal = state.write_section(layout->seals[part], seals);
    to.row_starts_seal = state.write_section(layout->row_starts[part], state.row_starts[part]);
    to.labels_seal = state.write_section(layout->labels[part], state.labels[part]);
  }
  header.names_seal = state.write_section(layout->names, names);
  header.notes_seal = state.write_section(layout->notes, notes);
  header.statistics_seal = state.write_section(layout->statistics, statistics);
  header.seal = header_seal(header);
  state.output->write(std::as_bytes(std::span(&header, 1)), 0);
  state.output->finish(header.file_bytes);
  state.ended = true;
}

std::shared_ptr<const Prepared> PreparedWriter::open() const {
  PSCTL_CHECK(state_->ended);
  return open_prepared(state_->output->descriptor(), state_->output->name());
}

std::string PreparedWriter::path() const { return state_->output->path(); }

}  // namespace psctl::data
