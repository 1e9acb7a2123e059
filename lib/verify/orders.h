// Every order in which the events of a small cluster can happen.
#pragma once

#include <cstdint>
#include <vector>

#include "verify/verify.h"

namespace psctl::verify {

// A small cluster: how many pushes each worker makes before it leaves; the last `late` of them join at any moment. At
// most `surprises` times something unusual happens: a worker leaves early, gives a step up, or overlaps.
struct SmallCluster {
  std::vector<std::uint64_t> pushes;
  std::size_t late = 0;
  std::size_t surprises = 0;
};

std::vector<SmallCluster> small_clusters(bool quick);

// The cases are orders from the first join to the last leave; each is tried once, and every prefix with it. The story
// of a violation is as short as any that breaks a rule in that cluster.
Result every_order(const Subject& subject, const std::vector<SmallCluster>& clusters);

}  // namespace psctl::verify
