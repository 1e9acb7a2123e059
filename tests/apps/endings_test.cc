// Runs that end badly: whoever dies, within seconds nobody is left, the message names it, and the files can be read.
#include "ending_cells.h"
#include "support/paths.h"

namespace psctl::test {
namespace {

const Overrides kLongDelay = {"+stragglers={workers: [1], kind: constant, delay_ms: 60000}"};
const Overrides kEndless = {"stop={time_s: 600}", "+stragglers={workers: [0, 1, 2], kind: constant, delay_ms: 5}"};

// Starts a run, waits until it is well under way, kills the process with these words in its command line.
void check_killed(const Overrides& overrides, const std::string& word, const std::vector<std::string>& victim,
                  const std::string& name) {
  BOOST_TEST_CONTEXT("kill -9 of " << name << " with " << overrides.back()) {
    const App app;
    Process psctl(app.folder(), app.train_arguments(overrides));
    app.await(word);
    const std::string run = app.run();
    std::vector<std::string> words = victim;
    words.push_back(run);
    const std::vector<pid_t> found = processes_with(words);
    BOOST_TEST_REQUIRE(found.size() == 1U);
    const auto begin = steady_clock::now();
    ::kill(found.front(), SIGKILL);
    BOOST_TEST_REQUIRE(psctl.wait(Seconds(20)) == 1, psctl.error());
    BOOST_TEST(Seconds(steady_clock::now() - begin).count() < 6);
    BOOST_TEST_MESSAGE(psctl.error());
    const std::string killed = fmt::format("{} (process {}) was killed by signal 9 (Killed)", name, found.front());
    BOOST_TEST(contains(psctl.error(), killed), psctl.error());
    check_nobody_left(run);
    check_readable(run);
    const auto summary = App::summary(run);
    BOOST_TEST(summary["status"] == "failed");
    BOOST_TEST(contains(summary["error"].get<std::string>(), killed), summary["error"]);
  }
}

void check_interrupted(Process& psctl, const App& app, int signal, int times = 1) {
  const std::string run = app.run();
  const auto begin = steady_clock::now();
  for (int i = 0; i < times; ++i) psctl.signal(signal);
  BOOST_TEST(psctl.wait(Seconds(20)) == 130, psctl.error());
  BOOST_TEST(Seconds(steady_clock::now() - begin).count() < 2.0);
  BOOST_TEST(processes_with({run}).empty());
  check_readable(run);
  BOOST_TEST(App::summary(run)["status"] == "interrupted");
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_killed_worker_ends_the_run) {
  check_killed(kEndless, "pushed", {" worker ", "--worker 1"}, "worker 1");
  check_killed(kLongDelay, "pushed", {" worker ", "--worker 1"}, "worker 1");
  check_killed(kLongDelay, "pushed", {" worker ", "--worker 0"}, "worker 0");
}

BOOST_AUTO_TEST_CASE(a_killed_lead_server_ends_the_run) {
  check_killed(kEndless, "pushed", {" server ", "--rank 0"}, "server 0");
  check_killed(kLongDelay + Overrides{"cluster.servers=2"}, "pushed", {" server ", "--rank 0"}, "server 0");
}

BOOST_AUTO_TEST_CASE(a_killed_second_server_ends_the_run_even_while_all_wait) {
  check_killed(kEndless + Overrides{"cluster.servers=2"}, "pushed", {" server ", "--rank 1"}, "server 1");
  check_killed(kLongDelay + Overrides{"cluster.servers=2"}, "pushed", {" server ", "--rank 1"}, "server 1");
}

BOOST_AUTO_TEST_CASE(a_killed_evaluation_process_ends_the_run) {
  check_killed(kEndless, "pushed", {" evaluator "}, "the evaluation process");
  check_killed(kLongDelay, "pushed", {" evaluator "}, "the evaluation process");
}

BOOST_AUTO_TEST_CASE(damage_met_midway_is_the_users_to_mend_whoever_meets_it) {
  const App app;
  const std::string whole = app.folder() / "whole.psctl", damaged = app.folder() / "damaged.psctl";
  Process synth(app.folder(), {"data", "synth", "blobs", "-o", whole, "--quiet", "--samples", "600", "--test", "200",
                               "--features", "200"});
  BOOST_TEST_REQUIRE(synth.wait() == 0, synth.error());
  // 600 training samples of 800 bytes begin at byte 4096, 200 for the test follow: only a worker, or only the
  // evaluation process, comes across the damage.
  for (const auto& [place, who] : {std::pair{300'000, "worker "}, std::pair{600'000, "the evaluation process "}}) {
    std::string content = read_file(whole);
    content.at(4096 + static_cast<std::size_t>(place)) ^= 1;
    write_file(damaged, content);
    const std::string words = damaged + ": byte ";
    for (const std::string world : {"clock=real", "clock=virtual"}) {
      BOOST_TEST_CONTEXT(who << "with " << world) {
        const std::vector<std::string> before = app.runs();
        Process psctl(app.folder(), app.train_arguments({"data.source=" + damaged, "stop={epochs: 3}", world}));
        BOOST_TEST(psctl.wait(Seconds(20)) == 2, psctl.error());
        BOOST_TEST(contains(psctl.error(), words), psctl.error());
        if (world == "clock=real") BOOST_TEST(contains(psctl.error(), who), psctl.error());
        for (const std::string& run : app.runs()) {
          if (std::ranges::find(before, run) != before.end()) continue;
          BOOST_TEST(App::summary(run)["status"] == "failed");
          BOOST_TEST(contains(App::summary(run)["error"].get<std::string>(), words));
          check_nobody_left(run);
          check_readable(run);
        }
        BOOST_TEST(app.runs().size() == before.size() + 1);
      }
    }
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they take more memory than the limit

BOOST_AUTO_TEST_CASE(a_set_larger_than_a_memory_limit_trains_alike_and_a_limit_that_is_too_low_is_told) {
  const App app;
  const std::string file = app.folder() / "large.psctl";
  Process synth(app.folder(), {"data", "synth", "blobs", "-o", file, "--quiet", "--samples", "210000", "--test", "200",
                               "--features", "400"});
  BOOST_TEST_REQUIRE(synth.wait() == 0, synth.error());
  constexpr std::uint64_t kLimit = 300'000, kTooLow = 100'000;  // KiB
  BOOST_TEST(std::filesystem::file_size(file) > kLimit * 1024);
  // On one core: of several, each that computes needs memory of its own.
  const auto limited = [&](std::uint64_t limit, const Overrides& overrides) {
    std::string command = fmt::format("ulimit -d {}; exec taskset -c 0 {}", limit, psctl::test::kBinary);
    for (const std::string& word : app.train_arguments(overrides)) command += " '" + word + "'";
    return command;
  };
  for (const std::string world : {"clock=virtual", "clock=real"}) {
    BOOST_TEST_CONTEXT(world) {
      const Overrides logistic = {"data.source=" + file, "model={kind: logistic}", world};
      const std::string expected = App::digest(app.train(logistic));
      const std::vector<std::string> before = app.runs();
      Process psctl(app.folder(), {"-c", limited(kLimit, logistic)}, {}, "/bin/sh");
      BOOST_TEST(psctl.wait(Seconds(30)) == 0, psctl.error());
      for (const std::string& run : app.runs()) {
        if (std::ranges::find(before, run) == before.end()) BOOST_TEST(App::digest(run) == expected);
      }
      BOOST_TEST(app.runs().size() == before.size() + 1);

      Process too_low(app.folder(),
                      {"-c", limited(kTooLow, {"model={kind: mlp, hidden: [300, 300]}", "data.batch_size=100", world})},
                      {}, "/bin/sh");
      BOOST_TEST(too_low.wait(Seconds(30)) == 1, too_low.error());
      BOOST_TEST(contains(too_low.error(), "the memory limit leaves less: raise it"), too_low.error());
    }
  }
}

#endif

BOOST_AUTO_TEST_CASE(when_psctl_itself_is_killed_its_processes_go_too) {
  for (const Overrides& overrides : {kEndless, kLongDelay, kEndless + Overrides{"cluster.servers=2"}}) {
    const App app;
    Process psctl(app.folder(), app.train_arguments(overrides));
    app.await("pushed");
    const std::string run = app.run();
    psctl.signal(SIGKILL);
    check_nobody_left(run);
    check_readable(run);
  }
}

BOOST_AUTO_TEST_CASE(an_interrupt_ends_everything_within_two_seconds) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    for (const Overrides& overrides : {kEndless, kEndless + Overrides{"cluster.servers=2", "strategy=asp"}}) {
      const App app;
      Process psctl(app.folder(), app.train_arguments(overrides));
      app.await("pushed");
      check_interrupted(psctl, app, signal);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_interrupt_during_start_up_ends_everything) {
  for (const char* servers : {"cluster.servers=1", "cluster.servers=2"}) {
    const App app;
    Process psctl(app.folder(), app.train_arguments(kEndless + Overrides{servers}));
    const std::string run = app.run();
    BOOST_TEST(eventually(Seconds(10), [&] { return std::filesystem::exists(run + "/psctl.log"); }));
    check_interrupted(psctl, app, SIGINT);
  }
}

BOOST_AUTO_TEST_CASE(an_interrupt_ends_a_run_within_a_long_delay_and_a_long_hold) {
  for (const char* servers : {"cluster.servers=1", "cluster.servers=2"}) {
    const App app;
    Process psctl(app.folder(), app.train_arguments(kLongDelay + Overrides{servers}));
    app.await("pushed");  // the other two are held
    check_interrupted(psctl, app, SIGINT);
    BOOST_TEST(App::summary(app.run())["workers"][1]["delay_s"].get<double>() > 0);
    BOOST_TEST(App::summary(app.run())["workers"][0]["wait_s"].get<double>() > 0);
  }
}

// All cells are in endings_long_test.cc.
BOOST_AUTO_TEST_CASE(the_first_cause_of_an_end_is_told_by_name) {
  const std::vector<Cell> cells = {{Role::kLead, SIGTERM, Phase::kTraining, "bsp"},
                                   {Role::kLead, SIGSTOP, Phase::kTraining, "asp"},
                                   {Role::kShard, SIGTERM, Phase::kTraining, "bsp"},
                                   {Role::kShard, SIGINT, Phase::kHold, "{name: ssp, staleness: 1}"},
                                   {Role::kShard, SIGHUP, Phase::kStart, "asp"},
                                   {Role::kShard, SIGSTOP, Phase::kHold, "bsp"},
                                   {Role::kWorker, SIGTERM, Phase::kData, "bsp"},
                                   {Role::kWorker, SIGHUP, Phase::kTraining, "asp"},
                                   {Role::kWorker, SIGSTOP, Phase::kTraining, "{name: local_sgd, period: 2}"},
                                   {Role::kEvaluator, SIGTERM, Phase::kEvaluation, "bsp"},
                                   {Role::kEvaluator, SIGSTOP, Phase::kTraining, "asp"},
                                   {Role::kEvaluator, SIGINT, Phase::kFinish, "bsp"},
                                   {Role::kPsctl, SIGHUP, Phase::kHold, "bsp"},
                                   {Role::kPsctl, SIGSTOP, Phase::kEvaluation, "bsp"}};
  for (const Cell& cell : cells) check(cell);
}

BOOST_AUTO_TEST_CASE(a_run_without_its_terminal_goes_on_under_nohup) {
  const App app;
  std::vector<std::string> arguments = {"-c", "trap '' HUP; exec \"$0\" \"$@\"", psctl::test::kBinary};
  for (const std::string& word : app.train_arguments({"stop={time_s: 2}"})) arguments.push_back(word);
  Process psctl(app.folder(), arguments, {}, "/bin/sh");
  app.await("pushed");
  psctl.signal(SIGHUP);
  for (const pid_t process : processes_with({app.run()})) ::kill(process, SIGHUP);
  BOOST_TEST(psctl.wait() == 0, psctl.error());
}

BOOST_AUTO_TEST_CASE(a_second_interrupt_changes_nothing) {
  const App app;
  Process psctl(app.folder(), app.train_arguments(kEndless));
  app.await("pushed");
  check_interrupted(psctl, app, SIGINT, 2);
}

BOOST_AUTO_TEST_CASE(an_interrupt_ends_a_run_with_a_process_that_does_not_answer) {
  const std::vector<std::vector<std::string>> kStopped = {
      {" worker ", "--worker 1"}, {" server ", "--rank 0"}, {" server ", "--rank 1"}, {" evaluator "}};
  for (const auto& words : kStopped) {
    BOOST_TEST_CONTEXT("stopped:" << words.front() << words.back()) {
      const App app;
      Process psctl(app.folder(), app.train_arguments(kEndless + Overrides{"cluster.servers=2"}));
      app.await("pushed");
      std::vector<std::string> wanted = words;
      wanted.push_back(app.run());
      const std::vector<pid_t> found = processes_with(wanted);
      BOOST_TEST_REQUIRE(found.size() == 1U);
      ::kill(found.front(), SIGSTOP);
      check_interrupted(psctl, app, SIGINT);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_interrupt_ends_a_virtual_run_and_keeps_what_is_there) {
  const App app;
  Process psctl(app.folder(), app.train_arguments({"clock=virtual", "stop={epochs: 1000000}"}));
  BOOST_TEST(eventually(Seconds(20), [&] { return read_file(app.run() + "/evals.csv").size() > 200; }));
  check_interrupted(psctl, app, SIGINT);
  BOOST_TEST(App::summary(app.run())["updates"].get<int>() > 0);
}

BOOST_AUTO_TEST_CASE(an_interrupt_ends_a_virtual_run_of_long_steps) {
  const App app;
  // 64 of them take many seconds.
  Process psctl(app.folder(),
                app.train_arguments({"clock=virtual", "model={kind: mlp, hidden: [3000, 3000]}", "data.batch_size=100",
                                     "stop={epochs: 1000000}", "evaluate.every_epochs=1000"}));
  BOOST_TEST(eventually(Seconds(20), [&] { return std::filesystem::exists(app.run() + "/decisions.csv"); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const auto begin = steady_clock::now();
  psctl.signal(SIGINT);
  BOOST_TEST(psctl.wait(Seconds(60)) == 130, psctl.error());
  BOOST_TEST(Seconds(steady_clock::now() - begin).count() < 10);
  BOOST_TEST(App::summary(app.run())["status"] == "interrupted");
}

BOOST_AUTO_TEST_CASE(an_interrupt_ends_the_preparation_of_data) {
  const App app;
  std::string text = "a,b,c,d,e,f,g,h,label\n";
  for (int row = 0; row < 400'000; ++row) text += fmt::format("{0},{0}.5,1,2,3,4,5,6,{1}\n", row, row % 3);
  const std::string file = app.folder() / "large.csv", cache = app.folder() / "cache";
  write_file(file, text);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Process psctl(app.folder(), app.train_arguments({"data.source=" + file, "data.import={label: label}"}),
                  {"PSCTL_CACHE=" + cache});
    // The samples stream into a file that has not its name yet.
    BOOST_TEST(eventually(Seconds(20), [&] {
      return std::filesystem::exists(cache) && !std::filesystem::is_empty(cache) && !psctl.ended();
    }));
    psctl.signal(signal);
    BOOST_TEST(psctl.wait(Seconds(10)) == 130, psctl.error());
    BOOST_TEST(contains(psctl.error(), "interrupted before anything was begun"), psctl.error());
    BOOST_TEST(std::filesystem::is_empty(cache));
    BOOST_TEST(app.runs().empty());
  }
}

BOOST_AUTO_TEST_CASE(a_run_whose_every_step_is_given_up_has_failed_in_both_worlds) {
  for (const char* clock : {"clock=virtual", "clock=real"}) {
    const App app;
    Process psctl(
        app.folder(),
        app.train_arguments({clock, "strategy={name: bap, staleness: 2, max_iteration_ms: 1}", "stop={samples: 100000}",
                             "+stragglers={workers: [0, 1, 2], kind: constant, delay_ms: 50}"}));
    BOOST_TEST_REQUIRE(psctl.wait() == 1, clock << ": " << psctl.out() << psctl.error());
    const std::string why =
        "every step was given up for so long that the run was ended: raise strategy.max_iteration_ms";
    BOOST_TEST(contains(psctl.error(), "psctl: error: " + why), psctl.error());
    const std::string run = app.run();
    check_nobody_left(run);
    check_readable(run);
    const auto summary = App::summary(run);
    BOOST_TEST(summary["status"] == "failed");
    BOOST_TEST(summary["error"] == why);
    BOOST_TEST(summary["stop"] == "every step given up");
    BOOST_TEST(summary["samples"] == 0);
  }
}

}  // namespace psctl::test
