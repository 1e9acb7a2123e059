// The `stragglers` section of a configuration, as plain values.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"

namespace psctl::delay {

enum class Law {
  kConstant,
  kUniform,
  kNormal,
  kLognormal,
  kPareto,
  kExponential,
  kMarkov,
  kPeriodic,
  kWindow,
  kSlowdown,
  kTrace
};
enum class Target { kCompute, kNetwork };
// Where the periods of the workers of a `periodic` rule begin: all at the first step, each at a step that is drawn by
// (seed, rule, worker), or one after the other, spread evenly over a period in the order of the rule's workers.
enum class Phase { kEqual, kDrawn, kSpread };

// One rule: who is slowed down, and by what law. Only the numbers of its own law are used.
struct Rule {
  std::vector<WorkerId> workers;
  Law law = Law::kConstant;
  Target on = Target::kCompute;
  double delay_ms = 0;                  // constant, exponential (mean), markov, periodic, window
  double min_ms = 0, max_ms = 0;        // uniform
  double mean_ms = 0, sd_ms = 0;        // normal; below 0 counts 0
  double median_ms = 0, sigma = 0;      // lognormal
  double scale_ms = 0, shape = 1;       // pareto: scale_ms * u^(-1/shape)
  double enter = 0, leave = 1;          // markov: probability a step of entering and of leaving a slow spell
  Step every_steps = 1, for_steps = 1;  // periodic: the first for_steps of every every_steps
  Phase phase = Phase::kEqual;          // periodic
  double from_s = 0, to_s = 0;          // window: steps that begin at from_s <= t < to_s of run time
  double factor = 1;                    // slowdown: the computing takes factor times as long
  std::string file;                     // trace: CSV of worker,step,delay_ms
  Step first_step = 1;                  // trace: the number of a worker's first step in the file, 0 or 1
  bool repeat = false;                  // trace: after its last step in the file a worker begins the file again
};

}  // namespace psctl::delay
