#include "rpc/lead_server.h"

#include <algorithm>
#include <chrono>
#include <cctype>
#include <condition_variable>
#include <deque>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <type_traits>

#include "base/error.h"
#include "base/text.h"
#include "rpc/orders.h"
#include "rpc/patience.h"

namespace psctl::rpc {
namespace {

using std::chrono::steady_clock;

// A hold answers "still held" this often, or in a third of the stall time: a held worker is not a stalled one.
constexpr auto kHoldAnswer = std::chrono::seconds(5);
// Who was refused a push tries again or says goodbye; nobody waits longer for one that does neither.
constexpr auto kRefusedPatience = std::chrono::seconds(5);
constexpr auto kFarewell = std::chrono::seconds(10);
constexpr auto kFarewellWhenInterrupted = std::chrono::milliseconds(700);
constexpr auto kFlushPeriod = std::chrono::milliseconds(500);
// An idle stream of orders asks this often whether its server is still there.
constexpr auto kSignOfLife = std::chrono::milliseconds(500);
// Models that wait to be evaluated may take this much memory; there is room for two of any size, and for no more than
// kMostLooks. What is due beyond that is made up for when there is room again, and counted.
constexpr std::size_t kBytesForLooks = std::size_t{256} << 20;
constexpr std::size_t kMostLooks = 64;
// Beyond this share of computing and injected delay, lost for want of a core, steps do not take the time that they are
// said to: with at most 40 % of the cores in use the error of a step's time was measured below 3 %.
constexpr double kDisturbedShare = 0.03;
constexpr double kDisturbedAtLeast = 0.02;  // seconds: a run of a few steps shows nothing

// Sends orders to one other server, in order, on a thread of its own.
class OrderStream {
 public:
  OrderStream(const Address& address, const Identity& identity, const Patience& patience,
              std::function<void(const std::string&)> lost)
      : address_(address),
        options_{.timeout = patience.stall, .role = Role::LEAD, .identity = identity},
        patience_(patience.start),
        lost_(std::move(lost)),
        thread_([this] { send_all(); }) {}
  // Sends what is queued, unless it was cut.
  ~OrderStream() {
    {
      const std::lock_guard lock(mutex_);
      finished_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // The run has failed or was interrupted: nobody waits for this server any longer.
  void cut() {
    const std::lock_guard lock(mutex_);
    finished_ = cut_ = true;
    if (client_) client_->interrupt();
    changed_.notify_all();
  }

  void send(const std::vector<wire::Order>& orders) {
    {
      const std::lock_guard lock(mutex_);
      queue_.insert(queue_.end(), orders.begin(), orders.end());
    }
    changed_.notify_all();
  }
  bool connected() const { return connected_; }

 private:
  void send_all() {
    try {
      auto client = connect_patiently(address_, options_, patience_, [this] { return finished_.load(); });
      if (!client) return;
      {
        const std::lock_guard lock(mutex_);
        client_ = std::move(client);
        if (cut_) return;
      }
      client_->execute({});
      connected_ = true;
      for (;;) {
        std::vector<wire::Order> orders;
        {
          std::unique_lock lock(mutex_);
          changed_.wait_for(lock, kSignOfLife, [&] { return finished_ || !queue_.empty(); });
          if (queue_.empty() && finished_) break;
          orders.swap(queue_);
        }
        client_->execute(orders);
      }
      if (!cut_) client_->stop("the run is over");
    } catch (const Error& error) {
      if (cut_) return;
      lost_(fmt::format("the server at {} is lost: {}", address_.text(), error.what()));
    }
  }

  Address address_;
  ClientOptions options_;
  Duration patience_;
  std::function<void(const std::string&)> lost_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<wire::Order> queue_;
  std::unique_ptr<Client> client_;
  std::atomic<bool> finished_ = false;
  std::atomic<bool> cut_ = false;
  std::atomic<bool> connected_ = false;
  std::thread thread_;
};

Step checked_count(std::int64_t number, std::int64_t most, const char* of) {
  if (number < 0 || number > most) throw WorldError(fmt::format("{} {}: there can be 0 to {}", number, of, most));
  return static_cast<Step>(number);
}

}  // namespace

class LeadServer::Impl {
 public:
  Impl(const LeadServerSetup& setup, lead::Lead& lead, Shard& shard)
      : setup_(setup), lead_(lead), shard_(shard), slots_(setup.workers) {
    server_.emplace(
        setup_.listen,
        [this](const Connection& connection) { return std::make_unique<LeadSession>(*this, connection); },
        ServerOptions{.timeout = setup_.patience.stall,
                      .identity = setup_.identity,
                      .report = [this](const std::string& what) { turned_away(what); }});
  }

  const Address& address() const { return server_->address(); }
  lead::Ending run(const std::atomic<bool>& terminated);
  bool peer_failed() const { return !failure_.empty() && !own_failure_; }

