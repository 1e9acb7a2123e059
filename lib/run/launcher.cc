#include "run/launcher.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sstream>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"
#include "config/config.h"
#include "rpc/transport.h"
#include "run/spawn.h"
#include "sync/registry.h"
#include "trace/line_file.h"

namespace psctl::run {
namespace {

using std::chrono::steady_clock;

constexpr auto kPoll = std::chrono::milliseconds(100);
constexpr auto kInterruptGrace = std::chrono::milliseconds(1500);
// A process has died; the lead server should have noticed.
constexpr auto kEndGrace = std::chrono::seconds(5);
// The lead server has given up: who made it do so may still be saying why.
constexpr auto kLastWords = std::chrono::milliseconds(500);
constexpr auto kStatusPatience = std::chrono::milliseconds(300);

// One process of the run. Killed, and waited for, when it is let go.
class Child {
 public:
  Child(std::string name, const std::vector<std::string>& arguments, const std::string& log) : name_(std::move(name)) {
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (output < 0) throw WorldError(fmt::format("cannot write {}: {}", log, std::strerror(errno)));
    try {
      process_ = spawn_self(name_, arguments, output);
    } catch (...) {
      ::close(output);
      throw;
    }
    ::close(output);
  }
  ~Child() { end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Kills it, if need be, and waits for it.
  void end() {
    int status = 0;
    if (status_) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, &status, 0);
    status_ = status;
  }
  const std::string& name() const { return name_; }
  pid_t process() const { return process_; }
  void signal(int number) const {
    if (!status_) ::kill(process_, number);
  }
  // Has it ended? Does not wait.
  bool ended() {
    int status = 0;
    if (!status_ && ::waitpid(process_, &status, WNOHANG) == process_) status_ = status;
    return status_.has_value();
  }
  bool killed() const { return status_ && WIFSIGNALED(*status_); }
  bool killed_by(int signal) const { return killed() && WTERMSIG(*status_) == signal; }
  bool ended_with(int code) const { return status_ && WIFEXITED(*status_) && WEXITSTATUS(*status_) == code; }
  bool well() const { return ended_with(0); }
  std::string how() const {
    if (WIFSIGNALED(*status_)) {
      return fmt::format("{} (process {}) was killed by signal {} ({})", name_, process_, WTERMSIG(*status_),
                         ::strsignal(WTERMSIG(*status_)));
    }
    return fmt::format("{} (process {}) ended with exit code {}", name_, process_, WEXITSTATUS(*status_));
  }

 private:
  std::string name_;
  pid_t process_ = -1;
  std::optional<int> status_;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string unique_socket(const std::string& what) {
  std::ifstream random("/dev/urandom", std::ios::binary);
  std::uint64_t number = 0;
  random.read(reinterpret_cast<char*>(&number), sizeof number);
  return fmt::format("unix:psctl-{}-{:016x}-{}", ::getpid(), number, what);
}

class Launch {
 public:
  Launch(const Request& request, const std::string& folder, const std::string& prepared)
      : request_(request), folder_(folder), prepared_(prepared) {}
  ~Launch() {
    children_.clear();
    remove_unfinished();
  }
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  Report run() {
    try {
      start();
      watch();
    } catch (const std::exception& error) {
      children_.clear();
      write_summary("failed", error.what());
      throw;
    }
    return report();
  }

 private:
  void start() {
    const config::RunConfig& config = request_.config;
    for (std::size_t rank = 0; rank < config.cluster.servers; ++rank) {
      addresses_.push_back(config.cluster.hosts.empty() ? unique_socket(fmt::format("server{}", rank))
                                                        : config.cluster.hosts[rank]);
    }
    for (std::size_t rank = config.cluster.servers; rank-- > 0;) {
      std::vector<std::string> arguments = role("server");
      arguments.insert(arguments.end(), {"--rank", std::to_string(rank), "--listen", addresses_[rank]});
      if (rank == 0) {
        arguments.insert(arguments.end(), {"--folder", folder_});
        for (std::size_t other = 1; other < addresses_.size(); ++other) {
          arguments.insert(arguments.end(), {"--other", addresses_[other]});
        }
      }
      spawn(fmt::format("server {}", rank), arguments);
    }
    for (std::size_t worker = 0; worker < config.cluster.workers; ++worker) {
      std::vector<std::string> arguments = role("worker");
      arguments.insert(arguments.end(), {"--worker", std::to_string(worker)});
      append_servers(arguments);
      spawn(fmt::format("worker {}", worker), arguments);
    }
    std::vector<std::string> arguments = role("evaluator");
    append_servers(arguments);
    arguments.insert(arguments.end(), {"--folder", folder_});
    spawn("the evaluation process", arguments);
  }

