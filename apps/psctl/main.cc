// psctl: compare synchronization strategies for distributed training on workers that are not equally fast.
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "learn/model.h"
#include "run/version.h"
#include "terminal.h"
#include "verbs.h"

namespace {

struct Verb {
  const char* name;
  const char* does;
  int (*run)(int, char**);
  bool for_launchers = false;
};

constexpr Verb kVerbs[] = {
    {"train", "one run, with real processes or on a virtual clock", psctl::app::train},
    {"replay", "recompute a run from its decision log: equal decisions, equal weights", psctl::app::replay},
    {"data", "look at data sets and at how they are dealt to workers", psctl::app::data},
    {"config", "show, check or explain a configuration", psctl::app::config},
    {"strategies", "what strategies there are, and their parameters", psctl::app::strategies},
    {"verify", "hold strategies against the rules that they must keep", psctl::app::verify},
    {"server", "one server of a run, for launchers and for hands", psctl::app::server, true},
    {"worker", "one worker of a run, for launchers and for hands", psctl::app::worker, true},
    {"evaluator", "the evaluation process of a run, for launchers and for hands", psctl::app::evaluator, true},
};

void print_help() {
  fmt::print(
      "psctl trains one model under many synchronization strategies and tells which is fastest, and why.\n\nUsage: "
      "psctl VERB [arguments]\n\n");
  for (const Verb& verb : kVerbs) fmt::print("  {:<12}{}\n", verb.name, verb.does);
  fmt::print(
      "\nExamples:\n"
      "  psctl train --config configs/quickstart.yaml\n"
      "  psctl train --config configs/quickstart.yaml clock=virtual strategy=bsp seed=2\n"
      "  psctl replay results/quickstart-20260102-030405\n"
      "  psctl strategies ssp\n"
      "  psctl verify --quick\n\n"
      "psctl VERB --help tells more. Exit codes: 0 done, 1 the run failed or what was checked does not hold, 2 the "
      "request "
      "is wrong, 130 interrupted.\n");
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
  std::vector<std::string> names;
  for (const Verb& verb : kVerbs) {
    if (name == verb.name) return verb.run(argc - 1, argv + 1);
    names.emplace_back(verb.name);
  }
  const std::string near = psctl::nearest(name, names);
  throw psctl::UserError(fmt::format("there is no verb {}{}; psctl --help lists them", name,
                                     near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

}  // namespace

int main(int argc, char** argv) {
  psctl::learn::use_one_blas_thread();
  try {
    return dispatch(argc, argv);
  } catch (const psctl::UserError& error) {
    psctl::app::print_error(error.what());
    return 2;
  } catch (const std::exception& error) {
    psctl::app::print_error(error.what());
    return 1;
  }
}
