// What the tests of the transport share: bytes that can be told apart, requests, and a server that sends back what
// came.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <poll.h>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thrift/transport/TBufferTransports.h>
#include <utility>
#include <vector>

#include "rpc/channel.h"
#include "rpc/hello.h"
#include "rpc/transport.h"
#include "rpc/wire/ParameterServer.h"

namespace psctl::rpc::testing {

using Bytes = std::vector<std::byte>;

// Every position and every seed gives other bytes, so that a shifted or foreign tensor shows.
inline Bytes pattern(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (std::size_t at = 0; at < size; ++at) {
    if (at % 8 == 0) state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    bytes[at] = static_cast<std::byte>(state >> (8 * (at % 8)));
  }
  return bytes;
}

inline wire::StepRequest step_request(std::int32_t worker = 0, std::int64_t push = 1) {
  wire::StepRequest request;
  request.worker = worker;
  request.push = push;
  request.steps = 1;
  request.samples = 64;
  request.loss = 0.5;
  return request;
}

inline wire::PullRequest pull_request(std::int64_t version = 1) {
  wire::PullRequest request;
  request.version = version;
  return request;
}

inline wire::ReplyHeader header(wire::ReplyKind::type kind = wire::ReplyKind::RELEASE, std::int64_t version = 0) {
  wire::ReplyHeader result;
  result.kind = kind;
  result.version = version;
  return result;
}

// What an Echo has seen, over all its connections.
struct Seen {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t steps = 0, pieces = 0, stops = 0;
  std::vector<std::pair<Closing, std::string>> closed;

  // Waits until so many connections were closed; the last one.
  std::pair<Closing, std::string> wait_closed(std::size_t count = 1) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return closed.size() >= count; });
    return closed.back();
  }
};

// step sends back what was pushed; pull sends `model`.
class Echo : public Session {
 public:
  static constexpr std::size_t kLargest = 130 << 20;

  Echo(std::shared_ptr<Seen> seen, std::shared_ptr<const Bytes> model)
      : seen_(std::move(seen)), model_(std::move(model)) {}

  Incoming destination(const wire::StepRequest& request, std::size_t length) override {
    if (request.empty && length != 0) throw WorldError("an empty push has no tensor");
    return room(length);
  }
  Incoming destination(const wire::PieceRequest&, std::size_t length) override { return room(length); }

  StepAnswer step(const wire::StepRequest& request, Incoming tensor, Duration) override {
    const std::lock_guard lock(seen_->mutex);
    ++seen_->steps;
    return {header(wire::ReplyKind::RELEASE, request.push), {tensor.bytes, tensor.owner}};
  }
  wire::PieceReply piece(const wire::PieceRequest&, Incoming, Duration) override {
    const std::lock_guard lock(seen_->mutex);
    ++seen_->pieces;
    return {};
  }
  StepAnswer pull(const wire::PullRequest& request) override {
    return {header(wire::ReplyKind::RELEASE, request.version), {*model_, model_}};
  }
  void stop(const std::string&) override {
    const std::lock_guard lock(seen_->mutex);
    ++seen_->stops;
  }
  wire::Status status() override {
    wire::Status status;
    const std::lock_guard lock(seen_->mutex);
    status.sequence = static_cast<std::int64_t>(seen_->steps);
    return status;
  }
  void closed(Closing closing, const std::string& why) override {
    const std::lock_guard lock(seen_->mutex);
    seen_->closed.emplace_back(closing, why);
    seen_->changed.notify_all();
  }

 private:
  Incoming room(std::size_t length) {
    if (length > kLargest) throw WorldError("the tensor is longer than any model here");
    if (buffer_ == nullptr || buffer_->size() != length) buffer_ = std::make_shared<Bytes>(length);
    return {*buffer_, buffer_};
  }

  std::shared_ptr<Seen> seen_;
  std::shared_ptr<const Bytes> model_;
  std::shared_ptr<Bytes> buffer_;
};

struct EchoServer {
  explicit EchoServer(const Address& address = Address::unix_socket(), ServerOptions options = {},
                      Bytes model_bytes = {})
      : model(std::make_shared<const Bytes>(std::move(model_bytes))),
        server(
            address, [this](const Connection&) { return std::make_unique<Echo>(seen, model); }, std::move(options)) {}

