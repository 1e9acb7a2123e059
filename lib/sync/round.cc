#include "sync/round.h"

#include <algorithm>
#include <utility>

namespace psctl::sync {

std::vector<Decision> update_of_round(const Cluster& cluster) {
  if (cluster.pending().empty()) return {};
  std::vector<std::pair<WorkerId, PushId>> round;
  std::vector<Decision> decisions(1);
  for (const auto& [id, push] : cluster.pending()) {
    if (push.empty) {
      decisions.emplace_back(Discard{.push = id});
    } else {
      round.emplace_back(push.worker, id);
    }
  }
  std::ranges::sort(round);
  Apply apply;
  for (const auto& [worker, id] : round) {
    apply.shares.push_back({.push = id, .weight = 1.0 / static_cast<double>(round.size())});
  }
  decisions.front() = std::move(apply);
  return decisions;
}

}  // namespace psctl::sync
