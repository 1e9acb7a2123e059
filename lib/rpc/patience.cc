#include "rpc/patience.h"

#include <chrono>

namespace psctl::rpc {

std::unique_ptr<Client> connect_patiently(const Address& address, Duration patience,
                                          const std::function<bool()>& given_up) {
  using std::chrono::steady_clock;
  constexpr Duration kAttempt = std::chrono::milliseconds(200);
  const auto end = steady_clock::now() + patience;
  while (!given_up()) {
    const auto attempt = steady_clock::now();
    try {
      return std::make_unique<Client>(address, ClientOptions{.patience = kAttempt});
    } catch (const RpcError&) {
      // What fails before the attempt's time is over was no want of patience: somebody is there, who is not ours.
      const auto now = steady_clock::now();
      if (now - attempt < kAttempt || now >= end) throw;
    }
  }
  return nullptr;
}

}  // namespace psctl::rpc
