// What goes in at one end comes out at the other, whatever its length, over Unix sockets and TCP.
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "rpc/transport.h"
#include "rpc_support.h"

using namespace psctl;
using namespace psctl::rpc;
using namespace psctl::rpc::testing;

BOOST_AUTO_TEST_SUITE(round_trip)

constexpr std::size_t kLengths[] = {0, 1, 1 << 10, (64 << 10) - 100, 64 << 10, (64 << 10) + 1, 1 << 20, 64 << 20};

BOOST_AUTO_TEST_CASE(a_step_brings_back_the_tensor_that_was_pushed) {
  for (const Address& address : both_kinds()) {
    EchoServer server(address);
    Client client(server.address());
    for (const std::size_t length : kLengths) {
      BOOST_TEST_CONTEXT(server.address().text() << ", " << length << " bytes") {
        const Bytes push = pattern(length, length + 1);
        Bytes model(length);
        const Answer answer = client.step(step_request(3, 7), push, model);
        BOOST_TEST(answer.header.version == 7);
        BOOST_TEST(answer.tensor == (length > 0));
        BOOST_TEST((model == push));
        BOOST_TEST(answer.header.receive_ns > 0);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_pull_brings_the_model) {
  for (const Address& address : both_kinds()) {
    for (const std::size_t length : kLengths) {
      BOOST_TEST_CONTEXT(length << " bytes") {
        EchoServer server(address, {}, pattern(length, 5));
        Client client(server.address());
        for (const std::int64_t version : {1, 2}) {
          Bytes model(length);
          const Answer answer = client.pull(pull_request(version), model);
          BOOST_TEST(answer.header.version == version);
          BOOST_TEST((model == *server.model));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(pieces_to_several_servers_travel_at_the_same_time) {
  for (const Address& address : both_kinds()) {
    for (const std::size_t length : kLengths) {
      BOOST_TEST_CONTEXT(length << " bytes") {
        EchoServer first(address, {}, pattern(length, 1)), second(address, {}, pattern(length, 2));
        Client one(first.address()), two(second.address());
        const Bytes piece = pattern(length, 3);
        wire::PieceRequest request;
        request.push = 1;
        one.send_piece(request, piece);
        two.send_piece(request, piece);
        BOOST_TEST(one.receive_piece().receive_ns > 0);
        BOOST_TEST(two.receive_piece().receive_ns > 0);
        Bytes model(2 * length);
        one.send_pull(pull_request());
        two.send_pull(pull_request());
        one.receive_pull(std::span(model).first(length));
        two.receive_pull(std::span(model).subspan(length));
        BOOST_TEST(std::equal(first.model->begin(), first.model->end(), model.begin()));
        BOOST_TEST(std::equal(second.model->begin(), second.model->end(), model.begin() + length));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
