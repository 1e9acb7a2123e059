#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "explain/story.h"
#include "results/run.h"
#include "terminal.h"
#include "verbs.h"

namespace psctl::app {
namespace {

using explain::in_words;
using explain::Played;
using explain::Recorded;
using Json = nlohmann::ordered_json;

enum class AnswerFormat { kTable, kJson, kCsv };

struct Wish {
  std::optional<WorkerId> worker;
  std::optional<Step> step;
  std::vector<std::string> alternatives;
  AnswerFormat format = AnswerFormat::kTable;
  bool quiet = false;
};

double ratio(Duration part, Duration whole) {
  return whole > Duration::zero() ? to_seconds(part) / to_seconds(whole) : 0;
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

double seconds(Instant at) { return to_seconds(at); }

std::string name_of(std::optional<WorkerId> worker) {
  return worker ? fmt::format("worker {}", worker->value) : std::string("a deadline");
}

// "compute 12.3 ms, delay 40.0 ms, push 1.00 ms": what was any time at all.
std::string parts_of(const sync::Timing& timing) {
  std::string text;
  for (const auto& [name, time] : {std::pair("pull", timing.download),
                                   {"data", timing.data},
                                   {"compute", timing.compute},
                                   {"delay", timing.delay},
                                   {"push", timing.upload}}) {
    if (time > Duration::zero()) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, in_words(time));
  }
  return text;
}

Json json_of(const sync::Timing& timing) {
  return {{"data_s", to_seconds(timing.data)},
          {"compute_s", to_seconds(timing.compute)},
          {"delay_s", to_seconds(timing.delay)},
          {"push_s", to_seconds(timing.upload)},
          {"pull_s", to_seconds(timing.download)}};
}

// What a run says of itself, as far as no look at its times is needed.
Json heading(const Recorded& run) {
  return {{"run", run.folder},
          {"strategy", run.label},
          {"clock", run.config.clock == config::Clock::kVirtual ? "virtual" : "real"},
          {"seed", run.config.seed},
          {"status", run.status},
          {"stop", run.stop.empty() ? Json(nullptr) : Json(run.stop)},
          {"time_s", seconds(run.end)},
          {"work_done_s", seconds(run.done)},
          {"mini_batches", run.mini_batches},
          {"pushes", run.pushes.size()},
          {"updates", run.updates},
          {"workers", run.workers.size()}};
}

void print_heading(const Recorded& run) {
  fmt::print("{}: {}, {} clock, {}, seed {}\n", run.folder, run.label,
             run.config.clock == config::Clock::kVirtual ? "virtual" : "real", counted(run.workers.size(), "worker"),
             run.config.seed);
  fmt::print("  {}, {} and {} in {}", counted(run.mini_batches, "mini-batch", "mini-batches"),
             counted(run.pushes.size(), "push", "pushes"), counted(run.updates, "update"),
             in_words(run.done - Instant{}));
  if (run.end > run.done) fmt::print("; it ended at {}", in_words(run.end - Instant{}));
  fmt::print(" ({})\n", run.stop.empty() ? run.status : fmt::format("{}, stop: {}", run.status, run.stop));
  for (const std::string& notice : run.notices) fmt::print("  {}\n", notice);
}

// ---- the story of a run

struct Story {
  const Recorded& run;
  const explain::Times& times;
  const explain::Costs& costs;
  std::vector<Duration> means;
  std::vector<double> paces;
  std::vector<explain::Straggler> stragglers;
  std::vector<explain::Stretch> stretches;

