// psctl: compare synchronization strategies for distributed training on workers that are not equally fast.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <new>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "learn/model.h"
#include "run/version.h"
#include "terminal.h"
#include "verbs.h"

namespace {

constexpr psctl::app::Verb kVerbs[] = {
    {"train", "one run, with real processes or on a virtual clock", psctl::app::train},
    {"sweep", "a grid of runs, side by side; only what is missing or failed is made again", psctl::app::sweep},
    {"runs", "a table of runs: sort, filter, choose columns", psctl::app::runs},
    {"compare", "runs side by side, and which differences are more than luck", psctl::app::compare},
    {"replay", "recompute a run from its decision log: equal decisions, equal weights", psctl::app::replay},
    {"plot", "pictures of runs: accuracy, where time went, waits by cause", psctl::app::plot},
    {"reproduce", "the papers' claims on this harness: held, not held or inconclusive", psctl::app::reproduce},
    {"report", "one page of HTML about runs, with pictures to look into", psctl::app::report},
    {"explain", "why a run took as long as it did: waits by cause, what each worker cost, what if",
     psctl::app::explain},
    {"data", "import, fetch, draw and inspect data sets; see how they are dealt to workers", psctl::app::data},
    {"config", "show, check or explain a configuration", psctl::app::config},
    {"strategies", "what strategies there are, and their parameters", psctl::app::strategies},
    {"verify", "hold strategies against the rules that they must keep", psctl::app::verify},
    {"server", "one server of a run, for launchers and for hands", psctl::app::server},
    {"worker", "one worker of a run, for launchers and for hands", psctl::app::worker},
    {"evaluator", "the evaluation process of a run, for launchers and for hands", psctl::app::evaluator},
};

void print_help() {
  fmt::print(
      "psctl trains one model under many synchronization strategies and tells which is fastest, and why.\n\nUsage: "
      "psctl VERB [arguments]\n\n");
  psctl::app::print_verbs(kVerbs);
  fmt::print(
      "\nExamples:\n"
      "  psctl train --config configs/quickstart.yaml\n"
      "  psctl train --config configs/quickstart.yaml clock=virtual strategy=bsp seed=2\n"
      "  psctl sweep --config configs/quickstart.yaml clock=virtual strategy=bsp,asp,ssp seed='range(0,3)'\n"
      "  psctl compare results/quickstart-sweep\n"
      "  psctl replay results/quickstart-20260102-030405\n"
      "  psctl plot results/quickstart-20260102-030405 -o run.png\n"
      "  psctl strategies ssp\n"
      "  psctl verify --quick\n\n"
      "psctl VERB --help tells more. Exit codes: 0 done, 1 the run failed or what was checked does not hold, 2 the "
      "request is wrong, 130 interrupted.\n");
}

int dispatch(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--version") {
    fmt::print("psctl {}\n", psctl::run::kVersion);
    return 0;
  }
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    print_help();
    return name.empty() ? 2 : 0;
  }
  return psctl::app::find_verb(kVerbs, name, "psctl").run(argc - 1, argv + 1);
}

// A standard stream that is closed would be the next file that is opened, and what is said would be written into that:
// an error into the log of decisions.
void open_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0) ::open("/dev/null", O_RDWR);  // the lowest that is free
  }
}

// A table of which a part is on a full disk is no success. Who closed the terminal or the pipe wants no more of it.
void check_standard_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  if (errno == EIO || errno == EPIPE) return;
  throw psctl::WorldError(fmt::format("cannot write to the standard output: {}", std::strerror(errno)));
}

// OpenBLAS has a thread for every core before main begins. Each takes 128 MiB and, where a memory limit refuses them,
// asks again for ever; there are none where the environment says so, which takes a new start.
void start_again_without_blas_threads(char** argv) {
  const auto limited = [](auto resource) {
    rlimit limit{};
    return ::getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  };
  constexpr auto kThreads = "OPENBLAS_NUM_THREADS";
  if (std::getenv(kThreads) || !(limited(RLIMIT_DATA) || limited(RLIMIT_AS))) return;
  ::setenv(kThreads, "1", 0);
  ::execv("/proc/self/exe", argv);  // if that fails, so be it
}

}  // namespace

int main(int argc, char** argv) {
  open_closed_streams();
  ::signal(SIGXFSZ, SIG_IGN);  // a file at its limit (ulimit -f) is an error of that write, told with its name
  start_again_without_blas_threads(argv);
  psctl::learn::use_one_blas_thread();
  try {
    const int code = dispatch(argc, argv);
    if (code == 0) check_standard_output();
    return code;
  } catch (const psctl::Interrupted&) {
    psctl::app::print_error("interrupted before anything was begun");
    return 130;
  } catch (const psctl::UserError& error) {
    psctl::app::print_error(error.what());
    return 2;
  } catch (const std::bad_alloc&) {
    psctl::app::print_error(
        "out of memory: the machine, or a limit (ulimit -v), gives no more; use a smaller model, fewer workers or less "
        "data");
    return 1;
  } catch (const std::exception& error) {
    psctl::app::print_error(error.what());
    return 1;
  }
}
