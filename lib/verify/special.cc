// Which special rules go with which strategy; those that several strategies have.
#include "verify/special.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>
#include <string_view>

namespace psctl::verify {
namespace {

using sync::Outcome;

class Mean final : public Rule {
 public:
  Mean() : Rule("mean", "An update is a weighted mean: its weights sum to 1.") {}
  void see(const Moment& moment) override {
    for (const Outcome& outcome : moment.outcomes) {
      const auto* apply = std::get_if<sync::Apply>(&outcome.decision);
      if (!apply || apply->shares.empty()) continue;
      double sum = 0;
      for (const sync::Use& use : outcome.uses) sum += use.weight;
      if (!near(sum, 1)) broken(fmt::format("the weights of update {} sum to {}", outcome.version, sum));
    }
  }
};

class EqualShares final : public Rule {
 public:
  EqualShares() : Rule("equal shares", "All pushes of an update weigh the same.") {}
  void see(const Moment& moment) override {
    for (const Outcome& outcome : moment.outcomes) {
      if (!std::holds_alternative<sync::Apply>(outcome.decision)) continue;
      for (const sync::Use& use : outcome.uses) {
        if (!near(use.weight, outcome.uses.front().weight)) {
          broken(
              fmt::format("weights {} and {} in update {}", outcome.uses.front().weight, use.weight, outcome.version));
        }
      }
    }
  }
};

class NothingIsLost final : public Rule {
 public:
  NothingIsLost() : Rule("nothing is lost", "Every gradient gets into the model: none is set aside.") {}
  void see(const Moment& moment) override {
    if (const auto* pushed = std::get_if<sync::Pushed>(&moment.event)) {
      ++pushes_;
      if (pushed->empty) empty_.insert(PushId(pushes_));
    }
    for (const Outcome& outcome : moment.outcomes) {
      if (!std::holds_alternative<sync::Discard>(outcome.decision)) continue;
      for (const sync::Use& use : outcome.uses) {
        if (!empty_.contains(use.push))
          broken(fmt::format("worker {}'s step {} is set aside", use.worker.value, use.step));
      }
    }
  }

 private:
  std::uint64_t pushes_ = 0;
  std::set<PushId> empty_;
};

class UpdateFirst final : public Rule {
 public:
  UpdateFirst()
      : Rule("update before release",
             "A worker goes on with a model that its own last push is in, and takes that model.") {}
  void see(const Moment& moment) override {
    if (const auto* pushed = std::get_if<sync::Pushed>(&moment.event)) unused_.insert(pushed->worker);
    for (const Outcome& outcome : moment.outcomes) {
      for (const sync::Use& use : outcome.uses) unused_.erase(use.worker);
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (!release) continue;
      if (unused_.contains(release->worker)) {
        broken(fmt::format("worker {} goes on with model {}, which does not have its last push", release->worker.value,
                           outcome.version));
      }
      if (release->refresh != sync::Refresh::kTake)
        broken(fmt::format("worker {} keeps its old model", release->worker.value));
    }
  }

 private:
  std::set<WorkerId> unused_;  // workers whose last push is not used yet
};

class OneStep final : public Rule {
 public:
  OneStep() : Rule("one step", "A worker goes on for one step and does not overlap.") {}
  void see(const Moment& moment) override {
    for (const Outcome& outcome : moment.outcomes) {
      const auto* release = std::get_if<sync::Release>(&outcome.decision);
      if (release && (release->local_steps != 1 || release->overlap_steps != 0)) {
        broken(fmt::format("worker {} goes on for {} steps and {} overlapped ones", release->worker.value,
                           release->local_steps, release->overlap_steps));
      }
    }
  }
};

template <std::size_t count>
bool among(const std::array<std::string_view, count>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

void add_special_rules(const Subject& subject, const sync::Setting& setting, Rules& rules) {
  static constexpr auto kMeans = std::to_array<std::string_view>(
      {"bsp", "asp", "ssp", "dssp", "psp", "bap", "backup", "local_sgd", "pcp", "elastic_bsp", "sync_switch"});
  static constexpr auto kEqual = std::to_array<std::string_view>(
      {"bsp", "bap", "backup", "local_sgd", "pcp", "elastic_bsp", "sync_switch", "wbsp"});
  static constexpr auto kWhole = std::to_array<std::string_view>(
      {"bsp", "asp", "ssp", "dssp", "psp", "a2s", "bap", "wbsp", "local_sgd", "pcp", "elastic_bsp"});
  static constexpr auto kFresh = std::to_array<std::string_view>(
      {"bsp", "asp", "ssp", "dssp", "psp", "a2s", "backup", "local_sgd", "pcp", "elastic_bsp", "sync_switch"});
  static constexpr auto kGradient = std::to_array<std::string_view>(
      {"bsp", "asp", "ssp", "dssp", "psp", "a2s", "bap", "backup", "elastic_bsp", "sync_switch"});
  const std::string& name = subject.name;
  const bool sums = name == "a2s" && subject.parameters.word("weighting") == "sum";
  if (among(kMeans, name) || (name == "a2s" && !sums)) rules.push_back(std::make_unique<Mean>());
  if (among(kEqual, name)) rules.push_back(std::make_unique<EqualShares>());
  const bool elastic = name == "sync_switch" && subject.parameters.word("straggler_policy") == "elastic";
  if (among(kWhole, name) || (name == "sync_switch" && !elastic)) rules.push_back(std::make_unique<NothingIsLost>());
  if (among(kFresh, name)) rules.push_back(std::make_unique<UpdateFirst>());
  if (among(kGradient, name)) rules.push_back(std::make_unique<OneStep>());
  add_round_rules(subject, setting, rules);
  add_arrival_rules(subject, setting, rules);
  add_merge_rules(subject, setting, rules);
  add_planned_rules(subject, setting, rules);
  add_switch_rules(subject, setting, rules);
}

}  // namespace psctl::verify
