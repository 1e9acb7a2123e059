// Carries a plan out, a process a run: what is there and whole is kept, what is missing is made in a folder of another
// name and gets its own when it is complete. Killed at any moment and started again, it goes on where it was.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sweep/plan.h"

namespace psctl::sweep {

enum class State { kMissing, kRunning, kDone, kFailed };

// One run of the plan, as it stands.
struct RunStatus {
  State state = State::kMissing;
  bool reused = false;             // it was there before
  double share = 0;                // of the run, from 0 to 1
  std::optional<double> accuracy;  // the last that was measured
  double wall_s = 0;               // that it has taken, or took
};

struct Progress {
  const Plan& plan;
  const std::vector<RunStatus>& runs;  // in the order of the plan
  std::size_t changed;                 // the number of the run that began or ended; runs.size(): none did
  std::optional<double> left_s;        // until the end, as it looks; none: nothing to tell from yet
};

struct Options {
  std::size_t jobs = 0;  // runs side by side; 0: as many as there are cores
  bool fail_fast = false;
  bool more_to_come = false;  // the plan will grow: a plan.json that has all of it and more is left as it is
  const std::atomic<bool>* interrupted = nullptr;       // becomes true: the runs under way end, nothing is kept of them
  std::function<void(const Progress&)> progress = {};   // when a run begins or ends, and a few times a second
  std::function<void(const std::string&)> notice = {};  // what was found damaged, and the like
};

struct Failure {
  std::size_t run = 0;  // its number in the plan
  std::string reason;   // the last line that it said, or how it ended
  std::string folder;   // where what there is of it was put: failed/ID in that of the sweep
};

struct Outcome {
  std::size_t done = 0;  // runs of the plan that are there now
  std::size_t made = 0;  // of them, by this call
  std::vector<Failure> failures;
  bool interrupted = false;
  double wall_s = 0;
  double children_cpu_s = 0;  // that the runs which were made took of the machine

  double busy() const;  // share of the cores that the runs took while the sweep was at work
  bool complete() const { return failures.empty() && !interrupted; }
};

// A sweep's folder, held by one process alone as long as the object lives.
class Folder {
 public:
  // Makes it where there is none, and removes what a killed sweep was making. Throws UserError if another sweep is at
  // work in it or it cannot be made, WorldError if the disk is full.
  explicit Folder(std::string path);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int lock_ = -1;
};

// Writes plan.json, makes what is missing of the plan and writes sweep.csv, a row a run. Throws WorldError when the
// folder cannot be written; a run that fails is an entry of the outcome. Call from the main thread: the runs die with
// the thread that started them.
Outcome execute(const Plan& plan, const Folder& folder, const Options& options);
Outcome execute(const Plan& plan, const std::string& folder, const Options& options);

// What of the plan is there and whole in the folder, which need not exist. `notice` gets what is not to be trusted.
std::vector<bool> present(const Plan& plan, const std::string& folder,
                          const std::function<void(const std::string&)>& notice = {});

// Runs like this one that are executed at a time with this many jobs.
std::size_t side_by_side(const PlannedRun& run, std::size_t jobs);

// Wall seconds that the missing runs will take: from the finished runs of the folder, or else a short trial of one of
// each kind of run.
struct Estimate {
  double seconds = 0;  // 0: nothing is missing, or nothing can be told
  std::string told;    // what it was measured on
};
Estimate estimate(const Plan& plan, const std::string& folder, const Options& options);

}  // namespace psctl::sweep