 private:
  // What the lead server knows of one worker's process.
  struct Slot {
    bool came = false;
    bool gone = false;  // said goodbye
    bool late = false;  // its last push came when it could not count any more
    std::string host;
    std::int64_t process = 0;
    std::optional<lead::Release> release;  // decided, not yet answered
    std::uint64_t sequence = 0;
    Version version = 0;
    steady_clock::time_point released{};
    std::optional<Duration> admission;  // from its join to its first release
    Hold* hold = nullptr;               // of the connection that waits for the release
    std::string refusal;                // why its last message was refused; empty: it was not
    steady_clock::time_point refused{};
    wire::ByeRequest bye;
  };

  class LeadSession final : public Session {
   public:
    LeadSession(Impl& impl, const Connection& connection) : impl_(impl), connection_(connection), hold_(connection) {}

    bool serves(std::string_view method, Role role) const override {
      if (role == Role::WORKER) return method == "join" || method == "step" || method == "bye";
      if (role == Role::WATCHER) return method == "status";
      return role == Role::EVALUATOR && (method == "join" || method == "pull" || method == "next_evaluation" ||
                                         method == "evaluated" || method == "status");
    }
    wire::JoinReply join(const wire::JoinRequest& request) override { return impl_.join(*this, request); }
    Incoming destination(const wire::StepRequest& request, std::size_t length) override {
      return refusing([&] {
        if (!worker_) throw WorldError("a push before the join");
        const std::optional<std::int64_t> coordinates = given(request);
        if ((length > 0 || coordinates) && (request.push < 1 || request.again || request.empty)) {
          throw WorldError("a tensor came with a request that has none");
        }
        if (coordinates) impl_.check_coordinates(*coordinates, length);
        return impl_.shard_.destination(length, coordinates);
      });
    }
    StepAnswer step(const wire::StepRequest& request, Incoming tensor, Duration receive) override {
      return refusing([&] {
        impl_.shard_.check(tensor);
        return impl_.step(*this, request, tensor, receive);
      });
    }
    StepAnswer pull(const wire::PullRequest& request) override { return impl_.pull(*this, request); }
    void bye(const wire::ByeRequest& request) override { impl_.bye(*this, request); }
    wire::Status status() override { return impl_.status(*this); }
    wire::EvaluationOrder next_evaluation() override { return impl_.next_evaluation(*this); }
    void evaluated(const wire::EvaluationResult& result) override { impl_.evaluated(*this, result); }
    void closed(Closing closing, const std::string& why) override { impl_.closed(*this, closing, why); }

    // What is refused here is told to the peer, and remembered.
    template <class Act>
    std::invoke_result_t<Act> refusing(Act act) {
      try {
        return act();
      } catch (const WorldError& error) {
        impl_.refused(*this, error.what());
        throw;
      }
    }

    Impl& impl_;
    const Connection& connection_;
    Hold hold_;
    std::optional<WorkerId> worker_;
    bool evaluates_ = false;
  };

  // ---- what sessions call; each takes the lock
  wire::JoinReply join(LeadSession& session, const wire::JoinRequest& request);
  StepAnswer step(LeadSession& session, const wire::StepRequest& request, const Incoming& tensor, Duration receive);
  StepAnswer pull(const LeadSession& session, const wire::PullRequest& request);
  void refused(const LeadSession& session, const std::string& why);
  void bye(LeadSession& session, const wire::ByeRequest& request);
  wire::Status status(const LeadSession& session);
  wire::EvaluationOrder next_evaluation(LeadSession& session);
  void evaluated(const LeadSession& session, const wire::EvaluationResult& result);
  void turned_away(const std::string& what);
  void closed(LeadSession& session, Closing closing, const std::string& why);

  void check_coordinates(std::int64_t all, std::size_t length) const;

  // ---- under the lock
  Duration checked_duration(std::int64_t nanoseconds, const char* of) const;
  sync::Timing timing_of(const wire::StepRequest& request, Duration receive) const;
  template <class Request>
  lead::Hidden hidden_of(const Request& request) const;
  Instant now() const { return Instant(std::chrono::duration_cast<Duration>(steady_clock::now() - gate_)); }
  void received(Instant now, const wire::StepRequest& request, const Incoming& tensor, steady_clock::time_point arrived,
                Duration receive);
  void ring_until(Instant until);
  void dispatch(std::span<const lead::Order> orders);
  void request_look(const lead::Order& order);
  void fail(const std::string& why);
  void tell_everyone();
  std::size_t room_for_looks() const {
    return std::clamp<std::size_t>(kBytesForLooks / std::max<std::size_t>(1, setup_.parameters * sizeof(float)), 2,
                                   kMostLooks);
  }
  std::size_t looks_open() const { return looks_.size() + looking_.size(); }
  Duration hold_answer() const { return std::min<Duration>(kHoldAnswer, setup_.patience.stall / 3); }
  bool orderly() const { return failure_.empty() && lead_.stop_reason() != "interrupted" && !cut_short_; }
  bool over_for(WorkerId worker) const {
    return lead_.stopped() || (started_ && !lead_.present(worker) && !lead_.expected(worker));
  }
  std::vector<std::string> missing() const;
  std::string name_of(std::size_t worker) const;
  std::string silent_evaluator() const;

