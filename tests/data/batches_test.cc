#include "data/batches.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <numeric>
#include <set>

#include "base/error.h"

using namespace psctl;
using namespace psctl::data;

namespace {

std::vector<std::uint32_t> counting(std::size_t count) {
  std::vector<std::uint32_t> samples(count);
  std::iota(samples.begin(), samples.end(), 0U);
  return samples;
}

std::vector<std::uint32_t> copy_of(std::span<const std::uint32_t> batch) { return {batch.begin(), batch.end()}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(batch_orders)

BOOST_AUTO_TEST_CASE(an_epoch_holds_no_sample_twice_and_only_full_batches) {
  std::vector<std::uint32_t> samples{5, 9, 11, 20, 21, 22, 40, 41, 42, 43, 99};
  BatchOrder order(samples, 3, WorkerId{2}, 7);
  BOOST_TEST(order.steps_per_epoch() == 3);
  for (Step epoch = 0; epoch < 20; ++epoch) {
    std::set<std::uint32_t> seen;
    for (Step step = 0; step < 3; ++step) {
      const auto batch = order.batch(3 * epoch + step);
      BOOST_TEST(batch.size() == 3);
      for (const std::uint32_t sample : batch) {
        BOOST_TEST(seen.insert(sample).second);
        BOOST_TEST(std::ranges::binary_search(samples, sample));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(over_epochs_every_sample_has_its_turn) {
  BatchOrder order(counting(11), 3, WorkerId{0}, 7);
  std::vector<int> turns(11);
  for (Step step = 0; step < 3 * 300; ++step) {
    for (const std::uint32_t sample : order.batch(step)) ++turns[sample];
  }
  for (const int count : turns) BOOST_TEST((count > 210 && count < 280));  // 300 * 9 / 11 = 245
}

BOOST_AUTO_TEST_CASE(the_order_of_calls_changes_no_batch) {
  BatchOrder ascending(counting(50), 8, WorkerId{1}, 3), descending = ascending, fresh = ascending;
  std::vector<std::vector<std::uint32_t>> batches;
  for (Step step = 0; step < 40; ++step) batches.push_back(copy_of(ascending.batch(step)));
  for (Step step = 40; step-- > 0;) BOOST_TEST((copy_of(descending.batch(step)) == batches[step]));
  BOOST_TEST((copy_of(fresh.batch(17)) == batches[17]));
  BOOST_TEST((copy_of(fresh.batch(17)) == batches[17]));
}

BOOST_AUTO_TEST_CASE(seed_worker_and_epoch_each_give_another_order) {
  const auto first_epoch = [](std::uint32_t worker, std::uint64_t seed, Step epoch) {
    return copy_of(BatchOrder(counting(100), 100, WorkerId{worker}, seed).batch(epoch));
  };
  const std::set<std::vector<std::uint32_t>> orders{first_epoch(0, 1, 0), first_epoch(1, 1, 0), first_epoch(0, 2, 0),
                                                    first_epoch(0, 1, 1)};
  BOOST_TEST(orders.size() == 4);
}

BOOST_AUTO_TEST_CASE(steps_far_ahead_are_reached_at_once) {
  BatchOrder order(counting(10), 5, WorkerId{0}, 1);
  BOOST_TEST(order.batch(~Step{0}).size() == 5);
  BOOST_TEST(order.batch(~Step{0} - 1).size() == 5);
}

BOOST_AUTO_TEST_CASE(a_partition_without_one_full_batch_is_refused_with_the_numbers) {
  BOOST_CHECK_EXCEPTION(BatchOrder(counting(40), 64, WorkerId{3}, 1), UserError, [](const UserError& error) {
    return std::string(error.what()) ==
           "data.batch_size: worker 3's partition holds 40 samples, less than one batch of 64; take a smaller batch, "
           "fewer workers or more data";
  });
  BOOST_CHECK_EXCEPTION(BatchOrder(counting(40), 0, WorkerId{3}, 1), UserError, [](const UserError& error) {
    return std::string(error.what()) == "data.batch_size: expected at least 1, found 0";
  });
  BOOST_TEST(BatchOrder(counting(64), 64, WorkerId{3}, 1).steps_per_epoch() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
