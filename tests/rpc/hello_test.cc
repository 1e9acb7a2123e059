// Who may talk: no call before an accepted hello, both ends refuse what is not of their run, and strangers lock nobody
// out.
#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <mutex>
#include <thread>

#include "rpc/protocol.h"
#include "rpc/transport.h"
#include "rpc_support.h"

using namespace psctl;
using namespace psctl::rpc;
using namespace psctl::rpc::testing;

namespace {

const Identity kIdentity{.run = "trial-1", .token = "secret", .configuration = "c0ffee", .data = "da7a"};

bool says(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

// What a server said of those that it turned away.
struct Reports {
  std::function<void(const std::string&)> take() {
    return [this](const std::string& what) {
      const std::lock_guard lock(mutex);
      all.push_back(what);
    };
  }
  std::string last() {
    const std::lock_guard lock(mutex);
    return all.empty() ? "" : all.back();
  }
  std::mutex mutex;
  std::vector<std::string> all;
};

struct Different {
  std::string what;
  Identity identity;
  std::vector<std::string> words;  // of both ends
};

std::vector<Different> differences() {
  std::vector<Different> all;
  const auto add = [&](const std::string& what, auto change, std::vector<std::string> words) {
    Identity identity = kIdentity;
    change(identity);
    all.push_back({what, identity, std::move(words)});
  };
  add("run", [](Identity& i) { i.run = "trial-2"; }, {"trial-1", "trial-2", "another run"});
  add("token", [](Identity& i) { i.token = "guess"; }, {"another value of the token", "trial-1", "PSCTL_RUN_TOKEN"});
  add("no token", [](Identity& i) { i.token = ""; }, {"token", "trial-1", "PSCTL_RUN_TOKEN"});
  add("configuration", [](Identity& i) { i.configuration = "bad"; }, {"c0ffee", "bad", "the same configuration"});
  add("data", [](Identity& i) { i.data = "0ther"; }, {"da7a", "0ther", "the same data set"});
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hello)

BOOST_AUTO_TEST_CASE(a_client_of_this_run_is_served) {
  EchoServer server(Address::unix_socket(), {.identity = kIdentity});
  Client client(server.address(), {.role = Role::WORKER, .worker = 3, .identity = kIdentity});
  BOOST_CHECK_NO_THROW(client.status());
}

BOOST_AUTO_TEST_CASE(a_client_that_is_not_of_this_run_is_refused_with_both_values_at_both_ends) {
  for (const Address& address : both_kinds()) {
    for (const Different& each : differences()) {
      BOOST_TEST_CONTEXT(each.what) {
        Reports reports;
        EchoServer server(address, {.identity = kIdentity, .report = reports.take()});
        const RpcError error = rpc_error(
            [&] { Client client(server.address(), {.role = Role::WORKER, .worker = 3, .identity = each.identity}); });
        BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
        server.seen->wait_closed();
        server.server.shutdown();
        for (const std::string& word : each.words) {
          BOOST_TEST(says(error.what(), word), error.what());
          BOOST_TEST(says(reports.last(), word), reports.last());
        }
        BOOST_TEST(says(reports.last(), "turned away worker 3"), reports.last());
        BOOST_TEST(!says(error.what() + reports.last(), kIdentity.token));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_client_refuses_a_server_that_lets_anybody_in) {
  // Answers every hello as a server of another run would that does not look.
  for (const Different& each : differences()) {
    BOOST_TEST_CONTEXT(each.what) {
      Address address = Address::unix_socket();
      const Descriptor listener = listen_at(address);
      std::thread fake([&] {
        RawPeer peer = RawPeer::accept_from(listener.get(), address.kind);
        wire::ParameterServer_hello_result result;
        result.success = hello_of(each.identity, Side::kServer);
        result.__isset.success = true;
        peer.send(answer_bytes("hello", 0, result));
        peer.receive();
      });
      const RpcError error = rpc_error([&] { Client client(address, {.identity = kIdentity}); });
      fake.join();
      BOOST_TEST(error.kind() == RpcError::Kind::kRefused);
      for (const std::string& word : each.words) BOOST_TEST(says(error.what(), word), error.what());
    }
  }
}

BOOST_AUTO_TEST_CASE(the_answer_to_a_hello_is_no_proof_that_can_be_passed_on) {
  EchoServer server(Address::unix_socket(), {.identity = kIdentity});
  wire::Hello copied = hello_of(kIdentity, Side::kServer);
  copied.__set_role(Role::WORKER);
  RawPeer peer(server.address());
  peer.send(hello_bytes(copied));
  BOOST_TEST(says(peer.receive(), "another value of the token"));
}

BOOST_AUTO_TEST_CASE(another_protocol_is_refused_with_both_numbers_whatever_else_it_says) {
  EchoServer server(Address::unix_socket(), {.identity = kIdentity});
  wire::Hello hello;
  hello.protocol = 99;
  RawPeer peer(server.address());
  peer.send(hello_bytes(hello));
  const std::string words = fmt::format("the client speaks protocol 99, this process {}", kProtocol);
  BOOST_TEST(says(peer.receive(), words));
}

BOOST_AUTO_TEST_CASE(no_call_is_served_before_an_accepted_hello) {
  for (const Address& address : both_kinds()) {
    const std::vector<std::string> calls = {
        wire_bytes([](auto& client, auto&) { client.send_step(step_request(), "abcd"); }),
        wire_bytes([](auto& client, auto&) { client.send_piece({}, "abcd"); }),
        wire_bytes([](auto& client, auto&) { client.send_pull(pull_request()); }),
        wire_bytes([](auto& client, auto&) { client.send_join({}); }),
        wire_bytes([](auto& client, auto&) { client.send_bye({}); }),
        wire_bytes([](auto& client, auto&) { client.send_execute({}); }),
        wire_bytes([](auto& client, auto&) { client.send_status(); }),
        wire_bytes([](auto& client, auto&) { client.send_next_evaluation(); }),
        wire_bytes([](auto& client, auto&) { client.send_evaluated({}); }),
        wire_bytes([](auto& client, auto&) { client.send_stop("enough"); })};
    Identity other = kIdentity;
    other.run = "trial-2";
    for (const bool refused : {false, true}) {
      Reports reports;
      EchoServer server(address, {.identity = kIdentity, .report = reports.take()});
      std::size_t count = 0;
      for (const std::string& call : calls) {
        RawPeer peer(server.address());
        if (refused) peer.send(hello_bytes(hello_as(Role::WORKER, 0, other)));
        peer.send(call);
        const std::string answer = peer.receive();  // until the server closes
        BOOST_TEST(says(answer, refused ? "trial-2" : "was called before an accepted hello"), answer);
        BOOST_TEST(server.seen->wait_closed(++count).first == Closing::kFault);
      }
      BOOST_TEST(server.seen->steps + server.seen->pieces + server.seen->stops == 0U);
      server.server.shutdown();
      BOOST_TEST(reports.all.size() == calls.size());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_second_hello_ends_the_connection) {
  EchoServer server;
  RawPeer peer(server.address());
  peer.send(hello_bytes(hello_as(Role::WORKER, 1)) + hello_bytes(hello_as(Role::LEAD)));
  BOOST_TEST(says(peer.receive(), "a second hello"));
}

BOOST_AUTO_TEST_CASE(strangers_lock_nobody_out_and_are_told) {
  Reports reports;
  EchoServer server(Address::unix_socket(),
                    {.max_connections = 12, .max_strangers = 8, .identity = kIdentity, .report = reports.take()});
  const ClientOptions options{.identity = kIdentity};
  Client before(server.address(), options);
  std::vector<RawPeer> strangers;
  for (int i = 0; i < 100; ++i) strangers.emplace_back(server.address());
  Client after(server.address(), options);
  BOOST_CHECK_NO_THROW(before.status());
  BOOST_CHECK_NO_THROW(after.status());
  server.seen->wait_closed(90);
  server.server.shutdown();
  BOOST_TEST(says(reports.all.front(), "turned away a stranger"), reports.all.front());
  BOOST_TEST(says(reports.all.front(), "made room for 8 later ones"), reports.all.front());
  BOOST_TEST(says(reports.last(), "64 such so far"), reports.last());
}

BOOST_AUTO_TEST_SUITE_END()