  // ---- the phases of run()
  using Lock = std::unique_lock<std::mutex>;
  void wait_for_everyone(Lock& lock, const std::atomic<bool>& terminated);
  void follow_alarms(Lock& lock, const std::atomic<bool>& terminated);
  void give_up_the_silent();
  void give_up_the_refused();
  void wait_for_goodbyes(Lock& lock, const std::atomic<bool>& terminated);
  void wait_for_evaluations(Lock& lock, const std::atomic<bool>& terminated);
  void wait_for_last_look(Lock& lock, const std::atomic<bool>& terminated);
  lead::Ending ending() const;

  LeadServerSetup setup_;
  lead::Lead& lead_;
  Shard& shard_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;
  LeadSession* evaluator_ = nullptr;
  std::deque<wire::EvaluationOrder> looks_;                // not yet taken by the evaluation process
  std::map<std::int64_t, wire::EvaluationOrder> looking_;  // taken and not yet answered, by sequence
  steady_clock::time_point evaluator_heard_{};             // when the evaluation process last said something
  std::string turned_away_;                                // who was last, and why
  bool look_missed_ = false;
  std::uint64_t looks_missed_ = 0;
  bool looks_over_ = false;
  bool cut_short_ = false;  // interrupted when all was done but the last evaluations
  bool started_ = false;
  bool ended_ = false;
  steady_clock::time_point gate_ = steady_clock::now();
  steady_clock::time_point last_event_ = gate_;
  steady_clock::time_point wake_ = gate_;  // when the thread that follows the alarms looks again
  const std::atomic<bool>* terminated_ = &never_;
  static constexpr std::atomic<bool> never_ = false;
  std::string failure_;
  bool own_failure_ = false;
  std::string model_digest_;
  Duration evaluating_{};  // what evaluations took of the machine
  Version digest_version_ = 0;
  std::deque<OrderStream> streams_;
  std::optional<Server> server_;
};

namespace {

// A host's name as it may stand in tables and messages: peers may send anything.
std::string printable(const std::string& host) {
  constexpr std::size_t kLongest = 255;
  std::string name = host.substr(0, kLongest);
  for (char& c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_' || c == ':';
    if (!plain) c = '?';
  }
  return name;
}

}  // namespace

wire::JoinReply LeadServer::Impl::join(LeadSession& session, const wire::JoinRequest& request) {
  const Lock lock(mutex_);
  if (request.parameters != static_cast<std::int64_t>(setup_.parameters)) {
    throw WorldError(fmt::format("its model has {} parameters, the server's {}: they do not run the same configuration",
                                 request.parameters, setup_.parameters));
  }
  const std::int32_t number = session.connection_.worker();
  if (session.connection_.role() == Role::EVALUATOR) {
    if (evaluator_) throw WorldError("there is an evaluation process already");
    evaluator_ = &session;
    session.evaluates_ = true;
    evaluator_heard_ = steady_clock::now();
  } else {
    if (number < 0 || static_cast<std::size_t>(number) >= slots_.size()) {
      throw WorldError(fmt::format("there is no worker {}, there are {}", number, slots_.size()));
    }
    Slot& slot = slots_[static_cast<std::size_t>(number)];
    if (slot.came) throw WorldError(fmt::format("worker {} has come already", number));
    slot.came = true;
    slot.host = printable(request.host);
    slot.process = request.process;
    session.worker_ = WorkerId(static_cast<std::uint32_t>(number));
  }
  changed_.notify_all();
  wire::JoinReply reply;
  reply.rank = 0;
  reply.servers = static_cast<std::int32_t>(1 + setup_.others.size());
  reply.parameters = static_cast<std::int64_t>(setup_.parameters);
  reply.shard_begin = static_cast<std::int64_t>(setup_.range.begin);
  reply.shard_size = static_cast<std::int64_t>(setup_.range.size);
  return reply;
}

StepAnswer LeadServer::Impl::step(LeadSession& session, const wire::StepRequest& request, const Incoming& tensor,
                                  Duration receive) {
  const auto arrived = steady_clock::now();
  Lock lock(mutex_);
  if (!session.worker_ || static_cast<std::int32_t>(session.worker_->value) != request.worker) {
    throw WorldError(fmt::format("this connection has not joined as worker {}", request.worker));
  }
  const WorkerId worker = *session.worker_;
  Slot& slot = slots_[worker.value];
  const bool pushes = request.push > 0 && !request.again;
  const Instant now = this->now();
  // What was due before this push happens before it, what is due at its instant after it.
  if (pushes) ring_until(now - Duration(1));
  if (pushes && !over_for(worker)) {
    received(now, request, tensor, arrived, receive);
    ring_until(now);
  } else if (pushes && !ended_) {
    // Too late to count, but time that was spent.
    slot.late = true;
    lead_.cut_off(worker, timing_of(request, receive), {}, hidden_of(request));
  }

  const auto deadline = arrived + hold_answer();
  Hold::End end = Hold::End::kReleased;
  slot.hold = &session.hold_;
  while (!slot.release && !over_for(worker) && end == Hold::End::kReleased) {
    lock.unlock();
    end = session.hold_.wait_until(deadline);
    lock.lock();
  }
  slot.hold = nullptr;
  if (end == Hold::End::kPeerGone) throw WorldError("the peer is gone");

  StepAnswer answer;
  wire::ReplyHeader& header = answer.header;
  header.receive_ns = receive.count();
  if (over_for(worker)) {
    header.kind = wire::ReplyKind::STOP;
  } else if (!slot.release) {
    header.kind = wire::ReplyKind::HELD;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const auto phase = lead_.cluster().workers()[i].phase;
      if (phase == sync::Phase::kComputing) header.held_by.push_back(static_cast<std::int32_t>(i));
    }
  } else {
    const lead::Release release = *std::exchange(slot.release, std::nullopt);
    header.kind = wire::ReplyKind::RELEASE;
    header.version = static_cast<std::int64_t>(slot.version);
    header.sequence = static_cast<std::int64_t>(slot.sequence);
    header.refresh = release.refresh == sync::Refresh::kTake;
    header.local_steps = static_cast<std::int64_t>(release.local_steps);
    header.overlap_steps = static_cast<std::int64_t>(release.overlap_steps);
    header.limit_ns = release.limit ? release.limit->count() : 0;
    header.schedule_samples = static_cast<std::int64_t>(release.pace.samples);
    header.samples_per_step = static_cast<std::int64_t>(release.pace.per_step);
    if (header.refresh) {
      answer.tensor = shard_.take_released(worker, slot.sequence, deadline);
      lead_.transferred(0, setup_.parameters * sizeof(float));
    }
    header.since_release_ns = std::chrono::nanoseconds(steady_clock::now() - slot.released).count();
  }
  header.hold_ns = std::chrono::nanoseconds(steady_clock::now() - arrived).count();
  return answer;
}

// How many coordinates a push has on the other servers is known only from what its worker says.
void LeadServer::Impl::check_coordinates(std::int64_t all, std::size_t length) const {
  const auto own = static_cast<std::int64_t>(length / sizeof(learn::Coordinate));
  const auto elsewhere = static_cast<std::int64_t>(setup_.parameters - setup_.range.size);
  if (all < own || all - own > elsewhere) {
    throw WorldError(fmt::format("a push of {} coordinates has {} of them here, and there are {} parameters elsewhere",
                                 all, own, elsewhere));
  }
}

void LeadServer::Impl::refused(const LeadSession& session, const std::string& why) {
  const Lock lock(mutex_);
  if (!session.worker_) return;
  Slot& slot = slots_[session.worker_->value];
  slot.refusal = why;
  slot.refused = steady_clock::now();
}

void LeadServer::Impl::received(Instant now, const wire::StepRequest& request, const Incoming& tensor,
                                steady_clock::time_point arrived, Duration receive) {
  const WorkerId worker(static_cast<std::uint32_t>(request.worker));
  const std::uint64_t number = lead_.cluster().worker(worker).pushes + 1;
  if (request.push != static_cast<std::int64_t>(number)) {
    throw WorldError(fmt::format("push {} of worker {} came where {} is due", request.push, request.worker, number));
  }
  if (request.empty == static_cast<bool>(tensor.owner)) throw WorldError("the push came without its tensor");
  const auto most = static_cast<std::int64_t>(sync::kAnyNumber);
  const Step steps = checked_count(request.steps, most, "steps");
  const std::size_t batch_size = lead_.setup().batch_size;
  const std::uint64_t samples = request.empty ? 0 : steps * batch_size;
  if (request.samples != static_cast<std::int64_t>(samples)) {
    throw WorldError(fmt::format("{} samples in {} steps of {}{}", request.samples, steps, batch_size,
                                 request.empty ? " that were given up" : ""));
  }
  // The time that this thread waited for its turn belongs to the push, not to the strategy.
  const Duration turn = steady_clock::now() - arrived;
  const lead::PushReport report{.worker = worker,
                                .steps = steps,
                                .empty = request.empty,
                                .overlapped = checked_count(request.overlapped, most, "overlapped steps"),
                                .lost = checked_count(request.lost, most, "lost steps"),
                                .timing = timing_of(request, receive + turn),
                                .hidden = hidden_of(request),
                                .samples = samples,
                                .loss = request.loss};
  try {
    const std::span<const lead::Order> orders = lead_.pushed(now, report);
    if (!request.empty) {
      shard_.put(worker, number, tensor, arrived);
      const std::optional<std::int64_t> coordinates = given(request);
      lead_.transferred(coordinates ? static_cast<std::uint64_t>(*coordinates) * sizeof(learn::Coordinate)
                                    : setup_.parameters * sizeof(float),
                        0);
    }
    dispatch(orders);
    slots_[worker.value].refusal.clear();
  } catch (const InternalError& error) {
    own_failure_ = failure_.empty();
    fail(error.what());
    throw;
  }
}

// What a peer says that something took: it can hardly be longer than the run.
Duration LeadServer::Impl::checked_duration(std::int64_t nanoseconds, const char* of) const {
  const Duration longest = (steady_clock::now() - gate_) * 101 / 100 + std::chrono::seconds(1);
  if (nanoseconds < 0 || nanoseconds > longest.count()) {
    throw WorldError(fmt::format("{} took {} ns: the run has taken {}", of, nanoseconds,
                                 std::chrono::nanoseconds(steady_clock::now() - gate_).count()));
  }
  return Duration(nanoseconds);
}

sync::Timing LeadServer::Impl::timing_of(const wire::StepRequest& request, Duration receive) const {
  return {.data = checked_duration(request.data_ns, "waiting for data"),
          .compute = checked_duration(request.compute_ns, "computing"),
          .delay = checked_duration(request.delay_ns, "the delay"),
          .upload = checked_duration(request.upload_ns, "the push") + receive,
          .download = checked_duration(request.download_ns, "the pull")};
}

template <class Request>
lead::Hidden LeadServer::Impl::hidden_of(const Request& request) const {
  return {.push = checked_duration(request.hidden_push_ns, "the hidden part of the push"),
          .wait = checked_duration(request.hidden_wait_ns, "the hidden part of the wait"),
          .pull = checked_duration(request.hidden_pull_ns, "the hidden part of the pull")};
}

StepAnswer LeadServer::Impl::pull(const LeadSession& session, const wire::PullRequest& request) {
  if (!session.evaluates_) throw WorldError("a pull before the join");
  StepAnswer answer;
  answer.header.kind = wire::ReplyKind::RELEASE;
  answer.header.version = request.version;
  answer.header.sequence = request.sequence;
  answer.header.refresh = true;
  answer.tensor = shard_.take_look(static_cast<std::uint64_t>(request.sequence), steady_clock::now());
  return answer;
}

void LeadServer::Impl::bye(LeadSession& session, const wire::ByeRequest& request) {
  const Lock lock(mutex_);
  if (!session.worker_) throw WorldError("only a worker that has joined can say goodbye");
  Slot& slot = slots_[session.worker_->value];
  if (started_ && !over_for(*session.worker_)) {
    fail(fmt::format("{} left before the end: {}", name_of(session.worker_->value), request.reason));
  }
  if (!slot.gone && !ended_) {
    sync::Timing partial{.data = checked_duration(request.data_ns, "waiting for data"),
                         .compute = checked_duration(request.compute_ns, "computing"),
                         .delay = checked_duration(request.delay_ns, "the delay"),
                         .upload = checked_duration(request.upload_ns, "the push"),
                         .download = checked_duration(request.download_ns, "the pull")};
    const Duration wall = checked_duration(request.wall_ns, "the worker's part");
    checked_duration(request.without_core_ns, "computing without a core");
    checked_duration(request.oversleep_ns, "sleeping longer than asked");
    const lead::Hidden hidden = hidden_of(request);
    if (slot.late) partial.upload -= hidden.push;  // that push is not in the account, only its time
    slot.gone = true;
    slot.bye = request;
    lead_.cut_off(*session.worker_, partial,
                  wall > Duration::zero() ? std::optional(slot.admission.value_or(Duration{}) + wall) : std::nullopt,
                  hidden);
  }
  changed_.notify_all();
}

wire::Status LeadServer::Impl::status(const LeadSession& session) {
  const Lock lock(mutex_);
  if (session.evaluates_) evaluator_heard_ = steady_clock::now();
  const lead::Progress progress = lead_.progress(started_ ? now() : Instant{});
  wire::Status status;
  status.rank = 0;
  status.version = static_cast<std::int64_t>(progress.updates);
  status.sequence = 0;
  status.stopped = progress.stopped;
  status.__set_started(started_);
  status.__set_time_ns(std::llround(progress.time_s * 1e9));
  status.__set_samples(static_cast<std::int64_t>(progress.samples));
  status.__set_epoch(progress.epoch);
  status.__set_accuracy(progress.accuracy.value_or(-1));
  std::vector<std::int32_t> waiting, missing;
  for (WorkerId worker : progress.waiting) waiting.push_back(static_cast<std::int32_t>(worker.value));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].came) missing.push_back(static_cast<std::int32_t>(i));
  }
  status.__set_waiting(waiting);
  status.__set_missing(missing);
  return status;
}

