#include "rpc/worker.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <optional>
#include <sched.h>
#include <span>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/processor_time.h"
#include "data/feed.h"
#include "learn/local_worker.h"
#include "learn/tensor.h"
#include "rpc/exchange.h"

namespace psctl::rpc {
namespace {

using std::chrono::steady_clock;

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

// How much of one stretch of time another covers.
Duration common(steady_clock::time_point begin, Duration length, steady_clock::time_point from,
                steady_clock::time_point to) {
  const auto first = std::max(begin, from), last = std::min<steady_clock::time_point>(begin + length, to);
  return std::max(Duration(last - first), Duration::zero());
}

// A gradient worker computes on the model as it came and pushes the gradient. A local worker has a model of its own,
// which takes steps; what comes and what goes has buffers that it does not touch meanwhile, so that it may compute on.
class Work {
 public:
  Work(const WorkerSetup& setup, const learn::Model& model, const data::Dataset& dataset, data::BatchOrder batches,
       delay::Stragglers stragglers, const std::atomic<bool>& terminated)
      : setup_(setup),
        model_(model),
        feed_(dataset, std::move(batches)),
        stragglers_(std::move(stragglers)),
        terminated_(terminated),
        received_(model.parameter_count()),
        gradient_(model.parameter_count()),
        exchange_(setup.id, model.parameter_count(), terminated) {
    const bool local = setup_.traits.kind == sync::Traits::Kind::kLocal;
    PSCTL_CHECK(!local || !setup_.coordinates, "local workers push dense models");
    PSCTL_CHECK(local || !setup_.traits.overlap, "only local workers overlap");
    if (!local) return;
    local_.emplace(setup_.optimizer, setup_.traits.rebase, model.parameter_count(), dataset.size());
    delta_.emplace(model.parameter_count());
  }

  void run() {
    ::prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    if (setup_.traits.overlap) courier_.emplace(exchange_);  // first: it has no core of its own
    settle(setup_);
    if (!exchange_.join(setup_.servers, setup_.host, setup_.identity, setup_.patience)) return;
    try {
      ask_for_the_first_model();
      while (!over_ && !terminated_) leg();
    } catch (const Error& error) {
      courier_.reset();
      apologise(error.what());
      throw;
    }
    courier_.reset();
    say_goodbye(terminated_ ? "it was told to end" : "the run is over");
  }

 private:
  // What goes into the next push, and what the next message tells of the time since the last one.
  struct Taken {
    Step steps = 0;    // not lost, the one that was given up included
    Step in_time = 0;  // of those, the ones that were not given up
    std::uint64_t samples = 0;
    double loss = 0;  // sum of the means
    Step overlapped = 0, lost = 0;
    Duration data{}, compute{}, delay{}, upload{};  // of the lost ones too; upload: only of a push that never went out
    Duration download{};                            // of the model that was last taken
    Duration hidden_push{}, hidden_wait{}, hidden_pull{};
  };

  wire::StepRequest request(std::uint64_t push) const {
    wire::StepRequest request;
    request.worker = static_cast<std::int32_t>(setup_.id.value);
    request.push = static_cast<std::int64_t>(push);
    return request;
  }

  void ask_for_the_first_model() {
    Message question{.request = request(0), .model = received_.values(), .begun = steady_clock::now()};
    take_in(exchange_(question));
    began_ = steady_clock::now() - taken_.download;
  }

  // From a release to what follows its push.
  void leg() {
    Step steps = release_.local_steps > 0 ? static_cast<Step>(release_.local_steps) : (taken_.steps > 0 ? 0 : 1);
    bool in_time = true;
    for (; steps > 0 && in_time; --steps) {
      in_time = mini_batch(Duration(release_.limit_ns));
      if (terminated_) return;
    }
    push(in_time);
  }

