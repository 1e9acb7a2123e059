#include "reproduce/planner_study.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "sync/planner.h"

namespace psctl::reproduce {
namespace {

using sync::Forecast;

struct Named {
  sync::Planner planner;
  std::optional<Step> lookahead;
};

// "zipline", or "zipline 240" with a lookahead.
Named planner_named(const Preset& preset, const Study& study, const Contender& contender) {
  const std::vector<std::string> words = sync::planner_parameter().choices;
  const std::size_t blank = contender.strategy.find(' ');
  const std::string word = contender.strategy.substr(0, blank);
  const std::string lookahead = blank == std::string::npos ? "" : contender.strategy.substr(blank + 1);
  if (std::ranges::find(words, word) == words.end() || lookahead.size() > 4 ||
      lookahead.find_first_not_of("0123456789") != std::string::npos) {
    throw UserError(fmt::format("{}, study {}: '{}' is no planner, nor one with a lookahead; there are {}", preset.file,
                                study.name, contender.strategy, enumerate(words)));
  }
  const sync::Parameters parameters(
      std::map<std::string, sync::ParameterValue, std::less<>>{{sync::planner_parameter().name, word}});
  return {.planner = sync::planner(parameters),
          .lookahead = lookahead.empty() ? std::nullopt : std::optional<Step>(std::stoul(lookahead))};
}

std::size_t number_of(const Preset& preset, const Study& study, const Setting& setting, const std::string& key) {
  for (const std::string& change : setting.changes) {
    if (!change.starts_with(key + "=")) continue;
    const std::string text = change.substr(key.size() + 1);
    if (!text.empty() && text.size() < 7 && text.find_first_not_of("0123456789") == std::string::npos && text != "0") {
      return std::stoul(text);
    }
  }
  throw UserError(fmt::format("{}, study {}, setting {}: {} is needed, a whole number from 1 on", preset.file,
                              study.name, setting.profile, key));
}

// The least spread of all choices of one ending of each worker.
Duration least_spread(const std::vector<Forecast>& workers, Step lookahead, std::size_t worker = 0,
                      Duration earliest = Duration::max(), Duration latest = Duration::min()) {
  if (worker == workers.size()) return latest - earliest;
  Duration least = Duration::max();
  for (Step i = 0; i < lookahead; ++i) {
    const Duration end = workers[worker].first + static_cast<Duration::rep>(i) * workers[worker].interval;
    least =
        std::min(least, least_spread(workers, lookahead, worker + 1, std::min(earliest, end), std::max(latest, end)));
  }
  return least;
}

// Small matrices of small whole numbers: ties are frequent.
double misses(sync::Planner planner, std::size_t cases, std::uint64_t seed) {
  std::size_t missed = 0;
  for (std::size_t i = 0; i < cases; ++i) {
    Draws draws({.seed = seed, .purpose = Purpose::kCluster, .worker = i, .step = 1});
    std::vector<Forecast> workers(2 + draws.below(4));
    const Step lookahead = 1 + draws.below(5);
    for (Forecast& worker : workers) {
      worker.first = Duration(static_cast<Duration::rep>(draws.below(30)));
      worker.interval = Duration(static_cast<Duration::rep>(1 + draws.below(20)));
    }
    if (sync::plan(planner, workers, lookahead).spread() > least_spread(workers, lookahead)) ++missed;
  }
  return static_cast<double>(missed);
}

// The median of the repeats. Clusters as the authors' generator draws them: one interval a worker of 1000 to 1500 ms,
// and a start of 0 to n ms.
double microseconds(sync::Planner planner, std::size_t count, Step lookahead, std::size_t repeats, std::uint64_t seed) {
  std::vector<double> taken;
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    std::vector<Forecast> workers(count);
    for (std::size_t i = 0; i < count; ++i) {
      Draws draws({.seed = seed, .purpose = Purpose::kCluster, .worker = i, .step = 2 + repeat});
      const auto ms = [&](double value) { return Duration(static_cast<Duration::rep>(value * 1e6)); };
      workers[i].interval = ms(1000 + 500 * draws.uniform());
      workers[i].first = ms(static_cast<double>(count) * draws.uniform());
    }
    const auto began = std::chrono::steady_clock::now();
    const sync::Plan plan = sync::plan(planner, workers, lookahead);
    const auto ended = std::chrono::steady_clock::now();
    PSCTL_CHECK(plan.quotas.size() == count);
    taken.push_back(std::chrono::duration<double, std::micro>(ended - began).count());
  }
  std::ranges::nth_element(taken, taken.begin() + static_cast<std::ptrdiff_t>(taken.size() / 2));
  return taken[taken.size() / 2];
}

}  // namespace

void check_planner_study(const Preset& preset, const Study& study) {
  for (const Contender& contender : study.contenders) planner_named(preset, study, contender);
  const std::vector<std::string> keys = study.kind == StudyKind::kPlannerExact
                                            ? std::vector<std::string>{"cases"}
                                            : std::vector<std::string>{"workers", "lookahead", "repeats"};
  for (const Setting& setting : study.settings) {
    for (const std::string& key : keys) number_of(preset, study, setting, key);
    if (setting.changes.size() == keys.size() && setting.drawn.empty()) continue;
    throw UserError(fmt::format("{}, study {}, setting {}: has no effect but by {}; remove what else there is",
                                preset.file, study.name, setting.profile, enumerate(keys)));
  }
}

std::map<Cell, std::vector<double>> measure_planners(const std::vector<Preset>& presets, std::size_t preset,
                                                     std::size_t of) {
  const Preset& one = presets[preset];
  const Study& study = one.studies[of];
  check_planner_study(one, study);
  std::map<Cell, std::vector<double>> measured;
  for (std::size_t s = 0; s < study.settings.size(); ++s) {
    const auto number = [&](const char* key) { return number_of(one, study, study.settings[s], key); };
    for (std::size_t c = 0; c < study.contenders.size(); ++c) {
      const Named planner = planner_named(one, study, study.contenders[c]);
      std::vector<double>& numbers = measured[{.preset = preset, .study = of, .setting = s, .contender = c}];
      for (std::size_t seed = 1; seed <= study.seeds; ++seed) {
        numbers.push_back(study.kind == StudyKind::kPlannerExact
                              ? misses(planner.planner, number("cases"), seed)
                              : microseconds(planner.planner, number("workers"),
                                             planner.lookahead ? *planner.lookahead : number("lookahead"),
                                             number("repeats"), seed));
      }
    }
  }
  return measured;
}

}  // namespace psctl::reproduce
