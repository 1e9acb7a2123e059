// The planner of ElasticBSP: given when each worker will end each of its next steps, chooses one ending of each worker
// such that they lie closest together, so that workers wait least for each other there.
#pragma once

#include <span>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "sync/parameters.h"

namespace psctl::sync {

// The next steps of one worker: step i, from 1 on, ends at first + (i - 1) * interval.
struct Forecast {
  Duration first{};     // at least 0
  Duration interval{};  // at least 1 ns
};

struct Plan {
  std::vector<Step> quotas;  // which ending of each worker, 1 to lookahead
  Duration earliest{};       // of the endings chosen: the first worker begins to wait
  Duration latest{};         // of them: all are there
  Duration spread() const { return latest - earliest; }
};

// Zhao et al., ICDM 2019, Algorithm 2 (ZipLine) and section IV (GridScan); DSAA 2021 (ZipLineOpt, ZipLineOptBS). Those
// that are exact return the same plan: of all sets with the least spread, the one that is complete first, where endings
// come by (time, worker).
enum class Planner {
  kZipline,       // exact, O(R n log n): kLazyQueue on the endings that can matter
  kZiplinePaper,  // exact, O(R n^2): Algorithm 2 word by word, with its linear search
  kZiplineOpt,    // exact, O(R n^2): no search where the earliest of the set is replaced
  kZiplineOptBs,  // exact, O(R n log n) and the moves of an erasure: a binary search in place of the linear one
  kLazyQueue,     // exact, O(R n log n): replaced endings stay in the queue until they are its head
  kGridScan,      // the nearest endings to each of one worker's; not exact
  kFullGridScan,  // the best of that for every worker; not exact
};

// Throws InternalError if a forecast is out of range or there is no lookahead. No workers: an empty plan.
Plan plan(Planner planner, std::span<const Forecast> workers, Step lookahead);

// `planner`, with the words of all planners, and `lookahead`.
Parameter planner_parameter();
Planner planner(const Parameters& parameters);
Parameter lookahead_parameter();

}  // namespace psctl::sync
