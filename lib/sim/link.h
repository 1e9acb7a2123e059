// The network model: a transfer takes latency + max(own link, wait + server link). The server's link is busy for bytes
// / server bandwidth, first come first served, so that a slow worker does not block it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/time.h"
#include "sim/config.h"

namespace psctl::sim {

// One direction of the link of one server. All servers carry equal pieces at the same instants, so one stands for all.
class Link {
 public:
  Link(const NetworkConfig& network, std::size_t bytes, std::size_t servers)
      : latency_(from_milliseconds(network.latency_ms)),
        own_(time_of(static_cast<double>(bytes), network.bandwidth_mbps)),
        server_(time_of(static_cast<double>(bytes) / static_cast<double>(servers), network.server_bandwidth_mbps)) {}

  // A transfer of the model's size that begins now; calls must come in the order of time.
  Duration transfer(Instant now) {
    const Instant begin = std::max(now, free_);
    free_ = begin + server_;
    return latency_ + std::max(own_, free_ - now);
  }
  Duration latency() const { return latency_; }
  bool is_free() const { return latency_ + own_ + server_ == Duration::zero(); }

 private:
  static Duration time_of(double bytes, double mbps) {
    return mbps > 0 ? Duration(std::llround(bytes * 8000 / mbps)) : Duration::zero();
  }

  Duration latency_, own_, server_;
  Instant free_{};
};

}  // namespace psctl::sim
