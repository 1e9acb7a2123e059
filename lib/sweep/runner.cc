#include "sweep/runner.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <set>
#include <signal.h>
#include <sstream>
#include <sys/file.h>
#include <tbb/parallel_for.h>
#include <thread>
#include <unistd.h>

#include "base/sha256.h"
#include "base/text.h"
#include "config/config.h"
#include "results/run.h"
#include "run/folder.h"
#include "sweep/job.h"
#include "trace/line_file.h"

namespace psctl::sweep {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr auto kTick = std::chrono::milliseconds(200);
constexpr auto kInterruptGrace = std::chrono::seconds(5);

std::size_t cores() { return std::max(1U, std::thread::hardware_concurrency()); }

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A real run takes as many cores as it has processes that compute; a virtual one takes one.
std::size_t cost(const PlannedRun& run) {
  const lead::ClusterConfig& cluster = run.config.cluster;
  if (run.config.clock == config::Clock::kVirtual) return 1;
  return cluster.workers * cluster.threads_per_worker + cluster.servers;
}

// Of a file that may be damaged: empty where there is no text of that key.
template <class Object>
std::string text_at(const Object& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->template get<std::string>() : std::string();
}

std::string without_name(const std::string& yaml) { return yaml.substr(std::min(yaml.size(), yaml.find('\n'))); }

// Why the folder of a run is not to be trusted; empty if it is there and whole. Nothing if it is not there.
std::optional<std::string> fault_of(const PlannedRun& run, const std::string& path) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) return std::nullopt;
  try {
    const auto found = results::read_run(path);
    if (!found || found->status() == results::Status::kUnfinished) return "summary.json is missing";
    if (found->status() != results::Status::kDone) return fmt::format("it is {}", name_of(found->status()));
    if (without_name(read_file(path + "/config.yaml")) != without_name(config::to_yaml(run.config))) {
      return "config.yaml is not that of the run";
    }
    return results::lacking(*found);
  } catch (const UserError& fault) {
    return fault.what();
  }
}

// The digest of the program that made a run; empty where that is not told.
std::string made_by(const std::string& folder) {
  try {
    const auto run = results::read_run(folder);
    return run ? text_at(run->made(), "binary_sha256") : "";
  } catch (const UserError&) {
    return {};
  }
}

// Gets what is not whole out of the way, with what was there of that name before it.
void set_aside(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  fs::remove_all(to, error);
  fs::rename(from, to, error);
  if (error) throw WorldError(fmt::format("cannot move {} to {}: {}", from, to, error.message()));
}

std::string cell_of(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text) quoted += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return quoted + '"';
}

// A row a run: its point, then what its summary says in single values.
void write_table(const Plan& plan, const std::vector<RunStatus>& states, const std::string& folder) {
  const Json planned = Json::parse(to_json(plan));
  std::vector<std::map<std::string, std::string>> rows(plan.runs.size());
  std::vector<std::string> point_keys, summary_keys;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = {{"id", plan.runs[i].id}, {"stage", plan.runs[i].stage}};
    for (const auto& [key, value] : planned["runs"][i]["point"].items()) {
      rows[i]["point." + key] = value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
      if (seen.insert("point." + key).second) point_keys.push_back("point." + key);
    }
    if (states[i].state != State::kDone) {
      rows[i]["status"] = states[i].state == State::kFailed ? "failed" : "missing";
      if (seen.insert("status").second) summary_keys.push_back("status");
      continue;
    }
    const auto run = results::read_run(folder + "/" + plan.runs[i].folder());
    for (const std::string_view name : run ? run->keys() : std::vector<std::string_view>()) {
      const std::string key(name);
      rows[i][key] = run->value(key).value_or("");
      if (seen.insert(key).second) summary_keys.push_back(key);
    }
  }
  std::string text = "id,stage";
  // A key of the point that is also one of the summary, such as seed, stands once.
  std::erase_if(summary_keys, [&](const std::string& key) { return seen.contains("point." + key); });
  for (const std::string& key : point_keys) text += "," + key.substr(std::strlen("point."));
  for (const std::string& key : summary_keys) text += "," + key;
  text += "\n";
  for (const auto& row : rows) {
    text += cell_of(row.at("id")) + "," + cell_of(row.at("stage"));
    for (const auto* keys : {&point_keys, &summary_keys}) {
      for (const std::string& key : *keys) text += "," + (row.contains(key) ? cell_of(row.at(key)) : "");
    }
    text += "\n";
  }
  trace::write_whole(folder + "/sweep.csv", text);
}

