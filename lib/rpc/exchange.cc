#include "rpc/exchange.h"

#include <algorithm>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "rpc/patience.h"
#include "sync/events.h"

namespace psctl::rpc {
namespace {

using std::chrono::steady_clock;


void check_release(const wire::ReplyHeader& release) {
  const auto most = static_cast<std::int64_t>(sync::kAnyNumber);
  const auto count = [&](std::int64_t number) { return number >= 0 && number <= most; };
  if (count(release.local_steps) && count(release.overlap_steps) && release.limit_ns >= 0 &&
      release.schedule_samples >= 0 && release.samples_per_step >= 0 && release.receive_ns >= 0 &&
      release.hold_ns >= 0) {
    return;
  }
  throw WorldError(fmt::format(
      "the lead server released for {} steps and {} overlapped ones, within {} ns, at sample {} of the schedule and {} "
      "a step: that cannot be",
      release.local_steps, release.overlap_steps, release.limit_ns, release.schedule_samples,
      release.samples_per_step));
}

}  // namespace

Exchange::Exchange(WorkerId worker, std::size_t parameters, const std::atomic<bool>& terminated)
    : worker_(worker), parameters_(parameters), terminated_(terminated) {}

bool Exchange::join(const std::vector<Address>& addresses, const std::string& host, const Identity& identity,
                    const Patience& patience) {
  const ClientOptions options{.timeout = patience.stall,
                              .role = Role::WORKER,
                              .worker = static_cast<std::int32_t>(worker_.value),
                              .identity = identity};
  wire::JoinRequest request;
  request.host = host;
  request.process = ::getpid();
  request.parameters = static_cast<std::int64_t>(parameters_);
  std::size_t covered = 0;
  for (const Address& address : addresses) {
    Server& server = servers_.emplace_back();
    server.client = connect_patiently(address, options, patience.start, [this] { return terminated_.load(); });
    if (!server.client) return false;
    const wire::JoinReply reply = server.client->join(request);
    server.begin = static_cast<std::size_t>(reply.shard_begin);
    server.size = static_cast<std::size_t>(reply.shard_size);
    const bool fits = reply.rank == static_cast<std::int32_t>(servers_.size() - 1) &&
                      reply.servers == static_cast<std::int32_t>(addresses.size()) &&
                      reply.parameters == request.parameters && server.begin == covered &&
                      server.size <= parameters_ - covered;
    if (!fits) {
      throw WorldError(fmt::format(
          "the server at {} is number {} of {} and holds {} parameters from {} of {}: not what worker {} expects",
          address.text(), reply.rank, reply.servers, reply.shard_size, reply.shard_begin, reply.parameters,
          worker_.value));
    }
    covered += server.size;
  }
  if (covered != parameters_) {
    throw WorldError(fmt::format("the servers hold {} of {} parameters", covered, parameters_));
  }
  return true;
}

template <class Float>
auto Exchange::range_of(std::span<Float> tensor, const Server& server) const {
  const std::span<Float> range = tensor.empty() ? tensor : tensor.subspan(server.begin, server.size);
  if constexpr (std::is_const_v<Float>) {
    return std::as_bytes(range);
  } else {
    return std::as_writable_bytes(range);
  }
}

std::span<const std::byte> Exchange::piece_of(const Message& message, const Server& server) const {
  if (!message.request.__isset.coordinates) return range_of(message.push, server);
  return std::as_bytes(learn::within(message.coordinates, server.begin, server.size));
}

Response Exchange::operator()(Message& message) {
  wire::StepRequest& request = message.request;
  Response response{.begun = message.begun};
  if (!message.push.empty() || request.__isset.coordinates) send_pieces(message);
  request.__set_upload_ns(std::chrono::nanoseconds(steady_clock::now() - message.begun).count());
  Client& lead = *servers_[0].client;
  const std::span<std::byte> destination = range_of(message.model, servers_[0]);
  auto asked = steady_clock::now();
  Answer answer = lead.step(request, piece_of(message, servers_[0]), destination);
  response.sent = true;
  response.push = Duration(request.upload_ns) + Duration(answer.header.receive_ns);
  while (answer.header.kind == wire::ReplyKind::HELD && !terminated_ && !cut_off_) {
    wire::StepRequest again;
    again.worker = request.worker;
    again.push = request.push;
    again.again = true;
    asked = steady_clock::now();
    answer = lead.step(again, {}, destination);
  }
  if (answer.header.kind == wire::ReplyKind::STOP) response.end = Response::End::kStopped;
  if (answer.header.kind == wire::ReplyKind::RELEASE) {
    response.end = Response::End::kReleased;
    response.release = answer.header;
    check_release(response.release);
    if (response.release.refresh) {
      if (!answer.tensor) throw WorldError("the lead server sent no model where it said it would");
      pull_the_rest(response.release, message.model);
    }
  }
  response.ended = steady_clock::now();
  if (response.end == Response::End::kReleased) {
    response.pull = response.ended - asked - Duration(answer.header.receive_ns) - Duration(answer.header.hold_ns) +
                    Duration(answer.header.since_release_ns);
  }
  const Duration all = response.ended - response.begun;
  response.push = std::clamp(response.push, Duration::zero(), all);
  response.pull = std::clamp(response.pull, Duration::zero(), all - response.push);
  response.wait = all - response.push - response.pull;
  return response;
}

void Exchange::send_pieces(const Message& message) {
  wire::PieceRequest request;
  request.worker = message.request.worker;
  request.push = message.request.push;
  if (message.request.__isset.coordinates) request.__set_coordinates(message.request.coordinates);
  const auto others = std::span(servers_).subspan(1);
  for (Server& server : others) server.client->send_piece(request, piece_of(message, server));
  for (Server& server : others) server.client->receive_piece();
}

void Exchange::pull_the_rest(const wire::ReplyHeader& release, std::span<float> model) {
  wire::PullRequest request;
  request.version = release.version;
  request.sequence = release.sequence;
  const auto others = std::span(servers_).subspan(1);
  for (Server& server : others) server.client->send_pull(request);
  for (Server& server : others) {
    if (!server.client->receive_pull(range_of(model, server)).tensor) {
      throw WorldError(fmt::format("the server at {} sent no model", server.client->address().text()));
    }
  }
}

void Exchange::bye(const wire::ByeRequest& request) { servers_[0].client->bye(request); }

Courier::Courier(Exchange& exchange) : exchange_(exchange) {
  // Signals are for the thread that computes: they interrupt its sleep.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { carry(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Courier::~Courier() {
  exchange_.cut_off();
  {
    const std::lock_guard lock(mutex_);
    cut_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Courier::send(Message message) {
  {
    const std::lock_guard lock(mutex_);
    PSCTL_CHECK(!message_, "the courier is on its way");
    message_ = std::move(message);
    back_ = false;
  }
  changed_.notify_all();
}

Response Courier::wait(const std::atomic<bool>& terminated) {
  std::unique_lock lock(mutex_);
  while (!back_) {
    changed_.wait_for(lock, kCheckPeriod);
    if (terminated && !cut_) {
      cut_ = true;
      changed_.notify_all();
    }
  }
  message_.reset();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  return response_;
}

void Courier::carry() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return cut_ || (message_ && !back_); });
    if (!message_ || back_) return;
    if (message_->network_delay > Duration::zero()) {
      changed_.wait_for(lock, message_->network_delay, [this] { return cut_; });
    }
    if (cut_) {
      response_ = {.begun = message_->begun, .ended = steady_clock::now()};
      response_.push = response_.ended - response_.begun;
    } else {
      // The message is this thread's alone until `back_`.
      lock.unlock();
      try {
        response_ = exchange_(*message_);
      } catch (...) {
        error_ = std::current_exception();
      }
      lock.lock();
    }
    back_ = true;
    changed_.notify_all();
  }
}

}  // namespace psctl::rpc
