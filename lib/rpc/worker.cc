#include "rpc/worker.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <sched.h>
#include <span>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "learn/tensor.h"
#include "rpc/patience.h"

namespace psctl::rpc {
namespace {

using std::chrono::steady_clock;

constexpr auto kServerPatience = std::chrono::seconds(60);

// What this thread has used of a core.
Duration processor_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Sleeps to the point, unless a signal sets `terminated`.
void sleep_until(steady_clock::time_point until, const std::atomic<bool>& terminated) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::nanoseconds>(until.time_since_epoch()).count();
  const timespec point{.tv_sec = since_epoch / 1'000'000'000, .tv_nsec = since_epoch % 1'000'000'000};
  while (!terminated && ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &point, nullptr) == EINTR) {
  }
}

// Gives the worker cores that no other worker uses, where the workers of the run need most of this machine's but not
// more. The scheduler alone often leaves two workers on one core and a server that mostly sleeps on the other: what
// wakes a worker is its server, and a core that is idle only for moments takes no work over. Where cores are left over
// that does not happen, and where they are too few a fixed place would hinder.
void settle(const WorkerSetup& setup) {
  const bool one_host =
      std::ranges::all_of(setup.servers, [](const Address& server) { return server.kind == Address::Kind::kUnix; });
  cpu_set_t allowed;
  if (!one_host || ::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  }
  const std::size_t needed = setup.workers * setup.threads;
  if (needed > cores.size() || 2 * needed <= cores.size()) return;
  cpu_set_t own;
  CPU_ZERO(&own);
  for (std::size_t thread = 0; thread < setup.threads; ++thread) {
    CPU_SET(cores[setup.id.value * setup.threads + thread], &own);
  }
  ::sched_setaffinity(0, sizeof own, &own);
}

class Work {
 public:
  Work(const WorkerSetup& setup, const learn::Model& model, const data::Dataset& dataset, data::BatchOrder batches,
       delay::Stragglers stragglers, const std::atomic<bool>& terminated)
      : setup_(setup),
        model_(model),
        dataset_(dataset),
        batches_(std::move(batches)),
        stragglers_(std::move(stragglers)),
        terminated_(terminated),
        parameters_(model.parameter_count()),
        gradient_(model.parameter_count()) {}

  void run() {
    ::prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    settle(setup_);
    if (!join()) return;
    try {
      ask_for_the_first_model();
      while (!over_ && !terminated_) step();
    } catch (const Error& error) {
      apologise(error.what());
      throw;
    }
    say_goodbye(terminated_ ? "it was told to end" : "the run is over");
  }

 private:
  struct Server {
    std::unique_ptr<Client> client;
    std::size_t begin = 0, size = 0;  // its range of the model
  };

  // False: told to end before all servers were there.
  bool join() {
    wire::JoinRequest request;
    request.worker = static_cast<std::int32_t>(setup_.id.value);
    request.host = setup_.host;
    request.process = ::getpid();
    request.parameters = static_cast<std::int64_t>(model_.parameter_count());
    std::size_t covered = 0;
    for (const Address& address : setup_.servers) {
      Server& server = servers_.emplace_back();
      server.client = connect_patiently(address, kServerPatience, [this] { return terminated_.load(); });
      if (!server.client) return false;
      const wire::JoinReply reply = server.client->join(request);
      server.begin = static_cast<std::size_t>(reply.shard_begin);
      server.size = static_cast<std::size_t>(reply.shard_size);
      const bool fits = reply.rank == static_cast<std::int32_t>(servers_.size() - 1) &&
                        reply.servers == static_cast<std::int32_t>(setup_.servers.size()) &&
                        reply.parameters == request.parameters && server.begin == covered;
      covered += server.size;
      if (!fits || covered > model_.parameter_count()) {
        throw WorldError(fmt::format(
            "the server at {} is number {} of {} and holds parameters {} to {} of {}: not what worker {} expects",
            address.text(), reply.rank, reply.servers, reply.shard_begin, covered, reply.parameters, setup_.id.value));
      }
    }
    if (covered != model_.parameter_count()) {
      throw WorldError(fmt::format("the servers hold {} of {} parameters", covered, model_.parameter_count()));
    }
    return true;
  }

  std::span<std::byte> range_of(learn::Tensor& tensor, const Server& server) {
    return std::as_writable_bytes(tensor.values().subspan(server.begin, server.size));
  }

  void ask_for_the_first_model() {
    wire::StepRequest request = empty_request();
    exchange(request, {});
    began_ = steady_clock::now() - download_;
  }

  wire::StepRequest empty_request() const {
    wire::StepRequest request;
    request.worker = static_cast<std::int32_t>(setup_.id.value);
    request.push = 0;
    request.steps = 0;
    request.samples = 0;
    request.again = request.empty = request.final = false;
    request.compute_ns = request.delay_ns = request.download_ns = 0;
    request.loss = 0;
    return request;
  }

