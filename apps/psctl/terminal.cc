#include "terminal.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fmt/color.h>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <sys/ioctl.h>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

#include "trace/account.h"

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


// Of more workers than that, the table shows those that held the others most.
constexpr std::size_t kMostRows = 16;
constexpr std::size_t kFewRows = 8;
constexpr std::size_t kHeldByShown = 2;

// "3 12.50 s, 1 0.20 s, others 0.01 s"
std::string held_by_text(const nlohmann::json& worker) {
  std::string text;
  double shown = 0;
  const nlohmann::json& charges = worker["held_by"];
  for (std::size_t i = 0; i < std::min(charges.size(), kHeldByShown); ++i) {
    const nlohmann::json& charge = charges[i];
    const double seconds = charge["s"].get<double>();
    shown += seconds;
    text += fmt::format("{}{} {:.2f} s", text.empty() ? "" : ", ",
                        charge["worker"].is_null() ? "deadline" : charge["worker"].dump(), seconds);
  }
  if (charges.size() <= kHeldByShown) return text.empty() ? "-" : text;
  return fmt::format("{}, others {:.2f} s", text, worker["wait_s"].get<double>() - shown);
}

void print_workers(const nlohmann::json& workers) {
  std::vector<const nlohmann::json*> rows;
  for (const nlohmann::json& worker : workers) rows.push_back(&worker);
  if (rows.size() > kMostRows) {
    std::ranges::stable_sort(rows, std::greater<>(),
                             [](const nlohmann::json* worker) { return (*worker)["held_others_s"].get<double>(); });
    rows.resize(kFewRows);
  }
  fmt::print("{:>6} {:>8} {:>9} {:>8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>9}  {}\n", "worker", "steps", "computing",
             "data s", "compute s", "delay s", "push s", "wait s", "pull s", "staleness", "held by");
  for (const nlohmann::json* row : rows) {
    const nlohmann::json& w = *row;
    fmt::print("{:>6} {:>8} {:>7.0f} % {:>8.2f} {:>9.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>9.2f}  {}\n",
               w["worker"].get<int>(), w["steps"].get<std::uint64_t>(), w["compute_share"].get<double>() * 100,
               w["data_s"].get<double>(), w["compute_s"].get<double>(), w["delay_s"].get<double>(),
               w["push_s"].get<double>(), w["wait_s"].get<double>(), w["pull_s"].get<double>(),
               w["staleness_mean"].get<double>(), held_by_text(w));
  }
  if (rows.size() < workers.size()) {
    fmt::print("{:>6} the {} that held the others most; {} more in workers.csv\n", "...", rows.size(),
               workers.size() - rows.size());
  }
}

// By the definition of psctl explain: a straggler's mini-batches, transfers included, take at least 1.2 times the median
// of the others'. Of several stragglers, the one that the others waited for longest.
std::string straggler_text(const nlohmann::json& workers) {
  constexpr double kTinyShare = 1e-4;  // of the workers' time: nobody would call that waiting
  constexpr double kSlow = 1.2;
  struct Pace {
    const nlohmann::json* worker;
    double mean = 0;      // of a mini-batch, with what was done of one at the end
    double at_least = 0;  // as if that one had been whole
    double held = 0;
    double ratio = 0;
  };
  double wait = 0, wall = 0;
  std::vector<Pace> paces;
  for (const nlohmann::json& worker : workers) {
    const auto number = [&](const char* key) { return worker[key].get<double>(); };
    wait += number("wait_s");
    wall += number("wall_s");
    double time = 0;
    for (const char* part : {"data_s", "compute_s", "delay_s", "push_s", "pull_s"}) time += number(part);
    const double steps = number("steps");
    if (time > 0) paces.push_back({&worker, time / std::max(1.0, steps), time / (steps + 1), number("held_others_s")});
  }
  std::vector<double> means;
  for (const Pace& pace : paces) means.push_back(pace.mean);
  std::ranges::sort(means);
  for (Pace& pace : paces) {
    if (paces.size() < 2) break;
    const auto own = static_cast<std::size_t>(std::ranges::lower_bound(means, pace.mean) - means.begin());
    const auto other = [&](std::size_t place) { return means[place < own ? place : place + 1]; };
    const std::size_t others = means.size() - 1;
    const double median = (other((others - 1) / 2) + other(others / 2)) / 2;
    if (pace.at_least >= kSlow * median) pace.ratio = pace.mean / median;
  }
  std::ranges::stable_sort(paces, std::greater<>(),
                           [](const Pace& pace) { return std::tuple(pace.ratio > 0, pace.held, pace.ratio); });
  const bool waited = wait > kTinyShare * wall;
  const bool slow = !paces.empty() && paces.front().ratio > 0;
  if (!waited && !slow) return "nobody waited";
  const std::string name = fmt::format("worker {}", (*paces.front().worker)["worker"].get<int>());
  const std::string held = fmt::format("the others waited {:.2f} s for {}, {:.0f} % of all waiting", paces.front().held,
                                       slow ? "it" : name, paces.front().held / wait * 100);
  if (!slow) return "no straggler; " + held;
  return fmt::format("straggler: {}, its steps take {:.1f} times the median of the others; {}", name,
                     paces.front().ratio, waited ? held : "nobody waited");
}

