#include "sweep/job.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "config/config.h"
#include "run/folder.h"
#include "run/spawn.h"
#include "trace/line_file.h"

namespace psctl::sweep {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kLongestLine = 64 * 1024;
constexpr const char* kError = "psctl: error: ";

std::vector<std::string> arguments_of(const PlannedRun& run, const std::string& folder, std::size_t threads) {
  std::vector<std::string> arguments = {"psctl",     "train",
                                        "--config",  folder + "/config.yaml",
                                        "--folder",  folder,
                                        "--replace",
                                        "--threads", std::to_string(threads),
                                        "--parent",  std::to_string(::getpid()),
                                        "--report"};
  if (run.data) arguments.insert(arguments.end(), {"--prepared", run.data->path});
  return arguments;
}

}  // namespace

Job::Job(const PlannedRun& run, std::string folder, std::size_t threads) : run_(run), folder_(std::move(folder)) {
  run::use_folder(folder_);
  trace::write_whole(folder_ + "/config.yaml", config::to_yaml(run.config));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw WorldError(fmt::format("cannot start the run {}: {}", run.id, std::strerror(errno)));
  }
  pipe_ = ends[0];
  ::fcntl(ends[1], F_SETFL, 0);  // who writes may wait
  try {
    process_ = run::spawn_self("the run " + run.id, arguments_of(run, folder_, threads), ends[1]);
  } catch (...) {
    ::close(ends[1]);
    ::close(pipe_);
    throw;
  }
  ::close(ends[1]);
}

Job::~Job() {
  if (!status_ && process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  ::close(pipe_);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Job::signal(int number) const {
  if (!status_) ::kill(process_, number);
}

bool Job::look() {
  char bytes[4096];
  for (ssize_t count = 0; (count = ::read(pipe_, bytes, sizeof bytes)) > 0;) {
    unread_.append(bytes, static_cast<std::size_t>(count));
    for (std::size_t end = 0; (end = unread_.find('\n')) != std::string::npos; unread_.erase(0, end + 1)) {
      take(unread_.substr(0, end));
    }
    if (unread_.size() > kLongestLine) unread_.clear();
  }
  if (status_) return true;
  int status = 0;
  rusage used{};
  if (::wait4(process_, &status, WNOHANG, &used) != process_) return false;
  status_ = status;
  ended_ = steady_clock::now();
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  cpu_s_ = seconds(used.ru_utime) + seconds(used.ru_stime);
  return look();  // what it said last
}

void Job::take(const std::string& line) {
  if (!line.starts_with('{')) {
    const auto at = line.find(kError);
    if (at != std::string::npos) error_ = line.substr(at + std::strlen(kError));
    if (!line.empty()) last_ = line;
    return;
  }
  const auto said = nlohmann::json::parse(line, nullptr, false);
  if (!said.is_object()) return;
  const auto number = [&](const char* key) {
    return said.contains(key) && said[key].is_number() ? said[key].get<double>() : 0;
  };
  share_ = std::max(share_, share_of(number("time_s"), number("updates"), number("samples"), number("epoch")));
  if (said.contains("accuracy") && said["accuracy"].is_number()) accuracy_ = said["accuracy"].get<double>();
}

double Job::share_of(double time_s, double updates, double samples, double epoch) const {
  const lead::StopConfig& stop = run_.config.stop;
  double share = 0;
  const auto consider = [&](double done, auto of) {
    if (of) share = std::max(share, done / static_cast<double>(*of));
  };
  consider(epoch, stop.epochs);
  consider(samples, stop.samples);
  consider(updates, stop.updates);
  consider(time_s, stop.time_s);
  if (stop.steps_per_worker) {
    const double steps = samples / static_cast<double>(run_.config.data.batch_size * run_.config.cluster.workers);
    consider(steps, stop.steps_per_worker);
  }
  return std::min(share, 1.0);
}

double Job::wall_s() const {
  return std::chrono::duration<double>((status_ ? ended_ : steady_clock::now()) - began_).count();
}

bool Job::well() const { return status_ && WIFEXITED(*status_) && WEXITSTATUS(*status_) == 0; }

std::string Job::reason() const {
  if (!status_ || well()) return {};
  if (WIFSIGNALED(*status_)) {
    return fmt::format("was killed by signal {} ({})", WTERMSIG(*status_), ::strsignal(WTERMSIG(*status_)));
  }
  if (!error_.empty()) return error_;
  return last_.empty() ? fmt::format("ended with exit code {}, without a word", WEXITSTATUS(*status_)) : last_;
}

}  // namespace psctl::sweep
