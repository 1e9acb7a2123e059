#include "sync/synchronizer.h"

#include <boost/test/unit_test.hpp>
#include <functional>

#include "sync/drive.h"
#include "sync/registry.h"

using namespace psctl;
using namespace psctl::sync;

namespace {

using test::at;

Synchronizer with(const char* name, std::size_t workers, std::size_t start_size) {
  return Synchronizer(make({.name = name, .parameters = defaults(*find(name))}, {}), workers, start_size);
}

// Says what a test tells it to.
class Scripted : public Strategy {
 public:
  explicit Scripted(std::function<std::vector<Decision>(const Cluster&)> script) : script_(std::move(script)) {}
  std::vector<Decision> decide(const Cluster& cluster, Instant) override { return script_(cluster); }

 private:
  std::function<std::vector<Decision>(const Cluster&)> script_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(synchronizer)

BOOST_AUTO_TEST_CASE(nobody_goes_on_before_all_have_joined) {
  Synchronizer sync = with("asp", 2, 2);
  BOOST_TEST(sync.handle(at(0), Joined{WorkerId(1)}).empty());
  BOOST_TEST(!sync.started());
  BOOST_TEST(sync.handle(at(0), Joined{WorkerId(0)}).size() == 2);
  BOOST_TEST(sync.started());
}

BOOST_AUTO_TEST_CASE(an_event_that_cannot_be_is_refused_and_changes_nothing) {
  Synchronizer sync = with("asp", 2, 1);
  sync.handle(at(5), Joined{WorkerId(0)});
  BOOST_CHECK_THROW(sync.handle(at(6), Pushed{.worker = WorkerId(1)}), ProtocolError);  // has not joined
  BOOST_CHECK_THROW(sync.handle(at(6), Pushed{.worker = WorkerId(7)}), ProtocolError);  // there is none
  BOOST_CHECK_THROW(sync.handle(at(6), Joined{WorkerId(0)}), ProtocolError);            // twice
  BOOST_CHECK_THROW(sync.handle(at(6), Left{WorkerId(1)}), ProtocolError);
  BOOST_CHECK_THROW(sync.handle(at(4), Pushed{.worker = WorkerId(0)}), ProtocolError);  // time runs backwards
  BOOST_CHECK_THROW(sync.handle(at(6), Pushed{.worker = WorkerId(0), .steps = 0}), ProtocolError);
  BOOST_TEST(sync.cluster().version() == 0U);
  BOOST_TEST(sync.handle(at(6), Pushed{.worker = WorkerId(0)}).size() == 2);
  BOOST_TEST(sync.cluster().version() == 1U);
}

BOOST_AUTO_TEST_CASE(who_joins_when_nobody_is_there_begins_where_the_last_one_left) {
  Synchronizer sync = with("asp", 2, 1);
  sync.handle(at(0), Joined{WorkerId(0)});
  for (int i = 1; i <= 3; ++i) sync.handle(at(i), Pushed{.worker = WorkerId(0)});
  sync.handle(at(4), Left{WorkerId(0)});
  sync.handle(at(5), Joined{WorkerId(1)});
  BOOST_TEST(sync.cluster().worker(WorkerId(1)).step == 3U);
}

BOOST_AUTO_TEST_CASE(a_joiner_begins_at_the_slowest_workers_step) {
  Synchronizer sync = with("asp", 3, 2);
  sync.handle(at(0), Joined{WorkerId(0)});
  sync.handle(at(0), Joined{WorkerId(1)});
  for (int i = 1; i <= 3; ++i) sync.handle(at(i), Pushed{.worker = WorkerId(0)});
  sync.handle(at(4), Pushed{.worker = WorkerId(1)});
  sync.handle(at(5), Joined{WorkerId(2)});
  BOOST_TEST(sync.cluster().worker(WorkerId(2)).step == 1U);
  BOOST_TEST(sync.cluster().worker(WorkerId(2)).model == 4U);
}

BOOST_AUTO_TEST_CASE(a_merged_push_keeps_who_is_in_it) {
  bool merged = false;
  auto script = [&](const Cluster& cluster) -> std::vector<Decision> {
    std::vector<Decision> decisions;
    if (cluster.pending().size() == 2) {
      const PushId first = cluster.pending().begin()->first, second = cluster.pending().rbegin()->first;
      merged = true;
      decisions.emplace_back(Merge{.into = first, .from = second});
      decisions.emplace_back(Apply{.shares = {{first, 0.5}}});
    }
    if (cluster.pending().empty() || merged)
      for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  };
  Synchronizer sync(std::make_unique<Scripted>(script), 2, 2);
  sync.handle(at(0), Joined{WorkerId(0)});
  sync.handle(at(0), Joined{WorkerId(1)});
  sync.handle(at(1), Pushed{.worker = WorkerId(1)});
  const auto outcomes = sync.handle(at(2), Pushed{.worker = WorkerId(0)});
  BOOST_REQUIRE(outcomes.size() == 4);
  const auto& uses = outcomes[1].uses;
  BOOST_REQUIRE(uses.size() == 2);
  BOOST_TEST(uses[0].worker.value == 1U);
  BOOST_TEST(uses[1].worker.value == 0U);
  BOOST_TEST(uses[0].weight == 0.5);
  BOOST_TEST(uses[1].weight == 0.5);
}

BOOST_AUTO_TEST_CASE(a_release_names_the_version_at_its_place) {
  auto script = [](const Cluster& cluster) -> std::vector<Decision> {
    std::vector<Decision> decisions;
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    for (const auto& [id, push] : cluster.pending()) decisions.emplace_back(Apply{.shares = {{.push = id}}});
    return decisions;
  };
  Synchronizer sync(std::make_unique<Scripted>(script), 1, 1);
  sync.handle(at(0), Joined{WorkerId(0)});
  const auto outcomes = sync.handle(at(1), Pushed{.worker = WorkerId(0)});
  BOOST_TEST(outcomes[0].version == 0U);
  BOOST_TEST(outcomes[1].version == 1U);
  BOOST_TEST(sync.cluster().worker(WorkerId(0)).model == 0U);
}

BOOST_AUTO_TEST_CASE(a_strategy_that_releases_nobody_is_a_fault_and_not_a_hang) {
  Synchronizer sync(std::make_unique<Scripted>([](const Cluster&) { return std::vector<Decision>{}; }), 1, 1);
  BOOST_CHECK_THROW(sync.handle(at(0), Joined{WorkerId(0)}), StrategyFault);
}

BOOST_AUTO_TEST_CASE(a_strategy_that_makes_updates_of_nothing_is_a_fault_and_not_a_hang) {
  Synchronizer sync(std::make_unique<Scripted>([](const Cluster&) { return std::vector<Decision>{Apply{}}; }), 1, 1);
  BOOST_CHECK_THROW(sync.handle(at(0), Joined{WorkerId(0)}), StrategyFault);
}

BOOST_AUTO_TEST_CASE(a_strategy_that_releases_a_worker_at_work_is_a_fault) {
  auto twice = [](const Cluster& cluster) -> std::vector<Decision> {
    if (cluster.waiting().empty()) return {};
    return {Release{.worker = WorkerId(0)}, Release{.worker = WorkerId(0)}};
  };
  Synchronizer sync(std::make_unique<Scripted>(twice), 1, 1);
  BOOST_CHECK_THROW(sync.handle(at(0), Joined{WorkerId(0)}), StrategyFault);
}

BOOST_AUTO_TEST_SUITE_END()
