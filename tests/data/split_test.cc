// Training, validation and test samples out of one part.
#include "data/split.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/random.h"

using namespace psctl;
using namespace psctl::data;

namespace {

// Samples of one value, their number; of `classes` classes, uneven: class c has about twice what class c + 1 has.
Dataset numbered(std::size_t size, std::uint32_t classes, std::uint64_t seed) {
  std::vector<float> values(size);
  std::iota(values.begin(), values.end(), 0.0F);
  std::vector<std::uint32_t> labels(size);
  Draws draws({.seed = seed, .purpose = Purpose::kTest});
  for (std::uint32_t& label : labels) {
    while (label + 1 < classes && draws.below(2) == 1) ++label;
  }
  return Dataset(samples_of({.width = 1}, classes, values, labels));
}

std::vector<std::size_t> numbers(const Dataset& set) {
  std::vector<std::size_t> all;
  for (std::uint32_t i = 0; i < set.size(); ++i) all.push_back(static_cast<std::size_t>(set.floats(i)[0]));
  return all;
}

DataConfig counts(std::size_t test, std::size_t limit, std::size_t validation, SplitKind kind = SplitKind::kShuffled) {
  DataConfig config;
  config.test.count = test;
  config.train_limit = limit;
  config.validation.count = validation;
  config.split = kind;
  return config;
}

Parts split(Dataset train, const DataConfig& config, std::uint64_t seed = 1) {
  Parts parts{.train = std::move(train), .validation = {}, .test = {}};
  split(parts, config, "a.csv", seed);
  return parts;
}

std::string refusal(const DataConfig& config, bool brings_test = false) {
  Parts parts{.train = numbered(20, 2, 1), .validation = {}, .test = {}};
  if (brings_test) parts.test = numbered(5, 2, 2);
  try {
    split(parts, config, "a.csv", 1);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

std::vector<std::size_t> class_counts(const Dataset& set) {
  std::vector<std::size_t> counts(set.classes());
  for (const std::uint32_t label : set.labels()) ++counts[label];
  return counts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(splits)

BOOST_AUTO_TEST_CASE(parts_share_no_sample_keep_the_order_and_have_the_sizes_asked_for) {
  for (const SplitKind kind : {SplitKind::kShuffled, SplitKind::kStratified, SplitKind::kOrdered}) {
    const Parts parts = split(numbered(1000, 5, 3), counts(200, 500, 100, kind));
    const auto train = numbers(parts.train), validation = numbers(*parts.validation), test = numbers(*parts.test);
    BOOST_TEST(train.size() == 400U);
    BOOST_TEST(validation.size() == 100U);
    BOOST_TEST(test.size() == 200U);
    std::set<std::size_t> all(train.begin(), train.end());
    all.insert(validation.begin(), validation.end());
    all.insert(test.begin(), test.end());
    BOOST_TEST(all.size() == 700U);
    for (const auto& part : {train, validation, test}) BOOST_TEST(std::ranges::is_sorted(part));
  }
}

BOOST_AUTO_TEST_CASE(the_test_part_depends_on_the_seed_and_its_size_alone) {
  const auto test = [](const DataConfig& config, std::uint64_t seed) {
    return numbers(*split(numbered(1000, 5, 3), config, seed).test);
  };
  const auto plain = test(counts(200, 0, 0), 1);
  BOOST_TEST(test(counts(200, 300, 100), 1) == plain, boost::test_tools::per_element());
  BOOST_TEST((test(counts(200, 0, 0), 2) != plain));
}

BOOST_AUTO_TEST_CASE(ordered_parts_are_the_first_and_the_last_samples) {
  const Parts parts = split(numbered(10, 2, 1), counts(2, 6, 3, SplitKind::kOrdered));
  BOOST_TEST(numbers(parts.train) == (std::vector<std::size_t>{0, 1, 2}), boost::test_tools::per_element());
  BOOST_TEST(numbers(*parts.validation) == (std::vector<std::size_t>{3, 4, 5}), boost::test_tools::per_element());
  BOOST_TEST(numbers(*parts.test) == (std::vector<std::size_t>{8, 9}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(stratified_parts_have_every_class_within_one_sample_of_its_share) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Dataset whole = numbered(100 + 37 * seed, 7, seed);
    const auto of_whole = class_counts(whole);
    const std::size_t test = 1 + seed * 31 % (whole.size() - 50);
    const Parts parts = split(whole, counts(test, 0, 20, SplitKind::kStratified), seed);
    const auto of_test = class_counts(*parts.test), of_validation = class_counts(*parts.validation);
    const auto rest = static_cast<double>(whole.size() - test);
    for (std::size_t label = 0; label < of_whole.size(); ++label) {
      const auto all = static_cast<double>(of_whole[label]);
      const double share = all * static_cast<double>(test) / static_cast<double>(whole.size());
      BOOST_TEST(std::abs(static_cast<double>(of_test[label]) - share) < 1);
      const double left = (all - static_cast<double>(of_test[label])) * 20 / rest;
      BOOST_TEST(std::abs(static_cast<double>(of_validation[label]) - left) < 1);
    }
    BOOST_TEST(
        (numbers(*split(whole, counts(test, 0, 20, SplitKind::kStratified), seed + 1).test) != numbers(*parts.test)));
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_taken_out_is_refused_with_the_numbers) {
  BOOST_TEST(refusal(counts(19, 0, 0)) == "no fault");
  BOOST_TEST(refusal(counts(20, 0, 0)) == "data.test: expected less than 20, the training samples of a.csv, found 20");
  BOOST_TEST(refusal(counts(15, 6, 0)) ==
             "data.train_limit: expected at most 5, the training samples that data.test leaves, found 6");
  BOOST_TEST(refusal(counts(15, 0, 5)) ==
             "data.validation: expected less than 5, the training samples that data.test leaves, found 5");
  BOOST_TEST(refusal(counts(5, 0, 0), true) ==
             "data.test: expected 0, as a.csv brings a test part of 5 samples, found 5");
  BOOST_TEST(refusal(counts(0, 0, 5), true) == "no fault");
}

BOOST_AUTO_TEST_SUITE_END()
