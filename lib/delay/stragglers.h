// Injected slowness. Drawn by (seed, rule, worker, step) and nothing else, so that the same steps are slow in both
// worlds and under every strategy.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "delay/config.h"

namespace psctl::delay {

struct Slowness {
  Duration compute{};  // added after the computing, and stands for computing
  Duration network{};  // added to the transfer of the push
  double factor = 1;   // the computing takes this many times as long
};

// The slowness of one worker. Not thread-safe: the slow spells of `markov` are followed step by step.
class Stragglers {
 public:
  // Reads the files of `trace` rules: throws UserError naming file and line.
  Stragglers(const std::vector<Rule>& rules, WorkerId worker, std::uint64_t seed);

  // Of the worker's mini-batch number `step`, from 0, that begins at `now`. Steps must not run backwards.
  Slowness at(Step step, Instant now);

 private:
  struct Spell {
    bool slow = false;
    Step next = 0;  // the first step that the spell was not yet followed to
  };
  std::vector<Rule> rules_;         // those that name this worker
  std::vector<std::uint64_t> key_;  // of each rule: its place among all
  std::vector<Spell> spells_;
  std::vector<std::map<Step, Duration>> traces_;
  WorkerId worker_;
  std::uint64_t seed_;
};

}  // namespace psctl::delay
