// A long run over one connection: more bytes than any counter or limit in between may hold.
#include <boost/test/unit_test.hpp>

#include "rpc/transport.h"
#include "rpc_support.h"

using namespace psctl;
using namespace psctl::rpc;
using namespace psctl::rpc::testing;

BOOST_AUTO_TEST_SUITE(long_run)

BOOST_AUTO_TEST_CASE(twenty_thousand_pushes_of_an_mlp_pass_over_one_connection) {
  constexpr std::size_t kBytes = 235'146 * sizeof(float);
  for (const Address& address : both_kinds()) {
    EchoServer server(address);
    Client client(server.address());
    Bytes push = pattern(kBytes, 1);
    Bytes model(kBytes);
    for (std::int64_t number = 1; number <= 20'000; ++number) {
      push[static_cast<std::size_t>(number) % kBytes] ^= std::byte{0xff};
      const Answer answer = client.step(step_request(0, number), push, model);
      BOOST_REQUIRE_EQUAL(answer.header.version, number);
      if (number % 100 == 0) BOOST_REQUIRE((model == push));
    }
    BOOST_TEST(server.seen->steps == 20'000U);
  }
}

BOOST_AUTO_TEST_SUITE_END()
