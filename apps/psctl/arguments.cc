#include "arguments.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"

namespace psctl::app {
namespace {

std::atomic<bool> g_terminated = false;
static_assert(std::atomic<bool>::is_always_lock_free);

}  // namespace

Parsed parse(cxxopts::Options& options, const std::string& examples, int argc, char** argv) {
  options.add_options()("h,help", "this text");
  try {
    Parsed parsed{.options = options.parse(argc, argv)};
    if (parsed.options.count("help") > 0) {
      fmt::print("{}\nExamples:\n{}\n", options.help(), examples);
      parsed.helped = true;
    } else if (!parsed.options.unmatched().empty()) {
      throw UserError(fmt::format("{}: '{}' is one word too many; {} --help tells what there is", options.program(),
                                  parsed.options.unmatched().front(), options.program()));
    }
    return parsed;
  } catch (const cxxopts::exceptions::exception& error) {
    throw UserError(
        fmt::format("{}: {}; {} --help tells what there is", options.program(), error.what(), options.program()));
  }
}

const std::atomic<bool>& catch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { g_terminated = true; };
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return g_terminated;
}

void die_with(long parent) {
  if (parent == 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) throw WorldError("the process that started this one is gone");
}

}  // namespace psctl::app
