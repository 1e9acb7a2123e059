// Transforms of values: what they do to the training part, and that nothing else has a say.
#include "data/normalize.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "support/batches.h"

using namespace psctl;
using namespace psctl::data;

namespace {

// Features of very different scales; the last one never changes.
std::vector<float> table(std::size_t rows, std::uint64_t seed) {
  Draws draws({.seed = seed, .purpose = Purpose::kTest});
  std::vector<float> values;
  for (std::size_t row = 0; row < rows; ++row) {
    values.push_back(static_cast<float>(draws.normal() * 1e-3));
    values.push_back(static_cast<float>(1.6e9 + draws.normal() * 1e5));
    values.push_back(static_cast<float>(draws.uniform() - 5));
    values.push_back(7.25F);
  }
  return values;
}

Dataset dense(std::vector<float> values, std::size_t width) {
  const std::size_t rows = values.size() / width;
  return Dataset(samples_of({.width = width}, 2, std::move(values), std::vector<std::uint32_t>(rows)));
}

std::vector<float> all_values(const Dataset& set) {
  std::vector<std::uint32_t> rows(set.size());
  std::iota(rows.begin(), rows.end(), 0U);
  return psctl::test::values_of(set, rows);
}

std::vector<float> normalised(const NormalizeConfig& config, Dataset set) {
  set.set_transform(fit(config, set, "a.csv"));
  return all_values(set);
}

std::vector<double> column(const std::vector<float>& values, std::size_t width, std::size_t which) {
  std::vector<double> column;
  for (std::size_t at = which; at < values.size(); at += width) column.push_back(values[at]);
  return column;
}

std::string refusal(const NormalizeConfig& config, const Dataset& set) {
  try {
    fit(config, set, "a.csv");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(normalising)

BOOST_AUTO_TEST_CASE(standard_by_feature_gives_each_mean_0_and_deviation_1_and_a_constant_becomes_0) {
  const auto values = normalised({.kind = Normalize::kStandard, .per = Per::kFeature}, dense(table(1000, 1), 4));
  for (std::size_t feature = 0; feature < 3; ++feature) {
    double sum = 0, squares = 0;
    for (const double value : column(values, 4, feature)) sum += value, squares += value * value;
    BOOST_TEST(std::abs(sum / 1000) < 1e-3, feature);
    BOOST_TEST(std::abs(squares / 1000 - 1) < 1e-3, feature);
  }
  for (const double value : column(values, 4, 3)) BOOST_TEST(value == 0);
}

BOOST_AUTO_TEST_CASE(unit_by_feature_reaches_from_0_to_1_and_max_abs_keeps_zeros) {
  const auto unit = normalised({.kind = Normalize::kUnit, .per = Per::kFeature}, dense(table(1000, 1), 4));
  const auto largest = normalised({.kind = Normalize::kMaxAbs, .per = Per::kFeature}, dense(table(1000, 1), 4));
  for (std::size_t feature = 0; feature < 4; ++feature) {
    const auto [least, most] = std::ranges::minmax(column(unit, 4, feature));
    BOOST_TEST(least == 0);
    BOOST_TEST(std::abs(most - (feature < 3 ? 1 : 0)) < 1e-6);
    double seen = 0;
    for (const double value : column(largest, 4, feature)) seen = std::max(seen, std::abs(value));
    BOOST_TEST(std::abs(seen - 1) < 1e-6);
  }
  const auto zeros = normalised({.kind = Normalize::kMaxAbs, .per = Per::kFeature}, dense({0, 0, -4, 0, 2, 0}, 2));
  BOOST_TEST(zeros == (std::vector<float>{0, 0, -1, 0, 0.5F, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bytes_are_normalised_by_feature_as_floats_are) {
  Draws draws({.seed = 5, .purpose = Purpose::kTest});
  std::vector<std::uint8_t> bytes(6 * 500);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(draws.below(200));
  for (std::size_t at = 0; at < bytes.size(); at += 6) bytes[at] = 0;
  const Dataset of_bytes({.channels = 1, .height = 2, .width = 3}, 2, bytes, std::vector<std::uint32_t>(500));
  const Dataset of_floats = dense({bytes.begin(), bytes.end()}, 6);
  for (const Normalize kind : {Normalize::kUnit, Normalize::kStandard, Normalize::kMaxAbs}) {
    const NormalizeConfig config{.kind = kind, .per = Per::kFeature};
    const auto left = normalised(config, of_bytes), right = normalised(config, of_floats);
    for (std::size_t i = 0; i < left.size(); ++i) BOOST_TEST(std::abs(left[i] - right[i]) < 1e-5);
  }
}

BOOST_AUTO_TEST_CASE(sparse_features_are_scaled_by_their_largest_and_no_zero_is_filled) {
  Dataset set(samples_of(4, 2, {0, 2, 3, 3}, {{0, 4.0F}, {2, -0.5F}, {0, -8.0F}}, {0, 1, 0}));
  BOOST_TEST(refusal({.kind = Normalize::kStandard, .per = Per::kFeature}, set) ==
             "data.normalize: standard would fill in the zeros of a.csv, which is sparse; use unit, max_abs or none");
  for (const Normalize kind : {Normalize::kUnit, Normalize::kMaxAbs}) {
    set.set_transform(fit({.kind = kind, .per = Per::kFeature}, set, "a.csv"));
    BOOST_TEST(all_values(set) == (std::vector<float>{0.5F, 0, -1, 0, -1, 0, 0, 0, 0, 0, 0, 0}),
               boost::test_tools::per_element());
    const Batch batch = psctl::test::batch_of(set, std::vector<std::uint32_t>{1, 0});
    BOOST_TEST((batch.entries.entries == std::vector<Entry>{{0, -1.0F}, {0, 0.5F}, {2, -1.0F}}));
    set.set_transform(fit({.kind = kind, .per = Per::kAll}, set, "a.csv"));
    BOOST_TEST(set.transform().all.scale == 0.125F);
    BOOST_TEST(set.transform().all.shift == 0.0F);
  }
}

BOOST_AUTO_TEST_CASE(a_digest_covers_the_transform_of_every_feature) {
  Dataset set = dense(table(10, 1), 4);
  const std::string plain = set.digest();
  set.set_transform(fit({.kind = Normalize::kStandard, .per = Per::kFeature}, set, "a.csv"));
  const std::string standard = set.digest();
  BOOST_TEST(standard != plain);
  EachFeature each = *set.transform().each;
  each.center[1] += 128;
  set.set_transform({.all = {}, .each = std::make_shared<const EachFeature>(each)});
  BOOST_TEST(set.digest() != standard);
}

BOOST_AUTO_TEST_CASE(values_that_are_all_equal_are_refused_as_a_whole) {
  const Dataset same = dense({3, 3, 3, 3}, 2);
  BOOST_TEST(refusal({.kind = Normalize::kStandard, .per = Per::kAll}, same) ==
             "data.normalize: standard needs values that differ, every value of the training part of a.csv is 3; use "
             "unit or none");
  BOOST_TEST(refusal({.kind = Normalize::kUnit, .per = Per::kAll}, same) ==
             "data.normalize: unit needs values that differ, every value of the training part of a.csv is 3; use none");
  BOOST_TEST(refusal({.kind = Normalize::kMaxAbs, .per = Per::kAll}, same) == "no fault");
  BOOST_TEST(refusal({.kind = Normalize::kMaxAbs, .per = Per::kAll}, dense({0, 0}, 1)) == "no fault");
}

BOOST_AUTO_TEST_SUITE_END()
