#include <fmt/format.h>

#include "base/error.h"

namespace psctl {

void check_failed(const char* condition, const char* file, int line, const std::string& message) {
  throw InternalError(fmt::format("this is a fault in psctl, please report it: {}:{}: {} does not hold{}{}", file, line,
                                  condition, message.empty() ? "" : ": ", message));
}

}  // namespace psctl
