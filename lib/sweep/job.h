// One run of a sweep as a process of its own, in a folder that gets the run's name when it is complete.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <sys/types.h>

#include "sweep/plan.h"

namespace psctl::sweep {

class Job {
 public:
  // Makes `folder` and starts the run in it, virtual ones on this many threads. Throws WorldError.
  Job(const PlannedRun& run, std::string folder, std::size_t threads);
  ~Job();  // kills it, and removes the folder if it is still there
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  int descriptor() const { return pipe_; }  // to wait for something to read, or the end
  // Takes in what it has said. True when it has ended: the rest is valid from then on.
  bool look();
  void signal(int number) const;

  double share() const { return share_; }
  std::optional<double> accuracy() const { return accuracy_; }
  double wall_s() const;
  double cpu_s() const { return cpu_s_; }  // with its own processes; after its end
  bool well() const;
  std::string reason() const;  // why it did not end well
  const std::string& folder() const { return folder_; }

 private:
  void take(const std::string& line);
  double share_of(double time_s, double updates, double samples, double epoch) const;

  const PlannedRun& run_;
  std::string folder_;
  pid_t process_ = -1;
  int pipe_ = -1;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now(), ended_{};
  std::string unread_;  // the beginning of a line
  std::string error_, last_;
  double share_ = 0;
  std::optional<double> accuracy_;
  std::optional<int> status_;
  double cpu_s_ = 0;
};

}  // namespace psctl::sweep
