#include "explain/what_if.h"

#include <algorithm>
#include <fmt/format.h>
#include <mutex>
#include <numeric>
#include <oneapi/tbb/parallel_for.h>
#include <set>
#include <thread>

#include "base/error.h"
#include "config/config.h"
#include "sim/simulator.h"

namespace psctl::explain {
namespace {

using sim::RecordedStep;
using Steps = sim::RecordedSteps;

constexpr Duration kShortest{1};

// Adds `count` mini-batches that took so long together.
void share_out(Steps& steps, Step count, Duration computing, Duration delay) {
  const auto n = static_cast<std::int64_t>(count);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto part = [&](Duration whole) { return Duration(whole.count() / n + (i < whole.count() % n ? 1 : 0)); };
    steps.push_back({.compute = std::max(kShortest, part(computing)), .delay = part(delay)});
  }
}

struct Transfers {
  Duration upload{}, download{};
};

// What of the time from the release to the push was no computing. A worker that shares its core cannot tell when its
// request was read: what it takes for the pull of one push can have been the upload of the one before. The lead can.
Transfers transfers_of(const Push& push) {
  if (push.overlapped > 0) return {.upload = push.timing.upload, .download = push.timing.download};
  const Duration computing = push.timing.data + push.timing.compute + push.timing.delay;
  const Duration both = std::max(Duration::zero(), push.at - push.released - computing);
  const Duration upload = std::min(push.timing.upload, both);
  return {.upload = upload, .download = both - upload};
}

// The mini-batches of a push, with the transfers at its two ends; adds the number of the first of those to one list.
void add_push(Steps& steps, const Push& push, std::vector<std::size_t>& taken, std::vector<std::size_t>& kept) {
  const std::size_t first = steps.size();
  Duration computing = push.timing.data + push.timing.compute;
  Duration delay = push.timing.delay;
  if (push.overlapped > 0 && push.overlapped < push.taken()) {
    // What was taken before the answer has its own length; delays are taken to lie in it as in the rest.
    const Duration all = computing + delay;
    const double share = all > Duration::zero() ? to_seconds(push.early) / to_seconds(all) : 0;
    const Duration early_delay = std::min({push.early, delay, from_seconds(to_seconds(delay) * share)});
    const Duration early_computing = std::min(computing, push.early - early_delay);
    share_out(steps, push.overlapped, early_computing, push.early - early_computing);
    share_out(steps, push.taken() - push.overlapped, computing - early_computing,
              delay - (push.early - early_computing));
  } else {
    share_out(steps, push.taken(), computing, delay);
  }
  // It took longer than its limit, by how much nobody knows.
  if (push.empty) steps.back().compute += kShortest;
  (push.refresh == sync::Refresh::kTake ? taken : kept).push_back(first);
  const Transfers transfers = transfers_of(push);
  for (std::size_t i = first; i < steps.size(); ++i) {
    steps[i].upload = transfers.upload;
    steps[i].download = steps[i].answer = transfers.download;
  }
}

// A mini-batch that was not after a release of that kind has the transfer of the nearest one before it that was.
void fill(Steps& steps, const std::vector<std::size_t>& known, Duration RecordedStep::*field, Duration if_none) {
  if (known.empty()) {
    for (RecordedStep& step : steps) step.*field = if_none;
    return;
  }
  std::size_t next = 0;
  Duration value = steps[known.front()].*field;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (next < known.size() && known[next] == i) value = steps[known[next++]].*field;
    steps[i].*field = value;
  }
}

Duration time_of(const RecordedStep& step) { return step.compute + step.delay; }

Duration median_step(const Steps& steps) {
  std::vector<Duration> times(steps.size());
  std::ranges::transform(steps, times.begin(), time_of);
  return median(times);
}

// What the end cut off.
void add_unfinished(const Recorded& run, std::size_t worker, bool overlaps, Steps& steps) {
  const Recorded::Unfinished& unfinished = run.unfinished[worker];
  if (!unfinished.released) return;
  const Duration typical = steps.empty() ? Duration::zero() : median_step(steps);
  RecordedStep last = steps.empty() ? RecordedStep() : steps.back();
  last.delay = {};
  if (overlaps) {
    // How many of its mini-batches are done nobody knows: one that lasts to the end keeps its push from coming before.
    last.compute = std::max(typical, unfinished.until - unfinished.before + kShortest);
    steps.push_back(last);
    return;
  }
  const auto n = static_cast<std::int64_t>(unfinished.steps);
  last.compute = std::max(typical, (unfinished.until - *unfinished.released) / n + kShortest);
  steps.insert(steps.end(), static_cast<std::size_t>(n), last);
}

