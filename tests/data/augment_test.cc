// Random crops and flips against a plain reading of what they are, and that they depend on their key alone.
#include "data/augment.h"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <map>
#include <numeric>
#include <tuple>

#include "base/error.h"
#include "data/batches.h"
#include "support/batches.h"

using namespace psctl;
using namespace psctl::data;

namespace {

constexpr Shape kShape{.channels = 2, .height = 3, .width = 4};

// Images whose values tell where they stand, none of them 0.
template <class Value>
Dataset images(std::size_t count) {
  std::vector<Value> values(count * kShape.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Value>(1 + i % 251);
  return Dataset(samples_of(kShape, 2, std::move(values), std::vector<std::uint32_t>(count, 1)));
}

template <class Value>
Batch batch_of(std::size_t count) {
  std::vector<std::uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0U);
  return psctl::test::batch_of(images<Value>(count), all);
}

template <class Value>
std::vector<Value> values_of(const Batch& batch) {
  std::vector<Value> values(batch.rows.size() / sizeof(Value));
  std::memcpy(values.data(), batch.rows.data(), batch.rows.size());
  return values;
}

// The image, moved and mirrored, pixel by pixel.
template <class Value>
std::vector<Value> changed(std::span<const Value> image, int down, int right, bool mirrored) {
  std::vector<Value> out;
  for (std::size_t channel = 0; channel < kShape.channels; ++channel) {
    for (int row = 0; row < 3; ++row) {
      for (int column = 0; column < 4; ++column) {
        const int from_row = row + down, from_column = (mirrored ? 3 - column : column) + right;
        const bool inside = from_row >= 0 && from_row < 3 && from_column >= 0 && from_column < 4;
        const std::size_t at = channel * 12 + static_cast<std::size_t>(from_row * 4 + from_column);
        out.push_back(inside ? image[at] : Value{});
      }
    }
  }
  return out;
}

// How often each change was made; fails if an image is none of them.
template <class Value>
std::map<std::tuple<int, int, bool>, int> changes(const AugmentConfig& config, std::size_t count) {
  Batch batch = batch_of<Value>(count);
  const std::vector<Value> before = values_of<Value>(batch);
  augment(config, 7, WorkerId(1), 3, batch);
  const std::vector<Value> after = values_of<Value>(batch);
  std::map<std::tuple<int, int, bool>, int> seen;
  const int pad = static_cast<int>(config.crop);
  for (std::size_t sample = 0; sample < count; ++sample) {
    const std::span image(&before[sample * kShape.size()], kShape.size());
    const std::vector<Value> found(&after[sample * kShape.size()], &after[sample * kShape.size()] + kShape.size());
    int matches = 0;
    for (int down = -pad; down <= pad; ++down) {
      for (int right = -pad; right <= pad; ++right) {
        for (const bool mirrored : {false, true}) {
          if (changed(image, down, right, mirrored) != found) continue;
          ++seen[{down, right, mirrored}];
          ++matches;
        }
      }
    }
    BOOST_REQUIRE_EQUAL(matches, 1);
  }
  return seen;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(augmenting)

BOOST_AUTO_TEST_CASE(every_crop_and_flip_comes_up_about_equally_often) {
  for (const auto& seen : {changes<std::uint8_t>({.crop = 2, .flip = Flip::kHorizontal}, 5000),
                           changes<float>({.crop = 2, .flip = Flip::kHorizontal}, 5000)}) {
    BOOST_TEST(seen.size() == 50U);
    // 100 expected, deviation 10.
    for (const auto& [change, count] : seen) BOOST_TEST((count > 50 && count < 150), count);
  }
}

BOOST_AUTO_TEST_CASE(crop_alone_never_mirrors_and_flip_alone_never_moves) {
  for (const auto& [change, count] : changes<std::uint8_t>({.crop = 1, .flip = Flip::kNone}, 500)) {
    BOOST_TEST(!std::get<2>(change));
  }
  const auto seen = changes<std::uint8_t>({.crop = 0, .flip = Flip::kHorizontal}, 1000);
  BOOST_TEST(seen.size() == 2U);
  for (const auto& [change, count] : seen) BOOST_TEST((count > 400 && count < 600), count);
}

BOOST_AUTO_TEST_CASE(what_is_drawn_depends_on_seed_worker_and_step_alone) {
  const AugmentConfig config{.crop = 2, .flip = Flip::kHorizontal};
  const auto drawn = [&](std::uint64_t seed, std::uint32_t worker, Step step) {
    Batch batch = batch_of<std::uint8_t>(16);
    augment(config, seed, WorkerId(worker), step, batch);
    return values_of<std::uint8_t>(batch);
  };
  const auto first = drawn(1, 2, 3);
  BOOST_TEST((drawn(1, 2, 3) == first));
  BOOST_TEST((drawn(2, 2, 3) != first));
  BOOST_TEST((drawn(1, 1, 3) != first));
  BOOST_TEST((drawn(1, 2, 4) != first));
}

BOOST_AUTO_TEST_CASE(the_batches_of_a_worker_are_augmented_whatever_was_assembled_before) {
  const Dataset set = images<std::uint8_t>(20);
  std::vector<std::uint32_t> all(20);
  std::iota(all.begin(), all.end(), 0U);
  const AugmentConfig config{.crop = 1, .flip = Flip::kHorizontal};
  BatchOrder plain(all, 5, WorkerId(3), 9), first(all, 5, WorkerId(3), 9, config),
      second(all, 5, WorkerId(3), 9, config);
  Batch expected, found;
  for (const Step step : {6, 0, 3}) {
    plain.assemble(step, set, expected);
    augment(config, 9, WorkerId(3), step, expected);
    first.assemble(step, set, found);
    BOOST_TEST((found.rows == expected.rows));
    BOOST_TEST((found.labels == expected.labels));
  }
  second.assemble(3, set, found);
  BOOST_TEST((found.rows == expected.rows));
}

BOOST_AUTO_TEST_SUITE_END()
