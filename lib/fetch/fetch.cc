#include "fetch/fetch.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <span>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/sha256.h"
#include "base/text.h"
#include "data/import.h"
#include "data/prepared.h"
#include "fetch/unpack.h"

namespace psctl::fetch {
namespace {

namespace fs = std::filesystem;
using data::Part;

struct Interrupted {};

// A folder that one process at a time works in.
class LockedFolder {
 public:
  explicit LockedFolder(fs::path path) : path_(std::move(path)) {
    do {
      if (descriptor_ >= 0) close(descriptor_);
      std::error_code error;
      fs::create_directories(path_, error);
      if (error) throw UserError(fmt::format("{}: cannot be made: {}", path_.string(), error.message()));
      descriptor_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (descriptor_ < 0) {
        throw UserError(fmt::format("{}: cannot be used: {}", path_.string(), std::strerror(errno)));
      }
      if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        close(descriptor_);
        throw WorldError(fmt::format("{}: another psctl data fetch is at work there", path_.string()));
      }
    } while (!still_there());  // another one may have finished and removed it meanwhile
  }
  ~LockedFolder() { close(descriptor_); }
  LockedFolder(const LockedFolder&) = delete;
  LockedFolder& operator=(const LockedFolder&) = delete;

  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  bool still_there() const {
    struct stat locked {
    }, named{};
    return fstat(descriptor_, &locked) == 0 && stat(path_.c_str(), &named) == 0 && locked.st_ino == named.st_ino &&
           locked.st_dev == named.st_dev;
  }

  fs::path path_;
  int descriptor_ = -1;
};

// Passes on what comes, until it is interrupted.
class Interruptible final : public data::Sink {
 public:
  Interruptible(data::Sink& sink, const std::atomic<bool>* interrupted) : sink_(sink), interrupted_(interrupted) {}
  void begin(const data::Description& description) override { sink_.begin(description); }
  void begin_part(Part part) override { sink_.begin_part(part); }
  void add(const data::Rows& rows) override {
    if (interrupted_ && *interrupted_) throw Interrupted();
    sink_.add(rows);
  }
  void end(const data::Summary& summary) override { sink_.end(summary); }

 private:
  data::Sink& sink_;
  const std::atomic<bool>* interrupted_;
};

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

class Fetch {
 public:
  Fetch(const Request& request, const LockedFolder& work) : request_(request), set_(request.set), work_(work) {}

  void download_all() {
    for (const data::RemoteFile& file : set_.files) {
      const fs::path path = work_ / file.name;
      if (is_there(path)) {
        check_present(file, path);
        continue;
      }
      Wanted wanted{
          .addresses = {}, .path = path, .bytes = file.bytes, .most_bytes = file.most_bytes, .sha256 = file.sha256};
      for (const std::string& address : request_.from.empty() ? set_.addresses : std::vector{request_.from}) {
        wanted.addresses.push_back(address + (address.ends_with('/') ? "" : "/") + file.name);
      }
      Watch watch{.interrupted = request_.interrupted, .progress = {}, .say = request_.say};
      if (request_.progress) {
        watch.progress = [&](std::uint64_t done, std::uint64_t total) { request_.progress(file.name, done, total); };
      }
      if (!download(wanted, request_.patience, watch)) throw Interrupted();
    }
  }

  // To a prepared file in the work folder.
  fs::path prepare() {
    const fs::path unpacked = work_ / "unpacked";
    std::error_code ignored;
    fs::remove_all(unpacked, ignored);
    fs::create_directory(unpacked, ignored);
    const fs::path result = data::fetched_file(work_.path(), set_);
    data::PreparedWriter writer(result, data::Missing::kRefuse);
    try {
      writer.set_source(digest());
      const std::vector<data::Input> inputs = unpack(unpacked);
      say("importing");
      data::ImportOptions options;
      if (set_.features > 0) options.features = set_.features;
      Interruptible sink(writer, request_.interrupted);
      data::import_data(data::importer_for(inputs, set_.format), inputs, options, sink);
      check_structure(*writer.open());
    } catch (const UserError& error) {
      fs::remove_all(work_.path(), ignored);
      throw WorldError(fmt::format("what was fetched is not {}, and is removed", set_.name), error);
    }
    return result;
  }

  void say(const std::string& text) const {
    if (request_.say) request_.say(text);
  }

