// The lead of a run: takes what happens, asks the strategy, numbers every event and decision, sets the learning rate
// of every update, says when to evaluate and when to stop, and keeps the account. No I/O but its files, no thread, no
// clock: the real server, the simulator and the replay drive the same object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "lead/config.h"
#include "lead/ledger.h"
#include "learn/schedule.h"

namespace psctl::learn {
class ModelStore;
}

namespace psctl::lead {

// What every server executes, in this order; rank 0 and the others alike.
struct Accept {  // the tensor that came from the worker is this push
  PushId push;
  WorkerId worker;
  std::uint64_t number = 0;  // of the worker's pushes, from 1
  bool empty = false;
};
struct Update {  // version += 1; weights carry the correction for staleness
  std::vector<sync::Share> shares;
  double learning_rate = 0;  // of local workers, whose steps had theirs: Apply::rate alone
  bool reset = false;
};
struct Release : sync::Release {
  learn::Pace pace = {};  // of local workers
};
struct Look {  // this version is to be evaluated, or kept, or both; what Lead::evaluated wants back
  Instant at{};
  double epoch = 0;
  std::uint64_t samples = 0;
  bool last = false;
  bool evaluate = true;
  bool keep = false;  // as a checkpoint
};
struct Order {
  std::uint64_t sequence = 0;
  Version version = 0;  // of the model after it
  std::variant<Accept, sync::Merge, Update, sync::Discard, Release, Look> what;
};

// What an order asks of the tensors, on every server, in the simulator and in a replay. The tensor of an Accept and the
// snapshots for a Release and a Look are the driver's.
void execute(const Order& order, learn::ModelStore& store);

using trace::Hidden;

struct PushReport {
  WorkerId worker;
  Step steps = 1;
  bool empty = false;
  Step overlapped = 0;
  Step lost = 0;
  sync::Timing timing = {};
  Hidden hidden = {};
  std::uint64_t samples = 0;
  double loss = 0;  // mean over the samples
};

// What happens at an instant known beforehand. Of several at one instant, in the order of the kinds.
enum class AlarmKind { kUpdated, kLeave, kJoin, kWake, kEvaluate, kStop };
struct Alarm {
  Instant at{};
  AlarmKind kind{};
  WorkerId worker;  // of kLeave and kJoin
  friend auto operator<=>(const Alarm&, const Alarm&) = default;
};

struct Setup {
  std::string strategy;     // its name, for the summary; there too:
  std::string label;        // the strategy's name with the parameters that differ from their defaults
  std::string config;       // every key of the configuration, a JSON object; empty: not told
  std::size_t classes = 0;  // of the data; 0: none
  std::uint64_t seed = 0;
  ClusterConfig cluster;
  StopConfig stop;
  EvaluateConfig evaluate;
  TraceConfig trace;
  std::uint64_t checkpoint_every_updates = 0;  // 0: never
  Duration update_time{};                      // on the virtual clock: of an update at the lead, one after the other
  learn::OptimizerConfig optimizer;
  std::uint64_t train_samples = 0;  // 0: no data, timing only
  std::size_t batch_size = 0;       // of every mini-batch
  std::size_t model_bytes = 0;
  bool virtual_clock = true;
  std::string folder;                       // of the run; empty: nothing is written
  trace::DecisionLog::Sink decisions = {};  // given: the decision log goes there
};

// How a run ended, where only the driver knows.
struct Ending {
  std::string status = "done";  // done | interrupted | failed
  std::string error = {};
  std::string model_digest;                 // empty: none
  std::optional<bool> disturbed = {};       // none: not measured
  std::optional<Duration> evaluation = {};  // time that evaluations took of the machine; none: not measured
  std::uint64_t evaluations_missed = 0;     // due, but put off for want of room
  std::string disturbance = {};             // what was measured, in words
};

// What a progress line shows.
struct Progress {
  double time_s = 0;
  Version updates = 0;
  std::uint64_t samples = 0;  // used or discarded
  double epoch = 0;
  std::optional<double> accuracy;  // of the last evaluation
  std::vector<WorkerId> waiting;
  bool started = false;
  bool stopped = false;
};

class Lead {
 public:
  Lead(Setup setup, std::unique_ptr<sync::Strategy> strategy);
  ~Lead();

