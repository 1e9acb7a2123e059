// This program, started again as another process: a role of a run, or a run of a sweep.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace psctl::run {

// What the process gets beside its arguments.
struct Inherited {
  int told = -1;                              // a descriptor; it is kToldDescriptor there. -1: none
  std::vector<std::string> environment = {};  // NAME=VALUE, in place of what there is of that name
};
inline constexpr int kToldDescriptor = 3;

// Starts /proc/self/exe with `arguments`, the first being its name. Its output and errors go to the descriptor
// `output`; it reads nothing. It gets a process group of its own: Ctrl-C reaches the caller alone, which ends it in
// order. To be called from the main thread, where the child wants to die with its parent. Throws WorldError; `what`
// names it there.
pid_t spawn_self(const std::string& what, const std::vector<std::string>& arguments, int output,
                 const Inherited& inherited = {});

}  // namespace psctl::run
