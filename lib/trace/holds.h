// Causes of waits. A hold is walked back from its release: it is cut at every release that it waited for, and each part
// is charged to the worker whose event ended it. The parts of a hold add up to it, in whole nanoseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace psctl::trace {

// Part of a worker's wait: the worker it waited for, none for a deadline, and how long.
struct Charge {
  std::optional<WorkerId> worker;
  Duration time{};
  friend bool operator==(const Charge&, const Charge&) = default;
};

// A charge as it is made: a stretch of one hold, and whose event ended it. Where several share a stretch, each has its
// part of the time.
struct HoldPart {
  WorkerId held;
  std::optional<WorkerId> by;
  Instant from{}, to{};
  Duration time{};
};

// What has ended is kept for as long as a hold is on, or not settled, that began before it: where holds are short,
// memory grows with the workers and with the pairs of which one held the other.
class Holds {
 public:
  using Listener = std::function<void(const HoldPart&)>;
  // The listener, if any, is told every charge: hold by hold, each from its end back to its beginning.
  explicit Holds(std::size_t workers, Listener listener = {}) : workers_(workers), listener_(std::move(listener)) {}

  // An event: the holds that end from here on waited for these workers, in equal parts, or for a deadline if for none.
  // Instants must not run backwards.
  void event(Instant now, std::span<const WorkerId> waited_for);
  // The worker came in with the last event: who was held before waited for those that the event named.
  void came(WorkerId worker);
  void begin(Instant now, WorkerId worker);
  // With the last event. Returns how long the hold was, which is charged by settle().
  Duration end(Instant now, WorkerId worker);
  // Charges the worker's last hold if that has not been done, but for `hidden` at its beginning. Returns what it left
  // out: `hidden`, or the whole hold if that was shorter.
  Duration settle(WorkerId worker, Duration hidden);

  // What the worker's settled holds were charged to: the longest first, then by worker.
  std::vector<Charge> held_by(WorkerId worker) const;
  // How long the worker held others, in all.
  Duration held_others(WorkerId worker) const { return workers_.at(worker.value).held_others; }
  // How many ends of holds it still keeps.
  std::size_t remembered() const { return kept_; }

 private:
  using Number = std::uint64_t;  // of a cut
  // An event that ended holds.
  struct Cut {
    Instant at{};
    std::vector<WorkerId> waited_for;
  };
  struct Unsettled {
    Instant begin{};
    Number cut = 0;  // that ended it
  };
  struct Worker {
    std::optional<Instant> held_since;
    std::optional<Unsettled> unsettled;
    std::vector<Number> cuts;  // that ended its holds, ascending
    // Tidied (by worker, each once) up to `tidy`; what came after that waits until there is as much of it.
    std::vector<Charge> charges;
    std::size_t tidy = 0;
    Duration held_others{};
  };

  const Cut& cut(Number number) const { return cuts_.at(number - first_cut_); }
  Number current_cut();
  void ended_by(Worker& worker, Number cut);
  void charge(WorkerId held, Instant begin, Number cut);
  std::optional<Number> last_before(WorkerId worker, Number cut) const;
  void add(const HoldPart& part);
  static void tidy(std::vector<Charge>& charges);
  void forget();

  std::vector<Worker> workers_;
  Listener listener_;
  Cut event_;                      // the last
  std::optional<Number> current_;  // its number, once it has ended a hold
  std::deque<Cut> cuts_;
  Number first_cut_ = 1;
  std::size_t kept_ = 0;                           // cuts in all workers' lists
  std::size_t kept_at_most_ = 64;                  // before it is looked for what can be forgotten
  std::vector<std::pair<Number, Duration>> open_;  // of charge(): what is left to charge, by the cut that ended it
};

}  // namespace psctl::trace
