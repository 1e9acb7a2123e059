// What the lead makes of events: who is charged for a hold, and what a worker computed through.
#include <boost/test/unit_test.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/random.h"
#include "lead/instants.h"
#include "lead/lead.h"
#include "support/folder.h"
#include "sync/registry.h"

using namespace psctl;
using namespace psctl::lead;
using std::chrono::milliseconds;

namespace {

using test::at;
WorkerId id(std::size_t worker) { return WorkerId(static_cast<std::uint32_t>(worker)); }

std::unique_ptr<sync::Strategy> strategy(const std::string& name,
                                         std::map<std::string, sync::ParameterValue, std::less<>> given = {}) {
  auto values = sync::defaults(*sync::find(name)).values();
  for (auto& [key, value] : given) values[key] = value;
  return sync::make(
      {.name = name, .parameters = sync::Parameters(values)},
      {.workers = 4, .steps_per_epoch = 8, .total_samples = 4000, .train_samples = 320, .batch_size = 10});
}

Membership joins_at(std::uint32_t worker, double seconds) {
  return {.worker = WorkerId(worker), .join_s = seconds, .leave_s = {}, .join_step = {}, .leave_step = {}};
}
Membership leaves_at(std::uint32_t worker, double seconds) {
  return {.worker = WorkerId(worker), .join_s = {}, .leave_s = seconds, .join_step = {}, .leave_step = {}};
}

// Worker -> milliseconds; -1: a deadline.
using HeldBy = std::map<int, double>;

// A run told push by push.
struct Run {
  Run(std::size_t workers, std::unique_ptr<sync::Strategy> strategy, std::vector<Membership> membership = {},
      const std::string& folder = "")
      : lead(setup(workers, std::move(membership), folder), std::move(strategy)) {
    lead.start(at(0));
  }
  static Setup setup(std::size_t workers, std::vector<Membership> membership, const std::string& folder) {
    Setup setup;
    setup.cluster.workers = workers;
    setup.cluster.membership = std::move(membership);
    setup.batch_size = 10;
    setup.folder = folder;
    return setup;
  }
  void push(std::int64_t ms, std::uint32_t worker) { push(ms, {.worker = WorkerId(worker), .samples = 10}); }
  void push(std::int64_t ms, const PushReport& report) {
    ring_until(ms);
    lead.pushed(at(ms), report);
  }
  void ring_until(std::int64_t ms) {
    while (const auto alarm = lead.next_alarm()) {
      if (alarm->at > at(ms)) break;
      lead.ring(alarm->at);
    }
  }
  void end(std::int64_t ms) {
    ring_until(ms);
    lead.stop(at(ms), "test");
    summary = nlohmann::json::parse(lead.finish({}));
  }
  HeldBy held_by(std::size_t worker) const {
    HeldBy result;
    for (const auto& entry : summary["workers"][worker]["held_by"]) {
      result[entry["worker"].is_null() ? -1 : entry["worker"].get<int>()] = entry["s"].get<double>() * 1e3;
    }
    return result;
  }

  Lead lead;
  nlohmann::json summary;
};

void check(const HeldBy& got, const HeldBy& expected) {
  BOOST_TEST((got == expected), [&] {
    std::string text = "got";
    for (const auto& [worker, ms] : got) text += " " + std::to_string(worker) + ":" + std::to_string(ms);
    return text;
  }());
}

// Releases when somebody outside the group pushes, because of those in the group that have not pushed; and at its
// deadline.
class Relaxed final : public sync::Strategy {
 public:
  Relaxed(std::set<WorkerId> group, std::optional<Instant> deadline) : group_(std::move(group)), deadline_(deadline) {}
  sync::Traits traits() const override { return {.overlap = true}; }
  void observe(const sync::Cluster&, Instant now, const sync::Event& event) override {
    const auto* pushed = std::get_if<sync::Pushed>(&event);
    go_ = std::holds_alternative<sync::Joined>(event) || std::holds_alternative<sync::Woke>(event) ||
          (pushed && !group_.contains(pushed->worker));
    if (deadline_ && now >= *deadline_) deadline_.reset();
    waited_for_.clear();
    relaxed_ = pushed && go_;
  }
  std::vector<sync::Decision> decide(const sync::Cluster& cluster, Instant) override {
    std::vector<sync::Decision> decisions;
    for (const auto& [push, pending] : cluster.pending()) decisions.emplace_back(sync::Apply{.shares = {{push}}});
    if (!go_) return decisions;
    bool held = false;
    for (const auto& [step, worker] : cluster.waiting()) {
      held = held || group_.contains(worker);
      decisions.emplace_back(sync::Release{.worker = worker, .overlap_steps = 4});
    }
    for (const WorkerId member : group_) {
      if (relaxed_ && held && cluster.worker(member).phase == sync::Phase::kComputing) waited_for_.push_back(member);
    }
    return decisions;
  }
  std::vector<WorkerId> waited_for() const override { return waited_for_; }
  std::optional<Instant> deadline(const sync::Cluster&) const override { return deadline_; }

