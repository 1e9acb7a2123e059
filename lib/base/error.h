// The root of all errors of psctl and its three kinds: the user's, the world's, ours.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace psctl {

// Carries a chain of causes: "what failed: because of what".
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
  Error(std::string_view message, const std::exception& cause)
      : std::runtime_error(std::string(message) + ": " + cause.what()) {}
};

// The request is wrong: arguments, configuration, data files. Caught only in main; exit code 2.
class UserError : public Error {
  using Error::Error;
};

// The world did not keep up: a peer is gone, a disk is full. Handled where it can be, else exit code 1.
class WorldError : public Error {
  using Error::Error;
};

// Psctl itself is wrong. Thrown by PSCTL_CHECK, which stays on in every build.
class InternalError : public Error {
  using Error::Error;
};

[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& message = {});

}  // namespace psctl

// PSCTL_CHECK(condition) or PSCTL_CHECK(condition, "message"): throws InternalError naming the place.
#define PSCTL_CHECK(condition, ...)                                                                     \
  do {                                                                                                  \
    if (!(condition)) ::psctl::check_failed(#condition, __FILE__, __LINE__ __VA_OPT__(, ) __VA_ARGS__); \
  } while (false)
