// Whether the user wants this process to end, for what takes long and has nothing to keep: it throws.
#pragma once

#include <atomic>

#include "base/error.h"

namespace psctl {

// Set by signals; see apps/psctl/arguments.h.
std::atomic<bool>& interrupt_requested();

// Caught only in main; exit code 130.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};

inline void throw_if_interrupted() {
  if (interrupt_requested()) throw Interrupted();
}

}  // namespace psctl
