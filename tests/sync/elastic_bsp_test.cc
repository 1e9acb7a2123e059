#include <boost/test/unit_test.hpp>
#include <set>

#include "sync/drive.h"
#include "sync/registry.h"
#include "sync/turnover.h"

using namespace psctl;
using namespace psctl::sync;

namespace {

using Given = std::map<std::string, ParameterValue, std::less<>>;

std::unique_ptr<Strategy> elastic(const Given& given) {
  Given values = defaults(*find("elastic_bsp")).values();
  for (const auto& [key, value] : given) values[key] = value;
  return make({.name = "elastic_bsp", .parameters = Parameters(values)}, Setting{.workers = 5});
}

using test::at;

// What one push did.
struct Happening {
  std::int64_t time;
  std::uint32_t worker;
  std::vector<std::size_t> updates;  // how many pushes are in each
  std::vector<std::uint32_t> released;
  friend bool operator==(const Happening&, const Happening&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Happening& step) {
    out << "at " << step.time << ", worker " << step.worker << ": updates of";
    for (const std::size_t update : step.updates) out << ' ' << update;
    out << "; released";
    for (const std::uint32_t worker : step.released) out << ' ' << worker;
    return out;
  }
};

// A cluster without a network whose workers take always the same time; equal instants go by worker.
class Steady {
 public:
  Steady(const Given& given, std::vector<std::int64_t> intervals, std::size_t start_size)
      : intervals_(std::move(intervals)), sync_(elastic(given), intervals_.size(), start_size) {
    for (std::uint32_t id = 0; id < start_size; ++id) join(0, id);
  }

  Happening join(std::int64_t now, std::uint32_t id) { return carry(now, id, Joined{WorkerId(id)}); }
  Happening leave(std::int64_t now, std::uint32_t id) {
    std::erase_if(due_, [&](const auto& due) { return due.second == id; });
    return carry(now, id, Left{WorkerId(id)});
  }
  Happening push() {
    const auto [now, id] = *due_.begin();
    due_.erase(due_.begin());
    return carry(now, id, Pushed{.worker = WorkerId(id)});
  }
  const Cluster& cluster() const { return sync_.cluster(); }
  double last_rate() const { return last_rate_; }

 private:
  Happening carry(std::int64_t now, std::uint32_t id, const Event& event) {
    Happening step{now, id, {}, {}};
    for (const Outcome& outcome : sync_.handle(at(now), event)) {
      if (const auto* apply = std::get_if<Apply>(&outcome.decision)) {
        step.updates.push_back(apply->shares.size());
        last_rate_ = apply->rate;
      }
      if (const auto* release = std::get_if<Release>(&outcome.decision)) {
        step.released.push_back(release->worker.value);
        due_.emplace(now + intervals_[release->worker.value], release->worker.value);
      }
    }
    std::ranges::sort(step.released);
    return step;
  }

  std::vector<std::int64_t> intervals_;
  Synchronizer sync_;
  std::set<std::pair<std::int64_t, std::uint32_t>> due_;
  double last_rate_ = 0;
};

void check_pushes(Steady& steady, const std::vector<Happening>& expected) {
  for (const Happening& each : expected) BOOST_TEST(steady.push() == each);
}

const std::vector<Given> kVariants = {{},
                                      {{"final_push", std::string("arrival")}},
                                      {{"lookahead", std::int64_t{2}}},
                                      {{"warmup_supersteps", std::int64_t{2}}},
                                      {{"interval", std::string("between_pushes")}},
                                      {{"planner", std::string("full_grid_scan")}}};

}  // namespace

BOOST_AUTO_TEST_SUITE(elastic_bsp)

BOOST_AUTO_TEST_CASE(after_a_round_of_bsp_the_quotas_of_the_plan_are_kept_and_the_barrier_aligns_all) {
  Steady steady({{"lookahead", std::int64_t{4}}}, {3, 4, 7}, 3);
  // Warm-up: one step each, an update of their mean. Then the plan of intervals 3, 4 and 7: quotas 2, 2 and 1.
  check_pushes(steady, {{3, 0, {}, {}},
                        {4, 1, {}, {}},
                        {7, 2, {3}, {0, 1, 2}},
                        {10, 0, {1}, {0}},
                        {11, 1, {1}, {1}},
                        {13, 0, {}, {}},
                        {14, 2, {}, {}},
                        {15, 1, {3}, {0, 1, 2}}});
  BOOST_TEST(steady.cluster().version() == 4U);
  for (const Worker& worker : steady.cluster().workers()) BOOST_TEST(worker.model == 4U);
  // Without the waits in the intervals, the next superstep is the same.
  check_pushes(steady,
               {{18, 0, {1}, {0}}, {19, 1, {1}, {1}}, {21, 0, {}, {}}, {22, 2, {}, {}}, {23, 1, {3}, {0, 1, 2}}});
}

