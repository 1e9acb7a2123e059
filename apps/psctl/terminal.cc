#include "terminal.h"

#include <cstdio>
#include <cstdlib>
#include <fmt/color.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace psctl::app {
namespace {

bool colourful(int descriptor) { return ::isatty(descriptor) && std::getenv("NO_COLOR") == nullptr; }

void print_message(const char* kind, fmt::terminal_color colour, const std::string& message) {
  const std::string label = colourful(STDERR_FILENO) ? fmt::format(fmt::fg(colour), "{}", kind) : kind;
  fmt::print(stderr, "psctl: {}: {}\n", label, message);
}

std::string waiting_text(const lead::Progress& progress, std::size_t workers) {
  if (progress.waiting.empty()) return "nobody waits";
  if (progress.waiting.size() == workers) return "all wait";
  if (progress.waiting.size() > 8) return fmt::format("{} of {} workers wait", progress.waiting.size(), workers);
  std::string names;
  for (WorkerId worker : progress.waiting) names += fmt::format("{}{}", names.empty() ? "" : ",", worker.value);
  return fmt::format("worker{} {} wait{}", progress.waiting.size() > 1 ? "s" : "", names,
                     progress.waiting.size() > 1 ? "" : "s");
}

}  // namespace

void print_error(const std::string& message) { print_message("error", fmt::terminal_color::red, message); }
void print_notice(const std::string& message) { print_message("note", fmt::terminal_color::yellow, message); }

ProgressLine::ProgressLine(std::size_t workers, bool quiet)
    : quiet_(quiet), live_(::isatty(STDERR_FILENO)), workers_(workers) {}

ProgressLine::~ProgressLine() {
  if (live_ && shown_) fmt::print(stderr, "\r\033[K");
}

void ProgressLine::show(const lead::Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (quiet_ || now < next_) return;
  next_ = now + (live_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(2000));
  shown_ = true;
  std::string line;
  if (!progress.started) {
    line = "starting";
  } else {
    // Of the run's own time: wall time, or the virtual clock.
    const double rate = progress.time_s > 0 ? static_cast<double>(progress.samples) / progress.time_s : 0;
    line = fmt::format("{:8.1f} s  {:>8} updates  epoch {:6.2f}  accuracy {}  {:>9.0f} samples/s  {}{}",
                       progress.time_s, progress.updates, progress.epoch,
                       progress.accuracy ? fmt::format("{:.4f}", *progress.accuracy) : "  -   ", rate,
                       waiting_text(progress, workers_), progress.stopped ? "  (last evaluation)" : "");
  }
  if (live_) {
    fmt::print(stderr, "\r\033[K{}", line);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

void print_summary(const std::string& text, const std::string& folder) {
  const auto summary = nlohmann::json::parse(text, nullptr, false);
  if (!summary.is_object() || !summary.contains("workers")) {
    if (summary.is_object()) fmt::print("{}: {}\n", summary.value("status", ""), summary.value("error", ""));
    fmt::print("account: {}\n", folder);
    return;
  }
  const auto percent = [&](const char* key) { return fmt::format("{:.0f} %", summary[key].get<double>() * 100); };
  const auto number = [&](const char* key, const char* format, const char* none) -> std::string {
    if (!summary.contains(key) || !summary[key].is_number()) return none;
    return fmt::format(fmt::runtime(format), summary[key].get<double>());
  };
  fmt::print("{:>6} {:>8} {:>10} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}\n", "worker", "steps", "samples",
             "compute s", "delay s", "push s", "wait s", "pull s", "other s", "staleness");
  for (const auto& w : summary["workers"]) {
    fmt::print("{:>6} {:>8} {:>10} {:>9.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>9.2f}\n",
               w["worker"].get<int>(), w["steps"].get<std::uint64_t>(), w["samples"].get<std::uint64_t>(),
               w["compute_s"].get<double>(), w["delay_s"].get<double>(), w["push_s"].get<double>(),
               w["wait_s"].get<double>(), w["pull_s"].get<double>(), w["other_s"].get<double>(),
               w["staleness_mean"].get<double>());
  }
  fmt::print("\n{} on the {} clock, {}: {} updates in {:.1f} s, {} samples/s\n", summary["strategy"].get<std::string>(),
             summary["clock"].get<std::string>(), summary["status"].get<std::string>(),
             summary["updates"].get<std::uint64_t>(), summary["time_s"].get<double>(),
             number("samples_per_s", "{:.0f}", "-"));
  fmt::print("test accuracy {} (best {}), computing {} of the time, waiting {}\n",
             number("final_accuracy", "{:.4f}", "not measured"), number("best_accuracy", "{:.4f}", "-"),
             percent("compute_share"), percent("wait_share"));
  if (summary.value("diverged", false)) fmt::print("the model diverged: its numbers are no longer finite\n");
  if (summary["disturbed"].is_boolean() && summary["disturbed"].get<bool>()) {
    fmt::print("the machine itself disturbed this run, its times are not those that were asked for:\n  {}\n",
               summary.value("disturbance", ""));
  }
  fmt::print("account: {}\n", folder);
}

}  // namespace psctl::app
