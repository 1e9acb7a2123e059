// What a run leaves behind and what it prints.
#include <map>
#include <set>

#include "app.h"
#include "support/paths.h"

namespace psctl::test {
namespace {

constexpr const char* kSteps =
    "time_s,worker,step,base_version,applied_version,staleness,gap,data_s,compute_s,delay_s,push_s,wait_s,pull_s,"
    "samples,loss";
constexpr const char* kWorkers =
    "worker,host,steps,samples,samples_used,samples_discarded,samples_pending,samples_lost,samples_given_up,data_s,"
    "compute_s,delay_s,push_s,wait_s,pull_s,other_s,wall_s,compute_share,staleness_mean,staleness_p99,staleness_max,"
    "gap_max,held_by,held_others_s";
constexpr const char* kEvals = "time_s,version,epoch,samples,train_loss,test_loss,test_accuracy";
constexpr const char* kDecisions = "sequence,time_s,kind,worker,step,version,detail";

void check_parts(const std::string& run, double tolerance) {
  const Table workers = read_table(run + "/workers.csv");
  BOOST_TEST(workers.header == kWorkers);
  BOOST_TEST(workers.rows.size() == 3U);
  for (std::size_t i = 0; i < workers.rows.size(); ++i) {
    const double wall = workers.number(i, "wall_s"), other = workers.number(i, "other_s");
    double parts = other;
    for (const char* part : {"data_s", "compute_s", "delay_s", "push_s", "wait_s", "pull_s"})
      parts += workers.number(i, part);
    BOOST_TEST(wall > 0);
    BOOST_TEST(std::abs(parts - wall) < 1e-6);
    double held = 0;
    std::istringstream charges(workers.rows[i].at("held_by"));
    for (std::string charge; std::getline(charges, charge, ';');)
      held += std::stod(charge.substr(charge.find(':') + 1));
    BOOST_TEST(std::abs(held - workers.number(i, "wait_s")) < 1e-8);
    BOOST_TEST(std::abs(other) <= tolerance * wall, "worker " << i << ": " << other << " of " << wall << " s");
  }
}

void check_files(const std::string& run, const char* clock) {
  const auto summary = App::summary(run);
  for (const char* key : {"status",
                          "strategy",
                          "clock",
                          "seed",
                          "time_s",
                          "updates",
                          "pushes",
                          "samples",
                          "epochs",
                          "samples_per_s",
                          "final_accuracy",
                          "best_accuracy",
                          "final_loss",
                          "target_accuracy",
                          "time_to_target_s",
                          "compute_share",
                          "data_share",
                          "wait_share",
                          "staleness_mean",
                          "staleness_p99",
                          "staleness_max",
                          "samples_used",
                          "samples_discarded",
                          "samples_pending",
                          "samples_lost",
                          "samples_given_up",
                          "worker_s_to_target",
                          "diverged",
                          "disturbed",
                          "bytes_pushed",
                          "bytes_pulled",
                          "model_digest",
                          "workers",
                          "staleness_samples",
                          "config",
                          "strategy_label",
                          "classes"}) {
    BOOST_TEST(summary.contains(key), key);
  }
  BOOST_TEST(summary["status"] == "done");
  BOOST_TEST(summary["clock"] == clock);
  BOOST_TEST(summary["model_digest"].get<std::string>().size() == 64U);

  const Table steps = read_table(run + "/steps.csv");
  BOOST_TEST(steps.header == kSteps);
  BOOST_TEST(steps.rows.size() == summary["pushes"].get<std::size_t>());
  std::set<std::pair<std::string, std::string>> pushes;
  std::uint64_t samples = 0;
  for (const auto& row : steps.rows) {
    pushes.emplace(row.at("worker"), row.at("step"));
    samples += std::stoul(row.at("samples"));
  }
  BOOST_TEST(pushes.size() == steps.rows.size());
  BOOST_TEST(samples == summary["samples"].get<std::uint64_t>());

  const Table evals = read_table(run + "/evals.csv");
  BOOST_TEST(evals.header == kEvals);
  BOOST_TEST(evals.number(0, "time_s") == 0);
  BOOST_TEST(evals.number(0, "version") == 0);
  BOOST_TEST(evals.number(evals.rows.size() - 1, "version") == summary["updates"].get<double>());
  BOOST_TEST(evals.number(evals.rows.size() - 1, "test_accuracy") == summary["final_accuracy"].get<double>(),
             boost::test_tools::tolerance(1e-4));

  const Table decisions = read_table(run + "/decisions.csv");
  BOOST_TEST(decisions.header == kDecisions);
  BOOST_TEST(decisions.rows.back().at("kind") == "stop");
  BOOST_TEST(nlohmann::json::accept(read_file(run + "/made.json")));
  BOOST_TEST(std::filesystem::exists(run + "/psctl.log"));
}

const std::vector<std::string> kQuiet = {"stop={time_s: 4.5}", "evaluate={every_s: 1}",
                                         "+stragglers={workers: [0, 1, 2], kind: uniform, min_ms: 900, max_ms: 1000}"};

}  // namespace

BOOST_AUTO_TEST_CASE(a_run_that_diverged_says_so_first_and_has_no_accuracy) {
  const App app;
  Process psctl(app.folder(), app.train_arguments({"clock=virtual", "strategy=asp", "optimizer.learning_rate=100000"}));
  BOOST_TEST(psctl.wait() == 0, psctl.error());
  BOOST_TEST(psctl.out().starts_with("DIVERGED: the numbers of the model are no longer finite"), psctl.out());
  BOOST_TEST(contains(psctl.out(), "\ntest accuracy none "), psctl.out());
  const auto summary = App::summary(app.run());
  BOOST_TEST(summary["status"] == "done");
  BOOST_TEST(summary["stop"] == "diverged");
  BOOST_TEST(summary["diverged"] == true);
  for (const char* key : {"final_accuracy", "final_loss"}) BOOST_TEST(summary[key].is_null(), key);
}

BOOST_AUTO_TEST_CASE(threads_beyond_the_cores_are_told) {
  const App app;
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  for (const unsigned threads : {cores, cores + 1}) {
    Process psctl(app.folder(), app.train_arguments({"cluster.workers=1", "cluster.compute_ms=5", "stop={updates: 2}",
                                                     fmt::format("cluster.threads_per_worker={}", threads)}));
    BOOST_TEST(psctl.wait() == 0, psctl.error());
    BOOST_TEST(
        contains(psctl.error(),
                 fmt::format("cluster.threads_per_worker: {} are more than the cores of this machine: each worker "
                             "computes with {}",
                             threads, cores)) == (threads > cores),
        psctl.error());
  }
}

BOOST_AUTO_TEST_CASE(a_quiet_real_run_accounts_for_its_time_and_is_not_disturbed) {
  for (const std::string strategy : {"bsp", "asp"}) {
    const App app;
    std::vector<std::string> overrides = kQuiet;
    overrides.push_back("strategy=" + strategy);
    const std::string run = app.train(overrides);
    check_files(run, "real");
    check_parts(run, 0.02);
    BOOST_TEST(App::summary(run)["disturbed"] == false, App::summary(run)["disturbance"]);
  }
}

BOOST_AUTO_TEST_CASE(a_virtual_run_accounts_for_its_time) {
  for (const std::string strategy : {"bsp", "asp", "ssp"}) {
    const App app;
    const std::string run = app.train({"clock=virtual", "strategy=" + strategy});
    check_files(run, "virtual");
    check_parts(run, 0.001);
  }
}

BOOST_AUTO_TEST_CASE(a_timeline_is_valid_json_with_a_track_a_worker) {
  for (const char* clock : {"clock=virtual", "clock=real"}) {
    const App app;
    const std::string run = app.train({clock, "--timeline"});
    const auto timeline = nlohmann::json::parse(read_file(run + "/timeline.json"), nullptr, false);
    BOOST_TEST_REQUIRE(timeline.is_array());
    std::map<int, std::int64_t> tracks;  // how far each is drawn
    for (const auto& event : timeline) {
      if (event["ph"] != "X") continue;
      std::int64_t& until = tracks[event["tid"].get<int>()];
      BOOST_TEST(event["ts"].get<std::int64_t>() >= until, event.dump());
      until = event["ts"].get<std::int64_t>() + event["dur"].get<std::int64_t>();
    }
    BOOST_TEST(tracks.size() == 3U);
  }
}

BOOST_AUTO_TEST_CASE(a_run_that_may_not_write_a_file_keeps_its_account) {
  const App app;
  // Files of at most 10 kB: a model of 18 kB and the logs are larger. So a full disk looks to a run.
  const auto limited = [&](const std::string& folder, const Overrides& overrides) {
    Overrides arguments = {"-c", "ulimit -f 10; exec \"$0\" \"$@\"", kBinary, "train", "--config", app.config(), "--folder",
                           folder};
    Process train(app.folder(), arguments + overrides, {}, "/bin/bash");
    BOOST_TEST(train.wait() == 1, train.error());
    BOOST_TEST(!contains(train.error(), "signal"), train.error());
    const auto summary = App::summary(folder);
    BOOST_TEST(summary["status"] == "failed");
    BOOST_TEST(summary["final_accuracy"].is_number());
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      BOOST_TEST(!entry.path().string().ends_with(".new"), entry.path().string());
    }
    return train.error();
  };
  const Overrides small = {"trace={steps: false, decisions: false}", "model={kind: mlp, hidden: [64], save: final}"};
  for (const std::string clock : {"virtual", "real"}) {
    const std::string folder = app.folder() / ("model-" + clock);
    const std::string said = limited(folder, small + Overrides{"clock=" + clock});
    BOOST_TEST(contains(said, "cannot write " + folder + "/model.f32: File too large"), said);
  }
  const std::string folder = app.folder() / "log";
  const std::string said = limited(folder, {"clock=virtual", "stop={updates: 2000}"});
  BOOST_TEST(contains(said, "cannot write " + folder + "/"), said);
  for (const char* file : {"/decisions.csv", "/steps.csv"}) {
    const std::string text = read_file(folder + file);
    BOOST_TEST((!text.empty() && text.back() == '\n'), file);
  }
}

