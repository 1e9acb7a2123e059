#include "base/interrupt.h"

namespace psctl {

std::atomic<bool>& interrupt_requested() {
  static constinit std::atomic<bool> requested = false;
  static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler sets it
  return requested;
}

}  // namespace psctl
