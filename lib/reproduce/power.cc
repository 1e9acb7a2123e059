#include "reproduce/power.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "config/config.h"
#include "stats/sustained.h"

namespace psctl::reproduce {
namespace {

constexpr std::size_t kExperiments = 300, kFewExperiments = 100;
constexpr std::size_t kMostComparisons = 24;  // that are simulated of a claim
constexpr double kSimulatedRounding = 1e-9;

// A learning curve, in parts of the reference's run: accuracy `kLevel` less what falls by e every `kTime`.
constexpr double kLevel = 0.85, kGuessing = 0.1, kTime = 0.15;
constexpr double kTargetPart = 0.5;  // of its run, at which the reference reaches a fixed target
constexpr double kUsualGrid = 1.0 / 40;

double accuracy_at(double part) { return kLevel - (kLevel - kGuessing) * std::exp(-part / kTime); }

struct Curve {
  std::vector<double> time, accuracy;
  double end = 0;
};

class Simulation {
 public:
  Simulation(const Preset& preset, const Claim& claim, const Noise& noise, const FinalTarget& target)
      : claim_(claim), noise_(noise), target_(target), seeds_(preset.study(claim.study).seeds) {
    const Study& study = preset.study(claim.study);
    measured_ = noise.spread.has_value();
    if (!measured_) noise_.spread = study.spread;
    curves_ = claim.measure == "time_to_target_s" || reference_of(claim.measure).has_value();
    if (curves_) read_schedule(preset, study);
    settings_ = static_cast<std::size_t>(std::ranges::count_if(study.settings, [&](const Setting& setting) {
      return claim.profiles.empty() || std::ranges::find(claim.profiles, setting.profile) != claim.profiles.end();
    }));
    if (!claim.grows_from.empty()) settings_ = 1;
    subjects_ = claim.order.empty() ? claim.subjects.size() : claim.order.size() - 1;
    rivals_ = claim.order.empty() && claim.grows_from.empty() ? claim.rivals.size() : 1;
    comparisons_ = !claim.order.empty() || claim.any_subject ? subjects_ * rivals_ : 1;
    settings_ = std::max<std::size_t>(1, std::min(settings_, kMostComparisons / std::max<std::size_t>(1, subjects_ * rivals_)));
  }

  bool possible() const {
    return noise_.spread || claim_.scale == Scale::kRatio || is_share(claim_.measure) || !claim_.grows_from.empty();
  }

  // Part of the simulated campaigns in which the claim is held. `effect` on the scale.
  double held(double effect, std::size_t experiments = kExperiments) const {
    std::size_t held = 0;
    for (std::size_t experiment = 0; experiment < experiments; ++experiment) {
      Draws draws({.seed = 1, .purpose = Purpose::kBootstrap, .worker = 1, .step = experiment});
      std::vector<Verdict> of_settings;
      for (std::size_t setting = 0; setting < settings_; ++setting) {
        std::vector<Verdict> of_subjects;
        for (std::size_t subject = 0; subject < subjects_; ++subject) {
          std::vector<Verdict> of_rivals;
          for (std::size_t rival = 0; rival < rivals_; ++rival) of_rivals.push_back(one(effect, draws));
          of_subjects.push_back(of_each(of_rivals));
        }
        of_settings.push_back(claim_.any_subject ? of_any(of_subjects) : of_each(of_subjects));
      }
      if (of_each(of_settings) == Verdict::kHeld) ++held;
    }
    return static_cast<double>(held) / static_cast<double>(experiments);
  }

  // The effect that is nearest to none and has enough power, in the direction of the region.
  std::optional<double> detectable() const {
    const double direction = std::isfinite(claim_.region.high) ? -1 : 1;
    const double bound = direction < 0 ? claim_.region.high : claim_.region.low;
    double near = 0, far = 3;  // a ratio of 20; no share is greater
    if (held(bound + direction * far, kFewExperiments) < kEnoughPower) return std::nullopt;
    for (int step = 0; step < 9; ++step) {
      const double middle = (near + far) / 2;
      (held(bound + direction * middle, kFewExperiments) < kEnoughPower ? near : far) = middle;
    }
    return bound + direction * far;
  }

  std::string assumes() const {
    const std::string spread = claim_.scale == Scale::kRatio || !is_share(claim_.measure)
                                   ? fmt::format("{:.2g} %", 100 * deviation())
                                   : fmt::format("{:.2g} points", 100 * deviation());
    std::string text = fmt::format("an effect spreads by {} over the seeds ({})", spread,
                                   measured_ ? "of the runs that are there" : "assumed");
    if (curves_) {
      text += fmt::format("; an evaluation by {:.2g} points; {}", 100 * noise_.of_evaluation,
                          same_time_ ? "all have the same time" : "all have the same epochs");
    }
    return text;
  }

