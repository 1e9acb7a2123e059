// What is in a data set, found by reading it once: ranges, classes, samples that come twice, and those of the test part
// that the training part gives away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "data/prepared.h"

namespace psctl::data {

// Samples are equal if their values are, byte for byte; their labels are left aside.
struct PartFacts {
  Part part{};
  std::uint64_t samples = 0;
  std::vector<std::uint64_t> class_counts = {};
  float least = 0, most = 0;         // of the values, or of the entries
  std::uint64_t entries = 0;         // sparse, as are the next two
  std::uint64_t fewest_entries = 0;  // of a sample
  std::uint64_t most_entries = 0;    //
  std::uint64_t equal_earlier = 0;   // to an earlier sample of the part
  std::uint64_t equal_training = 0;  // of another part than training: to a training sample
  std::uint64_t other_label = 0;     // to an earlier sample, of whatever part, that has another label
};

struct Inspection {
  std::vector<PartFacts> parts;  // those that there are, in their order
  // More than 1: there are so many different samples that only those were compared whose hash is a multiple of this,
  // all copies of a sample or none; the counts of equal ones are unbiased estimates.
  std::uint64_t compared_one_in = 1;
};

inline constexpr std::size_t kMostCompared = std::size_t{1} << 22;

// Reads all samples on all cores. Hashes of 64 bits find equal samples, which are then compared; 32 bytes for each of
// `most_compared` different ones at most. `progress` as of synthesise(). Throws UserError where the file is damaged.
Inspection inspect(const Prepared& prepared, const std::function<void(double)>& progress = {},
                   std::size_t most_compared = kMostCompared);

}  // namespace psctl::data
