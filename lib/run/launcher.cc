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
#include "config/config.h"
#include "rpc/transport.h"
#include "run/ended.h"
#include "run/identity.h"
#include "run/spawn.h"
#include "sync/registry.h"
#include "trace/line_file.h"

namespace psctl::run {
namespace {

using std::chrono::steady_clock;

constexpr auto kPoll = std::chrono::milliseconds(50);
constexpr auto kStatusPatience = std::chrono::milliseconds(300);
// Once the run is ending, of itself or because of somebody: how long its processes have to end by themselves, and the
// lead server to write the account. All of it stays below the 5 s within which a run ends on the busiest machine.
constexpr auto kGrace = std::chrono::milliseconds(1500);
constexpr auto kLeadGrace = std::chrono::milliseconds(3500);
// The same once this process itself is interrupted: all of it stays below the 2 s within which a run is to end then.
constexpr auto kInterruptedGrace = std::chrono::milliseconds(1000);
constexpr auto kInterruptedLeadGrace = std::chrono::milliseconds(1500);
// Signals to a process and to this one within this time have one sender.
constexpr auto kTogether = std::chrono::milliseconds(500);
// The lead server notices by itself that a process is gone; after this it is told to end.
constexpr auto kLeadNotices = std::chrono::milliseconds(700);

// A pipe on which one process tells another.
struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw WorldError(fmt::format("no pipe: {}", std::strerror(errno)));
  }
  ~Pipe() {
    ::close(ends[0]);
    close_writing();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_writing() {
    if (ends[1] >= 0) ::close(std::exchange(ends[1], -1));
  }
  int ends[2];
};

// One process of the run. Killed, and waited for, when it is let go.
class Child {
 public:
  Child(std::string name, const std::vector<std::string>& arguments, const std::string& log,
        std::vector<std::string> environment)
      : name_(std::move(name)) {
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (output < 0) throw WorldError(fmt::format("cannot write {}: {}", log, std::strerror(errno)));
    try {
      process_ = spawn_self(name_, arguments, output, {.told = told_.ends[1], .environment = std::move(environment)});
    } catch (...) {
      ::close(output);
      throw;
    }
    ::close(output);
    told_.close_writing();
  }
  ~Child() { end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  const std::string& name() const { return name_; }
  pid_t process() const { return process_; }
  std::string text() const { return fmt::format("{} (process {})", name_, process_); }
  void signal(int number) const {
    if (!status_) ::kill(process_, number);
  }
  // Kills it, if need be, and waits for it.
  void end() {
    if (status_) return;
    int status = 0;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, &status, 0);
    status_ = status;
    ended_by_us_ = true;
  }

  // Hears what it says, and whether it has ended or was stopped; does not wait.
  void look() {
    int status = 0;
    while (!status_ && ::waitpid(process_, &status, WNOHANG | WUNTRACED | WCONTINUED) == process_) {
      if (WIFSTOPPED(status)) {
        stopped_by_ = WSTOPSIG(status);
      } else if (WIFCONTINUED(status)) {
        stopped_by_ = 0;
      } else {
        status_ = status;
      }
    }
    char bytes[4096];
    for (ssize_t count = 0; (count = ::read(told_.ends[0], bytes, sizeof bytes)) > 0;) {
      unread_.append(bytes, static_cast<std::size_t>(count));
    }
    for (std::size_t end = 0; (end = unread_.find('\n')) != std::string::npos; unread_.erase(0, end + 1)) {
      const std::optional<Ended> ended = from_line(unread_.substr(0, end));
      if (!ended) continue;
      // The first signal is the cause: later ones may be psctl's own.
      if (ended->cause != Ended::Cause::kSignal) {
        said_ = ended;
      } else if (!signalled_) {
        signalled_ = ended;
      }
    }
  }

  bool ended() const { return status_.has_value(); }
  bool well() const { return status_ && WIFEXITED(*status_) && WEXITSTATUS(*status_) == 0; }
  bool ended_by_us() const { return ended_by_us_; }
  bool killed() const { return status_ && !ended_by_us_ && WIFSIGNALED(*status_); }
  bool killed_by(int signal) const { return killed() && WTERMSIG(*status_) == signal; }
  int stopped_by() const { return status_ ? 0 : stopped_by_; }
  // What it said of its end; of a signal as soon as that came.
  const std::optional<Ended>& said() const { return said_; }
  const std::optional<Ended>& signalled() const { return signalled_; }

