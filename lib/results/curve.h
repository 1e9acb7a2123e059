// The mean of several runs along time, epochs or samples, as the plots draw it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "results/run.h"

namespace psctl::results {

struct Curve {
  // The mean, and the ends of its 95 % interval: equal to the mean for one run.
  std::vector<double> x, mean, low, high;
};
// Of columns of evals.csv, such as time_s and test_accuracy, at every x of a run that lies where all runs have values;
// between two evaluations a run is taken to be straight. Rows that lack a finite x or y are left out, and so are runs
// without any other. Throws WorldError for a file that is damaged.
Curve mean_curve(std::span<const Run* const> runs, const std::string& x, const std::string& y);
void to_json(nlohmann::ordered_json& json, const Curve& curve);

}  // namespace psctl::results
