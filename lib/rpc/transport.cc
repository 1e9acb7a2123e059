// The server's side of the transport.
#include "rpc/transport.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <condition_variable>
#include <fmt/format.h>
#include <list>
#include <mutex>
#include <optional>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <thrift/TApplicationException.h>
#include <unistd.h>

#include "rpc/channel.h"
#include "rpc/hello.h"
#include "rpc/protocol.h"
#include "rpc/wire/ParameterServer.h"

namespace psctl::rpc {
namespace {

namespace thrift = apache::thrift;
using thrift::protocol::TMessageType;
using thrift::protocol::TProtocol;
using thrift::protocol::TType;

Descriptor new_event() {
  Descriptor result(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (result.get() < 0) {
    throw WorldError(fmt::format("no event descriptor: {}; raise the limit of open files (ulimit -n)",
                                 std::generic_category().message(errno)));
  }
  return result;
}

void signal(int event) {
  const std::uint64_t one = 1;
  while (::write(event, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void not_served(const char* method) {
  throw WorldError(fmt::format("{} is not served on this connection", method));
}

// What stands before every call of a connection: an accepted hello, and a role that may make it.
class Gate {
 public:
  using Admit = std::function<void(Role role, std::int32_t worker)>;

  Gate(const Identity& identity, const Session& session, Channel& channel, Admit admit)
      : identity_(identity), session_(session), channel_(channel), admit_(std::move(admit)) {}

  // Throws WorldError, which is told to the peer; then `refusal` says so.
  wire::Hello hello(const wire::Hello& hello) {
    peer_ = name_of(hello.role, hello.worker);
    refusal = role_ ? "a second hello on a connection" : refusal_of(hello, Side::kClient, identity_);
    if (refusal.empty() && !wire::_Role_VALUES_TO_NAMES.contains(hello.role)) {
      refusal = fmt::format("there is no role {}", hello.role);
    }
    if (!refusal.empty()) throw WorldError(refusal);
    role_ = static_cast<Role>(hello.role);
    admit_(*role_, hello.worker);
    channel_.trust();
    return hello_of(identity_, Side::kServer);
  }

  // Whether the call may be read and served; else `refusal` says why not.
  bool opens(const std::string& method) {
    if (method == "hello") return true;
    if (!role_) {
      refusal = fmt::format("{:.40} was called before an accepted hello", method);
    } else if (!session_.serves(method, *role_)) {
      refusal = fmt::format("{:.40} is not for {}", method, peer_);
    }
    return refusal.empty();
  }

  const std::string& peer() const { return peer_; }

  std::string refusal;  // once it is there, the connection is to be closed

 private:
  const Identity& identity_;
  const Session& session_;
  Channel& channel_;
  Admit admit_;
  std::optional<Role> role_;
  std::string peer_ = "a stranger";
};

// What generated code calls for the methods without tensor.
class Adapter : public wire::ParameterServerIf {
 public:
  Adapter(Session& session, Gate& gate) : session_(session), gate_(gate) {}

  void hello(wire::Hello& reply, const wire::Hello& hello) override { reply = gate_.hello(hello); }
  void join(wire::JoinReply& reply, const wire::JoinRequest& request) override { reply = session_.join(request); }
  void bye(const wire::ByeRequest& request) override { session_.bye(request); }
  void execute(const std::vector<wire::Order>& orders) override {
    for (const wire::Order& order : orders) {
      if (!wire::_OrderKind_VALUES_TO_NAMES.contains(order.kind)) {
        throw WorldError(fmt::format("order {} is of the unknown kind {}", order.sequence, order.kind));
      }
    }
    session_.execute(orders);
  }
  void status(wire::Status& reply) override { reply = session_.status(); }
  void next_evaluation(wire::EvaluationOrder& reply) override { reply = session_.next_evaluation(); }
  void evaluated(const wire::EvaluationResult& result) override { session_.evaluated(result); }
  void stop(const std::string& reason) override { session_.stop(reason); }

 private:
  // Processor serves these itself.
  void step(wire::Reply&, const wire::StepRequest&, const std::string&) override { not_served("step"); }
  void piece(wire::PieceReply&, const wire::PieceRequest&, const std::string&) override { not_served("piece"); }
  void pull(wire::Reply&, const wire::PullRequest&) override { not_served("pull"); }

  Session& session_;
  Gate& gate_;
};

// Serves step, piece and pull by hand, so that tensors are never copied, and leaves the rest to generated code.
class Processor : public wire::ParameterServerProcessor {
 public:
  Processor(Session& session, Channel& channel, Gate& gate)
      : ParameterServerProcessor(std::make_shared<Adapter>(session, gate)),
        session_(session),
        channel_(channel),
        gate_(gate) {}

  bool process(std::shared_ptr<TProtocol> in, std::shared_ptr<TProtocol> out, void* context) override {
    std::string method;
    TMessageType type{};
    std::int32_t sequence = 0;
    in->readMessageBegin(method, type, sequence);
    if (type != thrift::protocol::T_CALL)
      channel_.malformed(fmt::format("a message of type {}", static_cast<int>(type)));
    return dispatchCall(in.get(), out.get(), method, sequence, context);
  }

 protected:
  bool dispatchCall(TProtocol* in, TProtocol* out, const std::string& method, std::int32_t sequence,
                    void* context) override {
    if (!gate_.opens(method)) {
      in->skip(thrift::protocol::T_STRUCT);
      refuse(*out, method, sequence, gate_.refusal);
    } else if (method == "step") {
      Received<wire::StepRequest> received = receive<wire::StepRequest>(*in);
      reply(*out, method, sequence, received,
            [&] { return session_.step(received.request, std::move(received.tensor), received.duration); });
    } else if (method == "piece") {
      Received<wire::PieceRequest> received = receive<wire::PieceRequest>(*in);
      reply(*out, method, sequence, received,
            [&] { return session_.piece(received.request, std::move(received.tensor), received.duration); });
    } else if (method == "pull") {
      Received<wire::PullRequest> received = receive<wire::PullRequest>(*in);
      reply(*out, method, sequence, received, [&] { return session_.pull(received.request); });
    } else {
      return ParameterServerProcessor::dispatchCall(in, out, method, sequence, context);
    }
    return true;
  }

 private:
  template <class Request>
  struct Received {
    Request request;
    Incoming tensor;
    Duration duration{};
    std::optional<std::string> refusal;
  };

  template <class Request>
  Received<Request> receive(TProtocol& in) {
    constexpr bool kHasTensor = !std::is_same_v<Request, wire::PullRequest>;
    Received<Request> received;
    bool have_request = false;
    bool have_tensor = !kHasTensor;
    const auto take_tensor = [&](std::size_t length) {
      if constexpr (kHasTensor) {
        have_tensor = true;
        try {
          received.tensor = session_.destination(received.request, length);
          PSCTL_CHECK(received.tensor.bytes.size() == length, "the destination is not as long as the tensor");
        } catch (const std::exception& error) {
          received.refusal = error.what();
          received.tensor = {};
          channel_.discard(length);
          return;
        }
        channel_.read_tensor(received.tensor.bytes);
      }
    };
    std::string name;
    in.readStructBegin(name);
    for (;;) {
      TType type{};
      std::int16_t field = 0;
      in.readFieldBegin(name, type, field);
      if (type == thrift::protocol::T_STOP) break;
      if (field == kRequestField) {
        if (type != thrift::protocol::T_STRUCT || have_request) channel_.malformed("a request that is none");
        received.request.read(&in);
        have_request = true;
      } else if (kHasTensor && field == kTensorField) {
        if (type != thrift::protocol::T_STRING || have_tensor) channel_.malformed("a tensor that is none");
        if (!have_request) channel_.malformed("a tensor before its request");
        std::int32_t length = 0;
        in.readI32(length);
        if (length < 0) channel_.malformed(fmt::format("a tensor of {} bytes", length));
        take_tensor(static_cast<std::size_t>(length));
      } else {
        in.skip(type);
      }
      in.readFieldEnd();
    }
    in.readStructEnd();
    if (!have_request) channel_.malformed("no request");
    if (!have_tensor) take_tensor(0);
    in.readMessageEnd();
    received.duration = channel_.message_age();
    in.getTransport()->readEnd();
    return received;
  }

  // Answers with what `act` returns or throws.
  template <class Request, class Act>
  void reply(TProtocol& out, const std::string& method, std::int32_t sequence, Received<Request>& received, Act act) {
    const auto begun = Clock::now();
    std::optional<decltype(act())> answer;
    if (!received.refusal) {
      try {
        answer.emplace(act());
        check(*answer);
      } catch (const std::exception& error) {
        received.refusal = error.what();
      }
    }
    if (received.refusal) {
      answer.reset();
      refuse(out, method, sequence, *received.refusal);
      return;
    }
    out.writeMessageBegin(method, thrift::protocol::T_REPLY, sequence);
    out.writeStructBegin("result");
    out.writeFieldBegin("success", thrift::protocol::T_STRUCT, kSuccessField);
    write(out, *answer, received.duration, Clock::now() - begun);
    out.writeFieldEnd();
    out.writeFieldStop();
    out.writeStructEnd();
    out.writeMessageEnd();
    out.getTransport()->writeEnd();
    out.getTransport()->flush();
  }

  static void refuse(TProtocol& out, const std::string& method, std::int32_t sequence, const std::string& why) {
    out.writeMessageBegin(method, thrift::protocol::T_EXCEPTION, sequence);
    thrift::TApplicationException(thrift::TApplicationException::INTERNAL_ERROR, why).write(&out);
    out.writeMessageEnd();
    out.getTransport()->writeEnd();
    out.getTransport()->flush();
  }

  static void check(const wire::PieceReply&) {}
  static void check(const StepAnswer& answer) { check_tensor_bytes(answer.tensor.bytes.size()); }

  void write(TProtocol& out, wire::PieceReply& answer, Duration receive, Duration) {
    answer.receive_ns = receive.count();
    answer.write(&out);
  }

  void write(TProtocol& out, StepAnswer& answer, Duration receive, Duration hold) {
    answer.header.receive_ns = receive.count();
    answer.header.hold_ns = hold.count();
    out.writeStructBegin("Reply");
    out.writeFieldBegin("header", thrift::protocol::T_STRUCT, kHeaderField);
    answer.header.write(&out);
    out.writeFieldEnd();
    out.writeFieldBegin("tensor", thrift::protocol::T_STRING, kTensorField);
    out.writeI32(static_cast<std::int32_t>(answer.tensor.bytes.size()));
    channel_.attach(answer.tensor.bytes);
    out.writeFieldEnd();
    out.writeFieldStop();
    out.writeStructEnd();
  }

  Session& session_;
  Channel& channel_;
  Gate& gate_;
};

}  // namespace

// ---------------------------------------------------------------- Connection, Hold, Session

Connection::Connection(int socket, std::uint64_t number, std::string peer)
    : socket_(socket), number_(number), peer_(std::move(peer)) {}

bool Connection::peer_gone() const {
  pollfd socket{socket_, POLLRDHUP, 0};
  return ::poll(&socket, 1, 0) > 0;
}

Hold::Hold(const Connection& connection) : socket_(connection.socket_), event_(-1) {
  event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_ < 0) {
    throw WorldError(fmt::format("no event descriptor: {}; raise the limit of open files (ulimit -n)",
                                 std::generic_category().message(errno)));
  }
}

Hold::~Hold() { ::close(event_); }

Hold::End Hold::wait_until(std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    pollfd watched[] = {{event_, POLLIN, 0}, {socket_, POLLRDHUP, 0}};
    const Duration left = std::max(Duration(deadline - Clock::now()), Duration::zero());
    timespec timeout{};
    timeout.tv_sec = static_cast<time_t>(left / std::chrono::seconds(1));
    timeout.tv_nsec = static_cast<long>((left % std::chrono::seconds(1)).count());
    const int ready = ::ppoll(watched, 2, &timeout, nullptr);
    if (ready < 0) {
      PSCTL_CHECK(errno == EINTR, "ppoll: " + std::generic_category().message(errno));
      continue;
    }
    if (watched[0].revents != 0) {
      std::uint64_t releases = 0;
      if (::read(event_, &releases, sizeof releases) == sizeof releases) return End::kReleased;
    }
    if (watched[1].revents != 0) return End::kPeerGone;
    if (ready == 0) return End::kTimeout;
  }
}

void Hold::release() { signal(event_); }

bool Session::serves(std::string_view, Role) const { return true; }
Incoming Session::destination(const wire::StepRequest&, std::size_t) { not_served("step"); }
Incoming Session::destination(const wire::PieceRequest&, std::size_t) { not_served("piece"); }
StepAnswer Session::step(const wire::StepRequest&, Incoming, Duration) { not_served("step"); }
wire::PieceReply Session::piece(const wire::PieceRequest&, Incoming, Duration) { not_served("piece"); }
StepAnswer Session::pull(const wire::PullRequest&) { not_served("pull"); }
wire::JoinReply Session::join(const wire::JoinRequest&) { not_served("join"); }
void Session::bye(const wire::ByeRequest&) { not_served("bye"); }
void Session::execute(const std::vector<wire::Order>&) { not_served("execute"); }
wire::Status Session::status() { not_served("status"); }
wire::EvaluationOrder Session::next_evaluation() { not_served("next_evaluation"); }
void Session::evaluated(const wire::EvaluationResult&) { not_served("evaluated"); }
void Session::stop(const std::string&) { not_served("stop"); }
void Session::closed(Closing, const std::string&) {}

// ---------------------------------------------------------------- Server

struct Server::Impl {
  struct Entry {
    Entry(Descriptor accepted, std::uint64_t number, const std::string& peer)
        : socket(std::move(accepted)), connection(socket.get(), number, peer) {}
    Descriptor socket;
    Connection connection;
    std::thread thread;
    bool stranger = true;           // its hello has not been accepted
    std::atomic<bool> cut = false;  // to make room for other strangers
    bool done = false;
  };

  void accept_all();
  void admit(Descriptor socket);
  void serve(Entry& entry);
  void serve_messages(Entry& entry, Session& session);
  void reap();
  void cut_oldest_stranger();  // with the lock held, if there are too many
  std::size_t open() const;    // with the lock held
  void report(const std::string& what);

  Address address;
  Accept accept;
  ServerOptions options;
  Descriptor listener, stop_event;
  std::thread acceptor;
  std::mutex report_mutex, shutdown_mutex;

  mutable std::mutex mutex;
  std::condition_variable ended;
  std::list<Entry> entries;
  std::uint64_t accepted = 0;
  bool stopping = false;
  std::uint64_t reports = 0;  // guarded by report_mutex
};

// Strangers may come as often as they like, and are not to fill the log.
void Server::Impl::report(const std::string& what) {
  constexpr std::uint64_t kAllOf = 20;
  const std::lock_guard lock(report_mutex);
  ++reports;
  if (reports <= kAllOf) return options.report(what);
  if (std::has_single_bit(reports)) options.report(fmt::format("{} ({} such so far)", what, reports));
}

std::size_t Server::Impl::open() const {
  return static_cast<std::size_t>(std::ranges::count(entries, false, &Entry::done));
}

void Server::Impl::reap() {
  std::list<Entry> finished;
  {
    const std::lock_guard lock(mutex);
    for (auto entry = entries.begin(); entry != entries.end();) {
      const auto next = std::next(entry);
      if (entry->done) finished.splice(finished.end(), entries, entry);
      entry = next;
    }
  }
  for (Entry& entry : finished) entry.thread.join();
}

void Server::Impl::cut_oldest_stranger() {
  const auto waits = [](const Entry& entry) { return entry.stranger && !entry.cut && !entry.done; };
  if (static_cast<std::size_t>(std::ranges::count_if(entries, waits)) < options.max_strangers) return;
  Entry& oldest = *std::ranges::find_if(entries, waits);
  oldest.cut = true;
  ::shutdown(oldest.socket.get(), SHUT_RDWR);
}

void Server::Impl::accept_all() {
  for (;;) {
    pollfd watched[] = {{listener.get(), POLLIN, 0}, {stop_event.get(), POLLIN, 0}};
    ::poll(watched, 2, -1);
    if (watched[1].revents != 0) return;
    reap();
    Descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket.get() >= 0) {
      admit(std::move(socket));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      report(fmt::format("{}: a connection cannot be accepted: {}", address.text(),
                         std::generic_category().message(errno)));
      ::poll(watched + 1, 1, 100);  // else the waiting connection would wake us again at once
    }
  }
}

void Server::Impl::admit(Descriptor socket) {
  const std::string from = peer_text(socket.get(), address.kind);
  std::string refusal;
  {
    const std::lock_guard lock(mutex);
    cut_oldest_stranger();
    const auto holds_a_place = [](const Entry& entry) { return !entry.done && !entry.cut; };
    if (static_cast<std::size_t>(std::ranges::count_if(entries, holds_a_place)) < options.max_connections) {
      ++accepted;
      entries.emplace_back(std::move(socket), accepted, fmt::format("connection {} from {}", accepted, from));
      Entry& entry = entries.back();
      try {
        entry.thread = std::thread([this, &entry] { serve(entry); });
        return;
      } catch (const std::system_error& error) {
        refusal = error.what();
        entries.pop_back();
      }
    } else {
      refusal = fmt::format("there are {} connections already", options.max_connections);
    }
  }
  report(fmt::format("{}: turned away {}: {}", address.text(), from, refusal));
}

void Server::Impl::serve(Entry& entry) {
  ::pthread_setname_np(::pthread_self(), fmt::format("rpc-{}", entry.connection.number() % 1'000'000'000).c_str());
  try {
    prepare_connected(entry.socket.get(), address.kind, options.timeout);
    const std::unique_ptr<Session> session = accept(entry.connection);
    PSCTL_CHECK(session != nullptr, "no session for an accepted connection");
    serve_messages(entry, *session);
  } catch (const std::exception& error) {
    report(fmt::format("{}: turned away {}: {}", address.text(), entry.connection.peer(), error.what()));
  }
  const std::lock_guard lock(mutex);
  entry.socket = Descriptor();
  entry.done = true;
  ended.notify_all();
}

void Server::Impl::serve_messages(Entry& entry, Session& session) {
  Closing closing = Closing::kPeerLeft;
  std::string why = entry.connection.peer() + " closed";
  std::optional<std::string> turned_away = "a stranger";
  const auto shutting_down = [this] {
    const std::lock_guard lock(mutex);
    return stopping;
  };
  try {
    const auto channel = std::make_shared<Channel>(entry.socket.get(), entry.connection.peer(), options.timeout);
    const auto protocol = std::make_shared<Protocol>(channel);
    Gate gate(options.identity, session, *channel, [&](Role role, std::int32_t worker) {
      const std::lock_guard lock(mutex);
      entry.stranger = false;
      entry.connection.role_ = role;
      entry.connection.worker_ = worker;
      turned_away.reset();
    });
    Processor processor(session, *channel, gate);
    while (!shutting_down() && channel->wait_message(!turned_away)) {
      processor.process(protocol, protocol, nullptr);
      if (gate.refusal.empty()) continue;
      turned_away = gate.peer();
      throw WorldError(fmt::format("{}: {}", entry.connection.peer(), gate.refusal));
    }
  } catch (const thrift::protocol::TProtocolException& error) {
    closing = Closing::kFault;
    why = fmt::format("{} sent what is not a message of psctl: {}", entry.connection.peer(), error.what());
  } catch (const std::exception& error) {
    closing = Closing::kFault;
    why = error.what();
  }
  if (shutting_down()) {
    closing = Closing::kShutdown;
    why = entry.connection.peer() + " was closed by the shutdown of this server";
  } else if (turned_away) {
    if (entry.cut) why = fmt::format("{} made room for {} later ones", entry.connection.peer(), options.max_strangers);
    report(fmt::format("{}: turned away {}: {}", address.text(), *turned_away, why));
  }
  session.closed(closing, why);
}

Server::Server(const Address& address, Accept accept, ServerOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->address = address;
  impl_->accept = std::move(accept);
  impl_->options = std::move(options);
  impl_->listener = listen_at(impl_->address);
  impl_->stop_event = new_event();
  impl_->acceptor = std::thread([impl = impl_.get()] {
    ::pthread_setname_np(::pthread_self(), "rpc-accept");
    impl->accept_all();
  });
}

Server::~Server() { shutdown(); }

const Address& Server::address() const { return impl_->address; }

std::size_t Server::connections() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->open();
}

void Server::shutdown(Duration grace) {
  const std::lock_guard one_at_a_time(impl_->shutdown_mutex);
  if (!impl_->acceptor.joinable()) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  signal(impl_->stop_event.get());
  impl_->acceptor.join();
  impl_->listener = Descriptor();
  {
    std::unique_lock lock(impl_->mutex);
    const auto cut = [&](int how) {
      for (Impl::Entry& entry : impl_->entries) {
        if (!entry.done) ::shutdown(entry.socket.get(), how);
      }
    };
    if (grace > Duration::zero()) {
      cut(SHUT_RD);
      impl_->ended.wait_for(lock, grace, [&] { return impl_->open() == 0; });
    }
    cut(SHUT_RDWR);
    impl_->ended.wait(lock, [&] { return impl_->open() == 0; });
  }
  impl_->reap();
}

}  // namespace psctl::rpc
