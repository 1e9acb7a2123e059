#include "run/replay.h"

#include <chrono>
#include <fmt/format.h>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "terminal.h"
#include "verbs.h"

namespace psctl::app {
namespace {

std::string compared(const run::Replayed& replayed) {
  return fmt::format("{} and {} equal", counted(replayed.events, "event"), counted(replayed.decisions, "decision"));
}

// The exit code of one folder.
int replay_one(const std::string& folder, const std::string& data, bool quiet, const std::atomic<bool>& interrupted) {
  const auto began = std::chrono::steady_clock::now();
  run::Replayed replayed;
  try {
    ProgressLine line(0, quiet);
    replayed = run::replay({.folder = folder,
                            .data = data,
                            .progress = [&](double share) { line.show("replay of " + folder, share); },
                            .notice = print_notice,
                            .interrupted = &interrupted});
  } catch (const UserError& error) {
    print_error(fmt::format("replay: {}", error.what()));
    return 2;
  } catch (const WorldError& error) {
    print_error(fmt::format("replay of {}: {}", folder, error.what()));
    return 1;
  }
  if (replayed.interrupted) {
    print_error(fmt::format("replay of {}: interrupted after {}", folder, compared(replayed)));
    return 130;
  }
  if (!replayed.difference.empty()) {
    print_error(
        fmt::format("replay of {}: not equal, {}\n  until there: {}", folder, replayed.difference, compared(replayed)));
    return 1;
  }
  if (!replayed.unproved.empty()) {
    print_error(
        fmt::format("replay of {}: not proved, {}\n  until there: {}", folder, replayed.unproved, compared(replayed)));
    return 1;
  }
  if (quiet) return 0;
  const double seconds = to_seconds(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began));
  fmt::print("replay of {}: {}, {}, {:.1f} s\n", folder, compared(replayed),
             replayed.has_model ? fmt::format("model_digest equal ({}…)", replayed.model_digest.substr(0, 12))
                                : "timing only, there is no model",
             seconds);
  return 0;
}

}  // namespace

int replay(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl replay",
       .description =
           "Recomputes runs from their folders: equal decisions and an equal model, bit for bit, or the first "
           "difference and exit code 1.",
       .synopsis = "RUN ... [--data SOURCE] [--quiet]",
       .examples = "  psctl replay results/quickstart-20260102-030405\n"
                   "  psctl replay results/quickstart-*\n"
                   "  psctl replay results/trial-20260102-030405 --data /mnt/copies/fashion-mnist\n",
       .options = {{"run", Kind::kWords, "the folder of a run"},
                   {"data", Kind::kWord, "where the data are now, in place of the run's data.source"},
                   {"quiet", Kind::kFlag, "say nothing but what is not equal"}},
       .positional = "run"},
      argc, argv);
  if (!arguments) return 0;
  const std::vector<std::string>& runs = arguments->words("run");
  if (runs.empty()) throw UserError("psctl replay: name the folder of a run; psctl replay --help tells more");
  const std::string data = arguments->given("data") ? arguments->word("data") : "";
  const std::atomic<bool>& interrupted = catch_signals();
  bool differs = false, refused = false;
  for (const std::string& folder : runs) {
    const int code = replay_one(folder, data, arguments->flag("quiet"), interrupted);
    if (interrupted) return 130;
    differs = differs || code == 1;
    refused = refused || code == 2;
  }
  return differs ? 1 : refused ? 2 : 0;
}

}  // namespace psctl::app