  std::vector<std::string> role(const char* name) const {
    return {"psctl",      name,      "--config", folder_ + "/config.yaml",
            "--prepared", prepared_, "--parent", std::to_string(::getpid())};
  }
  void append_servers(std::vector<std::string>& arguments) const {
    for (const std::string& address : addresses_) arguments.insert(arguments.end(), {"--server", address});
  }
  void spawn(const std::string& name, const std::vector<std::string>& arguments) {
    children_.push_back(std::make_unique<Child>(name, arguments, folder_ + "/psctl.log"));
    spdlog::info("{} is process {}", name, children_.back()->process());
  }
  Child& lead() { return *children_[request_.config.cluster.servers - 1]; }

  // Until all have ended. The lead server ends the run; whoever is left after that is told to go, then made to.
  void watch() {
    std::optional<steady_clock::time_point> give_up, failed_at;
    const auto all_ended = [&] { return std::ranges::all_of(children_, [](auto& child) { return child->ended(); }); };
    while (!all_ended()) {
      if (request_.interrupted && *request_.interrupted && !interrupted_) {
        interrupted_ = true;
        lead().signal(SIGTERM);  // first, so that it knows why the others go
        give_up = steady_clock::now() + kInterruptGrace;
      } else if (interrupted_ && !told_) {
        told_ = true;
        for (const auto& child : children_) child->signal(SIGTERM);
      }
      blame();
      if (!give_up && (lead().ended() || culprit_))
        give_up = steady_clock::now() + (lead().ended() ? Duration(std::chrono::seconds(2)) : Duration(kEndGrace));
      if (lead().ended() && !lead().well() && !interrupted_) {
        if (!failed_at) failed_at = steady_clock::now();
        if (steady_clock::now() > *failed_at + kLastWords) break;
      }
      if (give_up && steady_clock::now() > *give_up) break;
      look_at_status();
      std::this_thread::sleep_for(kPoll / 2);
    }
    blame();
  }

  // Who is the cause, of all that ended badly: one that a signal killed before the lead server, which says why it gave
  // up, and that before those who lost their peers.
  void blame() {
    if (interrupted_) return;
    const auto rank = [this](const Child* child) {
      if (!child) return 0;
      if (child->killed()) return 3;
      return child == children_[request_.config.cluster.servers - 1].get() ? 2 : 1;
    };
    for (const auto& child : children_) {
      if (!child->ended() || child->well() || (told_ && child->killed_by(SIGTERM))) continue;
      if (rank(child.get()) > rank(culprit_)) culprit_ = child.get();
    }
  }

  void signal_workers() {
    for (const auto& child : children_) {
      if (child->name().starts_with("worker")) child->signal(SIGTERM);
    }
  }

  // Shows how far the run is; when it has stopped, workers in the middle of a long step are told to leave it.
  void look_at_status() {
    if (interrupted_ || lead().ended()) return;
    try {
      if (!status_) {
        status_ = std::make_unique<rpc::Client>(rpc::Address::parse(addresses_[0]),
                                                rpc::ClientOptions{.timeout = kStatusPatience});
      }
      const rpc::wire::Status status = status_->status();
      if (status.stopped && !told_) {
        told_ = true;
        signal_workers();
      }
      lead::Progress progress{.time_s = static_cast<double>(status.time_ns) * 1e-9,
                              .updates = static_cast<Version>(status.version),
                              .samples = static_cast<std::uint64_t>(status.samples),
                              .epoch = status.epoch,
                              .accuracy = {},
                              .waiting = {},
                              .started = status.started,
                              .stopped = status.stopped};
      if (status.accuracy >= 0) progress.accuracy = status.accuracy;
      for (std::int32_t worker : status.waiting) progress.waiting.emplace_back(static_cast<std::uint32_t>(worker));
      if (request_.progress) request_.progress(progress);
    } catch (const rpc::RpcError&) {
      status_.reset();  // not yet listening, or ended: its process will tell
    }
  }