lead::Setup setup_of(const Recorded& run, const std::string& strategy) {
  lead::Setup setup;
  setup.strategy = strategy;
  setup.seed = run.config.seed;
  setup.cluster = run.config.cluster;
  setup.stop.steps_per_worker = run.config.stop.steps_per_worker;
  setup.stop.samples = run.mini_batches * run.batch_size();
  setup.trace = {.steps = false, .decisions = false, .timeline = false};
  setup.batch_size = run.batch_size();
  return setup;
}

}  // namespace

Duration median(std::vector<Duration>& values) {
  PSCTL_CHECK(!values.empty());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  const Duration below = *std::max_element(values.begin(), middle);
  return below + (*middle - below) / 2;
}

sim::Recording recording_of(const Recorded& run) {
  std::vector<Steps> all(run.workers.size());
  const bool overlaps = std::ranges::any_of(run.pushes, [](const Push& push) { return push.overlapped > 0; });
  const bool virtual_clock = run.config.clock == config::Clock::kVirtual;
  // Where no release that keeps a model was recorded, its answer takes what the network model says, or nothing.
  const Duration answer = virtual_clock ? from_milliseconds(run.config.simulation.network.latency_ms) : Duration{};
  std::vector<Duration> medians;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Steps& steps = all[i];
    std::vector<std::size_t> taken, kept;
    for (const std::size_t push : run.pushes_of[i]) add_push(steps, run.pushes[push], taken, kept);
    const Duration only = steps.empty() ? Duration{} : steps.front().download;
    fill(steps, taken, &RecordedStep::download, only);
    fill(steps, kept, &RecordedStep::answer, answer);
    add_unfinished(run, i, overlaps, steps);
    if (!steps.empty()) medians.push_back(median_step(steps));
  }
  sim::Recording recording;
  for (Steps& steps : all) {
    // Of one that never had a release nothing is known: it is taken to be like the others.
    if (steps.empty()) steps = {RecordedStep{.compute = median(medians)}};
    recording.push_back(std::make_shared<const Steps>(std::move(steps)));
  }
  return recording;
}

MedianWorkers::MedianWorkers(const sim::Recording& recording) : recording_(recording) {
  const std::size_t workers = recording.size();
  if (workers < 2) return;
  std::size_t length = 0;
  for (const auto& steps : recording) length = std::max(length, steps->size());
  middles_.resize(length);
  std::vector<Duration> values(workers);
  const std::size_t first = (workers - 2) / 2;  // of the workers - 1 others, the one below the middle or in it
  for (std::size_t n = 0; n < length; ++n) {
    const auto middle = [&](auto&& value) {
      for (std::size_t i = 0; i < workers; ++i) values[i] = value((*recording[i])[n % recording[i]->size()]);
      std::ranges::sort(values);
      Middle result;
      result.two = workers % 2 == 1;
      for (std::size_t i = 0; i < result.values.size() && first + i < workers; ++i)
        result.values[i] = values[first + i];
      return result;
    };
    middles_[n] = {.time = middle(time_of),
                   .upload = middle([](const RecordedStep& step) { return step.upload; }),
                   .download = middle([](const RecordedStep& step) { return step.download; }),
                   .answer = middle([](const RecordedStep& step) { return step.answer; })};
  }
}

Duration MedianWorkers::Middle::without(Duration value) const {
  const auto left = [&](std::size_t place) { return value <= values[place] ? values[place + 1] : values[place]; };
  return two ? left(0) + (left(1) - left(0)) / 2 : left(0);
}

sim::Recording MedianWorkers::with(WorkerId worker) const {
  sim::Recording result = recording_;
  if (middles_.empty()) return result;
  const Steps& own = *recording_[worker.value];
  auto steps = std::make_shared<Steps>(middles_.size());
  for (std::size_t n = 0; n < steps->size(); ++n) {
    const RecordedStep& step = own[n % own.size()];
    const Middles& middles = middles_[n];
    (*steps)[n] = {.compute = std::max(kShortest, middles.time.without(time_of(step))),
                   .delay = {},
                   .upload = middles.upload.without(step.upload),
                   .download = middles.download.without(step.download),
                   .answer = middles.answer.without(step.answer)};
  }
  result[worker.value] = std::move(steps);
  return result;
}

Played as_recorded(const Recorded& run) {
  return {.label = run.label,
          .time = run.done - Instant{},
          .done = true,
          .stop = run.stop,
          .waited = run.waiting(),
          .wall = run.wall(),
          .updates = run.updates,
          .pushes = run.pushes.size(),
          .mini_batches = run.mini_batches,
          .samples_unused = run.samples_unused,
          .staleness_mean = run.staleness.mean(),
          .staleness_p99 = run.staleness.percentile(0.99),
          .staleness_max = run.staleness.maximum()};
}

