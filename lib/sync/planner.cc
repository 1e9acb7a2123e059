#include "sync/planner.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace psctl::sync {
namespace {

using Time = Duration::rep;
using Forecasts = std::span<const Forecast>;

struct Ending {
  Time time;
  std::uint32_t worker;
  std::uint32_t step;  // from 1 on
};

bool before(const Ending& a, const Ending& b) { return a.time != b.time ? a.time < b.time : a.worker < b.worker; }

Time time_of(const Forecast& worker, Step step) {
  return worker.first.count() + static_cast<Time>(step - 1) * worker.interval.count();
}

// How many of the worker's endings lie before `time`, or at it if `inclusive`; at most lookahead.
Step endings_until(const Forecast& worker, Time time, bool inclusive, Step lookahead) {
  const Time rest = time - worker.first.count() - (inclusive ? 0 : 1);
  if (rest < 0) return 0;
  return std::min(static_cast<Step>(rest / worker.interval.count()) + 1, lookahead);
}

struct Range {
  Step from, to;  // both inclusive
};

std::vector<Ending> sorted_endings(Forecasts workers, const auto& range_of) {
  std::vector<Ending> endings;
  std::size_t count = 0;
  for (const Forecast& worker : workers) {
    const Range range = range_of(worker);
    count += range.to + 1 - range.from;
  }
  endings.reserve(count);
  for (std::uint32_t id = 0; id < workers.size(); ++id) {
    const Range range = range_of(workers[id]);
    for (Step step = range.from; step <= range.to; ++step) {
      endings.push_back({time_of(workers[id], step), id, static_cast<std::uint32_t>(step)});
    }
  }
  std::ranges::sort(endings, before);
  return endings;
}

std::vector<Ending> all_sorted(Forecasts workers, Step lookahead) {
  return sorted_endings(workers, [&](const Forecast&) { return Range{1, lookahead}; });
}

// Two kinds of endings cannot be in the plan: those that are replaced before every worker has one, and those that come
// when the worker that ends its lookahead first is the earliest of the set and all others have moved past it; the
// spread can only grow then.
std::vector<Ending> sorted_that_matter(Forecasts workers, Step lookahead) {
  Time complete = workers.front().first.count();
  Time exhausted = time_of(workers.front(), lookahead);
  for (const Forecast& worker : workers) {
    complete = std::max(complete, worker.first.count());
    exhausted = std::min(exhausted, time_of(worker, lookahead));
  }
  Time over = complete;
  for (const Forecast& worker : workers) {
    const Step past = std::min(endings_until(worker, exhausted, false, lookahead) + 1, lookahead);
    over = std::max(over, time_of(worker, past));
  }
  return sorted_endings(workers, [&](const Forecast& worker) {
    return Range{std::max<Step>(1, endings_until(worker, complete, false, lookahead)),
                 endings_until(worker, over, true, lookahead)};
  });
}

Plan plan_of(std::span<const Ending> chosen) {
  Plan plan;
  plan.quotas.resize(chosen.size());
  plan.earliest = plan.latest = Duration(chosen.front().time);
  for (const Ending& ending : chosen) {
    plan.quotas[ending.worker] = ending.step;
    plan.earliest = std::min(plan.earliest, Duration(ending.time));
    plan.latest = std::max(plan.latest, Duration(ending.time));
  }
  return plan;
}

// A window slides over the sorted endings: its last one is the newest, its first one the earliest that was not replaced
// by a later one of the same worker. Among its endings the newest of each worker are the set.
Plan lazy_queue(const std::vector<Ending>& endings, std::size_t workers) {
  std::vector<std::uint32_t> newest(workers, 0);
  std::size_t seen = 0, head = 0, best_head = 0, best_tail = 0;
  Time best = -1;
  for (std::size_t tail = 0; tail < endings.size(); ++tail) {
    const Ending& ending = endings[tail];
    if (newest[ending.worker] == 0) ++seen;
    newest[ending.worker] = ending.step;
    if (seen < workers) continue;
    while (newest[endings[head].worker] != endings[head].step) ++head;
    const Time spread = ending.time - endings[head].time;
    if (best < 0 || spread < best) {
      best = spread;
      best_head = head;
      best_tail = tail;
    }
  }
  std::vector<Ending> chosen(workers);
  for (std::size_t i = best_head; i <= best_tail; ++i) chosen[endings[i].worker] = endings[i];
  return plan_of(chosen);
}

using Set = std::deque<Ending>;  // by time, at most one of each worker

Set::iterator search_linearly(Set& set, std::uint32_t worker) {
  return std::ranges::find(set, worker, &Ending::worker);
}

Time spread_of(const Set& set) { return set.back().time - set.front().time; }

// Algorithm 2. The printed version lacks the test for a set that could not be completed again.
Plan zipline_paper(Forecasts workers, Step lookahead) {
  const std::vector<Ending> endings = all_sorted(workers, lookahead);
  Set set;
  auto next = endings.begin();
  const auto complete = [&] {
    while (set.size() < workers.size() && next != endings.end()) {
      if (const auto old = search_linearly(set, next->worker); old != set.end()) set.erase(old);
      set.push_back(*next++);
    }
    return set.size() == workers.size();
  };
  complete();
  Set best = set;
  while (next != endings.end()) {
    set.pop_front();
    if (!complete()) break;
    if (spread_of(set) < spread_of(best)) best = set;
  }
  return plan_of(std::vector(best.begin(), best.end()));
}

// `search` finds the ending of the same worker that the new one replaces.
template <class Search>
Plan zipline_opt(Forecasts workers, Step lookahead, Search search) {
  Set set, best;
  for (const Ending& ending : all_sorted(workers, lookahead)) {
    if (ending.step > 1) {
      if (set.front().worker == ending.worker) {
        set.pop_front();
      } else {
        set.erase(search(set, ending));
      }
    }
    set.push_back(ending);
    if (set.size() == workers.size() && (best.empty() || spread_of(set) < spread_of(best))) best = set;
  }
  return plan_of(std::vector(best.begin(), best.end()));
}

// The best of the sets that hold, for one ending of `base`, the nearest one of every other worker; of two that are as
// near, the earlier (our reading). The papers search for the nearest one; even intervals tell where it is.
void scan_grid(Forecasts workers, Step lookahead, std::size_t base, Plan& best) {
  std::vector<Ending> chosen(workers.size());
  for (Step step = 1; step <= lookahead; ++step) {
    const Time time = time_of(workers[base], step);
    Time earliest = time, latest = time;
    for (std::uint32_t id = 0; id < workers.size(); ++id) {
      Step nearest = step;
      if (id != base) {
        const Step earlier = std::max<Step>(1, endings_until(workers[id], time, true, lookahead));
        const Step later = std::min(earlier + 1, lookahead);
        const Time to_earlier = std::abs(time - time_of(workers[id], earlier));
        const Time to_later = std::abs(time_of(workers[id], later) - time);
        nearest = to_later < to_earlier ? later : earlier;
      }
      chosen[id] = {time_of(workers[id], nearest), id, static_cast<std::uint32_t>(nearest)};
      earliest = std::min(earliest, chosen[id].time);
      latest = std::max(latest, chosen[id].time);
    }
    if (best.quotas.empty() || Duration(latest - earliest) < best.spread()) best = plan_of(chosen);
  }
}

Plan grid_scan(Forecasts workers, Step lookahead) {
  const auto base = std::ranges::min_element(workers, {}, &Forecast::first) - workers.begin();
  Plan best;
  scan_grid(workers, lookahead, static_cast<std::size_t>(base), best);
  return best;
}

Plan full_grid_scan(Forecasts workers, Step lookahead) {
  Plan best;
  for (std::size_t base = 0; base < workers.size(); ++base) scan_grid(workers, lookahead, base, best);
  return best;
}

constexpr std::array<std::pair<std::string_view, Planner>, 7> kPlanners = {{
    {"zipline", Planner::kZipline},
    {"zipline_paper", Planner::kZiplinePaper},
    {"zipline_opt", Planner::kZiplineOpt},
    {"zipline_opt_bs", Planner::kZiplineOptBs},
    {"lazy_queue", Planner::kLazyQueue},
    {"grid_scan", Planner::kGridScan},
    {"full_grid_scan", Planner::kFullGridScan},
}};

}  // namespace

