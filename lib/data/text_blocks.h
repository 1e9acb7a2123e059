// Text cut into blocks of whole rows, which oneTBB parses side by side while the results come in order: what comes out
// does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <oneapi/tbb/concurrent_queue.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_pipeline.h>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/text_file.h"

namespace psctl::data {

inline constexpr std::size_t kBlockSize = std::size_t{1} << 20;

// Cuts `rest`, a piece of the text, into blocks: `cut(rest)` is the size of the next, from 1 to rest.size().
// `parse(block, parsed)` runs on several blocks at once and fills a Parsed, which may have been used before; it may
// throw Fault. `take(parsed, sound)` is called for one block after the other, in order. A block with a fault is not
// sound: then `parsed` is what `parse` left of the rows before the fault, and when `take` returns, the fault is thrown
// as UserError; so the first fault in the text is told, whichever was found first. No more than a few blocks for each
// thread are in memory.
template <class Parsed, class Cut, class Parse, class Take>
void in_blocks(const Text& text, std::string_view rest, const Cut& cut, const Parse& parse, const Take& take) {
  namespace tbb = oneapi::tbb;
  struct Slot {
    std::string_view block;
    Parsed parsed;
    std::optional<Fault> fault;
  };
  std::vector<Slot> slots(2 * static_cast<std::size_t>(tbb::info::default_concurrency()) + 1);
  tbb::concurrent_queue<Slot*> idle;
  for (Slot& slot : slots) idle.push(&slot);
  const auto next = [&](tbb::flow_control& control) -> Slot* {
    if (rest.empty()) {
      control.stop();
      return nullptr;
    }
    Slot* slot = nullptr;
    PSCTL_CHECK(idle.try_pop(slot));  // there are more slots than blocks under way
    slot->block = rest.substr(0, cut(rest));
    rest.remove_prefix(slot->block.size());
    return slot;
  };
  const auto work = [&](Slot* slot) {
    try {
      parse(slot->block, slot->parsed);
    } catch (const Fault& fault) {
      slot->fault = fault;
    }
    return slot;
  };
  const auto hand_over = [&](Slot* slot) {
    take(slot->parsed, !slot->fault);
    if (slot->fault) text.fail(slot->fault->at, slot->fault->message);
    idle.push(slot);
  };
  tbb::parallel_pipeline(slots.size() - 1,
                         tbb::make_filter<void, Slot*>(tbb::filter_mode::serial_in_order, next) &
                             tbb::make_filter<Slot*, Slot*>(tbb::filter_mode::parallel, work) &
                             tbb::make_filter<Slot*, void>(tbb::filter_mode::serial_in_order, hand_over));
}

}  // namespace psctl::data
