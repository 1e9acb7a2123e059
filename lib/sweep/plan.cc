#include "sweep/plan.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>

#include "base/sha256.h"
#include "base/text.h"
#include "config/config.h"
#include "config/schema.h"
#include "config/tree.h"
#include "run/train.h"
#include "run/version.h"

namespace psctl::sweep {
namespace {

using config::Node;
using Json = nlohmann::ordered_json;

std::string digest_of(const std::string& text) { return sha256(std::as_bytes(std::span(text))); }

// The section whose keys stand below `path`; null if the schema knows none.
const config::Section* section_at(std::string_view path) {
  const config::Section* section = &config::root_section();
  for (const std::string& part : config::parts_of(path)) {
    const config::Field* field = section->find(part, std::nullopt);
    section = field && !field->value->is_list() ? field->value->section() : nullptr;
    if (!section) return nullptr;
  }
  return section;
}

// Down to single values; a word that stands for its kind under the kind's key.
void flatten(const std::string& path, const Node& node, Point& point) {
  if (node.kind == Node::Kind::kMap) {
    for (const config::Entry& entry : node.entries) flatten(config::joined(path, entry.key), entry.value, point);
    return;
  }
  const config::Section* section = node.kind == Node::Kind::kScalar ? section_at(path) : nullptr;
  const bool stands_alone = section && section->kind_alone() && section->kind_field();
  point.emplace_back(stands_alone ? config::joined(path, section->kind_field()->key) : path, config::to_line(node));
}

Node node_of(const std::string& value) {
  config::Faults faults(value, {});
  auto node = config::parse_value(value, 0, faults);
  return node ? *node : Node::scalar(value);
}

Point flat(const Point& point) {
  Point result;
  for (const auto& [key, value] : point) flatten(key, node_of(value), result);
  return result;
}

Json json_of(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return nullptr;
    case Node::Kind::kList: {
      Json list = Json::array();
      for (const Node& item : node.items) list.push_back(json_of(item));
      return list;
    }
    case Node::Kind::kMap: {
      Json map = Json::object();
      for (const config::Entry& entry : node.entries) map[entry.key] = json_of(entry.value);
      return map;
    }
    case Node::Kind::kScalar:
      break;
  }
  if (!node.plain) return node.text;
  Json value = Json::parse(node.text, nullptr, false);
  return value.is_number() || value.is_boolean() ? value : Json(node.text);
}

// Whether two values are the same, as 0.10 and 0.1 are.
bool same_value(const std::string& a, const std::string& b) { return json_of(node_of(a)) == json_of(node_of(b)); }

bool has_all(const Point& point, const Point& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& pair) {
    const auto found = std::ranges::find(point, pair.first, &Point::value_type::first);
    return found != point.end() && same_value(found->second, pair.second);
  });
}

constexpr double kMostPoints = 1'000'000;

// Every combination of the axes' values, the last axis turning fastest. One point for no axes.
std::vector<Point> product(const std::vector<Axis>& axes) {
  double count = 1;
  for (const Axis& axis : axes) count *= static_cast<double>(axis.values.size());
  if (count > kMostPoints) {
    std::vector<std::string> factors;
    for (const Axis& axis : axes) factors.push_back(fmt::format("{} of {}", axis.values.size(), axis.key));
    throw PlanError(fmt::format("the grid has {} points, at most {:.0f} are allowed: {}; give fewer values",
                                count < 1e15 ? fmt::format("{:.0f}", count) : fmt::format("{:.3g}", count), kMostPoints,
                                enumerate(factors)));
  }
  std::vector<Point> points = {{}};
  for (const Axis& axis : axes) {
    std::vector<Point> longer;
    for (const Point& point : points) {
      for (const std::string& value : axis.values) {
        longer.push_back(point);
        longer.back().emplace_back(axis.key, value);
      }
    }
    points = std::move(longer);
  }
  return points;
}

// As for psctl train; what sets a section stands before what sets a key in it, so that neither undoes the other.
std::vector<std::string> overrides_of(const std::vector<std::string>& changes, const Point& point) {
  std::vector<std::string> overrides = changes;
  for (const auto& [key, value] : point) overrides.push_back(key + "=" + value);
  std::ranges::stable_sort(overrides, {}, [](const std::string& change) {
    const std::string_view path = std::string_view(change).substr(0, change.find('='));
    return std::ranges::count(path, '.');
  });
  return overrides;
}

// A fault, and the points that have it: many points often share one.
class PointFaults {
 public:
  void add(const std::string& fault, const Point& point) {
    const auto [found, is_new] = points_.try_emplace(fault);
    if (is_new) order_.push_back(fault);
    found->second.push_back(to_text(point));
  }
  void tell(std::size_t points) const {
    constexpr std::size_t kNamed = 3;
    std::vector<std::string> lines;
    for (const std::string& fault : order_) {
      const std::vector<std::string>& at = points_.at(fault);
      std::string where;
      if (at.size() == points && points > 1) {
        where = "at every point";
      } else {
        std::vector<std::string> named(at.begin(), at.begin() + std::min(at.size(), kNamed));
        if (at.size() > kNamed) named.push_back(fmt::format("{} more", at.size() - kNamed));
        where = "at " + enumerate(named);
      }
      lines.push_back(points > 1 || at.front() != to_text(Point{}) ? fmt::format("{} ({})", fault, where) : fault);
    }
    if (!lines.empty()) throw PlanError(fmt::format("{}", fmt::join(lines, "\n")));
  }

