#include "report/plans.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/text.h"

namespace psctl::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Place {
  std::size_t number = 0;
  std::vector<std::string> stages;
};
// By where the run is.
using Plan = std::map<fs::path, Place>;

// Throws nlohmann's exceptions for what is no plan.
Plan read_plan(const fs::path& sweep, std::vector<std::string>& all_stages) {
  std::ifstream file(sweep / "plan.json", std::ios::binary);
  const Json json = Json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
  Plan plan;
  for (const Json& run : json.at("runs")) {
    const auto where = (sweep / run.at("folder").get<std::string>()).lexically_normal();
    Place& place = plan.try_emplace(where, Place{.number = plan.size(), .stages = {}}).first->second;
    const std::string stage = run.value("stage", "");
    if (stage.empty()) continue;
    place.stages.push_back(stage);
    if (std::ranges::find(all_stages, stage) == all_stages.end()) all_stages.push_back(stage);
  }
  return plan;
}

bool is_within(const fs::path& folder, const fs::path& root) {
  return std::mismatch(root.begin(), root.end(), folder.begin(), folder.end()).first == root.end();
}

}  // namespace

Planned follow_plans(std::span<const std::string> folders, std::span<const std::string> roots) {
  Planned planned;
  planned.stages.resize(folders.size());
  std::map<fs::path, Plan> plans;  // by the sweep's folder; empty where there is none
  std::vector<std::pair<std::size_t, std::size_t>> keys;
  std::map<fs::path, std::size_t> first;    // run of each sweep
  std::map<fs::path, std::size_t> present;  // of the runs of a plan
  for (std::size_t i = 0; i < folders.size(); ++i) {
    std::error_code error;
    const fs::path run = fs::canonical(folders[i], error), sweep = run.parent_path().parent_path();
    const auto [plan, fresh] = plans.try_emplace(sweep);
    if (fresh && fs::is_regular_file(sweep / "plan.json", error)) {
      try {
        plan->second = read_plan(sweep, planned.all_stages);
      } catch (const Json::exception& damage) {
        planned.problems.push_back(
            {(sweep / "plan.json").string(), fmt::format("is no plan of a sweep: {}", damage.what())});
      }
    }
    const auto place = plan->second.find(run);
    if (place == plan->second.end()) {
      keys.emplace_back(i, 0);
      continue;
    }
    planned.stages[i] = place->second.stages;
    ++present[sweep];
    keys.emplace_back(first.try_emplace(sweep, i).first->second, place->second.number);
  }
  for (const auto& [sweep, plan] : plans) {
    const std::size_t missing = plan.size() - present[sweep];
    const bool asked = std::ranges::any_of(roots, [&](const std::string& root) {
      std::error_code error;
      return is_within(sweep, fs::canonical(root, error));
    });
    if (missing && asked)
      planned.problems.push_back(
          {sweep.string(), fmt::format("{} of {} planned are not there", counted(missing, "run"), plan.size())});
  }
  planned.order.resize(folders.size());
  std::iota(planned.order.begin(), planned.order.end(), 0);
  std::ranges::stable_sort(planned.order, {}, [&](std::size_t i) { return keys[i]; });
  return planned;
}

}  // namespace psctl::report
