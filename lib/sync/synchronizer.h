// The books of a cluster, kept once for all strategies: phases, steps, pending pushes. Checks that events and
// decisions obey the protocol, and carries decisions into the picture that the strategy sees.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "sync/strategy.h"

namespace psctl::sync {

// An event that cannot be: a push of a worker that was not released, a second join. The picture is unchanged.
class ProtocolError : public WorldError {
  using WorldError::WorldError;
};

// A decision that cannot be, or a cluster that nobody will ever release: the strategy is wrong. Ends the run.
class StrategyFault : public InternalError {
  using InternalError::InternalError;
};
class StuckFault : public StrategyFault {
  using StrategyFault::StrategyFault;
};

class Synchronizer {
 public:
  // Holds everyone until start_size workers have joined. No I/O, no thread, no clock.
  Synchronizer(std::unique_ptr<Strategy> strategy, std::size_t workers, std::size_t start_size);

  // Brings the event into the picture and returns what the strategy makes of it, in order of execution. The
  // answer is valid until the next call. Instants must not run backwards.
  // Throws ProtocolError (nothing changed) or StrategyFault (the run is over).
  std::span<const Outcome> handle(Instant now, const Event& event);

  std::optional<Instant> deadline() const;
  const Cluster& cluster() const { return cluster_; }
  const Strategy& strategy() const { return *strategy_; }
  bool started() const { return started_; }
  // The id that the last Pushed event was given.
  PushId last_push() const { return last_push_; }

 private:
  void admit(Instant now, const Joined&);
  void admit(Instant now, const Pushed&);
  void admit(Instant now, const Left&);
  void admit(Instant now, const Woke&);
  void carry(Instant now, const Merge&);
  void carry(Instant now, const Apply&);
  void carry(Instant now, const Discard&);
  void carry(Instant now, const Release&);
  PendingPush take(PushId push, const char* by);
  void check_steps(const Worker& worker, const Pushed& push) const;
  void check_not_stuck(Instant now) const;

  std::unique_ptr<Strategy> strategy_;
  Cluster cluster_;
  std::size_t start_size_;
  bool started_ = false;
  Instant last_event_{};
  PushId last_push_;
  std::vector<Outcome> outcomes_;
};

}  // namespace psctl::sync
