// What a page knows about runs, as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/report.h"

namespace psctl::report {

struct Data {
  nlohmann::ordered_json json;
  std::vector<Problem> problems;
  std::vector<std::string> thinned;
};

Data collect(const Request& request);

}  // namespace psctl::report
