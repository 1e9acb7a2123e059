#include "trace/holds.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"

namespace psctl::trace {
namespace {

// time * part / whole, to the nanosecond, for a part of a whole.
Duration fraction(Duration time, Duration part, Duration whole) {
  const double share = static_cast<double>(part.count()) / static_cast<double>(whole.count());
  return std::min(time, Duration(std::llround(static_cast<double>(time.count()) * share)));
}

}  // namespace

void Holds::event(Instant now, std::span<const WorkerId> waited_for) {
  if (kept_ > kept_at_most_) forget();
  event_.at = now;
  event_.waited_for.assign(waited_for.begin(), waited_for.end());
  current_.reset();
}

void Holds::came(WorkerId worker) { ended_by(workers_.at(worker.value), current_cut()); }

void Holds::begin(Instant now, WorkerId worker) { workers_.at(worker.value).held_since = now; }

Duration Holds::end(Instant now, WorkerId id) {
  settle(id, Duration::zero());
  Worker& worker = workers_.at(id.value);
  PSCTL_CHECK(worker.held_since.has_value());
  const Instant begin = *worker.held_since;
  worker.held_since.reset();
  // A worker that was held for no time has computed all along.
  if (now == begin) return Duration::zero();
  worker.unsettled = {.begin = begin, .cut = current_cut()};
  ended_by(worker, worker.unsettled->cut);
  return now - begin;
}

Duration Holds::settle(WorkerId id, Duration hidden) {
  Worker& worker = workers_.at(id.value);
  if (!worker.unsettled) return Duration::zero();
  const Unsettled hold = *worker.unsettled;
  worker.unsettled.reset();
  hidden = std::clamp(hidden, Duration::zero(), cut(hold.cut).at - hold.begin);
  charge(id, hold.begin + hidden, hold.cut);
  return hidden;
}

std::vector<Charge> Holds::held_by(WorkerId worker) const {
  std::vector<Charge> charges = workers_.at(worker.value).charges;
  tidy(charges);
  std::ranges::stable_sort(charges, std::greater<>(), &Charge::time);
  return charges;
}

Holds::Number Holds::current_cut() {
  if (!current_) {
    cuts_.push_back(event_);
    current_ = first_cut_ + cuts_.size() - 1;
  }
  return *current_;
}

void Holds::ended_by(Worker& worker, Number cut) {
  worker.cuts.push_back(cut);
  ++kept_;
}

// From the release back to `begin`. Whoever ended the hold had computed since its own last release, so that time is
// its own; before that, the hold waited for what had ended that worker's hold, and so on. What several cuts leave to
// the same earlier one is charged together, and each cut leads to earlier ones only: this ends.
void Holds::charge(WorkerId held, Instant begin, Number last) {
  if (cut(last).at <= begin) return;
  open_.assign(1, {last, cut(last).at - begin});
  while (!open_.empty()) {
    std::ranges::pop_heap(open_);
    auto [number, time] = open_.back();
    open_.pop_back();
    while (!open_.empty() && open_.front().first == number) {
      time += open_.front().second;
      std::ranges::pop_heap(open_);
      open_.pop_back();
    }
    const Cut& cut = this->cut(number);
    const Duration whole = cut.at - begin;
    const auto others = std::ranges::count_if(cut.waited_for, [&](WorkerId worker) { return worker != held; });
    if (others == 0) {
      add({.held = held, .by = std::nullopt, .from = begin, .to = cut.at, .time = time});
      continue;
    }
    std::int64_t place = 0;
    for (const WorkerId worker : cut.waited_for) {
      if (worker == held) continue;
      const Duration part(time.count() / others + (place++ < time.count() % others ? 1 : 0));
      const std::optional<Number> before = last_before(worker, number);
      if (!before || this->cut(*before).at <= begin) {
        add({.held = held, .by = worker, .from = begin, .to = cut.at, .time = part});
        continue;
      }
      const Duration computed = cut.at - this->cut(*before).at;
      // Where there was no list on the way, the part is the whole, and nothing is rounded.
      const Duration own = part == whole ? computed : fraction(part, computed, whole);
      add({.held = held, .by = worker, .from = this->cut(*before).at, .to = cut.at, .time = own});
      if (own == part) continue;
      open_.emplace_back(*before, part - own);
      std::ranges::push_heap(open_);
    }
  }
}

std::optional<Holds::Number> Holds::last_before(WorkerId worker, Number cut) const {
  const std::vector<Number>& cuts = workers_.at(worker.value).cuts;
  const auto found = std::ranges::lower_bound(cuts, cut);
  if (found == cuts.begin()) return std::nullopt;
  return *(found - 1);
}

void Holds::add(const HoldPart& part) {
  constexpr std::size_t kFewest = 16;
  if (part.time == Duration::zero()) return;
  if (listener_) listener_(part);
  if (part.by) workers_[part.by->value].held_others += part.time;
  Worker& worker = workers_[part.held.value];
  if (!worker.charges.empty() && worker.charges.back().worker == part.by) {
    worker.charges.back().time += part.time;
    return;
  }
  worker.charges.push_back({.worker = part.by, .time = part.time});
  if (worker.charges.size() - worker.tidy < std::max(kFewest, worker.tidy)) return;
  tidy(worker.charges);
  worker.tidy = worker.charges.size();
}

void Holds::tidy(std::vector<Charge>& charges) {
  std::ranges::sort(charges, {}, &Charge::worker);
  std::size_t kept = 0;
  for (const Charge& more : charges) {
    if (kept > 0 && charges[kept - 1].worker == more.worker) {
      charges[kept - 1].time += more.time;
    } else {
      charges[kept++] = more;
    }
  }
  charges.resize(kept);
}

// No walk goes back beyond the beginning of its hold.
void Holds::forget() {
  Instant oldest = event_.at;
  for (const Worker& worker : workers_) {
    if (worker.held_since) oldest = std::min(oldest, *worker.held_since);
    if (worker.unsettled) oldest = std::min(oldest, worker.unsettled->begin);
  }
  while (!cuts_.empty() && cuts_.front().at <= oldest) {
    cuts_.pop_front();
    ++first_cut_;
  }
  kept_ = 0;
  for (Worker& worker : workers_) {
    worker.cuts.erase(worker.cuts.begin(), std::ranges::lower_bound(worker.cuts, first_cut_));
    kept_ += worker.cuts.size();
  }
  kept_at_most_ = 2 * kept_ + workers_.size() + 64;
}

}  // namespace psctl::trace