  // Computes one and is slow where the configuration says so. False: it was not done at `limit`, if that is not 0, and
  // given up. Computing itself cannot be interrupted, sleeping can.
  bool mini_batch(Duration limit) {
    const auto asked = steady_clock::now();
    const data::Batch& batch = feed_.next();
    const auto begin = steady_clock::now();
    taken_.data += begin - asked;
    const auto end = limit > Duration::zero() ? asked + limit : steady_clock::time_point::max();
    const delay::Slowness slowness =
        stragglers_.at(begun_, Instant(std::chrono::duration_cast<Duration>(begin - began_)));
    ++begun_;
    network_delay_ = slowness.network;
    const Duration used_before = thread_processor_time() + feed_.processor_time();
    const double loss = compute(batch);
    without_core_ += std::max(Duration::zero(),
                              steady_clock::now() - begin - (thread_processor_time() + feed_.processor_time() - used_before));
    bool in_time = steady_clock::now() <= end;
    if (slowness.factor > 1 && in_time) {
      const auto measured = steady_clock::now() - begin;
      in_time = pause(std::chrono::duration_cast<Duration>(measured * (slowness.factor - 1)), end);
    }
    const auto computed = steady_clock::now();
    if (in_time) in_time = pause(slowness.compute, end);
    const auto delayed = steady_clock::now();
    taken_.delay += delayed - computed;
    ++taken_.steps;
    if (in_time && !terminated_) {
      ++taken_.in_time;
      taken_.samples += batch.size();
      taken_.loss += loss;
      if (local_) local_->step(gradient_.values());
    }
    taken_.compute += computed - begin + (steady_clock::now() - delayed);
    return in_time;
  }

  // Leaves the gradient in coordinates_ where it is to be pushed so, else in gradient_.
  double compute(const data::Batch& batch) {
    if (!setup_.coordinates) {
      return model_.gradient(local_ ? local_->parameters() : received_.values(), batch, gradient_.values(), workspace_,
                             setup_.threads);
    }
    const double loss = model_.gradient(received_.values(), batch, coordinates_, workspace_);
    dense_ = !learn::smaller_than_dense(coordinates_.size(), model_.parameter_count());
    if (dense_) learn::spread(coordinates_, gradient_.values());
    return loss;
  }

  // False: it was cut at `end`.
  bool pause(Duration length, steady_clock::time_point end = steady_clock::time_point::max()) {
    if (length <= Duration::zero()) return true;
    const auto whole = steady_clock::now() + length;
    const auto until = std::min<steady_clock::time_point>(whole, end);
    sleep_until(until, terminated_);
    if (!terminated_) oversleep_ += steady_clock::now() - until;
    return whole <= end;
  }

  void push(bool in_time) {
    const Taken pushed = std::exchange(taken_, {});
    Message message{.request = request(pushes_ + 1),
                    .push = {},
                    .model = received_.values(),
                    .network_delay = network_delay_,
                    .begun = steady_clock::now()};
    wire::StepRequest& request = message.request;
    request.steps = static_cast<std::int64_t>(pushed.steps);
    request.empty = !in_time;
    request.samples = in_time ? static_cast<std::int64_t>(pushed.samples) : 0;
    request.loss = in_time ? pushed.loss / static_cast<double>(pushed.in_time) : 0;
    request.__set_data_ns(pushed.data.count());
    request.compute_ns = pushed.compute.count();
    request.delay_ns = pushed.delay.count();
    request.download_ns = pushed.download.count();
    request.__set_overlapped(static_cast<std::int64_t>(pushed.overlapped));
    request.__set_lost(static_cast<std::int64_t>(pushed.lost));
    request.__set_hidden_push_ns(pushed.hidden_push.count());
    request.__set_hidden_wait_ns(pushed.hidden_wait.count());
    request.__set_hidden_pull_ns(pushed.hidden_pull.count());
    if (in_time) {
      if (local_) local_->push(delta_->values());
      if (dense_) {
        message.push = local_ ? delta_->values() : gradient_.values();
      } else {
        request.__set_coordinates(static_cast<std::int64_t>(coordinates_.size()));
        message.coordinates = coordinates_;
      }
    }
    const Response response = courier_ ? compute_through(message) : exchange_in_turn(message);
    if (response.sent) {
      ++pushes_;
    } else {
      take_back(pushed, response.push);
    }
    take_in(response);
  }

  // The push never went out: the goodbye tells what it would have told.
  void take_back(const Taken& pushed, Duration upload) {
    taken_.data += pushed.data;
    taken_.compute += pushed.compute;
    taken_.delay += pushed.delay;
    taken_.upload = upload - taken_.hidden_push;
    taken_.download = pushed.download;
    taken_.hidden_push = pushed.hidden_push;
    taken_.hidden_wait = pushed.hidden_wait;
    taken_.hidden_pull = pushed.hidden_pull;
  }