class Execution {
 public:
  Execution(const Plan& plan, const Folder& folder, const Options& options)
      : plan_(plan), folder_(folder.path()), options_(options), states_(plan.runs.size()) {}

  Outcome run() {
    const auto began = steady_clock::now();
    freeze();
    find_present();
    while (next_ < plan_.runs.size() || !jobs_.empty()) {
      if (interrupted()) break;
      if (!stopping_) start_what_fits();
      if (jobs_.empty() && (stopping_ || next_ == plan_.runs.size())) break;
      wait();
    }
    if (interrupted()) end_jobs();
    outcome_.wall_s = std::chrono::duration<double>(steady_clock::now() - began).count();
    outcome_.done = static_cast<std::size_t>(std::ranges::count(states_, State::kDone, &RunStatus::state));
    write_table(plan_, states_, folder_);
    return std::move(outcome_);
  }

 private:
  bool interrupted() {
    outcome_.interrupted = options_.interrupted && *options_.interrupted;
    return outcome_.interrupted;
  }

  void notice(const std::string& text) const {
    if (options_.notice) options_.notice(text);
  }

  void freeze() const {
    const std::string path = folder_ + "/plan.json", text = to_json(plan_);
    const std::string before = read_file(path);
    if (before == text) return;
    if (!before.empty()) {
      const auto old = nlohmann::json::parse(before, nullptr, false);
      if (!old.is_object() || !old.contains("runs") || !old["runs"].is_array()) {
        notice(fmt::format("{} was damaged; it is written anew, and every run that is there is looked at", path));
      } else {
        std::set<std::string> ids, gone, kept;
        for (const PlannedRun& run : plan_.runs) ids.insert(run.id);
        for (const auto& run : old["runs"]) {
          const std::string id = text_at(run, "id");
          if (!id.empty()) (ids.contains(id) ? kept : gone).insert(id);
        }
        if (options_.more_to_come && kept.size() == ids.size()) return;
        if (!gone.empty()) {
          notice(fmt::format("the plan has changed: {} of the former one {} not in it; what is there of them stays",
                             counted(gone.size(), "run"), gone.size() == 1 ? "is" : "are"));
        }
      }
    }
    trace::write_whole(path, text);
  }

  void find_present() {
    std::vector<std::optional<std::string>> faults(plan_.runs.size());
    tbb::parallel_for(std::size_t{0}, faults.size(), [&](std::size_t i) {
      faults[i] = fault_of(plan_.runs[i], folder_ + "/" + plan_.runs[i].folder());
    });
    const std::string binary = sha256_of_file("/proc/self/exe");
    std::set<std::string> moved, foreign;
    for (std::size_t i = 0; i < faults.size(); ++i) {
      const PlannedRun& run = plan_.runs[i];
      if (!faults[i]) continue;
      if (faults[i]->empty()) {
        states_[i] = {.state = State::kDone, .reused = true, .share = 1, .accuracy = {}, .wall_s = 0};
        if (made_by(folder_ + "/" + run.folder()) != binary) foreign.insert(run.id);
      } else if (moved.insert(run.id).second) {
        const std::string aside = folder_ + "/damaged/" + run.id;
        set_aside(folder_ + "/" + run.folder(), aside);
        notice(
            fmt::format("{} is not whole: {}; it was moved to {} and is made again", run.folder(), *faults[i], aside));
      }
    }
    if (!foreign.empty()) {
      notice(
          fmt::format("made by another build of psctl, and kept: {}; remove the folders to have such runs made again",
                      counted(foreign.size(), "run")));
    }
  }

