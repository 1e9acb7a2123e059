// The client's side of the transport.
#include <atomic>
#include <fmt/format.h>
#include <optional>
#include <sys/socket.h>
#include <thrift/TApplicationException.h>

#include "rpc/channel.h"
#include "rpc/hello.h"
#include "rpc/protocol.h"
#include "rpc/transport.h"
#include "rpc/wire/ParameterServer.h"

namespace psctl::rpc {
namespace {

namespace thrift = apache::thrift;
using thrift::TApplicationException;
using thrift::protocol::TMessageType;
using thrift::protocol::TType;
using Kind = RpcError::Kind;

// Lets nothing pass but the answer to the call that was made.
class ClientProtocol : public Protocol {
 public:
  explicit ClientProtocol(std::shared_ptr<Channel> channel) : Protocol(std::move(channel)) {}

  void expect(std::string method, std::int32_t sequence) {
    method_ = std::move(method);
    sequence_ = sequence;
  }
  const std::string& expected() const { return method_; }
  Clock::time_point begun() const { return begun_; }

  std::uint32_t readMessageBegin_virt(std::string& name, TMessageType& type, std::int32_t& sequence) override {
    if (!channel().wait_message(false)) {
      throw RpcError(Kind::kClosed, fmt::format("the server closed the connection instead of answering {}: it may have "
                                                "ended, or have no room for another connection",
                                                method_));
    }
    begun_ = Clock::now();
    const std::uint32_t size = Protocol::readMessageBegin(name, type, sequence);
    if (type != thrift::protocol::T_REPLY && type != thrift::protocol::T_EXCEPTION) {
      channel().malformed(fmt::format("a message of type {} in answer to {}", static_cast<int>(type), method_));
    }
    if (name != method_ || sequence != sequence_) {
      channel().malformed(
          fmt::format("answer {} to \"{:.40}\" where {} to {} was expected", sequence, name, sequence_, method_));
    }
    return size;
  }

 private:
  std::string method_;
  std::int32_t sequence_ = 0;
  Clock::time_point begun_{};
};

}  // namespace

struct Client::Impl {
  Impl(const Address& at, const ClientOptions& options)
      : address(at), socket(connect_to(at, options.timeout, options.patience)) {
    prepare_connected(socket.get(), address.kind, options.timeout);
    channel = std::make_shared<Channel>(socket.get(), "the server at " + address.text(), options.timeout);
    protocol = std::make_shared<ClientProtocol>(channel);
    generated = std::make_unique<wire::ParameterServerClient>(protocol);
  }

  // Runs a part of a call; after a failure that leaves the stream in an unknown place, drops the connection.
  template <class Part>
  auto guarded(Part part) {
    if (broken) throw *broken;
    try {
      return part();
    } catch (const RpcError& error) {
      if (error.kind() == Kind::kRefused) throw;
      drop(error);
    } catch (const TApplicationException& error) {
      if (error.getType() != TApplicationException::MISSING_RESULT) {
        throw RpcError(Kind::kRefused, fmt::format("the server at {} refused {}: {:.1000}", address.text(),
                                                   protocol->expected(), error.what()));
      }
      drop(RpcError(Kind::kMalformed,
                    fmt::format("the server at {} answered {} with nothing", address.text(), protocol->expected())));
    } catch (const thrift::TException& error) {
      drop(RpcError(Kind::kMalformed, fmt::format("the server at {} sent what is not a message of psctl: {}",
                                                  address.text(), error.what())));
    }
  }

  [[noreturn]] void drop(const RpcError& error) {
    broken =
        interrupted ? RpcError(Kind::kClosed, "the connection with " + address.text() + " was given up here") : error;
    ::shutdown(socket.get(), SHUT_RDWR);
    throw *broken;
  }

  // A method without tensor.
  template <class Call>
  auto plain(const char* method, Call call) {
    PSCTL_CHECK(pending.empty(), "the answer to " + pending + " has not been received");
    return guarded([&] {
      protocol->expect(method, 0);
      return call(*generated);
    });
  }

