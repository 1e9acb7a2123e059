// Why a process of a run ended, told to the one that started it: a line of JSON on a descriptor that it inherited.
#pragma once

#include <optional>
#include <string>

namespace psctl::run {

struct Ended {
  enum class Cause {
    kPeer,   // another process of the run was lost, or refused this one
    kOwn,    // this process failed
    kUser,   // what the user gave is wrong: exit code 2
    kSignal  // a signal told this process to end; said at once, before it ends
  };
  Cause cause = Cause::kOwn;
  int signal = 0;     // of kSignal
  std::string error;  // of the others

  friend bool operator==(const Ended&, const Ended&) = default;
};

std::string to_line(const Ended& ended);  // with its newline
std::optional<Ended> from_line(const std::string& line);

// Writes the line, as far as anybody still reads; none for a descriptor below 0.
void tell(int descriptor, const Ended& ended);

}  // namespace psctl::run