  std::string how() const {
    if (killed()) return text() + " was killed by " + signal_text(WTERMSIG(*status_));
    if (said_) return text() + ": " + said_->error;
    return fmt::format("{} ended with exit code {}", text(), WEXITSTATUS(*status_));
  }
  static std::string signal_text(int signal) { return fmt::format("signal {} ({})", signal, ::strsignal(signal)); }

 private:
  std::string name_;
  Pipe told_;
  pid_t process_ = -1;
  std::optional<int> status_;
  bool ended_by_us_ = false;
  int stopped_by_ = 0;
  std::string unread_;
  std::optional<Ended> said_, signalled_;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string unique_socket(const std::string& what) {
  return fmt::format("unix:psctl-{}-{:.16}-{}", ::getpid(), random_token(), what);
}

class Launch {
 public:
  Launch(const Request& request, const std::string& folder, const std::string& prepared, const rpc::Identity& identity)
      : request_(request), folder_(folder), prepared_(prepared), identity_(identity) {}
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
    const std::string& bind = config.cluster.bind;
    std::vector<std::string> listens;
    for (std::size_t rank = 0; rank < config.cluster.servers; ++rank) {
      addresses_.push_back(config.cluster.hosts.empty() ? unique_socket(fmt::format("server{}", rank))
                                                        : config.cluster.hosts[rank]);
      listens.push_back(bind.empty() ? addresses_[rank] : bind + addresses_[rank].substr(addresses_[rank].rfind(':')));
    }
    for (std::size_t rank = config.cluster.servers; rank-- > 0;) {
      std::vector<std::string> arguments = role("server");
      arguments.insert(arguments.end(), {"--rank", std::to_string(rank), "--listen", listens[rank]});
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
    return {"psctl",      name,          "--config", folder_ + "/config.yaml",
            "--prepared", prepared_,     "--parent", std::to_string(::getpid()),
            "--run",      identity_.run, "--told",   std::to_string(kToldDescriptor)};
  }
  void append_servers(std::vector<std::string>& arguments) const {
    for (const std::string& address : addresses_) arguments.insert(arguments.end(), {"--server", address});
  }
  void spawn(const std::string& name, const std::vector<std::string>& arguments) {
    children_.push_back(
        std::make_unique<Child>(name, arguments, folder_ + "/psctl.log",
                                std::vector<std::string>{fmt::format("{}={}", kTokenVariable, identity_.token)}));
    spdlog::info("{} is process {}", name, children_.back()->process());
  }
  Child& lead() { return *children_[request_.config.cluster.servers - 1]; }

  // Until all have ended. The lead server ends the run; whoever is left after that is told to go, then made to.
  void watch() {
    for (;;) {
      for (const auto& child : children_) child->look();
      look_for_the_cause();
      if (std::ranges::all_of(children_, [](const auto& child) { return child->ended(); })) return;
      const auto now = steady_clock::now();
      const bool asked = request_.interrupted && *request_.interrupted;
      if (asked && !interrupted_ && (!cause_ || (cause_->by_signal && (!ending_ || now < *ending_ + kTogether)))) {
        // Who ends everybody, as systemd does, ends them in any order.
        interrupted_ = true;
        cause_.reset();
        ending_ = now;
        lead().signal(SIGTERM);  // first, so that it knows why the others go
        lead_told_ = true;
      } else if (interrupted_ && !told_) {
        tell_the_others();
      }
      if (!ending_ && (cause_ || lead().ended())) ending_ = now;
      if (ending_ && now > *ending_ + kLeadNotices) {
        if (!std::exchange(lead_told_, true)) lead().signal(SIGTERM);
        if (!told_) tell_the_others();
      }
      if (ending_ && now > *ending_ + (interrupted_ ? kInterruptedGrace : kGrace)) {
        for (const auto& child : children_) {
          if (child.get() != &lead()) child->end();
        }
      }
      if (ending_ && now > *ending_ + (interrupted_ ? kInterruptedLeadGrace : kLeadGrace)) lead().end();
      look_at_status();
      std::this_thread::sleep_for(kPoll);
    }
  }

  void tell_the_others() {
    told_ = others_told_ = true;
    for (const auto& child : children_) {
      if (child.get() != &lead()) child->signal(SIGTERM);
    }
  }

