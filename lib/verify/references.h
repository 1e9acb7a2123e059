// What a strategy must come to by arithmetic alone: closed forms and recurrences for its schedule, brute force for what
// it plans. None of it uses the strategy's code.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "sync/dssp.h"
#include "sync/planner.h"
#include "verify/verify.h"

namespace psctl::verify {

// One result a reference; empty for a strategy that has none with these parameters.
std::vector<Result> check_references(const Subject& subject, std::uint64_t seed, std::size_t cases);

// A planner against trying all selections. An exact one finds the least spread, and of equal ones the first.
using PlanOf = std::function<sync::Plan(std::span<const sync::Forecast>, Step lookahead)>;
Result check_planner(const PlanOf& plan_of, bool exact, std::uint64_t seed, std::size_t cases);

// DSSP's controller against a double loop over all pairs of predicted pushes.
using StepsOf = std::function<Step(const sync::LastPushes& fast, const sync::LastPushes& slow, Step range)>;
Result check_controller(const StepsOf& steps_of, bool not_before, std::uint64_t seed, std::size_t cases);

// Sync-Switch's detector against sorting, over random histories. `stragglers_of` tells who is slow after all of them.
struct Observation {
  WorkerId worker;
  std::optional<Duration> interval;  // none: the worker is forgotten
};
using StragglersOf =
    std::function<std::vector<WorkerId>(std::span<const Observation>, std::size_t window, double factor)>;
Result check_detector(const StragglersOf& stragglers_of, std::uint64_t seed, std::size_t cases);

}  // namespace psctl::verify
