// How close the transport comes to the socket under it. Server and client are two processes; psctl and a plain send
// and recv of the same sizes take turns, so that a noisy machine is noisy for both. Prints CSV:
//   transport,what,bytes,psctl,raw,ratio,ratio_low,ratio_high
// push and pull in GB/s of goodput (each acknowledged, or asked for, one after the other); round_trip in microseconds,
// 1 KiB there and back. Medians over the rounds; low and high are the quartiles of the rounds' ratios. Ratio 1: as
// fast as the raw socket.
//   bench_rpc [ROUNDS]
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "rpc/channel.h"
#include "rpc/transport.h"
#include "rpc_support.h"

namespace {

using namespace psctl;
using namespace psctl::rpc;
using namespace psctl::rpc::testing;

constexpr std::size_t kLargest = 64 << 20;
constexpr std::size_t kCall = 256 * 1024;

// ---- plain sockets

enum class What : std::uint64_t { kPush, kPull, kRoundTrip };
struct Task {
  What what;
  std::uint64_t bytes;
  std::uint64_t count;
};

void check(bool good) {
  if (!good) {
    std::perror("bench_rpc");
    std::_Exit(1);
  }
}

void send_all(int socket, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), std::min(bytes.size(), kCall), MSG_NOSIGNAL);
    check(sent > 0);
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

