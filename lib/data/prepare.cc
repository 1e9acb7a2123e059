#include "data/prepare.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <regex>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/sha256.h"
#include "base/text.h"
#include "data/prepared_format.h"

namespace psctl::data {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

// Counts up whenever an importer makes other samples of the same files.
constexpr int kImportersVersion = 2;
// Entries up to this size are read and checked before they are used; of larger ones, each block when it is first
// touched.
constexpr std::uint64_t kCheckedWhole = std::uint64_t{1} << 30;
constexpr auto kForgotten = std::chrono::hours(24);  // after this long nobody writes a temporary file any more
constexpr std::size_t kLongestStem = 40;

// What tells whether somebody wrote to a file meanwhile.
using Stamp = std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t>;

std::vector<Stamp> stamps_of(std::span<const fs::path> files) {
  std::vector<Stamp> stamps;
  for (const fs::path& file : files) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) continue;  // whoever reads it will tell
    stamps.emplace_back(status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  }
  return stamps;
}

bool can_be_read(const fs::path& file) {
  std::error_code error;
  return fs::is_regular_file(file, error) && faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0;
}

// Passes samples on, and stops at the end if the files are no longer those that were digested.
class Guard final : public Sink {
 public:
  Guard(Sink& sink, std::span<const fs::path> files, const std::vector<Stamp>& stamps)
      : sink_(sink), files_(files), stamps_(stamps) {}
  void begin(const Description& description) override { sink_.begin(description); }
  void begin_part(Part part) override { sink_.begin_part(part); }
  void add(const Rows& rows) override {
    throw_if_interrupted();
    sink_.add(rows);
  }
  void end(const Summary& summary) override {
    if (stamps_of(files_) != stamps_) {
      throw UserError(fmt::format("{}: was written to while it was read; wait until it is whole",
                                  files_.size() == 1 ? files_.front().string() : "one of the files of data.source"));
    }
    sink_.end(summary);
  }

 private:
  Sink& sink_;
  std::span<const fs::path> files_;
  const std::vector<Stamp>& stamps_;
};

// Every option that is set, as text. One that joins the struct and not this list does not compile.
std::string told(const ImportOptions& options) {
  const auto& [shape, channels_last, values, missing, label, header, delimiter, first_index, features] = options;
  std::string text = fmt::format("missing {}\n", static_cast<int>(missing));
  if (shape) text += fmt::format("shape {}\n", to_text(*shape));
  if (channels_last) text += fmt::format("channels_last {}\n", *channels_last);
  if (values) text += fmt::format("values {}\n", static_cast<int>(*values));
  if (label) text += fmt::format("label {} {}\n", label->size(), *label);
  if (header) text += fmt::format("header {}\n", *header);
  if (delimiter) text += fmt::format("delimiter {}\n", static_cast<int>(*delimiter));
  if (first_index) text += fmt::format("first_index {}\n", *first_index);
  if (features) text += fmt::format("features {}\n", *features);
  return text;
}

// The name of an entry: for people the first file's, for psctl the key.
std::string entry_name(const Source& source, const ImportOptions& options, const std::string& digest) {
  const std::string key = fmt::format("psctl {} {}\n{}\n{}\n{}", kPreparedVersion, kImportersVersion,
                                      source.importer->name, told(options), digest);
  fs::path file = source.inputs.front().path.lexically_normal();
  if (!file.has_filename()) file = file.parent_path();
  std::string stem = file.stem().string().substr(0, kLongestStem);
  for (char& letter : stem) {
    if (!std::isalnum(static_cast<unsigned char>(letter)) && letter != '-' && letter != '_') letter = '_';
  }
  return fmt::format("{}-{}.psctl", stem, sha256(std::as_bytes(std::span(key))).substr(0, 32));
}

// What is left of processes that were killed while they wrote: entry_name() and what PreparedWriter adds to it. Nothing
// else, as the folder may be one that people keep files of their own in.
void remove_forgotten(const fs::path& folder) {
  static const std::regex kTemporary("[A-Za-z0-9_-]*-[0-9a-f]{32}\\.psctl\\.[A-Za-z0-9]{6}");
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(folder, ignored)) {
    if (!std::regex_match(file.path().filename().string(), kTemporary)) continue;
    const auto written = fs::last_write_time(file.path(), ignored);
    if (!ignored && fs::file_time_type::clock::now() - written > kForgotten) fs::remove(file.path(), ignored);
  }
}

// Runs what reads files; a fault of the data is told together with the way to get sound data.
void import_into(const Source& source, const ImportOptions& options, Sink& sink) {
  try {
    import_data(*source.importer, source.inputs, options, sink);
  } catch (const UserError& error) {
    if (source.advice.empty()) throw;
    throw UserError(fmt::format("{}; {}", error.what(), source.advice));
  }
}