Plan plan(Planner planner, Forecasts workers, Step lookahead) {
  PSCTL_CHECK(lookahead >= 1);
  for (const Forecast& worker : workers) PSCTL_CHECK(worker.first >= Duration(0) && worker.interval >= Duration(1));
  if (workers.empty()) return {};
  switch (planner) {
    case Planner::kZipline:
      return lazy_queue(sorted_that_matter(workers, lookahead), workers.size());
    case Planner::kZiplinePaper:
      return zipline_paper(workers, lookahead);
    case Planner::kZiplineOpt:
      return zipline_opt(workers, lookahead,
                         [](Set& set, const Ending& ending) { return search_linearly(set, ending.worker); });
    case Planner::kZiplineOptBs:
      return zipline_opt(workers, lookahead, [&](Set& set, const Ending& ending) {
        const Ending old{time_of(workers[ending.worker], ending.step - 1), ending.worker, ending.step - 1};
        return std::ranges::lower_bound(set, old, before);
      });
    case Planner::kLazyQueue:
      return lazy_queue(all_sorted(workers, lookahead), workers.size());
    case Planner::kGridScan:
      return grid_scan(workers, lookahead);
    case Planner::kFullGridScan:
      return full_grid_scan(workers, lookahead);
  }
  PSCTL_CHECK(false);
  return {};
}

Parameter planner_parameter() {
  Parameter parameter{
      .name = "planner",
      .default_value = std::string(kPlanners.front().first),
      .choices = {},
      .meaning =
          "how the ending of each worker is chosen; all but grid_scan and full_grid_scan are exact and choose the "
          "same, zipline fastest"};
  for (const auto& [word, planner] : kPlanners) parameter.choices.emplace_back(word);
  return parameter;
}

Planner planner(const Parameters& parameters) {
  const auto* found =
      std::ranges::find(kPlanners, parameters.word("planner"), &std::pair<std::string_view, Planner>::first);
  PSCTL_CHECK(found != kPlanners.end());
  return found->second;
}

Parameter lookahead_parameter() {
  return {.name = "lookahead",
          .default_value = std::int64_t{15},
          .minimum = 1,
          .maximum = 1000,
          .choices = {},
          .meaning = "most steps of a worker that are planned at a time, the papers' R"};
}

}  // namespace psctl::sync