BOOST_AUTO_TEST_CASE(the_table_at_the_end_says_what_ended_the_run_and_whether_the_target_was_reached) {
  const App app;
  const auto said = [&](const Overrides& overrides) {
    Process train(app.folder(), app.train_arguments(overrides + Overrides{"clock=virtual"}));
    BOOST_TEST_REQUIRE(train.wait() == 0, train.error());
    return train.out();
  };
  const Overrides often = {"evaluate.every_epochs=0.25"};
  const std::string none = said(often);
  BOOST_TEST(contains(none, "\nended by stop.updates\n"), none);
  const std::string missed = said(often + Overrides{"evaluate.target_accuracy=0.9999"});
  BOOST_TEST(contains(missed, "\nended by stop.updates; target accuracy 0.9999 not reached in two evaluations"),
             missed);
  const std::string reached =
      said(often + Overrides{"evaluate.target_accuracy=0.3", "stop={epochs: 20, target_accuracy: 0.3}"});
  BOOST_TEST(contains(reached, "\nended by stop.target_accuracy; target accuracy 0.3 reached after "), reached);
}

BOOST_AUTO_TEST_CASE(the_table_at_the_end_names_the_straggler_and_how_long_it_held_the_others) {
  const TemporaryFolder folder;
  const auto table = [&](std::vector<std::string> overrides) {
    std::vector<std::string> arguments = {"train", "--config", psctl::test::source_path("configs/vectors.yaml"),
                                          "--out", folder / "results"};
    arguments.insert(arguments.end(), overrides.begin(), overrides.end());
    Process psctl(folder, arguments);
    BOOST_TEST(psctl.wait() == 0, psctl.error());
    return psctl.out();
  };
  const std::string bsp = table({});
  BOOST_TEST(contains(bsp, " 2 15.00 s\n"), bsp);
  BOOST_TEST(contains(bsp, " 2 12.00 s\n"), bsp);
  BOOST_TEST(
      contains(bsp,
               "straggler: worker 2, its steps take 2.8 times the median of the others; the others waited 27.00 s "
               "for it, 100 % of all waiting\n"),
      bsp);
  const std::string asp = table({"strategy=asp"});
  BOOST_TEST(contains(asp, "straggler: worker 2, its steps take 2.7 times the median of the others; nobody waited\n"),
             asp);
  const std::string alike = table({"strategy=asp", "cluster.compute_ms=[10, 10, 11]", "stop.time_s=1"});
  BOOST_TEST(contains(alike, "nobody waited\n"), alike);
  // psctl explain names nobody either.
  const std::string rounds = table({"cluster.compute_ms=[10, 10, 11]", "stop.time_s=1"});
  BOOST_TEST(contains(rounds, "no straggler; the others waited "), rounds);
  const std::string many = table({"cluster.workers=100", "cluster.compute_ms=10", "stop.time_s=1",
                                  "+stragglers={workers: [7, 42], kind: uniform, min_ms: 0, max_ms: 50}"});
  BOOST_TEST(std::ranges::count(many, '\n') < 20, many);
  BOOST_TEST(contains(many, "\n     7 "), many);
  BOOST_TEST(contains(many, "\n    42 "), many);
}

