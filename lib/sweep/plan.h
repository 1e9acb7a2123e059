// What a sweep is going to run: every point of a grid resolved, checked and named by its content before anything
// starts, so that the same run is made once, whoever asks for it and however often.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/run_config.h"
#include "run/workbench.h"

namespace psctl::sweep {

// A key of the configuration and its values, each as YAML on one line.
struct Axis {
  std::string key;
  std::vector<std::string> values;
};

// Where a run lies in its grid: keys down to single values, as in strategy.name, and the values as YAML on one line.
using Point = std::vector<std::pair<std::string, std::string>>;
std::string to_text(const Point& point);  // "strategy.name=ssp seed=3"; "the only point" for none

struct PlannedRun {
  std::string id;     // strategy and seed for people, then 16 hexadecimal digits of the SHA-256 of its content
  std::string stage;  // of the sweep, such as search; empty where there is only one
  Point point;
  config::RunConfig config;
  std::vector<std::string> overrides;         // for the record
  std::shared_ptr<const data::Ready> data{};  // null for timing only

  std::string folder() const { return "runs/" + id; }  // in that of the sweep
};

struct Plan {
  std::string name;
  std::vector<Axis> axes;
  std::vector<PlannedRun> runs;  // no id twice within a stage
};

// The text of plan.json.
std::string to_json(const Plan& plan);

// Everything that is wrong with the points of a plan, a line each.
class PlanError : public UserError {
  using UserError::UserError;
};

// Makes planned runs of configurations. What a run would refuse before it starts is refused here; data that several
// of them share are made ready once.
class Planner {
 public:
  // Throws UserError. The name does not matter to a run's identity.
  PlannedRun plan(const config::RunConfig& config, Point point, const std::string& stage = {},
                  std::vector<std::string> overrides = {});
  // Of the data that were made ready, once each.
  const std::vector<std::string>& notices() const { return notices_; }

 private:
  std::map<std::string, std::shared_ptr<const data::Ready>> ready_;  // by what decides it
  std::vector<std::string> notices_;
};

// The points that a command line and a grid file describe.
struct Grid {
  std::vector<Axis> axes;            // the last one turns fastest
  std::vector<Point> include;        // points of their own, beside the product of the axes
  std::vector<Point> exclude;        // points of the product that have all these values are left out
  std::vector<std::string> changes;  // of every point: KEY=VALUE, +KEY=VALUE, ~KEY
};

// `words`: KEY=V1,V2 is an axis, where commas within brackets, braces and quotes do not count and range(A,B[,STEP])
// stands for the numbers from A to before B; what has one value, or is +KEY=VALUE or ~KEY, is a change of every point.
// `file`: YAML with `grid: {KEY: [values]}`, `include: [{KEY: value}]` and `exclude: [{KEY: value}]`; empty: none. An
// axis of the command line takes the place of the file's axis of the same key. Throws UserError with all faults.
Grid parse_grid(const std::vector<std::string>& words, const std::string& file = {});

struct Planned {
  Plan plan;
  std::size_t duplicates = 0;        // points that resolve to the same run as one before
  std::vector<std::string> notices;  // a sentence each, once
};

// Every point of the grid on the configuration that `path` held when it was read. Throws PlanError with the faults of
// all points.
Planned make_plan(const std::string& path, const Grid& grid, const std::string& name, Planner& planner,
                  const std::string& stage = {});

}  // namespace psctl::sweep