  Response exchange_in_turn(Message& message) {
    pause(message.network_delay);
    if (!terminated_) return exchange_(message);
    Response response{.begun = message.begun, .ended = steady_clock::now()};
    response.push = response.ended - response.begun;
    return response;
  }

  // Whether the answer has come is looked at whenever a mini-batch ends: the one at hand when it comes is overlapped.
  Response compute_through(const Message& message) {
    const auto allowed = static_cast<Step>(release_.overlap_steps);
    courier_->send(message);
    const auto from = steady_clock::now();
    while (taken_.overlapped < allowed && !terminated_ && !courier_->back()) {
      mini_batch(Duration::zero());
      ++taken_.overlapped;
    }
    const auto to = steady_clock::now();
    const Response response = courier_->wait(terminated_);
    if (taken_.overlapped > 0) {
      auto phase = response.begun;
      taken_.hidden_push = common(phase, response.push, from, to);
      taken_.hidden_wait = common(phase += response.push, response.wait, from, to);
      taken_.hidden_pull = common(phase += response.wait, response.pull, from, to);
    }
    return response;
  }

  void take_in(const Response& response) {
    if (response.end != Response::End::kReleased) {
      over_ = true;
      return;
    }
    release_ = response.release;
    taken_.download = response.pull;
    if (local_) {
      local_->released({.samples = static_cast<std::uint64_t>(release_.schedule_samples),
                        .per_step = static_cast<std::uint64_t>(release_.samples_per_step)});
    }
    if (!local_ && (release_.local_steps != 1 || release_.overlap_steps != 0)) {
      throw WorldError(fmt::format("the lead server released a worker that pushes gradients for {} steps and {} more",
                                   release_.local_steps, release_.overlap_steps));
    }
    if (!release_.refresh) {
      if (!has_model_) throw WorldError("the lead server released this worker without a first model");
      return;
    }
    has_model_ = true;
    if (!local_) return;
    const auto begin = steady_clock::now();
    local_->take(received_.values());
    taken_.download += steady_clock::now() - begin;
    if (setup_.traits.rebase == sync::Traits::Rebase::kDiscard) {
      taken_.lost += std::exchange(taken_.steps, 0);
      taken_.in_time = 0;
      taken_.samples = 0;
      taken_.loss = 0;
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
    bye.__set_data_ns(taken_.data.count());
    bye.compute_ns = taken_.compute.count();
    bye.delay_ns = taken_.delay.count();
    bye.__set_upload_ns(taken_.upload.count());
    bye.__set_download_ns(taken_.download.count());
    bye.wall_ns =
        began_ == steady_clock::time_point{} ? 0 : std::chrono::nanoseconds(steady_clock::now() - began_).count();
    bye.__set_without_core_ns(without_core_.count());
    bye.__set_oversleep_ns(oversleep_.count());
    bye.__set_hidden_push_ns(taken_.hidden_push.count());
    bye.__set_hidden_wait_ns(taken_.hidden_wait.count());
    bye.__set_hidden_pull_ns(taken_.hidden_pull.count());
    exchange_.bye(bye);
  }

  WorkerSetup setup_;
  const learn::Model& model_;
  data::Feed feed_;
  delay::Stragglers stragglers_;
  const std::atomic<bool>& terminated_;
  learn::Tensor received_, gradient_;
  learn::Coordinates coordinates_;
  bool dense_ = true;  // the push that was last computed
  std::optional<learn::LocalWorker> local_;
  std::optional<learn::Tensor> delta_;  // of a local worker, as it was when it pushed
  learn::Workspace workspace_;
  Step begun_ = 0;  // mini-batches
  std::uint64_t pushes_ = 0;
  wire::ReplyHeader release_;
  bool has_model_ = false;
  bool over_ = false;
  Taken taken_;
  Duration network_delay_{};  // of the mini-batch that was last begun
  Duration oversleep_{};
  Duration without_core_{};  // time within computing in which neither this thread nor the one that assembles had a core
  steady_clock::time_point began_{};
  Exchange exchange_;
  std::optional<Courier> courier_;  // where workers overlap
};

}  // namespace

void work(const WorkerSetup& setup, const learn::Model& model, const data::Dataset& dataset, data::BatchOrder batches,
          delay::Stragglers stragglers, const std::atomic<bool>& terminated) {
  Work(setup, model, dataset, std::move(batches), std::move(stragglers), terminated).run();
}

}  // namespace psctl::rpc
