#include "data/feed.h"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <future>
#include <numeric>
#include <thread>
#include <vector>

#include "base/error.h"
#include "support/batches.h"

using namespace psctl;
using namespace psctl::data;
using psctl::test::touched;

namespace {

std::vector<std::uint32_t> first(std::size_t count) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0U);
  return numbers;
}

// Sample i has the bytes i, i, ... and label i % 3.
Dataset counting(std::size_t samples, std::size_t width) {
  std::vector<std::uint8_t> bytes(samples * width);
  std::vector<std::uint32_t> labels(samples);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i / width);
  for (std::size_t i = 0; i < samples; ++i) labels[i] = static_cast<std::uint32_t>(i % 3);
  Dataset dataset({.width = width}, 3, std::move(bytes), std::move(labels));
  dataset.set_transform({.scale = 0.5F, .shift = 1});
  return dataset;
}

void check_same(const Batch& seen, const Batch& expected) {
  BOOST_TEST(seen.labels == expected.labels, boost::test_tools::per_element());
  BOOST_TEST((seen.rows == expected.rows));
  BOOST_TEST((seen.entries.entries == expected.entries.entries));
  BOOST_TEST((seen.entries.row_starts == expected.entries.row_starts));
  BOOST_TEST((seen.shape == expected.shape));
  BOOST_TEST(seen.transform.all.scale == expected.transform.all.scale);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(feeds)

BOOST_AUTO_TEST_CASE(a_feed_gives_the_batches_of_the_order_one_after_the_other) {
  const Dataset sparse(samples_of(5, 2, {0, 2, 2, 3, 4}, {{1, 2.0F}, {4, -1.0F}, {0, 7.0F}, {2, 1.0F}}, {1, 0, 1, 0}));
  // Many batches ahead, a few, and one.
  for (const auto& [dataset, batch] : {std::pair{counting(40, 3), 7}, std::pair{counting(40, 400'000), 3},
                                       std::pair{counting(12, 1 << 21), 2}, std::pair{sparse, 2}}) {
    const BatchOrder order(first(dataset.size()), static_cast<std::size_t>(batch), WorkerId(1), 5);
    Feed feed(dataset, order);
    BatchOrder plain = order;
    Batch expected;
    for (Step step = 0; step < 5 * plain.steps_per_epoch() + 1; ++step) {
      plain.assemble(step, dataset, expected);
      check_same(feed.next(), expected);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_next_batch_is_assembled_while_one_is_in_use) {
  constexpr std::size_t kWidth = 1 << 22;  // so large that there is room for one batch ahead only
  std::promise<void> begun, go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();
  std::atomic<int> touches = 0;
  const Dataset dataset = touched(counting(4, kWidth), [&](std::size_t) {
    if (++touches != 2) return;
    begun.set_value();
    may_go_on.wait();
  });
  Feed feed(dataset, BatchOrder(first(4), 1, WorkerId(0), 1));
  const Batch& batch = feed.next();
  begun.get_future().wait();  // the second is being assembled, and nobody has asked for it
  const std::vector<std::byte> before = batch.rows;
  go_on.set_value();
  BOOST_TEST(feed.next().size() == 1U);
  BOOST_TEST((before == psctl::test::batch_of(dataset, BatchOrder(first(4), 1, WorkerId(0), 1).batch(0)).rows));
}

BOOST_AUTO_TEST_CASE(of_large_batches_each_is_assembled_while_the_one_before_it_is_in_use) {
  constexpr std::size_t kWidth = 1 << 22;  // so large that there is room for one batch ahead only
  std::atomic<int> touches = 0;
  const Dataset dataset = touched(counting(8, kWidth), [&](std::size_t) { ++touches; });
  Feed feed(dataset, BatchOrder(first(8), 1, WorkerId(0), 1));
  for (int taken = 1; taken <= 6; ++taken) {
    feed.next();
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (touches <= taken && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
    BOOST_TEST_REQUIRE(touches == taken + 1);
  }
}

BOOST_AUTO_TEST_CASE(no_more_than_the_room_allows_is_assembled_ahead) {
  constexpr std::size_t kWidth = 1 << 20;  // room for four batches ahead
  std::atomic<int> touches = 0;
  const Dataset dataset = touched(counting(20, kWidth), [&](std::size_t) { ++touches; });
  {
    Feed feed(dataset, BatchOrder(first(20), 1, WorkerId(0), 1));
    for (int taken = 1; taken <= 10; ++taken) {
      feed.next();
      BOOST_TEST(touches >= taken);
      BOOST_TEST(touches <= taken + 4);
    }
  }
  BOOST_TEST(touches <= 14);
}

BOOST_AUTO_TEST_CASE(what_assembling_throws_comes_with_its_batch_and_again) {
  const Dataset whole = counting(60, 10);
  BatchOrder order(first(60), 4, WorkerId(0), 1);
  const std::size_t bad = order.batch(7)[2];
  for (const bool users : {true, false}) {
    const Dataset dataset = touched(whole, [&](std::size_t first_byte) {
      if (first_byte != bad * 10) return;
      if (users) throw UserError("the file is damaged");
      throw WorldError("the disk is gone");
    });
    Feed feed(dataset, order);
    for (Step step = 0; step < 7; ++step) BOOST_TEST(feed.next().size() == 4U);
    for (int again = 0; again < 2; ++again) {
      if (users) {
        BOOST_CHECK_EXCEPTION(feed.next(), UserError, [](const UserError& error) {
          return std::string(error.what()) == "the file is damaged";
        });
      } else {
        BOOST_CHECK_EXCEPTION(feed.next(), WorldError,
                              [](const WorldError& error) { return std::string(error.what()) == "the disk is gone"; });
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_feed_is_let_go_without_its_batches_being_used) {
  const Dataset damaged = touched(counting(40, 3), [](std::size_t) { throw UserError("damaged"); });
  const Dataset sound = counting(40, 3);
  for (int turn = 0; turn < 50; ++turn) {
    Feed first_of_sound(sound, BatchOrder(first(40), 8, WorkerId(0), 1));
    const Feed of_damaged(damaged, BatchOrder(first(40), 8, WorkerId(0), 1));
    if (turn % 2 == 0) first_of_sound.next();
  }
}

BOOST_AUTO_TEST_CASE(time_of_a_core_is_told) {
  const Dataset dataset = counting(64, 100'000);
  Feed feed(dataset, BatchOrder(first(64), 32, WorkerId(0), 1));
  for (int step = 0; step < 20; ++step) feed.next();
  BOOST_TEST((feed.processor_time() > Duration::zero()));
}

BOOST_AUTO_TEST_SUITE_END()
