// The network model: a transfer takes latency + max(own link, wait + server link). The server's link is busy for bytes
// / server bandwidth, first come first served, so that a slow worker does not block it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "base/time.h"
#include "sim/config.h"

namespace psctl::sim {

// One direction of the links of all servers. A transfer has a piece for each, and is over when the last one is.
class Link {
 public:
  // `bytes`: of a whole model, of which every server has an equal piece.
  Link(const NetworkConfig& network, std::size_t bytes, std::size_t servers)
      : bandwidth_(network.bandwidth_mbps),
        server_bandwidth_(network.server_bandwidth_mbps),
        latency_(from_milliseconds(network.latency_ms)),
        equal_pieces_(servers, static_cast<double>(bytes) / static_cast<double>(servers)),
        own_(time_of(static_cast<double>(bytes), bandwidth_)),
        server_(time_of(equal_pieces_.front(), server_bandwidth_)),
        free_(servers) {}

  // A transfer of the whole model that begins now; calls must come in the order of time.
  Duration transfer(Instant now) { return transfer(now, equal_pieces_, own_); }
  // One, of these bytes to or from each server; a server without bytes has none.
  Duration transfer(Instant now, std::span<const double> pieces) {
    return transfer(now, pieces, time_of(std::accumulate(pieces.begin(), pieces.end(), 0.0), bandwidth_));
  }
  Duration latency() const { return latency_; }
  bool is_free() const { return latency_ + own_ + server_ == Duration::zero(); }

 private:
  Duration transfer(Instant now, std::span<const double> pieces, Duration longest) {
    for (std::size_t server = 0; server < free_.size(); ++server) {
      if (pieces[server] == 0) continue;
      free_[server] = std::max(now, free_[server]) + time_of(pieces[server], server_bandwidth_);
      longest = std::max(longest, free_[server] - now);
    }
    return latency_ + longest;
  }
  static Duration time_of(double bytes, double mbps) {
    return mbps > 0 ? Duration(std::llround(bytes * 8000 / mbps)) : Duration::zero();
  }

  double bandwidth_, server_bandwidth_;
  Duration latency_;
  std::vector<double> equal_pieces_;
  Duration own_, server_;  // of the whole model
  std::vector<Instant> free_;
};

}  // namespace psctl::sim
