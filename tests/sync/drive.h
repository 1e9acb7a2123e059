// Drives a strategy in a few lines: by hand, and on a clock of whole ticks.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sync/registry.h"
#include "sync/synchronizer.h"

namespace psctl::test {

using Values = std::map<std::string, sync::ParameterValue, std::less<>>;

inline Instant at(std::int64_t tick) { return Instant(Duration(tick)); }

inline std::unique_ptr<sync::Strategy> make_strategy(const std::string& name, const Values& given = {},
                                                     const sync::Setting& setting = {.workers = 1, .batch_size = 1}) {
  Values values = sync::defaults(*sync::find(name)).values();
  for (const auto& [key, value] : given) values[key] = value;
  return sync::make({.name = name, .parameters = sync::Parameters(values)}, setting);
}

// The decisions of one kind among what an event led to.
template <class Kind>
std::vector<Kind> only(std::span<const sync::Outcome> outcomes) {
  std::vector<Kind> found;
  for (const sync::Outcome& outcome : outcomes) {
    if (const auto* decision = std::get_if<Kind>(&outcome.decision)) found.push_back(*decision);
  }
  return found;
}

inline std::vector<std::uint32_t> released(std::span<const sync::Outcome> outcomes) {
  std::vector<std::uint32_t> workers;
  for (const auto& release : only<sync::Release>(outcomes)) workers.push_back(release.worker.value);
  return workers;
}

// A synchronizer whose workers have all joined at tick 0.
inline sync::Synchronizer all_joined(std::unique_ptr<sync::Strategy> strategy, std::uint32_t workers) {
  sync::Synchronizer synchronizer(std::move(strategy), workers, workers);
  for (std::uint32_t worker = 0; worker < workers; ++worker) synchronizer.handle(at(0), sync::Joined{WorkerId(worker)});
  return synchronizer;
}

// Every worker pushes `interval` ticks after its release; pushes of one tick in the order of the workers.
class Clockwork {
 public:
  using Look = std::function<void(std::int64_t tick, std::uint32_t worker, std::span<const sync::Outcome>)>;

  Clockwork(std::unique_ptr<sync::Strategy> strategy, std::vector<std::int64_t> intervals)
      : intervals_(std::move(intervals)),
        synchronizer_(std::move(strategy), intervals_.size(), intervals_.size()),
        due_(intervals_.size()) {
    for (std::uint32_t worker = 0; worker < intervals_.size(); ++worker) {
      plan(0, synchronizer_.handle(at(0), sync::Joined{WorkerId(worker)}));
    }
  }

  // Up to and including the tick.
  void run_until(std::int64_t end, const Look& look = {}) {
    for (;;) {
      const auto next = std::ranges::min_element(due_, {}, [](const auto& due) { return due.value_or(kNever); });
      if (next->value_or(kNever) > end) return;
      const std::int64_t tick = **next;
      const auto worker = static_cast<std::uint32_t>(next - due_.begin());
      next->reset();
      const auto outcomes = synchronizer_.handle(at(tick), sync::Pushed{.worker = WorkerId(worker)});
      plan(tick, outcomes);
      if (look) look(tick, worker, outcomes);
    }
  }

  void set_interval(std::uint32_t worker, std::int64_t interval) { intervals_.at(worker) = interval; }
  const sync::Cluster& cluster() const { return synchronizer_.cluster(); }
  const sync::Strategy& strategy() const { return synchronizer_.strategy(); }
  std::vector<Step> clocks() const {
    std::vector<Step> clocks;
    for (const sync::Worker& worker : cluster().workers()) clocks.push_back(worker.step);
    return clocks;
  }

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  void plan(std::int64_t tick, std::span<const sync::Outcome> outcomes) {
    for (const std::uint32_t worker : released(outcomes)) due_[worker] = tick + intervals_[worker];
  }

  std::vector<std::int64_t> intervals_;
  sync::Synchronizer synchronizer_;
  std::vector<std::optional<std::int64_t>> due_;
};

}  // namespace psctl::test