// What became of the samples; empty if every one was used.
std::string samples_text(const nlohmann::json& summary) {
  std::string text;
  bool all_used = true;
  for (const auto& [key, count] : trace::kSampleCounts) {
    const auto samples = summary.value(key, std::uint64_t{0});
    const bool used = count == &trace::SampleCounts::used;
    if (samples == 0 && !used) continue;
    all_used = all_used && used;
    std::string name = std::string(key).substr(sizeof("samples_") - 1);
    std::ranges::replace(name, '_', ' ');
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", samples, name);
  }
  return all_used ? "" : text;
}

// What ended the run, and when it reached its target accuracy, if it had one.
std::string end_text(const nlohmann::json& summary) {
  const auto number = [&](const char* key) {
    const auto found = summary.find(key);
    return found != summary.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
  };
  std::string text;
  if (const auto stop = summary.find("stop"); stop != summary.end() && stop->is_string() && !summary.value("diverged", false)) {
    text = fmt::format("ended by stop.{}", stop->get<std::string>());
  }
  if (const auto target = number("target_accuracy")) {
    const auto time = number("time_to_target_s");
    text += fmt::format("{}target accuracy {} {}", text.empty() ? "" : "; ", *target,
                        time ? fmt::format("reached after {:.3g} s", *time) : "not reached in two evaluations in a row");
  }
  return text;
}

}  // namespace

void print_error(const std::string& message) { print_message("error", fmt::terminal_color::red, message); }
void print_notice(const std::string& message) { print_message("note", fmt::terminal_color::yellow, message); }

bool shows_true_colour() {
  const char* promised = std::getenv("COLORTERM");
  const std::string_view kind = promised ? promised : "";
  return colourful(STDOUT_FILENO) && (kind == "truecolor" || kind == "24bit");
}

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  const int number = columns ? std::atoi(columns) : 0;
  return number > 0 ? static_cast<std::size_t>(number) : 80;
}

ProgressLine::ProgressLine(std::size_t workers, bool quiet)
    : quiet_(quiet), live_(::isatty(STDERR_FILENO)), workers_(workers) {}

ProgressLine::~ProgressLine() {
  if (live_ && shown_) fmt::print(stderr, "\r\033[K");
}

bool ProgressLine::due() {
  const auto now = std::chrono::steady_clock::now();
  if (quiet_ || now < next_) return false;
  next_ = now + (live_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(2000));
  return true;
}

void ProgressLine::show(const lead::Progress& progress) {
  if (!due()) return;
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
  draw(line);
}

void ProgressLine::show(const std::string& what, double share) {
  constexpr double kBar = 24;
  const auto full = static_cast<std::size_t>(kBar * std::clamp(share, 0.0, 1.0));
  const std::string bar = live_ ? fmt::format("[{:<24}] ", std::string(full, '#')) : "";
  show(fmt::format("{}{}: {:3.0f} %", bar, what, share * 100));
}

void ProgressLine::show(const std::string& text) {
  const bool worth_it = std::chrono::steady_clock::now() - began_ > std::chrono::milliseconds(500);
  if (worth_it && due()) draw(text);
}

void ProgressLine::draw(const std::string& line) {
  shown_ = true;
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
  const bool diverged = summary.value("diverged", false);
  if (diverged) fmt::print("DIVERGED: the numbers of the model are no longer finite; use a lower learning rate\n\n");
  print_workers(summary["workers"]);
  fmt::print("\n{} on the {} clock, {}: {} updates in {:.1f} s, {} used samples/s\n",
             summary["strategy"].get<std::string>(), summary["clock"].get<std::string>(),
             summary["status"].get<std::string>(), summary["updates"].get<std::uint64_t>(),
             summary["time_s"].get<double>(), number("samples_per_s", "{:.0f}", "-"));
  if (const std::string end = end_text(summary); !end.empty()) fmt::print("{}\n", end);
  if (const std::string samples = samples_text(summary); !samples.empty()) fmt::print("samples: {}\n", samples);
  fmt::print("test accuracy {} (best {}), computing {} of the time, waiting {}\n",
             number("final_accuracy", "{:.4f}", diverged ? "none" : "not measured"),
             number("best_accuracy", "{:.4f}", "-"), percent("compute_share"), percent("wait_share"));
  fmt::print("{}\n", straggler_text(summary["workers"]));
  if (summary["disturbed"].is_boolean() && summary["disturbed"].get<bool>()) {
    fmt::print("the machine itself disturbed this run, its times are not those that were asked for:\n  {}\n",
               summary.value("disturbance", ""));
  }
  fmt::print("account: {}\n", folder);
}

}  // namespace psctl::app