 private:
  void read_schedule(const Preset& preset, const Study& study) {
    Changes changes = study.changes;
    std::ranges::copy(study.settings.front().changes, std::back_inserter(changes));
    changes.push_back("strategy=" + study.contenders.front().strategy);
    const config::RunConfig run = config::load_text(preset.base, preset.file, changes).run;
    same_time_ = run.stop.time_s.has_value();
    by_epochs_ = run.evaluate.every_epochs.has_value();
    if (run.stop.time_s && run.evaluate.every_s) grid_ = *run.evaluate.every_s / *run.stop.time_s;
    if (run.stop.epochs && run.evaluate.every_epochs) grid_ = *run.evaluate.every_epochs / *run.stop.epochs;
  }

  double deviation() const {
    if (noise_.spread) return *noise_.spread;
    return claim_.scale == Scale::kRatio || !claim_.grows_from.empty() ? noise_.of_ratio : noise_.of_share;
  }

  // One that takes `factor` of the reference's time for the same progress.
  Curve curve(double factor, Draws& draws) const {
    Curve curve;
    curve.end = same_time_ ? 1 : factor;
    const double step = by_epochs_ ? grid_ * factor : grid_;
    for (double time = 0; time < curve.end + step / 2; time += step) {
      curve.time.push_back(std::min(time, curve.end));
      curve.accuracy.push_back(accuracy_at(curve.time.back() / factor) + noise_.of_evaluation * draws.normal());
    }
    return curve;
  }

  static Measured reached(const Curve& curve, double target) {
    std::vector<stats::Look> looks;
    for (std::size_t i = 0; i < curve.accuracy.size(); ++i) looks.push_back({i, curve.accuracy[i]});
    const auto first = stats::first_sustained(looks, target);
    if (!first) return {.value = curve.end, .censored = true};
    const double time = std::max(curve.time[*first], kSimulatedRounding);
    return {.value = time, .resolution = *first > 0 ? time - curve.time[*first - 1] : time};
  }

  double target_of(const Curve& reference) const {
    if (claim_.measure == "time_to_target_s") return accuracy_at(kTargetPart);
    const std::size_t last = std::min(target_.evaluations, reference.accuracy.size());
    return std::accumulate(reference.accuracy.end() - static_cast<std::ptrdiff_t>(last), reference.accuracy.end(), 0.0) /
               static_cast<double>(last) -
           target_.margin;
  }

  Verdict one(double effect, Draws& draws) const {
    std::vector<Measured> subject, rival;
    for (std::size_t seed = 0; seed < seeds_; ++seed) {
      const double seen = effect + deviation() * draws.normal();
      if (curves_ && claim_.grows_from.empty()) {
        const Curve reference = curve(1, draws);
        const double target = target_of(reference);
        subject.push_back(reached(curve(std::exp(seen), draws), target));
        rival.push_back(reached(reference, target));
      } else if (claim_.scale == Scale::kRatio) {
        subject.push_back({.value = std::exp(seen), .resolution = kSimulatedRounding});
        rival.push_back({.value = 1, .resolution = kSimulatedRounding});
      } else {
        subject.push_back({.value = seen, .resolution = kSimulatedRounding});
        rival.push_back({.value = 0});
      }
    }
    return judge(claim_.scale, claim_.region, subject, rival, comparisons_).verdict;
  }

  const Claim& claim_;
  Noise noise_;
  FinalTarget target_;
  std::size_t seeds_, settings_ = 1, subjects_ = 1, rivals_ = 1, comparisons_ = 1;
  bool measured_ = false, curves_ = false, same_time_ = false, by_epochs_ = false;
  double grid_ = kUsualGrid;
};

}  // namespace

Power power_of(const Preset& preset, const Claim& claim, const Noise& noise, const FinalTarget& target) {
  const Simulation simulation(preset, claim, noise, target);
  Power power;
  if (!simulation.possible()) {
    power.assumes = "not simulated: no runs are there that tell how it spreads over the seeds";
    return power;
  }
  const bool ratio = claim.scale == Scale::kRatio || !claim.grows_from.empty();
  const Region& region = claim.region;
  std::optional<double> effect;  // on the scale
  if (claim.effect) effect = ratio ? std::log(*claim.effect) : *claim.effect;
  std::string whence = "published";
  const bool bounded = std::isfinite(region.low) && std::isfinite(region.high);
  if (!effect && (bounded || !region.open)) {  // at least, at most, about, between: what they allow most of
    const bool none = region.low < 0 && region.high > 0;
    effect = bounded ? (region.low + region.high) / 2 : none ? std::optional(0.0) : std::nullopt;
    whence = none ? "no difference" : "the middle of what is claimed";
  }
  power.assumes = simulation.assumes();
  if (effect) {
    power.effect = ratio ? std::exp(*effect) : *effect;
    power.power = simulation.held(*effect);
    power.assumes = whence + "; " + power.assumes;
  } else {
    const auto detectable = simulation.detectable();
    if (detectable) power.detectable = ratio ? std::exp(*detectable) : *detectable;
  }
  return power;
}

std::string effect_text(const Claim& claim, double effect) {
  if (claim.scale == Scale::kRatio || !claim.grows_from.empty()) return fmt::format("{:.3g} times", effect);
  return is_share(claim.measure) ? fmt::format("{:+.3g} points", 100 * effect) : fmt::format("{:+.3g}", effect);
}

}  // namespace psctl::reproduce
