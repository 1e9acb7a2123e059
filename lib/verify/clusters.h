// Random clusters on a virtual clock: workers of unequal speed that join, work and leave. The clock is all there is of
// a world here: no network, no model.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "verify/trial.h"
#include "verify/verify.h"

namespace psctl::verify {

struct Member {
  std::uint64_t pushes = 1;            // after these it leaves
  Instant joins{};                     // time 0: is there from the start
  std::optional<Instant> leaves = {};  // at the latest
  Duration step{};                     // the least time of a step
  double spread = 0;                   // of the times of its steps: each takes up to (1 + spread) as long
  Duration upload{}, download{};       // told to the strategy, and part of the time between release and push
};

struct Plan {
  std::uint64_t seed = 0;
  std::vector<Member> members;
  Duration unit{1};       // all times are multiples of it: a coarse one makes ties
  bool overlaps = false;  // workers take overlapped steps where they may
};

// From 2 to 8 members. Alike for the same key.
Plan random_plan(std::uint64_t seed, std::uint64_t number);
// Nobody joins late or leaves before its last push.
Plan steady_plan(std::uint64_t seed, std::uint64_t number);

// The time of a worker's n-th step (from 1) under this plan.
Duration step_time(const Plan& plan, std::size_t worker, Step step);
sync::Setting setting_of(const Plan& plan);

// Runs the plan to its end. Throws Broken; the trial has the story so far.
void run(const Plan& plan, Trial& trial);

// The cases are clusters. The story of a violation has been made short: fewer workers, fewer pushes, rounder times.
Result random_clusters(const Subject& subject, std::uint64_t seed, std::size_t cases);

}  // namespace psctl::verify
