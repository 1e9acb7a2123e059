#include <boost/test/unit_test.hpp>
#include <set>

#include "sync/drive.h"
#include "sync/registry.h"
#include "sync/synchronizer.h"

using namespace psctl;
using namespace psctl::sync;

namespace {

using test::at;

std::vector<Apply> applies(std::span<const Outcome> outcomes) {
  std::vector<Apply> found;
  for (const Outcome& outcome : outcomes) {
    if (const auto* apply = std::get_if<Apply>(&outcome.decision)) found.push_back(*apply);
  }
  return found;
}

Synchronizer started(const char* name, std::map<std::string, ParameterValue, std::less<>> given,
                     std::uint32_t workers) {
  auto values = defaults(*find(name)).values();
  for (auto& [key, value] : given) values[key] = value;
  Synchronizer sync(make({.name = name, .parameters = Parameters(values)}, {}), workers, workers);
  for (std::uint32_t worker = 0; worker < workers; ++worker) sync.handle(at(0), Joined{WorkerId(worker)});
  return sync;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(strategies)

BOOST_AUTO_TEST_CASE(bsp_sums_by_worker_whatever_the_order_of_arrival) {
  Synchronizer sync = started("bsp", {}, 3);
  sync.handle(at(1), Pushed{.worker = WorkerId(2)});
  sync.handle(at(2), Pushed{.worker = WorkerId(0)});
  const auto found = applies(sync.handle(at(3), Pushed{.worker = WorkerId(1)}));
  BOOST_REQUIRE(found.size() == 1);
  BOOST_REQUIRE(found[0].shares.size() == 3);
  BOOST_TEST(found[0].shares[0].push.value == 2U);
  BOOST_TEST(found[0].shares[1].push.value == 3U);
  BOOST_TEST(found[0].shares[2].push.value == 1U);
  for (const Share& share : found[0].shares) BOOST_TEST(share.weight == 1.0 / 3);
}

BOOST_AUTO_TEST_CASE(asp_scales_by_the_workers_present_when_asked_to) {
  Synchronizer full = started("asp", {}, 4);
  BOOST_TEST(applies(full.handle(at(1), Pushed{.worker = WorkerId(0)}))[0].rate == 1.0);
  Synchronizer mean = started("asp", {{"update_scale", std::string("mean")}}, 4);
  BOOST_TEST(applies(mean.handle(at(1), Pushed{.worker = WorkerId(0)}))[0].rate == 0.25);
  mean.handle(at(2), Left{WorkerId(3)});
  BOOST_TEST(applies(mean.handle(at(3), Pushed{.worker = WorkerId(0)}))[0].rate == 1.0 / 3);
}

BOOST_AUTO_TEST_CASE(ssp_applies_on_arrival_or_on_release) {
  for (const bool on_release : {false, true}) {
    Synchronizer sync = started(
        "ssp", {{"staleness", std::int64_t{1}}, {"apply", std::string(on_release ? "on_release" : "on_arrival")}}, 2);
    sync.handle(at(1), Pushed{.worker = WorkerId(0)});
    const auto held = sync.handle(at(2), Pushed{.worker = WorkerId(0)});
    BOOST_TEST(applies(held).size() == (on_release ? 0U : 1U));
    BOOST_TEST(sync.cluster().waiting().size() == 1U);
    const auto freed = sync.handle(at(3), Pushed{.worker = WorkerId(1)});
    BOOST_TEST(applies(freed).size() == (on_release ? 2U : 1U));
    BOOST_TEST(sync.cluster().waiting().empty());
    BOOST_TEST(sync.cluster().version() == 3U);
  }
}

BOOST_AUTO_TEST_CASE(the_slowest_workers_departure_frees_the_others_under_ssp) {
  Synchronizer sync = started("ssp", {{"staleness", std::int64_t{0}}}, 2);
  sync.handle(at(1), Pushed{.worker = WorkerId(0)});
  BOOST_TEST(sync.cluster().waiting().size() == 1U);
  sync.handle(at(2), Left{WorkerId(1)});
  BOOST_TEST(sync.cluster().waiting().empty());
}

BOOST_AUTO_TEST_CASE(every_entry_tells_what_a_user_needs) {
  const Setting known{.workers = 2, .steps_per_epoch = 5, .total_samples = 100, .train_samples = 10, .batch_size = 1};
  std::set<std::string> names;
  for (const Entry& entry : entries()) {
    BOOST_TEST(names.insert(entry.name).second);
    BOOST_TEST(!entry.rule.empty());
    BOOST_TEST(!entry.source.empty());
    for (const Parameter& parameter : entry.parameters) BOOST_TEST(!parameter.meaning.empty());
    BOOST_CHECK_NO_THROW(entry.make(defaults(entry), known));
  }
}

BOOST_AUTO_TEST_CASE(a_label_is_the_name_and_what_differs_from_the_defaults_in_the_order_of_the_entry) {
  const auto labelled = [](const char* name, std::map<std::string, ParameterValue, std::less<>> given) {
    auto values = defaults(*find(name)).values();
    for (auto& [key, value] : given) values[key] = value;
    return label({.name = name, .parameters = Parameters(values)});
  };
  BOOST_TEST(labelled("bsp", {}) == "bsp");
  BOOST_TEST(labelled("ssp", {}) == "ssp");
  BOOST_TEST(labelled("ssp", {{"staleness", std::int64_t{8}}}) == "ssp(staleness=8)");
  BOOST_TEST(labelled("ssp", {{"update_scale", std::string("mean")}, {"staleness", std::int64_t{8}}}) ==
             "ssp(staleness=8, update_scale=mean)");
  BOOST_TEST(labelled("sync_switch", {{"bsp_share", 0.25}}) == "sync_switch(bsp_share=0.25)");
}

BOOST_AUTO_TEST_SUITE_END()
