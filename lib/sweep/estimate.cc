// How long a plan will take, measured and not guessed.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include "base/text.h"
#include "sweep/job.h"
#include "sweep/runner.h"

namespace psctl::sweep {
namespace {

namespace fs = std::filesystem;

constexpr double kTrialSeconds = 2;
constexpr std::size_t kMostTrials = 8;

// Between the first file of a finished run and the last one.
std::optional<double> wall_of(const std::string& folder) {
  std::error_code error;
  const auto began = fs::last_write_time(folder + "/config.yaml", error);
  if (error) return std::nullopt;
  const auto ended = fs::last_write_time(folder + "/summary.json", error);
  if (error || ended < began) return std::nullopt;
  return std::chrono::duration<double>(ended - began).count();
}

// Wall seconds of the run, from its first seconds if it takes longer. Nothing if it did not come far enough to tell.
std::optional<double> try_out(const PlannedRun& run, const std::atomic<bool>* interrupted) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("psctl-trial-{}-{}", ::getpid(), run.id);
  Job job(run, folder, 1);
  while (!job.look()) {
    if (interrupted && *interrupted) return std::nullopt;
    if (job.wall_s() > kTrialSeconds && job.share() > 0) return job.wall_s() / job.share();
    if (job.wall_s() > 4 * kTrialSeconds) return std::nullopt;
    pollfd file{job.descriptor(), POLLIN, 0};
    ::poll(&file, 1, 50);
    if (file.revents & POLLHUP) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return job.well() ? std::optional(job.wall_s()) : std::nullopt;
}

}  // namespace

Estimate estimate(const Plan& plan, const std::string& folder, const Options& options) {
  const std::vector<bool> there = present(plan, folder);
  std::map<std::string, std::pair<double, std::size_t>> by_strategy;  // seconds and how many
  std::pair<double, std::size_t> all;
  const auto learn = [&](const PlannedRun& run, std::optional<double> seconds) {
    if (!seconds) return;
    for (auto* sum : {&by_strategy[run.config.strategy.name], &all}) sum->first += *seconds, ++sum->second;
  };
  std::size_t missing = 0;
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (there[i]) learn(plan.runs[i], wall_of(folder + "/" + plan.runs[i].folder()));
    if (!there[i]) ++missing;
  }
  if (missing == 0) return {.seconds = 0, .told = "nothing is missing"};
  std::string told = fmt::format("from {} that {} there", counted(all.second, "run"), all.second == 1 ? "is" : "are");
  if (all.second == 0) {
    std::size_t trials = 0;
    for (const PlannedRun& run : plan.runs) {
      if (by_strategy.contains(run.config.strategy.name) || trials == kMostTrials) continue;
      ++trials;
      by_strategy[run.config.strategy.name];
      learn(run, try_out(run, options.interrupted));
    }
    if (all.second == 0) return {.seconds = 0, .told = "no trial came far enough to tell"};
    told = fmt::format("from {}", counted(all.second, "short trial"));
  }
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t jobs = options.jobs > 0 ? options.jobs : cores;
  double seconds = 0;
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (there[i]) continue;
    const PlannedRun& run = plan.runs[i];
    const auto& [sum, count] = by_strategy[run.config.strategy.name];
    const double mean = count > 0 ? sum / static_cast<double>(count) : all.first / static_cast<double>(all.second);
    seconds += mean / static_cast<double>(side_by_side(run, jobs));
  }
  return {.seconds = seconds, .told = told};
}

}  // namespace psctl::sweep
