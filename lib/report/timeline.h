// What each worker did when, from the rows of steps.csv, in no more numbers than a page can carry.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace psctl::report {

// Parts of a worker's time, in the order in which they come within a step.
inline constexpr const char* kParts[] = {"data", "compute", "delay", "push", "wait", "pull"};
inline constexpr std::size_t kPartCount = std::size(kParts);

// A row of steps.csv: the push arrived at `at`; data, compute, delay and push came before it, wait and pull after it.
struct StepRow {
  double at = 0;
  std::size_t worker = 0;
  double step = 0;
  double parts[kPartCount] = {};

  double begin() const { return at - parts[0] - parts[1] - parts[2] - parts[3]; }
  double end() const { return at + parts[4] + parts[5]; }
};

struct TimelineLimits {
  std::size_t rows = 20'000;   // that are kept as they are
  std::size_t cells = 25'000;  // of the mixture that stands for what is left out: workers x stretches of time
};

// {"quantum_s", "until_s": exact up to there, "rows": columns in quanta, the first by difference; "cells": where rows
// had to be left out, {"seconds": length of a cell, "workers": [...], "shares": per worker and cell, percents}}.
// Rows come in any order. `workers`: whose rows are kept, ascending; `duration_s`: of the run.
nlohmann::ordered_json timeline(std::vector<StepRow> rows, std::span<const std::size_t> workers, double duration_s,
                                const TimelineLimits& limits);

}  // namespace psctl::report