 private:
  std::map<std::string, std::vector<std::string>> points_;
  std::vector<std::string> order_;
};

}  // namespace

std::string to_text(const Point& point) {
  if (point.empty()) return "the only point";
  std::string text;
  for (const auto& [key, value] : point) text += fmt::format("{}{}={}", text.empty() ? "" : " ", key, value);
  return text;
}

std::string to_json(const Plan& plan) {
  Json root;
  root["format"] = 1;
  root["name"] = plan.name;
  root["axes"] = Json::array();
  for (const Axis& axis : plan.axes) {
    Json values = Json::array();
    for (const std::string& value : axis.values) values.push_back(json_of(node_of(value)));
    root["axes"].push_back({{"key", axis.key}, {"values", std::move(values)}});
  }
  root["runs"] = Json::array();
  for (const PlannedRun& run : plan.runs) {
    Json point = Json::object();
    for (const auto& [key, value] : run.point) point[key] = json_of(node_of(value));
    root["runs"].push_back({{"id", run.id},
                            {"stage", run.stage},
                            {"point", std::move(point)},
                            {"overrides", run.overrides},
                            {"folder", run.folder()}});
  }
  return root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

PlannedRun Planner::plan(const config::RunConfig& config, Point point, const std::string& stage,
                         std::vector<std::string> overrides) {
  const bool timing_only = config.model.kind == learn::ModelKind::kNone;
  PlannedRun run{
      .id = {}, .stage = stage, .point = std::move(point), .config = config, .overrides = std::move(overrides)};
  config::RunConfig nameless = config;
  nameless.name = "run";
  std::string content = fmt::format("psctl {}\n{}", run::kVersion, config::to_yaml(nameless));
  if (!timing_only) {
    // Only this decides what is prepared.
    config::RunConfig about;
    about.model.kind = learn::ModelKind::kLogistic;
    about.data.source = config.data.source;
    about.data.import = config.data.import;
    about.data.test.files = config.data.test.files;
    about.data.validation.files = config.data.validation.files;
    std::shared_ptr<const data::Ready>& ready = ready_[config::to_yaml(about)];
    if (!ready) {
      run::Workbench bench(config);
      ready = std::make_shared<const data::Ready>(bench.data());
      notices_.insert(notices_.end(), ready->notices.begin(), ready->notices.end());
    }
    run.data = ready;
    for (const std::byte byte : ready->prepared->source()) content += fmt::format("{:02x}", static_cast<int>(byte));
  }
  run::check(run::Workbench(config, timing_only ? data::Ready{} : *run.data));
  for (const delay::Rule& rule : config.stragglers) {
    if (!rule.file.empty()) content += "\n" + sha256_of_file(rule.file);
  }
  run.id = fmt::format("{}-seed{}-{}", config.strategy.name, config.seed, digest_of(content).substr(0, 16));
  return run;
}

Planned make_plan(const std::string& path, const Grid& grid, const std::string& name, Planner& planner,
                  const std::string& stage) {
  const std::string text = config::read_file(path);
  std::vector<Point> points = product(grid.axes);
  PointFaults faults;
  for (const Point& wanted : grid.exclude) {
    const Point flat_wanted = flat(wanted);
    if (std::erase_if(points, [&](const Point& point) { return has_all(flat(point), flat_wanted); }) == 0) {
      throw PlanError(fmt::format("exclude: no point of the grid has {}; remove it", to_text(wanted)));
    }
  }
  if (grid.axes.empty() && !grid.include.empty()) points.clear();
  points.insert(points.end(), grid.include.begin(), grid.include.end());
  if (points.empty()) throw PlanError("exclude leaves no point of the grid");

  Planned planned{.plan = {.name = name, .axes = grid.axes, .runs = {}}, .notices = {}};
  std::set<std::string> ids, told;
  for (const Point& point : points) {
    try {
      std::vector<std::string> overrides = overrides_of(grid.changes, point);
      config::Loaded loaded = config::load_text(text, path, overrides);
      for (const std::string& notice : loaded.notices) {
        if (told.insert(notice).second) planned.notices.push_back(notice);
      }
      PlannedRun run = planner.plan(loaded.run, flat(point), stage, std::move(overrides));
      if (ids.insert(run.id).second) {
        planned.plan.runs.push_back(std::move(run));
      } else {
        ++planned.duplicates;
      }
    } catch (const config::ConfigError& error) {
      for (const std::string& fault : error.faults()) faults.add(fault, point);
    } catch (const UserError& error) {
      faults.add(error.what(), point);
    }
  }
  faults.tell(points.size());
  return planned;
}

}  // namespace psctl::sweep