  const explain::Cost* cost_of(std::size_t worker) const {
    const auto found =
        std::ranges::find(costs.costs, WorkerId(static_cast<std::uint32_t>(worker)), &explain::Cost::worker);
    return found == costs.costs.end() ? nullptr : &*found;
  }
};

std::string held_by_text(std::span<const trace::Charge> charges, Duration whole, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < charges.size() && i < most; ++i) {
    text += fmt::format("{}{} for {} ({})", text.empty() ? "" : ", ", in_words(charges[i].time),
                        name_of(charges[i].worker), percent(ratio(charges[i].time, whole)));
  }
  if (charges.size() > most) text += fmt::format(", the rest for {} more", charges.size() - most);
  return text;
}

// How much the times, played again, differ from the run: whether the rest of the page is to be believed.
std::string check_of(const Recorded& run, const Played& replay, bool laws) {
  const char* times = laws ? "the laws of its cluster" : "the recorded times";
  const Duration recorded = run.done - Instant{};
  const Duration difference = replay.time - recorded;
  if (!replay.done) return fmt::format("played again, {} do not come to the end: {}", times, replay.stop);
  if (difference == Duration::zero()) return fmt::format("played again, {} take exactly as long", times);
  return fmt::format("played again, {} take {} ({:+.2f} %)", times, in_words(replay.time),
                     100 * ratio(difference, recorded));
}

void print_story(const Story& story) {
  constexpr std::size_t kRows = 40;
  const Recorded& run = story.run;
  print_heading(run);
  fmt::print(
      "\nWhere the time went\n  {:>6} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>6} {:>12} "
      "{:>12} {:>8}\n",
      "worker", "steps", "data", "compute", "delay", "push", "wait", "pull", "cut off", "rest", "mini-batch", "pace",
      "held others", "cost", "");
  for (std::size_t i = 0; i < run.workers.size() && i < kRows; ++i) {
    const trace::WorkerAccount& w = run.workers[i];
    fmt::print("  {:>6} {:>8}", i, w.steps);
    for (const Duration part : {w.data, w.compute, w.delay, w.push, w.wait, w.pull, run.cut_off[i], run.rest(i)}) {
      fmt::print(" {:>8}", percent(ratio(part, w.wall)));
    }
    const explain::Cost* cost = story.cost_of(i);
    fmt::print(" {:>11} {:>6} {:>12} {:>12} {:>8}\n",
               story.means[i] > Duration::zero() ? in_words(story.means[i]) : "-",
               fmt::format("{:.2f}", story.paces[i]), in_words(w.held_others), cost ? in_words(cost->cost) : "-",
               cost ? percent(ratio(cost->cost, story.costs.replay.time)) : "-");
  }
  if (run.workers.size() > kRows) {
    fmt::print("  and {} more; --format csv has all\n", run.workers.size() - kRows);
  }
  fmt::print(
      "  delay: injected; wait: held by the strategy; cut off: begun, but not pushed before the worker left or the\n"
      "  run ended; rest: measured by nobody; mini-batch: its mean time, transfers included; pace: that in medians of\n"
      "  the others; held others: how long they waited for it, all together; cost: what the run would have taken less\n"
      "  if this worker's mini-batches and transfers took the median of the others'\n");
  if (!story.costs.all) {
    fmt::print("  cost is worked out for the {} slowest workers\n", story.costs.costs.size());
  }

  fmt::print("\nWaits and their causes\n");
  const Duration waiting = run.waiting();
  if (waiting == Duration::zero()) {
    fmt::print("  nobody waited\n");
  } else {
    fmt::print("  {} of waiting in all, {} of the workers' time\n", in_words(waiting),
               percent(ratio(waiting, run.wall())));
    for (std::size_t i = 0; i < run.workers.size() && i < kRows; ++i) {
      const trace::WorkerAccount& w = run.workers[i];
      if (w.wait == Duration::zero()) continue;
      fmt::print("  worker {} waited {}: {}\n", i, in_words(w.wait), held_by_text(w.held_by, w.wait, 4));
    }
    if (run.workers.size() > kRows) fmt::print("  and {} more\n", run.workers.size() - kRows);
  }

  fmt::print("\nStragglers\n");
  if (story.stragglers.empty()) fmt::print("  none: no worker is markedly slower than the others\n");
  for (std::size_t i = 0; i < story.stragglers.size() && i < 10; ++i) {
    const explain::Straggler& s = story.stragglers[i];
    fmt::print("  worker {}: {:.2f} times as long a mini-batch as the others", s.worker.value, s.pace);
    if (s.held_share > 0) fmt::print("; {} of all waiting was for it", percent(s.held_share));
    if (s.cost) {
      const explain::Cost& cost = *story.cost_of(s.worker.value);
      fmt::print("; at their pace the run would have taken {}, {} {}", in_words(cost.with_median),
                 percent(std::abs(ratio(cost.cost, story.costs.replay.time))),
                 cost.cost < Duration::zero() ? "more" : "less");
      if (const std::uint64_t unused = story.costs.replay.samples.unused();
          cost.cost < Duration::zero() && cost.samples_unused > unused) {
        fmt::print(", as {} would have come to nothing, not {}",
                   counted(cost.samples_unused / run.batch_size(), "mini-batch", "mini-batches"),
                   unused / run.batch_size());
      }
    }
    fmt::print("\n");
  }
  if (story.stragglers.size() > 10) fmt::print("  and {} more\n", story.stragglers.size() - 10);

  if (!story.stretches.empty()) {
    fmt::print("\nSlowest stretches ({:.4g} mini-batches a second in the whole run)\n", explain::rate(run));
    for (const explain::Stretch& stretch : story.stretches) {
      fmt::print("  {} to {}: {:.4g} a second; waiting {} of the time{}\n", in_words(stretch.from - Instant{}),
                 in_words(stretch.to - Instant{}), stretch.rate, percent(stretch.waiting),
                 stretch.held_by.empty() ? "" : fmt::format(", most of it for {}", name_of(stretch.held_by[0].worker)));
    }
  }
  fmt::print("\nCheck: {}.\n", check_of(run, story.costs.replay, story.times.laws_alone));
  for (const std::string& caveat : story.times.caveats) fmt::print("  {}\n", caveat);
}

Json json_of_charges(std::span<const trace::Charge> charges) {
  Json list = Json::array();
  for (const trace::Charge& charge : charges) {
    list.push_back(
        {{"worker", charge.worker ? Json(charge.worker->value) : Json(nullptr)}, {"s", to_seconds(charge.time)}});
  }
  return list;
}

double per_second(const Played& played) {
  const double each = played.seconds_per_sample();
  return each > 0 ? 1 / each : 0;
}

// The time of a used sample, in those of the recorded run.
double relative(const Recorded& run, const Played& played) {
  const double recorded = explain::as_recorded(run).seconds_per_sample();
  return recorded > 0 ? played.seconds_per_sample() / recorded : 0;
}

Json json_of(const Played& played) {
  Json page = {{"strategy", played.label},
               {"done", played.done},
               {"time_s", to_seconds(played.time)},
               {"samples_per_s", per_second(played)},
               {"stop", played.stop},
               {"wait_share", ratio(played.waited, played.wall)},
               {"updates", played.updates},
               {"pushes", played.pushes},
               {"mini_batches", played.mini_batches},
               {"samples", played.samples.received()},
               {"staleness_mean", played.staleness_mean},
               {"staleness_p99", played.staleness_p99},
               {"staleness_max", played.staleness_max}};
  for (const auto& [name, count] : trace::kSampleCounts) page[name] = played.samples.*count;
  return page;
}

Json json_of(const Story& story) {
  const Recorded& run = story.run;
  Json page = heading(run);
  page["notices"] = run.notices;
  page["caveats"] = story.times.caveats;
  page["replay"] = json_of(story.costs.replay);
  page["waiting_s"] = to_seconds(run.waiting());
  page["wait_share"] = ratio(run.waiting(), run.wall());
  page["workers"] = Json::array();
  for (std::size_t i = 0; i < run.workers.size(); ++i) {
    const trace::WorkerAccount& w = run.workers[i];
    const explain::Cost* cost = story.cost_of(i);
    page["workers"].push_back(
        {{"worker", i},
         {"steps", w.steps},
         {"data_s", to_seconds(w.data)},
         {"compute_s", to_seconds(w.compute)},
         {"delay_s", to_seconds(w.delay)},
         {"push_s", to_seconds(w.push)},
         {"wait_s", to_seconds(w.wait)},
         {"pull_s", to_seconds(w.pull)},
         {"cut_off_s", to_seconds(run.cut_off[i])},
         {"rest_s", to_seconds(run.rest(i))},
         {"wall_s", to_seconds(w.wall)},
         {"mini_batch_s", to_seconds(story.means[i])},
         {"pace", story.paces[i]},
         {"held_others_s", to_seconds(w.held_others)},
         {"held_by", json_of_charges(w.held_by)},
         {"cost_s", cost ? Json(to_seconds(cost->cost)) : Json(nullptr)},
         {"cost_share", cost ? Json(ratio(cost->cost, story.costs.replay.time)) : Json(nullptr)}});
  }
  page["stragglers"] = Json::array();
  for (const explain::Straggler& s : story.stragglers) {
    page["stragglers"].push_back({{"worker", s.worker.value},
                                  {"pace", s.pace},
                                  {"held_share", s.held_share},
                                  {"cost_s", s.cost ? Json(to_seconds(*s.cost)) : Json(nullptr)}});
  }
  page["slow_stretches"] = Json::array();
  for (const explain::Stretch& s : story.stretches) {
    page["slow_stretches"].push_back({{"from_s", seconds(s.from)},
                                      {"to_s", seconds(s.to)},
                                      {"mini_batches_per_s", s.rate},
                                      {"wait_share", s.waiting},
                                      {"held_by", json_of_charges(s.held_by)}});
  }
  return page;
}

// A cell of CSV; labels have commas.
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

constexpr const char* kStoryColumns =
    "run,strategy,worker,steps,data_s,compute_s,delay_s,push_s,wait_s,pull_s,cut_off_s,rest_s,wall_s,mini_batch_s,pace,"
    "held_others_s,cost_s,cost_share\n";

void print_csv(const Story& story) {
  const Recorded& run = story.run;
  for (std::size_t i = 0; i < run.workers.size(); ++i) {
    const trace::WorkerAccount& w = run.workers[i];
    const explain::Cost* cost = story.cost_of(i);
    fmt::print("{},{},{},{}", cell(run.folder), cell(run.label), i, w.steps);
    for (const Duration part :
         {w.data, w.compute, w.delay, w.push, w.wait, w.pull, run.cut_off[i], run.rest(i), w.wall, story.means[i]}) {
      fmt::print(",{:.9f}", to_seconds(part));
    }
    fmt::print(",{:.6g},{:.9f},{},{}\n", story.paces[i], to_seconds(w.held_others),
               cost ? fmt::format("{:.9f}", to_seconds(cost->cost)) : "",
               cost ? fmt::format("{:.6g}", ratio(cost->cost, story.costs.replay.time)) : "");
  }
}

// ---- why a worker waited

std::string ending_of(const explain::Cause& cause) {
  using Kind = explain::Happening::Kind;
  if (!cause.part.by) return "the strategy's deadline ended it";
  if (!cause.ended) return "it computed on";
  switch (*cause.ended) {
    case Kind::kPushed:
      return fmt::format("its push of step {} ended it", cause.last_step);
    case Kind::kLeft:
      return "its leave ended it";
    case Kind::kJoined:
      return "its coming in ended it";
    default:
      return "it computed on";
  }
}

void print_hold(const Recorded& run, const explain::Hold& hold) {
  const Duration length = hold.end - hold.begin;
  const std::string what =
      hold.push ? fmt::format("pushed step {} at {:.6f} s", run.pushes[*hold.push].step, seconds(hold.begin))
                : fmt::format("came in at {:.6f} s", seconds(hold.begin));
  const std::string how = hold.released         ? "was released"
                          : hold.end == run.end ? "was held to the end of the run,"
                                                : "was held until it left,";
  fmt::print("worker {} {} and {} at {:.6f} s", hold.worker.value, what, how, seconds(hold.end));
  if (length == Duration::zero()) {
    fmt::print(": it did not wait\n");
    return;
  }
  fmt::print(": it waited {}{}\n", in_words(length), hold.parts.empty() ? ", and computed on through all of it" : "");
  Duration charged{};
  for (const explain::Cause& cause : explain::causes(run, hold)) {
    const trace::HoldPart& part = cause.part;
    charged += part.time;
    fmt::print("  {:.6f} to {:.6f} s  {:>10}  for {}", seconds(part.from), seconds(part.to), in_words(part.time),
               name_of(part.by));
    if (cause.pushes > 0) {
      fmt::print(": it worked on {} ({})",
                 cause.first_step == cause.last_step ? fmt::format("step {}", cause.last_step)
                                                     : fmt::format("steps {} to {}", cause.first_step, cause.last_step),
                 parts_of(cause.timing));
    }
    fmt::print("{} {}\n", cause.pushes > 0 ? ";" : ":", ending_of(cause));
    if (part.time != part.to - part.from) fmt::print("      its part of the time, which it shares with others\n");
  }
  if (!hold.parts.empty() && charged < length) {
    fmt::print("  {:>35}  through the beginning of it the worker computed on\n", in_words(length - charged));
  }
}

Json json_of(const Recorded& run, const explain::Hold& hold) {
  Json causes = Json::array();
  for (const explain::Cause& cause : explain::causes(run, hold)) {
    causes.push_back({{"from_s", seconds(cause.part.from)},
                      {"to_s", seconds(cause.part.to)},
                      {"s", to_seconds(cause.part.time)},
                      {"worker", cause.part.by ? Json(cause.part.by->value) : Json(nullptr)},
                      {"pushes", cause.pushes},
                      {"first_step", cause.pushes > 0 ? Json(cause.first_step) : Json(nullptr)},
                      {"last_step", cause.pushes > 0 ? Json(cause.last_step) : Json(nullptr)},
                      {"timing", json_of(cause.timing)},
                      {"ended", ending_of(cause)}});
  }
  return {{"worker", hold.worker.value},
          {"step", hold.push ? Json(run.pushes[*hold.push].step) : Json(nullptr)},
          {"pushed_s", seconds(hold.begin)},
          {"released_s", hold.released ? Json(seconds(hold.end)) : Json(nullptr)},
          {"waited_s", to_seconds(hold.end - hold.begin)},
          {"causes", std::move(causes)}};
}

constexpr const char* kHoldColumns = "run,worker,step,pushed_s,released_s,from_s,to_s,held_by,charged_s\n";

void print_csv(const Recorded& run, const explain::Hold& hold) {
  for (const trace::HoldPart& part : hold.parts) {
    fmt::print("{},{},{},{:.9f},{},{:.9f},{:.9f},{},{:.9f}\n", cell(run.folder), hold.worker.value,
               hold.push ? std::to_string(run.pushes[*hold.push].step) : "", seconds(hold.begin),
               hold.released ? fmt::format("{:.9f}", seconds(hold.end)) : "", seconds(part.from), seconds(part.to),
               part.by ? std::to_string(part.by->value) : "deadline", to_seconds(part.time));
  }
}

// ---- other strategies on the same times

constexpr const char* kPlayedColumns =
    "run,what,strategy,time_s,samples_per_s,relative,wait_share,updates,pushes,mini_batches,samples,samples_used,"
    "samples_discarded,samples_pending,samples_lost,samples_given_up,staleness_mean,staleness_p99,staleness_max,stop\n";

struct Line {
  const char* what;  // recorded | replay | as
  Played played;
};

// Four digits, without an exponent.
std::string rate_text(double rate) { return rate >= 1000 ? fmt::format("{:.0f}", rate) : fmt::format("{:.4g}", rate); }

void print_lines(const Recorded& run, const explain::Times& times, const std::vector<Line>& lines) {
  print_heading(run);
  fmt::print("\n{:<10}{:<44} {:>11} {:>14} {:>16} {:>8} {:>9} {:>9} {:>10} {:>6} {:>6}\n", "", "strategy", "time",
             "used samples/s", "time per sample", "waiting", "updates", "pushes", "staleness", "p99", "max");
  for (const Line& line : lines) {
    const auto& [what, played] = line;
    fmt::print(
        "{:<10}{:<44} {:>11} {:>14} {:>16} {:>8} {:>9} {:>9} {:>10.2f} {:>6} {:>6}\n", what, played.label,
        played.done ? in_words(played.time) : "never", played.done ? rate_text(per_second(played)) : "",
        played.done && &line != &lines.front() ? fmt::format("{:+.2f} %", 100 * (relative(run, played) - 1)) : "",
        percent(ratio(played.waited, played.wall)), played.updates, played.pushes, played.staleness_mean,
        played.staleness_p99, played.staleness_max);
    if (!played.done) {
      fmt::print("{:<10}it stopped after {} of {}: {}\n", "", played.mini_batches,
                 counted(run.mini_batches, "mini-batch", "mini-batches"), played.stop);
    }
  }
  fmt::print(
      "\n`time` is the time to the same stop. Strategies use more or fewer samples until then, so `time per sample`\n"
      "compares the time per used sample with that of `recorded`: -25 % is 25 % less. `replay` is the recorded "
      "strategy\n"
      "on the same times: it should take as long as `recorded`. Accuracy cannot be known: no gradient is computed.\n");
  if (times.laws_alone) {
    fmt::print(
        "Played are the laws of the virtual cluster, as for a run made under that strategy: it would take exactly as\n"
        "long.\n");
  } else {
    fmt::print(
        "Mini-batches and transfers take as long as they were recorded to: that another strategy would crowd the "
        "cores\n"
        "and the network more, or less, is not in the figures. A worker that takes more mini-batches than were "
        "recorded\n"
        "has its own again, in order.\n");
  }
  for (const std::string& caveat : times.caveats) fmt::print("  {}\n", caveat);
}

Json json_of(const Recorded& run, const explain::Times& times, const std::vector<Line>& lines) {
  Json page = heading(run);
  page["notices"] = run.notices;
  page["caveats"] = times.caveats;
  page["played"] = Json::array();
  for (const auto& [what, played] : lines) {
    Json line = {{"what", what}};
    line.update(json_of(played));
    line["relative"] = played.done ? Json(relative(run, played)) : Json(nullptr);
    page["played"].push_back(std::move(line));
  }
  return page;
}

void print_csv(const Recorded& run, const std::vector<Line>& lines) {
  for (const auto& [what, p] : lines) {
    std::string samples = std::to_string(p.samples.received());
    for (const auto& [name, count] : trace::kSampleCounts) samples += fmt::format(",{}", p.samples.*count);
    fmt::print("{},{},{},{},{},{},{:.6g},{},{},{},{},{:.6g},{},{},{}\n", cell(run.folder), what, cell(p.label),
               p.done ? fmt::format("{:.9f}", to_seconds(p.time)) : "",
               p.done ? fmt::format("{:.6g}", per_second(p)) : "",
               p.done ? fmt::format("{:.6g}", relative(run, p)) : "", ratio(p.waited, p.wall), p.updates, p.pushes,
               p.mini_batches, samples, p.staleness_mean, p.staleness_p99, p.staleness_max, cell(p.stop));
  }
}

// ----

class Explainer {
 public:
  Explainer(Wish wish, const std::atomic<bool>& interrupted) : wish_(std::move(wish)), interrupted_(interrupted) {}

