// Every order of events of a small cluster: workers push until their steps are done, then leave. After each event the
// books are checked; the first violation is told with the shortest prefix of events that shows it.
#pragma once

#include <fmt/format.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sync/synchronizer.h"

namespace psctl::test {

using MakeStrategy = std::function<std::unique_ptr<sync::Strategy>()>;

struct Rules {
  std::optional<Step> bound;  // most steps that a released worker may be ahead of the slowest
  bool weights_sum_to_one = true;
};

class Explorer {
 public:
  Explorer(MakeStrategy make, std::vector<Step> steps, Rules rules)
      : make_(std::move(make)), steps_(std::move(steps)), rules_(rules) {}

  // The first violation in breadth-first order, or nothing.
  std::optional<std::string> run() {
    std::vector<std::vector<int>> level = {{}};
    while (!level.empty()) {
      std::vector<std::vector<int>> next;
      for (const auto& order : level) {
        std::vector<int> possible;
        if (auto violation = replay(order, possible)) return violation;
        ++orders_;
        for (int worker : possible) {
          next.push_back(order);
          next.back().push_back(worker);
        }
      }
      level = std::move(next);
    }
    return std::nullopt;
  }
  std::size_t orders() const { return orders_; }

 private:
  // Drives a fresh synchronizer through the order; `possible` gets the workers that can act next.
  std::optional<std::string> replay(const std::vector<int>& order, std::vector<int>& possible) {
    sync::Synchronizer synchronizer(make_(), steps_.size(), steps_.size());
    std::vector<Step> done(steps_.size());
    std::map<PushId, int> used;
    std::string story;
    Instant now{};
    const auto violation = [&](const std::string& what) { return fmt::format("{}: {}", story, what); };
    std::optional<std::string> fault;
    const auto send = [&](const sync::Event& event) {
      now += Duration(1);
      for (const sync::Outcome& outcome : synchronizer.handle(now, event)) {
        double weights = 0;
        for (const sync::Use& use : outcome.uses) {
          ++used[use.push];
          weights += use.weight;
        }
        const bool apply = std::holds_alternative<sync::Apply>(outcome.decision);
        if (apply && rules_.weights_sum_to_one && std::abs(weights - 1) > 1e-12)
          fault = violation(fmt::format("weights sum to {}", weights));
        if (const auto* release = std::get_if<sync::Release>(&outcome.decision)) {
          const Step gap = synchronizer.cluster().worker(release->worker).step - synchronizer.cluster().min_step();
          if (rules_.bound && gap > *rules_.bound)
            fault = violation(fmt::format("worker {} goes on {} ahead", release->worker.value, gap));
        }
      }
    };
    try {
      for (std::uint32_t worker = 0; worker < steps_.size(); ++worker) send(sync::Joined{WorkerId(worker)});
      for (int act : order) {
        const WorkerId worker(static_cast<std::uint32_t>(act));
        story += fmt::format("{}{}", story.empty() ? "" : " ", act);
        send(sync::Pushed{.worker = worker});
        if (++done[worker.value] == steps_[worker.value]) {
          story += "!";
          send(sync::Left{worker});
        }
        if (fault) return fault;
      }
    } catch (const sync::StrategyFault& error) {
      return violation(error.what());
    }
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const auto phase = synchronizer.cluster().workers()[i].phase;
      if (phase == sync::Phase::kComputing) possible.push_back(static_cast<int>(i));
    }
    for (const auto& [push, times] : used) {
      if (times != 1) return violation(fmt::format("push {} is used {} times", push.value, times));
    }
    if (synchronizer.cluster().present() == 0 && !synchronizer.cluster().pending().empty()) {
      return violation(fmt::format("{} pushes are never used", synchronizer.cluster().pending().size()));
    }
    if (possible.empty() && synchronizer.cluster().present() > 0) return violation("everybody is stuck");
    return std::nullopt;
  }

  MakeStrategy make_;
  std::vector<Step> steps_;
  Rules rules_;
  std::size_t orders_ = 0;
};

}  // namespace psctl::test
