#include "base/processor_time.h"

#include <ctime>

namespace psctl {
namespace {

Duration read_clock(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Duration thread_processor_time() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }
Duration process_processor_time() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

}  // namespace psctl