BOOST_AUTO_TEST_CASE(the_warm_up_lasts_as_long_as_it_should) {
  Steady steady({{"warmup_supersteps", std::int64_t{3}}}, {1, 10}, 2);
  for (std::int64_t round = 0; round < 3; ++round) {
    check_pushes(steady, {{10 * round + 1, 0, {}, {}}, {10 * round + 10, 1, {2}, {0, 1}}});
  }
  check_pushes(steady, {{31, 0, {1}, {0}}, {32, 0, {1}, {0}}});
}

BOOST_AUTO_TEST_CASE(intervals_between_pushes_count_the_wait_at_the_barrier) {
  // Worker 0 waits from 1 to 10: counted, its next push at 11 is 10 after the last one and it seems as slow as
  // worker 1.
  Steady steady({{"interval", std::string("between_pushes")}, {"warmup_supersteps", std::int64_t{2}}}, {1, 10}, 2);
  check_pushes(steady, {{1, 0, {}, {}}, {10, 1, {2}, {0, 1}}, {11, 0, {}, {}}, {20, 1, {2}, {0, 1}}});
  check_pushes(steady, {{21, 0, {}, {}}, {30, 1, {2}, {0, 1}}});
}

BOOST_AUTO_TEST_CASE(final_pushes_may_be_applied_on_arrival_and_the_barrier_only_aligns) {
  Steady steady({{"final_push", std::string("arrival")}, {"update_scale", std::string("mean")}}, {3, 4, 7}, 3);
  check_pushes(steady, {{3, 0, {1}, {}}, {4, 1, {1}, {}}});
  BOOST_TEST(steady.last_rate() == 1.0 / 3);
  check_pushes(steady, {{7, 2, {1}, {0, 1, 2}}});
  for (const Worker& worker : steady.cluster().workers()) BOOST_TEST(worker.model == 3U);
}

BOOST_AUTO_TEST_CASE(update_scale_is_for_pushes_within_a_superstep_and_never_for_the_mean_at_the_barrier) {
  Steady steady({{"update_scale", std::string("mean")}}, {3, 4, 7}, 3);
  for (int i = 0; i < 3; ++i) steady.push();
  BOOST_TEST(steady.last_rate() == 1.0);
  steady.push();
  BOOST_TEST(steady.last_rate() == 1.0 / 3);
}

BOOST_AUTO_TEST_CASE(one_that_leaves_at_the_barrier_counts_and_the_last_missing_one_that_leaves_opens_it) {
  Steady steady({}, {3, 4, 7}, 3);
  check_pushes(steady, {{3, 0, {}, {}}});
  BOOST_TEST(steady.leave(3, 0) == (Happening{3, 0, {}, {}}));
  check_pushes(steady, {{4, 1, {}, {}}});
  BOOST_TEST(steady.leave(5, 2) == (Happening{5, 2, {2}, {1}}));
  check_pushes(steady, {{9, 1, {1}, {1}}});
}

BOOST_AUTO_TEST_CASE(a_joiner_waits_for_the_next_superstep_and_takes_one_step_in_it) {
  Steady steady({{"lookahead", std::int64_t{4}}}, {3, 7, 5}, 2);
  check_pushes(steady, {{3, 0, {}, {}}});
  BOOST_TEST(steady.join(4, 2) == (Happening{4, 2, {}, {}}));
  // Quotas 2 and 1 for intervals 3 and 7; the joiner has none yet.
  check_pushes(steady,
               {{7, 1, {2}, {0, 1, 2}}, {10, 0, {1}, {0}}, {12, 2, {}, {}}, {13, 0, {}, {}}, {14, 1, {3}, {0, 1, 2}}});
}

BOOST_AUTO_TEST_CASE(whoever_comes_and_goes_nobody_sticks_and_each_push_is_used_once) {
  for (const Given& given : kVariants) {
    const auto bounded = [](const Synchronizer& sync, const Event&, std::span<const Outcome>) -> std::string {
      const Cluster& cluster = sync.cluster();
      const bool fair = cluster.pending().size() <= cluster.workers().size();
      return fair ? "" : "more than one push of a worker is held";
    };
    test::Turnover turnover([&] { return elastic(given); }, {.weights_sum_to_one = true, .check = bounded});
    const auto violation = turnover.run(400);
    BOOST_TEST(!violation, violation.value_or(""));
    BOOST_TEST(turnover.updates() > 1000U);
  }
}

BOOST_AUTO_TEST_SUITE_END()