wire::EvaluationOrder LeadServer::Impl::next_evaluation(LeadSession& session) {
  Lock lock(mutex_);
  if (!session.evaluates_) throw WorldError("a question for evaluations before the join");
  evaluator_heard_ = steady_clock::now();
  const auto deadline = evaluator_heard_ + hold_answer();
  Hold::End end = Hold::End::kReleased;
  while (looks_.empty() && !looks_over_ && end == Hold::End::kReleased) {
    lock.unlock();
    end = session.hold_.wait_until(deadline);
    lock.lock();
  }
  if (end == Hold::End::kPeerGone) throw WorldError("the peer is gone");
  wire::EvaluationOrder order;
  if (!looks_.empty()) {
    order = looks_.front();
    looks_.pop_front();
    looking_.emplace(order.sequence, order);
    return order;
  }
  order.kind = looks_over_ ? wire::EvaluationKind::STOP : wire::EvaluationKind::WAIT;
  order.version = static_cast<std::int64_t>(lead_.cluster().version());
  order.last = looks_over_ && orderly();
  return order;
}

// What was evaluated, and when, the lead knows by itself.
void LeadServer::Impl::evaluated(const LeadSession& session, const wire::EvaluationResult& result) {
  const Lock lock(mutex_);
  if (!session.evaluates_) throw WorldError("an evaluation before the join");
  evaluator_heard_ = steady_clock::now();
  const auto asked = looking_.find(result.sequence);
  if (asked == looking_.end()) throw WorldError(fmt::format("no evaluation {} was asked for", result.sequence));
  const wire::EvaluationOrder look = asked->second;
  if (result.test_accuracy < 0 || result.test_accuracy > 1) {
    throw WorldError(fmt::format("evaluation {} has the accuracy {}", result.sequence, result.test_accuracy));
  }
  looking_.erase(asked);
  model_digest_ = result.model_digest;
  evaluating_ += Duration(std::max<std::int64_t>(0, result.compute_ns));
  digest_version_ = static_cast<Version>(look.version);
  if (look.evaluate)
    lead_.evaluated(now(), {.at = Instant(Duration(look.at_ns)),
                            .version = static_cast<Version>(look.version),
                            .epoch = look.epoch,
                            .samples = static_cast<std::uint64_t>(look.samples),
                            .train_loss = result.train_loss,
                            .test_loss = result.test_loss,
                            .test_accuracy = result.test_accuracy});
  if (lead_.stopped()) {
    tell_everyone();
  } else if (std::exchange(look_missed_, false)) {
    request_look(lead_.look_now(now()));
  }
  changed_.notify_all();
}

