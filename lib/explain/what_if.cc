#include "explain/what_if.h"

#include <algorithm>
#include <fmt/format.h>
#include <mutex>
#include <numeric>
#include <oneapi/tbb/parallel_for.h>
#include <set>
#include <thread>
#include <utility>

#include "base/error.h"
#include "config/config.h"
#include "explain/story.h"
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

// Of the mini-batches of a push; those that were taken before the answer to the last one have their own length.
void add_steps(Steps& steps, const Push& push) {
  const Duration computing = push.timing.data + push.timing.compute;
  const Duration delay = push.timing.delay;
  if (push.overlapped == 0 || push.overlapped == push.taken()) {
    return share_out(steps, push.taken(), computing, delay);
  }
  // Delays are taken to lie in it as in the rest.
  const Duration all = computing + delay;
  const double share = all > Duration::zero() ? to_seconds(push.early) / to_seconds(all) : 0;
  const Duration early_delay = std::min({push.early, delay, from_seconds(to_seconds(delay) * share)});
  const Duration early_computing = std::min(computing, push.early - early_delay);
  share_out(steps, push.overlapped, early_computing, push.early - early_computing);
  share_out(steps, push.taken() - push.overlapped, computing - early_computing, delay - (push.early - early_computing));
}

// The same without the delays that were injected. What a pause took longer than it should counts as computing.
void add_steps(Steps& steps, const Push& push, delay::Stragglers& stragglers, Duration& network) {
  const Duration all = push.timing.data + push.timing.compute + push.timing.delay;
  const Duration mean = all / static_cast<std::int64_t>(push.taken());
  Duration early{}, late{};  // injected
  Instant begin = push.overlapped > 0 ? push.before : push.in_place();
  for (Step i = 0; i < push.taken(); ++i) {
    if (i == push.overlapped && i > 0) begin = std::max(begin, push.in_place());
    const delay::Slowness slowness = stragglers.at(steps.size() + i, begin);
    (i < push.overlapped ? early : late) += slowness.compute;
    network = slowness.network;
    begin += std::max(mean, slowness.compute);
  }
  Duration computing = all - early - late;
  // A pause that was given up was shorter than it should be.
  if (push.empty) computing = std::max(computing, push.timing.data + push.timing.compute);
  const Duration computing_early =
      std::clamp(push.early - early, Duration::zero(), std::max(computing, Duration::zero()));
  if (push.overlapped > 0) share_out(steps, push.overlapped, computing_early, {});
  if (push.overlapped < push.taken()) share_out(steps, push.taken() - push.overlapped, computing - computing_early, {});
}

