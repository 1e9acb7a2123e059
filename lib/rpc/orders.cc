#include "rpc/orders.h"

#include <fmt/format.h>

#include "base/error.h"

namespace psctl::rpc {
namespace {

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }
PushId push_id(std::int64_t value) { return PushId(static_cast<std::uint64_t>(value)); }
WorkerId worker_id(std::int32_t value) { return WorkerId(static_cast<std::uint32_t>(value)); }

struct Writer {
  wire::Order& order;

  void operator()(const lead::Accept& accept) const {
    order.kind = wire::OrderKind::ACCEPT;
    order.push = number(accept.push.value);
    order.worker = static_cast<std::int32_t>(accept.worker.value);
    order.empty = accept.empty;
    order.__set_number(number(accept.number));
  }
  void operator()(const sync::Merge& merge) const {
    order.kind = wire::OrderKind::MERGE;
    order.push = number(merge.into.value);
    order.from_push = number(merge.from.value);
  }
  void operator()(const lead::Update& update) const {
    order.kind = wire::OrderKind::UPDATE;
    order.learning_rate = update.learning_rate;
    order.__set_reset_state(update.reset);
    for (const sync::Share& share : update.shares) {
      wire::WeightedPush& weighted = order.shares.emplace_back();
      weighted.push = number(share.push.value);
      weighted.weight = share.weight;
    }
  }
  void operator()(const sync::Discard& discard) const {
    order.kind = wire::OrderKind::DISCARD;
    order.push = number(discard.push.value);
  }
  void operator()(const lead::Release& release) const {
    order.kind = wire::OrderKind::RELEASE;
    order.worker = static_cast<std::int32_t>(release.worker.value);
    order.refresh = release.refresh == sync::Refresh::kTake;
  }
  void operator()(const lead::Look&) const { order.kind = wire::OrderKind::LOOK; }
};

lead::Order read(const wire::Order& order) {
  lead::Order result{.sequence = static_cast<std::uint64_t>(order.sequence),
                     .version = static_cast<Version>(order.version),
                     .what = {}};
  switch (order.kind) {
    case wire::OrderKind::ACCEPT:
      result.what = lead::Accept{push_id(order.push), worker_id(order.worker), static_cast<std::uint64_t>(order.number),
                                 order.empty};
      return result;
    case wire::OrderKind::MERGE:
      result.what = sync::Merge{.into = push_id(order.push), .from = push_id(order.from_push)};
      return result;
    case wire::OrderKind::UPDATE: {
      lead::Update update{.shares = {}, .learning_rate = order.learning_rate, .reset = order.reset_state};
      for (const wire::WeightedPush& share : order.shares) update.shares.push_back({push_id(share.push), share.weight});
      result.what = std::move(update);
      return result;
    }
    case wire::OrderKind::DISCARD:
      result.what = sync::Discard{push_id(order.push)};
      return result;
    case wire::OrderKind::RELEASE:
      result.what = lead::Release{
          {.worker = worker_id(order.worker), .refresh = order.refresh ? sync::Refresh::kTake : sync::Refresh::kKeep}};
      return result;
    case wire::OrderKind::LOOK:
      result.what = lead::Look{};
      return result;
  }
  throw WorldError(fmt::format("order {} is of the unknown kind {}", order.sequence, static_cast<int>(order.kind)));
}

}  // namespace

std::vector<wire::Order> to_wire(std::span<const lead::Order> orders) {
  std::vector<wire::Order> result;
  for (const lead::Order& order : orders) {
    wire::Order& written = result.emplace_back();
    written.sequence = number(order.sequence);
    written.version = number(order.version);
    std::visit(Writer{written}, order.what);
  }
  return result;
}

std::vector<lead::Order> from_wire(const std::vector<wire::Order>& orders) {
  std::vector<lead::Order> result;
  for (const wire::Order& order : orders) result.push_back(read(order));
  return result;
}

}  // namespace psctl::rpc