  const Address& address() const { return server.address(); }

  std::shared_ptr<Seen> seen = std::make_shared<Seen>();
  std::shared_ptr<const Bytes> model;
  Server server;
};

inline std::vector<Address> both_kinds() { return {Address::unix_socket(), Address::tcp()}; }

// A peer that does not use the transport: what it sends is up to the test.
class RawPeer {
 public:
  explicit RawPeer(const Address& address)
      : socket_(connect_to(address, std::chrono::seconds(5), {})), kind_(address.kind) {
    prepare_connected(socket_.get(), kind_, std::chrono::seconds(30));
  }
  // From a listener of listen_at(), which does not block.
  static RawPeer accept_from(int listener, Address::Kind kind) {
    pollfd watched{listener, POLLIN, 0};
    ::poll(&watched, 1, -1);
    return RawPeer(Descriptor(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)), kind);
  }

  // False: the other end closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void end_sending() { ::shutdown(socket_.get(), SHUT_WR); }
  // So many bytes, or fewer if the other end closes before; nothing given: all until it closes.
  std::string receive(std::size_t size = std::string::npos) {
    std::string result;
    char buffer[4096];
    while (result.size() < size) {
      const ssize_t got = ::recv(socket_.get(), buffer, std::min(sizeof buffer, size - result.size()), 0);
      if (got <= 0) break;
      result.append(buffer, static_cast<std::size_t>(got));
    }
    return result;
  }

 private:
  RawPeer(Descriptor socket, Address::Kind kind) : socket_(std::move(socket)), kind_(kind) {
    prepare_connected(socket_.get(), kind_, std::chrono::seconds(30));
  }
  Descriptor socket_;
  Address::Kind kind_;
};

// The bytes of a call or an answer, as Thrift's generated code makes them.
inline std::string wire_bytes(
    const std::function<void(wire::ParameterServerClient&, apache::thrift::protocol::TProtocol&)>& write) {
  const auto memory = std::make_shared<apache::thrift::transport::TMemoryBuffer>();
  const auto protocol = std::make_shared<apache::thrift::protocol::TBinaryProtocol>(memory);
  wire::ParameterServerClient client(protocol);
  write(client, *protocol);
  return memory->getBufferAsString();
}
// A client's first words.
inline wire::Hello hello_as(Role role, std::int32_t worker = -1, const Identity& identity = {}) {
  wire::Hello hello = hello_of(identity, Side::kClient);
  hello.__set_role(role);
  hello.__set_worker(worker);
  return hello;
}
inline std::string hello_bytes(const wire::Hello& hello = hello_as(Role::WATCHER)) {
  return wire_bytes([&](auto& client, auto&) { client.send_hello(hello); });
}

template <class Result>
std::string answer_bytes(const std::string& method, std::int32_t sequence, Result& result) {
  return wire_bytes([&](auto&, auto& protocol) {
    protocol.writeMessageBegin(method, apache::thrift::protocol::T_REPLY, sequence);
    result.write(&protocol);
    protocol.writeMessageEnd();
  });
}

// The error that `act` throws; it must throw one.
inline RpcError rpc_error(const std::function<void()>& act) {
  try {
    act();
  } catch (const RpcError& error) {
    return error;
  }
  throw std::logic_error("no RpcError was thrown");
}

}  // namespace psctl::rpc::testing

namespace psctl::rpc {

inline std::ostream& operator<<(std::ostream& out, RpcError::Kind kind) {
  constexpr const char* kNames[] = {"kConnect", "kTimeout", "kClosed", "kMalformed", "kRefused"};
  return out << kNames[static_cast<int>(kind)];
}
inline std::ostream& operator<<(std::ostream& out, Closing closing) {
  constexpr const char* kNames[] = {"kPeerLeft", "kShutdown", "kFault"};
  return out << kNames[static_cast<int>(closing)];
}
inline std::ostream& operator<<(std::ostream& out, Hold::End end) {
  constexpr const char* kNames[] = {"kReleased", "kPeerGone", "kTimeout"};
  return out << kNames[static_cast<int>(end)];
}

}  // namespace psctl::rpc
