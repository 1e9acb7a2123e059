#include "delay/stragglers.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/random.h"

namespace psctl::delay {
namespace {

constexpr double kLongestMs = std::chrono::duration<double, std::milli>(kLongestDelay).count();
constexpr std::string_view kTraceHeader = "worker,step,delay_ms";

Key key_of(std::uint64_t seed, std::uint64_t place, WorkerId worker, Step step) {
  return {.seed = seed, .purpose = Purpose::kStraggler, .worker = place << 32 | worker.value, .step = step};
}

Duration to_delay(double milliseconds) {
  if (!(milliseconds > 0)) return {};
  return milliseconds < kLongestMs ? from_milliseconds(milliseconds) : kLongestDelay;
}

Duration sum(Duration a, Duration b) { return std::min(a + b, kLongestDelay); }

// Compared in whole nanoseconds, so that a step that begins at to_s exactly is outside.
bool in_window(const Rule& rule, Instant now) {
  const auto instant = [](double seconds) {
    constexpr double kEndOfTime = 9e9;
    return Instant(from_seconds(std::clamp(seconds, -kEndOfTime, kEndOfTime)));
  };
  return instant(rule.from_s) <= now && now < instant(rule.to_s);
}

// What a message shows of a line that may hold anything.
std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string excerpt(text.substr(0, kMost));
  for (char& character : excerpt) {
    if (static_cast<unsigned char>(character) < 0x20 || character == 0x7f) character = '?';
  }
  return fmt::format("'{}'{}", excerpt, text.size() > kMost ? "..." : "");
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

}  // namespace

struct Stragglers::Trace {
  struct Row {
    WorkerId worker;
    Step step;
    Duration delay;
    std::size_t line;

    auto key() const { return std::tuple(worker, step); }
  };
  std::vector<Row> rows;  // ordered by key

  explicit Trace(const std::string& file) {
    std::error_code error;
    const auto status = std::filesystem::status(file, error);
    if (error) throw UserError(fmt::format("stragglers: {}: cannot be opened: {}", file, error.message()));
    if (!std::filesystem::is_regular_file(status)) {
      throw UserError(fmt::format("stragglers: {}: expected a CSV file of {}, found {}", file, kTraceHeader,
                                  std::filesystem::is_directory(status) ? "a folder" : "something else"));
    }
    errno = 0;
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      throw UserError(
          fmt::format("stragglers: {}: cannot be opened: {}", file, std::generic_category().message(errno)));
    }
    std::string line;
    std::size_t number = 0;
    while (std::getline(in, line)) {
      ++number;
      if (line.ends_with('\r')) line.pop_back();
      if (number > 1) {
        rows.push_back(parse(line, number, file));
      } else if (line != kTraceHeader) {
        fail(file, number, fmt::format("expected the header '{}', found {}", kTraceHeader, shown(line)));
      }
    }
    if (in.bad()) throw WorldError(fmt::format("stragglers: {}: cannot be read after line {}", file, number));
    if (number == 0) fail(file, 1, fmt::format("expected the header '{}', found an empty file", kTraceHeader));
    order(file);
  }

  Duration at(WorkerId worker, Step step) const {
    const auto row = std::ranges::lower_bound(rows, std::tuple(worker, step), {}, &Row::key);
    return row != rows.end() && row->key() == std::tuple(worker, step) ? row->delay : Duration();
  }

 private:
  [[noreturn]] static void fail(const std::string& file, std::size_t line, const std::string& text) {
    throw UserError(fmt::format("stragglers: {}: line {}: {}", file, line, text));
  }

  static Row parse(std::string_view text, std::size_t line, const std::string& file) {
    const std::size_t first = text.find(','), second = text.find(',', first == text.npos ? first : first + 1);
    if (second == text.npos || text.find(',', second + 1) != text.npos) {
      fail(file, line, fmt::format("expected three values, {}, found {}", kTraceHeader, shown(text)));
    }
    const std::string_view worker_text = text.substr(0, first);
    const std::string_view step_text = text.substr(first + 1, second - first - 1);
    const std::string_view delay_text = text.substr(second + 1);
    const auto worker = number_of<std::uint32_t>(worker_text);
    if (!worker) fail(file, line, fmt::format("expected a worker's number, from 0, found {}", shown(worker_text)));
    const auto step = number_of<Step>(step_text);
    if (!step) fail(file, line, fmt::format("expected a step, from 0, found {}", shown(step_text)));
    const auto delay = number_of<double>(delay_text);
    if (!delay || !(*delay >= 0 && *delay <= kLongestMs)) {
      fail(file, line, fmt::format("expected a delay of 0 to {} ms, found {}", kLongestMs, shown(delay_text)));
    }
    return {.worker = WorkerId(*worker), .step = *step, .delay = to_delay(*delay), .line = line};
  }

