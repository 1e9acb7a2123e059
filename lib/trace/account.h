// The account of a run: where every second of every worker went, how stale every push was, and what came out.
// Writes steps.csv, evals.csv, workers.csv and timeline.json, and makes the figures of summary.json.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sync/events.h"
#include "trace/holds.h"
#include "trace/line_file.h"

namespace psctl::trace {

// Counts of whole numbers, for means, percentiles and maxima. Memory grows with the number of different values.
class Histogram {
 public:
  void add(std::uint64_t value) { add(Count{.value = value, .count = 1}); }
  void add(const Histogram& other);
  std::uint64_t count() const { return count_; }
  double mean() const;                              // 0 when empty
  std::uint64_t percentile(double fraction) const;  // the smallest value that at least this fraction does not exceed
  std::uint64_t maximum() const { return maximum_; }

 private:
  struct Count {
    std::uint64_t value = 0;
    std::uint64_t count = 0;
  };
  void add(const Count& more);
  static void tidy(std::vector<Count>& counts);

  // Tidied (by value, each once) up to tidy_; what came after that waits until there is as much of it.
  std::vector<Count> counts_;
  std::size_t tidy_ = 0;
  std::uint64_t count_ = 0, sum_ = 0, maximum_ = 0;
};

// One look at a model of the run.
struct Evaluation {
  Instant at{};  // of the snapshot
  Version version = 0;
  double epoch = 0;
  std::uint64_t samples = 0;
  double train_loss = 0;  // on a keyed 10,000 training samples
  double test_loss = 0;
  double test_accuracy = 0;
};

// Of the exchange before a push, from the push before it to the model: during how much of it the worker computed on.
// That time counts as computing alone.
struct Hidden {
  Duration push{}, wait{}, pull{};
};

// What became of the samples of mini-batches that workers finished or gave up. Those of a mini-batch that a leave or
// the stop cut off are in none.
struct SampleCounts {
  std::uint64_t used = 0;       // in an update of the model
  std::uint64_t discarded = 0;  // of pushes that came too late for any update
  std::uint64_t pending = 0;    // of pushes that have come, neither used nor discarded yet
  std::uint64_t lost = 0;       // of mini-batches that the worker took and a new model threw away: never pushed
  std::uint64_t given_up = 0;   // of pushes that exceeded their time limit and are empty
  // What epochs, stops and evaluations count: a push counts when it is used or discarded, so that a round counts as a
  // whole when it closes.
  std::uint64_t settled() const { return used + discarded; }
  std::uint64_t received() const { return settled() + pending; }
  std::uint64_t computed() const { return received() + lost + given_up; }
  std::uint64_t unused() const { return computed() - used; }
  SampleCounts& operator+=(const SampleCounts& more);
};
// Their names in files; `samples` is received().
inline constexpr std::array<std::pair<const char*, std::uint64_t SampleCounts::*>, 5> kSampleCounts = {{
    {"samples_used", &SampleCounts::used},
    {"samples_discarded", &SampleCounts::discarded},
    {"samples_pending", &SampleCounts::pending},
    {"samples_lost", &SampleCounts::lost},
    {"samples_given_up", &SampleCounts::given_up},
}};

struct PushRecord {
  PushId id;
  WorkerId worker;
  Step steps = 1;  // mini-batches in it
  Step step = 0;   // the worker's clock after it
  Step gap = 0;    // its clock less the slowest's, after it
  Version base = 0;
  std::uint64_t samples = 0;
  std::uint64_t samples_lost = 0, samples_given_up = 0;
  double loss = 0;  // mean over the samples of the push
  sync::Timing timing;
  Hidden hidden = {};
};

// What one worker's time went into.
struct WorkerAccount {
  std::string host;
  Step steps = 0;
  SampleCounts samples;
  Duration data{}, compute{}, delay{}, push{}, wait{}, pull{}, wall{};
  Histogram staleness;
  Step gap_max = 0;
  bool took_part = false;
  // Known at the end: what `wait` was spent on, the longest first, and how long this worker held the others in all.
  std::vector<Charge> held_by;
  Duration held_others{};

  Duration other() const { return wall - data - compute - delay - push - wait - pull; }
  // (compute + injected delay) / wall, as the authors of WBSP count it; 0 before any time has passed.
  double compute_share() const;
  double wait_share() const;
};

class Account {
 public:
  struct Options {
    std::string folder;  // empty: nothing is written
    bool steps = true;
    bool timeline = false;
    bool in_order = true;  // rows ordered by push (virtual), or as they complete (real)
    double target_accuracy = 0;
    Duration update_time{};      // of an update at the lead, one after the other
    Holds::Listener holds = {};  // is told every part of a wait with its cause
  };
  Account(Options options, std::size_t workers);

