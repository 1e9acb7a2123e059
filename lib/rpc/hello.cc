#include "rpc/hello.h"

#include <cctype>
#include <fmt/format.h>
#include <span>

#include "base/sha256.h"
#include "rpc/protocol.h"

namespace psctl::rpc {
namespace {

// Of a side, so that an end cannot pass on what it was told.
std::string proof_of(const Identity& identity, Side side) {
  if (identity.token.empty()) return {};
  const std::string text =
      fmt::format("psctl {} {} {}", side == Side::kClient ? "client" : "server", identity.token, identity.run);
  return sha256(std::as_bytes(std::span(text)));
}

// Text of a peer, fit for a message.
std::string shown(const std::string& text) {
  constexpr std::size_t kLongest = 64;
  std::string result = text.substr(0, kLongest);
  for (char& each : result) {
    if (std::isprint(static_cast<unsigned char>(each)) == 0) each = '?';
  }
  if (text.size() > kLongest) result += "...";
  return result.empty() ? "none" : result;
}

// Whoever does not know a secret is not to learn it from the time that a comparison takes.
bool equal(const std::string& left, const std::string& right) {
  if (left.size() != right.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    difference |= static_cast<unsigned char>(left[i]) ^ static_cast<unsigned char>(right[i]);
  }
  return difference == 0;
}

}  // namespace

wire::Hello hello_of(const Identity& identity, Side side) {
  wire::Hello hello;
  hello.protocol = kProtocol;
  hello.__set_run(identity.run);
  hello.__set_configuration(identity.configuration);
  hello.__set_data(identity.data);
  hello.__set_proof(proof_of(identity, side));
  return hello;
}

std::string refusal_of(const wire::Hello& hello, Side side, const Identity& identity) {
  const char* const peer = side == Side::kClient ? "the client" : "the server";
  if (hello.protocol != kProtocol) {
    return fmt::format("{} speaks protocol {}, this process {}: use the same psctl for all processes of a run", peer,
                       hello.protocol, kProtocol);
  }
  if (hello.run != identity.run) {
    return fmt::format("{} is of run {}, this process of run {}: it is left over from another run, or uses its address",
                       peer, shown(hello.run), shown(identity.run));
  }
  if (!equal(hello.proof, proof_of(identity, side))) {
    return fmt::format("{} {} the token of run {}: set PSCTL_RUN_TOKEN to the same value for all processes of the run",
                       peer, hello.proof.empty() ? "has not" : "has another value of", shown(identity.run));
  }
  if (hello.configuration != identity.configuration) {
    return fmt::format(
        "the configuration of {} has the digest {}, that of this process {}: start all processes of a "
        "run with the same configuration",
        peer, shown(hello.configuration), shown(identity.configuration));
  }
  if (hello.data != identity.data) {
    return fmt::format(
        "the data of {} have the digest {}, those of this process {}: all processes of a run need the "
        "same data set",
        peer, shown(hello.data), shown(identity.data));
  }
  return {};
}

std::string name_of(std::int32_t role, std::int32_t worker) {
  switch (role) {
    case wire::Role::WATCHER:
      return "a watcher";
    case wire::Role::WORKER:
      return fmt::format("worker {}", worker);
    case wire::Role::EVALUATOR:
      return "the evaluation process";
    case wire::Role::LEAD:
      return "the lead server";
    default:
      return fmt::format("role {}", role);
  }
}

}  // namespace psctl::rpc
