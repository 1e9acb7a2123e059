#include "verify/brute_force.h"

#include <algorithm>
#include <tuple>

namespace psctl::verify {
namespace {

Duration ending(const std::pair<Duration, Duration>& forecast, Step step) {
  return forecast.first + static_cast<Duration::rep>(step - 1) * forecast.second;
}

Duration spread_of(const Forecasts& forecasts, const std::vector<Step>& steps) {
  Duration first = Duration::max(), last = Duration::min();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    first = std::min(first, ending(forecasts[i], steps[i]));
    last = std::max(last, ending(forecasts[i], steps[i]));
  }
  return last - first;
}

}  // namespace

Duration least_spread(const Forecasts& forecasts, Step lookahead) {
  std::vector<Step> steps(forecasts.size(), 1);
  Duration least = Duration::max();
  for (;;) {
    least = std::min(least, spread_of(forecasts, steps));
    std::size_t i = 0;
    while (i < steps.size() && steps[i] == lookahead) steps[i++] = 1;
    if (i == steps.size()) return least;
    ++steps[i];
  }
}

Selection first_least_spread(const Forecasts& forecasts, Step lookahead) {
  std::vector<std::tuple<Duration, std::size_t, Step>> endings;
  for (std::size_t i = 0; i < forecasts.size(); ++i) {
    for (Step step = 1; step <= lookahead; ++step) endings.emplace_back(ending(forecasts[i], step), i, step);
  }
  std::ranges::sort(endings);
  Selection best;
  std::vector<Step> newest(forecasts.size(), 0);
  for (const auto& [time, worker, step] : endings) {
    newest[worker] = step;
    if (std::ranges::find(newest, Step{0}) != newest.end()) continue;
    const Duration spread = spread_of(forecasts, newest);
    if (best.quotas.empty() || spread < best.spread) best = {newest, spread};
  }
  return best;
}

Step nearest_steps(Instant fast, Duration fast_interval, Instant slow, Duration slow_interval, Step range,
                   bool not_before) {
  Step best = 0;
  Duration least = Duration::max();
  for (Step r = 0; r <= range; ++r) {
    for (Step k = 0; k <= range; ++k) {
      const Instant of_fast = fast + static_cast<Duration::rep>(r) * fast_interval;
      const Instant of_slow = slow + slow_interval + static_cast<Duration::rep>(k) * slow_interval;
      if (not_before && of_slow < of_fast) continue;
      const Duration distance = of_slow > of_fast ? of_slow - of_fast : of_fast - of_slow;
      if (distance < least) {
        least = distance;
        best = r;
      }
    }
  }
  return best;
}

std::vector<WorkerId> above_median(const std::map<WorkerId, Duration>& times, double factor) {
  std::vector<Duration> sorted;
  for (const auto& [worker, time] : times) sorted.push_back(time);
  std::ranges::sort(sorted);
  std::vector<WorkerId> above;
  for (const auto& [worker, time] : times) {
    const Duration median = sorted[(sorted.size() - 1) / 2];
    if (static_cast<double>(time.count()) > factor * static_cast<double>(median.count())) above.push_back(worker);
  }
  return above;
}

}  // namespace psctl::verify
