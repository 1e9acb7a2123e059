// A run as its decision log tells it: every push with its times, every hold with its causes, and where everybody's
// time went. Real and virtual runs, whole ones and those that were cut short, are read alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/run_config.h"
#include "sync/strategy.h"
#include "trace/account.h"

namespace psctl::explain {

// A worker's push, and all that came before it from its last one on: the hold, the pull and the mini-batches.
struct Push {
  WorkerId worker;
  Step step = 0;        // the worker's clock after it
  Step steps = 0;       // mini-batches in it
  Step lost = 0;        // mini-batches besides, that the refresh threw away
  Step overlapped = 0;  // of both, those that were taken before the answer to the last push was there
  bool empty = false;   // the last of them was given up
  sync::Timing timing;  // of all of them together, and of the transfers
  sync::Refresh refresh = sync::Refresh::kTake;  // of the release before it
  Instant before{};                              // when the worker sent its last push; when it came in
  Instant released{};                            // for these mini-batches
  Instant at{};                                  // it arrived
  Duration early{};                              // time of the mini-batches that were taken before the answer
  Step taken() const { return steps + lost; }
  Instant in_place() const { return released + timing.download; }
  Instant sent() const { return at - timing.upload; }
};

// From a push, or from when it came in, to its release.
struct Hold {
  WorkerId worker;
  std::optional<std::size_t> push;  // among Recorded::pushes; none: it came in
  Instant begin{}, end{};
  bool released = false;               // false: it left, or the run ended
  std::vector<trace::HoldPart> parts;  // by time; empty if it was no time, or if the worker computed through it
};

// What happened to the cluster, in order.
struct Happening {
  enum class Kind { kJoined, kPushed, kLeft, kWoke, kStop };
  Instant at{};
  Kind kind{};
  WorkerId worker;       // of the first three
  std::size_t push = 0;  // of kPushed
};

struct Recorded {
  std::string folder;
  config::RunConfig config;
  std::string label;                       // of its strategy
  std::string status;                      // of its summary; "unfinished" if there is none
  std::string stop;                        // why it ended; empty: nobody knows
  Instant end{};                           // the stop, or the last row of the log
  Instant done{};                          // the last instant at which samples were used or discarded
  std::uint64_t updates_done = 0;          // that had been made by then
  std::uint64_t mini_batches = 0;          // that had been used or discarded by then: the run's work
  sync::Setting setting;                   // what the strategy was made with
  std::optional<std::size_t> model_bytes;  // none: nobody knows
  bool sparse_pushes = false;              // how long a push is hangs on the data
  std::vector<Push> pushes;                // in the order of arrival
  std::vector<Hold> holds;                 // in the order of their beginning
  std::vector<Happening> happenings;
  std::vector<std::vector<std::size_t>> pushes_of;  // of each worker
  std::vector<trace::WorkerAccount> workers;
  // What its leave, or the end, cut off of each worker: since when it computed, and for how many mini-batches.
  struct Unfinished {
    std::optional<Instant> released;  // none: it waited, or had just pushed
    Instant before{};                 // when it had sent its last push
    Instant until{};
    Step steps = 0;
  };
  std::vector<Unfinished> unfinished;
  // Of each worker: from its last release to its leave, or to the end, which cut off what it had begun.
  std::vector<Duration> cut_off;
  std::uint64_t updates = 0;
  trace::SampleCounts samples;
  trace::Histogram staleness;
  std::vector<std::string> notices;  // what the reader should know, a sentence each

  std::size_t batch_size() const { return config.data.batch_size; }
  Duration wall() const;     // of all workers together
  Duration waiting() const;  // of all workers together
  // What of a worker's wall time is in no part of its account, nor cut off: none on the virtual clock.
  Duration rest(std::size_t worker) const { return workers[worker].other() - cut_off[worker]; }
};

// Of the reasons for a stop, those that say how much work a run is.
inline bool stops_by_work(std::string_view reason) {
  return reason == "samples" || reason == "epochs" || reason == "steps_per_worker";
}

// Throws UserError for a folder that holds no run with a decision log and a push that was used or discarded;
// WorldError where the log is not what this psctl would have decided.
Recorded read(const std::string& folder);

// "12.345 s", "45.6 ms", "780 us": three digits or more, for people.
std::string in_words(Duration time);

}  // namespace psctl::explain