std::uint64_t samples_of(const Prepared& prepared) {
  return std::uint64_t{prepared.size(Part::kTrain)} + prepared.size(Part::kValidation) + prepared.size(Part::kTest);
}

class Preparation {
 public:
  Preparation(const Source& source, const ImportOptions& options)
      : source_(source),
        options_(options),
        files_(files_of(*source.importer, source.inputs)),
        begun_(steady_clock::now()) {}

  Ready run() {
    const fs::path folder = cache_folder();
    if (folder.empty()) {
      notice("is not kept, as none of PSCTL_CACHE, XDG_CACHE_HOME and HOME names a place for it");
      return in_memory();
    }
    // The importer tells what is wrong with what is no file; nobody waits for a pipe before.
    if (!std::ranges::all_of(files_, [](const fs::path& file) { return can_be_read(file); })) return in_memory();
    stamps_ = stamps_of(files_);
    digest_ = digest_of(source_.inputs, files_);
    entry_ = fs::absolute(folder) / entry_name(source_, options_, hex(digest_));
    if (Ready found = look_up(); found.prepared) return found;
    std::unique_ptr<PreparedWriter> writer;
    try {
      fs::create_directories(entry_.parent_path());
      remove_forgotten(entry_.parent_path());
      writer = std::make_unique<PreparedWriter>(entry_, options_.missing, source_.name);
    } catch (const std::exception& error) {
      notice(fmt::format("is not kept: {}", error.what()));
      return in_memory();
    }
    try {
      fill(*writer);
    } catch (const WorldError& error) {
      notice(fmt::format("is not kept: {}", error.what()));
      writer.reset();
      return in_memory();
    }
    return made(writer->open(), entry_.string(), nullptr, fmt::format(", kept as {}", entry_.string()));
  }

 private:
  // An entry that is there and sound.
  Ready look_up() {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(entry_, error))) return {};
    try {
      const auto prepared = Prepared::open(entry_);
      if (prepared->source() != digest_) throw UserError(entry_.string() + ": made of other files");
      if (fs::file_size(entry_) <= kCheckedWhole) prepared->check();
      return {.prepared = prepared, .path = entry_.string(), .keeper = nullptr, .notices = {}};
    } catch (const std::exception& damage) {
      notices_.push_back(fmt::format("{}; it is made anew", damage.what()));
      return {};
    }
  }

  Ready in_memory() {
    stamps_ = stamps_of(files_);
    std::shared_ptr<PreparedWriter> writer = PreparedWriter::in_memory(source_.name, options_.missing);
    fill(*writer);
    return made(writer->open(), writer->path(), writer, ", in memory");
  }

  void fill(PreparedWriter& writer) {
    writer.set_source(digest_);
    Guard guard(writer, files_, stamps_);
    import_into(source_, options_, guard);
  }

  Ready made(std::shared_ptr<const Prepared> prepared, std::string path, std::shared_ptr<const void> keeper,
             const std::string& where) {
    const std::chrono::duration<double> seconds = steady_clock::now() - begun_;
    notices_.push_back(fmt::format("prepared {} ({}) in {:.2f} s{}", source_.name,
                                   counted(samples_of(*prepared), "sample"), seconds.count(), where));
    notices_.insert(notices_.end(), prepared->notes().begin(), prepared->notes().end());
    return {.prepared = std::move(prepared),
            .path = std::move(path),
            .keeper = std::move(keeper),
            .notices = std::move(notices_)};
  }

  void notice(const std::string& what) {
    notices_.push_back(fmt::format("{}: what is prepared of it {}", source_.name, what));
  }

  const Source& source_;
  const ImportOptions& options_;
  std::vector<fs::path> files_;  // all that are read
  steady_clock::time_point begun_;
  std::vector<Stamp> stamps_;
  Sha256Bytes digest_{};
  fs::path entry_;
  std::vector<std::string> notices_;
};

}  // namespace

fs::path cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value ? value : "");
  };
  if (std::getenv("PSCTL_CACHE")) return variable("PSCTL_CACHE");
  if (const fs::path folder = variable("XDG_CACHE_HOME"); folder.is_absolute()) return folder / "psctl";
  if (const fs::path home = variable("HOME"); home.is_absolute()) return home / ".cache" / "psctl";
  return {};
}

Ready prepare(const DataConfig& config) {
  const Source source = find_source(config);
  if (!source.prepared.empty()) {
    if (!config.import.format.empty() || !given(config.import.options).empty() || config.import.labels) {
      throw UserError(fmt::format("data.import: {} is prepared, so nothing is left to say of its import; remove it",
                                  source.prepared.string()));
    }
    return {.prepared = Prepared::open(source.prepared), .path = source.prepared, .keeper = nullptr, .notices = {}};
  }
  try {
    check_options(*source.importer, source.inputs, config.import.options);
  } catch (const UserError& error) {
    throw UserError("data.import", error);
  }
  return Preparation(source, config.import.options).run();
}

}  // namespace psctl::data
