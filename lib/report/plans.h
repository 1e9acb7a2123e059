// What the plan of a sweep says of its runs: their order, their stages, and which of them are missing.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "report/report.h"

namespace psctl::report {

struct Planned {
  std::vector<std::size_t> order;                // places of the folders: those of a sweep as its plan has them
  std::vector<std::vector<std::string>> stages;  // of each folder as it was given; empty without a plan, or a stage
  std::vector<std::string> all_stages;           // in the order of the plans, each once
  std::vector<Problem> problems;                 // a plan that is none, and runs that are missing
};

// `folders`: of runs; those of a sweep lie two levels below its plan.json. `roots`: what was asked for; runs can only
// be missing from a sweep that lies in one of them.
Planned follow_plans(std::span<const std::string> folders, std::span<const std::string> roots);

}  // namespace psctl::report
