#include <boost/test/unit_test.hpp>
#include <set>

#include "sync/drive.h"
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

using test::at;

// A cluster whose workers have all joined at time 0.
Synchronizer all_joined(const std::string& name, const Given& given, std::uint32_t workers) {
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

// Local workers with a number for a model and one interval each, on a cluster without network: every local step of
// worker i changes its model by -(i + 1). Equal instants go by worker.
class Scalars {
 public:
  Scalars(std::unique_ptr<Strategy> strategy, std::vector<std::int64_t> intervals)
      : intervals_(std::move(intervals)), sync_(std::move(strategy), intervals_.size(), intervals_.size()) {
    workers_.resize(intervals_.size());
    for (std::uint32_t id = 0; id < intervals_.size(); ++id) carry(at(0), Joined{WorkerId(id)});
  }

  // The push that comes next: its instant and its worker.
  std::pair<std::int64_t, std::uint32_t> step() {
    const auto [due, id] = *due_.begin();
    due_.erase(due_.begin());
    Local& worker = workers_[id];
    worker.x -= id + 1;
    const Step steps = sync_.cluster().worker(WorkerId(id)).local_steps;
    carried_ = worker.x - worker.base;
    worker.base = worker.x;
    carry(at(due), Pushed{.worker = WorkerId(id), .steps = std::max<Step>(1, steps)});
    return {due, id};
  }

  double model() const { return model_; }
  double pending() const {
    double sum = 0;
    for (const auto& [id, delta] : pending_) sum += delta;
    return sum / static_cast<double>(workers_.size());
  }
  double worker_model(std::uint32_t id) const { return workers_[id].x; }
  int pulls(std::uint32_t id) const { return workers_[id].pulls - 1; }  // without the first
  const Cluster& cluster() const { return sync_.cluster(); }

 private:
  struct Local {
    double x = 0, base = 0;
    int pulls = 0;
  };

  void carry(Instant now, const Event& event) {
    const auto outcomes = sync_.handle(now, event);
    if (std::holds_alternative<Pushed>(event)) pending_[sync_.last_push()] = carried_;
    for (const Outcome& outcome : outcomes) {
      if (const auto* merge = std::get_if<Merge>(&outcome.decision)) {
        pending_.at(merge->into) += pending_.at(merge->from);
        pending_.erase(merge->from);
      } else if (const auto* apply = std::get_if<Apply>(&outcome.decision)) {
        for (const Share& share : apply->shares) {
          model_ += share.weight * pending_.at(share.push);
          pending_.erase(share.push);
        }
      } else if (const auto* release = std::get_if<Release>(&outcome.decision)) {
        Local& worker = workers_[release->worker.value];
        if (release->refresh == Refresh::kTake) {
          worker.x = worker.base = model_;
          ++worker.pulls;
        }
        due_.emplace(now.time_since_epoch().count() + intervals_[release->worker.value], release->worker.value);
      }
    }
  }

  std::vector<std::int64_t> intervals_;
  Synchronizer sync_;
  std::vector<Local> workers_;
  std::map<PushId, double> pending_;
  std::set<std::pair<std::int64_t, std::uint32_t>> due_;
  double model_ = 0, carried_ = 0;
};

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
  Synchronizer sync = all_joined("local_sgd", {{"period", std::int64_t{3}}}, 2);
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

BOOST_AUTO_TEST_CASE(wbsp_commits_with_the_slowest_push_or_on_arrival) {
  struct Row {
    std::int64_t time;
    std::uint32_t worker;
    double arrival, committed, pending;
  };
  // Workers are counted from 0 here.
  const std::vector<Row> rows = {
      {2, 0, -1, 0, -1},     {3, 1, -3, 0, -3},     {4, 0, -4, 0, -4},    {6, 0, -5, 0, -5},     {6, 1, -7, 0, -7},
      {7, 2, -10, -10, 0},   {8, 0, -11, -10, -1},  {9, 1, -13, -10, -3}, {10, 0, -14, -10, -4}, {12, 0, -15, -10, -5},
      {12, 1, -17, -10, -7}, {14, 0, -18, -10, -8}, {14, 2, -21, -21, 0}, {15, 1, -23, -21, -2},
  };
  Scalars arrival(make_with("wbsp", {{"commit", std::string("arrival")}}), {2, 3, 7});
  Scalars versioned(make_with("wbsp", {}), {2, 3, 7});
  for (const Row& row : rows) {
    BOOST_TEST_CONTEXT("at " << row.time << ", worker " << row.worker) {
      BOOST_TEST((arrival.step() == std::pair(row.time, row.worker)));
      BOOST_TEST((versioned.step() == std::pair(row.time, row.worker)));
      BOOST_TEST(arrival.model() == row.arrival / 3, boost::test_tools::tolerance(1e-9));
      BOOST_TEST(arrival.pending() == 0.0);
      BOOST_TEST(versioned.model() == row.committed / 3, boost::test_tools::tolerance(1e-9));
      BOOST_TEST(versioned.pending() == row.pending / 3, boost::test_tools::tolerance(1e-9));
      BOOST_TEST(versioned.cluster().pending().size() <= 3U);
      if (row.time == 8) {
        BOOST_TEST(arrival.worker_model(0) == -11.0 / 3, boost::test_tools::tolerance(1e-9));
        BOOST_TEST(versioned.worker_model(0) == -10.0 / 3, boost::test_tools::tolerance(1e-9));
      }
      if (row.time == 9) {
        BOOST_TEST(arrival.worker_model(1) == -13.0 / 3, boost::test_tools::tolerance(1e-9));
        BOOST_TEST(versioned.worker_model(1) == -10.0 / 3, boost::test_tools::tolerance(1e-9));
      }
    }
  }
  BOOST_TEST(versioned.cluster().version() == 2U);
  for (const Scalars* each : {&arrival, &versioned}) {
    const std::vector<Step> clocks = {7, 5, 2};
    const std::vector<int> pulls = {1, 2, 2};
    for (std::uint32_t id = 0; id < 3; ++id) {
      BOOST_TEST(each->cluster().worker(WorkerId(id)).step == clocks[id]);
      BOOST_TEST(each->pulls(id) == pulls[id]);
    }
  }
}

BOOST_AUTO_TEST_CASE(wbsp_with_a_fixed_slowest_commits_with_worker_1_and_without_it_when_all_have_pushed) {
  Synchronizer sync = all_joined("wbsp", {{"slowest", std::string("fixed")}}, 3);
  const auto push = [&](std::int64_t now, std::uint32_t worker) {
    return all_of<Apply>(sync.handle(at(now), Pushed{.worker = WorkerId(worker)}));
  };
  BOOST_TEST(push(1, 0).empty());
  const auto first = push(2, 1);
  BOOST_REQUIRE(first.size() == 1);
  BOOST_TEST(first[0].shares.size() == 2U);
  for (const Share& share : first[0].shares) BOOST_TEST(share.weight == 1.0 / 3);
  BOOST_TEST(push(3, 0).empty());
  BOOST_TEST(push(4, 2).empty());
  // Worker 1 was the last that had not pushed.
  const auto second = all_of<Apply>(sync.handle(at(5), Left{WorkerId(1)}));
  BOOST_REQUIRE(second.size() == 1);
  for (const Share& share : second[0].shares) BOOST_TEST(share.weight == 0.5);
  BOOST_TEST(push(6, 0).empty());
  BOOST_TEST(push(7, 0).empty());
  BOOST_TEST(push(8, 2).size() == 1U);
  BOOST_CHECK_THROW(find("wbsp")->make(Parameters({{"commit", std::string("versioned")},
                                                   {"overlap", false},
                                                   {"rebase", std::string("discard")},
                                                   {"slowest", std::string("fixed")}}),
                                       Setting{.workers = 1}),
                    UserError);
}

BOOST_AUTO_TEST_CASE(wbsp_counts_a_worker_that_left_after_its_push_and_a_joiner_at_once) {
  Synchronizer sync(make_with("wbsp", {}), 4, 3);
  for (std::uint32_t worker = 0; worker < 3; ++worker) sync.handle(at(0), Joined{WorkerId(worker)});
  sync.handle(at(1), Pushed{.worker = WorkerId(0)});
  sync.handle(at(2), Left{WorkerId(0)});
  sync.handle(at(3), Pushed{.worker = WorkerId(1)});
  BOOST_TEST(all_of<Release>(sync.handle(at(4), Joined{WorkerId(3)})).size() == 1U);
  BOOST_TEST(all_of<Apply>(sync.handle(at(5), Pushed{.worker = WorkerId(2)})).empty());
  const auto updates = all_of<Apply>(sync.handle(at(6), Pushed{.worker = WorkerId(3)}));
  BOOST_REQUIRE(updates.size() == 1);
  BOOST_TEST(updates[0].shares.size() == 4U);
  for (const Share& share : updates[0].shares) BOOST_TEST(share.weight == 0.25);
}

BOOST_AUTO_TEST_CASE(wbsp_with_overlap_asks_for_a_push_as_soon_as_there_is_a_step) {
  Synchronizer sync = all_joined("wbsp", {{"overlap", true}, {"rebase", std::string("reapply")}}, 2);
  BOOST_TEST(sync.strategy().traits().overlap);
  BOOST_TEST((sync.strategy().traits().rebase == Traits::Rebase::kReapply));
  for (const Worker& worker : sync.cluster().workers()) {
    BOOST_TEST(worker.local_steps == 0U);
    BOOST_TEST(worker.overlap_steps == kAnyNumber);
  }
  sync.handle(at(1), Pushed{.worker = WorkerId(0), .steps = 1});
  BOOST_CHECK_NO_THROW(sync.handle(at(2), Pushed{.worker = WorkerId(0), .steps = 5, .overlapped = 5}));
}

BOOST_AUTO_TEST_CASE(wbsp_never_holds_anyone_and_survives_whoever_comes_and_goes) {
  const auto nobody_waits = [](const Synchronizer& sync, const Event&, std::span<const Outcome>) -> std::string {
    if (sync.started() && !sync.cluster().waiting().empty()) return "somebody waits";
    std::set<WorkerId> owners;
    for (const auto& [id, push] : sync.cluster().pending()) {
      if (!owners.insert(push.worker).second) return "two pushes of a worker are pending";
    }
    return "";
  };
  for (const char* commit : {"versioned", "arrival"}) {
    for (const char* slowest : {"all_pushed", "fixed"}) {
      for (const bool overlap : {false, true}) {
        check_turnover("wbsp",
                       {{"commit", std::string(commit)}, {"slowest", std::string(slowest)}, {"overlap", overlap}},
                       {.weights_sum_to_one = false, .check = nobody_waits});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_versioned_commit_of_wbsp_holds_a_push_of_every_worker_present_and_all_take_it_once) {
  const auto complete = [](const Synchronizer& sync, const Event& event, std::span<const Outcome> outcomes) {
    const Cluster& cluster = sync.cluster();
    for (const Outcome& outcome : outcomes) {
      if (std::holds_alternative<Apply>(outcome.decision)) {
        std::set<WorkerId> owners;
        for (const Use& use : outcome.uses) owners.insert(use.worker);
        for (const auto& [step, worker] : cluster.by_step()) {
          if (!owners.contains(worker))
            return fmt::format("worker {} is not in version {}", worker.value, outcome.version);
        }
      }
    }
    const auto* pushed = std::get_if<Pushed>(&event);
    if (pushed && cluster.worker(pushed->worker).model != cluster.version()) {
      return fmt::format("worker {} goes on without version {}", pushed->worker.value, cluster.version());
    }
    return std::string();
  };
  check_turnover("wbsp", {}, {.weights_sum_to_one = false, .check = complete});
}

// A cluster for pcp of workers that always take the same time for a step, an upload and a download.
class Rounds {
 public:
  struct Speed {
    std::int64_t compute, upload, download;
  };

  Rounds(const Given& given, std::vector<Speed> speeds)
      : speeds_(std::move(speeds)), sync_(all_joined("pcp", given, static_cast<std::uint32_t>(speeds_.size()))) {}

  // All push what they were released for; returns what the next round asks for: steps, and steps during the
  // synchronization.
  std::vector<std::pair<Step, Step>> next() {
    for (std::uint32_t id = 0; id < speeds_.size(); ++id) {
      const auto& [compute, upload, download] = speeds_[id];
      const Worker& worker = sync_.cluster().worker(WorkerId(id));
      const Step steps = worker.local_steps + worker.overlap_allowed;
      sync_.handle(at(++now_), Pushed{.worker = WorkerId(id),
                                      .steps = steps,
                                      .overlapped = worker.overlap_allowed,
                                      .timing = {.compute = Duration(compute * steps),
                                                 .upload = Duration(upload),
                                                 .download = Duration(download)}});
    }
    return asked();
  }
  std::vector<std::pair<Step, Step>> asked() const {
    std::vector<std::pair<Step, Step>> all;
    for (const Worker& worker : sync_.cluster().workers()) all.emplace_back(worker.local_steps, worker.overlap_steps);
    return all;
  }
  void set_speed(std::uint32_t worker, const Speed& speed) { speeds_[worker] = speed; }

 private:
  std::vector<Speed> speeds_;
  Synchronizer sync_;
  std::int64_t now_ = 0;
};

using Asked = std::vector<std::pair<Step, Step>>;

BOOST_AUTO_TEST_CASE(pcp_plans_arrivals_that_coincide_and_steps_that_fill_the_synchronization) {
  // Steps of 2, 3 and 7, everything sent in 1: pushes after 3, 2 and 1 steps arrive 8, 8 and 9 after the release, the
  // next model is there at 10. Then workers 0 and 1 have waited for 3 and worker 2 for 2.
  const std::vector<Rounds::Speed> speeds = {{2, 1, 1}, {3, 1, 1}, {7, 1, 1}};
  Rounds rounds({{"lookahead", std::int64_t{6}}}, speeds);
  BOOST_TEST((rounds.asked() == Asked{{1, 0}, {1, 0}, {1, 0}}));
  for (int round = 0; round < 3; ++round) BOOST_TEST((rounds.next() == Asked{{3, 1}, {2, 1}, {1, 0}}));
  Rounds waiting({{"lookahead", std::int64_t{6}}, {"overlap", false}}, speeds);
  for (int round = 0; round < 3; ++round) BOOST_TEST((waiting.next() == Asked{{3, 0}, {2, 0}, {1, 0}}));
  BOOST_TEST(!make_with("pcp", {{"overlap", false}})->traits().overlap);
  BOOST_TEST((make_with("pcp", {})->traits().rebase == Traits::Rebase::kReapply));
}

BOOST_AUTO_TEST_CASE(pcp_counts_communication_into_the_plan) {
  // The second worker computes as fast but takes 10 longer to send: the first takes six steps for its one.
  Rounds rounds({{"overlap", false}}, {{2, 0, 0}, {2, 10, 0}});
  BOOST_TEST((rounds.next() == Asked{{6, 0}, {1, 0}}));
  Rounds slow_download({}, {{2, 0, 0}, {2, 0, 10}});
  BOOST_TEST((slow_download.next() == Asked{{6, 0}, {1, 5}}));
}

BOOST_AUTO_TEST_CASE(pcp_follows_speeds_by_a_moving_average) {
  Rounds rounds({{"overlap", false}, {"smoothing", 0.75}}, {{4, 0, 0}, {40, 0, 0}});
  BOOST_TEST((rounds.next() == Asked{{10, 0}, {1, 0}}));
  rounds.set_speed(0, {12, 0, 0});  // 4 becomes 0.75 * 4 + 0.25 * 12 = 6; 42 is closest to 40, 36 is not
  BOOST_TEST((rounds.next() == Asked{{7, 0}, {1, 0}}));
  Rounds last({{"overlap", false}, {"smoothing", 0.0}}, {{4, 0, 0}, {40, 0, 0}});
  last.next();
  last.set_speed(0, {20, 0, 0});
  BOOST_TEST((last.next() == Asked{{2, 0}, {1, 0}}));
}

BOOST_AUTO_TEST_CASE(pcp_has_a_simple_planner_and_a_cap) {
  const std::vector<Rounds::Speed> speeds = {{4, 1, 1}, {5, 1, 1}, {14, 1, 1}};
  // Closest together are 4 steps of 4, 3 of 5 and 1 of 14, a spread of 2; until the end of the latter there fit 3
  // and 2. The model is back after another 2: one more step of 4 and of 5 has room.
  BOOST_TEST(
      (Rounds({{"overlap", false}, {"lookahead", std::int64_t{4}}}, speeds).next() == Asked{{4, 0}, {3, 0}, {1, 0}}));
  BOOST_TEST((Rounds({{"planner", std::string("simple")}}, speeds).next() == Asked{{3, 1}, {2, 1}, {1, 0}}));
  BOOST_TEST(
      (Rounds({{"planner", std::string("simple")}, {"max_local_steps", std::int64_t{2}}, {"overlap", false}}, speeds)
           .next() == Asked{{2, 0}, {2, 0}, {1, 0}}));
  BOOST_TEST((Rounds({{"max_local_steps", std::int64_t{2}}, {"overlap", false}}, speeds).next() ==
              Asked{{2, 0}, {2, 0}, {1, 0}}));
}

BOOST_AUTO_TEST_CASE(pcp_gives_one_step_to_a_worker_that_it_does_not_know) {
  Synchronizer sync(make_with("pcp", {}), 3, 2);
  sync.handle(at(0), Joined{WorkerId(0)});
  sync.handle(at(0), Joined{WorkerId(1)});
  BOOST_TEST(sync.handle(at(1), Joined{WorkerId(2)}).empty());
  sync.handle(at(2), Pushed{.worker = WorkerId(0), .timing = {.compute = Duration(1)}});
  const auto outcomes = sync.handle(at(6), Pushed{.worker = WorkerId(1), .timing = {.compute = Duration(5)}});
  BOOST_TEST(all_of<Apply>(outcomes)[0].shares.size() == 2U);
  const std::vector<Step> expected = {5, 1, 1};
  for (std::uint32_t id = 0; id < 3; ++id) {
    BOOST_TEST(sync.cluster().worker(WorkerId(id)).local_steps == expected[id]);
  }
}

BOOST_AUTO_TEST_CASE(pcp_survives_whoever_comes_and_goes) {
  for (const char* planner : {"zipline", "simple"}) {
    for (const bool overlap : {false, true}) {
      check_turnover("pcp", {{"planner", std::string(planner)}, {"overlap", overlap}}, {});
    }
  }
  check_turnover("pcp", {{"max_local_steps", std::int64_t{2}}, {"lookahead", std::int64_t{1}}}, {});
}

// Planted mistakes.

class RoundsThatLoseADeparture : public Strategy {
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::size_t joined = 0;
    for (const Worker& worker : cluster.workers()) joined += worker.phase != Phase::kAbsent ? 1U : 0U;
    if (cluster.waiting().size() < joined) return {};  // counts those that have left
    std::vector<Decision> decisions;
    for (const auto& [id, push] : cluster.pending()) decisions.emplace_back(Apply{.shares = {{.push = id}}});
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  }
};

class UpdatesThatForgetALeaver : public Strategy {
  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    std::vector<Decision> decisions;
    for (const auto& [step, worker] : cluster.waiting()) {
      for (const auto& [id, push] : cluster.pending()) {
        if (push.worker == worker && cluster.computing() == 0) decisions.emplace_back(Apply{.shares = {{.push = id}}});
      }
    }
    if (cluster.computing() > 0) return {};
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  }
};

BOOST_AUTO_TEST_CASE(random_runs_catch_planted_mistakes) {
  const auto lost = Turnover([] { return std::make_unique<RoundsThatLoseADeparture>(); }, {}).run(400);
  BOOST_TEST(lost.value_or("").find("nothing will ever release") != std::string::npos, lost.value_or(""));
  const auto forgotten = Turnover([] { return std::make_unique<UpdatesThatForgetALeaver>(); }, {}).run(400);
  BOOST_TEST(forgotten.value_or("").find("never used") != std::string::npos, forgotten.value_or(""));
}

BOOST_AUTO_TEST_SUITE_END()
