// A run and its replay: equal for every strategy in both worlds; a log, a configuration or data that were changed are
// told with the place.
#include "replay.h"

namespace psctl::test {
namespace {

void check_told(const App& app, const std::string& run, int code, const std::string& message) {
  const Told told = replay(app, {run});
  BOOST_TEST(told.code == code);
  BOOST_TEST(contains(told.error, message), "\n" << told.error << "has no\n" << message);
  BOOST_TEST(told.out == "");
}

// Lines of a run's decision log; the header is line 1, as in messages.
class Log {
 public:
  explicit Log(const std::string& run) : path_(run + "/decisions.csv") {
    std::istringstream text(read_file(path_));
    for (std::string line; std::getline(text, line);) lines.push_back(line);
  }
  // The first line from `from` on with all these words.
  std::size_t find(const std::vector<std::string>& words, std::size_t from = 2) const {
    for (std::size_t i = from - 1; i < lines.size(); ++i) {
      if (std::ranges::all_of(words, [&](const std::string& word) { return contains(lines[i], word); })) return i + 1;
    }
    BOOST_FAIL("no such line");
    return 0;
  }
  std::string& line(std::size_t number) { return lines.at(number - 1); }
  void write(const std::string& end = "\n") const {
    std::string text;
    for (const std::string& line : lines) text += &line == &lines.back() ? line + end : line + "\n";
    write_file(path_, text);
  }

  std::vector<std::string> lines;

