// Random runs of small clusters in which workers come late and leave at any moment: while they compute, while they are
// held, before they ever pushed, all at once. Who has a limit gives some steps up. For local workers as well: pushes
// hold what was asked for and what was allowed meanwhile.
#pragma once

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "sync/synchronizer.h"

namespace psctl::test {

struct TurnoverRules {
  bool weights_sum_to_one = true;  // of the shares of every update
  // Told of every event with what came of it; returns what is wrong, or nothing.
  std::function<std::string(const sync::Synchronizer&, const sync::Event&, std::span<const sync::Outcome>)> check = {};
};

class Turnover {
 public:
  Turnover(std::function<std::unique_ptr<sync::Strategy>()> make, TurnoverRules rules)
      : make_(std::move(make)), rules_(std::move(rules)) {}

  // The first violation among runs with seeds from 1 on, with the seed that repeats it.
  std::optional<std::string> run(std::uint64_t seeds) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      if (const std::string violation = one(seed); !violation.empty()) {
        return fmt::format("seed {}: {}: {}", seed, story_, violation);
      }
    }
    return std::nullopt;
  }
  std::size_t events() const { return events_; }
  std::size_t updates() const { return updates_; }

 private:
  std::string one(std::uint64_t seed) {
    draws_ = Draws({.seed = seed, .purpose = Purpose::kTest});
    const std::size_t workers = 1 + draws_.below(5);
    const std::size_t start_size = 1 + draws_.below(workers);
    const std::size_t length = 1 + draws_.below(60);
    const std::uint64_t leave_one_in = 2 + draws_.below(30);
    sync::Synchronizer synchronizer(make_(), workers, start_size);
    const sync::Cluster& cluster = synchronizer.cluster();
    used_.clear();
    limited_.clear();
    story_.clear();
    now_ = Instant{};
    std::string fault;
    try {
      for (std::size_t i = 0; i < start_size && fault.empty(); ++i) fault = send(synchronizer, sync::Joined{id(i)});
      for (std::size_t i = 0; i < length && fault.empty(); ++i) {
        std::vector<WorkerId> computing, present, absent;
        for (std::size_t w = 0; w < workers; ++w) {
          const sync::Phase phase = cluster.worker(id(w)).phase;
          if (phase == sync::Phase::kComputing) computing.push_back(id(w));
          if (phase == sync::Phase::kAbsent) absent.push_back(id(w));
          if (phase == sync::Phase::kComputing || phase == sync::Phase::kWaiting) present.push_back(id(w));
        }
        const bool leave = !present.empty() && draws_.below(leave_one_in) == 0;
        const bool join = !absent.empty() && draws_.below(8) == 0;
        if (leave) {
          fault = send(synchronizer, sync::Left{present[draws_.below(present.size())]});
        } else if (join) {
          fault = send(synchronizer, sync::Joined{absent[draws_.below(absent.size())]});
        } else if (!computing.empty()) {
          fault = send(synchronizer, push_of(cluster, computing[draws_.below(computing.size())]));
        } else if (!present.empty()) {
          return "everybody waits";
        }
      }
      for (std::size_t w = 0; w < workers && fault.empty(); ++w) {
        const sync::Phase phase = cluster.worker(id(w)).phase;
        if (phase == sync::Phase::kComputing || phase == sync::Phase::kWaiting) {
          fault = send(synchronizer, sync::Left{id(w)});
        }
      }
    } catch (const Error& error) {
      return error.what();
    }
    if (!fault.empty()) return fault;
    if (!cluster.pending().empty()) return fmt::format("{} pushes are never used", cluster.pending().size());
    for (std::uint64_t push = 1; push <= synchronizer.last_push().value; ++push) {
      if (used_[PushId(push)] != 1) return fmt::format("push {} is used {} times", push, used_[PushId(push)]);
    }
    return "";
  }

  std::string send(sync::Synchronizer& synchronizer, const sync::Event& event) {
    now_ += Duration(draws_.below(4));  // equal instants too
    tell(event);
    ++events_;
    const std::span<const sync::Outcome> outcomes = synchronizer.handle(now_, event);
    for (const sync::Outcome& outcome : outcomes) {
      for (const sync::Use& use : outcome.uses) ++used_[use.push];
      if (const auto* release = std::get_if<sync::Release>(&outcome.decision)) {
        limited_[release->worker] = release->limit.has_value();
      }
      if (const auto* apply = std::get_if<sync::Apply>(&outcome.decision)) {
        ++updates_;
        double weights = 0;
        for (const sync::Share& share : apply->shares) weights += share.weight;
        if (rules_.weights_sum_to_one && std::abs(weights - 1) > 1e-12) {
          return fmt::format("weights sum to {}", weights);
        }
      }
    }
    return rules_.check ? rules_.check(synchronizer, event, outcomes) : "";
  }

  sync::Pushed push_of(const sync::Cluster& cluster, WorkerId worker) {
    const sync::Worker& w = cluster.worker(worker);
    sync::Pushed push{.worker = worker};
    push.overlapped = draws_.below(std::min<Step>(w.overlap_allowed, 3) + 1);
    push.lost = draws_.below(push.overlapped + 1);
    push.steps = w.local_steps + push.overlapped - push.lost;
    if (push.steps == 0) push.steps = 1;
    push.empty = limited_[worker] && draws_.below(3) == 0;
    push.timing = {.compute = Duration(draws_.below(20) * push.steps),
                   .delay = Duration(draws_.below(5)),
                   .upload = Duration(draws_.below(5)),
                   .download = Duration(draws_.below(5))};
    return push;
  }

  void tell(const sync::Event& event) {
    if (!story_.empty()) story_ += ' ';
    if (const auto* joined = std::get_if<sync::Joined>(&event)) story_ += fmt::format("+{}", joined->worker.value);
    if (const auto* pushed = std::get_if<sync::Pushed>(&event))
      story_ += fmt::format("{}{}", pushed->worker.value, pushed->empty ? "e" : "");
    if (const auto* left = std::get_if<sync::Left>(&event)) story_ += fmt::format("-{}", left->worker.value);
  }

  static WorkerId id(std::size_t worker) { return WorkerId(static_cast<std::uint32_t>(worker)); }

  std::function<std::unique_ptr<sync::Strategy>()> make_;
  TurnoverRules rules_;
  Draws draws_{Key{}};
  std::map<PushId, int> used_;
  std::map<WorkerId, bool> limited_;  // may give the step up
  std::string story_;
  Instant now_{};
  std::size_t events_ = 0, updates_ = 0;
};

}  // namespace psctl::test