  void explain(const std::string& folder) {
    const Recorded run = explain::read(folder);
    if (wish_.worker) return holds(run);
    if (!wish_.alternatives.empty()) return alternatives(run);
    story(run);
  }

  void finish() const {
    if (wish_.format != AnswerFormat::kJson || first_) return;
    fmt::print("{}\n", pages_.dump(2, ' ', false, Json::error_handler_t::replace));
  }

 private:
  void story(const Recorded& run) {
    const explain::Times times = explain::times_of(run, &interrupted_);
    explain::Costs costs;
    {
      ProgressLine line(0, wish_.quiet);
      costs = explain::costs_of(run, times, &interrupted_,
                                [&](double share) { line.show("what each worker cost", share); });
    }
    if (interrupted_) return;
    const std::vector<Duration> means = explain::means(run);
    const Story story{
        run, times, costs, means, explain::paces(means), explain::stragglers(run, costs), explain::slow_stretches(run)};
    show([&] { print_story(story); }, [&] { print_csv(story); }, [&] { return json_of(story); });
  }

  void holds(const Recorded& run) {
    std::vector<const explain::Hold*> holds;
    if (wish_.step) {
      holds.push_back(&explain::hold_after(run, *wish_.worker, *wish_.step));
    } else {
      holds = explain::longest_holds(run, *wish_.worker, 10);
    }
    show(
        [&] {
          print_heading(run);
          fmt::print("\n");
          if (holds.empty()) fmt::print("worker {} never waited\n", wish_.worker->value);
          for (const explain::Hold* hold : holds) print_hold(run, *hold);
        },
        [&] {
          for (const explain::Hold* hold : holds) print_csv(run, *hold);
        },
        [&] {
          Json page = heading(run);
          page["holds"] = Json::array();
          for (const explain::Hold* hold : holds) page["holds"].push_back(json_of(run, *hold));
          return page;
        });
  }

