// One cell of the matrix of ends: a role of a run gets a signal in a phase of the run, under a strategy. Whatever the
// cell, the run ends within seconds, nobody is left, the files can be read, and the first cause is told by name.
#pragma once

#include <string>
#include <vector>

#include "app.h"

namespace psctl::test {

inline void check_readable(const std::string& run) {
  for (const char* file : {"steps.csv", "evals.csv", "decisions.csv", "workers.csv"}) {
    if (std::filesystem::exists(run + "/" + file)) read_table(run + "/" + file);
  }
  BOOST_TEST(!read_file(run + "/config.yaml").empty());
  BOOST_TEST(nlohmann::json::accept(read_file(run + "/made.json")));
}

inline void check_nobody_left(const std::string& run) {
  BOOST_TEST(eventually(Seconds(3), [&] { return processes_with({run}).empty(); }), "processes are left");
}

enum class Role { kPsctl, kLead, kShard, kWorker, kEvaluator };
enum class Phase { kStart, kData, kTraining, kHold, kEvaluation, kFinish };

struct Cell {
  Role role;
  int signal;
  Phase phase;
  std::string strategy;
};

inline const std::vector<Role> kRoles = {Role::kPsctl, Role::kLead, Role::kShard, Role::kWorker, Role::kEvaluator};
inline const std::vector<int> kSignals = {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGSTOP};
inline const std::vector<Phase> kPhases = {Phase::kStart, Phase::kData,       Phase::kTraining,
                                           Phase::kHold,  Phase::kEvaluation, Phase::kFinish};

// Ends take less than 5 s; the rest is for the test's own looking on a busy machine.
inline constexpr double kEndsWithin = 6;

inline const char* name_of(Role role) {
  constexpr const char* kNames[] = {"psctl", "server 0", "server 1", "worker 1", "the evaluation process"};
  return kNames[static_cast<int>(role)];
}
inline const char* name_of(Phase phase) {
  constexpr const char* kNames[] = {"start-up", "data", "training", "hold", "evaluation", "finish"};
  return kNames[static_cast<int>(phase)];
}

class CellRun {
 public:
  explicit CellRun(const Cell& cell) : cell_(cell), psctl_(app_.folder(), app_.train_arguments(overrides(cell))) {
    run_ = app_.run();
  }

  void check() {
    BOOST_TEST_INFO_SCOPE(name_of(cell_.role)
                          << ", signal " << cell_.signal << ", " << name_of(cell_.phase) << ", " << cell_.strategy);
    victim_ = find_victim();
    await_phase();
    const auto begin = steady_clock::now();
    ::kill(victim_, cell_.signal);
    if (cell_.role == Role::kPsctl) {
      check_psctl();
    } else {
      check_child();
    }
    const double limit = cell_.signal == SIGSTOP ? kEndsWithin + kStartS + kStallS : kEndsWithin;
    BOOST_TEST(Seconds(steady_clock::now() - begin).count() < limit);
    check_nobody_left(run_);
    check_readable(run_);
  }

 private:
  static constexpr double kStartS = 5, kStallS = 2;

  static Overrides overrides(const Cell& cell) {
    Overrides all = {"cluster.servers=2", "strategy=" + cell.strategy};
    if (cell.signal == SIGSTOP && cell.role != Role::kPsctl) {
      all = all + Overrides{fmt::format("cluster.start_s={}", kStartS), fmt::format("cluster.stall_s={}", kStallS),
                            "cluster.silence_s=3"};
    }
    const std::string slow = "+stragglers={workers: [0, 1, 2], kind: constant, delay_ms: 5}";
    switch (cell.phase) {
      case Phase::kHold:
        return all + Overrides{"stop={time_s: 600}", "+stragglers={workers: [1], kind: constant, delay_ms: 60000}"};
      case Phase::kEvaluation:
        return all + Overrides{"stop={time_s: 600}", "evaluate={every_updates: 1}", slow};
      case Phase::kFinish:
        return all + Overrides{"stop={updates: 40}", "evaluate={every_updates: 1}", slow};
      default:
        return all + Overrides{"stop={time_s: 600}", slow};
    }
  }

  pid_t find_victim() const {
    if (cell_.role == Role::kPsctl) return psctl_.id();
    std::vector<std::string> words = {run_};
    switch (cell_.role) {
      case Role::kLead:
        words.insert(words.end(), {" server ", "--rank 0"});
        break;
      case Role::kShard:
        words.insert(words.end(), {" server ", "--rank 1"});
        break;
      case Role::kWorker:
        words.insert(words.end(), {" worker ", "--worker 1"});
        break;
      default:
        words.insert(words.end(), {" evaluator "});
    }
    std::vector<pid_t> found;
    BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return !(found = processes_with(words)).empty(); }));
    return found.front();
  }

  void await_phase() const {
    switch (cell_.phase) {
      case Phase::kStart:
        return;
      case Phase::kData:  // the data are mapped
        BOOST_TEST_REQUIRE(eventually(
            Seconds(20), [&] { return contains(read_of_process(victim_, "maps"), ".psctl") || victim_is_zombie(); }));
        return;
      case Phase::kTraining:
      case Phase::kHold:
        return app_.await("pushed");
      case Phase::kEvaluation:
        BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return read_if_there("/evals.csv").size() > 200; }));
        return;
      case Phase::kFinish:
        BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] {
          return contains(read_if_there("/decisions.csv"), ",stop,") || std::filesystem::exists(run_ + "/summary.json");
        }));
    }
  }
  bool victim_is_zombie() const { return read_of_process(victim_, "cmdline").empty(); }
  std::string read_if_there(const std::string& name) const {
    return std::filesystem::exists(run_ + name) ? read_file(run_ + name) : "";
  }
  std::string status() const { return App::summary(run_)["status"]; }

  void check_psctl() {
    if (cell_.signal == SIGKILL) {
      psctl_.wait(Seconds(5));
      return;
    }
    if (cell_.signal == SIGSTOP) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      psctl_.signal(SIGCONT);  // nothing has happened
      psctl_.signal(SIGINT);
    }
    const int code = psctl_.wait(Seconds(30));
    if (cell_.phase == Phase::kFinish && code == 0) {
      BOOST_TEST(status() == "done");
      return;
    }
    BOOST_TEST(code == 130, psctl_.error());
    BOOST_TEST(status() == "interrupted");
  }

  void check_child() {
    const int code = psctl_.wait(Seconds(40));
    if (cell_.phase == Phase::kFinish && code == 0) {
      BOOST_TEST(status() == "done");
      return;
    }
    BOOST_TEST(code == 1, psctl_.error());
    const char* const verb = cell_.signal == SIGSTOP ? "was stopped by" : "was ";
    const std::string words = fmt::format("psctl: error: {} (process {}) {}", name_of(cell_.role), victim_, verb);
    BOOST_TEST(contains(psctl_.error(), words), psctl_.error());
    BOOST_TEST(contains(psctl_.error(), fmt::format("signal {} ", cell_.signal)), psctl_.error());
    BOOST_TEST(status() == "failed");
    BOOST_TEST(App::summary(run_)["error"].get<std::string>().starts_with(words.substr(14)));
  }

  Cell cell_;
  App app_;
  Process psctl_;
  std::string run_;
  pid_t victim_ = -1;
};

inline void check(const Cell& cell) { CellRun(cell).check(); }

}  // namespace psctl::test