  // Why the run has failed: of all that ended badly, one that a signal ended comes before one that failed by itself,
  // and that before those who lost a peer. Of equal ones the first counts, but the lead server knows more than who lost
  // it.
  struct FirstCause {
    int rank = 0;
    const Child* child = nullptr;
    bool by_signal = false;  // a signal that tells to end
  };
  void look_for_the_cause() {
    if (interrupted_) return;
    for (const auto& child : children_) {
      FirstCause cause{.rank = 0, .child = child.get(), .by_signal = false};
      // At the end of training workers alone are told to leave their step: a signal of another process is not ours.
      const bool is_worker = child->name().starts_with("worker");
      const bool ours = child.get() == &lead() ? lead_told_ : is_worker ? told_ : others_told_;
      if (child->signalled() && !ours) {
        cause.rank = 4;
        cause.by_signal = true;
      } else if (child->killed() && !(ours && child->killed_by(SIGTERM))) {
        cause.rank = 4;
        cause.by_signal = child->killed_by(SIGTERM) || child->killed_by(SIGINT) || child->killed_by(SIGHUP);
      } else if (child->ended() && !child->ended_by_us() && !child->well() && !child->killed()) {
        cause.rank = !child->said() || child->said()->cause != Ended::Cause::kPeer ? 3 : child.get() == &lead() ? 2 : 1;
      }
      if (cause.rank > (cause_ ? cause_->rank : 0)) cause_ = cause;
    }
    // A process that was stopped says nothing: others say that they lost it.
    if (!cause_ || cause_->rank > 2) return;
    for (const auto& child : children_) {
      if (child->stopped_by() != 0)
        stopped_ = child->text() + " was stopped by " + Child::signal_text(child->stopped_by());
    }
  }

  // Shows how far the run is; when it has stopped, workers in the middle of a long step are told to leave it.
  void look_at_status() {
    if (ending_) return;
    try {
      if (!status_) {
        status_ = std::make_unique<rpc::Client>(rpc::Address::parse(addresses_[0]),
                                                rpc::ClientOptions{.timeout = kStatusPatience, .identity = identity_});
      }
      const rpc::wire::Status status = status_->status();
      if (status.stopped && !told_ && !ending_) {
        told_ = true;
        for (const auto& child : children_) {
          if (child->name().starts_with("worker")) child->signal(SIGTERM);
        }
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
    const bool done = summary.is_object() && summary.value("status", "") == "done";
    if (interrupted_ && !done) {
      if (!summary.is_object())
        text = write_summary("interrupted", "interrupted before the lead server could write the account");
      return {.folder = folder_, .status = "interrupted", .summary = text};
    }
    const bool nobody_failed =
        std::ranges::all_of(children_, [](const auto& child) { return child->well() || child->ended_by_us(); });
    if (done && (!cause_ || nobody_failed)) return {.folder = folder_, .status = "done", .summary = text};
    const std::string error = cause(summary.is_object() ? summary.value("error", "") : "");
    if (summary.is_object()) {
      summary["status"] = "failed";
      summary["error"] = error;
      trace::write_whole(folder_ + "/summary.json", summary.dump(2) + "\n");
    } else {
      write_summary("failed", error);
    }
    const std::string message = fmt::format("{}\n  what there is of the run is in {}", error, folder_);
    if (cause_ && !cause_->by_signal && cause_->child->said() && cause_->child->said()->cause == Ended::Cause::kUser)
      throw UserError(message);
    throw WorldError(message);
  }

  // `told`: what the lead server wrote of it into the summary.
  std::string cause(const std::string& told) const {
    if (!cause_) return told.empty() ? "the lead server ended without an account" : told;
    const Child& child = *cause_->child;
    const std::string more = told.empty() ? "" : "; " + told;
    if (child.killed()) return child.how() + more;
    if (child.signalled() && cause_->rank == 4) {
      return fmt::format("{} was told to end by {}{}", child.text(), Child::signal_text(child.signalled()->signal),
                         more);
    }
    if (!stopped_.empty() && cause_->rank <= 2) return stopped_ + (told.empty() ? "; " + child.how() : more);
    const bool is_lead = &child == children_[request_.config.cluster.servers - 1].get();
    return is_lead && child.said() ? child.said()->error : child.how();
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

  const Request& request_;
  std::string folder_, prepared_;
  rpc::Identity identity_;
  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<Child>> children_;  // servers from the last to the lead, workers, the evaluation process
  std::unique_ptr<rpc::Client> status_;
  std::optional<FirstCause> cause_;
  std::string stopped_;                             // who was, when others had lost a peer
  std::optional<steady_clock::time_point> ending_;  // since when
  bool interrupted_ = false;
  bool lead_told_ = false;                   // that it is to end
  bool told_ = false, others_told_ = false;  // the workers, and all but the lead server
};

}  // namespace

Report train_with_processes(const Request& request, const std::string& folder, const std::string& prepared,
                            const rpc::Identity& identity) {
  return Launch(request, folder, prepared, identity).run();
}

}  // namespace psctl::run
