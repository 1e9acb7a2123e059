#include <charconv>
#include <fmt/format.h>

#include "rpc/transport.h"

namespace psctl::rpc {

void check_tensor_bytes(std::size_t bytes) {
  if (bytes > kMaxTensorBytes) {
    throw UserError(
        fmt::format("a server's range of the model has {} bytes, a message holds {} at most: raise cluster.servers to "
                    "{} or more, so that each holds a smaller range",
                    bytes, kMaxTensorBytes, bytes / kMaxTensorBytes + 1));
  }
}

Address Address::parse(const std::string& text) {
  const auto fail = [&](const char* why) {
    throw UserError(fmt::format("address \"{}\": {}; give host:port, [v6 address]:port or unix:name", text, why));
  };
  if (text.starts_with("unix:")) {
    if (text.size() == 5) fail("the name of the socket is missing");
    if (text.size() - 5 > 107) fail("the name of the socket is longer than 107 bytes");
    return unix_socket(text.substr(5));
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) fail("the port is missing");
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    fail("it has more than one colon");
  }
  if (host.empty()) fail("the host is missing");
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || rest != end) fail("the port is not a number from 0 to 65535");
  return tcp(port, host);
}

std::string Address::text() const {
  if (kind == Kind::kUnix) return "unix:" + host;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

}  // namespace psctl::rpc
