// The books of a run: every event and decision is numbered, written to the decision log and entered into the account
// once, in order. The lead of a run keeps them as it goes; a reader of a log keeps them again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sync/synchronizer.h"
#include "trace/account.h"
#include "trace/decision_log.h"

namespace psctl::lead {

// What the account wants to know besides the event.
struct EventDetails {
  std::string host = {};      // of one that joined; of a push:
  std::uint64_t samples = 0;  // in its tensor
  double loss = 0;            // mean over them
  trace::Hidden hidden = {};
};

class Ledger {
 public:
  struct Setup {
    std::size_t workers = 1;
    std::size_t start_size = 1;  // everyone is held until this many have joined
    std::size_t batch_size = 0;  // of every mini-batch
    trace::Account::Options account = {};
    trace::DecisionLog log = {};
  };
  Ledger(Setup setup, std::unique_ptr<sync::Strategy> strategy);

  // Enters an event. What the strategy makes of it is to be entered next, one after the other, by decided().
  // Throws sync::ProtocolError (nothing changed) or sync::StrategyFault (the run is over).
  std::span<const sync::Outcome> handle(Instant now, const sync::Event& event, const EventDetails& details = {});
  // Returns its number.
  std::uint64_t decided(Instant now, const sync::Outcome& outcome, const trace::Rates& rates = {});
  void stopped(Instant now, const std::string& reason);
  // The run is over: closes the account.
  void ended(Instant now);
  void flush();

  // Settled samples, those in updates under way among them: what the schedule counts.
  std::uint64_t scheduled() const { return account_.samples().settled() + account_.samples_under_way(); }
  std::uint64_t number() { return ++sequence_; }  // for what is ordered besides
  std::uint64_t sequence() const { return sequence_; }
  const sync::Cluster& cluster() const { return synchronizer_.cluster(); }
  const sync::Strategy& strategy() const { return synchronizer_.strategy(); }
  bool started() const { return synchronizer_.started(); }
  std::optional<Instant> deadline() const { return synchronizer_.deadline(); }
  trace::Account& account() { return account_; }
  const trace::Account& account() const { return account_; }

 private:
  // Computing workers with the lowest step count: blamed when the strategy names nobody.
  std::vector<WorkerId> furthest_behind() const;

  std::size_t batch_size_;
  sync::Synchronizer synchronizer_;
  trace::Account account_;
  trace::DecisionLog log_;
  std::uint64_t sequence_ = 0;
};

}  // namespace psctl::lead
