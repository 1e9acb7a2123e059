#include "explain/story.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <numeric>
#include <tuple>

#include "base/error.h"
#include "base/text.h"

namespace psctl::explain {
namespace {

double ratio(Duration part, Duration whole) {
  return whole > Duration::zero() ? to_seconds(part) / to_seconds(whole) : 0;
}

Duration overlap(Instant from, Instant to, Instant begin, Instant end) {
  return std::max(Duration::zero(), std::min(to, end) - std::max(from, begin));
}

void check_worker(const Recorded& run, WorkerId worker) {
  if (worker.value < run.workers.size()) return;
  throw UserError(
      fmt::format("{} has no worker {}: its workers are 0 to {}", run.folder, worker.value, run.workers.size() - 1));
}

}  // namespace

std::vector<Duration> means(const Recorded& run) {
  std::vector<Duration> means(run.workers.size());
  for (std::size_t i = 0; i < means.size(); ++i) {
    Step taken = 0;
    for (const std::size_t index : run.pushes_of[i]) {
      const Push& push = run.pushes[index];
      taken += push.taken();
      const auto& [data, compute, delay, upload, download] = push.timing;
      means[i] += data + compute + delay + upload + download;
    }
    if (taken > 0) means[i] /= static_cast<std::int64_t>(taken);
  }
  return means;
}

std::vector<double> paces(const std::vector<Duration>& means) {
  std::vector<double> paces(means.size(), 1);
  for (std::size_t i = 0; i < means.size(); ++i) {
    std::vector<Duration> others;
    for (std::size_t j = 0; j < means.size(); ++j) {
      if (j != i && means[j] > Duration::zero()) others.push_back(means[j]);
    }
    if (others.empty() || means[i] == Duration::zero()) continue;
    paces[i] = ratio(means[i], median(others));
  }
  return paces;
}

std::vector<Straggler> stragglers(const Recorded& run, const Costs& costs) {
  constexpr double kSlow = 1.2, kSlower = 1.05, kCostly = 0.05;
  const std::vector<double> pace = paces(means(run));
  const Duration waiting = run.waiting();
  std::vector<Straggler> found;
  for (std::size_t i = 0; i < pace.size(); ++i) {
    Straggler straggler{.worker = WorkerId(static_cast<std::uint32_t>(i)),
                        .pace = pace[i],
                        .held_share = ratio(run.workers[i].held_others, waiting),
                        .cost = {}};
    const auto cost = std::ranges::find(costs.costs, straggler.worker, &Cost::worker);
    if (cost != costs.costs.end()) straggler.cost = cost->cost;
    const double share = straggler.cost ? ratio(*straggler.cost, costs.replay.time) : 0;
    if (pace[i] >= kSlow || (pace[i] >= kSlower && share >= kCostly)) found.push_back(straggler);
  }
  std::ranges::stable_sort(found, std::greater<>(), [](const Straggler& each) {
    return std::tuple(each.pace >= kSlow, each.cost.value_or(Duration{}), each.pace);
  });
  return found;
}

double rate(const Recorded& run) {
  return static_cast<double>(run.mini_batches) / std::max(1e-9, to_seconds(run.done));
}

std::vector<Stretch> slow_stretches(const Recorded& run, std::size_t most) {
  constexpr std::size_t kMost = 20, kFewest = 4;
  constexpr double kSlow = 0.8;
  // With fewer than ten rounds in each, it would depend on where they are cut.
  const std::size_t count = std::min(kMost, run.pushes.size() / (10 * run.workers.size()));
  if (count < kFewest) return {};
  const Duration width = (run.done - Instant{}) / static_cast<std::int64_t>(count);
  if (width <= Duration::zero()) return {};
  const auto place = [&](Instant at) {
    return std::min(count - 1, static_cast<std::size_t>((at - Instant{}) / width));
  };
  std::vector<Stretch> stretches(count);
  std::vector<std::vector<Duration>> held(count, std::vector<Duration>(run.workers.size() + 1));
  for (std::size_t i = 0; i < count; ++i) {
    stretches[i].from = Instant(width * static_cast<std::int64_t>(i));
    stretches[i].to = i + 1 == count ? run.done : stretches[i].from + width;
  }
  const auto spread = [&](Instant from, Instant to, auto&& add) {
    for (std::size_t i = place(from); i < count && stretches[i].from < to; ++i) {
      add(i, overlap(from, to, stretches[i].from, stretches[i].to));
    }
  };
  for (const Push& push : run.pushes) {
    if (!push.empty) stretches[place(push.at)].rate += static_cast<double>(push.steps);
  }
  for (const Hold& hold : run.holds) {
    for (const trace::HoldPart& part : hold.parts) {
      const std::size_t by = part.by ? part.by->value : run.workers.size();
      const double share = ratio(part.time, part.to - part.from);
      spread(part.from, part.to, [&](std::size_t i, Duration time) {
        const Duration charged = from_seconds(share * to_seconds(time));
        held[i][by] += charged;
        stretches[i].waiting += to_seconds(charged);
      });
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    Stretch& stretch = stretches[i];
    const double seconds = to_seconds(stretch.to - stretch.from);
    stretch.rate /= seconds;
    stretch.waiting /= seconds * static_cast<double>(run.workers.size());
    for (std::size_t by = 0; by < held[i].size(); ++by) {
      if (held[i][by] == Duration::zero()) continue;
      const bool worker = by < run.workers.size();
      stretch.held_by.push_back(
          {.worker = worker ? std::optional(WorkerId(static_cast<std::uint32_t>(by))) : std::nullopt,
           .time = held[i][by]});
    }
    std::ranges::stable_sort(stretch.held_by, std::greater<>(), &trace::Charge::time);
  }
  const double whole = rate(run);
  std::erase_if(stretches, [&](const Stretch& stretch) { return stretch.rate >= kSlow * whole; });
  std::ranges::stable_sort(stretches, {}, &Stretch::rate);
  if (stretches.size() > most) stretches.resize(most);
  return stretches;
}

const Hold& hold_after(const Recorded& run, WorkerId worker, Step step) {
  check_worker(run, worker);
  const std::vector<std::size_t>& pushes = run.pushes_of[worker.value];
  if (pushes.empty()) throw UserError(fmt::format("worker {} of {} never pushed", worker.value, run.folder));
  const auto found =
      std::ranges::lower_bound(pushes, step, {}, [&](std::size_t push) { return run.pushes[push].step; });
  const Push& first = run.pushes[pushes.front()];
  if (found == pushes.end() || step <= first.step - first.steps) {
    throw UserError(fmt::format("worker {} of {} pushed steps {} to {}, not step {}", worker.value, run.folder,
                                first.step - first.steps + 1, run.pushes[pushes.back()].step, step));
  }
  const auto hold = std::ranges::find_if(run.holds, [&](const Hold& each) { return each.push == *found; });
  PSCTL_CHECK(hold != run.holds.end());
  return *hold;
}

std::vector<Cause> causes(const Recorded& run, const Hold& hold) {
  std::vector<Cause> causes;
  for (const trace::HoldPart& part : hold.parts) {
    Cause cause{.part = part, .timing = {}, .ended = {}};
    if (!part.by) {
      cause.ended = Happening::Kind::kWoke;
      causes.push_back(cause);
      continue;
    }
    // At the instant at which the stretch begins it was released: a push of that instant is an earlier one.
    const std::vector<std::size_t>& own = run.pushes_of[part.by->value];
    auto next = std::ranges::upper_bound(own, part.from, {}, [&](std::size_t push) { return run.pushes[push].at; });
    for (; next != own.end() && run.pushes[*next].at <= part.to; ++next) {
      const Push& push = run.pushes[*next];
      if (cause.pushes++ == 0) cause.first_step = push.step - push.steps + 1;
      cause.last_step = push.step;
      cause.timing.data += push.timing.data;
      cause.timing.compute += push.timing.compute;
      cause.timing.delay += push.timing.delay;
      cause.timing.upload += push.timing.upload;
      cause.timing.download += push.timing.download;
    }
    const auto first = std::ranges::lower_bound(run.happenings, part.to, {}, &Happening::at);
    for (auto it = first; it != run.happenings.end() && it->at == part.to; ++it) {
      if (it->kind <= Happening::Kind::kLeft && it->worker == *part.by) cause.ended = it->kind;
    }
    causes.push_back(cause);
  }
  return causes;
}

std::vector<const Hold*> longest_holds(const Recorded& run, WorkerId worker, std::size_t most) {
  check_worker(run, worker);
  std::vector<const Hold*> holds;
  for (const Hold& hold : run.holds) {
    if (hold.worker == worker && !hold.parts.empty()) holds.push_back(&hold);
  }
  std::ranges::stable_sort(holds, std::greater<>(), [](const Hold* hold) { return hold->end - hold->begin; });
  if (holds.size() > most) holds.resize(most);
  return holds;
}

}  // namespace psctl::explain
