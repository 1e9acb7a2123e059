#include "data/feed.h"

#include <array>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <utility>

namespace psctl::data {

// One batch is in use while the other is filled.
struct Feed::Ahead {
  Ahead(const Dataset& samples, BatchOrder its) : dataset(samples), order(std::move(its)) { set_about(); }
  ~Ahead() {
    group.cancel();
    arena.execute([&] { group.wait(); });
  }

  // Enqueued, because then a thread comes for it even where there is but one core.
  void set_about() {
    arena.enqueue(group.defer([this, step = next] { order.assemble(step, dataset, batches[step % 2]); }));
  }

  const Dataset& dataset;
  BatchOrder order;
  Step next = 0;  // being assembled
  std::array<Batch, 2> batches;
  oneapi::tbb::task_arena arena{2};  // who waits, and who assembles
  oneapi::tbb::task_group group;
};

Feed::Feed(const Dataset& dataset, BatchOrder order) : ahead_(std::make_unique<Ahead>(dataset, std::move(order))) {}

Feed::~Feed() = default;

const Batch& Feed::next() {
  ahead_->arena.execute([&] { ahead_->group.wait(); });
  const Batch& batch = ahead_->batches[ahead_->next % 2];
  ++ahead_->next;
  ahead_->set_about();
  return batch;
}

}  // namespace psctl::data