  // Events, and what follows from each. Holds that end with a push, a join or a leave waited for the worker whose
  // event it is, until waited_for() names others. `behind`: the workers that compute and are furthest behind, before
  // the event. They are what a worker that is held when it leaves, or when the run ends, was waiting for, and what the
  // others waited for before a worker came in (our reading).
  void joined(Instant now, WorkerId worker, std::string host = {}, std::span<const WorkerId> behind = {});
  void pushed(Instant now, const PushRecord& push);
  void woke(Instant now) { holds_.event(now, {}); }
  void waited_for(Instant now, std::span<const WorkerId> workers) { holds_.event(now, workers); }
  std::uint64_t pending(std::span<const sync::Use> uses) const;  // samples of these pushes, which are pending
  // An update of these pushes is decided, and done: at once, or, where updates take time, when update_done() says so.
  // Its pushes are pending until then.
  void applied(Instant now, std::span<const sync::Use> uses, Version version);
  std::optional<Instant> next_update() const;  // when the first of those under way is done; none: none is
  void update_done();                          // that one is
  void discarded(std::span<const sync::Use> uses);
  void released(Instant now, WorkerId worker, sync::Refresh refresh);
  // What a worker had done of a step that its leave, or the end of the run, cut off. `wall`: from its join, where the
  // worker measured it itself. On the virtual clock before the leave, else perhaps after it.
  void cut_off(WorkerId worker, const sync::Timing& partial, std::optional<Duration> wall = {},
               const Hidden& hidden = {});
  void left(Instant now, WorkerId worker, std::span<const WorkerId> behind = {});
  void evaluated(const Evaluation& evaluation);
  void transferred(std::uint64_t pushed_bytes, std::uint64_t pulled_bytes);
  // The run is over: writes the rows that are still open and workers.csv.
  void ended(Instant now, std::span<const WorkerId> behind = {});
  void flush();

  std::span<const WorkerAccount> workers() const { return workers_; }
  std::uint64_t pushes() const { return pushes_; }
  const SampleCounts& samples() const { return samples_; }
  Version made() const { return made_; }  // the last version whose update is done
  // Of the samples that are pending, those in updates under way; of all, and of one worker.
  std::uint64_t samples_under_way() const { return samples_under_way_; }
  std::uint64_t samples_under_way(WorkerId worker) const { return progress_.at(worker.value).under_way; }
  std::uint64_t bytes_pushed() const { return bytes_pushed_; }
  std::uint64_t bytes_pulled() const { return bytes_pulled_; }
  std::size_t open_rows() const { return rows_.size(); }  // of steps.csv, that it still keeps
  const std::vector<Evaluation>& evaluations() const { return evaluations_; }
  Histogram staleness() const;
  // Training samples that were applied between the version of a gradient and the update that used it.
  double mean_staleness_samples() const;
  // When stats::first_sustained() has the target reached.
  std::optional<Instant> time_to_target() const;
  // The cost of the target: how long all workers together were in the run up to then. After ended().
  std::optional<Duration> worker_time_to_target() const;

 private:
  struct Row {
    PushRecord push;
    Instant at{};
    std::uint64_t base_samples = 0;
    std::optional<Version> applied;
    bool under_way = false;  // in an update that is not done
    bool settled = false;    // applied or discarded
    bool pulled = false;
    Duration wait{}, pull{};
  };
  struct Slice {  // of a worker's track in the timeline
    const char* name;
    Instant begin, end;
  };
  struct Progress {  // of one worker
    Instant joined{}, left{}, pushed{}, released{};
    Duration upload{};  // of its last push
    bool held = false;
    bool present = false;
    bool exchanging = false;  // what was hidden of its last push, hold and pull is not known yet
    Hidden hidden;            // of an exchange that was cut off while the worker was held
    std::uint64_t base_samples = 0;
    std::optional<PushId> open;   // its last push: the row still lacks release or pull
    std::uint64_t under_way = 0;  // samples in updates that are not done
    std::vector<Slice> slices;    // of the last exchange, not written yet
    std::int64_t drawn = 0;       // its track is written so far, in microseconds
  };

  struct Update {  // under way
    Instant done{};
    Version version = 0;
    std::vector<sync::Use> uses;
  };

  Row* row(PushId id);
  void use(Instant now, std::span<const sync::Use> uses, Version version);
  Hidden finish_exchange(WorkerId worker, Duration pull, const Hidden& told);
  void end_hold(Instant now, WorkerId worker);
  void leave(Instant now, WorkerId worker);
  void emit_if_complete(PushId id);
  void emit(const Row& row);
  // The samples of a pending push are used, or discarded.
  void settle(Row& row, std::uint64_t SampleCounts::*as);
  void write_slices(WorkerId worker);

  Options options_;
  std::vector<WorkerAccount> workers_;
  std::vector<Progress> progress_;
  Holds holds_;
  std::map<PushId, Row> rows_;  // not written yet
  LineFile steps_, evals_, timeline_;
  std::vector<Evaluation> evaluations_;
  std::uint64_t pushes_ = 0;
  SampleCounts samples_;
  std::deque<Update> under_way_;
  Version made_ = 0;
  std::uint64_t samples_under_way_ = 0;
  std::uint64_t bytes_pushed_ = 0, bytes_pulled_ = 0;
  std::uint64_t applied_pushes_ = 0;
  double staleness_samples_sum_ = 0;
};

}  // namespace psctl::trace