  template <class Request>
  void send(const char* method, const Request& request, std::span<const std::byte> tensor) {
    PSCTL_CHECK(pending.empty(), "the answer to " + pending + " has not been received");
    check_tensor_bytes(tensor.size());
    guarded([&] {
      const auto begun = Clock::now();
      sequence = sequence == 0x7fffffff ? 1 : sequence + 1;
      protocol->expect(method, sequence);
      protocol->writeMessageBegin(method, thrift::protocol::T_CALL, sequence);
      protocol->writeStructBegin("args");
      protocol->writeFieldBegin("request", thrift::protocol::T_STRUCT, kRequestField);
      request.write(protocol.get());
      protocol->writeFieldEnd();
      if constexpr (!std::is_same_v<Request, wire::PullRequest>) {
        protocol->writeFieldBegin("tensor", thrift::protocol::T_STRING, kTensorField);
        protocol->writeI32(static_cast<std::int32_t>(tensor.size()));
        channel->attach(tensor);
        protocol->writeFieldEnd();
      }
      protocol->writeFieldStop();
      protocol->writeStructEnd();
      protocol->writeMessageEnd();
      channel->flush();
      sent = Clock::now();
      send_duration = sent - begun;
    });
    pending = method;
  }

  // Reads the message around the result; `take(type)` reads the field that holds it.
  template <class Take>
  void receive(const char* method, Take take) {
    PSCTL_CHECK(broken || pending == method, std::string(method) + " was not sent");
    pending.clear();
    guarded([&] {
      std::string name;
      TMessageType type{};
      std::int32_t number = 0;
      protocol->readMessageBegin_virt(name, type, number);
      if (type == thrift::protocol::T_EXCEPTION) {
        TApplicationException refusal;
        refusal.read(protocol.get());
        channel->readEnd();
        throw refusal;
      }
      bool taken = false;
      read_fields([&](std::int16_t field, TType field_type) {
        if (field != kSuccessField || field_type != thrift::protocol::T_STRUCT || taken) return false;
        take();
        return taken = true;
      });
      if (!taken) channel->malformed(std::string("no result of ") + method);
      channel->readEnd();
    });
  }

  // A struct; fields that `take` does not want are skipped.
  template <class Take>
  void read_fields(Take take) {
    std::string name;
    protocol->readStructBegin(name);
    for (;;) {
      TType type{};
      std::int16_t field = 0;
      protocol->readFieldBegin(name, type, field);
      if (type == thrift::protocol::T_STOP) break;
      if (!take(field, type)) protocol->skip(type);
      protocol->readFieldEnd();
    }
    protocol->readStructEnd();
  }

  Answer receive_reply(const char* method, std::span<std::byte> model) {
    Answer answer;
    receive(method, [&] {
      bool have_header = false;
      bool have_tensor = false;
      read_fields([&](std::int16_t field, TType type) {
        if (field == kHeaderField && type == thrift::protocol::T_STRUCT && !have_header) {
          answer.header.read(protocol.get());
          return have_header = true;
        }
        if (field == kTensorField && type == thrift::protocol::T_STRING && !have_tensor) {
          std::int32_t length = 0;
          protocol->readI32(length);
          if (length < 0 || (length != 0 && static_cast<std::size_t>(length) != model.size())) {
            channel->malformed(fmt::format("a tensor of {} bytes where {} were expected", length, model.size()));
          }
          if (length > 0) channel->read_tensor(model);
          answer.tensor = length > 0;
          return have_tensor = true;
        }
        return false;
      });
      if (!have_header) channel->malformed("a reply without its header");
      if (!wire::_ReplyKind_VALUES_TO_NAMES.contains(answer.header.kind)) {
        channel->malformed(fmt::format("a reply of the unknown kind {}", answer.header.kind));
      }
    });
    answer.send = send_duration;
    answer.wait = protocol->begun() - sent;
    answer.receive = channel->message_age();
    return answer;
  }