  void order(const std::string& file) {
    std::ranges::sort(rows, {}, [](const Row& row) { return std::tuple(row.worker, row.step, row.line); });
    const auto twice = std::ranges::adjacent_find(rows, {}, &Row::key);
    if (twice == rows.end()) return;
    fail(file, std::next(twice)->line,
         fmt::format("expected every step of a worker once, found step {} of worker {} as on line {}", twice->step,
                     twice->worker.value, twice->line));
  }
};

// The files of `trace` rules, each read once.
class Stragglers::TraceFiles {
 public:
  std::shared_ptr<const Trace> read(const std::string& file) {
    auto& trace = traces_[file];
    if (!trace) trace = std::make_shared<const Trace>(file);
    return trace;
  }

 private:
  std::map<std::string, std::shared_ptr<const Trace>> traces_;
};

Stragglers::Stragglers(const std::vector<Rule>& rules, WorkerId worker, std::uint64_t seed, TraceFiles& files)
    : worker_(worker), seed_(seed) {
  for (std::size_t place = 0; place < rules.size(); ++place) {
    const Rule& rule = rules[place];
    PSCTL_CHECK(rule.every_steps > 0);
    // Also where the rule does not name this worker: a fault of the file is everybody's.
    std::shared_ptr<const Trace> trace = rule.law == Law::kTrace ? files.read(rule.file) : nullptr;
    if (std::ranges::find(rule.workers, worker) == rule.workers.end()) continue;
    active_.push_back({.rule = rule, .place = place, .trace = std::move(trace)});
    active_.back().rule.workers.clear();
  }
}

Stragglers::Stragglers(const std::vector<Rule>& rules, WorkerId worker, std::uint64_t seed)
    : worker_(worker), seed_(seed) {
  TraceFiles files;
  *this = Stragglers(rules, worker, seed, files);
}

std::vector<Stragglers> Stragglers::every(const std::vector<Rule>& rules, std::size_t workers, std::uint64_t seed) {
  TraceFiles files;
  std::vector<Stragglers> all;
  all.reserve(workers);
  for (std::size_t worker = 0; worker < workers; ++worker) {
    all.push_back(Stragglers(rules, WorkerId(static_cast<std::uint32_t>(worker)), seed, files));
  }
  return all;
}

Slowness Stragglers::at(Step step, Instant now) {
  Slowness slowness;
  for (Active& active : active_) {
    if (active.rule.law == Law::kSlowdown) {
      slowness.factor = std::min(slowness.factor * active.rule.factor, kGreatestFactor);
    } else {
      Duration& target = active.rule.on == Target::kNetwork ? slowness.network : slowness.compute;
      target = sum(target, delay(active, step, now));
    }
  }
  return slowness;
}

// A chain of two states that is quick before step 0; each step's draw decides whether the state changes at it.
bool Stragglers::in_spell(Active& active, Step step) const {
  if (step + 1 < active.next_step) {
    active.slow = false;
    active.next_step = 0;
  }
  for (; active.next_step <= step; ++active.next_step) {
    Draws draws(key_of(seed_, active.place, worker_, active.next_step));
    if (draws.uniform() < (active.slow ? active.rule.leave : active.rule.enter)) active.slow = !active.slow;
  }
  return active.slow;
}

Duration Stragglers::delay(Active& active, Step step, Instant now) const {
  const Rule& rule = active.rule;
  Draws draws(key_of(seed_, active.place, worker_, step));
  switch (rule.law) {
    case Law::kConstant:
      return to_delay(rule.delay_ms);
    case Law::kUniform:
      return to_delay(rule.min_ms + (rule.max_ms - rule.min_ms) * draws.uniform());
    case Law::kNormal:
      return to_delay(rule.mean_ms + rule.sd_ms * draws.normal());
    case Law::kLognormal:
      return to_delay(rule.median_ms * std::exp(rule.sigma * draws.normal()));
    case Law::kPareto:
      return rule.scale_ms > 0 ? to_delay(rule.scale_ms * std::pow(draws.uniform_open(), -1 / rule.shape)) : Duration();
    case Law::kExponential:
      return to_delay(rule.delay_ms * draws.exponential());
    case Law::kMarkov:
      return in_spell(active, step) ? to_delay(rule.delay_ms) : Duration();
    case Law::kPeriodic:
      return step % rule.every_steps < rule.for_steps ? to_delay(rule.delay_ms) : Duration();
    case Law::kWindow:
      return in_window(rule, now) ? to_delay(rule.delay_ms) : Duration();
    case Law::kTrace:
      return active.trace->at(worker_, step);
    case Law::kSlowdown:
      break;
  }
  PSCTL_CHECK(false, "not a law of a delay");
  return {};
}

}  // namespace psctl::delay