  void step() {
    const auto begin = steady_clock::now();
    const delay::Slowness slowness =
        stragglers_.at(steps_, Instant(std::chrono::duration_cast<Duration>(begin - began_)));
    const auto samples = batches_.batch(steps_);
    const Duration used_before = processor_time();
    const double loss =
        model_.gradient(parameters_.values(), dataset_, samples, gradient_.values(), workspace_, setup_.threads);
    without_core_ += std::max(Duration::zero(), steady_clock::now() - begin - (processor_time() - used_before));
    if (slowness.factor > 1) {
      const auto measured = steady_clock::now() - begin;
      pause(std::chrono::duration_cast<Duration>(measured * (slowness.factor - 1)));
    }
    const auto computed = steady_clock::now();
    partial_.compute = computed - begin;
    pause(slowness.compute);
    const auto delayed = steady_clock::now();
    partial_.delay = delayed - computed;
    if (terminated_) return;
    pause(slowness.network);
    if (terminated_) {
      partial_.upload = steady_clock::now() - delayed;
      return;
    }
    ++steps_;
    send_pieces();

    wire::StepRequest request = empty_request();
    request.push = static_cast<std::int64_t>(steps_);
    request.steps = 1;
    request.samples = static_cast<std::int64_t>(samples.size());
    request.compute_ns = partial_.compute.count();
    request.delay_ns = partial_.delay.count();
    request.download_ns = download_.count();
    request.loss = loss;
    request.__set_upload_ns(std::chrono::nanoseconds(steady_clock::now() - delayed).count());
    partial_ = {};
    exchange(request, std::as_bytes(gradient_.values().subspan(servers_[0].begin, servers_[0].size)));
  }

  void pause(Duration length) {
    if (length <= Duration::zero()) return;
    const auto until = steady_clock::now() + length;
    sleep_until(until, terminated_);
    if (!terminated_) oversleep_ += steady_clock::now() - until;
  }

  void send_pieces() {
    wire::PieceRequest request;
    request.worker = static_cast<std::int32_t>(setup_.id.value);
    request.push = static_cast<std::int64_t>(steps_);
    const auto others = std::span(servers_).subspan(1);
    for (Server& server : others) {
      server.client->send_piece(request, std::as_bytes(gradient_.values().subspan(server.begin, server.size)));
    }
    for (Server& server : others) server.client->receive_piece();
  }

  // One push, or none, and the wait for what it is answered with; then the rest of the model from the other servers.
  void exchange(wire::StepRequest& request, std::span<const std::byte> push) {
    download_ = {};
    auto asked = steady_clock::now();
    const std::span<std::byte> destination = range_of(parameters_, servers_[0]);
    Answer answer = servers_[0].client->step(request, push, destination);
    while (answer.header.kind == wire::ReplyKind::HELD) {
      if (terminated_) {
        over_ = true;
        return;
      }
      wire::StepRequest again = empty_request();
      again.push = request.push;
      again.again = true;
      asked = steady_clock::now();
      answer = servers_[0].client->step(again, {}, destination);
    }
    if (answer.header.kind == wire::ReplyKind::STOP) {
      over_ = true;
      return;
    }
    if (answer.header.refresh) {
      if (!answer.tensor) throw WorldError("the lead server sent no model where it said it would");
      pull_the_rest(answer.header);
    }
    const Duration elapsed = steady_clock::now() - asked;
    download_ = elapsed - Duration(answer.header.receive_ns) - Duration(answer.header.hold_ns) +
                Duration(answer.header.since_release_ns);
    download_ = std::max(download_, Duration::zero());
  }

  void pull_the_rest(const wire::ReplyHeader& header) {
    wire::PullRequest request;
    request.role = wire::Role::WORKER;
    request.worker = static_cast<std::int32_t>(setup_.id.value);
    request.version = header.version;
    request.sequence = header.sequence;
    const auto others = std::span(servers_).subspan(1);
    for (Server& server : others) server.client->send_pull(request);
    for (Server& server : others) {
      if (!server.client->receive_pull(range_of(parameters_, server)).tensor) {
        throw WorldError(fmt::format("the server at {} sent no model", server.client->address().text()));
      }
    }
  }

  // So that the lead server blames whoever is to blame; in vain if that is the lead server.
  void apologise(const std::string& why) {
    try {
      say_goodbye(why.substr(0, 1000));
    } catch (const Error&) {
    }
  }

  void say_goodbye(const std::string& reason) {
    wire::ByeRequest bye;
    bye.worker = static_cast<std::int32_t>(setup_.id.value);
    bye.reason = reason;
    bye.compute_ns = partial_.compute.count();
    bye.delay_ns = partial_.delay.count();
    bye.__set_upload_ns(partial_.upload.count());
    bye.__set_download_ns(download_.count());
    bye.wall_ns =
        began_ == steady_clock::time_point{} ? 0 : std::chrono::nanoseconds(steady_clock::now() - began_).count();
    bye.__set_without_core_ns(without_core_.count());
    bye.__set_oversleep_ns(oversleep_.count());
    servers_[0].client->bye(bye);
  }

  WorkerSetup setup_;
  const learn::Model& model_;
  const data::Dataset& dataset_;
  data::BatchOrder batches_;
  delay::Stragglers stragglers_;
  const std::atomic<bool>& terminated_;
  learn::Tensor parameters_, gradient_;
  learn::Workspace workspace_;
  std::vector<Server> servers_;
  Step steps_ = 0;
  bool over_ = false;
  struct {
    Duration compute{}, delay{}, upload{};
  } partial_;            // of the step at hand
  Duration download_{};  // of the model that was last taken
  Duration oversleep_{};
  Duration without_core_{};  // time within computing in which this thread had no core
  steady_clock::time_point began_{};
};

}  // namespace

void work(const WorkerSetup& setup, const learn::Model& model, const data::Dataset& dataset, data::BatchOrder batches,
          delay::Stragglers stragglers, const std::atomic<bool>& terminated) {
  Work(setup, model, dataset, std::move(batches), std::move(stragglers), terminated).run();
}

}  // namespace psctl::rpc
