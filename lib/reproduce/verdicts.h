// From what was measured to verdicts: every claim, under every mode that its runs were made in.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reproduce/campaign.h"
#include "reproduce/power.h"

namespace psctl::reproduce {

// One subject against one rival in one setting.
struct Comparison {
  std::string setting;
  std::optional<double> network_part;
  std::string subject, rival;
  bool rival_is_number = false;
  std::optional<double> subject_rate, rival_rate;
  std::optional<double> spread = {};  // of the effect over the seeds, where no time is censored
  double subject_mean = 0, rival_mean = 0;  // over the seeds; of times the geometric mean, censored ones as they are
  Finding finding;
};

struct Judged {
  const Preset* preset = nullptr;
  const Claim* claim = nullptr;
  Mode mode = Mode::kGiven;
  Verdict verdict = Verdict::kInconclusive;
  Power power;  // with the spread of the runs that are there
  std::vector<Comparison> comparisons;
  struct InSetting {
    const Setting* setting;
    Verdict verdict;
  };
  std::vector<InSetting> settings;  // of those that it speaks of
  std::vector<std::string> notes;
  // Of those that decide the verdict, the one that is nearest to refuting the claim, or refutes it most; none where
  // there is none.
  const Comparison* tightest() const;
};

// What a contender came to in one setting: the numbers of its runs, seed by seed, for the report.
struct Outcome {
  Cell cell;
  Mode mode = Mode::kGiven;
  std::optional<double> rate;
  std::map<std::string, std::vector<Measured>> measures;
};

struct Verdicts {
  std::vector<Judged> judged;     // in the order of presets and claims
  std::vector<Outcome> outcomes;  // of all cells
};

// `folder`: of the campaign, whose runs are all there. `planners`: what measure_planners gave for their studies.
Verdicts judge(const Campaign& campaign, const std::string& folder,
               const std::map<Cell, std::vector<double>>& planners);

// "not held", and of a claim whose experiment has too little power "not held (power 0.42)".
std::string verdict_text(const Judged& judged);
// "held in 11 of 15 settings: h1 to network 15 %; ...", where a claim speaks of several and they differ; else empty.
std::string where_text(const Judged& judged);
// The effect in words of its scale: "0.62 [0.55, 0.70] times" or "+1.2 [0.4, 2.0] points".
std::string effect_text(const Claim& claim, const Finding& finding);
// A number of this measure: "81.3 %", "12.4 s".
std::string number_text(std::string_view measure, double value);

}  // namespace psctl::reproduce