  void alternatives(const Recorded& run) {
    const std::vector<sync::StrategyConfig> strategies = explain::alternatives(run, wish_.alternatives);
    const explain::Times times = explain::times_of(run, &interrupted_);
    std::vector<Line> lines = {{"recorded", explain::as_recorded(run)},
                               {"replay", explain::play(run, times, run.config.strategy, &interrupted_)}};
    for (const sync::StrategyConfig& strategy : strategies) {
      lines.push_back({"as", explain::play(run, times, strategy, &interrupted_)});
    }
    if (interrupted_) return;
    show([&] { print_lines(run, times, lines); }, [&] { print_csv(run, lines); },
         [&] { return json_of(run, times, lines); });
  }

  template <class Table, class Csv, class Page>
  void show(Table table, Csv csv, Page page) {
    const bool first = std::exchange(first_, false);
    switch (wish_.format) {
      case AnswerFormat::kTable:
        if (!first) fmt::print("\n");
        table();
        break;
      case AnswerFormat::kCsv:
        if (first) {
          fmt::print("{}", wish_.worker ? kHoldColumns : wish_.alternatives.empty() ? kStoryColumns : kPlayedColumns);
        }
        csv();
        break;
      case AnswerFormat::kJson:
        pages_.push_back(page());
        break;
    }
    std::fflush(stdout);
  }