void LeadServer::Impl::turned_away(const std::string& what) {
  setup_.report(what);
  const Lock lock(mutex_);
  turned_away_ = what;
}

void LeadServer::Impl::closed(LeadSession& session, Closing closing, const std::string& why) {
  const Lock lock(mutex_);
  if (session.evaluates_) {
    evaluator_ = nullptr;
    changed_.notify_all();
    if (!looks_over_ && closing != Closing::kShutdown) fail(fmt::format("the evaluation process is lost: {}", why));
  }
  if (!session.worker_) return;
  Slot& slot = slots_[session.worker_->value];
  slot.hold = nullptr;
  if (!slot.gone && closing != Closing::kShutdown && !(started_ ? over_for(*session.worker_) : lead_.stopped())) {
    fail(fmt::format("{} is lost after {} steps: {}", name_of(session.worker_->value),
                     lead_.account().workers()[session.worker_->value].steps, why));
  }
  slot.gone = true;
  changed_.notify_all();
}

void LeadServer::Impl::dispatch(std::span<const lead::Order> orders) {
  last_event_ = steady_clock::now();
  // A look for which there is no room is made up for later; nobody pins a model for it. A checkpoint is never left out.
  const auto no_room = [&](const lead::Order& order) {
    const auto* look = std::get_if<lead::Look>(&order.what);
    return look && !look->keep && looks_open() >= room_for_looks();
  };
  std::vector<lead::Order> kept;
  if (std::ranges::any_of(orders, no_room)) {
    look_missed_ = true;
    ++looks_missed_;
    lead_.look_dropped();
    std::ranges::remove_copy_if(orders, std::back_inserter(kept), no_room);
    orders = kept;
  }
  shard_.execute(orders);
  if (!streams_.empty()) {
    const std::vector<wire::Order> written = to_wire(orders);
    for (OrderStream& stream : streams_) stream.send(written);
  }
  for (const lead::Order& order : orders) {
    if (const auto* release = std::get_if<lead::Release>(&order.what)) {
      Slot& slot = slots_[release->worker.value];
      slot.release = *release;
      slot.sequence = order.sequence;
      slot.version = order.version;
      slot.released = last_event_;
      if (!slot.admission) slot.admission = lead_.account().workers()[release->worker.value].wait;
      if (slot.hold) slot.hold->release();
    } else if (const auto* look = std::get_if<lead::Look>(&order.what)) {
      wire::EvaluationOrder asked;
      asked.kind = wire::EvaluationKind::LOOK;
      asked.version = static_cast<std::int64_t>(order.version);
      asked.sequence = static_cast<std::int64_t>(order.sequence);
      asked.at_ns = look->at.time_since_epoch().count();
      asked.epoch = look->epoch;
      asked.samples = static_cast<std::int64_t>(look->samples);
      asked.last = look->last;
      asked.__set_evaluate(look->evaluate);
      asked.__set_keep(look->keep);
      looks_.push_back(asked);
      if (evaluator_) evaluator_->hold_.release();
    }
  }
  if (lead_.stopped()) {
    tell_everyone();
  } else if (const auto alarm = lead_.next_alarm(); alarm && gate_ + alarm->at.time_since_epoch() < wake_) {
    changed_.notify_all();  // sooner than the thread that follows the alarms thinks
  }
}

