#include "delay/stragglers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/csv.h"
#include "base/error.h"
#include "base/random.h"

namespace psctl::delay {
namespace {

constexpr double kLongestMs = std::chrono::duration<double, std::milli>(kLongestDelay).count();
constexpr Step kLastStep = 1'000'000'000'000'000'000;
constexpr std::string_view kTraceHeader = "worker,step,delay_ms";
constexpr std::array<std::string_view, 3> kTraceColumns = {"worker", "step", "delay_ms"};

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

// Steps since the begin of a period, where periods begin at `offset`; both below `period`.
Step since_begin(Step step, Step offset, Step period) {
  return step >= offset ? step - offset : step + (period - offset);
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
    Step step;  // from 0, whatever the file counts from
    Duration delay;
    std::size_t line;

    auto key() const { return std::tuple(worker, step); }
  };
  std::vector<Row> rows;  // ordered by key

  explicit Trace(const Rule& rule) : file_(rule.file), first_step_(rule.first_step) {
    const std::string text = read();
    CsvReader reader(text);
    if (!reader.next()) fail(1, fmt::format("expected the header '{}', found an empty file", kTraceHeader));
    if (!std::ranges::equal(reader.cells(), kTraceColumns)) {
      fail(1, fmt::format("expected the header '{}', found {}", kTraceHeader, shown(reader.line())));
    }
    while (reader.next()) rows.push_back(parse(reader));
    order();
  }

  // Refuses rows of workers that do not exist.
  void check_workers(std::size_t workers) const {
    const auto unknown = std::ranges::find_if(rows, [&](const Row& row) { return row.worker.value >= workers; });
    if (unknown == rows.end()) return;
    fail(unknown->line, fmt::format("there is no worker {}; cluster.workers: {} are counted from 0; remove such rows",
                                    unknown->worker.value, workers));
  }

  // How many steps the file has of a worker, up to the last that stands there.
  Step steps_of(WorkerId worker) const {
    const auto behind = std::ranges::upper_bound(rows, worker, {}, &Row::worker);
    return behind == rows.begin() || std::prev(behind)->worker != worker ? 0 : std::prev(behind)->step + 1;
  }

  Duration at(WorkerId worker, Step step) const {
    const auto row = std::ranges::lower_bound(rows, std::tuple(worker, step), {}, &Row::key);
    return row != rows.end() && row->key() == std::tuple(worker, step) ? row->delay : Duration();
  }

 private:
  [[noreturn]] void fail(std::size_t line, const std::string& text) const {
    throw UserError(fmt::format("stragglers: {}: line {}: {}", file_, line, text));
  }

  std::string read() const {
    std::error_code error;
    const auto status = std::filesystem::status(file_, error);
    if (error) throw UserError(fmt::format("stragglers: {}: cannot be opened: {}", file_, error.message()));
    if (!std::filesystem::is_regular_file(status)) {
      throw UserError(fmt::format("stragglers: {}: expected a CSV file of {}, found {}", file_, kTraceHeader,
                                  std::filesystem::is_directory(status) ? "a folder" : "something else"));
    }
    errno = 0;
    std::ifstream in(file_, std::ios::binary);
    if (!in) {
      throw UserError(
          fmt::format("stragglers: {}: cannot be opened: {}", file_, std::generic_category().message(errno)));
    }
    std::ostringstream text;
    text << in.rdbuf();
    if (in.bad()) throw WorldError(fmt::format("stragglers: {}: cannot be read", file_));
    return std::move(text).str();
  }

  Row parse(const CsvReader& reader) const {
    const std::size_t line = reader.number();
    if (reader.cells().size() != kTraceColumns.size()) {
      fail(line, fmt::format("expected three values, {}, found {}", kTraceHeader, shown(reader.line())));
    }
    const std::string_view worker_text = reader.cells()[0], step_text = reader.cells()[1],
                           delay_text = reader.cells()[2];
    const auto worker = number_of<std::uint32_t>(worker_text);
    if (!worker) fail(line, fmt::format("expected a worker's number, from 0, found {}", shown(worker_text)));
    const auto step = number_of<Step>(step_text);
    if (step == Step{0} && first_step_ == 1) {
      fail(line,
           "step 0, but steps are counted from 1, as in steps.csv; where the file counts from 0, add first_step: 0");
    }
    if (!step || *step > kLastStep)
      fail(line, fmt::format("expected a step, from {}, found {}", first_step_, shown(step_text)));
    const auto delay = number_of<double>(delay_text);
    if (!delay || !(*delay >= 0 && *delay <= kLongestMs)) {
      fail(line, fmt::format("expected a delay of 0 to {} ms, found {}", kLongestMs, shown(delay_text)));
    }
    return {.worker = WorkerId(*worker), .step = *step - first_step_, .delay = to_delay(*delay), .line = line};
  }

