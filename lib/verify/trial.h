// One strategy, one sequence of events, all rules watching. Keeps the story, to be told when a rule is broken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sync/synchronizer.h"
#include "verify/rule.h"

namespace psctl::verify {

class Asked;

// What was decided, as a number: equal decisions have equal ones.
std::uint64_t digest(std::span<const sync::Decision> decisions);

class Trial {
 public:
  enum class Watch { kAllRules, kNone };
  Trial(const Subject& subject, const sync::Setting& setting, std::size_t start_size, Watch watch = Watch::kAllRules);

  // Throws Broken.
  std::span<const sync::Outcome> handle(Instant now, const sync::Event& event);
  void end();
  std::optional<Instant> deadline() const;

  const sync::Cluster& cluster() const { return synchronizer_.cluster(); }
  sync::Traits traits() const { return synchronizer_.strategy().traits(); }
  // Of a worker that computes.
  const sync::Release& last_release(WorkerId worker) const { return releases_.at(worker.value); }
  bool can_be_lost(WorkerId worker) const;

  struct Happening {
    Instant now;
    sync::Event event;
    Step step = 0;  // the worker's clock after it
    std::vector<sync::Outcome> outcomes;
    std::vector<WorkerId> waiting;
    std::uint64_t digest = 0;
  };
  const std::vector<Happening>& story() const { return story_; }
  Violation violation(const Broken& broken, bool with_instants) const;

 private:
  void look(Happening& happening) const;

  Asked* asked_;  // owned by the synchronizer
  sync::Synchronizer synchronizer_;
  Rules rules_;
  std::vector<sync::Release> releases_;
  std::size_t start_size_;
  std::vector<Happening> story_;
};

}  // namespace psctl::verify
