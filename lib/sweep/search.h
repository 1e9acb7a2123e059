// The one search of a value, such as a learning rate, that `psctl sweep --tune` and `psctl reproduce` share: what the
// runs of each value came to, which value is best, and which ones to try next.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "results/outcome.h"

namespace psctl::sweep {

// The runs of one value, over the seeds of the search.
struct Trial {
  double value = 0;
  std::vector<results::Outcome> accuracy = {};  // final
  std::vector<results::Outcome> time_s = {};    // to the target; empty where there is none

  double mean_accuracy() const;                 // 0 of no runs
  std::optional<double> median_time_s() const;  // nothing where too many are censored to tell
  std::size_t censored() const;                 // times
  std::size_t diverged() const;
  bool all_diverged() const { return !accuracy.empty() && diverged() == accuracy.size(); }
};

struct Candidate {
  double value = 0;
  std::vector<std::string> folders = {};  // of its runs
};
// A trial a candidate, in their order. All their runs are one comparison. A run that failed, or cannot be read, ranks
// as one that diverged.
std::vector<Trial> read_trials(std::span<const Candidate> candidates);

// By the median time to the target; where that is equal, or known of neither, by the mean accuracy; of equal ones the
// one of which fewer diverged.
bool better(const Trial& a, const Trial& b);
// Of at least one; the first of equal ones.
std::size_t best_of(std::span<const Trial> trials);

// The values that come next where a best lies at an end of these, ascending: one step further by the ratio that the
// values have there, to three digits.
std::vector<double> next_values(std::span<const double> values, bool below, bool above);

}  // namespace psctl::sweep