  bool fits(const PlannedRun& run) const {
    if (jobs_.empty()) return true;
    const std::size_t most = options_.jobs > 0 ? options_.jobs : cores();
    std::size_t used = cost(run);
    bool real = run.config.clock == config::Clock::kReal;
    for (const auto& [index, job] : jobs_) {
      used += cost(plan_.runs[index]);
      real = real || plan_.runs[index].config.clock == config::Clock::kReal;
    }
    return jobs_.size() < most && (!real || used <= cores());
  }

  void start_what_fits() {
    for (; next_ < plan_.runs.size(); ++next_) {
      const PlannedRun& run = plan_.runs[next_];
      if (states_[next_].state == State::kDone) continue;
      if (const auto same = made_.find(run.id); same != made_.end()) {  // as a run of another stage
        twins_.emplace_back(next_, same->second);
        states_[next_] = states_[same->second];
        continue;
      }
      if (!fits(run)) return;
      const std::size_t most = options_.jobs > 0 ? options_.jobs : cores();
      std::size_t left = jobs_.size();
      for (std::size_t i = next_; i < plan_.runs.size() && left < most; ++i)
        left += states_[i].state == State::kMissing;
      const std::size_t threads = std::max<std::size_t>(1, cores() / std::min(most, left));
      jobs_[next_] = std::make_unique<Job>(run, fmt::format("{}/runs/.{}.{}", folder_, run.id, ::getpid()), threads);
      states_[next_].state = State::kRunning;
      made_[run.id] = next_;
      tell(next_);
    }
  }

  void wait() {
    std::vector<pollfd> files;
    for (const auto& [index, job] : jobs_) files.push_back({job->descriptor(), POLLIN, 0});
    ::poll(files.data(), files.size(), static_cast<int>(kTick.count()));
    const bool some_ended = finish_what_ended();
    // Its output is closed, and it will end in a moment.
    const bool hung_up = std::ranges::any_of(files, [](const pollfd& file) { return file.revents & POLLHUP; });
    if (hung_up && !some_ended) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (!some_ended) tell(plan_.runs.size());
  }

  bool finish_what_ended() {
    std::vector<std::size_t> ended;
    for (auto& [index, job] : jobs_) {
      const bool over = job->look();
      states_[index].share = job->share();
      states_[index].accuracy = job->accuracy();
      states_[index].wall_s = job->wall_s();
      if (over) ended.push_back(index);
    }
    for (const std::size_t index : ended) finish(index);
    return !ended.empty();
  }

  void finish(std::size_t index) {
    const PlannedRun& run = plan_.runs[index];
    const std::unique_ptr<Job> job = std::move(jobs_.at(index));
    jobs_.erase(index);
    outcome_.children_cpu_s += job->cpu_s();
    std::string reason = job->reason();
    if (job->well()) reason = fault_of(run, job->folder()).value_or("its folder is gone");
    if (reason.empty()) {
      std::error_code error;
      fs::rename(job->folder(), folder_ + "/" + run.folder(), error);
      if (error) throw WorldError(fmt::format("cannot name {}: {}", folder_ + "/" + run.folder(), error.message()));
      fs::remove_all(folder_ + "/failed/" + run.id, error);
      fs::remove(folder_ + "/failed", error);  // if nothing else is in it
      states_[index].state = State::kDone;
      states_[index].share = 1;
      if (const auto made = results::read_run(folder_ + "/" + run.folder())) {
        states_[index].accuracy = made->number("final_accuracy");
      }
      ++outcome_.made;
    } else {
      const std::string kept = folder_ + "/failed/" + run.id;
      set_aside(job->folder(), kept);
      states_[index].state = State::kFailed;
      outcome_.failures.push_back({.run = index, .reason = reason, .folder = kept});
      stopping_ = stopping_ || options_.fail_fast;
    }
    for (const auto& [twin, same] : twins_) {
      if (same != index) continue;
      states_[twin] = states_[index];
    }
    tell(index);
  }

