#include <boost/test/unit_test.hpp>

#include "sync/explore.h"
#include "sync/registry.h"

using namespace psctl;
using namespace psctl::sync;
using psctl::test::Explorer;
using psctl::test::Rules;

namespace {

const std::vector<std::vector<Step>> kClusters = {{1, 1},    {3, 3},    {5, 2},    {1, 6},
                                                  {2, 2, 2}, {1, 2, 3}, {4, 1, 2}, {3, 3, 2}};

std::unique_ptr<Strategy> make_with(const std::string& name,
                                    std::map<std::string, ParameterValue, std::less<>> given = {}) {
  std::map<std::string, ParameterValue, std::less<>> values = defaults(*find(name)).values();
  for (auto& [key, value] : given) values[key] = value;
  return make({.name = name, .parameters = Parameters(values)}, {});
}

void check_every_order(const test::MakeStrategy& make, const Rules& rules) {
  for (const auto& steps : kClusters) {
    Explorer explorer(make, steps, rules);
    const auto violation = explorer.run();
    BOOST_TEST(!violation, fmt::format("{} workers: {}", steps.size(), violation.value_or("")));
    BOOST_TEST(explorer.orders() >= 3);
  }
}

std::string violation_of(const test::MakeStrategy& make, const Rules& rules) {
  for (const auto& steps : kClusters) {
    if (auto violation = Explorer(make, steps, rules).run()) return *violation;
  }
  return "";
}

// Planted mistakes: strategies that are wrong in ways that have been seen in public code.

class SspOffByOne : public Strategy {
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    for (const auto& [id, push] : cluster.pending()) decisions.emplace_back(Apply{.shares = {{.push = id}}});
    for (const auto& [step, worker] : cluster.waiting()) {
      if (step <= cluster.min_step() + 1 + 1) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

class SspThatForgetsToWake : public Strategy {
  std::optional<WorkerId> pusher_;
  void observe(const Cluster&, Instant, const Event& event) override {
    pusher_.reset();
    if (const auto* pushed = std::get_if<Pushed>(&event)) pusher_ = pushed->worker;
  }
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    for (const auto& [id, push] : cluster.pending()) decisions.emplace_back(Apply{.shares = {{.push = id}}});
    for (const auto& [step, worker] : cluster.waiting()) {
      const bool first = cluster.worker(worker).pushes == 0;
      if (first || (worker == pusher_ && step <= cluster.min_step() + 1))
        decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

class BspThatLosesADeparture : public Strategy {
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    if (cluster.waiting().size() < cluster.workers().size()) return {};  // counts those that have left
    Apply apply;
    for (const auto& [id, push] : cluster.pending())
      apply.shares.push_back({id, 1.0 / static_cast<double>(cluster.pending().size())});
    if (!apply.shares.empty()) decisions.emplace_back(apply);
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  }
};

class AspThatUsesAPushTwice : public Strategy {
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    for (const auto& [id, push] : cluster.pending()) {
      decisions.emplace_back(Apply{.shares = {{.push = id}}});
      if (push.step == 2) decisions.emplace_back(Apply{.shares = {{.push = id}}});
    }
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  }
};

class BspWithTheWrongMean : public Strategy {
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    std::vector<Decision> decisions;
    Apply apply;
    // Divides by the workers present: wrong once somebody has left after its push.
    for (const auto& [id, push] : cluster.pending()) {
      apply.shares.push_back({id, 1.0 / static_cast<double>(std::max<std::size_t>(1, cluster.present()))});
    }
    if (!apply.shares.empty()) decisions.emplace_back(apply);
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  }
};

class AspThatForgetsThePushOfALeaver : public Strategy {
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    for (const auto& [step, worker] : cluster.waiting()) {
      // Applies a push only when its worker is released with the next one.
      const Worker& w = cluster.worker(worker);
      for (const auto& [id, push] : cluster.pending()) {
        if (push.worker == worker && id != w.last_push) decisions.emplace_back(Apply{.shares = {{.push = id}}});
      }
      decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

template <class Wrong>
std::unique_ptr<Strategy> wrong() {
  return std::make_unique<Wrong>();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(every_order_of_small_clusters)

BOOST_AUTO_TEST_CASE(bsp_never_sticks_uses_each_push_once_and_keeps_rounds_together) {
  check_every_order([] { return make_with("bsp"); }, {.bound = 0});
}

BOOST_AUTO_TEST_CASE(asp_never_sticks_and_uses_each_push_once) {
  check_every_order([] { return make_with("asp"); }, {});
}

BOOST_AUTO_TEST_CASE(ssp_keeps_its_bound_whatever_the_order) {
  for (std::int64_t staleness = 0; staleness <= 3; ++staleness) {
    for (const char* apply : {"on_arrival", "on_release"}) {
      check_every_order(
          [&] {
            return make_with("ssp", {{"staleness", staleness}, {"apply", std::string(apply)}});
          },
          {.bound = static_cast<Step>(staleness)});
    }
  }
}

BOOST_AUTO_TEST_CASE(a_bound_that_is_off_by_one_is_caught) {
  BOOST_TEST(violation_of(wrong<SspOffByOne>, {.bound = 1}).find("goes on 2 ahead") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_missed_wake_up_is_caught) {
  const std::string violation = violation_of(wrong<SspThatForgetsToWake>, {.bound = 1});
  BOOST_TEST(violation.find("wait and nothing will ever release them") != std::string::npos, violation);
}

BOOST_AUTO_TEST_CASE(a_lost_departure_is_caught) {
  const std::string violation = violation_of(wrong<BspThatLosesADeparture>, {.bound = 0});
  BOOST_TEST(violation.find("nothing will ever release them") != std::string::npos, violation);
}

BOOST_AUTO_TEST_CASE(a_push_that_is_used_twice_is_caught) {
  const std::string violation = violation_of(wrong<AspThatUsesAPushTwice>, {});
  BOOST_TEST(violation.find("which is not pending") != std::string::npos, violation);
}

BOOST_AUTO_TEST_CASE(weights_that_do_not_sum_to_one_are_caught) {
  const std::string violation = violation_of(wrong<BspWithTheWrongMean>, {.bound = 0});
  BOOST_TEST(violation.find("weights sum to") != std::string::npos, violation);
}

BOOST_AUTO_TEST_CASE(a_push_that_is_never_used_is_caught) {
  const std::string violation = violation_of(wrong<AspThatForgetsThePushOfALeaver>, {});
  BOOST_TEST(violation.find("never used") != std::string::npos, violation);
}

BOOST_AUTO_TEST_SUITE_END()
