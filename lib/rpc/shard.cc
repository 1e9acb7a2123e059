#include "rpc/shard.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace psctl::rpc {
namespace {

Outgoing outgoing(learn::Snapshot model) {
  const auto bytes = std::as_bytes(model->values());
  return {.bytes = bytes, .owner = std::move(model)};
}

}  // namespace

Shard::Shard(const learn::OptimizerConfig& optimizer, std::span<const float> initial, std::size_t workers,
             sync::Traits::Kind kind, std::size_t begin)
    : begin_(begin),
      bytes_(initial.size_bytes()),
      store_(optimizer, initial, kind),
      arrivals_(workers),
      released_(workers) {
  check_tensor_bytes(bytes_);
}

Incoming Shard::destination(std::size_t length, std::optional<std::int64_t> coordinates) {
  if (coordinates) {
    if (!store_.takes_coordinates()) throw WorldError("a push of coordinates came where every push is dense");
    const std::size_t count = length / sizeof(learn::Coordinate);
    if (length % sizeof(learn::Coordinate) != 0 || *coordinates < 0 ||
        count > static_cast<std::uint64_t>(*coordinates) || count > bytes_ / sizeof(float)) {
      throw WorldError(fmt::format("a push of {} coordinates has {} bytes for the {} parameters of this server",
                                   *coordinates, length, bytes_ / sizeof(float)));
    }
    const auto push = std::make_shared<learn::Push>(std::make_shared<learn::Coordinates>(count));
    return {.bytes = std::as_writable_bytes(std::span(*push->coordinates)), .owner = push};
  }
  if (length == 0) return {};
  if (length != bytes_) {
    throw WorldError(fmt::format("a push of {} bytes came where this server's range has {}", length, bytes_));
  }
  const auto push = std::make_shared<learn::Push>(store_.buffer());
  return {.bytes = std::as_writable_bytes(push->dense->values()), .owner = push};
}

// On the wire indices count through the whole model, here through this range.
void Shard::check(const Incoming& push) const {
  if (!push.owner) return;
  const learn::Push& what = *std::static_pointer_cast<learn::Push>(push.owner);
  if (!what.coordinates) return;
  std::size_t least = begin_;
  const std::size_t end = begin_ + bytes_ / sizeof(float);
  for (learn::Coordinate& each : *what.coordinates) {
    if (each.index < least || each.index >= end) {
      throw WorldError(fmt::format("a push has the coordinate {} where {} to {} may follow", each.index, least,
                                   std::max(end, std::size_t{1}) - 1));
    }
    least = std::size_t{each.index} + 1;
    each.index -= static_cast<std::uint32_t>(begin_);
  }
}

void Shard::put(WorkerId worker, std::uint64_t number, const Incoming& tensor,
                std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  Arrivals& arrivals = arrivals_.at(worker.value);
  const auto late = [&] { return number <= arrivals.accepted; };
  const auto room = [&] { return arrivals.tensors.size() < kMostArrivals || arrivals.tensors.contains(number); };
  const bool in_time = executed_.wait_until(lock, deadline, [&] { return late() || room(); });
  if (late()) {
    throw WorldError(fmt::format("push {} of worker {} came where {} has been accepted already", number, worker.value,
                                 arrivals.accepted));
  }
  if (!in_time) {
    throw WorldError(fmt::format("push {} of worker {} came while {} before it were not accepted", number, worker.value,
                                 arrivals.tensors.size()));
  }
  arrivals.tensors[number] = *std::static_pointer_cast<learn::Push>(tensor.owner);
}

void Shard::execute(std::span<const lead::Order> orders) {
  const std::lock_guard lock(mutex_);
  for (const lead::Order& order : orders) execute(order);
  executed_.notify_all();
}

void Shard::execute(const lead::Order& order) {
  if (order.sequence <= sequence_)
    throw WorldError(fmt::format("order {} came after order {}", order.sequence, sequence_));
  sequence_ = order.sequence;
  if (const auto* accept = std::get_if<lead::Accept>(&order.what)) {
    this->accept(*accept);
  } else if (const auto* release = std::get_if<lead::Release>(&order.what)) {
    if (release->refresh == sync::Refresh::kTake) {
      released_.at(release->worker.value) = {order.sequence, store_.snapshot()};
    }
  } else if (std::holds_alternative<lead::Look>(order.what)) {
    looks_.emplace(order.sequence, store_.snapshot());
  }
  lead::execute(order, store_);
}

void Shard::accept(const lead::Accept& accept) {
  Arrivals& arrivals = arrivals_.at(accept.worker.value);
  learn::Push push;
  if (!accept.empty) {
    const auto found = arrivals.tensors.find(accept.number);
    if (found == arrivals.tensors.end()) {
      throw WorldError(
          fmt::format("the tensor of push {} of worker {} is missing", accept.number, accept.worker.value));
    }
    push = std::move(found->second);
  }
  arrivals.accepted = accept.number;
  arrivals.tensors.erase(arrivals.tensors.begin(), arrivals.tensors.upper_bound(accept.number));
  store_.accept(accept.push, accept.worker, std::move(push));
}

void Shard::wait_for(std::unique_lock<std::mutex>& lock, std::uint64_t sequence,
                     std::chrono::steady_clock::time_point deadline) {
  if (!executed_.wait_until(lock, deadline, [&] { return sequence_ >= sequence; })) {
    throw WorldError(fmt::format("order {} of the lead server has not come, the last was {}", sequence, sequence_));
  }
}

Outgoing Shard::take_released(WorkerId worker, std::uint64_t sequence, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  wait_for(lock, sequence, deadline);
  Pin& pin = released_.at(worker.value);
  if (pin.sequence != sequence || !pin.model) {
    throw WorldError(fmt::format("no model is kept for worker {} under order {}", worker.value, sequence));
  }
  return outgoing(std::move(pin.model));
}

Outgoing Shard::take_look(std::uint64_t sequence, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  wait_for(lock, sequence, deadline);
  const auto look = looks_.find(sequence);
  if (look == looks_.end()) throw WorldError(fmt::format("no model is kept to evaluate under order {}", sequence));
  learn::Snapshot model = std::move(look->second);
  looks_.erase(look);
  return outgoing(std::move(model));
}

Version Shard::version() const {
  const std::lock_guard lock(mutex_);
  return store_.version();
}

}  // namespace psctl::rpc
