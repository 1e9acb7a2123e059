// How likely a claim comes out as held if what its source says is true. It is simulated before anything is run: an
// experiment that cannot show a true claim decides nothing when it does not.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "reproduce/preset.h"

namespace psctl::reproduce {

// Less than this is told with the verdict.
inline constexpr double kEnoughPower = 0.8;

// The target of time_to_final_of_NAME_s in a seed: the mean accuracy of NAME's last evaluations, less a margin. One
// noisy evaluation would be a target of its own luck.
struct FinalTarget {
  std::size_t evaluations = 5;
  double margin = 0.005;
};

// What is assumed of seeds and evaluations where no runs tell.
struct Noise {
  std::optional<double> spread = {};  // of a paired effect over the seeds, on its scale; none: one of these
  double of_ratio = 0.05;
  double of_share = 0.01;
  double of_evaluation = 0.005;  // of an accuracy from one evaluation to the next
};

struct Power {
  // Nothing where it cannot be simulated: no published effect, and no margin; or a measure of unknown noise.
  std::optional<double> power;
  std::optional<double> effect;      // assumed to be true, as a ratio or a difference
  std::optional<double> detectable;  // where there is no effect: the nearest to none that has enough power
  std::string assumes;               // in words
  bool low() const { return power && *power < kEnoughPower; }
};

// Of all comparisons of the claim together, drawn for each on its own. Of times to an accuracy whole learning curves
// are simulated, with their evaluation grid and the end of the runs; of all else effects. Without stop.time_s a
// contender that is twice as fast ends in half of the time.
Power power_of(const Preset& preset, const Claim& claim, const Noise& noise = {}, const FinalTarget& target = {});

// "0.56 times", "+1.9 points".
std::string effect_text(const Claim& claim, double effect);

}  // namespace psctl::reproduce