// The mini-batches of a push, with the transfers at its two ends; adds the number of the first of those to one list.
void add_push(Steps& steps, const Push& push, delay::Stragglers* stragglers, std::vector<std::size_t>& taken,
              std::vector<std::size_t>& kept) {
  const std::size_t first = steps.size();
  Duration network{};
  stragglers ? add_steps(steps, push, *stragglers, network) : add_steps(steps, push);
  // It took longer than its limit, by how much nobody knows.
  if (push.empty) steps.back().compute += kShortest;
  (push.refresh == sync::Refresh::kTake ? taken : kept).push_back(first);
  const Transfers transfers = transfers_of(push);
  for (std::size_t i = first; i < steps.size(); ++i) {
    steps[i].upload = std::max(Duration::zero(), transfers.upload - network);
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

// What the end cut off. Its transfers are those of the worker's last push: they are no part of the computing.
void add_unfinished(const Recorded& run, std::size_t worker, bool overlaps, delay::Stragglers* stragglers,
                    Steps& steps) {
  const Recorded::Unfinished& unfinished = run.unfinished[worker];
  if (!unfinished.released) return;
  const Duration typical = steps.empty() ? Duration::zero() : median_step(steps);
  RecordedStep last = steps.empty() ? RecordedStep() : steps.back();
  last.delay = {};
  // How many of its mini-batches are done nobody knows where they overlap: one that lasts to the end keeps its push
  // from coming before.
  const std::size_t count = overlaps ? 1 : unfinished.steps;
  const Instant begin = overlaps ? unfinished.before : *unfinished.released + last.download;
  Duration known = unfinished.until - begin + kShortest;
  for (std::size_t i = 0; stragglers && i < count; ++i) {
    const delay::Slowness slowness = stragglers->at(steps.size() + i, begin);
    known -= slowness.compute + (i + 1 == count ? slowness.network : Duration{});
  }
  if (!overlaps) known -= last.upload;
  const auto n = static_cast<std::int64_t>(count);
  last.compute = std::max({kShortest, typical, Duration((known.count() + n - 1) / n)});
  steps.insert(steps.end(), count, last);
}

// So many of these, or as many as the recorded run has.
lead::StopConfig same_work(const Recorded& run) {
  lead::StopConfig stop;
  const lead::StopConfig& own = run.config.stop;
  if (run.stop == "steps_per_worker" && own.steps_per_worker) {
    stop.steps_per_worker = own.steps_per_worker;
  } else if (run.stop == "epochs" && own.epochs && run.setting.train_samples > 0) {
    stop.epochs = own.epochs;
  } else if (run.stop == "samples" && own.samples) {
    stop.samples = own.samples;
  } else {
    stop.samples = run.mini_batches * run.batch_size();
  }
  return stop;
}

lead::Setup setup_of(const Recorded& run, const std::string& strategy) {
  lead::Setup setup;
  setup.strategy = strategy;
  setup.seed = run.config.seed;
  setup.cluster = run.config.cluster;
  setup.stop = same_work(run);
  setup.trace = {.steps = false, .decisions = false, .timeline = false};
  if (run.config.clock == config::Clock::kVirtual) {
    setup.update_time = from_milliseconds(run.config.simulation.update_ms);
  }
  setup.train_samples = run.setting.train_samples;
  setup.batch_size = run.batch_size();
  setup.model_bytes = run.model_bytes.value_or(0);
  return setup;
}

bool has_bandwidths(const Recorded& run) {
  const sim::NetworkConfig& network = run.config.simulation.network;
  return network.bandwidth_mbps > 0 || network.server_bandwidth_mbps > 0;
}

// Why the laws of a virtual run cannot be played again; empty: they can.
std::string why_recorded(const Recorded& run) {
  if (!has_bandwidths(run)) return {};
  if (run.sparse_pushes) return "its pushes are as long as its data say";
  if (!run.model_bytes) return "its made.json does not tell how large its model is";
  return {};
}

// What recorded times cannot tell.
void add_caveats(const Recorded& run, Times& times) {
  Step together = 0, all = 0;
  for (const Push& push : run.pushes) {
    all += push.taken();
    if (push.taken() > 1) together += push.taken();
  }
  const auto share = [&](Step part) { return 100 * static_cast<double>(part) / static_cast<double>(all); };
  if (together > 0) {
    times.caveats.push_back(fmt::format(
        "{:.0f} % of its mini-batches were pushed together with others, and only the sum of their times is known: each "
        "counts as an equal part. A strategy that waits after every mini-batch takes longer in truth, at most as much "
        "longer as these vary within a push",
        share(together)));
  }
  if (run.config.clock == config::Clock::kVirtual && run.config.simulation.update_ms > 0) {
    times.caveats.push_back(fmt::format(
        "cluster.update_ms is in the recorded transfers: a strategy with more updates, or fewer, takes up to {} longer "
        "or shorter for each",
        in_words(from_milliseconds(run.config.simulation.update_ms))));
  }
  if (!times.stragglers.empty()) return;
  for (const delay::Rule& rule : run.config.stragglers) {
    if (rule.law != delay::Law::kWindow) continue;
    const Duration length = std::min(from_seconds(rule.to_s), run.end - Instant{}) -
                            std::min(from_seconds(rule.from_s), run.end - Instant{});
    times.caveats.push_back(fmt::format(
        "the window of a straggler from {} s to {} s is played at the mini-batches that it was recorded at: "
        "a run takes up to {} longer or shorter",
        rule.from_s, rule.to_s, in_words(length + from_milliseconds(rule.delay_ms))));
  }
}

}  // namespace

namespace {

bool gives_the_run(const Recorded& run, const Times& times, const std::atomic<bool>* interrupted) {
  const Played replay = play(run, times, run.config.strategy, interrupted);
  // It ends when the work is done; the run itself may have gone on, with pushes that nothing used.
  const auto pushes = std::ranges::count_if(run.pushes, [&](const Push& push) { return push.at <= run.done; });
  return replay.time == run.done - Instant{} && replay.pushes == static_cast<std::uint64_t>(pushes) &&
         replay.updates == run.updates_done;
}

}  // namespace

sim::Recording recording_of(const Recorded& run, std::vector<delay::Stragglers> stragglers) {
  std::vector<Steps> all(run.workers.size());
  const bool overlaps = std::ranges::any_of(run.pushes, [](const Push& push) { return push.overlapped > 0; });
  const bool virtual_clock = run.config.clock == config::Clock::kVirtual;
  // Where no release that keeps a model was recorded, its answer takes what the network model says, or nothing.
  const Duration answer = virtual_clock ? from_milliseconds(run.config.simulation.network.latency_ms) : Duration{};
  std::vector<Duration> medians;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Steps& steps = all[i];
    delay::Stragglers* own = stragglers.empty() ? nullptr : &stragglers[i];
    std::vector<std::size_t> taken, kept;
    for (const std::size_t push : run.pushes_of[i]) add_push(steps, run.pushes[push], own, taken, kept);
    const Duration only = steps.empty() ? Duration{} : steps.front().download;
    fill(steps, taken, &RecordedStep::download, only);
    fill(steps, kept, &RecordedStep::answer, answer);
    add_unfinished(run, i, overlaps, own, steps);
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

Times times_of(const Recorded& run, const std::atomic<bool>* interrupted) {
  Times times;
  std::string why;
  try {
    times.stragglers = delay::Stragglers::every(run.config.stragglers, run.workers.size(), run.config.seed);
  } catch (const Error& error) {
    why = error.what();
  }
  if (run.config.clock == config::Clock::kVirtual) {
    if (why.empty()) why = why_recorded(run);
    if (why.empty()) {
      times.laws_alone = true;
      if (gives_the_run(run, times, interrupted)) return times;
      why = "those of its config.yaml do not come to what was recorded";
    }
    times = {};
    times.caveats.push_back(fmt::format("its recorded times are played, not the laws of its cluster: {}", why));
  } else if (!why.empty()) {
    times.caveats.push_back(fmt::format("injected delays are played as recorded, not by their laws: {}", why));
  }
  times.recording = recording_of(run, times.stragglers);
  add_caveats(run, times);
  return times;
}

double Played::seconds_per_sample() const {
  return samples.used > 0 ? to_seconds(time) / static_cast<double>(samples.used) : 0;
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
          .samples = run.samples,
          .staleness_mean = run.staleness.mean(),
          .staleness_p99 = run.staleness.percentile(0.99),
          .staleness_max = run.staleness.maximum()};
}

Played play(const Recorded& run, const Times& times, const sync::StrategyConfig& strategy,
            const std::atomic<bool>* interrupted, std::optional<WorkerId> like_the_others) {
  sync::Setting setting = run.setting;
  // A strategy that wants to know how long the run is may know how long it was.
  if (!setting.total_samples) setting.total_samples = run.mini_batches * run.batch_size();
  lead::Lead lead(setup_of(run, strategy.name), sync::make(strategy, setting));
  // As many threads as there are: the least of all simulations at once holds for everybody.
  const sim::Options options{.threads = std::max(1U, std::thread::hardware_concurrency()),
                             .interrupted = interrupted,
                             .like_the_others = like_the_others};
  if (times.laws_alone) {
    sim::Simulator(run.config.simulation, run.batch_size(), lead, times.stragglers, nullptr, options).run();
  } else {
    sim::Simulator(times.recording, run.batch_size(), lead, times.stragglers, options).run();
  }
  lead.finish({});
  const trace::Account& account = lead.account();
  const trace::Histogram staleness = account.staleness();
  Played played{.label = sync::label(strategy),
                .time = from_seconds(lead.progress(Instant{}).time_s),
                .done = stops_by_work(lead.stop_reason()),
                .stop = lead.stop_reason(),
                .updates = lead.made(),
                .pushes = account.pushes(),
                .mini_batches = account.samples().settled() / run.batch_size(),
                .samples = account.samples(),
                .staleness_mean = staleness.mean(),
                .staleness_p99 = staleness.percentile(0.99),
                .staleness_max = staleness.maximum()};
  for (const trace::WorkerAccount& worker : account.workers()) {
    played.waited += worker.wait;
    played.wall += worker.wall;
  }
  return played;
}

Costs costs_of(const Recorded& run, const Times& times, const std::atomic<bool>* interrupted,
               const std::function<void(double)>& progress) {
  // About half a minute's worth of pushes.
  constexpr std::size_t kMostPushes = 20'000'000;
  constexpr std::size_t kFewest = 8;
  Costs costs{.replay = play(run, times, run.config.strategy, interrupted), .costs = {}};
  const std::size_t workers = run.workers.size();
  std::vector<std::size_t> asked(workers);
  std::iota(asked.begin(), asked.end(), std::size_t{0});
  const std::size_t most = std::max(kFewest, kMostPushes / (run.pushes.size() + workers));
  if (workers > most) {
    const std::vector<Duration> means = explain::means(run);
    std::ranges::stable_sort(asked, std::greater<>(), [&](std::size_t worker) { return means[worker]; });
    asked.resize(most);
    std::ranges::sort(asked);
    costs.all = false;
  }
  costs.costs.resize(asked.size());
  std::mutex mutex;
  std::size_t finished = 0;
  oneapi::tbb::parallel_for(std::size_t{0}, asked.size(), [&](std::size_t i) {
    if (interrupted && *interrupted) return;
    const WorkerId worker(static_cast<std::uint32_t>(asked[i]));
    const Played played = play(run, times, run.config.strategy, interrupted, worker);
    const std::lock_guard lock(mutex);
    // Of as much work: the last pushes of the one bring more samples than those of the other.
    const Duration time = from_seconds(to_seconds(played.time) * static_cast<double>(costs.replay.samples.settled()) /
                                       static_cast<double>(played.samples.settled()));
    costs.costs[i] = {.worker = worker,
                      .with_median = time,
                      .cost = costs.replay.time - time,
                      .samples_unused = played.samples.unused()};
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
