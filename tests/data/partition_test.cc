#include "data/partition.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "data/dirichlet.h"

using namespace psctl;
using namespace psctl::data;

namespace {

using Parts = std::vector<std::vector<std::uint32_t>>;

// Labels come in no order; class k has `sizes[k]` samples.
Dataset dataset_of(const std::vector<std::size_t>& sizes) {
  std::vector<std::uint32_t> labels;
  for (std::uint32_t label = 0; label < sizes.size(); ++label) labels.insert(labels.end(), sizes[label], label);
  Draws draws({.seed = 11, .purpose = Purpose::kTest});
  shuffle(labels, draws);
  const std::size_t samples = labels.size();
  return Dataset({.channels = 1, .height = 1, .width = 1}, sizes.size(), std::vector<std::uint8_t>(samples),
                 std::move(labels));
}

PartitionConfig by_label(std::size_t shards) { return {.kind = PartitionKind::kByLabel, .shards = shards}; }
PartitionConfig dirichlet_of(double alpha) { return {.kind = PartitionKind::kDirichlet, .alpha = alpha}; }
PartitionConfig power(double exponent) {
  return {.kind = PartitionKind::kQuantity, .law = SizeLaw::kPower, .exponent = exponent};
}
PartitionConfig sizes(std::vector<double> weights) {
  return {.kind = PartitionKind::kQuantity, .sizes = std::move(weights)};
}

std::vector<PartitionConfig> every_kind(std::size_t workers) {
  std::vector<double> weights;
  for (std::size_t worker = 0; worker < workers; ++worker) weights.push_back(static_cast<double>(1 + worker % 3));
  return {{},
          by_label(1),
          by_label(2),
          dirichlet_of(1e-6),
          dirichlet_of(0.1),
          dirichlet_of(1),
          dirichlet_of(1e6),
          {.kind = PartitionKind::kQuantity, .law = SizeLaw::kEqual},
          power(1),
          power(10),
          sizes(std::move(weights))};
}

std::string told(const PartitionConfig& config) {
  return "kind " + std::to_string(static_cast<int>(config.kind)) + ", alpha " + std::to_string(config.alpha);
}

std::vector<std::size_t> sizes_of(const Parts& parts) {
  std::vector<std::size_t> sizes;
  for (const auto& part : parts) sizes.push_back(part.size());
  return sizes;
}

bool every_sample_is_in_one_part(const Parts& parts, std::size_t samples) {
  std::vector<std::uint32_t> all, counting(samples);
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  std::ranges::sort(all);
  std::iota(counting.begin(), counting.end(), 0U);
  return all == counting;
}

double mean_distance(const Parts& parts, const Dataset& dataset) {
  std::vector<std::uint32_t> all(dataset.size());
  std::iota(all.begin(), all.end(), 0U);
  const auto whole = class_counts(dataset, all);
  double sum = 0;
  for (const auto& part : parts) sum += distance(class_counts(dataset, part), whole);
  return sum / static_cast<double>(parts.size());
}

std::string refusal(const DataConfig& config, const Dataset& dataset, std::size_t workers) {
  try {
    batch_orders(config, dataset, workers, 1);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

const std::vector<std::size_t> kTenClasses(10, 600);

}  // namespace

BOOST_AUTO_TEST_SUITE(partitions)

BOOST_AUTO_TEST_CASE(every_sample_belongs_to_exactly_one_worker) {
  for (const auto& classes :
       std::vector<std::vector<std::size_t>>{{1}, {5, 2}, {100}, {40, 0, 1, 60}, {334, 333, 334}}) {
    const Dataset dataset = dataset_of(classes);
    for (const std::size_t workers : {1, 2, 3, 7, 8, 150}) {
      for (const PartitionConfig& config : every_kind(workers)) {
        if (config.kind == PartitionKind::kByLabel && config.shards * workers > dataset.size()) continue;
        for (const std::uint64_t seed : {1, 2, 3}) {
          BOOST_TEST_CONTEXT(told(config) << ", " << dataset.size() << " samples, " << workers << " workers") {
            const Parts parts = partition(config, dataset, workers, seed);
            BOOST_TEST(parts.size() == workers);
            BOOST_TEST(every_sample_is_in_one_part(parts, dataset.size()));
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_kind_is_keyed_by_the_seed) {
  const Dataset dataset = dataset_of(kTenClasses);
  for (const PartitionConfig& config : every_kind(4)) {
    BOOST_TEST_CONTEXT(told(config)) {
      const Parts parts = partition(config, dataset, 4, 5);
      BOOST_TEST((parts == partition(config, dataset, 4, 5)));
      BOOST_TEST((parts != partition(config, dataset, 4, 6)));
    }
  }
}

BOOST_AUTO_TEST_CASE(an_iid_partition_is_shuffled_in_shares_that_differ_by_at_most_one) {
  for (const std::size_t samples : {1, 7, 100, 1001}) {
    for (const std::size_t workers : {1, 2, 3, 7, 8, 150}) {
      const auto all = sizes_of(partition({}, dataset_of({samples}), workers, 5));
      BOOST_TEST(std::ranges::max(all) - std::ranges::min(all) <= 1);
    }
  }
  BOOST_TEST(!std::ranges::is_sorted(partition({}, dataset_of({100}), 4, 5)[0]));
}

BOOST_AUTO_TEST_CASE(by_label_gives_every_worker_its_shards_of_one_class_each) {
  // 20 shards of 300, so that none spans two classes.
  const Dataset dataset = dataset_of(kTenClasses);
  const Parts parts = partition(by_label(2), dataset, 10, 1);
  std::set<std::vector<std::size_t>> mixes;
  std::size_t with_two = 0;
  for (const auto& part : parts) {
    BOOST_TEST(part.size() == 600);
    const auto counts = class_counts(dataset, part);
    for (const std::size_t count : counts) BOOST_TEST(count % 300 == 0);
    if (std::ranges::count(counts, 300U) == 2) ++with_two;
    mixes.insert(counts);
  }
  BOOST_TEST(with_two >= 7);  // both shards of one class are dealt to one worker rarely: 10 / 19 workers on average
  BOOST_TEST(mixes.size() >= 7);
  // One shard a worker and as many workers as classes: a class each, not in order.
  const Parts lone = partition(by_label(1), dataset, 10, 1);
  std::vector<std::uint32_t> owners;
  for (const auto& part : lone) {
    owners.push_back(dataset.labels()[part.front()]);
    BOOST_TEST(class_counts(dataset, part)[owners.back()] == 600);
  }
  BOOST_TEST(!std::ranges::is_sorted(owners));
  BOOST_TEST(std::set(owners.begin(), owners.end()).size() == 10);
}

BOOST_AUTO_TEST_CASE(by_label_cuts_shards_whose_sizes_differ_by_at_most_one) {
  const Dataset dataset = dataset_of({17, 30, 56});
  for (const std::size_t workers : {1, 4, 10}) {
    for (const std::size_t shards : {1, 3, 10}) {
      const auto all = sizes_of(partition(by_label(shards), dataset, workers, 3));
      const std::size_t least = 103 / (workers * shards);
      for (const std::size_t size : all) BOOST_TEST((size >= shards * least && size <= shards * (least + 1)));
    }
  }
}

BOOST_AUTO_TEST_CASE(dirichlet_gives_every_class_out_by_its_own_draw_over_the_workers) {
  const Dataset dataset = dataset_of({1000, 500, 10});
  const Parts parts = partition(dirichlet_of(0.5), dataset, 4, 21);
  for (std::uint32_t label = 0; label < 3; ++label) {
    Draws draws({.seed = 21, .purpose = Purpose::kPartition, .worker = label, .step = 2});
    const std::vector<double> shares = dirichlet(0.5, 4, draws);
    const std::size_t in_class = std::vector<std::size_t>{1000, 500, 10}[label];
    for (std::size_t worker = 0; worker < 4; ++worker) {
      const auto count = static_cast<double>(class_counts(dataset, parts[worker])[label]);
      BOOST_TEST(std::abs(count - shares[worker] * static_cast<double>(in_class)) <= 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(over_seeds_a_workers_share_of_a_class_has_the_moments_of_dirichlet) {
  const Dataset dataset = dataset_of({300, 300});
  constexpr double kSeeds = 1000;
  for (const double alpha : {0.1, 1.0}) {
    double sum = 0, squares = 0;
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
      const Parts parts = partition(dirichlet_of(alpha), dataset, 3, seed);
      const double share = static_cast<double>(class_counts(dataset, parts[1])[1]) / 300;
      sum += share;
      squares += share * share;
    }
    const double mean = sum / kSeeds, variance = squares / kSeeds - mean * mean;
    const double expected = 2 / (9 * (3 * alpha + 1));
    BOOST_TEST(std::abs(mean - 1.0 / 3) < 5 * std::sqrt(expected / kSeeds));
    BOOST_TEST(std::abs(variance / expected - 1) < 0.2);
  }
}

BOOST_AUTO_TEST_CASE(the_smaller_alpha_the_further_the_workers_are_from_the_whole) {
  const Dataset dataset = dataset_of(kTenClasses);
  double before = 1;
  for (const double alpha : {0.01, 0.1, 1.0, 10.0, 1000.0}) {
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      sum += mean_distance(partition(dirichlet_of(alpha), dataset, 4, seed), dataset) / 20;
    }
    BOOST_TEST(sum < before);
    before = sum;
  }
  BOOST_TEST(before < 0.02);
  const Parts lone = partition(dirichlet_of(1e-6), dataset, 4, 1);
  for (const auto& part : lone) BOOST_TEST(part.size() % 600 == 0);
  const Parts even = partition(dirichlet_of(1e6), dataset, 4, 1);
  for (const auto& part : even) BOOST_TEST((part.size() > 1480 && part.size() < 1520));
}

BOOST_AUTO_TEST_CASE(quantity_cuts_in_proportion_to_the_weights_and_keeps_the_mix_of_classes) {
  const Dataset dataset = dataset_of(kTenClasses);
  const auto size_list = [&](const PartitionConfig& config, std::size_t workers) {
    return sizes_of(partition(config, dataset, workers, 1));
  };
  using Sizes = std::vector<std::size_t>;
  BOOST_TEST(size_list(sizes({1, 2, 3}), 3) == (Sizes{1000, 2000, 3000}), boost::test_tools::per_element());
  BOOST_TEST(size_list(sizes({0.5, 1, 1.5}), 3) == (Sizes{1000, 2000, 3000}), boost::test_tools::per_element());
  BOOST_TEST(size_list(sizes({1, 2, 4}), 3) == (Sizes{857, 1714, 3429}), boost::test_tools::per_element());
  BOOST_TEST(size_list(power(1), 3) == (Sizes{3273, 1636, 1091}), boost::test_tools::per_element());
  BOOST_TEST(size_list(power(2), 3) == (Sizes{4408, 1102, 490}), boost::test_tools::per_element());
  BOOST_TEST(size_list(power(0), 4) == (Sizes{1500, 1500, 1500, 1500}), boost::test_tools::per_element());
  BOOST_TEST(size_list({.kind = PartitionKind::kQuantity}, 4) == (Sizes{1500, 1500, 1500, 1500}),
             boost::test_tools::per_element());
  BOOST_TEST(size_list({.kind = PartitionKind::kQuantity, .law = SizeLaw::kPower}, 3) == size_list(power(1), 3),
             boost::test_tools::per_element());
  BOOST_TEST(mean_distance(partition(sizes({1, 2, 3}), dataset, 3, 1), dataset) < 0.04);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_cut_is_refused_with_the_numbers) {
  const Dataset dataset = dataset_of({50, 50});
  const auto refused = [&](const PartitionConfig& config, std::size_t workers) -> std::string {
    try {
      partition(config, dataset, workers, 1);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  BOOST_TEST(refused(by_label(10), 10) == "");
  BOOST_TEST(refused(by_label(11), 10) ==
             "data.partition.shards: expected at most 10, so that 100 training samples fill every shard of 10 workers, "
             "found 11; take fewer shards, fewer workers or more data");
  BOOST_TEST(refused(by_label(~std::size_t{0}), 10).starts_with("data.partition.shards: expected at most 10"));
  BOOST_TEST(refused(by_label(1), 101).starts_with("data.partition.shards: expected at most 0"));
  BOOST_TEST(refused(sizes({1, 2}), 3) == "data.partition.sizes: 2 numbers for 3 workers; give one a worker");
}

BOOST_AUTO_TEST_CASE(a_part_without_one_full_batch_is_refused_and_the_message_says_what_to_change) {
  const Dataset dataset = dataset_of(kTenClasses);
  const auto refused = [&](const PartitionConfig& partition, std::size_t batch_size, std::size_t workers = 4) {
    return refusal({.batch_size = batch_size, .partition = partition}, dataset, workers);
  };
  BOOST_TEST(refused({}, 1500) == "");
  BOOST_TEST(refused({}, 1501) ==
             "data.batch_size: worker 0's partition holds 1500 samples, less than one batch of 1501 (so do 4 of 4 "
             "workers); take a smaller batch, fewer workers or more data");
  BOOST_TEST(refused(sizes({1, 9, 10, 10}), 201) ==
             "data.batch_size: worker 0's partition holds 200 samples, less than one batch of 201; take a smaller "
             "batch, fewer workers, data.partition.sizes that differ less or more data");
  BOOST_TEST(refused(power(3), 80) == "");  // 6000 / 4^3 / (1 + 1/8 + 1/27 + 1/64) is 79.6
  BOOST_TEST(refused(power(3), 81).ends_with("fewer workers, a smaller data.partition.exponent or more data"));
  BOOST_TEST(refused(dirichlet_of(1e-6), 64, 64)
                 .ends_with("take a smaller batch, fewer workers, a data.partition.alpha above 1e-06, another seed or "
                            "more data"));
  BOOST_TEST(refused(dirichlet_of(1e-6), 64, 64).starts_with("data.batch_size: worker "));
}

BOOST_AUTO_TEST_CASE(batch_orders_are_those_of_the_parts) {
  const Dataset dataset = dataset_of(kTenClasses);
  const DataConfig config{.batch_size = 50, .partition = sizes({1, 2, 3})};
  const Parts parts = partition(config.partition, dataset, 3, 9);
  std::vector<BatchOrder> orders = batch_orders(config, dataset, 3, 9);
  BOOST_REQUIRE(orders.size() == 3);
  for (std::uint32_t worker = 0; worker < 3; ++worker) {
    BOOST_TEST(orders[worker].steps_per_epoch() == parts[worker].size() / 50);
    BatchOrder expected(parts[worker], 50, WorkerId(worker), 9);
    for (Step step = 0; step < 100; ++step)
      BOOST_TEST(std::ranges::equal(orders[worker].batch(step), expected.batch(step)));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(unevenness)

BOOST_AUTO_TEST_CASE(class_counts_count_the_samples_of_each_class) {
  const Dataset dataset = dataset_of({3, 0, 4});
  std::vector<std::uint32_t> all(7);
  std::iota(all.begin(), all.end(), 0U);
  BOOST_TEST(class_counts(dataset, all) == (std::vector<std::size_t>{3, 0, 4}), boost::test_tools::per_element());
  BOOST_TEST(class_counts(dataset, {}) == (std::vector<std::size_t>{0, 0, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_distance_is_the_total_variation_of_the_shares) {
  const auto between = [](std::vector<std::size_t> a, std::vector<std::size_t> b) { return distance(a, b); };
  BOOST_TEST(between({1, 2, 3}, {10, 20, 30}) == 0);
  BOOST_TEST(between({5, 0}, {0, 7}) == 1);
  BOOST_TEST(between({1, 1, 0, 0}, {1, 1, 1, 1}) == 0.5);
  BOOST_TEST(between({3, 1}, {1, 3}) == 0.5);
  BOOST_TEST(between({0, 0}, {1, 3}) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
