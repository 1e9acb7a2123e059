// What the tests of the transport share: bytes that can be told apart, requests, and a server that sends back what
// came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "rpc/transport.h"

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
  request.role = wire::Role::WORKER;
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
  std::size_t steps = 0, pieces = 0;
  std::vector<std::pair<Closing, std::string>> closed;
};

// step sends back what was pushed; pull sends `model`.
class Echo : public Session {
 public:
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
  wire::Status status() override {
    wire::Status status;
    const std::lock_guard lock(seen_->mutex);
    status.sequence = static_cast<std::int64_t>(seen_->steps);
    return status;
  }
  void closed(Closing closing, const std::string& why) override {
    const std::lock_guard lock(seen_->mutex);
    seen_->closed.emplace_back(closing, why);
  }

 private:
  Incoming room(std::size_t length) {
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

// The error that `act` throws; a failed check if it throws none.
inline RpcError rpc_error(const std::function<void()>& act) {
  try {
    act();
  } catch (const RpcError& error) {
    return error;
  }
  return RpcError(RpcError::Kind::kRefused, "(no error)");
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