BOOST_AUTO_TEST_CASE(a_quiet_run_prints_nothing) {
  for (const char* clock : {"clock=virtual", "clock=real"}) {
    const App app;
    Process psctl(app.folder(), app.train_arguments({"--quiet", clock}));
    BOOST_TEST(psctl.wait() == 0);
    BOOST_TEST(psctl.out() == "");
    BOOST_TEST(psctl.error() == "");
  }
}

BOOST_AUTO_TEST_CASE(output_that_is_no_terminal_has_no_escape_codes) {
  const App app;
  for (const char* clock : {"clock=virtual", "clock=real"}) {
    Process psctl(app.folder(), app.train_arguments({clock}));
    BOOST_TEST(psctl.wait() == 0);
    BOOST_TEST(!psctl.out().empty());
    BOOST_TEST(!contains(psctl.out() + psctl.error(), "\033"));
    BOOST_TEST(!contains(psctl.error(), "\r"));
  }
  Process refused(app.folder(), app.train_arguments({"seed=x"}));
  BOOST_TEST(refused.wait() == 2);
  BOOST_TEST(!contains(refused.error(), "\033"));
}

BOOST_AUTO_TEST_CASE(on_a_terminal_errors_are_coloured_unless_NO_COLOR_says_otherwise) {
  const App app;
  const auto shown = [&](const char* environment) {
    const std::string typescript = app.folder() / "typescript";
    const std::string command = fmt::format("{} script -qec '{} trian' {} > /dev/null 2>&1 < /dev/null", environment,
                                            psctl::test::kBinary, typescript);
    [[maybe_unused]] const int code = std::system(command.c_str());
    return read_file(typescript);
  };
  const std::string coloured = shown("env -u NO_COLOR");
  BOOST_TEST(contains(coloured, "\033["), coloured);
  const std::string plain = shown("NO_COLOR=1");
  BOOST_TEST(contains(plain, "there is no verb trian"), plain);
  BOOST_TEST(!contains(plain, "\033["));
}

