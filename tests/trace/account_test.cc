#include "trace/account.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "support/folder.h"

using namespace psctl;
using namespace psctl::trace;
using std::chrono::milliseconds;

namespace {

Instant at(std::int64_t ms) { return Instant(milliseconds(ms)); }

PushRecord push(std::uint64_t id, std::uint32_t worker, Step step, Version base, const sync::Timing& timing) {
  return {.id = PushId(id),
          .worker = WorkerId(worker),
          .step = step,
          .gap = 0,
          .base = base,
          .samples = 10,
          .loss = 0.5,
          .timing = timing};
}

sync::Use use(std::uint64_t id, std::uint32_t worker, Version base) {
  return {.push = PushId(id), .worker = WorkerId(worker), .step = 1, .base = base, .weight = 1};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(account)

BOOST_AUTO_TEST_CASE(a_workers_parts_add_up_to_its_wall_time) {
  Account account({.folder = ""}, 1);
  account.joined(at(0), WorkerId(0));
  account.released(at(0), WorkerId(0), sync::Refresh::kTake);
  account.pushed(at(23), push(1, 0, 1, 0,
                              {.data = milliseconds(7),
                               .compute = milliseconds(10),
                               .delay = milliseconds(3),
                               .upload = milliseconds(2),
                               .download = milliseconds(1)}));
  account.applied(at(27), std::vector{use(1, 0, 0)}, 1);
  account.released(at(27), WorkerId(0), sync::Refresh::kTake);
  account.cut_off(WorkerId(0), {.data = milliseconds(2), .compute = milliseconds(5), .download = milliseconds(1)});
  account.ended(at(35));
  BOOST_TEST((account.workers()[0].data == milliseconds(9)));
  const WorkerAccount& worker = account.workers()[0];
  BOOST_TEST((worker.compute == milliseconds(15)));
  BOOST_TEST((worker.wait == milliseconds(4)));
  BOOST_TEST((worker.pull == milliseconds(2)));
  BOOST_TEST((worker.wall == milliseconds(35)));
  BOOST_TEST((worker.other() == Duration::zero()));
  BOOST_TEST(worker.compute_share() == 18.0 / 35);
}

BOOST_AUTO_TEST_CASE(rows_wait_for_a_step_that_takes_long_only_where_they_are_written) {
  const test::TemporaryFolder folder;
  for (const bool steps : {false, true}) {
    Account account({.folder = folder.path(), .steps = steps}, 2);
    for (const std::uint32_t worker : {0U, 1U}) {
      account.joined(at(0), WorkerId(worker));
      account.released(at(0), WorkerId(worker), sync::Refresh::kTake);
    }
    std::uint64_t id = 0;
    const auto pushes = [&](std::int64_t ms, std::uint32_t worker) {
      account.pushed(at(ms), push(++id, worker, 1, 0, {}));
      account.applied(at(ms), std::vector{use(id, worker, 0)}, id);
      account.released(at(ms), WorkerId(worker), sync::Refresh::kTake);
    };
    pushes(1, 0);
    for (std::int64_t ms = 2; ms <= 1000; ++ms) pushes(ms, 1);
    BOOST_TEST(account.open_rows() == (steps ? 1000U : 2U));
    pushes(1001, 0);
    BOOST_TEST(account.open_rows() == 2U);
  }
}

BOOST_AUTO_TEST_CASE(a_hold_that_is_still_on_counts_up_to_the_end) {
  Account account({.folder = ""}, 1);
  account.joined(at(0), WorkerId(0));
  account.released(at(0), WorkerId(0), sync::Refresh::kTake);
  account.pushed(at(10), push(1, 0, 1, 0, {.compute = milliseconds(10)}));
  account.ended(at(17));
  BOOST_TEST((account.workers()[0].wait == milliseconds(7)));
  BOOST_TEST(account.samples().received() == 10U);
  BOOST_TEST(account.samples().pending == 10U);
}

BOOST_AUTO_TEST_CASE(staleness_counts_updates_and_samples_between_base_and_use) {
  Account account({.folder = ""}, 2);
  for (std::uint32_t worker : {0U, 1U}) {
    account.joined(at(0), WorkerId(worker));
    account.released(at(0), WorkerId(worker), sync::Refresh::kTake);
  }
  for (std::uint64_t i = 1; i <= 3; ++i) {
    account.pushed(at(static_cast<std::int64_t>(i)), push(i, 0, i, i - 1, {}));
    account.applied(at(static_cast<std::int64_t>(i)), std::vector{use(i, 0, i - 1)}, i);
    account.released(at(static_cast<std::int64_t>(i)), WorkerId(0), sync::Refresh::kTake);
  }
  account.pushed(at(9), push(4, 1, 1, 0, {}));
  account.applied(at(9), std::vector{use(4, 1, 0)}, 4);
  account.ended(at(9));
  BOOST_TEST(account.workers()[0].staleness.maximum() == 0U);
  BOOST_TEST(account.workers()[1].staleness.maximum() == 3U);
  BOOST_TEST(account.mean_staleness_samples() == 30.0 / 4);
}

BOOST_AUTO_TEST_CASE(rows_are_written_in_the_order_of_the_pushes) {
  const test::TemporaryFolder folder;
  Account account({.folder = folder.path()}, 2);
  for (std::uint32_t worker : {0U, 1U}) {
    account.joined(at(0), WorkerId(worker));
    account.released(at(0), WorkerId(worker), sync::Refresh::kTake);
  }
  account.pushed(at(5), push(1, 1, 1, 0, {.data = milliseconds(1)}));
  account.pushed(at(6), push(2, 0, 1, 0, {}));
  account.applied(at(6), std::vector{use(2, 0, 0), use(1, 1, 0)}, 1);
  account.ended(at(8));
  BOOST_TEST(
      test::read_file(folder / "steps.csv") ==
      "time_s,worker,step,base_version,applied_version,staleness,gap,data_s,compute_s,delay_s,push_s,"
      "wait_s,pull_s,samples,loss\n"
      "0.005000000,1,1,0,1,0,0,0.001000000,0.000000000,0.000000000,0.000000000,0.003000000,0.000000000,10,0.5\n"
      "0.006000000,0,1,0,1,0,0,0.000000000,0.000000000,0.000000000,0.000000000,0.002000000,0.000000000,10,0.5\n");
}

BOOST_AUTO_TEST_CASE(rows_go_on_after_a_worker_has_left) {
  const test::TemporaryFolder folder;
  Account account({.folder = folder.path()}, 2);
  for (std::uint32_t worker : {0U, 1U}) {
    account.joined(at(0), WorkerId(worker));
    account.released(at(0), WorkerId(worker), sync::Refresh::kTake);
  }
  account.pushed(at(1), push(1, 1, 1, 0, {}));
  account.applied(at(1), std::vector{use(1, 1, 0)}, 1);
  account.left(at(1), WorkerId(1));
  for (std::uint64_t i = 2; i < 5; ++i) {
    account.pushed(at(static_cast<std::int64_t>(i)), push(i, 0, i, i - 1, {}));
    account.applied(at(static_cast<std::int64_t>(i)), std::vector{use(i, 0, i - 1)}, i);
    account.released(at(static_cast<std::int64_t>(i)), WorkerId(0), sync::Refresh::kTake);
  }
  account.flush();
  const std::string rows = test::read_file(folder / "steps.csv");
  BOOST_TEST(std::count(rows.begin(), rows.end(), '\n') == 4);  // all but the last, whose pull is not known yet
}

BOOST_AUTO_TEST_CASE(the_target_is_reached_at_the_first_of_two_evaluations_in_a_row) {
  Account account({.folder = "", .target_accuracy = 0.8}, 1);
  const auto look = [&](std::int64_t ms, double accuracy) {
    account.evaluated({.at = at(ms), .version = static_cast<Version>(ms), .test_accuracy = accuracy});
  };
  look(0, 0.1);
  BOOST_TEST(!account.time_to_target());
  look(10, 0.85);
  BOOST_TEST((account.time_to_target() == at(10)));  // the last counts alone
  look(20, 0.79);
  BOOST_TEST(!account.time_to_target());
  look(30, 0.8);
  look(40, 0.9);
  BOOST_TEST((account.time_to_target() == at(30)));
}

BOOST_AUTO_TEST_CASE(a_version_that_is_evaluated_twice_does_not_reach_the_target) {
  Account account({.folder = "", .target_accuracy = 0.8}, 1);
  for (const auto& [ms, version, accuracy] :
       {std::tuple(10, 1, 0.9), {20, 1, 0.9}, {30, 2, 0.7}, {40, 3, 0.8}, {50, 3, 0.8}, {60, 4, 0.9}}) {
    account.evaluated({.at = at(ms), .version = static_cast<Version>(version), .test_accuracy = accuracy});
  }
  BOOST_TEST((account.time_to_target() == at(40)));
}

BOOST_AUTO_TEST_CASE(the_cost_of_the_target_is_the_time_of_all_workers_that_were_there) {
  Account account({.folder = "", .target_accuracy = 0.8}, 4);
  account.joined(at(0), WorkerId(0));
  account.joined(at(0), WorkerId(1));
  account.left(at(10), WorkerId(1));
  account.joined(at(25), WorkerId(2));
  for (const auto& [ms, accuracy] : {std::pair(20, 0.1), {40, 0.85}, {60, 0.9}}) {
    account.evaluated({.at = at(ms), .version = static_cast<Version>(ms), .test_accuracy = accuracy});
  }
  account.ended(at(60));
  BOOST_TEST((account.worker_time_to_target() == milliseconds(40 + 10 + 15)));
}

// Times of a real worker: its clock says that the pull ended after the next step had begun, and that both began before
// the lead had released it.
BOOST_AUTO_TEST_CASE(slices_of_a_track_follow_each_other_in_whole_microseconds) {
  using std::chrono::nanoseconds;
  const test::TemporaryFolder folder;
  {
    Account account({.folder = folder.path(), .timeline = true, .in_order = false}, 1);
    account.joined(at(0), WorkerId(0));
    account.released(at(0), WorkerId(0), sync::Refresh::kTake);
    Instant now{};
    for (std::uint64_t i = 1; i <= 20; ++i) {
      now += nanoseconds(1'000'333 + 500 * i);
      const sync::Timing timing{.data = nanoseconds(200'101),
                                .compute = nanoseconds(700'777),
                                .delay = nanoseconds(90'000),
                                .upload = nanoseconds(20'009 + 5'000 * (i % 5)),
                                .download = nanoseconds(100'001 + 100'000 * (i % 3))};
      account.pushed(now, push(i, 0, i, i - 1, timing));
      now += nanoseconds(150'031);
      account.applied(now, std::vector{use(i, 0, i - 1)}, i);
      account.released(now, WorkerId(0), sync::Refresh::kTake);
    }
    account.ended(now + milliseconds(1));
  }
  const std::string text = test::read_file(folder / "timeline.json");
  std::int64_t until = 0, covered = 0;
  std::size_t slices = 0;
  for (const auto& event : nlohmann::json::parse(text)) {
    if (event["ph"] != "X") continue;
    BOOST_TEST_REQUIRE(event["ts"].is_number_integer());
    BOOST_TEST_REQUIRE(event["dur"].is_number_integer());
    const auto begin = event["ts"].get<std::int64_t>();
    BOOST_TEST(begin >= until, event.dump());
    until = begin + event["dur"].get<std::int64_t>();
    covered += until - begin;
    ++slices;
  }
  BOOST_TEST(slices > 80U);
  BOOST_TEST(covered > until * 9 / 10);
}

BOOST_AUTO_TEST_CASE(a_nan_has_no_sign_in_the_files) {
  const test::TemporaryFolder folder;
  {
    Account account({.folder = folder.path()}, 1);
    account.joined(at(0), WorkerId(0));
    account.released(at(0), WorkerId(0), sync::Refresh::kTake);
    PushRecord record = push(1, 0, 1, 0, {});
    record.loss = -std::numeric_limits<double>::quiet_NaN();
    account.pushed(at(1), record);
    account.evaluated({.at = at(1), .train_loss = record.loss, .test_loss = record.loss, .test_accuracy = record.loss});
    account.ended(at(1));
  }
  BOOST_TEST(test::read_file(folder / "evals.csv").ends_with(",nan,nan,nan\n"));
  BOOST_TEST(test::read_file(folder / "steps.csv").ends_with(",10,nan\n"));
}

BOOST_AUTO_TEST_CASE(percentiles_are_values_that_occurred) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 100; ++value) histogram.add(value);
  BOOST_TEST(histogram.percentile(0.99) == 99U);
  BOOST_TEST(histogram.percentile(1) == 100U);
  BOOST_TEST(histogram.mean() == 50.5);
  BOOST_TEST(Histogram().percentile(0.5) == 0U);
}

BOOST_AUTO_TEST_CASE(a_histogram_knows_the_same_as_the_sorted_values_however_many_there_are) {
  Histogram whole, halves[2];
  std::vector<std::uint64_t> values;
  for (std::uint64_t i = 0; i < 5'000; ++i) {
    values.push_back(i * i % (i < 1'000 ? 1'009 : 97));
    halves[i % 2].add(values.back());
  }
  whole.add(halves[0]);
  whole.add(halves[1]);
  std::ranges::sort(values);
  BOOST_TEST(whole.count() == values.size());
  BOOST_TEST(whole.maximum() == values.back());
  BOOST_TEST(whole.mean() == static_cast<double>(std::accumulate(values.begin(), values.end(), std::uint64_t{0})) /
                                 static_cast<double>(values.size()));
  for (const std::size_t rank : {1U, 2U, 2'500U, 4'950U, 4'999U, 5'000U}) {
    BOOST_TEST(whole.percentile(static_cast<double>(rank) / 5'000) == values[rank - 1]);
  }
}

BOOST_AUTO_TEST_SUITE_END()