  void order() {
    std::ranges::sort(rows, {}, [](const Row& row) { return std::tuple(row.worker, row.step, row.line); });
    const auto twice = std::ranges::adjacent_find(rows, {}, &Row::key);
    if (twice == rows.end()) return;
    fail(std::next(twice)->line,
         fmt::format("expected every step of a worker once, found step {} of worker {} as on line {}",
                     twice->step + first_step_, twice->worker.value, twice->line));
  }

  std::string file_;
  Step first_step_;
};

// The files of `trace` rules, each read once.
class Stragglers::TraceFiles {
 public:
  // `workers`: how many there are, where that is known.
  explicit TraceFiles(std::optional<std::size_t> workers = {}) : workers_(workers) {}

  std::shared_ptr<const Trace> read(const Rule& rule) {
    auto& trace = traces_[{rule.file, rule.first_step}];
    if (!trace) {
      trace = std::make_shared<const Trace>(rule);
      if (workers_) trace->check_workers(*workers_);
    }
    return trace;
  }

 private:
  std::optional<std::size_t> workers_;
  std::map<std::pair<std::string, Step>, std::shared_ptr<const Trace>> traces_;
};

Stragglers::Stragglers(const std::vector<Rule>& rules, WorkerId worker, std::uint64_t seed, TraceFiles& files)
    : worker_(worker), seed_(seed) {
  for (std::size_t place = 0; place < rules.size(); ++place) {
    const Rule& rule = rules[place];
    PSCTL_CHECK(rule.every_steps > 0);
    // Also where the rule does not name this worker: a fault of the file is everybody's.
    std::shared_ptr<const Trace> trace = rule.law == Law::kTrace ? files.read(rule) : nullptr;
    const auto found = std::ranges::find(rule.workers, worker);
    if (found == rule.workers.end()) continue;
    Active& active = active_.emplace_back();
    active = {.rule = rule, .place = place, .trace = std::move(trace)};
    active.rule.workers.clear();
    if (rule.phase == Phase::kDrawn) {
      active.offset = Draws(key_of(seed, place, worker, 0)).below(rule.every_steps);
    } else if (rule.phase == Phase::kSpread) {
      const auto count = rule.workers.size(), index = static_cast<std::size_t>(found - rule.workers.begin());
      active.offset = rule.every_steps / count * index + rule.every_steps % count * index / count;
    }
    if (active.trace) active.period = active.trace->steps_of(worker);
  }
}

Stragglers::Stragglers(const std::vector<Rule>& rules, WorkerId worker, std::uint64_t seed)
    : worker_(worker), seed_(seed) {
  TraceFiles files;
  *this = Stragglers(rules, worker, seed, files);
}

std::vector<Stragglers> Stragglers::every(const std::vector<Rule>& rules, std::size_t workers, std::uint64_t seed) {
  TraceFiles files(workers);
  std::vector<Stragglers> all;
  all.reserve(workers);
  for (std::size_t worker = 0; worker < workers; ++worker) {
    all.push_back(Stragglers(rules, WorkerId(static_cast<std::uint32_t>(worker)), seed, files));
  }
  return all;
}

std::vector<std::string> Stragglers::notices(const std::vector<Rule>& rules, std::optional<Step> steps) {
  std::vector<std::string> notices;
  TraceFiles files;
  for (std::size_t place = 0; place < rules.size(); ++place) {
    const Rule& rule = rules[place];
    if (rule.law != Law::kTrace) continue;
    const auto trace = files.read(rule);
    std::size_t without = 0;
    Step shortest = std::numeric_limits<Step>::max(), longest = 0;
    for (const WorkerId worker : rule.workers) {
      const Step length = trace->steps_of(worker);
      if (length == 0) {
        ++without;
        continue;
      }
      shortest = std::min(shortest, length);
      longest = std::max(longest, length);
    }
    if (without > 0) {
      notices.push_back(fmt::format("stragglers.{}: {} has no rows of {} of the rule's {} workers: they are not slow",
                                    place, rule.file, without, rule.workers.size()));
    }
    if (longest > 0 && !rule.repeat && (!steps || shortest < *steps)) {
      notices.push_back(
          fmt::format("stragglers.{}: {} ends after {} steps of a worker: later steps are not slow; with repeat: true "
                      "the worker begins it again",
                      place, rule.file,
                      shortest == longest ? fmt::format("{}", longest) : fmt::format("{} to {}", shortest, longest)));
    }
  }
  return notices;
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
      return since_begin(step % rule.every_steps, active.offset, rule.every_steps) < rule.for_steps
                 ? to_delay(rule.delay_ms)
                 : Duration();
    case Law::kWindow:
      return in_window(rule, now) ? to_delay(rule.delay_ms) : Duration();
    case Law::kTrace:
      return active.trace->at(worker_, rule.repeat && active.period > 0 ? step % active.period : step);
    case Law::kSlowdown:
      break;
  }
  PSCTL_CHECK(false, "not a law of a delay");
  return {};
}

}  // namespace psctl::delay