 private:
  std::string path_;
};

void replace(std::string& text, const std::string& part, const std::string& by) {
  const std::size_t at = text.find(part);
  BOOST_TEST_REQUIRE(at != std::string::npos, "no " << part << " in " << text);
  text.replace(at, part.size(), by);
}

// A copy of the run's folder to be spoilt.
std::string copy_of(const App& app, const std::string& run) {
  static int count = 0;
  const std::string copy = app.folder() / fmt::format("copy-{}", ++count);
  std::filesystem::copy(run, copy, std::filesystem::copy_options::recursive);
  return copy;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_virtual_run_of_every_strategy_replays_equal_with_workers_that_come_and_go) {
  for (const sync::Entry& entry : sync::entries()) {
    BOOST_TEST_CONTEXT(entry.name) {
      const App app;
      check_equal(app, app.train(kEnd + Overrides{"clock=virtual", "strategy=" + entry.name}));
      check_equal(
          app, app.train(kEnd + kDelays + kMembers + kSchedule + Overrides{"clock=virtual", "strategy=" + entry.name}));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_virtual_run_replays_equal_with_what_a_strategy_does_only_when_asked) {
  const Overrides network = {"cluster.network={latency_ms: 3, bandwidth_mbps: 10, server_bandwidth_mbps: 50}"};
  for (const std::string strategy :
       {"{name: wbsp, overlap: true, rebase: reapply}", "{name: wbsp, overlap: true, rebase: discard}",
        "{name: wbsp, commit: arrival, slowest: fixed}", "{name: bap, max_iteration_ms: 8}",
        "{name: dssp, credit: exact, release: next_push}", "{name: elastic_bsp, final_push: arrival}",
        "{name: ssp, apply: on_release}", "{name: asp, update_scale: mean}"}) {
    BOOST_TEST_CONTEXT(strategy) {
      const App app;
      check_equal(app,
                  app.train(kEnd + kDelays + network + kSchedule + Overrides{"clock=virtual", "strategy=" + strategy}));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_leave_of_a_worker_that_is_not_there_any_more_leaves_no_row_and_replays_equal) {
  const App app;
  const std::string run = app.train(
      {"clock=virtual", "strategy=asp", "stop={steps_per_worker: 10}", "cluster.workers=4", "cluster.compute_ms=5",
       "cluster.membership=[{worker: 1, leave_s: 0.07}, {worker: 2, leave_s: 0.02}, {worker: 3, join_s: 0.06}]"});
  const Log log(run);
  const auto left = [&](int worker) {
    return std::ranges::count_if(
        log.lines, [&](const std::string& line) { return contains(line, fmt::format(",left,{},", worker)); });
  };
  BOOST_TEST(left(1) == 1);  // at its tenth step, before 0.07 s
  BOOST_TEST(left(3) == 1);  // after that
  check_equal(app, run);
}

BOOST_AUTO_TEST_CASE(a_real_run_of_every_strategy_replays_equal) {
  std::size_t servers = 0;
  for (const sync::Entry& entry : sync::entries()) {
    BOOST_TEST_CONTEXT(entry.name) {
      const App app;
      check_equal(app,
                  app.train(kEnd + kDelays + kSchedule + (servers % 3 == 2 ? kMembers : Overrides{}) +
                            Overrides{"strategy=" + entry.name, fmt::format("cluster.servers={}", servers % 2 + 1)}));
      ++servers;
    }
  }
}

BOOST_AUTO_TEST_CASE(a_real_run_replays_equal_with_overlap_and_steps_that_are_given_up) {
  for (const std::string strategy :
       {"{name: wbsp, overlap: true, rebase: reapply}", "{name: wbsp, overlap: true, rebase: discard}",
        "{name: bap, max_iteration_ms: 4}"}) {
    BOOST_TEST_CONTEXT(strategy) {
      const App app;
      const std::string run =
          app.train(kEnd + kDelays + kSchedule + Overrides{"cluster.servers=2", "strategy=" + strategy});
      BOOST_TEST(contains(read_file(run + "/decisions.csv"), contains(strategy, "bap") ? " empty=1 " : " overlapped="));
      check_equal(app, run);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_run_of_every_optimizer_and_schedule_replays_equal) {
  const App app;
  for (const std::string optimizer :
       {"{kind: sgd, weight_decay: 0.001, schedule: {kind: step, every_epochs: 0.5, factor: 0.5}}",
        "{kind: momentum, staleness: {kind: inverse, offset: 1}, schedule: {kind: cosine, epochs: 2}}",
        "{kind: nesterov, schedule: {kind: exponential, factor: 0.9, warmup_epochs: 1}}",
        "{kind: adagrad, learning_rate: 0.01, staleness: {kind: inverse}}", "{kind: adam, learning_rate: 0.001}",
        "{kind: sgd, staleness: {kind: dc, mode: constant, lambda: 0.04}}",
        "{kind: momentum, learning_rate: 0.01, staleness: {kind: dc, mode: adaptive, lambda: 2}}"}) {
    BOOST_TEST_CONTEXT(optimizer) {
      check_equal(app,
                  app.train(kEnd + kDelays + Overrides{"clock=virtual", "strategy=asp", "optimizer=" + optimizer}));
    }
  }
  check_equal(app, app.train(kEnd + Overrides{"strategy=asp", "cluster.servers=2",
                                              "optimizer={kind: adam, learning_rate: 0.001}"}));
}

BOOST_AUTO_TEST_CASE(a_run_replays_equal_whatever_ended_it) {
  const App app;
  for (const std::string stop : {"{epochs: 1}", "{updates: 7}", "{steps_per_worker: 4}", "{time_s: 0.2}",
                                 "{target_accuracy: 0.01}", "{plateau: {smoothing: 0.1, below: 1}}"}) {
    BOOST_TEST_CONTEXT(stop) {
      check_equal(app, app.train({"clock=virtual", "strategy=ssp", "evaluate={every_updates: 3}", "stop=" + stop}));
    }
  }
  check_equal(app, app.train({"strategy=ssp", "stop={time_s: 0.4}"}));
  const std::string diverged = app.train({"clock=virtual", "strategy=asp", "optimizer.learning_rate=100000"});
  BOOST_TEST(App::summary(diverged)["stop"] == "diverged");
  check_equal(app, diverged);
}

BOOST_AUTO_TEST_CASE(a_run_that_an_evaluation_ended_when_another_stop_was_due_replays_equal) {
  const App app;
  for (const auto& [epochs, other] : {std::pair(2, "target_accuracy: 0.3"), std::pair(1, "plateau: {below: 1}")}) {
    const std::string run = app.train({"clock=virtual", "evaluate={every_epochs: 1}",
                                       fmt::format("stop={{epochs: {}, {}}}", epochs, other)});
    BOOST_TEST(App::summary(run)["stop"] != "epochs");
    BOOST_TEST(App::summary(run)["epochs"].get<double>() >= epochs);
    check_equal(app, run);
  }
}

BOOST_AUTO_TEST_CASE(a_run_whose_updates_take_time_replays_equal_whatever_ended_it) {
  const App app;
  for (const std::string stop : {"{epochs: 1}", "{updates: 7}", "{steps_per_worker: 4}", "{time_s: 0.2}"}) {
    for (const std::string strategy : {"asp", "bap", "{name: local_sgd, period: 2}"}) {
      BOOST_TEST_CONTEXT(stop << " " << strategy) {
        check_equal(app, app.train(kSchedule + Overrides{"clock=virtual", "cluster.update_ms=12", "stop=" + stop,
                                                         "evaluate={every_s: 0.03}", "strategy=" + strategy}));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_run_of_timing_only_replays_its_decisions) {
  const App app;
  const std::string run = app.train({"clock=virtual", "strategy=ssp", "model.kind=none", "~evaluate"});
  const Told told = replay(app, {run});
  BOOST_TEST(told.code == 0, told.error);
  BOOST_TEST(contains(told.out, " decisions equal, timing only, there is no model"), told.out);
}

BOOST_AUTO_TEST_CASE(several_runs_are_replayed_and_the_worst_decides_the_exit_code) {
  const App app;
  const std::string run = app.train({"clock=virtual"}), none = app.folder() / "none", spoilt = copy_of(app, run);
  Log log(spoilt);
  replace(log.line(log.find({",apply,"})), "learning_rate=0.1", "learning_rate=0.2");
  log.write();
  Told told = replay(app, {run, none, run});
  BOOST_TEST(told.code == 2);
  BOOST_TEST(std::ranges::count(told.out, '\n') == 2);
  BOOST_TEST(contains(told.error, none + " is not there, or no folder; name the folder of a run"), told.error);
  told = replay(app, {none, spoilt, run});
  BOOST_TEST(told.code == 1);
  BOOST_TEST(std::ranges::count(told.out, '\n') == 1);
  told = replay(app, {"--quiet", run});
  BOOST_TEST(told.code == 0);
  BOOST_TEST(told.out + told.error == "");
  told = replay(app, {"--quiet", spoilt});
  BOOST_TEST(told.code == 1);
  BOOST_TEST(told.error != "");
}

BOOST_AUTO_TEST_CASE(a_log_that_was_edited_is_told_with_its_line_and_both_values) {
  const App app;
  const std::string run = app.train(kDelays + Overrides{"clock=virtual", "strategy={name: ssp, staleness: 1}"});
  struct Case {
    std::vector<std::string> words;  // of the line
    std::function<void(Log&, std::size_t)> edit;
    std::string message;  // {} is the line
  };
  const auto in_line = [](const std::string& part, const std::string& by) {
    return [=](Log& log, std::size_t line) { replace(log.line(line), part, by); };
  };
  const std::vector<Case> cases = {
      {{",apply,", "shares=5:1"},
       in_line("shares=5:1", "shares=5:0.5"),
       "{}: apply: share 1 is 5:0.5 in the log, 5:1 recomputed"},
      {{",apply,"}, in_line(" rate=1", " rate=0.5"), "{}: apply: rate is 0.5 in the log, 1 recomputed"},
      {{",apply,"},
       in_line("learning_rate=0.1", "learning_rate=0.10000000000000002"),
       "{}: apply: learning_rate is 0.10000000000000002 in the log, 0.1 recomputed"},
      {{",apply,"},
       in_line("learning_rate=0.1", "learning_rate=0.1 reset=1"),
       "{}: apply: detail is reset=1 in the log, nothing recomputed"},
      {{",release,1,3,"},
       in_line("refresh=take", "refresh=keep"),
       "{}: release of worker 1: refresh is keep in the log, take recomputed"},
      {{",release,1,3,"},
       in_line(",release,1,3,", ",release,0,3,"),
       "{}: the log has release of worker 0, recomputed is release of worker 1"},
      {{",release,2,1,"},
       [](Log& log, std::size_t line) { log.lines.erase(log.lines.begin() + line - 1); },
       "{}: the log has "},
      {{",pushed,1,"},
       [](Log& log, std::size_t line) { log.lines.erase(log.lines.begin() + line - 1); },
       "{}: the log has apply, which the recomputed run does not decide here"},
      {{",pushed,1,2,"},
       [](Log& log, std::size_t line) { std::swap(log.line(line), log.line(line + 1)); },
       "{}: the log has apply, which the recomputed run does not decide here"},
      {{",pushed,1,2,"},
       in_line(" steps=1", " steps=2"),
       "{}: the log has pushed of worker 1, which cannot follow what that worker was released for"},
      {{",pushed,1,2,"}, in_line(",pushed,1,2,", ",pushed,9,2,"), "{}: the log has pushed of worker 9, which cannot"},
      {{",pushed,1,2,"}, in_line(" steps=1", " steps=4294967296"), "{}: steps is too large: 4294967296"},
      {{",pushed,1,2,"}, in_line(" steps=1", ""), "{}: expected steps=, found 'compute_ns="},
      {{",pushed,1,2,"}, in_line(",pushed,", ",pushd,"), "{}: there is no kind 'pushd'"},
      {{",pushed,1,2,"}, in_line(",0.0", ",-0.0"), "{}: time_s should be a whole number, it is '-0'"},
      {{",pushed,1,2,"},
       [](Log& log, std::size_t line) { log.line(line) = ""; },
       "{}: expected seven columns, found ''"},
      {{",pushed,1,2,"},
       [](Log& log, std::size_t line) { log.line(line) = std::string(1 << 20, ','); },
       "{}: sequence should be a whole number"},
      {{",joined,2,"},
       in_line(",joined,2,", ",left,2,"),
       "{}: the log has left of worker 2, recomputed is joined of worker 2"},
      {{",stop,"}, in_line("updates", "samples"), "{}: stop: detail is samples in the log, updates recomputed"},
      {{",stop,"},
       [](Log& log, std::size_t line) {
         const auto end = log.lines.begin() + static_cast<std::ptrdiff_t>(line) - 1;
         log.lines.erase(log.lines.begin() + static_cast<std::ptrdiff_t>(log.find({",pushed,"}, 20)) - 1, end);
       },
       "the log stops here for updates, the recomputed run has no reason to"},
      {{",stop,"},
       [](Log& log, std::size_t line) { log.lines.push_back("9" + log.line(line)); },
       "the log has stop after the stop"},
  };
  for (const Case& each : cases) {
    const std::string copy = copy_of(app, run);
    Log log(copy);
    const std::size_t line = log.find(each.words);
    BOOST_TEST_CONTEXT(each.message << " of line " << line) {
      each.edit(log, line);
      log.write();
      const bool placed = each.message.starts_with("{}");
      check_told(app, copy, 1, placed ? fmt::format("decisions.csv:{}{}", line, each.message.substr(2)) : each.message);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_log_with_any_byte_changed_is_equal_or_told_and_never_our_fault) {
  const App app;
  const std::string run = app.train({"clock=virtual", "strategy=ssp", "stop={updates: 9}"});
  const std::string sound = read_file(run + "/decisions.csv");
  const std::string copy = copy_of(app, run);
  std::uint64_t state = 7;
  const auto draw = [&state](std::size_t below) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::size_t>(state >> 33) % below;
  };
  constexpr std::string_view kBytes = "0123456789,.=;:- \nxe\xff";
  for (int i = 0; i < 60; ++i) {
    std::string text = sound;
    const std::size_t at = draw(text.size());
    text[at] = kBytes[draw(kBytes.size())];
    write_file(copy + "/decisions.csv", text);
    const Told told = replay(app, {copy});
    BOOST_TEST((told.code == 0 || told.code == 1 || (told.code == 2 && at <= sound.find('\n'))), told.error);
    BOOST_TEST(!contains(told.error, ".cc:"), told.error);
    BOOST_TEST((told.code == 0) == (told.error == ""), told.error);
  }
}

BOOST_AUTO_TEST_CASE(a_log_that_was_cut_is_compared_as_far_as_it_goes_and_proves_nothing) {
  const App app;
  const std::string run = app.train({"clock=virtual", "strategy=asp"});
  const Log whole(run);
  // In the middle, and before the stop alone.
  for (const std::size_t lines : {whole.lines.size() / 2, whole.lines.size() - 1}) {
    for (const std::string end : {"\n", ""}) {
      const std::string copy = copy_of(app, run);
      Log log(copy);
      log.lines.resize(lines);
      log.write(end);
      check_told(app, copy, 1,
                 fmt::format("not proved, the log ends {} line {} and has no `stop`", end.empty() ? "within" : "after",
                             lines));
    }
  }
  const std::string copy = copy_of(app, run);
  Log log(copy);
  log.lines.resize(1);
  log.write();
  check_told(app, copy, 1, "until there: 0 events and 0 decisions equal");
}

BOOST_AUTO_TEST_CASE(a_run_that_was_killed_or_failed_is_compared_up_to_its_end) {
  const App app;
  Process psctl(app.folder(), app.train_arguments({"stop={time_s: 60}", "strategy=asp", "cluster.servers=2"}));
  app.await(",apply,");
  const std::string run = app.run();
  BOOST_TEST(eventually(Seconds(20), [&] { return Log(run).lines.size() > 50; }));
  psctl.signal(SIGINT);
  BOOST_TEST(psctl.wait() == 130);
  if (App::summary(run)["model_digest"].is_string()) {
    check_equal(app, run);
  } else {
    check_told(app, run, 1,
               "not proved, equal up to its stop, but summary.json has no model_digest: the run is interrupted");
  }
  std::string summary = read_file(run + "/summary.json");
  replace(summary, "\"interrupted\"", "\"failed\"");
  write_file(run + "/summary.json", summary);
  check_told(app, run, 1, "not proved, equal up to its stop, but the run failed");
  std::filesystem::remove(run + "/summary.json");
  check_told(app, run, 1, "not proved, there is no summary.json: the run was killed before its end");
}

BOOST_AUTO_TEST_CASE(another_seed_another_digest_and_other_data_are_told) {
  const App app;
  const std::string run = app.train({"clock=virtual"});
  const auto with = [&](const std::string& file, const std::string& part, const std::string& by) {
    const std::string copy = copy_of(app, run);
    std::string text = read_file(copy + "/" + file);
    replace(text, part, by);
    write_file(copy + "/" + file, text);
    return copy;
  };
  const std::string digest = App::digest(run);
  check_told(app, with("config.yaml", "seed: 3", "seed: 4"), 1,
             fmt::format("summary.json: model_digest is {} in the run, ", digest));
  check_told(app, with("config.yaml", "workers: 3", "workers: 2"), 2, "cluster.compute_ms");
  check_told(app, with("config.yaml", "updates: 20", "updates: 19"), 1, "recomputed is stop");
  check_told(app, with("summary.json", digest, std::string(64, '0')), 1,
             fmt::format("model_digest is {} in the run, {} recomputed", std::string(64, '0'), digest));
  check_told(app, with("config.yaml", "train_limit: 0", "train_limit: 500"), 1, "wrong data: the train samples of ");

  const std::string elsewhere = app.folder() / "elsewhere";
  std::filesystem::rename(app.folder() / "data", elsewhere);
  check_told(app, run, 2, "data");
  BOOST_TEST(replay(app, {run, "--data", elsewhere}).code == 0);
  std::string images = read_file(elsewhere + "/train-images-idx3-ubyte");
  images.back() = static_cast<char>(images.back() ^ 1);
  write_file(elsewhere + "/train-images-idx3-ubyte", images);
  const Told told = replay(app, {run, "--data", elsewhere});
  BOOST_TEST(told.code == 1);
  BOOST_TEST(contains(told.error, "wrong data: the train samples of " + elsewhere), told.error);
}

BOOST_AUTO_TEST_CASE(another_binary_or_machine_is_a_notice) {
  const App app;
  const std::string run = app.train({"clock=virtual"});
  auto made = nlohmann::json::parse(read_file(run + "/made.json"));
  const std::string core = made["blas_core"];
  made["binary_sha256"] = std::string(64, '0');
  made["blas_core"] = "Abacus";
  write_file(run + "/made.json", made.dump());
  const Told told = replay(app, {run});
  BOOST_TEST(told.code == 0);
  BOOST_TEST(
      contains(told.error, fmt::format("psctl: note: {}: this is another build of psctl, blas_core {} in place of "
                                       "Abacus; equal bits are promised for one build on one type of CPU only",
                                       run, core)),
      told.error);
}

BOOST_AUTO_TEST_CASE(a_folder_that_does_not_hold_a_run_with_its_log_is_refused) {
  const App app;
  const std::string run = app.train({"clock=virtual"});
  const auto without = [&](const std::string& file) {
    const std::string copy = copy_of(app, run);
    std::filesystem::remove(copy + "/" + file);
    return copy;
  };
  const auto with = [&](const std::string& file, const std::string& text) {
    const std::string copy = copy_of(app, run);
    write_file(copy + "/" + file, text);
    return copy;
  };
  check_told(app, app.folder() / "data", 2, "has no config.yaml: it is not the folder of a run");
  check_told(app, app.config(), 2, "is not there, or no folder; name the folder of a run");
  check_told(app, without("made.json"), 2, "has no made.json: it is not the folder of a run");
  check_told(app, without("decisions.csv"), 2, "has no decisions.csv, there is nothing to replay");
  check_told(app, with("made.json", "{"), 2, "made.json is not what psctl wrote: it is no JSON object");
  check_told(app, with("made.json", "{}"), 2, "made.json is not what psctl wrote: data_sha256.train is missing");
  check_told(app, with("config.yaml", "seed: x"), 2, "config.yaml");
  check_told(app, with("decisions.csv", ""), 2, "decisions.csv is no decision log: it should begin with the line");
  check_told(app, with("decisions.csv", std::string(1 << 20, 'x')), 2, "decisions.csv is no decision log");
  check_told(app, with("summary.json", "[]"), 1, "summary.json is not what psctl wrote: it is no JSON object");
  check_told(app, app.train({"clock=virtual", "trace.decisions=false"}), 2,
             "kept no decision log (trace.decisions: false), there is nothing to replay");
  const Told told = replay(app, {});
  BOOST_TEST(told.code == 2);
  BOOST_TEST(contains(told.error, "psctl replay: name the folder of a run; psctl replay --help tells more"));
}

}  // namespace psctl::test