bool receive_all(int socket, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::recv(socket, bytes.data(), std::min(bytes.size(), kCall), 0);
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

void serve_raw(Descriptor socket) {
  Bytes buffer(kLargest);
  std::byte token{};
  const std::span one(&token, 1);
  Task task{};
  while (receive_all(socket.get(), std::as_writable_bytes(std::span(&task, 1)))) {
    const std::span tensor(buffer.data(), task.bytes);
    for (std::uint64_t round = 0; round < task.count; ++round) {
      check(receive_all(socket.get(), task.what == What::kPull ? one : tensor));
      send_all(socket.get(), task.what == What::kPush ? one : tensor);
    }
  }
}

void run_raw(int socket, const Task& task, std::span<std::byte> buffer) {
  std::byte token{};
  const std::span one(&token, 1);
  send_all(socket, std::as_bytes(std::span(&task, 1)));
  const std::span tensor = buffer.first(task.bytes);
  for (std::uint64_t round = 0; round < task.count; ++round) {
    send_all(socket, task.what == What::kPull ? one : tensor);
    check(receive_all(socket, task.what == What::kPush ? one : tensor));
  }
}

// As a program without further thought would have it.
void plain_socket(int socket, const Address& address) {
  const int on = 1, off = 0;
  check(::ioctl(socket, FIONBIO, &off) == 0);
  if (address.kind == Address::Kind::kTcp) {
    check(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  }
}

// Where the scheduler puts two processes changes what it measures by a factor of two; so each has its own core.
void pin(unsigned core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core % std::max(1u, std::thread::hardware_concurrency()), &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

// ---- psctl

class BenchSession : public Session {
 public:
  Incoming destination(const wire::StepRequest&, std::size_t length) override { return {first(length), nullptr}; }
  Incoming destination(const wire::PieceRequest&, std::size_t length) override { return {first(length), nullptr}; }
  StepAnswer step(const wire::StepRequest&, Incoming tensor, Duration) override {
    return {header(), {tensor.bytes, {}}};
  }
  wire::PieceReply piece(const wire::PieceRequest&, Incoming, Duration) override { return {}; }
  StepAnswer pull(const wire::PullRequest& request) override {
    return {header(), {first(static_cast<std::size_t>(request.version)), nullptr}};
  }

 private:
  std::span<std::byte> first(std::size_t length) { return std::span(buffer_).first(length); }
  Bytes buffer_ = Bytes(kLargest);
};

void run_psctl(Client& client, const Task& task, std::span<std::byte> buffer) {
  const std::span tensor = buffer.first(task.bytes);
  for (std::uint64_t round = 0; round < task.count; ++round) {
    switch (task.what) {
      case What::kPush:
        client.piece({}, tensor);
        break;
      case What::kPull:
        client.pull(pull_request(static_cast<std::int64_t>(task.bytes)), tensor);
        break;
      case What::kRoundTrip:
        client.step(step_request(), tensor, tensor);
        break;
    }
  }
}

// ---- both

double seconds(const std::function<void()>& act) {
  const auto begun = std::chrono::steady_clock::now();
  act();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

double quantile(std::vector<double> values, double fraction) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(fraction * static_cast<double>(values.size() - 1) + 0.5)];
}

void compare(const char* transport, Client& client, int raw, std::span<std::byte> buffer, What what, std::size_t bytes,
             int rounds) {
  constexpr const char* kNames[] = {"push", "pull", "round_trip"};
  Task task{what, bytes, 4};
  run_psctl(client, task, buffer);
  const double once = seconds([&] { run_raw(raw, task, buffer); }) / 4;
  task.count = static_cast<std::uint64_t>(std::clamp(0.03 / once, 2.0, 2000.0));
  std::vector<double> psctl_figures, raw_figures, ratios;
  const auto figure = [&](double time) {
    const double one = time / static_cast<double>(task.count);
    return what == What::kRoundTrip ? one * 1e6 : static_cast<double>(bytes) / one * 1e-9;
  };
  for (int round = 0; round < rounds; ++round) {
    double psctl_time = 0, raw_time = 0;
    for (int turn = 0; turn < 2; ++turn) {
      if ((round + turn) % 2 == 0) {
        psctl_time = seconds([&] { run_psctl(client, task, buffer); });
      } else {
        raw_time = seconds([&] { run_raw(raw, task, buffer); });
      }
    }
    psctl_figures.push_back(figure(psctl_time));
    raw_figures.push_back(figure(raw_time));
    ratios.push_back(raw_time / psctl_time);
  }
  fmt::print("{},{},{},{:.2f},{:.2f},{:.2f},{:.2f},{:.2f}\n", transport, kNames[static_cast<int>(what)], bytes,
             quantile(psctl_figures, 0.5), quantile(raw_figures, 0.5), quantile(ratios, 0.5), quantile(ratios, 0.25),
             quantile(ratios, 0.75));
  std::fflush(stdout);
}

[[noreturn]] void serve(std::vector<Descriptor> listeners, int to_parent) {
  pin(1);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<std::unique_ptr<Server>> servers;
  std::string addresses;
  for (const Address& address : both_kinds()) {
    servers.push_back(
        std::make_unique<Server>(address, [](const Connection&) { return std::make_unique<BenchSession>(); }));
    addresses += servers.back()->address().text() + "\n";
  }
  check(::write(to_parent, addresses.data(), addresses.size()) == static_cast<ssize_t>(addresses.size()));
  ::close(to_parent);
  std::vector<std::thread> threads;
  for (Descriptor& listener : listeners) {
    threads.emplace_back([&listener] {
      for (;;) {
        Descriptor socket(::accept(listener.get(), nullptr, nullptr));
        if (socket.get() >= 0) return serve_raw(std::move(socket));
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::_Exit(0);
}

}  // namespace

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 15;
  if (rounds < 1) {
    fmt::print(stderr, "usage: bench_rpc [ROUNDS]\n");
    return 2;
  }
  std::vector<Address> raw_addresses = both_kinds();
  std::vector<Descriptor> listeners;
  for (Address& address : raw_addresses) listeners.push_back(listen_at(address));
  int ends[2];
  check(::pipe(ends) == 0);
  const pid_t child = ::fork();
  check(child >= 0);
  if (child == 0) {
    ::close(ends[0]);
    serve(std::move(listeners), ends[1]);
  }
  ::close(ends[1]);
  pin(0);
  std::string addresses;
  char buffer[512];
  for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) addresses.append(buffer, got);

  Bytes tensor = pattern(kLargest, 1);
  fmt::print("transport,what,bytes,psctl,raw,ratio,ratio_low,ratio_high\n");
  {
    std::vector<Descriptor> sockets;
    for (const Address& address : raw_addresses) {
      sockets.push_back(connect_to(address, std::chrono::seconds(5), std::chrono::seconds(5)));
      plain_socket(sockets.back().get(), address);
    }
    for (std::size_t at = 0; at < raw_addresses.size(); ++at) {
      const char* const transport = raw_addresses[at].kind == Address::Kind::kUnix ? "unix" : "tcp";
      const std::size_t end = addresses.find('\n');
      Client client(Address::parse(addresses.substr(0, end)));
      addresses.erase(0, end + 1);
      for (const What what : {What::kPush, What::kPull}) {
        for (const std::size_t bytes : {64UL << 10, 1UL << 20, 16UL << 20, 64UL << 20}) {
          compare(transport, client, sockets[at].get(), tensor, what, bytes, rounds);
        }
      }
      compare(transport, client, sockets[at].get(), tensor, What::kRoundTrip, 1024, rounds);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0 ? 0 : 1;
}
