// Workers that come and go, ends of a run in the real world, and processes started by hand over TCP.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "app.h"

namespace psctl::test {
namespace {

const std::vector<std::string> kStrategies = {"strategy=bsp", "strategy=asp", "strategy={name: ssp, staleness: 1}"};
const std::string kDelay = "+stragglers={workers: [0, 1, 2], kind: constant, delay_ms: 10}";

nlohmann::json worker_of(const std::string& run, std::size_t worker) { return App::summary(run)["workers"][worker]; }

// No part of a worker's time is lost or counted twice, whenever it came and left.
void check_account(const std::string& run) {
  for (const auto& worker : App::summary(run)["workers"]) {
    BOOST_TEST(worker["other_s"].get<double>() > -0.005, worker.dump());
    BOOST_TEST(worker["other_s"].get<double>() < 0.05 + 0.05 * worker["wall_s"].get<double>(), worker.dump());
  }
}

// A port that was free a moment ago.
int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  BOOST_TEST_REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_worker_that_leaves_blocks_nobody) {
  for (const std::string& strategy : kStrategies) {
    for (const char* leave : {"leave_step: 5", "leave_s: 0.3"}) {
      BOOST_TEST_CONTEXT(strategy << " " << leave) {
        const App app;
        const std::string run = app.train(
            {strategy, kDelay, "stop={time_s: 1.2}", fmt::format("cluster.membership=[{{worker: 1, {}}}]", leave)});
        BOOST_TEST(worker_of(run, 0)["steps"].get<int>() > worker_of(run, 1)["steps"].get<int>());
        BOOST_TEST(worker_of(run, 1)["steps"].get<int>() > 0);
        BOOST_TEST(worker_of(run, 1)["wall_s"].get<double>() < worker_of(run, 0)["wall_s"].get<double>() - 0.1);
        BOOST_TEST(App::summary(run)["time_s"].get<double>() < 2);
        check_account(run);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_worker_that_joins_late_blocks_nobody_and_takes_part) {
  for (const std::string& strategy : kStrategies) {
    for (const char* join : {"join_step: 20", "join_s: 0.5"}) {
      BOOST_TEST_CONTEXT(strategy << " " << join) {
        const App app;
        const std::string run = app.train(
            {strategy, kDelay, "stop={time_s: 1.2}", fmt::format("cluster.membership=[{{worker: 2, {}}}]", join)});
        const auto steps = worker_of(run, 0)["steps"].get<int>(), late = worker_of(run, 2)["steps"].get<int>();
        BOOST_TEST(steps > 20);
        BOOST_TEST(late > 0);
        BOOST_TEST(App::summary(run)["time_s"].get<double>() < 2);
        BOOST_TEST(worker_of(run, 2)["wall_s"].get<double>() < worker_of(run, 0)["wall_s"].get<double>() - 0.1);
        check_account(run);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_worker_that_joins_late_into_a_long_round_accounts_for_its_hold) {
  const App app;
  const std::string run = app.train({"stop={time_s: 1.5}", "+stragglers={workers: [0], kind: constant, delay_ms: 400}",
                                     "cluster.membership=[{worker: 2, join_s: 0.5, leave_s: 1.3}]"});
  BOOST_TEST(worker_of(run, 2)["wait_s"].get<double>() > 0.2);
  check_account(run);
}

BOOST_AUTO_TEST_CASE(steps_per_worker_ends_a_real_run_when_all_have_done_them) {
  for (const std::string& strategy : kStrategies) {
    const App app;
    const std::string run = app.train(
        {strategy, "stop={steps_per_worker: 12}", "+stragglers={workers: [1], kind: constant, delay_ms: 20}"});
    for (std::size_t worker = 0; worker < 3; ++worker) BOOST_TEST(worker_of(run, worker)["steps"].get<int>() == 12);
    BOOST_TEST(App::summary(run)["stop"] == "steps_per_worker");
    check_account(run);
  }
}

BOOST_AUTO_TEST_CASE(time_and_target_accuracy_end_a_real_run) {
  const App app;
  const std::string timed = app.train({"stop={time_s: 0.7}", "strategy=asp", kDelay});
  BOOST_TEST(App::summary(timed)["stop"] == "time_s");
  BOOST_TEST(std::abs(App::summary(timed)["time_s"].get<double>() - 0.7) < 0.15);
  const std::string reached = app.train({"stop={target_accuracy: 0.9, time_s: 30}", "strategy=asp"});
  BOOST_TEST(App::summary(reached)["stop"] == "target_accuracy");
  BOOST_TEST(App::summary(reached)["time_to_target_s"].is_number());
}

BOOST_AUTO_TEST_CASE(a_run_whose_workers_are_in_a_long_delay_ends_when_its_time_is_over) {
  const App app;
  const auto begin = steady_clock::now();
  const std::string run =
      app.train({"stop={time_s: 0.5}", "strategy=asp", "+stragglers={workers: [1], kind: constant, delay_ms: 60000}"});
  BOOST_TEST(Seconds(steady_clock::now() - begin).count() < 5);
  BOOST_TEST(worker_of(run, 1)["steps"].get<int>() == 0);
  check_account(run);
}

BOOST_AUTO_TEST_CASE(servers_may_listen_on_ports) {
  const App app;
  const std::string expected = App::digest(app.train({"clock=virtual"}));
  const int first = free_port(), second = free_port();
  BOOST_TEST(App::digest(app.train({fmt::format("cluster.hosts=[127.0.0.1:{}]", first)})) == expected);
  BOOST_TEST(App::digest(app.train({"cluster.servers=2", fmt::format("cluster.hosts=[127.0.0.1:{}, 127.0.0.1:{}]",
                                                                     first, second)})) == expected);
}

BOOST_AUTO_TEST_CASE(servers_listen_on_the_address_to_bind_and_are_reached_at_their_hosts) {
  const App app;
  const int port = free_port();
  Process train(app.folder(), app.train_arguments({"stop={time_s: 60}", "cluster.bind=0.0.0.0",
                                                   fmt::format("cluster.hosts=[127.0.0.1:{}]", port)}));
  app.await("push");
  // A listening socket on all addresses, as the kernel's table has it: hexadecimal address and port, state 0A.
  BOOST_TEST(contains(read_file("/proc/net/tcp"), fmt::format("00000000:{:04X} 00000000:0000 0A", port)));
  train.signal(SIGINT);
  BOOST_TEST(train.wait() == 130);
}

BOOST_AUTO_TEST_CASE(an_address_of_another_machine_is_refused_before_any_process_starts) {
  const App app;
  // 192.0.2.0/24 is kept for documentation.
  for (const Overrides& overrides : {Overrides{"cluster.bind=0.0.0.0", "cluster.hosts=[192.0.2.1:9000]"},
                                     Overrides{"cluster.bind=192.0.2.1", "cluster.hosts=[127.0.0.1:9000]"}}) {
    Process train(app.folder(), app.train_arguments(overrides));
    BOOST_TEST(train.wait() == 2);
    BOOST_TEST(contains(train.error(), "192.0.2.1 is no address of this machine"), train.error());
  }
  BOOST_TEST(app.runs().empty());
}

BOOST_AUTO_TEST_CASE(a_port_that_is_taken_is_told) {
  const App app;
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  BOOST_TEST_REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
  BOOST_TEST_REQUIRE(::listen(socket, 5) == 0);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  Process psctl(app.folder(),
                app.train_arguments({fmt::format("cluster.hosts=[127.0.0.1:{}]", ntohs(address.sin_port))}));
  BOOST_TEST(psctl.wait(Seconds(20)) == 1);
  BOOST_TEST(contains(psctl.error(), "another process does"), psctl.error());
  ::close(socket);
}

BOOST_AUTO_TEST_CASE(a_run_started_by_hand_in_any_order_makes_the_same_model) {
  const App app;
  const std::string expected = App::digest(app.train({"clock=virtual"}));
  for (const std::size_t servers : {1, 2}) {
    const std::string config = app.folder() / "by-hand.yaml",
                      folder = app.folder() / fmt::format("by-hand-{}", servers);
    Process show(app.folder(),
                 {"config", "show", "--config", app.config(), fmt::format("cluster.servers={}", servers)});
    BOOST_TEST_REQUIRE(show.wait() == 0);
    write_file(config, show.out());
    std::filesystem::create_directory(folder);
    std::vector<std::string> addresses;
    for (std::size_t rank = 0; rank < servers; ++rank) addresses.push_back(fmt::format("127.0.0.1:{}", free_port()));
    const auto with_servers = [&](std::vector<std::string> arguments) {
      arguments.insert(arguments.end(), {"--config", config});
      for (const std::string& address : addresses) arguments.insert(arguments.end(), {"--server", address});
      return arguments;
    };
    std::vector<std::unique_ptr<Process>> processes;
    const auto start = [&](const std::vector<std::string>& arguments) {
      processes.push_back(std::make_unique<Process>(app.folder(), arguments));
    };
    start(with_servers({"worker", "--worker", "2"}));
    start(with_servers({"evaluator"}));
    std::vector<std::string> lead = {"server", "--config", config, "--listen", addresses[0], "--folder", folder};
    for (std::size_t rank = 1; rank < servers; ++rank) lead.insert(lead.end(), {"--other", addresses[rank]});
    start(lead);
    start(with_servers({"worker", "--worker", "0"}));
    for (std::size_t rank = 1; rank < servers; ++rank) {
      start({"server", "--config", config, "--listen", addresses[rank], "--rank", std::to_string(rank)});
    }
    start(with_servers({"worker", "--worker", "1"}));
    for (auto& process : processes) BOOST_TEST(process->wait(Seconds(30)) == 0, process->error());
    BOOST_TEST(App::digest(folder) == expected);
  }
}

BOOST_AUTO_TEST_CASE(processes_left_over_from_another_run_do_not_join_the_next_one_on_the_same_port) {
  const App app;
  const std::string address = fmt::format("127.0.0.1:{}", free_port());
  // The same configuration and the same data, but of no run, and of one that is over.
  const std::vector<std::string> common = {"--config", app.config(), "--server", address};
  const auto start = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), common.begin(), common.end());
    return std::make_unique<Process>(app.folder(), arguments, std::vector<std::string>{"PSCTL_RUN_TOKEN=old"});
  };
  const auto worker = start({"worker", "--worker", "1"}),
             old = start({"worker", "--worker", "0", "--run", "trial-old"}),
             evaluator = start({"evaluator", "--run", "trial-old"});
  // It trains until all of them have been turned away.
  Process train(app.folder(), app.train_arguments({"cluster.hosts=[" + address + "]", "stop={time_s: 100}"}));
  const std::string run = app.run();
  const std::string name = std::filesystem::path(run).filename();
  for (Process* process : {worker.get(), old.get(), evaluator.get()}) {
    BOOST_TEST(process->wait(Seconds(60)) == 1);
    BOOST_TEST(contains(process->error(), "left over from another run"), process->error());
    BOOST_TEST(contains(process->error(), process == worker.get() ? "is of run none" : "is of run trial-old"));
    BOOST_TEST(contains(process->error(), "of run " + name), process->error());
  }
  train.signal(SIGINT);
  BOOST_TEST(train.wait() == 130);
  const std::string log = read_file(run + "/psctl.log");
  for (const char* who : {"turned away worker 1", "turned away worker 0", "turned away the evaluation process"}) {
    BOOST_TEST(contains(log, who), log);
  }
  // Nothing of theirs is in the model. That of an interrupted run may have no digest: then replay proves what was decided.
  Process replay(app.folder(), {"replay", run});
  BOOST_TEST((replay.wait() == 0 || contains(replay.error(), "equal up to its stop")));
}

BOOST_AUTO_TEST_CASE(a_process_of_another_configuration_or_on_other_data_is_refused_by_name) {
  const App app, other_data(7);
  const auto shown = [&](const App& of, const std::string& name, std::vector<std::string> overrides) {
    std::vector<std::string> arguments = {"config", "show", "--config", of.config()};
    arguments.insert(arguments.end(), overrides.begin(), overrides.end());
    Process show(app.folder(), arguments);
    BOOST_TEST_REQUIRE(show.wait() == 0, show.error());
    write_file(app.folder() / name, show.out());
    return app.folder() / name;
  };
  const std::string address = fmt::format("127.0.0.1:{}", free_port()), folder = app.folder() / "by-hand";
  std::filesystem::create_directory(folder);
  const std::string config = shown(app, "right.yaml", {});
  Process lead(app.folder(), {"server", "--config", config, "--listen", address, "--folder", folder});
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"seed", shown(app, "1.yaml", {"seed=4"})},
      {"normalisation", shown(app, "2.yaml", {"data.normalize=none"})},
      {"delay", shown(app, "3.yaml", {"+stragglers={workers: [1], kind: constant, delay_ms: 5}"})},
      {"partition", shown(app, "4.yaml", {"data.partition={kind: by_label}"})},
      {"optimizer", shown(app, "5.yaml", {"optimizer={kind: momentum, momentum: 0.9}"})},
      {"strategy", shown(app, "6.yaml", {"strategy={name: local_sgd, period: 4}"})},
      {"data", shown(other_data, "7.yaml", {})}};
  for (const auto& [what, file] : wrong) {
    BOOST_TEST_CONTEXT(what) {
      Process worker(app.folder(), {"worker", "--config", file, "--worker", "1", "--server", address});
      BOOST_TEST(worker.wait(Seconds(20)) == 1);
      const std::string words =
          what == "data" ? "the data of the client have the digest" : "the configuration of the client has the digest";
      BOOST_TEST(contains(worker.error(), words), worker.error());
      BOOST_TEST(contains(worker.error(), "of this process"), worker.error());
    }
  }
  // What does not shape the result may differ.
  const std::string named = shown(app, "named.yaml", {"name=other", "trace.steps=false", "cluster.stall_s=77"});
  std::vector<std::unique_ptr<Process>> processes;
  for (const char* worker : {"0", "1", "2"}) {
    processes.push_back(std::make_unique<Process>(
        app.folder(), std::vector<std::string>{"worker", "--config", named, "--worker", worker, "--server", address}));
  }
  processes.push_back(std::make_unique<Process>(
      app.folder(), std::vector<std::string>{"evaluator", "--config", config, "--server", address}));
  for (auto& process : processes) BOOST_TEST(process->wait(Seconds(30)) == 0, process->error());
  BOOST_TEST(lead.wait(Seconds(30)) == 0, lead.error());
  BOOST_TEST(App::digest(folder) == App::digest(app.train({"clock=virtual"})));
  BOOST_TEST(contains(lead.out() + lead.error(), "turned away worker 1"), lead.out());
}

BOOST_AUTO_TEST_CASE(a_worker_that_waits_for_its_server_can_be_interrupted) {
  const App app;
  Process worker(app.folder(), {"worker", "--config", app.config(), "--worker", "1", "--server", "unix:psctl-nobody"});
  BOOST_TEST(eventually(Seconds(10), [&] {
    const std::string status = read_file(fmt::format("/proc/{}/status", worker.id()));
    const auto caught = status.find("SigCgt:");
    return caught != std::string::npos &&
           (std::stoull(status.substr(caught + 7), nullptr, 16) & 1 << (SIGINT - 1)) != 0;
  }));
  worker.signal(SIGINT);
  BOOST_TEST(worker.wait(Seconds(3)) != -1);
}

}  // namespace psctl::test
