// What strategies cost: the time of every planner against workers and lookahead, and the time of one decision, a push
// from the event to what the strategy makes of it, for every strategy. Prints CSV: `what,name,workers,lookahead,us`, a
// line a repetition. A decision's time is the mean over many pushes, planning included.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sync/planner.h"
#include "sync/registry.h"
#include "sync/synchronizer.h"

using namespace psctl;
using namespace psctl::sync;
using Clock = std::chrono::steady_clock;

namespace {

double microseconds(Clock::duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

// As the authors of ElasticBSP draw them: one interval a worker, uniform in 1000 to 1500 ms, and an offset.
std::vector<Forecast> forecasts(std::size_t workers, std::uint64_t seed) {
  Draws draws({.seed = seed, .purpose = Purpose::kTest});
  std::vector<Forecast> all(workers);
  for (Forecast& each : all) {
    each.interval = from_milliseconds(1000 + 500 * draws.uniform());
    each.first = each.interval + from_milliseconds(100 * draws.uniform());
  }
  return all;
}

void bench_planners(int repetitions, double longest_s) {
  const sync::Parameter planners = planner_parameter();
  for (const std::string& name : planners.choices) {
    const Planner kind = planner(Parameters({{"planner", name}}));
    for (const Step lookahead : {Step{15}, Step{150}}) {
      double expected_us = 0;  // of the size that comes next, which would be too long
      for (const std::size_t workers : {10, 100, 1000, 10000}) {
        if (expected_us > longest_s * 1e6) break;
        for (int i = 0; i < repetitions; ++i) {
          const auto rows = forecasts(workers, static_cast<std::uint64_t>(i + 1));
          const Clock::time_point start = Clock::now();
          const Plan found = plan(kind, rows, lookahead);
          const double took = microseconds(Clock::now() - start);
          if (found.quotas.size() != workers) std::abort();
          fmt::print("planner,{},{},{},{:.3f}\n", name, workers, lookahead, took);
          expected_us = 100 * took;
        }
      }
    }
  }
}

// A cluster on a queue of pushes, without a network: only the books and the strategy are measured.
class Load {
 public:
  Load(const Entry& entry, std::uint32_t workers, std::uint64_t seed)
      : draws_({.seed = seed, .purpose = Purpose::kTest}),
        sync_(entry.make(defaults(entry), setting(workers, seed)), workers, workers) {
    for (std::uint32_t id = 0; id < workers; ++id) speeds_.push_back(10 + 20 * draws_.uniform());
    for (std::uint32_t id = 0; id < workers; ++id) schedule(Instant{}, sync_.handle(Instant{}, Joined{WorkerId(id)}));
  }

  // Mean time of a decision over that many pushes.
  double run(std::size_t pushes) {
    Clock::duration took{};
    for (std::size_t i = 0; i < pushes; ++i) {
      const auto deadline = sync_.deadline();
      const bool wake = deadline && (due_.empty() || *deadline < due_.begin()->first);
      Event event = Woke{};
      Instant now = wake ? *deadline : due_.begin()->first;
      if (!wake) {
        event = push_of(due_.begin()->second);
        due_.erase(due_.begin());
      }
      const Clock::time_point start = Clock::now();
      const std::span<const Outcome> outcomes = sync_.handle(now, event);
      took += Clock::now() - start;
      schedule(now, outcomes);
    }
    return microseconds(took) / static_cast<double>(pushes);
  }

 private:
  static Setting setting(std::size_t workers, std::uint64_t seed) {
    return {.workers = workers,
            .steps_per_epoch = 50,
            .total_samples = 64'000'000,
            .train_samples = 50 * 64 * workers,
            .batch_size = 64,
            .seed = seed};
  }

  Pushed push_of(WorkerId worker) const {
    const Step steps = std::max<Step>(1, sync_.cluster().worker(worker).local_steps);
    const Duration compute = from_milliseconds(speeds_[worker.value]) * steps;
    return {.worker = worker,
            .steps = steps,
            .timing = {.compute = compute, .upload = Duration(1'000'000), .download = Duration(1'000'000)}};
  }

  void schedule(Instant now, std::span<const Outcome> outcomes) {
    for (const Outcome& outcome : outcomes) {
      const auto* release = std::get_if<Release>(&outcome.decision);
      if (!release) continue;
      const double ms = speeds_[release->worker.value] + 10 * draws_.exponential();
      const double steps = static_cast<double>(std::max<Step>(1, release->local_steps));
      due_.emplace(now + from_milliseconds(ms * steps), release->worker);
    }
  }

  Draws draws_;
  Synchronizer sync_;
  std::vector<double> speeds_;  // milliseconds of a step
  std::set<std::pair<Instant, WorkerId>> due_;
};

void bench_decisions(int repetitions, std::size_t pushes) {
  for (const Entry& entry : entries()) {
    for (const std::uint32_t workers : {64U, 1000U}) {
      for (int i = 0; i < repetitions; ++i) {
        Load load(entry, workers, static_cast<std::uint64_t>(i + 1));
        load.run(5 * workers);
        fmt::print("decision,{},{},,{:.4f}\n", entry.name, workers, load.run(pushes));
      }
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  int repetitions = 5;
  double longest_s = 5;
  std::size_t pushes = 30'000;
  std::string only;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string option = arguments[i];
    if (option == "--repetitions") repetitions = std::stoi(arguments[i + 1]);
    if (option == "--longest") longest_s = std::stod(arguments[i + 1]);
    if (option == "--pushes") pushes = std::stoul(arguments[i + 1]);
    if (option == "--only") only = arguments[i + 1];
  }
  fmt::print("what,name,workers,lookahead,us\n");
  if (only != "decision") bench_planners(repetitions, longest_s);
  if (only != "planner") bench_decisions(repetitions, pushes);
}
