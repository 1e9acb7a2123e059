#include "sweep_view.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "terminal.h"

namespace psctl::app {
namespace {

using sweep::State;

void write(std::FILE* file, const std::string& text) {
  std::fputs(text.c_str(), file);
  std::fflush(file);
}

const char* name_of(State state) {
  switch (state) {
    case State::kMissing:
      return "missing";
    case State::kRunning:
      return "running";
    case State::kDone:
      return "done";
    case State::kFailed:
      return "failed";
  }
  return "";
}

std::string accuracy_text(const sweep::RunStatus& status) {
  return status.accuracy ? fmt::format("{:.4f}", *status.accuracy) : "-";
}

// Strategy and seed, and what else of the point is not those.
std::string run_text(const sweep::PlannedRun& run) {
  std::string text = fmt::format("{:<14} {:>6}", run.config.strategy.name, run.config.seed);
  for (const auto& [key, value] : run.point) {
    if (key == "strategy.name" || key == "seed") continue;
    constexpr std::string_view kStrategy = "strategy.";
    text += fmt::format("  {}={}", key.starts_with(kStrategy) ? key.substr(kStrategy.size()) : key, value);
  }
  if (!run.stage.empty()) text += fmt::format("  ({})", run.stage);
  return text;
}

std::string cut(std::string line, std::size_t columns) {
  if (line.size() >= columns) line.resize(columns - 1);
  return line;
}

struct Counts {
  std::size_t done = 0, running = 0, failed = 0;
};

Counts counts_of(const std::vector<sweep::RunStatus>& runs) {
  Counts counts;
  for (const sweep::RunStatus& run : runs) {
    counts.done += run.state == State::kDone;
    counts.running += run.state == State::kRunning;
    counts.failed += run.state == State::kFailed;
  }
  return counts;
}

}  // namespace

void say(const std::string& text) { write(stdout, text); }

std::string duration_text(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

SweepView::SweepView(bool quiet) : quiet_(quiet), live_(::isatty(STDERR_FILENO)) {}

void SweepView::clear() {
  if (drawn_ == 0) return;
  write(stderr, fmt::format("\033[{}A\r\033[J", drawn_));
  drawn_ = 0;
}

void SweepView::note(const std::string& text) {
  clear();
  write(stderr, fmt::format("psctl: note: {}\n", text));
}

void SweepView::show(const sweep::Progress& progress) {
  if (quiet_) return;
  const std::size_t changed = progress.changed;
  const bool ended = changed < progress.runs.size() && progress.runs[changed].state != State::kRunning;
  if (ended) {
    const sweep::RunStatus& status = progress.runs[changed];
    const Counts counts = counts_of(progress.runs);
    clear();
    std::string line = fmt::format("[{}/{}] {:<7} {}  accuracy {}  {}", counts.done + counts.failed,
                                   progress.runs.size(), name_of(status.state), run_text(progress.plan.runs[changed]),
                                   accuracy_text(status), duration_text(status.wall_s));
    if (!live_ && progress.left_s) line += fmt::format("  {} left", duration_text(*progress.left_s));
    write(stderr, line + "\n");
  }
  const auto now = std::chrono::steady_clock::now();
  if (!live_ || (!ended && now < next_)) return;
  next_ = now + std::chrono::milliseconds(200);
  draw(progress);
}

void SweepView::draw(const sweep::Progress& progress) {
  constexpr std::size_t kMostRows = 16;
  clear();
  const Counts counts = counts_of(progress.runs);
  if (counts.running == 0) return;
  const std::size_t columns = terminal_columns();
  std::vector<std::string> lines = {fmt::format("{:<8} {:>8} {:>8} {:>9}  {:<14} {:>6}", "state", "progress",
                                                "accuracy", "time", "strategy", "seed")};
  for (std::size_t i = 0; i < progress.runs.size() && lines.size() <= kMostRows; ++i) {
    const sweep::RunStatus& run = progress.runs[i];
    if (run.state != State::kRunning) continue;
    lines.push_back(fmt::format("{:<8} {:>6.0f} % {:>8} {:>9}  {}", name_of(run.state), run.share * 100,
                                accuracy_text(run), duration_text(run.wall_s), run_text(progress.plan.runs[i])));
  }
  std::string total = fmt::format("{} of {} done, {} running, {} failed", counts.done, progress.runs.size(),
                                  counts.running, counts.failed);
  if (progress.left_s) total += fmt::format(", {} left", duration_text(*progress.left_s));
  lines.push_back(total);
  std::string text;
  for (const std::string& line : lines) text += cut(line, columns) + "\n";
  write(stderr, text);
  drawn_ = lines.size();
}

}  // namespace psctl::app