Played play(const Recorded& run, const sim::Recording& recording, const sync::StrategyConfig& strategy,
            const std::atomic<bool>* interrupted) {
  sync::Setting setting = run.setting;
  // A strategy that wants to know how long the run is may know how long it was.
  if (!setting.total_samples) setting.total_samples = run.mini_batches * run.batch_size();
  lead::Lead lead(setup_of(run, strategy.name), sync::make(strategy, setting));
  sim::Simulator simulator(recording, run.batch_size(), lead,
                           {.threads = std::max(1U, std::thread::hardware_concurrency()), .interrupted = interrupted});
  simulator.run();
  lead.finish({});
  const trace::Account& account = lead.account();
  const trace::Histogram staleness = account.staleness();
  const std::uint64_t work = run.mini_batches * run.batch_size();
  Played played{.label = sync::label(strategy),
                .time = from_seconds(lead.progress(Instant{}).time_s),
                .done = account.samples() >= work || lead.stop_reason() == "steps_per_worker",
                .stop = lead.stop_reason(),
                .updates = lead.cluster().version(),
                .pushes = account.pushes(),
                .mini_batches = account.samples() / run.batch_size(),
                .samples_unused = account.samples_unused(),
                .staleness_mean = staleness.mean(),
                .staleness_p99 = staleness.percentile(0.99),
                .staleness_max = staleness.maximum()};
  if (account.samples() > work) {
    played.time =
        from_seconds(to_seconds(played.time) * static_cast<double>(work) / static_cast<double>(account.samples()));
  }
  for (const trace::WorkerAccount& worker : account.workers()) {
    played.waited += worker.wait;
    played.wall += worker.wall;
  }
  return played;
}

Costs costs_of(const Recorded& run, const sim::Recording& recording, const std::atomic<bool>* interrupted,
               const std::function<void(double)>& progress) {
  // About half a minute's worth of pushes.
  constexpr std::size_t kMostPushes = 20'000'000;
  constexpr std::size_t kFewest = 8;
  Costs costs{.replay = play(run, recording, run.config.strategy, interrupted), .costs = {}};
  const std::size_t workers = recording.size();
  std::vector<std::size_t> asked(workers);
  std::iota(asked.begin(), asked.end(), std::size_t{0});
  const std::size_t most = std::max(kFewest, kMostPushes / (run.pushes.size() + workers));
  if (workers > most) {
    const auto mean = [&](std::size_t worker) {
      const Steps& steps = *recording[worker];
      Duration sum{};
      for (const RecordedStep& step : steps) sum += time_of(step) + step.upload + step.download;
      return sum / static_cast<std::int64_t>(steps.size());
    };
    std::vector<Duration> means(workers);
    for (const std::size_t worker : asked) means[worker] = mean(worker);
    std::ranges::stable_sort(asked, std::greater<>(), [&](std::size_t worker) { return means[worker]; });
    asked.resize(most);
    std::ranges::sort(asked);
    costs.all = false;
  }
  costs.costs.resize(asked.size());
  const MedianWorkers medians(recording);
  std::mutex mutex;
  std::size_t finished = 0;
  oneapi::tbb::parallel_for(std::size_t{0}, asked.size(), [&](std::size_t i) {
    if (interrupted && *interrupted) return;
    const WorkerId worker(static_cast<std::uint32_t>(asked[i]));
    const Played played = play(run, medians.with(worker), run.config.strategy, interrupted);
    const std::lock_guard lock(mutex);
    costs.costs[i] = {.worker = worker,
                      .with_median = played.time,
                      .cost = costs.replay.time - played.time,
                      .samples_unused = played.samples_unused};
    if (progress) progress(static_cast<double>(++finished) / static_cast<double>(asked.size()));
  });
  return costs;
}

std::vector<sync::StrategyConfig> alternatives(const Recorded& run, const std::vector<std::string>& overrides) {
  std::vector<std::vector<std::string>> wanted;
  std::set<std::string> keys;
  for (const std::string& text : overrides) {
    const std::string key = text.substr(0, text.find('='));
    if (text.find('=') == std::string::npos || (key != "strategy" && !key.starts_with("strategy."))) {
      throw UserError(fmt::format(
          "--as {}: recorded times answer for another strategy alone; give strategy=NAME, strategy.KEY=VALUE or "
          "strategy='{{name: NAME, KEY: VALUE}}'",
          text));
    }
    const bool begins = key == "strategy" || key == "strategy.name";
    if (begins || wanted.empty()) {
      wanted.emplace_back();
      keys.clear();
    }
    if (!keys.insert(key).second) {
      throw UserError(fmt::format(
          "--as {}: {} was given already; begin another strategy with --as strategy='{{name: NAME, KEY: VALUE}}'", text,
          key));
    }
    wanted.back().push_back(text);
  }
  std::vector<sync::StrategyConfig> strategies;
  for (const std::vector<std::string>& each : wanted) {
    strategies.push_back(config::load_file(run.folder + "/config.yaml", each).run.strategy);
  }
  return strategies;
}

}  // namespace psctl::explain