 private:
  void check_present(const data::RemoteFile& file, const fs::path& path) const {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    const bool sound = fs::is_regular_file(status) && (file.bytes == 0 || fs::file_size(path, error) == file.bytes) &&
                       (file.sha256.empty() || sha256_of_file(path.string()) == file.sha256);
    if (!sound) {
      throw UserError(
          fmt::format("{}: expected the file that {} is made of, found another; remove it", path.string(), set_.name));
    }
  }

  data::Sha256Bytes digest() const {
    Sha256 all;
    for (const data::RemoteFile& file : set_.files) {
      const std::string line = fmt::format("{} {}\n", file.name, sha256_of_file((work_ / file.name).string()));
      all.add(std::as_bytes(std::span(line)));
    }
    return all.finish_raw();
  }

  // What the importer is to read.
  std::vector<data::Input> unpack(const fs::path& folder) const {
    std::vector<data::Input> inputs;
    for (const data::RemoteFile& file : set_.files) {
      fs::path path = work_ / file.name;
      if (set_.packing != data::Packing::kNone) say("unpacking " + file.name);
      bool completed = true;
      if (set_.packing == data::Packing::kBzip2) {
        const fs::path packed = std::exchange(path, folder / fs::path(file.name).stem());
        completed = unpack_bzip2(packed, path, set_.most_unpacked, request_.interrupted);
      } else if (set_.packing == data::Packing::kTarGzip) {
        completed = unpack_members(path, set_.members, folder, request_.interrupted);
      }
      if (!completed) throw Interrupted();
      inputs.push_back({.path = path, .part = file.part, .labels = {}});
    }
    if (!set_.folder) return inputs;
    return {{.path = set_.packing == data::Packing::kNone ? work_.path() : folder, .part = Part::kTrain, .labels = {}}};
  }

  // Throws UserError.
  void check_structure(const data::Prepared& prepared) const {
    const auto expect = [&](const char* what, std::size_t published, std::size_t found) {
      if (published == found) return;
      throw UserError(fmt::format("expected {} {}, as published, found {}", published, what, found));
    };
    expect("classes", set_.classes, prepared.classes());
    expect("training samples", set_.train, prepared.size(Part::kTrain));
    expect("test samples", set_.test, prepared.size(Part::kTest));
    const data::Shape& shape = prepared.description().shape;
    expect("channels", set_.shape.channels, shape.channels);
    expect("rows", set_.shape.height, shape.height);
    expect(set_.shape.height == 1 ? "features" : "columns", set_.shape.width, shape.width);
    const bool digests = std::ranges::none_of(set_.files, [](const auto& file) { return file.sha256.empty(); });
    say(fmt::format("{}; {} training and {} test samples of {} values in {} classes, as published",
                    digests ? "every file has the SHA-256 that is published" : "no checksum is published", set_.train,
                    set_.test, set_.shape.size(), set_.classes));
  }

  const Request& request_;
  const data::KnownSet& set_;
  const LockedFolder& work_;
};

std::optional<Fetched> fetch_raw(const Request& request) {
  const LockedFolder folder(request.folder / request.set.name);
  const bool was_there = std::ranges::all_of(
      request.set.files, [&](const data::RemoteFile& file) { return is_there(folder / file.name); });
  Fetch(request, folder).download_all();
  return Fetched{.path = folder.path(), .was_there = was_there};
}

std::optional<Fetched> fetch_prepared(const Request& request) {
  const fs::path result = data::fetched_file(request.folder, request.set);
  const auto present = [&]() -> std::optional<Fetched> {
    if (!is_there(result)) return std::nullopt;
    data::Prepared::open(result);
    return Fetched{.path = result, .was_there = true};
  };
  if (auto fetched = present()) return fetched;
  const LockedFolder work(request.folder / (request.set.name + ".fetching"));
  if (auto fetched = present()) return fetched;
  Fetch fetch(request, work);
  fetch.download_all();
  const fs::path prepared = fetch.prepare();
  std::error_code error;
  fs::rename(prepared, result, error);
  if (error) throw WorldError(fmt::format("{}: cannot be written: {}", result.string(), error.message()));
  fs::remove_all(work.path(), error);
  return Fetched{.path = result};
}

}  // namespace

std::optional<Fetched> fetch(const Request& request) {
  if (!request.from.empty()) check_address(request.from);
  try {
    return request.raw ? fetch_raw(request) : fetch_prepared(request);
  } catch (const Interrupted&) {
    return std::nullopt;
  }
}

}  // namespace psctl::fetch