void LeadServer::Impl::ring_until(Instant until) {
  while (started_) {
    const std::optional<lead::Alarm> due = lead_.next_alarm();
    if (!due || due->at > until) return;
    try {
      dispatch(lead_.ring(until));
    } catch (const InternalError& error) {
      own_failure_ = failure_.empty();
      return fail(error.what());
    }
    tell_everyone();  // a worker that left must hear of it
  }
}

void LeadServer::Impl::request_look(const lead::Order& order) { dispatch(std::span(&order, 1)); }

void LeadServer::Impl::fail(const std::string& why) {
  // Who ends everybody ends them in any order: what breaks then is no failure.
  const bool interrupted = *terminated_ && failure_.empty();
  if (failure_.empty() && !interrupted) failure_ = why;
  lead_.stop(started_ ? now() : Instant{}, interrupted ? "interrupted" : "failed");
  tell_everyone();
}

// The run is over: nobody is held any longer.
void LeadServer::Impl::tell_everyone() {
  for (Slot& slot : slots_) {
    if (slot.hold) slot.hold->release();
  }
  if (evaluator_) evaluator_->hold_.release();
  changed_.notify_all();
}

std::string LeadServer::Impl::name_of(std::size_t worker) const {
  const Slot& slot = slots_[worker];
  return fmt::format("worker {} (process {}{}{})", worker, slot.process, slot.host.empty() ? "" : " on ", slot.host);
}

