#include "rpc/patience.h"

#include <thread>

namespace psctl::rpc {

std::unique_ptr<Client> connect_patiently(const Address& address, const ClientOptions& options, Duration patience,
                                          const std::function<bool()>& given_up) {
  using std::chrono::steady_clock;
  ClientOptions attempt = options;
  attempt.patience = std::chrono::milliseconds(200);
  const auto end = steady_clock::now() + patience;
  while (!given_up()) {
    try {
      return std::make_unique<Client>(address, attempt);
    } catch (const RpcError& error) {
      if (error.kind() != RpcError::Kind::kConnect || steady_clock::now() >= end) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return nullptr;
}

}  // namespace psctl::rpc
