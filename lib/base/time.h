// Run time: whole nanoseconds since the start gate. Strategies and the simulator know no other clock.
#pragma once

#include <chrono>
#include <cmath>
#include <ratio>

namespace psctl {

using Duration = std::chrono::nanoseconds;

// The clock of a run. It cannot be read: whoever drives a run passes instants in.
struct RunClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<RunClock>;
  static constexpr bool is_steady = true;
};
using Instant = RunClock::time_point;

// Conversions round to the nearest nanosecond.
inline Duration from_seconds(double seconds) { return Duration(std::llround(seconds * 1e9)); }
inline Duration from_milliseconds(double milliseconds) { return Duration(std::llround(milliseconds * 1e6)); }
constexpr double to_seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }
constexpr double to_seconds(Instant instant) { return to_seconds(instant.time_since_epoch()); }

}  // namespace psctl
