#include "run/spawn.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <string_view>
#include <unistd.h>

#include "base/error.h"

extern char** environ;

namespace psctl::run {

pid_t spawn_self(const std::string& what, const std::vector<std::string>& arguments, int output,
                 const Inherited& inherited) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> variables;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view name = std::string_view(*each).substr(0, std::string_view(*each).find('=') + 1);
    const auto replaced = [&](const std::string& variable) { return variable.starts_with(name); };
    if (std::ranges::none_of(inherited.environment, replaced)) variables.push_back(*each);
  }
  for (const std::string& variable : inherited.environment) variables.push_back(const_cast<char*>(variable.c_str()));
  variables.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  if (inherited.told >= 0) posix_spawn_file_actions_adddup2(&files, inherited.told, kToldDescriptor);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  pid_t process = -1;
  const int error = ::posix_spawn(&process, "/proc/self/exe", &files, &attributes, argv.data(), variables.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) throw WorldError(fmt::format("cannot start {}: {}", what, std::strerror(error)));
  return process;
}

}  // namespace psctl::run
