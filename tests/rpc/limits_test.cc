// Lengths, sizes and times have limits, which are told to whoever runs into them and are in nobody else's way.
#include <boost/test/unit_test.hpp>
#include <future>
#include <thread>

#include "rpc/transport.h"
#include "rpc_support.h"

using namespace psctl;
using namespace psctl::rpc;
using namespace psctl::rpc::testing;

namespace {

constexpr auto kShort = std::chrono::milliseconds(400);

bool says(const std::exception& error, const std::string& words) {
  return std::string(error.what()).find(words) != std::string::npos;
}

ServerOptions with_timeout(Duration timeout) {
  ServerOptions options;
  options.timeout = timeout;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(limits)

BOOST_AUTO_TEST_CASE(a_tensor_longer_than_a_message_is_refused_before_anything_is_sent) {
  BOOST_CHECK_NO_THROW(check_tensor_bytes(kMaxTensorBytes));
  BOOST_CHECK_EXCEPTION(check_tensor_bytes(2 * kMaxTensorBytes + 2), UserError,
                        [](const UserError& error) { return says(error, "cluster.servers to 3"); });
  EchoServer server;
  Client client(server.address());
  const std::byte one{};
  BOOST_CHECK_THROW(client.step(step_request(), std::span(&one, kMaxTensorBytes + 1), {}), UserError);
  BOOST_CHECK_NO_THROW(client.status());
}

BOOST_AUTO_TEST_CASE(a_model_above_the_default_limit_of_thrift_passes) {
  constexpr std::size_t kBytes = 120 << 20;
  for (const Address& address : both_kinds()) {
    EchoServer server(address, {}, pattern(kBytes, 1));
    Client client(server.address());
    Bytes model(kBytes);
    client.pull(pull_request(), model);
    BOOST_TEST((model == *server.model));
    model.front() = std::byte{42};
    Bytes back(kBytes);
    client.step(step_request(), model, back);
    BOOST_TEST((model == back));
  }
}

BOOST_AUTO_TEST_CASE(many_small_messages_together_may_exceed_the_limit_of_one) {
  EchoServer server;
  Client client(server.address());
  const std::string reason(100'000, 'r');
  for (int count = 0; count < 100; ++count) client.stop(reason);
  BOOST_TEST(server.seen->stops == 100U);
  const Bytes push = pattern(16 << 10, 1);
  Bytes model(push.size());
  for (int count = 0; count < 10'000; ++count) client.step(step_request(), push, model);
  BOOST_TEST(server.seen->steps == 10'000U);
  for (int count = 0; count < 20'000; ++count) rpc_error([&] { client.join({}); });
  BOOST_CHECK_NO_THROW(client.status());
}

BOOST_AUTO_TEST_CASE(a_push_of_a_wrong_length_is_refused_and_the_connection_goes_on) {
  for (const Address& address : both_kinds()) {
    EchoServer server(address);
    Client client(server.address());
    wire::StepRequest request = step_request();
    request.empty = true;
    for (const std::size_t length : {1UL, 1UL << 20, 20UL << 20}) {
      const Bytes push(length);
      const RpcError error = rpc_error([&] { client.step(request, push, {}); });
      BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
      BOOST_TEST(says(error, "an empty push has no tensor"));
    }
    BOOST_TEST(client.step(request, {}, {}).tensor == false);
    BOOST_TEST(server.seen->steps == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_model_of_a_wrong_length_is_not_read_and_ends_the_connection_for_good) {
  for (const Address& address : both_kinds()) {
    for (const std::size_t expected : {0UL, 999UL, 1001UL, 1UL << 20}) {
      EchoServer server(address, {}, pattern(1000, 1));
      Client client(server.address());
      Bytes model(expected, std::byte{7});
      const RpcError error = rpc_error([&] { client.pull(pull_request(), model); });
      BOOST_TEST(error.kind() == RpcError::Kind::kMalformed);
      BOOST_TEST(says(error, "a tensor of 1000 bytes where " + std::to_string(expected) + " were expected"));
      BOOST_TEST((model == Bytes(expected, std::byte{7})));
      for (int again = 0; again < 2; ++again) {
        const RpcError later = rpc_error([&] { client.status(); });
        BOOST_TEST(later.kind() == error.kind());
        BOOST_TEST(later.what() == std::string(error.what()));
      }
      server.seen->wait_closed();
    }
  }
}

BOOST_AUTO_TEST_CASE(an_exception_of_a_session_is_told_to_its_client_alone) {
  EchoServer server;
  Client client(server.address()), other(server.address());
  const RpcError error = rpc_error([&] { client.next_evaluation(); });
  BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
  BOOST_TEST(says(error, "next_evaluation is not served on this connection"));
  BOOST_CHECK_NO_THROW(client.status());
  BOOST_CHECK_NO_THROW(other.status());
}

BOOST_AUTO_TEST_CASE(more_connections_than_allowed_are_turned_away_until_one_leaves) {
  ServerOptions options;
  options.max_connections = 2;
  std::vector<std::string> reports;
  options.report = [&](const std::string& what) { reports.push_back(what); };
  EchoServer server(Address::unix_socket(), options);
  Client first(server.address());
  {
    Client second(server.address());
    const RpcError error = rpc_error([&] { Client third(server.address()); });
    BOOST_TEST(error.kind() == RpcError::Kind::kConnect);
    BOOST_CHECK_NO_THROW(first.status());
    BOOST_CHECK_NO_THROW(second.status());
  }
  while (server.server.connections() > 1) std::this_thread::yield();
  Client fourth(server.address());
  server.server.shutdown();
  BOOST_TEST(reports.size() == 1U);
  BOOST_TEST(reports.at(0).find("there are 2 connections already") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_silent_connection_and_half_a_message_are_given_up_and_a_resting_client_is_not) {
  for (const Address& address : both_kinds()) {
    EchoServer server(address, with_timeout(kShort));
    Client resting(server.address());
    const std::string call =
        wire_bytes([](auto& client, auto&) { client.send_step(step_request(), std::string(1 << 20, 'x')); });
    std::vector<RawPeer> peers;
    for (const std::size_t part : {0UL, 1UL, 30UL, call.size() / 2, call.size() - 1}) {
      RawPeer& peer = peers.emplace_back(server.address());
      if (part > 0) peer.send(hello_bytes() + call.substr(0, part));
    }
    for (RawPeer& peer : peers) peer.receive();
    server.seen->wait_closed(5);
    const auto count = [&](const char* words) {
      return std::ranges::count_if(server.seen->closed, [&](const auto& one) {
        return one.first == Closing::kFault && one.second.find(words) != std::string::npos;
      });
    };
    BOOST_TEST(count("has sent nothing for 0.4 s") == 1);
    BOOST_TEST(count("fell silent for 0.4 s in the middle of a message") == 4);
    BOOST_TEST(server.seen->steps == 0U);
    BOOST_CHECK_NO_THROW(resting.status());
  }
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_read_is_given_up_and_its_tensor_let_go) {
  for (const Address& address : both_kinds()) {
    EchoServer server(address, with_timeout(kShort), Bytes(64 << 20));
    Client bystander(server.address());
    const long owners = server.model.use_count();
    RawPeer deaf(server.address());
    deaf.send(hello_bytes() + wire_bytes([](auto& client, auto&) { client.send_pull(pull_request()); }));
    const auto [closing, why] = server.seen->wait_closed();
    BOOST_TEST(closing == Closing::kFault);
    BOOST_TEST(says(WorldError(why), "has read nothing of a message for 0.4 s"));
    while (server.server.connections() > 1) std::this_thread::yield();
    BOOST_TEST(server.model.use_count() == owners);
    BOOST_CHECK_NO_THROW(bystander.status());
  }
}

BOOST_AUTO_TEST_CASE(a_server_that_neither_reads_nor_answers_is_given_up) {
  for (Address address : both_kinds()) {
    const Descriptor listener = listen_at(address);
    ClientOptions options;
    options.timeout = kShort;
    {
      const RpcError error = rpc_error([&] { Client client(address, options); });
      BOOST_TEST(error.kind() == RpcError::Kind::kConnect);
      BOOST_TEST(says(error, "has sent nothing for 0.4 s"));
    }
    const RawPeer first = RawPeer::accept_from(listener.get(), address.kind);
    std::promise<void> client_is_done;
    std::thread deaf([&] {
      RawPeer peer = RawPeer::accept_from(listener.get(), address.kind);
      peer.receive(hello_bytes().size());
      wire::ParameterServer_hello_result result;
      result.success = hello_of({}, Side::kServer);
      result.__isset.success = true;
      peer.send(answer_bytes("hello", 0, result));
      client_is_done.get_future().wait();
    });
    {
      Client client(address, options);
      const RpcError error = rpc_error([&] { client.step(step_request(), Bytes(64 << 20), {}); });
      BOOST_TEST(error.kind() == RpcError::Kind::kTimeout);
      BOOST_TEST(rpc_error([&] { client.status(); }).kind() == RpcError::Kind::kTimeout);
    }
    client_is_done.set_value();
    deaf.join();
  }
}

BOOST_AUTO_TEST_CASE(a_peer_that_is_slow_but_sends_is_not_given_up) {
  for (const Address& address : both_kinds()) {
    EchoServer server(address, with_timeout(kShort));
    RawPeer slow(server.address());
    slow.send(hello_bytes());
    const std::string call =
        wire_bytes([](auto& client, auto&) { client.send_step(step_request(), std::string(20'000, 'x')); });
    // In twenty pieces a message takes four times the timeout.
    for (std::size_t at = 0; at < call.size(); at += call.size() / 20 + 1) {
      BOOST_TEST(slow.send(call.substr(at, call.size() / 20 + 1)));
      std::this_thread::sleep_for(kShort / 5);
    }
    slow.end_sending();
    BOOST_TEST(slow.receive().size() > 20'000U);
    BOOST_TEST(server.seen->steps == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_server_listens_on_loopback_alone_unless_told_otherwise) {
  EchoServer local(Address::tcp());
  BOOST_TEST(local.address().host == "127.0.0.1");
  BOOST_TEST(local.address().port != 0);
  BOOST_TEST(rpc_error([&] { Client client(Address::tcp(local.address().port, "127.0.0.2")); }).kind() ==
             RpcError::Kind::kConnect);
  EchoServer open(Address::tcp(0, "0.0.0.0"));
  BOOST_CHECK_NO_THROW(Client(Address::tcp(open.address().port, "127.0.0.2")).status());
}

BOOST_AUTO_TEST_CASE(a_place_that_is_taken_or_empty_is_named) {
  for (const Address& address : both_kinds()) {
    EchoServer server(address);
    const RpcError taken = rpc_error([&] { EchoServer second(server.address()); });
    BOOST_TEST(taken.kind() == RpcError::Kind::kConnect);
    BOOST_TEST(says(taken, server.address().text()));
    BOOST_TEST(says(taken, "Address already in use"));
    server.server.shutdown();
    const RpcError empty = rpc_error([&] { Client client(server.address()); });
    BOOST_TEST(says(empty, server.address().text() + ": nobody answers there: Connection refused"));
  }
}

BOOST_AUTO_TEST_CASE(a_patient_client_waits_for_its_server) {
  Address address = Address::unix_socket();
  { const Descriptor chosen = listen_at(address); }
  ClientOptions options;
  options.patience = std::chrono::minutes(1);
  std::unique_ptr<Client> client;
  std::thread early([&] { client = std::make_unique<Client>(address, options); });
  EchoServer server(address);
  early.join();
  BOOST_CHECK_NO_THROW(client->status());
}

BOOST_AUTO_TEST_CASE(addresses_read_back_and_slips_are_told) {
  for (const char* text : {"unix:psctl-7", "127.0.0.1:0", "node4.example:65535", "[::1]:80"}) {
    BOOST_TEST(Address::parse(text).text() == text);
  }
  for (const char* text :
       {"", "host", "unix:", ":80", "host:", "host:65536", "host:-1", "host:8o", "::1:80", "[::1]"}) {
    BOOST_CHECK_EXCEPTION(Address::parse(text), UserError,
                          [&](const UserError& error) { return says(error, "\"" + std::string(text) + "\""); });
  }
  BOOST_CHECK_THROW(Address::parse("unix:" + std::string(108, 'x')), UserError);
}

BOOST_AUTO_TEST_SUITE_END()
