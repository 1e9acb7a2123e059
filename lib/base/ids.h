// The identities that events and decisions speak of: distinct types, so that a worker is never taken for a push.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace psctl {

// A number that only compares with its own kind.
template <class Tag, class Number>
struct Id {
  Number value = 0;
  constexpr Id() = default;
  constexpr explicit Id(Number number) : value(number) {}
  friend constexpr auto operator<=>(Id, Id) = default;
};

// A worker of the run, 0 to cluster.workers - 1.
using WorkerId = Id<struct WorkerTag, std::uint32_t>;
// A push that the lead server received; numbered from 1 in the order of arrival.
using PushId = Id<struct PushTag, std::uint64_t>;
// Mini-batches: a worker's clock, or a number of them.
using Step = std::uint64_t;
// Updates that have been applied to the model; the initial model is version 0.
using Version = std::uint64_t;

}  // namespace psctl

template <class Tag, class Number>
struct std::hash<psctl::Id<Tag, Number>> {
  std::size_t operator()(psctl::Id<Tag, Number> id) const noexcept { return std::hash<Number>{}(id.value); }
};
