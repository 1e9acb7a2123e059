#include "data/feed.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <utility>
#include <vector>

#include "base/processor_time.h"

namespace psctl::data {
namespace {

namespace tbb = oneapi::tbb;

// To wake a thread costs as much as to assemble a few small batches, so it is woken for about this much.
constexpr std::size_t kBytesAhead = std::size_t{1} << 22;
constexpr std::size_t kMostAhead = 64;

std::size_t bytes_of(const Samples& samples, std::size_t batch_size) {
  return samples.size() == 0 ? 0 : samples.first_byte(samples.size()) / samples.size() * batch_size;
}

}  // namespace

// A ring of batches: one is in use, those after it are assembled one after the other by a task that ends when the ring
// is full and is enqueued again when half of it has been used; of two batches, when one has.
struct Feed::Ahead {
  Ahead(const Dataset& samples, BatchOrder its)
      : dataset(samples),
        order(std::move(its)),
        ahead(std::clamp<std::size_t>(
            kBytesAhead / std::max<std::size_t>(1, bytes_of(samples.samples(), order.batch_size())), 1, kMostAhead)),
        ring(ahead + 1) {
    set_about();
  }

  ~Ahead() {
    {
      const std::lock_guard lock(mutex);
      over = true;
    }
    arena.execute([&] { group.wait(); });
  }

  // Enqueued, because then a thread comes for it even where there is but one core.
  void set_about() {
    filling = true;
    arena.enqueue(group.defer([this] { fill(); }));
  }

  void fill() {
    const Duration used_before = thread_processor_time() - processor_time.load();
    std::unique_lock lock(mutex);
    while (!over && !error && assembled < used + ring.size()) {
      Batch& batch = ring[assembled % ring.size()];
      lock.unlock();
      std::exception_ptr thrown;
      try {
        order.assemble(assembled, dataset, batch);
      } catch (...) {
        thrown = std::current_exception();
      }
      processor_time = thread_processor_time() - used_before;
      lock.lock();
      error = thrown;
      if (!error) ++assembled;
      changed.notify_one();
    }
    filling = false;
  }

  const Batch& next() {
    std::unique_lock lock(mutex);
    used = taken;
    if (!filling && !error && assembled - used <= (ahead + 1) / 2) set_about();
    changed.wait(lock, [&] { return assembled > taken || error; });
    if (assembled == taken) std::rethrow_exception(error);
    return ring[taken++ % ring.size()];
  }

  const Dataset& dataset;
  BatchOrder order;
  const std::size_t ahead;
  std::vector<Batch> ring;
  std::atomic<Duration> processor_time{};
  std::mutex mutex;
  std::condition_variable changed;
  // All under the mutex, but that `assembled` changes in the task alone.
  Step assembled = 0, taken = 0, used = 0;  // numbers of batches; those below `used` make room
  bool filling = false, over = false;
  std::exception_ptr error;  // of batch `assembled`
  // A thread more than there are cores: this one mostly waits for memory or disk, and none of those that compute is to
  // be missing meanwhile.
  tbb::global_control parallelism{tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(tbb::info::default_concurrency()) + 1};
  tbb::task_arena arena{1, 0};
  tbb::task_group group;
};

Feed::Feed(const Dataset& dataset, BatchOrder order) : ahead_(std::make_unique<Ahead>(dataset, std::move(order))) {}

Feed::~Feed() = default;

const Batch& Feed::next() { return ahead_->next(); }

Duration Feed::processor_time() const { return ahead_->processor_time; }

}  // namespace psctl::data
