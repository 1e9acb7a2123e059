#include "data/inspection.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fmt/format.h>
#include <fstream>

#include "base/error.h"
#include "base/random.h"
#include "data/dataset.h"
#include "support/folder.h"

using namespace psctl;
using namespace psctl::data;

namespace {

using Row = std::vector<float>;

struct Sample {
  Row values;
  std::uint32_t label = 0;
};
using Parts = std::array<std::vector<Sample>, 3>;

enum class Kind { kBytes, kFloats, kSparse };

void write(PreparedWriter& writer, Kind kind, const Parts& parts) {
  const std::size_t width = parts[0].front().values.size();
  writer.begin({.shape = {.channels = 1, .height = 1, .width = kind == Kind::kSparse ? 0 : width},
                .values = kind == Kind::kBytes ? Values::kBytes : Values::kFloats,
                .sparse = kind == Kind::kSparse});
  for (std::size_t part = 0; part < 3; ++part) {
    if (parts[part].empty()) continue;
    writer.begin_part(static_cast<Part>(part));
    for (const Sample& sample : parts[part]) {
      const std::vector<std::uint8_t> bytes(sample.values.begin(), sample.values.end());
      std::vector<Entry> entries;
      for (std::uint32_t i = 0; i < width; ++i) {
        if (sample.values[i] != 0) entries.push_back({i, sample.values[i]});
      }
      const std::vector<std::uint32_t> row_entries{static_cast<std::uint32_t>(entries.size())}, labels{sample.label};
      Rows rows{.bytes = {}, .floats = {}, .entries = {}, .row_entries = {}, .labels = labels};
      if (kind == Kind::kBytes) rows.bytes = bytes;
      if (kind == Kind::kFloats) rows.floats = sample.values;
      if (kind == Kind::kSparse) {
        rows.entries = entries;
        rows.row_entries = row_entries;
      }
      writer.add(rows);
    }
  }
  writer.end({.classes = {"a", "b", "c"}, .class_of = {}, .features = width, .notes = {}});
}

std::shared_ptr<const Prepared> prepared(Kind kind, const Parts& parts) {
  const auto writer = PreparedWriter::in_memory("samples", Missing::kRefuse);
  write(*writer, kind, parts);
  return writer->open();
}

// Few values, so that many samples are equal.
Parts some_parts(Draws& draws) {
  Parts parts;
  for (std::size_t part = 0; part < 3; ++part) {
    const std::uint64_t count = part == 0 ? 1 + draws.below(60) : draws.below(40);
    for (std::uint64_t i = 0; i < count; ++i) {
      Sample sample{.values = Row(5), .label = static_cast<std::uint32_t>(draws.below(3))};
      for (float& value : sample.values) value = draws.below(4) == 0 ? static_cast<float>(1 + draws.below(2)) : 0;
      parts[part].push_back(sample);
    }
  }
  return parts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(inspection)

BOOST_AUTO_TEST_CASE(what_is_found_is_what_comparing_every_two_samples_finds) {
  Draws draws({.seed = 5, .purpose = Purpose::kTest});
  std::uint64_t repeated = 0, given_away = 0, contradicted = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const Parts parts = some_parts(draws);
    for (const Kind kind : {Kind::kBytes, Kind::kFloats, Kind::kSparse}) {
      const Inspection found = inspect(*prepared(kind, parts));
      BOOST_TEST(found.compared_one_in == 1);
      std::size_t next = 0;
      std::vector<Sample> earlier;  // of all parts
      for (std::size_t part = 0; part < 3; ++part) {
        if (parts[part].empty()) continue;
        const PartFacts& facts = found.parts.at(next++);
        PartFacts expected{.part = static_cast<Part>(part), .samples = parts[part].size()};
        expected.class_counts.resize(3);
        std::uint64_t entries = 0, fewest = 5, most = 0;
        float least_of_all = 2, largest = 0, least_entry = 2;
        for (std::size_t i = 0; i < parts[part].size(); ++i) {
          const auto& [values, label] = parts[part][i];
          ++expected.class_counts[label];
          const auto same = [&values = values](const Sample& other) { return other.values == values; };
          const auto begin = parts[part].begin();
          if (std::any_of(begin, begin + static_cast<std::ptrdiff_t>(i), same)) ++expected.equal_earlier;
          if (part > 0 && std::ranges::any_of(parts[0], same)) ++expected.equal_training;
          const auto first = std::ranges::find_if(earlier, same);
          if (first != earlier.end() && first->label != label) ++expected.other_label;
          earlier.push_back(parts[part][i]);
          const auto here = static_cast<std::uint64_t>(5 - std::ranges::count(values, 0.0F));
          entries += here;
          fewest = std::min(fewest, here);
          most = std::max(most, here);
          for (const float value : values) {
            least_of_all = std::min(least_of_all, value);
            largest = std::max(largest, value);
            if (value > 0) least_entry = std::min(least_entry, value);
          }
        }
        BOOST_TEST(static_cast<int>(facts.part) == static_cast<int>(expected.part));
        BOOST_TEST(facts.samples == expected.samples);
        BOOST_TEST(facts.class_counts == expected.class_counts, boost::test_tools::per_element());
        BOOST_TEST(facts.equal_earlier == expected.equal_earlier);
        BOOST_TEST(facts.equal_training == expected.equal_training);
        BOOST_TEST(facts.other_label == expected.other_label);
        const bool sparse = kind == Kind::kSparse;
        if (largest > 0) BOOST_TEST(facts.least == (sparse ? least_entry : least_of_all));
        BOOST_TEST(facts.most == largest);
        BOOST_TEST(facts.entries == (sparse ? entries : 0));
        BOOST_TEST(facts.fewest_entries == (sparse ? fewest : 0));
        BOOST_TEST(facts.most_entries == (sparse ? most : 0));
        repeated += facts.equal_earlier;
        given_away += facts.equal_training;
        contradicted += facts.other_label;
      }
      BOOST_TEST(next == found.parts.size());
    }
  }
  BOOST_TEST((repeated > 500 && given_away > 500 && contradicted > 500));
}

BOOST_AUTO_TEST_CASE(of_too_many_different_samples_some_are_compared_and_the_counts_are_estimates) {
  // 12'000 different samples, 4'000 of them twice; the test part has 3'000 of them and 1'000 others.
  Parts parts;
  const auto sample = [](int number) {
    return Sample{.values = {static_cast<float>(number), 1}, .label = static_cast<std::uint32_t>(number % 3)};
  };
  for (int i = 0; i < 12'000; ++i) parts[0].push_back(sample(i));
  for (int i = 0; i < 4'000; ++i) {
    parts[0].push_back(sample(i));
    parts[0].back().label = 0;
  }
  for (int i = 0; i < 4'000; ++i) parts[2].push_back(sample(9'000 + i));
  const auto all = prepared(Kind::kFloats, parts);
  const Inspection exact = inspect(*all);
  BOOST_TEST(exact.compared_one_in == 1);
  BOOST_TEST(exact.parts[0].equal_earlier == 4'000);
  BOOST_TEST(exact.parts[0].other_label == 2'666);
  BOOST_TEST(exact.parts[1].equal_training == 3'000);
  const Inspection some = inspect(*all, {}, 2'000);
  BOOST_TEST(some.compared_one_in == 8);
  const auto near = [&](std::uint64_t found, double expected) {
    // As many are kept as heads come up; each stands for eight.
    return std::abs(static_cast<double>(found) - expected) < 4 * std::sqrt(expected * 7);
  };
  BOOST_TEST(near(some.parts[0].equal_earlier, 4'000), some.parts[0].equal_earlier);
  BOOST_TEST(near(some.parts[0].other_label, 2'666), some.parts[0].other_label);
  BOOST_TEST(near(some.parts[1].equal_training, 3'000), some.parts[1].equal_training);
  BOOST_TEST(some.parts[1].equal_earlier == 0);
}

BOOST_AUTO_TEST_CASE(equal_samples_take_no_memory_each_however_many_there_are) {
  Parts parts;
  parts[0].assign(5'000, {.values = {3, 3, 3}, .label = 1});
  const Inspection found = inspect(*prepared(Kind::kBytes, parts), {}, 2);
  BOOST_TEST(found.compared_one_in == 1);
  BOOST_TEST(found.parts[0].equal_earlier == 4'999);
}

BOOST_AUTO_TEST_CASE(progress_rises_and_damage_is_told) {
  const psctl::test::TemporaryFolder folder;
  const std::string path = folder / "some.psctl";
  Parts parts;
  parts[0].assign(300'000, {.values = Row(20, 7), .label = 2});
  parts[2].assign(1'000, {.values = Row(20, 8), .label = 1});
  {
    PreparedWriter writer(path, Missing::kRefuse);
    write(writer, Kind::kBytes, parts);
  }
  double last = 0;
  std::size_t calls = 0;
  inspect(*Prepared::open(path), [&](double share) {
    BOOST_TEST(share > last);
    last = share;
    ++calls;
  });
  BOOST_TEST(last > 0.999);
  BOOST_TEST(calls > 3);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(4096 + 5'000'000).put('x').flush();
  BOOST_CHECK_THROW(inspect(*Prepared::open(path)), UserError);
}

BOOST_AUTO_TEST_SUITE_END()