 private:
  std::set<WorkerId> group_;
  std::optional<Instant> deadline_;
  bool go_ = false, relaxed_ = false;
  std::vector<WorkerId> waited_for_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(lead_account)

BOOST_AUTO_TEST_CASE(a_leave_that_ends_a_round_is_charged_to_the_one_that_left) {
  Run run(3, strategy("bsp"), {leaves_at(2, 0.05)});
  run.push(10, 0);
  run.push(20, 1);
  run.end(60);
  check(run.held_by(0), {{2, 40}});
  check(run.held_by(1), {{2, 30}});
  BOOST_TEST(run.summary["workers"][2]["held_others_s"].get<double>() == 0.07);
}

BOOST_AUTO_TEST_CASE(one_that_is_held_when_it_leaves_had_waited_for_those_furthest_behind) {
  Run run(3, strategy("bsp"), {leaves_at(0, 0.03)});
  run.push(10, 0);
  run.push(20, 1);
  run.push(50, 2);
  run.end(50);
  check(run.held_by(0), {{2, 20}});  // at its leave only worker 2 computes
}

BOOST_AUTO_TEST_CASE(a_joiner_waits_for_who_ends_the_round) {
  Run run(3, strategy("bsp"), {joins_at(2, 0.015)});
  run.push(10, 0);
  run.push(40, 1);
  run.end(40);
  check(run.held_by(0), {{1, 30}});
  check(run.held_by(2), {{1, 25}});
}

BOOST_AUTO_TEST_CASE(before_a_joiner_came_the_others_waited_for_those_furthest_behind) {
  Run run(3, strategy("ssp", {{"staleness", std::int64_t{0}}}), {joins_at(2, 0.02)});
  run.push(10, 0);
  run.push(30, 1);
  run.push(45, 2);
  run.end(45);
  check(run.held_by(0), {{1, 10}, {2, 25}});
  check(run.held_by(1), {{2, 15}});
}

BOOST_AUTO_TEST_CASE(a_hold_that_is_on_at_the_end_is_charged_to_those_that_compute_furthest_behind) {
  Run bsp(3, strategy("bsp"));
  bsp.push(10, 0);
  bsp.end(31);
  check(bsp.held_by(0), {{1, 10.5}, {2, 10.5}});
  Run ssp(3, strategy("ssp", {{"staleness", std::int64_t{1}}}));
  ssp.push(4, 1);
  ssp.push(5, 0);
  ssp.push(10, 0);
  ssp.end(30);
  check(ssp.held_by(0), {{2, 20}});
}

BOOST_AUTO_TEST_CASE(workers_that_a_strategy_says_it_waited_for_are_charged_in_equal_parts) {
  Run run(5, std::make_unique<Relaxed>(std::set{id(0), id(1), id(2), id(3)}, std::nullopt));
  run.push(10, 0);
  run.push(20, 1);
  run.push(50, 4);
  run.end(50);
  check(run.held_by(0), {{2, 20}, {3, 20}});
  check(run.held_by(1), {{2, 15}, {3, 15}});
  check(run.held_by(4), {});
}

BOOST_AUTO_TEST_CASE(a_deadline_has_an_entry_of_its_own) {
  const test::TemporaryFolder folder;
  Run run(2, std::make_unique<Relaxed>(std::set{id(0), id(1)}, at(25)), {}, folder.path());
  run.push(10, 0);
  run.end(40);
  check(run.held_by(0), {{-1, 15}});
  const std::string workers = test::read_file(folder / "workers.csv");
  BOOST_TEST(workers.find(",deadline:0.015000000,0.000000000\n") != std::string::npos, workers);
}

BOOST_AUTO_TEST_CASE(what_a_worker_computed_through_counts_as_computing_alone) {
  const test::TemporaryFolder folder;
  Setup setup = Run::setup(2, {}, folder.path());
  setup.trace.timeline = true;
  Lead lead(std::move(setup), std::make_unique<Relaxed>(std::set{id(0)}, std::nullopt));
  lead.start(at(0));
  // Worker 0: waits for data to 3, computes to 8, its push is on the way to 10, it is held to 30, the model is there
  // at 34. From 8 on it computes 6 ms more, then waits: 2 of its push and 4 of its hold are hidden. Then 10 ms, 1 ms of
  // it a delay. 2 ms of it all are waiting for data.
  lead.pushed(at(10), {.worker = id(0),
                       .timing = {.data = milliseconds(3), .compute = milliseconds(5), .upload = milliseconds(2)},
                       .samples = 10});
  lead.pushed(at(30), {.worker = id(1), .timing = {.compute = milliseconds(30)}, .samples = 10});
  lead.pushed(at(47), {.worker = id(0),
                       .steps = 2,
                       .overlapped = 1,
                       .timing = {.data = milliseconds(2),
                                  .compute = milliseconds(13),
                                  .delay = milliseconds(1),
                                  .upload = milliseconds(3),
                                  .download = milliseconds(4)},
                       .hidden = {.push = milliseconds(2), .wait = milliseconds(4), .pull = {}},
                       .samples = 10});
  // It computes through this hold to the end.
  lead.stop(at(50), "test");
  lead.cut_off(id(0), {.compute = milliseconds(6), .delay = {}, .upload = {}, .download = {}}, {},
               {.push = milliseconds(3), .wait = milliseconds(3), .pull = {}});
  lead.cut_off(id(1), {.compute = milliseconds(20)});
  const auto summary = nlohmann::json::parse(lead.finish({}));
  const auto& worker = summary["workers"][0];
  BOOST_TEST(worker["data_s"].get<double>() == 0.005);
  BOOST_TEST(worker["compute_s"].get<double>() == 0.024);
  BOOST_TEST(worker["delay_s"].get<double>() == 0.001);
  BOOST_TEST(worker["push_s"].get<double>() == 0.0);
  BOOST_TEST(worker["wait_s"].get<double>() == 0.016);
  BOOST_TEST(worker["pull_s"].get<double>() == 0.004);
  BOOST_TEST(worker["other_s"].get<double>() == 0.0);
  BOOST_TEST(worker["held_by"].dump() == R"([{"s":0.016,"worker":1}])");
  const std::string steps = test::read_file(folder / "steps.csv");
  BOOST_TEST(
      steps.find(
          "0.010000000,0,1,0,1,0,1,0.003000000,0.005000000,0.000000000,0.000000000,0.016000000,0.004000000,10,") !=
          std::string::npos,
      steps);
  // The slices of a track lie one after the other.
  std::map<int, std::map<double, double>> slices;
  for (const auto& event : nlohmann::json::parse(test::read_file(folder / "timeline.json"))) {
    if (event["ph"] != "X") continue;
    BOOST_TEST(slices[event["tid"].get<int>()].emplace(event["ts"].get<double>(), event["dur"].get<double>()).second);
  }
  double covered = 0, until = 0;
  for (const auto& [begin, duration] : slices[1]) {
    BOOST_TEST(begin >= until);
    until = begin + duration;
    covered += duration;
  }
  BOOST_TEST(covered == 44'000.0);  // all but the 6 ms that were cut off
}

BOOST_AUTO_TEST_CASE(samples_that_were_lost_or_given_up_were_never_received) {
  Run run(2, std::make_unique<Relaxed>(std::set<WorkerId>{}, std::nullopt));
  run.push(10, 0);
  run.push(20, {.worker = id(0), .steps = 2, .overlapped = 3, .lost = 2, .samples = 20});
  run.push(30, {.worker = id(1), .empty = true, .samples = 10});
  run.end(30);
  BOOST_TEST(run.summary["samples"].get<int>() == 30);
  BOOST_TEST(run.summary["samples_used"].get<int>() == 30);
  BOOST_TEST(run.summary["samples_lost"].get<int>() == 20);
  BOOST_TEST(run.summary["samples_given_up"].get<int>() == 10);
  BOOST_TEST(run.summary["workers"][0]["samples_lost"].get<int>() == 20);
  BOOST_TEST(run.summary["workers"][1]["samples_given_up"].get<int>() == 10);
}

// Clusters in which workers come and go, under every strategy that there is.
BOOST_AUTO_TEST_CASE(charges_add_up_to_the_waits_under_every_strategy) {
  for (const sync::Entry& entry : sync::entries()) {
    Duration waited{};
    for (std::uint64_t seed = 1; seed <= 25; ++seed) {
      const std::string context = entry.name + ", seed " + std::to_string(seed);
      Draws draws({.seed = seed, .purpose = Purpose::kTest});
      constexpr std::size_t kWorkers = 4;
      std::vector<Membership> membership;
      if (draws.below(2) == 0) membership.push_back(joins_at(1, 1e-6 * static_cast<double>(draws.below(3'000))));
      if (draws.below(2) == 0) membership.push_back(leaves_at(2, 1e-6 * static_cast<double>(draws.below(6'000))));
      Setup setup = Run::setup(kWorkers, membership, "");
      setup.train_samples = 320;
      if (draws.below(2) == 0) setup.stop.steps_per_worker = 200;
      setup.stop.time_s = 0.01;
      Lead lead(setup, strategy(entry.name));
      std::map<std::pair<Instant, std::size_t>, PushReport> due;
      std::array<Instant, kWorkers> released{};
      std::uint64_t received = 0;
      std::vector<Step> steps_of = {0};  // of every push, which count from 1
      const auto follow = [&](Instant now, std::span<const Order> orders) {
        for (const Order& order : orders) {
          const auto* release = std::get_if<Release>(&order.what);
          if (!release) continue;
          const Step steps = std::max<Step>(1, release->local_steps);
          const Duration compute(static_cast<std::int64_t>(steps * (1 + draws.below(100'000))));
          released[release->worker.value] = now;
          due[{now + compute, release->worker.value}] = {
              .worker = release->worker, .steps = steps, .timing = {.compute = compute}, .samples = steps * 10};
        }
      };
      const auto cut_off = [&](Instant now, std::size_t worker) {
        if (std::erase_if(due, [&](const auto& item) { return item.first.second == worker; }) > 0) {
          lead.cut_off(id(worker), {.compute = now - released[worker]});
        }
      };
      follow(at(0), lead.start(at(0)));
      Instant now{};
      while (!lead.stopped()) {
        const auto alarm = lead.next_alarm();
        BOOST_REQUIRE_MESSAGE(alarm || !due.empty(), context);
        if (!due.empty() && (!alarm || due.begin()->first.first <= alarm->at)) {
          const auto next = *due.begin();
          due.erase(due.begin());
          now = next.first.first;
          received += next.second.samples;
          steps_of.push_back(next.second.steps);
          follow(now, lead.pushed(now, next.second));
        } else {
          now = alarm->at;
          if (alarm->kind == AlarmKind::kLeave) cut_off(now, alarm->worker.value);
          follow(now, lead.ring(now));
        }
      }
      for (std::size_t worker = 0; worker < kWorkers; ++worker) cut_off(now, worker);
      const auto summary = nlohmann::json::parse(lead.finish({}));
      std::uint64_t pending = 0;
      for (const auto& [id, push] : lead.cluster().pending()) {
        pending += push.steps * 10;
        for (const sync::Use& merged : push.merged) pending += steps_of.at(merged.push.value) * 10;
      }
      BOOST_TEST(summary["samples"].get<std::uint64_t>() == received, context);
      BOOST_TEST(summary["samples_pending"].get<std::uint64_t>() == pending, context);
      BOOST_TEST(summary["samples_used"].get<std::uint64_t>() + summary["samples_discarded"].get<std::uint64_t>() ==
                     received - pending,
                 context);
      std::array<Duration, kWorkers> held_others{};
      for (std::size_t worker = 0; worker < kWorkers; ++worker) {
        const trace::WorkerAccount& account = lead.account().workers()[worker];
        Duration charged{};
        for (const trace::Charge& charge : account.held_by) {
          charged += charge.time;
          BOOST_TEST((charge.time > Duration::zero()), context);
          BOOST_TEST((charge.worker != id(worker)), context);
          if (charge.worker) held_others[charge.worker->value] += charge.time;
        }
        BOOST_TEST(charged.count() == account.wait.count(), context);
        BOOST_TEST(account.other().count() == 0, context);
        waited += account.wait;
      }
      for (std::size_t worker = 0; worker < kWorkers; ++worker) {
        BOOST_TEST((held_others[worker] == lead.account().workers()[worker].held_others), context);
      }
    }
    if (entry.name == "bsp" || entry.name == "ssp") BOOST_TEST((waited > Duration::zero()), entry.name);
  }
}

BOOST_AUTO_TEST_SUITE_END()
