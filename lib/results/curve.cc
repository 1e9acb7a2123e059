#include "results/curve.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "results/columns.h"
#include "stats/interval.h"

namespace psctl::results {
namespace {

struct Points {
  std::vector<double> x, y;  // x ascending
};

Points read_points(const Run& run, const std::string& x, const std::string& y) {
  Points points;
  const std::string path = run.path() + "/evals.csv";
  if (!std::filesystem::exists(path)) return points;
  const std::vector<Column> columns = read_columns(path, {x, y});
  for (std::size_t i = 0; i < columns[0].size(); ++i) {
    if (!std::isfinite(columns[0][i]) || !std::isfinite(columns[1][i])) continue;
    points.x.push_back(columns[0][i]);
    points.y.push_back(columns[1][i]);
  }
  return points;
}

// At a place between the first x and the last.
double value_at(const Points& points, double x) {
  const auto right = std::ranges::lower_bound(points.x, x);
  const auto i = static_cast<std::size_t>(right - points.x.begin());
  if (*right == x || i == 0) return points.y[i];
  const double share = (x - points.x[i - 1]) / (points.x[i] - points.x[i - 1]);
  return points.y[i - 1] + share * (points.y[i] - points.y[i - 1]);
}

}  // namespace

Curve mean_curve(std::span<const Run* const> runs, const std::string& x, const std::string& y) {
  std::vector<Points> all;
  Curve curve;
  double begin = -std::numeric_limits<double>::infinity(), end = -begin;
  for (const Run* run : runs) {
    Points points = read_points(*run, x, y);
    if (points.x.empty()) continue;
    begin = std::max(begin, points.x.front());
    end = std::min(end, points.x.back());
    curve.x.insert(curve.x.end(), points.x.begin(), points.x.end());
    all.push_back(std::move(points));
  }
  std::ranges::sort(curve.x);
  const auto [last, past] = std::ranges::unique(curve.x);
  curve.x.erase(last, past);
  std::erase_if(curve.x, [&](double place) { return place < begin || place > end; });
  std::vector<double> values(all.size());
  for (const double place : curve.x) {
    std::ranges::transform(all, values.begin(), [&](const Points& points) { return value_at(points, place); });
    const stats::Interval interval = stats::interval(values);
    const bool alone = values.size() < 2;
    curve.mean.push_back(interval.mean);
    curve.low.push_back(alone ? interval.mean : interval.low);
    curve.high.push_back(alone ? interval.mean : interval.high);
  }
  return curve;
}

void to_json(nlohmann::ordered_json& json, const Curve& curve) {
  json = {{"x", curve.x}, {"mean", curve.mean}, {"low", curve.low}, {"high", curve.high}};
}

}  // namespace psctl::results