BOOST_AUTO_TEST_CASE(runs_of_the_same_second_get_folders_of_their_own) {
  const App app;
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < 4; ++i) {
    processes.push_back(std::make_unique<Process>(app.folder(), app.train_arguments({"clock=virtual"})));
  }
  for (auto& process : processes) BOOST_TEST(process->wait() == 0);
  BOOST_TEST(app.runs().size() == 4U);
  for (const std::string& run : app.runs()) BOOST_TEST(App::summary(run)["status"] == "done");
}

BOOST_AUTO_TEST_CASE(a_resolved_configuration_repeats_its_run) {
  const App app;
  const std::string first = app.train({"clock=virtual", "strategy={name: ssp, staleness: 2}", "seed=9"});
  Process again(app.folder(), {"train", "--config", first + "/config.yaml", "--out", app.out()});
  BOOST_TEST(again.wait() == 0, again.error());
  BOOST_TEST_REQUIRE(app.runs().size() == 2U);
  BOOST_TEST(App::digest(app.runs()[0]) == App::digest(app.runs()[1]));
}

BOOST_AUTO_TEST_CASE(a_folder_is_one_runs_and_holds_nothing_of_an_earlier_one) {
  const App app;
  const std::string folder = app.folder() / "own";
  const auto arguments = [&](std::vector<std::string> overrides) {
    std::vector<std::string> all = {"train", "--config", app.config(), "--folder", folder, "clock=virtual"};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return all;
  };
  Process first(app.folder(), arguments({"checkpoint.every_updates=5", "model.save=final", "trace.timeline=true"}));
  BOOST_TEST_REQUIRE(first.wait() == 0, first.error());
  BOOST_TEST(std::filesystem::exists(folder + "/model-5.f32"));
  write_file(folder + "/model-9.f32.123.new", "half");
  write_file(folder + "/notes.txt", "the user's own");
  // A run that has ended is not lost by mistake, nor is anything else that is there.
  Process kept(app.folder(), arguments({}));
  BOOST_TEST(kept.wait() == 2);
  BOOST_TEST(contains(kept.error(), "holds a run that has ended: give another folder, or --replace"), kept.error());
  Process data(app.folder(), {"train", "--config", app.config(), "--folder", app.folder() / "data", "clock=virtual"});
  BOOST_TEST(data.wait() == 2);
  BOOST_TEST(contains(data.error(), ", and no run: give a new or an empty folder"), data.error());
  BOOST_TEST(App::summary(folder)["status"] == "done");
  BOOST_TEST(std::filesystem::exists(folder + "/model-5.f32"));
  Process endless(app.folder(), arguments({"stop={epochs: 1000000}", "trace.steps=false", "--replace"}));
  // The decisions of the first run have pushes as well: those of this one are there after its own configuration is.
  BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return contains(read_file(folder + "/config.yaml"), "1000000"); }));
  BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] {
    return std::filesystem::exists(folder + "/decisions.csv") && contains(read_file(folder + "/decisions.csv"), "push");
  }));
  for (const char* gone :
       {"model-5.f32", "model.f32", "timeline.json", "steps.csv", "summary.json", "model-9.f32.123.new"}) {
    BOOST_TEST(!std::filesystem::exists(folder + "/" + gone), gone);
  }
  BOOST_TEST(read_file(folder + "/notes.txt") == "the user's own");
  Process second(app.folder(), arguments({}));
  BOOST_TEST(second.wait() == 2, second.error());
  BOOST_TEST(contains(second.error(), "another run is writing into " + folder), second.error());
  endless.signal(SIGINT);
  BOOST_TEST(endless.wait() == 130, endless.error());
  BOOST_TEST(App::summary(folder)["status"] == "interrupted");
}

}  // namespace psctl::test