  Wish wish_;
  const std::atomic<bool>& interrupted_;
  Json pages_ = Json::array();
  bool first_ = true;
};

}  // namespace

int explain(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl explain",
       .description =
           "Why a run took as long as it did: where the workers' time went, which of them the others waited for, which "
           "were slow and what that cost. Read from its decision log alone, of real and virtual runs. With --worker "
           "and --step: why that "
           "worker waited after that step, as a chain of causes. With --as: what another strategy would have made of "
           "the same times.",
       .synopsis = "RUN ... [--worker W [--step S] | --as strategy.KEY=VALUE ...] [--format table|json|csv]",
       .examples = "  psctl explain results/quickstart-20260102-030405\n"
                   "  psctl explain results/my-sweep --format csv      every run below a folder, a row a worker\n"
                   "  psctl explain RUN --worker 3 --step 41           why did worker 3 wait after step 41\n"
                   "  psctl explain RUN --worker 3                     its ten longest waits\n"
                   "  psctl explain RUN --as strategy=bsp --as strategy.name=ssp --as strategy.staleness=8\n"
                   "  psctl explain RUN --as strategy=asp --as 'strategy={name: dssp, range: 20}' --format csv\n",
       .options = {{"run", Kind::kWords, "the folder of a run, or one below which runs lie"},
                   {"worker", Kind::kNumber, "tell why this worker waited"},
                   {"step", Kind::kNumber, "after this step of its clock (default: its ten longest waits)"},
                   {"as", Kind::kWords,
                    "another strategy for the same times; strategy=... or strategy.name=... begins one, other keys "
                    "belong to the one at hand"},
                   {"format", Kind::kWord, "table, which tells what its words mean, json or csv", "table"},
                   {"quiet", Kind::kFlag, "no progress"}},
       .positional = "run"},
      argc, argv);
  if (!arguments) return 0;
  const std::vector<std::string>& runs = arguments->words("run");
  if (runs.empty()) throw UserError("psctl explain: name the folder of a run; psctl explain --help tells more");
  Wish wish{.worker = {}, .step = {}, .alternatives = arguments->words("as"), .quiet = arguments->flag("quiet")};
  const std::string& format = arguments->word("format");
  if (format == "json") {
    wish.format = AnswerFormat::kJson;
  } else if (format == "csv") {
    wish.format = AnswerFormat::kCsv;
  } else if (format != "table") {
    throw UserError(fmt::format("psctl explain: --format {}: table, json or csv", format));
  }
  if (arguments->given("worker")) {
    const std::uint64_t worker = arguments->number("worker");
    if (worker > 0xffff'ffffU) throw UserError(fmt::format("psctl explain: there is no worker {}", worker));
    wish.worker = WorkerId(static_cast<std::uint32_t>(worker));
  }
  if (arguments->given("step")) wish.step = arguments->number("step");
  if (wish.step && !wish.worker) throw UserError("psctl explain: --step needs --worker: whose step?");
  if (wish.worker && !wish.alternatives.empty()) {
    throw UserError("psctl explain: --worker tells of the run as it was, --as of another: give one of them");
  }
  for (const std::string& run : runs) {
    std::error_code error;
    if (run.starts_with("strategy") && run.find('=') != std::string::npos && !std::filesystem::exists(run, error)) {
      throw UserError(fmt::format("psctl explain: {0} is no folder; for another strategy write --as {0}", run));
    }
  }
  const std::atomic<bool>& interrupted = catch_signals();
  const results::Found found = results::find_runs(runs);
  if (found.runs.empty() && found.unreadable.empty()) {
    throw UserError(fmt::format("there is no run in {}", enumerate(runs)));
  }
  int code = 0;
  for (const results::Unreadable& unreadable : found.unreadable) {
    print_error(fmt::format("{}: {}", unreadable.path, unreadable.why));
    code = 2;
  }
  Explainer explainer(std::move(wish), interrupted);
  for (const results::Run& run : found.runs) {
    try {
      explainer.explain(run.path());
    } catch (const UserError& error) {
      print_error(error.what());
      code = 2;
    } catch (const WorldError& error) {
      print_error(error.what());
      if (code == 0) code = 1;
    }
    if (interrupted) return 130;
  }
  explainer.finish();
  return code;
}

}  // namespace psctl::app