std::string LeadServer::Impl::silent_evaluator() const {
  return fmt::format("the evaluation process has been silent for {:g} s: raise cluster.stall_s if it may be so slow",
                     to_seconds(setup_.patience.stall));
}

std::vector<std::string> LeadServer::Impl::missing() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].came) names.push_back(fmt::format("worker {}", i));
  }
  if (!evaluator_) names.emplace_back("the evaluation process");
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (!streams_[i].connected()) names.push_back(fmt::format("server {}", i + 1));
  }
  return names;
}

void LeadServer::Impl::wait_for_everyone(Lock& lock, const std::atomic<bool>& terminated) {
  const auto give_up = steady_clock::now() + setup_.patience.start;
  for (const Address& other : setup_.others) {
    streams_.emplace_back(other, setup_.identity, setup_.patience, [this](const std::string& why) {
      const Lock inner(mutex_);
      if (!ended_) fail(why);
    });
  }
  while (!lead_.stopped() && !missing().empty()) {
    changed_.wait_for(lock, std::chrono::milliseconds(50));
    if (terminated) lead_.stop(Instant{}, "interrupted");
    if (steady_clock::now() > give_up) {
      fail(fmt::format("after {:g} s these have not come: {}{}; raise cluster.start_s if they need longer",
                       to_seconds(setup_.patience.start), enumerate(missing()),
                       turned_away_.empty() ? "" : " (" + turned_away_ + ")"));
    }
  }
}

void LeadServer::Impl::follow_alarms(Lock& lock, const std::atomic<bool>& terminated) {
  std::vector<std::string> hosts;
  for (const Slot& slot : slots_) hosts.push_back(slot.host);
  gate_ = evaluator_heard_ = steady_clock::now();
  started_ = true;
  dispatch(lead_.start(Instant{}, hosts));
  auto next_flush = gate_ + kFlushPeriod;
  while (!lead_.stopped()) {
    wake_ = std::min(next_flush, steady_clock::now() + std::chrono::milliseconds(100));
    const std::optional<lead::Alarm> alarm = lead_.next_alarm();
    if (alarm) wake_ = std::min(wake_, gate_ + alarm->at.time_since_epoch());
    changed_.wait_until(lock, wake_);
    if (terminated) lead_.stop(now(), "interrupted");
    ring_until(now());
    const auto wall = steady_clock::now();
    if (wall >= next_flush) {
      lead_.flush();
      next_flush = wall + kFlushPeriod;
    }
    give_up_the_refused();
    give_up_the_silent();
  }
  tell_everyone();
}

// A worker that computes owes a push. The time of others that wait for it says nothing: they are held. The evaluation
// process says all the time that it is there.
void LeadServer::Impl::give_up_the_silent() {
  const auto now = steady_clock::now();
  if (evaluator_ && now - evaluator_heard_ > setup_.patience.stall) fail(silent_evaluator());
  for (std::size_t i = 0; i < slots_.size() && !lead_.stopped(); ++i) {
    const Slot& slot = slots_[i];
    const bool computes = lead_.cluster().workers()[i].phase == sync::Phase::kComputing;
    if (!computes || slot.gone || now - slot.released < setup_.patience.silence) continue;
    fail(
        fmt::format("{} has pushed nothing for {:g} s: see what it does, or raise cluster.silence_s if a step takes "
                    "longer",
                    name_of(i), to_seconds(setup_.patience.silence)));
  }
}

