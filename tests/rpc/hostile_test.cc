// Whatever bytes come, neither end crashes, hangs or writes where it should not, and other connections do not notice.
#include <boost/test/unit_test.hpp>
#include <thread>

#include "base/random.h"
#include "rpc/transport.h"
#include "rpc_support.h"

using namespace psctl;
using namespace psctl::rpc;
using namespace psctl::rpc::testing;
namespace protocol = apache::thrift::protocol;

namespace {

void append(std::string& bytes, std::uint32_t big_endian) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(big_endian >> shift);
}

// One to three changes of the kinds that parsers stumble over.
std::string mutated(std::string bytes, Draws& draws) {
  constexpr std::uint32_t kLengths[] = {0,          1,          0x7fffffff, 0x80000000, 0xffffffff,
                                        0x00100000, 0x00010001, 0x40000000, 0x20000000};
  for (std::uint64_t changes = 1 + draws.below(3); changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = draws.below(bytes.size());
    switch (draws.below(6)) {
      case 0:
        bytes[at] = static_cast<char>(draws.bits());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << draws.below(8)));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.insert(at, bytes.substr(draws.below(bytes.size()), draws.below(40)));
        break;
      case 4:
        bytes.erase(at, 1 + draws.below(8));
        break;
      case 5: {
        std::string length;
        append(length, kLengths[draws.below(std::size(kLengths))]);
        bytes.replace(at, 4, length);
        break;
      }
    }
  }
  return bytes;
}

std::vector<std::string> calls() {
  std::vector<wire::Order> orders(3);
  orders[1].kind = wire::OrderKind::UPDATE;
  orders[1].shares.resize(4);
  return {
      wire_bytes([](auto& client, auto&) { client.send_step(step_request(), std::string(100, 't')); }),
      wire_bytes([](auto& client, auto&) { client.send_step(step_request(), ""); }),
      wire_bytes([](auto& client, auto&) { client.send_piece({}, std::string(3000, 't')); }),
      wire_bytes([](auto& client, auto&) { client.send_pull(pull_request()); }),
      wire_bytes([](auto& client, auto&) { client.send_hello({}); }),
      wire_bytes([](auto& client, auto&) { client.send_join({}); }),
      wire_bytes([&](auto& client, auto&) { client.send_execute(orders); }),
      wire_bytes([](auto& client, auto&) { client.send_stop("enough"); }),
      wire_bytes([](auto& client, auto&) { client.send_status(); }),
  };
}

// A call of step whose arguments are up to the test.
std::string step_with(const std::function<void(protocol::TProtocol&)>& arguments) {
  return wire_bytes([&](auto&, protocol::TProtocol& out) {
    out.writeMessageBegin("step", protocol::T_CALL, 1);
    arguments(out);
    out.writeFieldStop();
  });
}
void request_field(protocol::TProtocol& out) {
  out.writeFieldBegin("request", protocol::T_STRUCT, 1);
  step_request().write(&out);
}
void tensor_field(protocol::TProtocol& out, std::int32_t length) {
  out.writeFieldBegin("tensor", protocol::T_STRING, 2);
  out.writeI32(length);
}

// Answers hello as it should, and then the next call with the bytes that `next` gives; for every connection.
class FakeServer {
 public:
  FakeServer(std::size_t call_size, std::function<std::string()> next)
      : listener_(listen_at(address_)), thread_([this, call_size, next] {
          const std::size_t hello_size = hello_bytes().size();
          wire::ParameterServer_hello_result hello;
          hello.success = hello_of({}, Side::kServer);
          hello.__isset.success = true;
          for (std::string bytes; !(bytes = next()).empty();) {
            RawPeer peer = RawPeer::accept_from(listener_.get(), address_.kind);
            peer.receive(hello_size);
            peer.send(answer_bytes("hello", 0, hello));
            peer.receive(call_size);
            peer.send(bytes);
          }
        }) {}
  ~FakeServer() { thread_.join(); }
  const Address& address() const { return address_; }