  // The start gate opens: the workers without a planned join come in. Call once, with time 0.
  std::span<const Order> start(Instant now, std::span<const std::string> hosts = {});
  // A push arrived. Throws sync::ProtocolError (nothing changed) if that worker cannot push now.
  std::span<const Order> pushed(Instant now, const PushReport& report);
  // The result of a Look, in the order of the looks. May stop the run.
  void evaluated(Instant now, const trace::Evaluation& evaluation);

  // A look now, in place of one for which there was no room.
  Order look_now(Instant now) { return look(now, false); }
  // The driver had no room for a look: that version has not been looked at.
  void look_dropped() { looked_at_.reset(); }
  // The look at the final model, once the run has stopped; none if that model has been looked at.
  std::optional<Order> last_look();

  // The next thing that happens by itself, and what to call when its time has come: after all pushes of that instant,
  // so that an evaluation, or the stop, sees all that happened at it. It may be the instant of the last event: ask
  // after each. No alarm after the stop.
  std::optional<Alarm> next_alarm() const;
  std::span<const Order> ring(Instant now);

  // Ends the run from outside: an interrupt or a failure. No effect on one that has stopped.
  void stop(Instant now, const std::string& reason);
  bool stopped() const { return stop_at_.has_value(); }
  const std::string& stop_reason() const { return stop_reason_; }
  // Why a run that stopped by itself has failed all the same; empty if it has not.
  std::string failure() const;

  // Has the worker a place in the run now? A release of one that has not is never among the orders.
  bool present(WorkerId worker) const;
  // The version of the model that exists: the last one whose update is done. Orders are ahead of it by the updates that
  // are under way; those that are when the run stops are never done.
  Version made() const { return ledger_.account().made(); }
  // Will it ever have one: not yet joined, and the run goes on.
  bool expected(WorkerId worker) const;

  // Parts of a step that a leave or the stop cut off; before finish(). `hidden`: of the exchange before that step.
  void cut_off(WorkerId worker, const sync::Timing& partial, std::optional<Duration> wall = {},
               const Hidden& hidden = {});
  void transferred(std::uint64_t pushed_bytes, std::uint64_t pulled_bytes);
  // Writes all that is left to write, summary.json last. Returns its text. Where another file cannot be written, the
  // summary says so, and a WorldError follows if `ending` had no error of its own.
  std::string finish(const Ending& ending);
  void flush();

  Progress progress(Instant now) const;
  const Setup& setup() const { return setup_; }
  const sync::Cluster& cluster() const { return ledger_.cluster(); }
  const sync::Strategy& strategy() const { return ledger_.strategy(); }
  const trace::Account& account() const { return ledger_.account(); }

 private:
  // One event: books, log, account and orders.
  void handle(Instant now, const sync::Event& event, const PushReport* report = nullptr);
  void record(Instant now, const sync::Outcome& outcome);
  Update update_of(const sync::Apply& apply, const sync::Outcome& outcome) const;
  // What belongs to an event: planned joins.
  void follow_up(Instant now);
  void leave_if_done(Instant now, WorkerId worker);
  Order look(Instant now, bool last);
  void repeat_look(Instant now);
  void take_repeats();
  bool look_due() const;  // by samples or updates
  bool checkpoint_due() const;
  void evaluate(Instant now);
  std::string stop_due() const;  // the reason to stop that the events up to now have given; empty: none
  void drop_releases_of_the_gone();
  bool epoch_look_due() const;
  double epoch() const;
  const Membership* membership(WorkerId worker) const;

  Setup setup_;
  Ledger ledger_;
  bool local_;  // its workers are local ones
  learn::Schedule schedule_;
  std::vector<Order> orders_;
  std::vector<Alarm> planned_;  // joins and leaves by time, ascending
  std::vector<bool> present_, joined_;
  std::vector<std::string> hosts_;
  std::uint64_t epoch_looks_ = 1;  // number of the next one, due after as many periods
  Version next_update_look_ = 0;
  Version next_checkpoint_ = 0;
  std::optional<Instant> next_timed_look_;
  std::optional<Version> looked_at_;
  std::deque<trace::Evaluation> repeats_;  // due while their version was being evaluated: they have its result
  std::optional<Instant> stop_at_;
  std::string stop_reason_;
  bool diverged_ = false;
  std::uint64_t given_up_ = 0;  // pushes in a row
  double accuracy_change_ = 0;  // moving average of |change|, for the plateau
  double accuracy_change_weight_ = 0;
  Instant now_{};
};

}  // namespace psctl::lead