  Address address;
  Descriptor socket;
  std::shared_ptr<Channel> channel;
  std::shared_ptr<ClientProtocol> protocol;
  std::unique_ptr<wire::ParameterServerClient> generated;
  std::optional<RpcError> broken;
  std::atomic<bool> interrupted = false;
  std::string pending;  // the method that was sent and not yet received
  std::int32_t sequence = 0;
  Clock::time_point sent{};
  Duration send_duration{};
};

Client::Client(const Address& address, ClientOptions options) : impl_(std::make_unique<Impl>(address, options)) {
  wire::Hello reply;
  try {
    impl_->plain("hello", [&](auto& generated) {
      wire::Hello hello = hello_of(options.identity, Side::kClient);
      hello.__set_role(options.role);
      hello.__set_worker(options.worker);
      generated.hello(reply, hello);
    });
  } catch (const RpcError& error) {
    const bool somebody = error.kind() == Kind::kRefused || error.kind() == Kind::kMalformed;
    throw RpcError(somebody ? error.kind() : Kind::kConnect,
                   fmt::format("{}: no psctl server of this run with room for one more answers: {}", address.text(),
                               error.what()));
  }
  if (const std::string refusal = refusal_of(reply, Side::kServer, options.identity); !refusal.empty()) {
    throw RpcError(Kind::kRefused, fmt::format("{}: this process turns the server away: {}", address.text(), refusal));
  }
  impl_->channel->trust();
}

Client::~Client() = default;

const Address& Client::address() const { return impl_->address; }

void Client::interrupt() {
  impl_->interrupted = true;
  ::shutdown(impl_->socket.get(), SHUT_RDWR);
}

void Client::send_step(const wire::StepRequest& request, std::span<const std::byte> push) {
  impl_->send("step", request, push);
}
Answer Client::receive_step(std::span<std::byte> model) { return impl_->receive_reply("step", model); }
Answer Client::step(const wire::StepRequest& request, std::span<const std::byte> push, std::span<std::byte> model) {
  send_step(request, push);
  return receive_step(model);
}

void Client::send_piece(const wire::PieceRequest& request, std::span<const std::byte> piece) {
  impl_->send("piece", request, piece);
}
wire::PieceReply Client::receive_piece() {
  wire::PieceReply reply;
  impl_->receive("piece", [&] { reply.read(impl_->protocol.get()); });
  return reply;
}
wire::PieceReply Client::piece(const wire::PieceRequest& request, std::span<const std::byte> piece) {
  send_piece(request, piece);
  return receive_piece();
}

void Client::send_pull(const wire::PullRequest& request) { impl_->send("pull", request, {}); }
Answer Client::receive_pull(std::span<std::byte> model) { return impl_->receive_reply("pull", model); }
Answer Client::pull(const wire::PullRequest& request, std::span<std::byte> model) {
  send_pull(request);
  return receive_pull(model);
}

wire::JoinReply Client::join(const wire::JoinRequest& request) {
  wire::JoinReply reply;
  impl_->plain("join", [&](auto& generated) { generated.join(reply, request); });
  return reply;
}
void Client::bye(const wire::ByeRequest& request) {
  impl_->plain("bye", [&](auto& generated) { generated.bye(request); });
}
void Client::execute(const std::vector<wire::Order>& orders) {
  impl_->plain("execute", [&](auto& generated) { generated.execute(orders); });
}
wire::Status Client::status() {
  wire::Status reply;
  impl_->plain("status", [&](auto& generated) { generated.status(reply); });
  return reply;
}
wire::EvaluationOrder Client::next_evaluation() {
  wire::EvaluationOrder reply;
  impl_->plain("next_evaluation", [&](auto& generated) { generated.next_evaluation(reply); });
  return reply;
}
void Client::evaluated(const wire::EvaluationResult& result) {
  impl_->plain("evaluated", [&](auto& generated) { generated.evaluated(result); });
}
void Client::stop(const std::string& reason) {
  impl_->plain("stop", [&](auto& generated) { generated.stop(reason); });
}

}  // namespace psctl::rpc