 private:
  Address address_ = Address::unix_socket();
  Descriptor listener_;
  std::thread thread_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(hostile)

BOOST_AUTO_TEST_CASE(a_server_survives_thousands_of_random_and_mutated_messages) {
  constexpr std::uint64_t kSeed = 1;
  ServerOptions options;
  options.timeout = std::chrono::seconds(10);
  EchoServer server(Address::unix_socket(), options, pattern(1000, 1));
  Client bystander(server.address());
  const std::vector<std::string> valid = calls();
  for (std::uint64_t round = 0; round < 6000; ++round) {
    BOOST_TEST_CONTEXT("seed " << kSeed << ", round " << round) {
      Draws draws({kSeed, Purpose::kTest, 0, round});
      std::string bytes;
      if (round % 6 == 0) {
        for (std::uint64_t size = draws.below(200); size > 0; --size) bytes += static_cast<char>(draws.bits());
      } else {
        for (std::uint64_t count = 1 + draws.below(3); count > 0; --count) bytes += valid[draws.below(valid.size())];
        bytes = mutated(bytes, draws);
      }
      RawPeer peer(server.address());
      if (round % 4 != 0) peer.send(hello_bytes());
      peer.send(bytes);
      peer.end_sending();
      peer.receive();
      if (round % 100 == 0) {
        Bytes model(1000);
        bystander.pull(pull_request(), model);
        BOOST_TEST((model == *server.model));
      }
    }
  }
  BOOST_TEST(server.seen->steps > 100U);  // some were none the worse
}

BOOST_AUTO_TEST_CASE(arguments_that_lie_end_their_connection) {
  struct Case {
    const char* what;
    std::string bytes;
    const char* why;
  };
  const Case cases[] = {
      {"a negative length", step_with([](auto& out) { request_field(out), tensor_field(out, -1); }), "-1 bytes"},
      {"a huge length and an end", step_with([](auto& out) { request_field(out), tensor_field(out, 0x7fffffff); }),
       "closed the connection in the middle"},
      {"a tensor before its request", step_with([](auto& out) { tensor_field(out, 0), request_field(out); }),
       "a tensor before its request"},
      {"no request", step_with([](auto&) {}), "no request"},
      {"two requests", step_with([](auto& out) { request_field(out), request_field(out); }), "a request that is none"},
      {"two tensors", step_with([](auto& out) { request_field(out), tensor_field(out, 0), tensor_field(out, 0); }),
       "a tensor that is none"},
      {"a request of a wrong type", step_with([](auto& out) {
         out.writeFieldBegin("request", protocol::T_I32, 1);
         out.writeI32(5);
       }),
       "a request that is none"},
      {"a request that lacks its fields", step_with([](auto& out) {
         out.writeFieldBegin("request", protocol::T_STRUCT, 1);
         out.writeFieldStop();
       }),
       "not a message of psctl"},
      {"a list that would take all memory", wire_bytes([](auto&, protocol::TProtocol& out) {
         out.writeMessageBegin("execute", protocol::T_CALL, 1);
         out.writeFieldBegin("orders", protocol::T_LIST, 1);
         out.writeListBegin(protocol::T_STRUCT, 0x7fffffff);
       }),
       "not a message of psctl"},
      {"a string that would take all memory", wire_bytes([](auto&, protocol::TProtocol& out) {
         out.writeMessageBegin("stop", protocol::T_CALL, 1);
         out.writeFieldBegin("reason", protocol::T_STRING, 1);
         out.writeI32(0x7fffffff);
       }),
       "not a message of psctl"},
      {"structs without end", wire_bytes([](auto&, protocol::TProtocol& out) {
         out.writeMessageBegin("status", protocol::T_CALL, 1);
         for (int depth = 0; depth < 100'000; ++depth) out.writeFieldBegin("in", protocol::T_STRUCT, 1);
       }),
       "not a message of psctl"},
      {"small fields without end", step_with([](auto& out) {
         for (int count = 0; count < 400'000; ++count) {
           out.writeFieldBegin("more", protocol::T_I32, 9);
           out.writeI32(count);
         }
       }),
       "more than 1048576 bytes that are not tensor"},
      {"an answer instead of a call", wire_bytes([](auto&, protocol::TProtocol& out) {
         out.writeMessageBegin("step", protocol::T_REPLY, 1);
         out.writeFieldStop();
       }),
       "a message of type 2"},
      {"another protocol", "GET / HTTP/1.1\r\nHost: psctl\r\n\r\n", "not a message of psctl"},
  };
  for (const Address& address : both_kinds()) {
    EchoServer server(address);
    Client bystander(server.address());
    std::size_t closed = 0;
    for (const Case& one : cases) {
      BOOST_TEST_CONTEXT(one.what) {
        RawPeer peer(server.address());
        peer.send(hello_bytes());
        peer.send(one.bytes);
        peer.end_sending();
        peer.receive();
        const auto [closing, why] = server.seen->wait_closed(++closed);
        BOOST_TEST(closing == Closing::kFault);
        BOOST_TEST(why.find(one.why) != std::string::npos, why);
      }
    }
    BOOST_TEST(server.seen->steps == 0U);
    BOOST_CHECK_NO_THROW(bystander.status());
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_method_is_refused_and_the_connection_goes_on) {
  EchoServer server;
  RawPeer peer(server.address());
  peer.send(hello_bytes());
  peer.send(wire_bytes([](auto& client, protocol::TProtocol& out) {
    out.writeMessageBegin("launch", protocol::T_CALL, 1);
    out.writeFieldStop();
    client.send_stop("enough");
  }));
  peer.end_sending();
  BOOST_TEST(peer.receive().find("Invalid method name: 'launch'") != std::string::npos);
  BOOST_TEST(server.seen->wait_closed().first == Closing::kPeerLeft);
  BOOST_TEST(server.seen->stops == 1U);
}

BOOST_AUTO_TEST_CASE(a_client_survives_thousands_of_mutated_answers) {
  constexpr std::uint64_t kSeed = 2;
  constexpr std::size_t kModel = 500;
  constexpr std::uint64_t kRounds = 3000;
  wire::ParameterServer_pull_result result;
  result.success.header = header();
  result.success.header.held_by = {1, 2, 3};
  result.success.tensor.assign(kModel, 'm');
  result.success.__isset.tensor = true;
  result.__isset.success = true;
  const std::string valid = answer_bytes("pull", 1, result);
  std::uint64_t given = 0;
  FakeServer server(wire_bytes([](auto& client, auto&) { client.send_pull(pull_request()); }).size(), [&] {
    Draws draws({kSeed, Purpose::kTest, 1, given});
    if (given++ == kRounds) return std::string();
    const std::string bytes = given == 1 ? valid : mutated(valid, draws);
    return bytes.empty() ? std::string(1, '\0') : bytes;
  });
  std::size_t good = 0;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    BOOST_TEST_CONTEXT("seed " << kSeed << ", round " << round) {
      Client client(server.address());
      Bytes model(kModel + 64, std::byte{9});
      try {
        const Answer answer = client.pull(pull_request(), std::span(model).first(kModel));
        good += answer.tensor ? 1 : 0;
      } catch (const RpcError& error) {
        BOOST_TEST(error.kind() != RpcError::Kind::kTimeout);
      }
      BOOST_TEST(std::all_of(model.begin() + kModel, model.end(), [](std::byte one) { return one == std::byte{9}; }));
    }
  }
  BOOST_TEST(good > 0U);
  BOOST_TEST(good < kRounds);
}

BOOST_AUTO_TEST_CASE(answers_that_do_not_belong_to_the_call_are_malformed) {
  wire::ParameterServer_pull_result empty;
  wire::ParameterServer_pull_result result;
  result.success.header = header();
  result.__isset.success = true;
  wire::ParameterServer_pull_result unknown;
  unknown.success = result.success;
  unknown.__isset.success = true;
  unknown.success.header.kind = 17;
  const std::string answers[] = {
      answer_bytes("pull", 1, empty),    // without result
      answer_bytes("pull", 2, result),   // another number
      answer_bytes("step", 1, result),   // another method
      answer_bytes("pull", 1, unknown),  // another kind
      wire_bytes([](auto& client, auto&) { client.send_pull({}); }),
  };
  for (const std::string& answer : answers) {
    int left = 1;
    FakeServer server(wire_bytes([](auto& client, auto&) { client.send_pull(pull_request()); }).size(),
                      [&] { return left-- > 0 ? answer : std::string(); });
    Client client(server.address());
    BOOST_TEST(rpc_error([&] { client.pull(pull_request(), {}); }).kind() == RpcError::Kind::kMalformed);
  }
}

BOOST_AUTO_TEST_SUITE_END()
