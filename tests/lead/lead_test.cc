#include "lead/lead.h"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "lead/instants.h"
#include "support/folder.h"
#include "sync/registry.h"

using namespace psctl;
using namespace psctl::lead;

namespace {

using test::at;

Lead lead_of(Setup setup, const char* strategy) {
  return Lead(std::move(setup),
              sync::make({.name = strategy, .parameters = sync::defaults(*sync::find(strategy))}, {}));
}

Setup workers(std::size_t count) {
  Setup setup;
  setup.cluster.workers = count;
  return setup;
}

PushReport push(std::uint32_t worker) { return {.worker = WorkerId(worker), .samples = 10}; }

// What is due at the instant of the last event, once it has no more of them.
std::vector<Order> end_of(Lead& lead, Instant now) {
  std::vector<Order> orders;
  while (const auto alarm = lead.next_alarm()) {
    if (alarm->at > now) break;
    const auto rung = lead.ring(now);
    orders.insert(orders.end(), rung.begin(), rung.end());
  }
  return orders;
}

template <class What>
std::vector<What> all(std::span<const Order> orders) {
  std::vector<What> found;
  for (const Order& order : orders) {
    if (const auto* what = std::get_if<What>(&order.what)) found.push_back(*what);
  }
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(lead)

BOOST_AUTO_TEST_CASE(orders_are_numbered_without_gaps_in_what_a_server_must_execute) {
  Setup setup = workers(2);
  setup.stop.updates = 100;
  Lead lead = lead_of(setup, "asp");
  std::uint64_t last = 0;
  const auto follow = [&](std::span<const Order> orders) {
    for (const Order& order : orders) {
      BOOST_TEST(order.sequence > last);
      last = order.sequence;
    }
  };
  follow(lead.start(at(0)));
  for (int i = 1; i < 20; ++i) follow(lead.pushed(at(i), push(static_cast<std::uint32_t>(i % 2))));
  BOOST_TEST(lead.cluster().version() == 19U);
}

BOOST_AUTO_TEST_CASE(an_update_takes_the_schedule_at_the_epoch_where_it_begins_and_the_warm_up_where_it_ends) {
  Setup setup = workers(1);
  setup.train_samples = 20;
  setup.stop.epochs = 3;
  setup.optimizer.learning_rate = 0.8;
  setup.optimizer.schedule = {.kind = learn::ScheduleKind::kStep, .warmup_epochs = 2, .every_epochs = 1, .factor = 0.5};
  Lead lead = lead_of(setup, "asp");
  lead.start(at(0));
  std::vector<double> rates;
  for (int i = 1; !lead.stopped(); ++i) {
    rates.push_back(all<Update>(lead.pushed(at(i), push(0)))[0].learning_rate);
    end_of(lead, at(i));
  }
  const std::vector<double> expected = {0.2, 0.4, 0.3, 0.4, 0.2, 0.2};
  for (std::size_t i = 0; i < 6; ++i) BOOST_TEST(rates.at(i) == expected[i], boost::test_tools::tolerance(1e-12));
  BOOST_TEST(rates.size() == 6);
}

BOOST_AUTO_TEST_CASE(inverse_staleness_divides_each_share_by_its_age) {
  for (const std::size_t offset : {0U, 1U}) {
    Setup setup = workers(2);
    setup.stop.updates = 100;
    setup.optimizer.staleness = {.kind = learn::StalenessKind::kInverse, .offset = offset};
    Lead lead = lead_of(setup, "asp");
    lead.start(at(0));
    for (int i = 1; i <= 4; ++i) {
      BOOST_TEST(all<Update>(lead.pushed(at(i), push(0)))[0].shares[0].weight == 1.0);
    }
    BOOST_TEST(all<Update>(lead.pushed(at(9), push(1)))[0].shares[0].weight == (offset == 0 ? 1.0 / 4 : 1.0 / 5));
  }
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_done_is_not_released_again) {
  Setup setup = workers(2);
  setup.stop.steps_per_worker = 2;
  Lead lead = lead_of(setup, "asp");
  BOOST_TEST(all<Release>(lead.start(at(0))).size() == 2);
  BOOST_TEST(all<Release>(lead.pushed(at(1), push(0))).size() == 1);
  BOOST_TEST(all<Release>(lead.pushed(at(2), push(0))).empty());
  BOOST_TEST(!lead.present(WorkerId(0)));
  BOOST_TEST(!lead.stopped());
  lead.pushed(at(3), push(1));
  lead.pushed(at(4), push(1));
  end_of(lead, at(4));
  BOOST_TEST(lead.stopped());
  BOOST_TEST(lead.stop_reason() == "steps_per_worker");
}

BOOST_AUTO_TEST_CASE(under_bsp_the_last_round_of_workers_that_are_done_is_applied) {
  Setup setup = workers(3);
  setup.stop.steps_per_worker = 1;
  Lead lead = lead_of(setup, "bsp");
  lead.start(at(0));
  lead.pushed(at(1), push(2));
  lead.pushed(at(1), push(0));
  const auto updates = all<Update>(lead.pushed(at(2), push(1)));
  BOOST_REQUIRE(updates.size() == 1);
  BOOST_TEST(updates[0].shares.size() == 3);
  BOOST_TEST(updates[0].shares[0].weight == 1.0 / 3);
  end_of(lead, at(2));
  BOOST_TEST(lead.stopped());
}

BOOST_AUTO_TEST_CASE(alarms_come_in_the_order_leave_join_evaluate_stop) {
  Setup setup = workers(3);
  setup.cluster.membership = {{.worker = WorkerId(1), .join_s = 0.1, .leave_s = {}, .join_step = {}, .leave_step = {}},
                              {.worker = WorkerId(2), .join_s = {}, .leave_s = 0.1, .join_step = {}, .leave_step = {}}};
  setup.evaluate.every_s = 0.1;
  setup.stop.time_s = 0.1;
  Lead lead = lead_of(setup, "asp");
  lead.start(at(0));
  std::vector<AlarmKind> kinds;
  while (const auto alarm = lead.next_alarm()) {
    kinds.push_back(alarm->kind);
    lead.ring(alarm->at);
  }
  const std::vector<AlarmKind> expected = {AlarmKind::kLeave, AlarmKind::kJoin, AlarmKind::kEvaluate, AlarmKind::kStop};
  BOOST_TEST((kinds == expected));
}

BOOST_AUTO_TEST_CASE(the_decision_log_holds_every_event_and_decision) {
  const test::TemporaryFolder folder;
  Setup setup = workers(2);
  setup.folder = folder.path();
  setup.stop.updates = 1;
  Lead lead = lead_of(setup, "bsp");
  lead.start(at(0));
  lead.pushed(at(5), {.worker = WorkerId(1), .timing = {.compute = std::chrono::milliseconds(5)}, .samples = 10});
  lead.pushed(at(7), push(0));
  end_of(lead, at(7));
  lead.finish({});
  BOOST_TEST(test::read_file(folder / "decisions.csv") ==
             "sequence,time_s,kind,worker,step,version,detail\n"
             "1,0.000000000,joined,0,0,0,\n"
             "2,0.000000000,joined,1,0,0,\n"
             "3,0.000000000,release,0,0,0,refresh=take local_steps=1 overlap_steps=0\n"
             "4,0.000000000,release,1,0,0,refresh=take local_steps=1 overlap_steps=0\n"
             "5,0.005000000,pushed,1,1,0,push=1 steps=1 compute_ns=5000000 delay_ns=0 upload_ns=0 download_ns=0\n"
             "6,0.007000000,pushed,0,1,0,push=2 steps=1 compute_ns=0 delay_ns=0 upload_ns=0 download_ns=0\n"
             "7,0.007000000,apply,,,1,shares=2:0.5;1:0.5 rate=1 learning_rate=0.1\n"
             "8,0.007000000,release,0,1,1,refresh=take local_steps=1 overlap_steps=0\n"
             "9,0.007000000,release,1,1,1,refresh=take local_steps=1 overlap_steps=0\n"
             "10,0.007000000,stop,,,1,updates\n");
}

BOOST_AUTO_TEST_CASE(a_run_that_only_samples_can_end_is_ended_when_every_step_is_given_up) {
  for (const bool timed : {false, true}) {
    Setup setup = workers(1);
    setup.stop.samples = 1000;
    if (timed) setup.stop.time_s = 60;
    Lead lead = lead_of(setup, "bap");
    lead.start(at(0));
    const PushReport nothing{.worker = WorkerId(0), .empty = true};
    for (int i = 1; i <= 999; ++i) lead.pushed(at(i), nothing);
    lead.pushed(at(1000), push(0));  // not in a row
    for (int i = 1001; i <= 1999; ++i) lead.pushed(at(i), nothing);
    BOOST_TEST(!lead.stopped());
    lead.pushed(at(2000), nothing);
    end_of(lead, at(2000));
    BOOST_TEST(lead.stopped() == !timed);
    BOOST_TEST(lead.stop_reason() == (timed ? "" : "every step given up"));
    BOOST_TEST(lead.failure().empty() == timed);
  }
}

BOOST_AUTO_TEST_CASE(a_plateau_ends_the_run) {
  Setup setup = workers(1);
  setup.stop.plateau = StopConfig::Plateau{.smoothing = 0.5, .below = 0.01};
  Lead lead = lead_of(setup, "asp");
  lead.start(at(0));
  double accuracy = 0.5;
  Version version = 0;
  for (const double change : {0.2, 0.1, 0.0, 0.0}) {
    accuracy += change;
    ++version;
    for (int again = 0; again < 10; ++again) {  // the same version says nothing new
      lead.evaluated(at(1), {.version = version, .test_accuracy = accuracy});
    }
    BOOST_TEST(!lead.stopped());
  }
  // Changes 0.1, 0, 0: 0.5^3 * 0.1 / (1 - 0.5^3) = 0.0143; one more 0: 0.5^4 * 0.1 / (1 - 0.5^4) = 0.0067.
  lead.evaluated(at(2), {.version = version + 1, .test_accuracy = accuracy});
  BOOST_TEST(lead.stopped());
  BOOST_TEST(lead.stop_reason() == "plateau");
}

BOOST_AUTO_TEST_CASE(two_evaluations_of_one_version_do_not_reach_a_target) {
  Setup setup = workers(1);
  setup.stop.target_accuracy = 0.8;
  Lead lead = lead_of(setup, "asp");
  lead.start(at(0));
  lead.evaluated(at(1), {.version = 1, .test_accuracy = 0.9});
  lead.evaluated(at(1), {.version = 1, .test_accuracy = 0.9});
  BOOST_TEST(!lead.stopped());
  lead.evaluated(at(2), {.version = 2, .test_accuracy = 0.9});
  BOOST_TEST(lead.stopped());
  BOOST_TEST(lead.stop_reason() == "target_accuracy");
}

BOOST_AUTO_TEST_CASE(a_version_is_evaluated_once_and_has_a_row_at_each_point_of_the_grid) {
  Setup setup = workers(1);
  setup.evaluate.every_s = 0.01;
  setup.stop.time_s = 1;
  Lead lead = lead_of(setup, "asp");
  BOOST_TEST(all<Look>(lead.start(at(0))).size() == 1U);
  const auto rows = [&] { return lead.account().evaluations().size(); };
  BOOST_TEST(all<Look>(end_of(lead, at(10))).empty());  // the result is not there yet
  BOOST_TEST(rows() == 0U);
  lead.evaluated(at(11), {.test_accuracy = 0.1});
  BOOST_TEST(rows() == 2U);
  BOOST_TEST((lead.account().evaluations()[1].at == at(10)));
  BOOST_TEST(all<Look>(end_of(lead, at(20))).empty());
  BOOST_TEST(rows() == 3U);
  BOOST_TEST(lead.account().evaluations()[2].test_accuracy == 0.1);
  lead.pushed(at(25), push(0));
  BOOST_TEST(all<Look>(end_of(lead, at(30))).size() == 1U);
}

BOOST_AUTO_TEST_CASE(at_one_instant_all_pushes_come_then_the_evaluation_then_the_stop) {
  for (const char* strategy : {"asp", "bsp"}) {
    Setup setup = workers(3);
    setup.train_samples = 60;
    setup.evaluate.every_epochs = 0.25;
    setup.stop.samples = 15;
    Lead lead = lead_of(setup, strategy);
    lead.start(at(0));
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
      BOOST_TEST(all<Look>(lead.pushed(at(5), push(worker))).empty());
      BOOST_TEST(!lead.stopped());
    }
    const std::vector<Order> orders = end_of(lead, at(5));
    BOOST_REQUIRE(all<Look>(orders).size() == 1U);
    BOOST_TEST(orders[0].version == (strategy == std::string("asp") ? 3U : 1U));
    BOOST_TEST(all<Look>(orders)[0].samples == 30U);
    BOOST_TEST(all<Look>(orders)[0].epoch == 0.5);
    BOOST_TEST(lead.stopped());
    BOOST_TEST(lead.stop_reason() == "samples");
    BOOST_TEST(!lead.last_look());
  }
}

// The last round counts when its update is done: until then its samples are in no model.
BOOST_AUTO_TEST_CASE(samples_count_for_stops_and_epochs_when_they_are_used_or_discarded) {
  for (const int update_ms : {0, 100}) {
    for (const char* reason : {"epochs", "samples"}) {
      Setup setup = workers(3);
      setup.train_samples = 20;
      setup.update_time = std::chrono::milliseconds(update_ms);
      if (reason == std::string("epochs")) {
        setup.stop.epochs = 1;
      } else {
        setup.stop.samples = 20;
      }
      Lead lead = lead_of(setup, "bsp");
      lead.start(at(0));
      for (std::uint32_t worker = 0; worker < 2; ++worker) {
        lead.pushed(at(1 + worker), push(worker));
        end_of(lead, at(1 + worker));
      }
      BOOST_TEST(!lead.stopped());  // 20 samples have come
      BOOST_TEST(lead.progress(at(2)).epoch == 0.0);
      lead.pushed(at(9), push(2));
      end_of(lead, at(9));
      BOOST_TEST(lead.stopped() == (update_ms == 0));
      end_of(lead, at(9 + update_ms));
      BOOST_TEST(lead.stop_reason() == reason);
      BOOST_TEST(lead.progress(at(9 + update_ms)).epoch == 1.5);
    }
  }
}

// Its pushes that are in no update yet count as if every worker had made as many.
BOOST_AUTO_TEST_CASE(a_local_worker_that_pushes_ahead_of_the_others_advances_in_the_schedule) {
  for (const int update_ms : {0, 100}) {
    Setup setup = workers(2);
    setup.batch_size = 10;
    setup.train_samples = 1000;
    setup.stop.updates = 100;
    setup.update_time = std::chrono::milliseconds(update_ms);
    Lead lead = lead_of(setup, "wbsp");
    const auto paces = [](std::span<const Order> orders) {
      std::vector<std::uint64_t> samples;
      for (const Release& release : all<Release>(orders)) {
        samples.push_back(release.pace.samples);
        BOOST_TEST(release.pace.per_step == 20U);
      }
      return samples;
    };
    using Samples = std::vector<std::uint64_t>;
    BOOST_TEST(paces(lead.start(at(0))) == (Samples{0, 0}), boost::test_tools::per_element());
    BOOST_TEST(paces(lead.pushed(at(1), push(0))) == Samples{20}, boost::test_tools::per_element());
    BOOST_TEST(paces(lead.pushed(at(2), push(0))) == Samples{40}, boost::test_tools::per_element());
    BOOST_TEST(paces(lead.pushed(at(3), push(0))) == Samples{60}, boost::test_tools::per_element());
    BOOST_TEST(paces(lead.pushed(at(4), push(1))) == Samples{40},
               boost::test_tools::per_element());  // an update of all
    BOOST_TEST(paces(lead.pushed(at(5), push(0))) == Samples{60}, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_SUITE_END()
