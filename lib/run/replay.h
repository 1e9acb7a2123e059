// A run recomputed from its folder: the configuration, what made it, and its decision log determine every decision and
// every weight, of real runs too.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace psctl::run {

struct ReplayRequest {
  std::string folder;                                   // of the run
  std::string data;                                     // in place of data.source; empty: as it was
  std::function<void(double share)> progress = {};      // after each event: how much of the log
  std::function<void(const std::string&)> notice = {};  // of the data, and what may explain a difference
  const std::atomic<bool>* interrupted = nullptr;       // becomes true: no more is compared
};

struct Replayed {
  std::uint64_t events = 0;  // rows of the log that are equal
  std::uint64_t decisions = 0;
  bool has_model = true;          // false: timing only, there is no digest to compare
  std::string model_digest = {};  // equal to that of the run; empty: not compared
  std::string difference = {};    // the first; empty: none was found
  std::string unproved = {};      // why equality was not fully proved; empty: it was
  bool interrupted = false;

  bool equal() const { return difference.empty() && unproved.empty() && !interrupted; }
};

// Feeds the logged events to the same lead that the run had, and compares every row that it makes with the logged one
// and the last model's digest. Throws UserError for a folder that does not hold a run with a decision log.
Replayed replay(const ReplayRequest& request);

}  // namespace psctl::run
