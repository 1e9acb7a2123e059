#include "rpc/shard.h"

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
             sync::Traits::Kind kind)
    : bytes_(initial.size_bytes()), store_(optimizer, initial, kind), arrivals_(workers), released_(workers) {
  check_tensor_bytes(bytes_);
}

Incoming Shard::destination(std::size_t length) {
  if (length == 0) return {};
  if (length != bytes_) {
    throw WorldError(fmt::format("a push of {} bytes came where this server's range has {}", length, bytes_));
  }
  const std::shared_ptr<learn::Tensor> tensor = store_.buffer();
  return {.bytes = std::as_writable_bytes(tensor->values()), .owner = tensor};
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
  arrivals.tensors[number] = std::static_pointer_cast<learn::Tensor>(tensor.owner);
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
  } else if (const auto* merge = std::get_if<sync::Merge>(&order.what)) {
    store_.merge(merge->into, merge->from);
  } else if (const auto* update = std::get_if<lead::Update>(&order.what)) {
    store_.apply(update->shares, update->learning_rate, update->reset);
  } else if (const auto* discard = std::get_if<sync::Discard>(&order.what)) {
    store_.discard(discard->push);
  } else if (const auto* release = std::get_if<lead::Release>(&order.what)) {
    if (release->refresh == sync::Refresh::kTake) {
      released_.at(release->worker.value) = {order.sequence, store_.snapshot()};
      store_.released(release->worker);
    }
  } else {
    looks_.emplace(order.sequence, store_.snapshot());
  }
}

void Shard::accept(const lead::Accept& accept) {
  Arrivals& arrivals = arrivals_.at(accept.worker.value);
  std::shared_ptr<learn::Tensor> tensor;
  if (!accept.empty) {
    const auto found = arrivals.tensors.find(accept.number);
    if (found == arrivals.tensors.end()) {
      throw WorldError(
          fmt::format("the tensor of push {} of worker {} is missing", accept.number, accept.worker.value));
    }
    tensor = std::move(found->second);
  }
  arrivals.accepted = accept.number;
  arrivals.tensors.erase(arrivals.tensors.begin(), arrivals.tensors.upper_bound(accept.number));
  store_.accept(accept.push, accept.worker, std::move(tensor));
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
