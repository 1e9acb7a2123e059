#include "data/synthetic.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fmt/format.h>
#include <numbers>
#include <oneapi/tbb/global_control.h>

#include "base/error.h"
#include "data/dataset.h"
#include "data/prepared.h"

using namespace psctl;
using namespace psctl::data;

namespace {

struct Drawing {
  Synthesis synthesis;
  std::shared_ptr<const Prepared> prepared;
  Dataset part(Part which) const { return Dataset(prepared->part(which)); }
};

Drawing drawn(const SyntheticConfig& config) {
  const auto writer = PreparedWriter::in_memory("drawn", Missing::kRefuse);
  Synthesis synthesis = synthesise(config, *writer);
  return {std::move(synthesis), writer->open()};
}

double cumulative(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

// The deviation of a share of `count` draws with this probability.
double deviation(double probability, double count) { return std::sqrt(probability * (1 - probability) / count); }

// Five deviations of a chi-square law above its mean: seeds are fixed, so this fails for a reason.
double limit(double degrees) { return degrees + 5 * std::sqrt(2 * degrees); }

// Chi-square of standard normal numbers in 20 cells as likely as each other.
double normality(const std::vector<double>& numbers) {
  std::vector<double> counts(20);
  for (const double number : numbers) {
    ++counts[std::min<std::size_t>(19, static_cast<std::size_t>(20 * cumulative(number)))];
  }
  const double expected = static_cast<double>(numbers.size()) / 20;
  double sum = 0;
  for (const double count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

std::vector<std::vector<double>> class_means(const Dataset& set) {
  std::vector<std::vector<double>> means(set.classes(), std::vector<double>(set.shape().size()));
  std::vector<double> counts(set.classes());
  for (std::uint32_t sample = 0; sample < set.size(); ++sample) {
    const auto row = set.floats(sample);
    ++counts[set.labels()[sample]];
    for (std::size_t i = 0; i < row.size(); ++i) means[set.labels()[sample]][i] += row[i];
  }
  for (std::size_t label = 0; label < means.size(); ++label) {
    for (double& each : means[label]) each /= counts[label];
  }
  return means;
}

template <class Row>
double distance(const std::vector<double>& mean, const Row& row) {
  double square = 0;
  for (std::size_t i = 0; i < mean.size(); ++i) square += (mean[i] - row[i]) * (mean[i] - row[i]);
  return std::sqrt(square);
}

std::string refusal(const SyntheticConfig& config) {
  try {
    check(config);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no refusal";
}

const SyntheticConfig kTwoBlobs{.samples = 20'000, .test = 40'000, .features = 5, .classes = 2, .distance = 2};
const SyntheticConfig kTenBlobs{.samples = 50'000, .test = 40'000, .features = 12, .classes = 10, .distance = 4};
const SyntheticConfig kManyBlobs{.samples = 50'000, .test = 40'000, .features = 4, .classes = 20, .distance = 6};

}  // namespace

BOOST_AUTO_TEST_SUITE(synthetic)

BOOST_AUTO_TEST_CASE(the_best_accuracy_of_blobs_is_that_of_the_nearest_of_the_true_centres) {
  for (const SyntheticConfig& config : {kTwoBlobs, kTenBlobs, kManyBlobs}) {
    const Drawing drawing = drawn(config);
    // Centres as anybody could find them, from far more samples than it takes.
    const auto means = class_means(drawing.part(Part::kTrain));
    const Dataset test = drawing.part(Part::kTest);
    std::size_t right = 0;
    for (std::uint32_t sample = 0; sample < test.size(); ++sample) {
      const auto nearest = std::ranges::min_element(
          means, {}, [&](const std::vector<double>& mean) { return distance(mean, test.floats(sample)); });
      if (static_cast<std::uint32_t>(nearest - means.begin()) == test.labels()[sample]) ++right;
    }
    const auto count = static_cast<double>(test.size());
    const double accuracy = static_cast<double>(right) / count, best = drawing.synthesis.best.value;
    BOOST_TEST(std::abs(accuracy - best) < 4 * (deviation(best, count) + drawing.synthesis.best.error),
               accuracy << " against " << best);
    BOOST_TEST(std::abs(accuracy - drawing.synthesis.on_test.value()) < 0.002);
  }
}

BOOST_AUTO_TEST_CASE(the_best_accuracy_of_blobs_has_the_values_that_are_known) {
  const auto best = [](std::uint64_t classes, double distance) {
    return Law::of({.features = 20, .classes = classes, .distance = distance})->best_accuracy().value();
  };
  BOOST_TEST(best(2, 3).value == 0.9331927987311419, boost::test_tools::tolerance(1e-14));
  for (const std::uint64_t classes : {2U, 3U, 10U, 21U}) {
    BOOST_TEST(best(classes, 0).value == 1 / static_cast<double>(classes), boost::test_tools::tolerance(1e-12));
    BOOST_TEST(best(classes, 40).value == 1, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(best(classes, 3).error == 0);
  }
  // Three at the corners of an equilateral triangle, as well as two of them alone or better than one may hope for.
  BOOST_TEST(best(3, 2).value > 2 * best(2, 2).value - 1);
  BOOST_TEST(best(3, 2).value < best(2, 2).value);
  BOOST_TEST(best(22, 3).error > 0);
}

BOOST_AUTO_TEST_CASE(blobs_lie_as_far_apart_and_are_as_wide_as_stated) {
  const Drawing drawing = drawn(kTenBlobs);
  const Dataset train = drawing.part(Part::kTrain);
  const auto means = class_means(train);
  for (std::size_t one = 0; one < means.size(); ++one) {
    for (std::size_t other = 0; other < one; ++other) {
      BOOST_TEST(std::abs(distance(means[one], means[other]) - 4) < 0.1);
    }
  }
  std::vector<double> noise, counts(10);
  double squares = 0;
  for (std::uint32_t sample = 0; sample < train.size(); ++sample) {
    ++counts[train.labels()[sample]];
    for (std::size_t i = 0; i < 12; ++i) {
      noise.push_back(train.floats(sample)[i] - means[train.labels()[sample]][i]);
      squares += noise.back() * noise.back();
    }
  }
  const auto degrees = static_cast<double>(noise.size() - 120);  // the means took the others
  BOOST_TEST(std::abs(squares - degrees) < 5 * std::sqrt(2 * degrees));
  BOOST_TEST(normality(noise) < limit(19));
  double chi_square = 0;
  for (const double count : counts) chi_square += (count - 5000) * (count - 5000) / 5000;
  BOOST_TEST(chi_square < limit(9));
}

BOOST_AUTO_TEST_CASE(label_noise_replaces_the_share_of_labels_that_it_says_by_every_other_class_alike) {
  SyntheticConfig config{.kind = SyntheticKind::kTeacher, .samples = 40'000, .test = 0, .features = 10, .classes = 4};
  const Drawing clean = drawn(config);
  config.label_noise = 0.3;
  const Drawing noisy = drawn(config);
  BOOST_TEST(clean.synthesis.best.value == 1);
  BOOST_TEST(noisy.synthesis.best.value == 0.7);
  BOOST_TEST(noisy.synthesis.best.error == 0);
  const Dataset truth = clean.part(Part::kTrain), train = noisy.part(Part::kTrain);
  std::vector<double> numbers, counts(4), shifts(4);
  for (std::uint32_t sample = 0; sample < train.size(); ++sample) {
    BOOST_REQUIRE(std::ranges::equal(truth.floats(sample), train.floats(sample)));
    numbers.insert(numbers.end(), train.floats(sample).begin(), train.floats(sample).end());
    ++counts[truth.labels()[sample]];
    ++shifts[(train.labels()[sample] + 4 - truth.labels()[sample]) % 4];
  }
  BOOST_TEST(normality(numbers) < limit(19));
  BOOST_TEST(std::abs(shifts[0] / 40'000 - 0.7) < 4 * deviation(0.7, 40'000));
  for (int shift = 1; shift < 4; ++shift) {
    BOOST_TEST(std::abs(shifts[shift] / 40'000 - 0.1) < 4 * deviation(0.1, 40'000));
  }
  for (const double count : counts) BOOST_TEST(count > 1000);
}

BOOST_AUTO_TEST_CASE(a_teacher_without_noise_is_right_on_every_sample_and_with_noise_as_often_as_stated) {
  SyntheticConfig config{.kind = SyntheticKind::kTeacher, .samples = 10, .test = 20'000, .features = 7, .classes = 10};
  BOOST_TEST(drawn(config).synthesis.on_test.value() == 1);
  config.label_noise = 0.25;
  BOOST_TEST(std::abs(drawn(config).synthesis.on_test.value() - 0.75) < 4 * deviation(0.75, 20'000));
}

BOOST_AUTO_TEST_CASE(features_of_sparse_samples_follow_the_power_law) {
  for (const double exponent : {0.0, 0.5, 1.0, 1.000001, 1.7, 6.0}) {
    const Dataset train = drawn({.kind = SyntheticKind::kSparse,
                                 .samples = 50'000,
                                 .test = 0,
                                 .features = 40,
                                 .entries = 1,
                                 .exponent = exponent})
                              .part(Part::kTrain);
    std::vector<double> counts(40), expected(40);
    for (std::uint32_t sample = 0; sample < train.size(); ++sample) ++counts[train.entries(sample)[0].index];
    double total = 0;
    for (int i = 0; i < 40; ++i) total += expected[i] = std::pow(i + 1, -exponent);
    double chi_square = 0, rest = 0, expected_rest = 0, degrees = -1;
    for (int i = 0; i < 40; ++i) {
      const double count = expected[i] / total * 50'000;
      if (count < 10) {  // too few for the law of chi-square
        rest += counts[i];
        expected_rest += count;
        continue;
      }
      chi_square += (counts[i] - count) * (counts[i] - count) / count;
      ++degrees;
    }
    BOOST_TEST(chi_square < limit(std::max(1.0, degrees)), "exponent " << exponent);
    BOOST_TEST(std::abs(rest - expected_rest) < 5 * std::sqrt(expected_rest) + 5);
  }
}

BOOST_AUTO_TEST_CASE(a_feature_is_in_as_many_sparse_samples_as_its_rank_says) {
  constexpr std::uint64_t kFeatures = 1 << 21;
  const SyntheticConfig config{.kind = SyntheticKind::kSparse,
                               .samples = 20'000,
                               .test = 0,
                               .features = kFeatures,
                               .entries = 25,
                               .exponent = 0.9};
  const Dataset train = drawn(config).part(Part::kTrain);
  std::vector<double> present(30);
  double far = 0, entries = 0;
  for (std::uint32_t sample = 0; sample < train.size(); ++sample) {
    const auto row = train.entries(sample);
    for (std::size_t i = 1; i < row.size(); ++i) BOOST_REQUIRE(row[i - 1].index < row[i].index);
    for (const Entry& entry : row) {
      BOOST_REQUIRE(entry.value == 1);
      if (entry.index < 30) ++present[entry.index];
      if (entry.index >= kFeatures / 2) ++far;
      ++entries;
    }
  }
  double total = 0, upper = 0;
  for (std::uint64_t i = 0; i < kFeatures; ++i) {
    const double power = std::pow(static_cast<double>(i + 1), -0.9);
    total += power;
    if (i >= kFeatures / 2) upper += power;
  }
  for (int i = 0; i < 30; ++i) {
    const double expected = 1 - std::pow(1 - std::pow(i + 1, -0.9) / total, 25);
    BOOST_TEST(std::abs(present[i] / 20'000 - expected) < 4.5 * deviation(expected, 20'000), "rank " << i + 1);
  }
  BOOST_TEST(std::abs(far / (20'000 * 25) - upper / total) < 4.5 * deviation(upper / total, 20'000 * 25));
  const double bytes = Law::of(config)->bytes_per_sample();
  BOOST_TEST(std::abs(12 + 8 * entries / 20'000 - bytes) < 0.01 * bytes);
}

BOOST_AUTO_TEST_CASE(labels_of_sparse_samples_are_as_likely_as_the_law_says_and_so_is_the_best_accuracy) {
  const SyntheticConfig config{.kind = SyntheticKind::kSparse, .samples = 40'000, .test = 40'000, .features = 50'000};
  const Drawing drawing = drawn(config);
  const auto law = Law::of(config);
  for (const Part part : {Part::kTrain, Part::kTest}) {
    const Dataset set = drawing.part(part);
    std::vector<double> count(10), probability(10), right(10);
    double all = 0, ones = 0;
    for (std::uint32_t sample = 0; sample < set.size(); ++sample) {
      const Law::Guess guess = law->best_guess({}, set.entries(sample));
      const auto cell = std::min<std::size_t>(9, static_cast<std::size_t>((guess.probability - 0.5) * 20));
      ++count[cell];
      probability[cell] += guess.probability;
      if (guess.label == set.labels()[sample]) {
        ++right[cell];
        ++all;
      }
      ones += set.labels()[sample];
    }
    double chi_square = 0;
    for (int cell = 0; cell < 10; ++cell) {
      BOOST_REQUIRE(count[cell] > 100);
      const double mean = probability[cell] / count[cell];
      chi_square += std::pow((right[cell] / count[cell] - mean) / deviation(mean, count[cell]), 2);
    }
    BOOST_TEST(chi_square < limit(10));
    const double best = drawing.synthesis.best.value;
    BOOST_TEST(std::abs(all / 40'000 - best) < 4 * deviation(best, 40'000));
    BOOST_TEST(drawing.synthesis.best.error > 0);
    BOOST_TEST(drawing.synthesis.best.error < 0.001);
    BOOST_TEST((ones > 0.4 * 40'000 && ones < 0.6 * 40'000));  // the shift balances them
    if (part == Part::kTest) BOOST_TEST(all / 40'000 == drawing.synthesis.on_test.value());
  }
}

BOOST_AUTO_TEST_CASE(any_number_of_threads_draws_the_same_and_more_samples_begin_with_the_fewer) {
  for (const SyntheticKind kind : {SyntheticKind::kBlobs, SyntheticKind::kTeacher, SyntheticKind::kSparse}) {
    SyntheticConfig config{.kind = kind, .samples = 30'000, .validation = 500, .test = 9'000, .features = 30};
    const Drawing many = drawn(config);
    std::optional<Drawing> one;
    {
      const oneapi::tbb::global_control limited(oneapi::tbb::global_control::max_allowed_parallelism, 1);
      one = drawn(config);
    }
    BOOST_TEST(many.prepared->notes() == one->prepared->notes(), boost::test_tools::per_element());
    BOOST_TEST(many.synthesis.best.value == one->synthesis.best.value);
    for (const Part part : {Part::kTrain, Part::kValidation, Part::kTest}) {
      BOOST_TEST(many.part(part).digest() == one->part(part).digest());
    }
    BOOST_TEST(many.part(Part::kValidation).size() == 500);
    config.samples = 100;
    const Drawing fewer = drawn(config);
    std::vector<std::uint32_t> first(100);
    for (std::uint32_t i = 0; i < 100; ++i) first[i] = i;
    BOOST_TEST(many.part(Part::kTrain).select(first).digest() == fewer.part(Part::kTrain).digest());
    config.seed = 2;
    BOOST_TEST(fewer.part(Part::kTrain).digest() != drawn(config).part(Part::kTrain).digest());
  }
}

BOOST_AUTO_TEST_CASE(progress_tells_how_much_is_done_and_may_give_up) {
  const auto writer = PreparedWriter::in_memory("drawn", Missing::kRefuse);
  double last = 0;
  synthesise({.samples = 100'000, .features = 3}, *writer, [&](double share) {
    BOOST_TEST(share > last);
    last = share;
  });
  BOOST_TEST(last == 1);
  const auto other = PreparedWriter::in_memory("drawn", Missing::kRefuse);
  BOOST_CHECK_THROW(synthesise({.samples = 100'000, .features = 3}, *other, [](double) { throw WorldError("enough"); }),
                    WorldError);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_drawn_is_refused_by_the_name_of_the_option) {
  BOOST_TEST(refusal({.samples = 0}) == "--samples: expected a whole number from 1 to 4294967295, found 0");
  BOOST_TEST(refusal({.samples = ~0ULL}).starts_with("--samples: "));
  BOOST_TEST(refusal({.test = 1ULL << 32}).starts_with("--test: "));
  BOOST_TEST(refusal({.features = 0}).starts_with("--features: "));
  BOOST_TEST(refusal({.features = ~0ULL}).starts_with("--features: "));
  BOOST_TEST(refusal({.classes = 1}).starts_with("--classes: "));
  BOOST_TEST(refusal({.features = 1 << 20, .classes = 17}) ==
             "--classes: expected at most 16 with --features 1048576, found 17");
  BOOST_TEST(refusal({.distance = -1}) == "--distance: expected a number from 0 to 1000, found -1");
  BOOST_TEST(refusal({.distance = std::nan("")}).starts_with("--distance: "));
  constexpr auto kTeacher = SyntheticKind::kTeacher, kSparse = SyntheticKind::kSparse;
  BOOST_TEST(refusal({.kind = kTeacher, .classes = 2, .label_noise = 0.5}) ==
             "--label-noise: expected from 0 to less than 0.5, above which the teacher's label is not the likeliest of "
             "2, found 0.5");
  BOOST_TEST(refusal({.kind = kTeacher, .label_noise = std::nan("")}).starts_with("--label-noise: "));
  BOOST_TEST(
      refusal({.kind = kTeacher, .features = 1 << 22, .hidden = 5}).starts_with("--features: expected at most "));
  BOOST_TEST(refusal({.kind = kTeacher, .hidden = 0}).starts_with("--hidden: "));
  BOOST_TEST(refusal({.kind = kSparse, .entries = 0}).starts_with("--entries: "));
  BOOST_TEST(refusal({.kind = kSparse, .exponent = -0.1}).starts_with("--exponent: "));
  BOOST_TEST(refusal({.kind = kSparse, .signal = std::nan("")}).starts_with("--signal: "));
  BOOST_TEST(refusal({.kind = kSparse, .features = (1ULL << 32) + 1}).starts_with("--features: "));
  BOOST_TEST(refusal({.kind = kSparse, .features = 1ULL << 32}) == "no refusal");
}

BOOST_AUTO_TEST_SUITE_END()
