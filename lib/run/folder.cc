#include "run/folder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fmt/chrono.h>
#include <gnu/libc-version.h>
#include <nlohmann/json.hpp>
#include <string_view>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "base/sha256.h"
#include "config/config.h"
#include "learn/model.h"
#include "run/version.h"
#include "trace/line_file.h"

namespace psctl::run {

namespace {

// A full or broken disk is the world's fault; any other reason lies in the path.
[[noreturn]] void refuse(const std::string& folder, const std::error_code& error) {
  const std::string what = fmt::format("cannot make the folder {}: {}", folder, error.message());
  if (error == std::errc::no_space_on_device || error == std::errc::io_error || error.value() == EDQUOT) {
    throw WorldError(what);
  }
  throw UserError(what + "; name a place that you may write to");
}

}  // namespace

std::string make_folder(const std::string& out, const std::string& name) {
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) refuse(out, error);
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::string stem = fmt::format("{}/{}-{:%Y%m%d-%H%M%S}", out, name, fmt::localtime(now));
  for (int attempt = 1;; ++attempt) {
    const std::string folder = attempt == 1 ? stem : fmt::format("{}-{}", stem, attempt);
    if (std::filesystem::create_directory(folder, error)) return folder;
    if (error) refuse(folder, error);
  }
}

std::string use_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) refuse(folder, error);
  return folder;
}

FolderLock::FolderLock(const std::string& folder)
    : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  // Where a file system knows no locks there is none.
  if (folder_ < 0 || ::flock(folder_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(folder_);
  throw UserError(fmt::format("another run is writing into {}: wait for its end, or give another folder", folder));
}

FolderLock::~FolderLock() {
  if (folder_ >= 0) ::close(folder_);
}

void remove_earlier_run(const std::string& folder, bool replace) {
  std::error_code ignored;
  std::vector<std::filesystem::path> earlier;
  std::string other;  // not of a run
  bool is_run = false, finished = false;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    constexpr std::string_view kWritten[] = {"config.yaml", "decisions.csv", "evals.csv",     "made.json",  "psctl.log",
                                             "steps.csv",   "summary.json",  "timeline.json", "workers.csv"};
    const std::string name = entry.path().filename();
    const bool model = name.starts_with("model") && name.ends_with(".f32");
    if (!model && !name.ends_with(".new") && std::ranges::find(kWritten, name) == std::end(kWritten)) {
      other = name;
      continue;
    }
    is_run = is_run || name == "config.yaml";
    finished = finished || name == "summary.json";
    if (name != "config.yaml") earlier.push_back(entry.path());
  }
  if (!other.empty() && !is_run) {
    throw UserError(fmt::format("the folder {} holds {}, and no run: give a new or an empty folder", folder, other));
  }
  if (finished && !replace) {
    throw UserError(fmt::format("the folder {} holds a run that has ended: give another folder, or --replace", folder));
  }
  for (const std::filesystem::path& file : earlier) std::filesystem::remove(file, ignored);
}

void write_origin(const std::string& folder, const Workbench& bench, const std::vector<std::string>& overrides) {
  trace::write_whole(folder + "/config.yaml", config::to_yaml(bench.config()));
  nlohmann::ordered_json made;
  made["overrides"] = overrides;
  made["version"] = kVersion;
  made["binary_sha256"] = sha256_of_file("/proc/self/exe");
  if (bench.timing_only()) {
    made["data_sha256"] = nullptr;
    made["train_samples"] = nullptr;
    made["test_samples"] = nullptr;
  } else {
    const data::Splits& splits = bench.splits();
    made["data_sha256"] = {{"train", splits.train->digest()}, {"test", splits.test->digest()}};
    if (splits.validation) made["data_sha256"]["validation"] = splits.validation->digest();
    made["train_samples"] = splits.train->size();
    const bool validating = bench.config().evaluate.on == learn::EvaluateOn::kValidation;
    made["test_samples"] = (validating ? splits.validation : splits.test)->size();  // that evaluations look at
    made["model"] = bench.model().description();
  }
  made["parameters"] = bench.parameters();
  made["sparse_pushes"] = bench.pushes_coordinates();
  made["blas_core"] = learn::blas_core_name();
  made["libc"] = ::gnu_get_libc_version();
  made["host"] = host_name();
  made["cores"] = std::thread::hardware_concurrency();
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  made["started"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
  trace::write_whole(folder + "/made.json",
                     made.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void save_model(const std::string& folder, std::span<const float> parameters, std::optional<Version> version) {
  const auto bytes = std::as_bytes(parameters);
  const std::string name = version ? fmt::format("model-{}.f32", *version) : "model.f32";
  trace::write_whole(folder + "/" + name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace psctl::run
