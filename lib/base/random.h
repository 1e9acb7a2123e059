// Keyed random draws. A draw depends on its key and on nothing else: not on the order of events, not on the
// thread, not on the standard library's distributions. So every strategy meets the same luck.
#pragma once

#include <cstdint>
#include <span>

namespace psctl {

// What a draw is for. The numbers are part of every recorded result: never renumber, only append.
enum class Purpose : std::uint32_t {
  kInitialWeights = 1,
  kPartition = 2,
  kEpochOrder = 3,
  kStraggler = 4,
  kSubset = 5,
  kValidationSplit = 6,
  kStrategy = 7,
  kTrainLossSample = 8,
  kSynthesis = 9,
  kAugmentation = 10,
  kTest = 11,
  kVerify = 12,
  kTestSplit = 13,
  kBootstrap = 14,
  kCluster = 15,  // step times that a preset draws for every worker
};

struct Key {
  std::uint64_t seed = 0;
  Purpose purpose{};
  std::uint64_t worker = 0;  // or another first index: a layer, a rule
  std::uint64_t step = 0;    // or another second index
};

// A stream of draws from one key. Copying it copies its position.
class Draws {
 public:
  explicit Draws(const Key& key);

  std::uint64_t bits();                      // 64 uniform bits
  std::uint64_t below(std::uint64_t bound);  // uniform in [0, bound), without bias; bound > 0
  double uniform();                          // in [0, 1), 53 bits
  double uniform_open();                     // in (0, 1)
  double normal();                           // standard normal (Box-Muller; one value a call)
  double exponential();                      // mean 1

 private:
  std::uint64_t state_;
};

// Fisher-Yates in place.
void shuffle(std::span<std::uint32_t> items, Draws& draws);

}  // namespace psctl
