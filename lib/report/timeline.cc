#include "report/timeline.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace psctl::report {
namespace {

using Json = nlohmann::ordered_json;

// Of each worker and stretch of time, which share of it went into which part.
Json mixture(std::span<const StepRow> rows, std::span<const std::size_t> workers, double duration_s,
             std::size_t most_cells) {
  const std::size_t count = std::clamp<std::size_t>(most_cells / std::max<std::size_t>(workers.size(), 1), 20, 400);
  const double length = duration_s / static_cast<double>(count);
  std::map<std::size_t, std::size_t> place;
  for (const std::size_t worker : workers) place.emplace(worker, place.size());
  std::vector<double> seconds(workers.size() * count * kPartCount);
  for (const StepRow& row : rows) {
    double from = row.begin();
    for (std::size_t part = 0; part < kPartCount; ++part) {
      const double to = std::min(from + row.parts[part], duration_s);
      for (double begin = std::max(from, 0.0); begin < to;) {
        const std::size_t cell = std::min(count - 1, static_cast<std::size_t>(begin / length));
        const double end = cell + 1 == count ? to : std::min(to, static_cast<double>(cell + 1) * length);
        seconds[(place.at(row.worker) * count + cell) * kPartCount + part] += end - begin;
        // The end of a cell may round to within it.
        begin = end > begin ? end : std::nextafter(to, 2 * to);
      }
      from += row.parts[part];
    }
  }
  Json shares = Json::array();
  for (std::size_t worker = 0; worker < workers.size(); ++worker) {
    Json& of_worker = shares.emplace_back(Json::array());
    for (std::size_t i = 0; i < count * kPartCount; ++i)
      of_worker.push_back(std::lround(100 * seconds[worker * count * kPartCount + i] / length));
  }
  return {{"seconds", length}, {"workers", workers}, {"shares", std::move(shares)}};
}

}  // namespace

Json timeline(std::vector<StepRow> rows, std::span<const std::size_t> workers, double duration_s,
              const TimelineLimits& limits) {
  std::erase_if(rows, [&](const StepRow& row) { return !std::ranges::binary_search(workers, row.worker); });
  std::ranges::sort(rows, [](const StepRow& a, const StepRow& b) {
    return std::pair(a.begin(), a.worker) < std::pair(b.begin(), b.worker);
  });
  for (const StepRow& row : rows) duration_s = std::max(duration_s, row.end());
  constexpr double kQuanta = 1e6;
  const double quantum = duration_s > 0 ? duration_s / kQuanta : 1;
  Json result = {{"quantum_s", quantum}, {"until_s", duration_s}, {"total_rows", rows.size()}};
  if (rows.size() > limits.rows) {
    result["until_s"] = std::max(0.0, rows[limits.rows].begin());
    result["cells"] = mixture(rows, workers, duration_s, limits.cells);
    rows.resize(limits.rows);
  }
  const auto in_quanta = [&](double seconds) { return std::llround(seconds / quantum); };
  Json worker = Json::array(), step = Json::array(), at = Json::array();
  std::vector<Json> parts(kPartCount, Json::array());
  long long before = 0;
  for (const StepRow& row : rows) {
    worker.push_back(row.worker);
    step.push_back(static_cast<std::uint64_t>(row.step));
    at.push_back(in_quanta(row.at) - before);
    before = in_quanta(row.at);
    for (std::size_t part = 0; part < kPartCount; ++part) parts[part].push_back(in_quanta(row.parts[part]));
  }
  Json& columns = result["rows"] = {{"worker", std::move(worker)}, {"step", std::move(step)}, {"at", std::move(at)}};
  for (std::size_t part = 0; part < kPartCount; ++part) columns[kParts[part]] = std::move(parts[part]);
  return result;
}

}  // namespace psctl::report
