// Injected slowness. Drawn by (seed, rule, worker, step) and nothing else, so that the same steps are slow in both
// worlds and under every strategy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "delay/config.h"

namespace psctl::delay {

// A heavy tail has no greatest draw, the clock has: a longer delay of a step, and a greater factor, count as these.
inline constexpr Duration kLongestDelay = std::chrono::seconds(1'000'000);
inline constexpr double kGreatestFactor = 1e6;

struct Slowness {
  Duration compute{};  // added after the computing, and stands for computing; at most kLongestDelay
  Duration network{};  // added to the transfer of the push; at most kLongestDelay
  double factor = 1;   // the computing takes this many times as long; at most kGreatestFactor
};

// The slowness of one worker: delays of several rules add up, factors multiply. Not thread-safe: the slow spells of
// `markov` are followed step by step.
class Stragglers {
 public:
  // Reads the files of `trace` rules: throws UserError naming file and line.
  //
  // Such a file begins with the line `worker,step,delay_ms`; every other line holds a worker's number, a step from
  // Rule::first_step and a delay of 0 to kLongestDelay. No (worker, step) may stand there twice. Steps that are not
  // there are not slow; lines of workers that the rule does not name have no effect.
  Stragglers(const std::vector<Rule>& rules, WorkerId worker, std::uint64_t seed);
  // The same for workers 0 to `workers` - 1, with every file read once. Lines of other workers are faults.
  static std::vector<Stragglers> every(const std::vector<Rule>& rules, std::size_t workers, std::uint64_t seed);

  // What the user should know of how the rules are read: who has no line in a trace, and where a trace ends before the
  // `steps` that every worker takes, if that is known. Throws as above.
  static std::vector<std::string> notices(const std::vector<Rule>& rules, std::optional<Step> steps);

  // Of the worker's mini-batch number `step`, from 0, that begins at `now`. Any order of calls; ascending is fast.
  Slowness at(Step step, Instant now);

 private:
  struct Trace;
  struct Active {
    Rule rule;
    std::uint64_t place = 0;  // among all rules; part of the key
    std::shared_ptr<const Trace> trace;
    Step offset = 0;    // periodic: the step of a period at which it begins
    Step period = 0;    // trace: the worker's steps in the file, up to the last
    bool slow = false;  // markov: whether step next_step - 1 is in a slow spell
    Step next_step = 0;
  };
  class TraceFiles;
  Stragglers(const std::vector<Rule>& rules, WorkerId worker, std::uint64_t seed, TraceFiles& files);

  bool in_spell(Active& active, Step step) const;
  Duration delay(Active& active, Step step, Instant now) const;

  std::vector<Active> active_;  // the rules that name this worker
  WorkerId worker_;
  std::uint64_t seed_;
};

}  // namespace psctl::delay