  Report report() {
    for (const auto& child : children_) child->end();
    std::string text = read_file(folder_ + "/summary.json");
    auto summary = nlohmann::ordered_json::parse(text, nullptr, false);
    if (interrupted_) {
      if (!summary.is_object())
        text = write_summary("interrupted", "interrupted before the lead server could write the account");
      return {.folder = folder_, .status = "interrupted", .summary = text};
    }
    if (summary.is_object() && summary.value("status", "") == "done" && !culprit_) {
      return {.folder = folder_, .status = "done", .summary = text};
    }
    const std::string fault = users_fault();
    const std::string error = !fault.empty() ? fault : cause(summary.is_object() ? summary.value("error", "") : "");
    if (summary.is_object()) {
      summary["status"] = "failed";
      summary["error"] = error;
      trace::write_whole(folder_ + "/summary.json", summary.dump(2) + "\n");
    } else {
      write_summary("failed", error);
    }
    const std::string message = fmt::format("{}\n  what there is of the run is in {}", error, folder_);
    if (!fault.empty()) throw UserError(message);
    throw WorldError(message);
  }

  // What a process said that ended because of something the user has to mend, such as a damaged file of data; empty if
  // there is none, or if a signal killed one. What the others say of its end says less.
  std::string users_fault() const {
    if (culprit_ && culprit_->killed()) return {};
    for (const auto& child : children_) {
      if (!child->ended_with(2)) continue;
      if (const std::string words = last_words(child->name()); !words.empty()) {
        return fmt::format("{} (process {}): {}", child->name(), child->process(), words);
      }
    }
    return {};
  }

  // `told`: what the lead server said of it.
  std::string cause(const std::string& told) const {
    if (!culprit_) return told.empty() ? "the lead server ended without an account" : told;
    if (culprit_->killed()) return told.empty() ? culprit_->how() : fmt::format("{}; {}", culprit_->how(), told);
    const std::string words = last_words(culprit_->name());
    if (told.empty()) return words.empty() ? culprit_->how() : fmt::format("{}: {}", culprit_->how(), words);
    return told;
  }

  // What a process that was killed was writing, under the name that it has until it is whole.
  void remove_unfinished() const {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
      if (entry.path().extension() == ".new") std::filesystem::remove(entry.path(), ignored);
    }
  }

  std::string write_summary(const char* status, const std::string& error) {
    using Json = nlohmann::ordered_json;
    const config::RunConfig& config = request_.config;
    const Json summary = {{"status", status},
                          {"error", error},
                          {"strategy", config.strategy.name},
                          {"strategy_label", sync::label(config.strategy)},
                          {"clock", "real"},
                          {"seed", config.seed},
                          {"config", Json::parse(config::to_json(config))}};
    const std::string text = summary.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    trace::write_whole(folder_ + "/summary.json", text);
    return text;
  }

  // What a child last wrote to the log, where it may have said why it ended.
  std::string last_words(const std::string& name) const {
    const std::string mark = fmt::format("error: {}: ", name);
    std::istringstream log(read_file(folder_ + "/psctl.log"));
    std::string line, last;
    while (std::getline(log, line)) {
      if (const auto at = line.find(mark); at != std::string::npos) last = line.substr(at + mark.size());
    }
    return last;
  }

  const Request& request_;
  std::string folder_, prepared_;
  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<Child>> children_;  // servers from the last to the lead, workers, the evaluation process
  std::unique_ptr<rpc::Client> status_;
  const Child* culprit_ = nullptr;  // the one whose end ended the run
  bool interrupted_ = false;
  bool told_ = false;
};

}  // namespace

Report train_with_processes(const Request& request, const std::string& folder, const std::string& prepared) {
  return Launch(request, folder, prepared).run();
}

}  // namespace psctl::run
