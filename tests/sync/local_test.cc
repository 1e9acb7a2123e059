#include <boost/test/unit_test.hpp>

#include "sync/registry.h"
#include "sync/turnover.h"

using namespace psctl;
using namespace psctl::sync;
using psctl::test::Turnover;

namespace {

using Given = std::map<std::string, ParameterValue, std::less<>>;

std::unique_ptr<Strategy> make_with(const std::string& name, const Given& given) {
  Given values = defaults(*find(name)).values();
  for (const auto& [key, value] : given) values[key] = value;
  return make({.name = name, .parameters = Parameters(values)}, Setting{.workers = 5});
}

Instant at(std::int64_t count) { return Instant(Duration(count)); }

// A cluster whose workers have all joined at time 0.
Synchronizer started(const std::string& name, const Given& given, std::uint32_t workers) {
  Synchronizer sync(make_with(name, given), workers, workers);
  for (std::uint32_t worker = 0; worker < workers; ++worker) sync.handle(at(0), Joined{WorkerId(worker)});
  return sync;
}

template <class Wanted>
std::vector<Wanted> all_of(std::span<const Outcome> outcomes) {
  std::vector<Wanted> found;
  for (const Outcome& outcome : outcomes) {
    if (const auto* decision = std::get_if<Wanted>(&outcome.decision)) found.push_back(*decision);
  }
  return found;
}

void check_turnover(const std::string& name, const Given& given, test::TurnoverRules rules) {
  Turnover turnover([&] { return make_with(name, given); }, std::move(rules));
  const auto violation = turnover.run(400);
  BOOST_TEST(!violation, name << ": " << violation.value_or(""));
  BOOST_TEST(turnover.events() > 4000U);
  BOOST_TEST(turnover.updates() > 400U);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(local_strategies)

BOOST_AUTO_TEST_CASE(local_sgd_averages_after_every_period) {
  Synchronizer sync = started("local_sgd", {{"period", std::int64_t{3}}}, 2);
  for (const Worker& worker : sync.cluster().workers()) BOOST_TEST(worker.local_steps == 3U);
  BOOST_TEST(sync.handle(at(1), Pushed{.worker = WorkerId(1), .steps = 3}).empty());
  const auto outcomes = sync.handle(at(2), Pushed{.worker = WorkerId(0), .steps = 3});
  const auto updates = all_of<Apply>(outcomes);
  BOOST_REQUIRE(updates.size() == 1);
  BOOST_REQUIRE(updates[0].shares.size() == 2);
  BOOST_TEST(updates[0].shares[0].push.value == 2U);  // by worker, not by arrival
  for (const Share& share : updates[0].shares) BOOST_TEST(share.weight == 0.5);
  BOOST_TEST(updates[0].rate == 1.0);
  for (const Release& release : all_of<Release>(outcomes)) BOOST_TEST((release.refresh == Refresh::kTake));
  BOOST_TEST(sync.cluster().min_step() == 3U);
}

BOOST_AUTO_TEST_CASE(local_sgd_admits_a_joiner_with_the_next_round_and_counts_the_push_of_a_leaver) {
  Synchronizer sync(make_with("local_sgd", {}), 3, 2);
  sync.handle(at(0), Joined{WorkerId(0)});
  sync.handle(at(0), Joined{WorkerId(1)});
  BOOST_TEST(sync.handle(at(1), Joined{WorkerId(2)}).empty());
  sync.handle(at(2), Pushed{.worker = WorkerId(0), .steps = 4});
  sync.handle(at(3), Left{WorkerId(0)});
  const auto outcomes = sync.handle(at(4), Pushed{.worker = WorkerId(1), .steps = 4});
  BOOST_TEST(all_of<Apply>(outcomes)[0].shares.size() == 2U);
  BOOST_TEST(all_of<Release>(outcomes).size() == 2U);
}

BOOST_AUTO_TEST_CASE(local_sgd_survives_whoever_comes_and_goes) {
  check_turnover("local_sgd", {}, {});
  check_turnover("local_sgd", {{"period", std::int64_t{1}}}, {});
}

BOOST_AUTO_TEST_SUITE_END()
