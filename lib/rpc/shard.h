// One server's range of the model, shared between its connections: pushes come in on many threads, orders are executed
// one after the other, and a model that was released stays pinned until it has been handed out.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "lead/lead.h"
#include "learn/model_store.h"
#include "rpc/transport.h"

namespace psctl::rpc {

// Thread-safe. Memory is O(model x workers): of each worker at most a push that is coming in, two that wait for their
// Accept and a pin, besides what the strategy keeps pending; and one pin a look.
class Shard {
 public:
  // `initial`: this server's range of version 0, which begins at parameter `begin`. `kind`: of the strategy's workers.
  Shard(const learn::OptimizerConfig& optimizer, std::span<const float> initial, std::size_t workers,
        sync::Traits::Kind kind = sync::Traits::Kind::kGradient, std::size_t begin = 0);

  std::size_t bytes() const { return bytes_; }
  // A place for a push that is about to come, a learn::Push; of `coordinates` on all servers together, if given. Throws
  // WorldError unless `length` is 0 or exactly this range, or that of no more coordinates than there are.
  Incoming destination(std::size_t length, std::optional<std::int64_t> coordinates = {});
  // It has come: throws WorldError unless coordinates ascend within this range. Once a push, before put().
  void check(const Incoming& push) const;
  // The tensor of the worker's push of that number, from 1; it waits for its Accept. A worker that keeps its model
  // pushes again without having heard of this server, so that its next tensor may overtake the Accept of its last. A
  // third waits until there is room; throws WorldError if there is none at the deadline, and when that number or a
  // later one has been accepted already.
  void put(WorkerId worker, std::uint64_t number, const Incoming& tensor,
           std::chrono::steady_clock::time_point deadline);

  void execute(std::span<const lead::Order> orders);

  // The model that the release, or the look, with this number pinned; unpinned when the answer is dropped. Waits
  // until that order has been executed; throws WorldError at the deadline, or when there is no such pin.
  Outgoing take_released(WorkerId worker, std::uint64_t sequence, std::chrono::steady_clock::time_point deadline);
  Outgoing take_look(std::uint64_t sequence, std::chrono::steady_clock::time_point deadline);

  Version version() const;
  std::uint64_t sequence() const;                           // of the last order executed
  std::size_t tensors() const { return store_.tensors(); }  // in existence: what the memory is; thread-safe

 private:
  struct Pin {
    std::uint64_t sequence = 0;
    learn::Snapshot model;
  };
  // What came from one worker and was not accepted yet, by number.
  struct Arrivals {
    std::map<std::uint64_t, learn::Push> tensors;
    std::uint64_t accepted = 0;  // number of the last that was
  };
  static constexpr std::size_t kMostArrivals = 2;

  void execute(const lead::Order& order);
  void accept(const lead::Accept& accept);
  void wait_for(std::unique_lock<std::mutex>& lock, std::uint64_t sequence,
                std::chrono::steady_clock::time_point deadline);

  std::size_t begin_, bytes_;
  mutable std::mutex mutex_;
  std::condition_variable executed_;
  learn::ModelStore store_;
  std::vector<Arrivals> arrivals_;  // of each worker
  std::vector<Pin> released_;       // of each worker
  std::map<std::uint64_t, learn::Snapshot> looks_;
  std::uint64_t sequence_ = 0;  // of the last order executed
};

// How many coordinates a request says that its push has; none: it is dense.
template <class Request>
std::optional<std::int64_t> given(const Request& request) {
  return request.__isset.coordinates ? std::optional(request.coordinates) : std::nullopt;
}

}  // namespace psctl::rpc
