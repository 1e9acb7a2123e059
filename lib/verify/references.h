// What a strategy must come to by arithmetic alone: closed forms and recurrences for its schedule, brute force for what
// it plans. None of it uses the strategy's code.
#pragma once

#include <cstdint>
#include <functional>
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

}  // namespace psctl::verify
