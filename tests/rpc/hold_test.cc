// A session may hold its answer back; meanwhile neither a peer that goes nor a shutdown leaves it waiting.
#include <boost/test/unit_test.hpp>
#include <future>
#include <thread>

#include "rpc/transport.h"
#include "rpc_support.h"

using namespace psctl;
using namespace psctl::rpc;
using namespace psctl::rpc::testing;

namespace {

constexpr auto kLong = std::chrono::minutes(5);

// Holds every step until it is released, and tells how the hold ended.
struct HoldingServer {
  struct Holding : Session {
    Holding(HoldingServer& outer, const Connection& connection) : owner(outer), hold(connection) {}
    Incoming destination(const wire::StepRequest&, std::size_t) override { return {}; }
    StepAnswer step(const wire::StepRequest&, Incoming, Duration) override {
      owner.holding.set_value(&hold);
      owner.end.set_value(hold.wait_until(std::chrono::steady_clock::now() + kLong));
      return {header(wire::ReplyKind::STOP), {}};
    }
    HoldingServer& owner;
    Hold hold;
  };

  std::promise<Hold*> holding;
  std::promise<Hold::End> end;
  Server server{Address::unix_socket(),
                [this](const Connection& connection) { return std::make_unique<Holding>(*this, connection); }};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(hold)

BOOST_AUTO_TEST_CASE(a_released_hold_answers) {
  HoldingServer held;
  Client client(held.server.address());
  client.send_step(step_request(), {});
  held.holding.get_future().get()->release();
  BOOST_TEST(client.receive_step({}).header.kind == wire::ReplyKind::STOP);
  BOOST_TEST(held.end.get_future().get() == Hold::End::kReleased);
}

BOOST_AUTO_TEST_CASE(a_hold_ends_when_the_client_is_gone) {
  HoldingServer held;
  {
    Client client(held.server.address());
    client.send_step(step_request(), {});
    held.holding.get_future().wait();
  }
  BOOST_TEST(held.end.get_future().get() == Hold::End::kPeerGone);
}

BOOST_AUTO_TEST_CASE(a_shutdown_ends_holds_and_the_client_learns_of_it) {
  HoldingServer held;
  Client client(held.server.address());
  client.send_step(step_request(), {});
  held.holding.get_future().wait();
  held.server.shutdown();
  BOOST_TEST(held.end.get_future().get() == Hold::End::kPeerGone);
  BOOST_TEST(rpc_error([&] { client.receive_step({}); }).kind() == RpcError::Kind::kClosed);
}

BOOST_AUTO_TEST_CASE(a_shutdown_with_grace_lets_the_last_answer_out) {
  HoldingServer held;
  Client client(held.server.address());
  client.send_step(step_request(), {});
  held.holding.get_future().wait();
  held.server.shutdown(kLong);
  BOOST_TEST(client.receive_step({}).header.kind == wire::ReplyKind::STOP);
  BOOST_TEST(held.server.connections() == 0);
}

BOOST_AUTO_TEST_CASE(an_interrupted_client_stops_waiting) {
  HoldingServer held;
  Client client(held.server.address());
  std::thread other([&] {
    held.holding.get_future().wait();
    client.interrupt();
  });
  const RpcError error = rpc_error([&] { client.step(step_request(), {}, {}); });
  other.join();
  BOOST_TEST(error.kind() == RpcError::Kind::kClosed);
  BOOST_TEST(rpc_error([&] { client.status(); }).what() == std::string(error.what()));
}

BOOST_AUTO_TEST_CASE(a_release_before_the_wait_counts_once_and_a_deadline_ends_a_hold) {
  std::promise<std::vector<Hold::End>> ends;
  Server server(Address::tcp(), [&](const Connection& connection) {
    Hold hold(connection);
    const auto now = std::chrono::steady_clock::now();
    hold.release();
    hold.release();
    ends.set_value({hold.wait_until(now + kLong), hold.wait_until(now)});
    return std::make_unique<Session>();
  });
  Client client(server.address());
  const auto seen = ends.get_future().get();
  BOOST_TEST(seen[0] == Hold::End::kReleased);
  BOOST_TEST(seen[1] == Hold::End::kTimeout);
}

BOOST_AUTO_TEST_CASE(shutting_down_twice_or_without_connections_is_harmless) {
  EchoServer server;
  server.server.shutdown();
  server.server.shutdown();
  BOOST_TEST(rpc_error([&] { Client client(server.address()); }).kind() == RpcError::Kind::kConnect);
}

BOOST_AUTO_TEST_CASE(a_shutdown_cuts_resting_connections) {
  for (const Address& address : both_kinds()) {
    EchoServer server(address);
    std::vector<std::unique_ptr<Client>> clients;
    for (int count = 0; count < 20; ++count) clients.push_back(std::make_unique<Client>(server.address()));
    BOOST_TEST(server.server.connections() == 20);
    server.server.shutdown();
    BOOST_TEST(server.server.connections() == 0);
    BOOST_TEST(server.seen->closed.size() == 20);
    for (const auto& [closing, why] : server.seen->closed) BOOST_TEST(closing == Closing::kShutdown);
    for (const auto& client : clients) {
      BOOST_TEST(rpc_error([&] { client->status(); }).kind() == RpcError::Kind::kClosed);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