void LeadServer::Impl::give_up_the_refused() {
  for (std::size_t i = 0; i < slots_.size() && !lead_.stopped(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.refusal.empty() || slot.gone || over_for(WorkerId(static_cast<std::uint32_t>(i))) ||
        steady_clock::now() - slot.refused < kRefusedPatience) {
      continue;
    }
    fail(fmt::format("{} was refused and has been silent since: {}", name_of(i), slot.refusal));
  }
}

void LeadServer::Impl::wait_for_goodbyes(Lock& lock, const std::atomic<bool>& terminated) {
  auto give_up = steady_clock::now() + (orderly() ? Duration(kFarewell) : Duration(kFarewellWhenInterrupted));
  const auto left = [](const Slot& slot) { return !slot.came || slot.gone; };
  while (!std::ranges::all_of(slots_, left) && steady_clock::now() < give_up) {
    changed_.wait_for(lock, kCheckPeriod);
    if (terminated) give_up = std::min(give_up, steady_clock::now() + Duration(kFarewellWhenInterrupted));
  }
}

// An evaluation may take as long as it takes, if only its process says now and then that it is there.
void LeadServer::Impl::wait_for_evaluations(Lock& lock, const std::atomic<bool>& terminated) {
  while (looks_open() > 0 && failure_.empty() && evaluator_ && !terminated) {
    changed_.wait_for(lock, kCheckPeriod);
    if (steady_clock::now() - evaluator_heard_ > setup_.patience.stall) {
      fail(silent_evaluator());
    }
  }
}

void LeadServer::Impl::wait_for_last_look(Lock& lock, const std::atomic<bool>& terminated) {
  if (orderly()) {
    look_missed_ = false;
    wait_for_evaluations(lock, terminated);
    if (terminated) {
      cut_short_ = true;
    } else if (const std::optional<lead::Order> look = lead_.last_look()) {
      request_look(*look);
      wait_for_evaluations(lock, terminated);
      cut_short_ = looks_open() > 0;
    }
  }
  looks_over_ = true;
  tell_everyone();
  if (orderly()) changed_.wait_for(lock, kFarewell, [&] { return !evaluator_ || terminated; });
}

lead::Ending LeadServer::Impl::ending() const {
  lead::Ending ending{.status = "done", .error = failure_, .model_digest = {}, .disturbed = {}, .disturbance = {}};
  if (ending.error.empty()) ending.error = lead_.failure();
  if (!ending.error.empty()) {
    ending.status = "failed";
  } else if (lead_.stop_reason() == "interrupted" || cut_short_) {
    ending.status = "interrupted";
  }
  ending.evaluation = evaluating_;
  ending.evaluations_missed = looks_missed_;
  if (digest_version_ == lead_.cluster().version()) ending.model_digest = model_digest_;
  double steps = 0, without_core = 0, oversleep = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const trace::WorkerAccount& worker = lead_.account().workers()[i];
    steps += to_seconds(worker.compute + worker.delay);
    without_core += static_cast<double>(slots_[i].bye.without_core_ns) * 1e-9;
    oversleep += static_cast<double>(slots_[i].bye.oversleep_ns) * 1e-9;
  }
  const double lost = without_core + oversleep;
  if (steps > 0) {
    ending.disturbed = lost > kDisturbedShare * steps && lost > kDisturbedAtLeast;
    ending.disturbance = fmt::format(
        "{} worker{} and {} server{} on {} cores: computing without a core took {:.2f} s and sleeping longer than "
        "asked "
        "{:.2f} s, {:.1f} % of the {:.2f} s of computing and injected delay",
        slots_.size(), slots_.size() == 1 ? "" : "s", 1 + setup_.others.size(), setup_.others.empty() ? "" : "s",
        setup_.cores, without_core, oversleep, lost / steps * 100, steps);
  }
  return ending;
}

lead::Ending LeadServer::Impl::run(const std::atomic<bool>& terminated) {
  Lock lock(mutex_);
  terminated_ = &terminated;
  wait_for_everyone(lock, terminated);
  try {
    if (!lead_.stopped()) follow_alarms(lock, terminated);
  } catch (const InternalError& error) {
    own_failure_ = failure_.empty();
    fail(error.what());
  }
  wait_for_goodbyes(lock, terminated);
  wait_for_last_look(lock, terminated);
  ended_ = true;
  const lead::Ending result = ending();
  lock.unlock();
  if (result.status != "done") {
    for (OrderStream& stream : streams_) stream.cut();
  }
  streams_.clear();
  server_->shutdown(std::chrono::milliseconds(300));
  return result;
}

LeadServer::LeadServer(const LeadServerSetup& setup, lead::Lead& lead, Shard& shard)
    : impl_(std::make_unique<Impl>(setup, lead, shard)) {}

LeadServer::~LeadServer() = default;

const Address& LeadServer::address() const { return impl_->address(); }

bool LeadServer::peer_failed() const { return impl_->peer_failed(); }

lead::Ending LeadServer::run(const std::atomic<bool>& terminated) { return impl_->run(terminated); }

}  // namespace psctl::rpc