  void end_jobs() {
    finish_what_ended();  // by itself, before it was told to
    for (auto& [index, job] : jobs_) job->signal(SIGTERM);
    const auto end = steady_clock::now() + kInterruptGrace;
    while (steady_clock::now() < end && !std::ranges::all_of(jobs_, [](auto& entry) { return entry.second->look(); })) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    for (auto& [index, job] : jobs_) states_[index].state = State::kMissing;
    jobs_.clear();
  }

  // From what runs have taken so far, each as long as the mean one.
  std::optional<double> left() const {
    double sum = 0, missing = 0, running = 0;
    std::size_t known = 0;
    for (const RunStatus& state : states_) {
      if (state.state == State::kDone && !state.reused) {
        sum += state.wall_s, ++known;
      } else if (state.state == State::kRunning && state.share > 0.05) {
        sum += state.wall_s / state.share, ++known;
      }
      if (state.state == State::kMissing) ++missing;
      if (state.state == State::kRunning) running += 1 - state.share;
    }
    if (known == 0) return std::nullopt;
    const double side_by_side = std::max<double>(1, static_cast<double>(jobs_.size()));
    return sum / static_cast<double>(known) * (missing + running) / side_by_side;
  }

  void tell(std::size_t changed) const {
    if (options_.progress) options_.progress({.plan = plan_, .runs = states_, .changed = changed, .left_s = left()});
  }

  const Plan& plan_;
  const std::string folder_;
  const Options& options_;
  std::vector<RunStatus> states_;
  std::map<std::size_t, std::unique_ptr<Job>> jobs_;        // by the number of the run
  std::map<std::string, std::size_t> made_;                 // by id
  std::vector<std::pair<std::size_t, std::size_t>> twins_;  // runs that are those of another stage
  std::size_t next_ = 0;
  bool stopping_ = false;
  Outcome outcome_;
};

}  // namespace

Folder::Folder(std::string path) : path_(std::move(path)) {
  run::use_folder(path_ + "/runs");
  const std::string lock = path_ + "/.lock";
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) throw UserError(fmt::format("cannot write to {}: {}", path_, std::strerror(errno)));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw UserError(fmt::format("another sweep is at work in {}; wait for it, or choose another folder", path_));
  }
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_ + "/runs", ignored)) {
    if (entry.path().filename().string().starts_with('.')) fs::remove_all(entry.path(), ignored);
  }
}

Folder::~Folder() { ::close(lock_); }

double Outcome::busy() const { return wall_s > 0 ? children_cpu_s / (wall_s * static_cast<double>(cores())) : 0; }

Outcome execute(const Plan& plan, const Folder& folder, const Options& options) {
  return Execution(plan, folder, options).run();
}

Outcome execute(const Plan& plan, const std::string& folder, const Options& options) {
  return execute(plan, Folder(folder), options);
}

std::size_t side_by_side(const PlannedRun& run, std::size_t jobs) {
  if (run.config.clock == config::Clock::kVirtual) return jobs;
  return std::max<std::size_t>(1, std::min(jobs, cores() / cost(run)));
}

std::vector<bool> present(const Plan& plan, const std::string& folder,
                          const std::function<void(const std::string&)>& notice) {
  std::vector<bool> there;
  for (const PlannedRun& run : plan.runs) {
    const auto fault = fault_of(run, folder + "/" + run.folder());
    if (fault && !fault->empty() && notice) notice(fmt::format("{} is not whole: {}", run.folder(), *fault));
    there.push_back(fault && fault->empty());
  }
  return there;
}

}  // namespace psctl::sweep
