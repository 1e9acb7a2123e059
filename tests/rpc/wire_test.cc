// What passes tensors by hand is still Thrift: each end talks with code that Thrift generated from psctl.thrift.
#include <boost/test/unit_test.hpp>
#include <future>
#include <thread>
#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/server/TThreadedServer.h>
#include <thrift/transport/TBufferTransports.h>
#include <thrift/transport/TServerSocket.h>
#include <thrift/transport/TSocket.h>

#include "rpc/transport.h"
#include "rpc/wire/ParameterServer.h"
#include "rpc_support.h"

using namespace psctl;
using namespace psctl::rpc;
using namespace psctl::rpc::testing;
namespace thrift = apache::thrift;

namespace {

constexpr std::size_t kLengths[] = {0, 1, 1 << 10, 70'000, 1 << 20, 16 << 20};

std::string text(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// A server as a beginner's tutorial has it.
class PlainHandler : public wire::ParameterServerNull {
 public:
  void hello(wire::Hello& reply, const wire::Hello& hello) override { reply = hello; }
  void step(wire::Reply& reply, const wire::StepRequest& request, const std::string& tensor) override {
    reply.header = header(wire::ReplyKind::RELEASE, request.push);
    reply.tensor = tensor;
  }
  void piece(wire::PieceReply& reply, const wire::PieceRequest& request, const std::string& tensor) override {
    reply.receive_ns = static_cast<std::int64_t>(tensor.size()) + request.push;
  }
  void pull(wire::Reply& reply, const wire::PullRequest& request) override {
    reply.header = header(wire::ReplyKind::HELD, request.version);
    reply.tensor = text(pattern(static_cast<std::size_t>(request.sequence), 9));
  }
  void stop(const std::string& reason) override { throw WorldError("no stop for " + reason); }
};

struct PlainServer : thrift::server::TServerEventHandler {
  PlainServer()
      : socket(std::make_shared<thrift::transport::TServerSocket>("127.0.0.1", 0)),
        server(std::make_shared<wire::ParameterServerProcessor>(std::make_shared<PlainHandler>()), socket,
               std::make_shared<thrift::transport::TBufferedTransportFactory>(),
               std::make_shared<thrift::protocol::TBinaryProtocolFactory>()) {
    server.setServerEventHandler(std::shared_ptr<thrift::server::TServerEventHandler>(this, [](auto*) {}));
    thread = std::thread([this] { server.serve(); });
    listening.get_future().wait();
  }
  ~PlainServer() override {
    server.stop();
    thread.join();
  }
  void preServe() override { listening.set_value(); }

  std::promise<void> listening;
  std::shared_ptr<thrift::transport::TServerSocket> socket;
  thrift::server::TThreadedServer server;
  std::thread thread;
};

// Of an accepted hello.
std::size_t answer_size() {
  wire::ParameterServer_hello_result result;
  result.success = hello_of({}, Side::kServer);
  result.__isset.success = true;
  return answer_bytes("hello", 0, result).size();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(wire_format)

BOOST_AUTO_TEST_CASE(a_generated_client_talks_with_our_server) {
  for (const Address& address : both_kinds()) {
    EchoServer server(address, {}, pattern(1 << 20, 4));
    const Address at = server.address();
    const auto socket = at.kind == Address::Kind::kUnix
                            ? std::make_shared<thrift::transport::TSocket>(std::string(1, '\0') + at.host)
                            : std::make_shared<thrift::transport::TSocket>(at.host, at.port);
    const auto transport = std::make_shared<thrift::transport::TBufferedTransport>(socket);
    wire::ParameterServerClient client(std::make_shared<thrift::protocol::TBinaryProtocol>(transport));
    transport->open();
    wire::Hello hello;
    client.hello(hello, hello_as(Role::WORKER, 1));
    for (const std::size_t length : kLengths) {
      const std::string tensor = text(pattern(length, 2));
      wire::Reply reply;
      client.step(reply, step_request(1, 5), tensor);
      BOOST_TEST(reply.header.version == 5);
      BOOST_TEST((reply.tensor == tensor));
      wire::PieceReply piece;
      client.piece(piece, {}, tensor);
      BOOST_TEST(piece.receive_ns > 0);
    }
    wire::Reply reply;
    client.pull(reply, pull_request(8));
    BOOST_TEST(reply.header.version == 8);
    BOOST_TEST((reply.tensor == text(*server.model)));
    wire::Status status;
    client.status(status);
    BOOST_TEST(status.sequence == std::size(kLengths));
    BOOST_CHECK_THROW(client.next_evaluation(*std::make_unique<wire::EvaluationOrder>()),
                      thrift::TApplicationException);
    client.status(status);
    transport->close();
  }
}

BOOST_AUTO_TEST_CASE(our_client_talks_with_a_generated_server) {
  PlainServer plain;
  Client client(Address::tcp(static_cast<std::uint16_t>(plain.socket->getPort())));
  for (const std::size_t length : kLengths) {
    const Bytes push = pattern(length, 6);
    Bytes model(length);
    BOOST_TEST(client.step(step_request(1, 5), push, model).header.version == 5);
    BOOST_TEST((model == push));
    wire::PieceRequest piece;
    piece.push = 1;
    BOOST_TEST(client.piece(piece, push).receive_ns == static_cast<std::int64_t>(length) + 1);
    wire::PullRequest pull = pull_request(3);
    pull.sequence = static_cast<std::int64_t>(length);
    BOOST_TEST(client.pull(pull, model).header.kind == wire::ReplyKind::HELD);
    BOOST_TEST((model == pattern(length, 9)));
  }
  const RpcError error = rpc_error([&] { client.stop("this"); });
  BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
  BOOST_TEST(std::string(error.what()).find("no stop for this") != std::string::npos);
  client.bye({});
}

BOOST_AUTO_TEST_CASE(arguments_may_come_with_fields_of_a_later_version) {
  EchoServer server;
  RawPeer peer(server.address());
  peer.send(hello_bytes());
  peer.receive(answer_size());
  namespace protocol = thrift::protocol;
  peer.send(wire_bytes([](auto&, protocol::TProtocol& out) {
    out.writeMessageBegin("step", protocol::T_CALL, 77);
    out.writeFieldBegin("request", protocol::T_STRUCT, 1);
    step_request(1, 5).write(&out);
    out.writeFieldBegin("later", protocol::T_LIST, 9);
    out.writeListBegin(protocol::T_STRING, 2);
    out.writeString(std::string("a"));
    out.writeString(std::string("b"));
    out.writeFieldStop();
  }));
  peer.end_sending();
  const std::string answer = peer.receive();
  BOOST_TEST_REQUIRE(answer.size() > 16);
  BOOST_TEST(answer.substr(8, 4) == "step");
  BOOST_TEST(answer[15] == 77);
  BOOST_TEST(server.seen->wait_closed().first == Closing::kPeerLeft);
}

BOOST_AUTO_TEST_SUITE_END()
