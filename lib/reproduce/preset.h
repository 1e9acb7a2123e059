// What a paper claims, and the experiment that it is held against: a YAML file of configs/papers. What is compared, on
// which cluster, and what would count as borne out are fixed there before anything is run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/tree.h"
#include "reproduce/judge.h"

namespace psctl::reproduce {

enum class Size { kQuick, kDefault, kFull };
const char* word(Size size);

// KEY=VALUE of a configuration, in order.
using Changes = std::vector<std::string>;

// One strategy with its parameters.
struct Contender {
  std::string name;      // as claims call it
  std::string strategy;  // YAML on one line; of a planner study, the planner's name and, after it, its lookahead
};

// A number that every worker draws for itself in every seed: the cluster is another one in each.
struct Drawn {
  std::string key;  // of a list with one element a worker
  double low = 0, high = 0;
};

// One cluster.
struct Setting {
  std::string profile;                 // as claims call it
  std::string says;                    // what it is, in a few words
  std::optional<double> network_part;  // of a step that one push and pull cost, where the study sweeps the network
  Changes changes;
  std::vector<Drawn> drawn;
  std::string name() const;  // "h1, network 10 %"
};

enum class StudyKind {
  kRuns,          // runs of psctl
  kPlannerExact,  // how often a planner misses the optimum, on drawn matrices
  kPlannerSpeed,  // how long a planner takes
};

enum class Rates {
  kGiven,    // the configuration's
  kSearch,   // one for all, the reference's best; and each contender's best
  kFailing,  // the lowest of the grid at which contenders that are named fail
};

// Which rates are tried, on seeds that no final run has.
struct Search {
  std::vector<double> rates;  // ascending
  std::size_t seeds = 2;
  std::size_t validation = 2000;  // training samples that are looked at in the place of the test set
  std::size_t widen = 2;          // how often the grid may grow where a best lies at its edge
  std::string reference = "bsp";  // whose best is the one rate for all
};

// Runs that are compared with each other.
struct Study {
  std::string name;
  std::string says;  // what is the source's of it and what is our reading
  StudyKind kind = StudyKind::kRuns;
  Rates rates = Rates::kGiven;
  std::vector<std::string> failing;  // kFailing: whose accuracy
  double failing_below = 0;          // kFailing: is below this
  std::size_t seeds = 5;
  std::optional<double> spread;  // assumed of effects over the seeds, on their scale, before any run tells
  std::vector<double> grid;  // of rates, ascending; empty: the preset's
  std::string rates_from;    // kSearch: not searched for here, but taken over from this study; empty: searched for
  Changes changes;
  std::vector<Setting> settings;
  std::vector<Contender> contenders;

  const Contender* find(std::string_view contender) const;
};

// A contender, a weighted sum of several, or a number.
struct Rival {
  std::string name;
  std::vector<std::pair<std::string, double>> parts;  // contender and weight; empty: `number`
  double number = 0;
};

// In which settings a claim speaks: where the mean of its measure lies between these of each of the contenders.
struct Where {
  std::vector<std::string> contenders;
  double low = 0, high = 1;
};

struct Claim {
  std::string id;
  std::string says;
  std::string known_from;  // where the claim was read
  std::string published;   // the source's figure, as it is to be shown beside ours
  std::optional<double> effect;  // that figure as the ratio or difference of subject and rival, for the power
  std::string study;
  std::string measure;
  std::vector<std::string> subjects;
  std::vector<Rival> rivals;
  std::vector<std::string> profiles;  // of the settings; empty: all
  bool any_subject = false;           // one of the subjects is enough; else each is meant
  std::vector<std::string> order;     // in the place of subjects and rivals: each against the one before it
  // In the place of a comparison at one profile: the fastest rival's time over the subject's grows from one to the
  // other.
  std::string grows_from, grows_to;
  std::optional<Where> where;
  Scale scale = Scale::kDifference;
  Region region;
  std::string criterion;  // the region in words: "less", "at least, within 0.5 points"
  std::string expected;   // what our reading of the rule says beforehand; may be empty
};

// As it is at one size.
struct Preset {
  std::string name;  // of the file
  std::string title, source, stated, read;
  std::string base;  // YAML of the configuration
  std::string file;
  Changes effort;  // of all studies: how much is trained at this size
  Search search;
  std::vector<Study> studies;
  std::vector<Claim> claims;
  std::vector<std::string> left_out;  // ids of claims that only a larger size can judge

  const Study& study(std::string_view study_name) const;
  const std::vector<double>& grid(const Study& of) const { return of.grid.empty() ? search.rates : of.grid; }
};

// Throws UserError with all that is wrong with the file.
Preset load_preset(const std::string& path, Size size);
Preset read_preset(std::string_view text, const std::string& name, Size size);

// The preset with one claim and the studies that it rests on; none if it has no claim of that id.
std::optional<Preset> only(const Preset& preset, std::string_view claim);
// Adds to `preset` what `more`, of the same file, has beyond it.
void merge(Preset& preset, const Preset& more);

// Whether greater is a longer time, which a run may end before: then ratios are compared.
bool is_time(std::string_view measure);
// Whether it is a part of a whole, shown in percent and its differences in points.
bool is_share(std::string_view measure);
// What a study of planners measures.
const char* planner_measure(StudyKind kind);
// NAME of time_to_final_of_NAME_s; none of any other measure.
std::optional<std::string> reference_of(std::string_view measure);

}  // namespace psctl::reproduce
