#include "trace/holds.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <numeric>

#include "base/random.h"

using namespace psctl;
using namespace psctl::trace;

namespace psctl::trace {
// So that Boost.Test can print it.
std::ostream& operator<<(std::ostream& out, const Charge& charge) {
  if (charge.worker) return out << charge.worker->value << ": " << charge.time.count();
  return out << "deadline: " << charge.time.count();
}
}  // namespace psctl::trace

namespace {

Instant at_ns(std::int64_t ns) { return Instant(Duration(ns)); }
WorkerId id(std::uint64_t worker) { return WorkerId(static_cast<std::uint32_t>(worker)); }
Charge to(std::uint32_t worker, std::int64_t ns) { return {WorkerId(worker), Duration(ns)}; }
Charge to_deadline(std::int64_t ns) { return {std::nullopt, Duration(ns)}; }

// Events in a row; a worker that pushes is held until it is released.
struct Story {
  explicit Story(std::size_t workers) : holds(workers) {}
  void push(std::int64_t ns, std::uint32_t worker) {
    now = at_ns(ns);
    holds.event(now, std::vector{WorkerId(worker)});
    holds.begin(now, WorkerId(worker));
  }
  void waited_for(const std::vector<WorkerId>& workers) { holds.event(now, workers); }
  void wake(std::int64_t ns) {
    now = at_ns(ns);
    holds.event(now, {});
  }
  void release(std::initializer_list<std::uint32_t> workers) {
    for (const std::uint32_t worker : workers) holds.end(now, WorkerId(worker));
  }
  void check(std::uint32_t worker, const std::vector<Charge>& expected) {
    holds.settle(WorkerId(worker), Duration::zero());
    BOOST_TEST(holds.held_by(WorkerId(worker)) == expected, boost::test_tools::per_element());
  }

  Holds holds;
  Instant now{};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(holds)

BOOST_AUTO_TEST_CASE(a_hold_is_charged_to_the_worker_whose_event_ended_it) {
  Story story(3);
  story.push(2, 0);
  story.push(3, 1);
  story.push(7, 2);
  story.release({0, 1, 2});
  story.check(0, {to(2, 5)});
  story.check(1, {to(2, 4)});
  story.check(2, {});
  BOOST_TEST((story.holds.held_others(WorkerId(2)) == Duration(9)));
}

BOOST_AUTO_TEST_CASE(a_hold_is_cut_where_the_worker_that_it_waited_for_was_released) {
  Story story(3);
  story.push(2, 0);
  story.push(3, 1);
  story.push(7, 2);
  story.release({1, 2});
  story.push(10, 1);
  story.release({0, 1});
  story.check(0, {to(2, 5), to(1, 3)});  // until 7 all that it waited for waited for worker 2
  story.check(1, {to(2, 4)});
  BOOST_TEST((story.holds.held_others(WorkerId(2)) == Duration(9)));
  BOOST_TEST((story.holds.held_others(WorkerId(1)) == Duration(3)));
}

BOOST_AUTO_TEST_CASE(a_chain_is_followed_over_any_number_of_workers) {
  Story story(4);
  story.push(1, 0);
  story.push(2, 1);
  story.push(3, 2);
  story.push(5, 3);
  story.release({2, 3});
  story.push(9, 2);
  story.release({1, 2});
  story.push(15, 1);
  story.release({0, 1});
  story.check(0, {to(1, 6), to(2, 4), to(3, 4)});
  story.check(1, {to(2, 4), to(3, 3)});
  story.check(2, {to(3, 2)});
}

BOOST_AUTO_TEST_CASE(steps_without_a_hold_are_the_workers_own) {
  Story story(2);
  story.push(1, 0);
  for (const std::int64_t ns : {4, 8, 12}) {
    story.push(ns, 1);
    story.release({1});
  }
  story.push(16, 1);
  story.release({0, 1});
  story.check(0, {to(1, 15)});
}

BOOST_AUTO_TEST_CASE(holds_before_the_beginning_do_not_matter) {
  Story story(3);
  story.push(1, 1);
  story.push(4, 2);
  story.release({1, 2});
  story.push(4, 0);
  story.push(9, 1);
  story.release({0, 1});
  story.check(0, {to(1, 5)});
}

BOOST_AUTO_TEST_CASE(a_list_is_charged_in_equal_parts_to_the_nanosecond) {
  Story story(5);
  story.push(0, 0);
  story.push(11, 4);
  story.waited_for({id(1), id(2), id(3)});
  story.release({0, 4});
  story.check(0, {to(1, 4), to(2, 4), to(3, 3)});
  story.check(4, {});
}

BOOST_AUTO_TEST_CASE(a_worker_is_never_charged_for_itself) {
  Story story(3);
  story.push(0, 0);
  story.push(10, 2);
  story.waited_for({id(0), id(1)});
  story.release({0, 2});
  story.check(0, {to(1, 10)});
}

BOOST_AUTO_TEST_CASE(each_part_of_a_list_is_followed_back_by_itself) {
  Story story(4);
  story.push(0, 0);
  story.push(1, 1);
  story.push(4, 3);
  story.release({1, 3});
  story.push(8, 3);
  story.waited_for({id(1), id(2)});
  story.release({0, 3});
  // 4 to each; worker 1 was released half way, by worker 3.
  story.check(0, {to(2, 4), to(1, 2), to(3, 2)});
}

BOOST_AUTO_TEST_CASE(a_deadline_is_nobodys) {
  Story story(2);
  story.push(0, 0);
  story.push(2, 1);
  story.wake(5);
  story.release({0});
  story.push(9, 0);
  story.release({0, 1});
  story.check(0, {to_deadline(5)});
  story.check(1, {to(0, 4), to_deadline(3)});
}

BOOST_AUTO_TEST_CASE(who_was_not_there_yet_held_nobody) {
  Story story(3);
  story.push(1, 0);
  story.now = at_ns(4);
  story.holds.event(story.now, std::vector{id(2)});
  story.holds.came(id(1));
  story.holds.event(story.now, std::vector{id(1)});
  story.holds.begin(story.now, id(1));
  story.release({1});
  story.push(9, 1);
  story.release({0, 1});
  story.check(0, {to(1, 5), to(2, 3)});
  story.check(1, {});
}

BOOST_AUTO_TEST_CASE(what_was_hidden_is_left_out_from_the_beginning) {
  for (const std::int64_t hidden : {0, 3, 6, 8, 100}) {
    Story story(3);
    story.push(2, 0);
    story.push(3, 1);
    story.push(7, 2);
    story.release({1, 2});
    story.push(10, 1);
    story.release({0, 1});
    const std::int64_t left_out = std::min<std::int64_t>(hidden, 8);
    BOOST_TEST((story.holds.settle(WorkerId(0), Duration(hidden)) == Duration(left_out)));
    std::vector<Charge> expected;
    if (left_out < 5) expected.push_back(to(2, 5 - left_out));
    if (left_out < 8) expected.push_back(to(1, std::min<std::int64_t>(3, 8 - left_out)));
    std::ranges::stable_sort(expected, std::greater<>(), &Charge::time);
    BOOST_TEST(story.holds.held_by(WorkerId(0)) == expected, boost::test_tools::per_element());
  }
}

// All that ever happened, never forgotten: the rule read aloud.
BOOST_AUTO_TEST_CASE(random_stories_are_charged_as_by_the_rule_on_all_of_history) {
  constexpr std::size_t kWorkers = 6;
  struct Ended {
    std::int64_t at = 0;
    int event = 0;
    std::optional<std::size_t> by;
  };
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Draws draws({.seed = seed, .purpose = Purpose::kTest});
    Story story(kWorkers);
    std::array<std::optional<std::int64_t>, kWorkers> held;
    std::array<std::vector<Ended>, kWorkers> history;
    std::array<std::map<std::optional<WorkerId>, std::int64_t>, kWorkers> expected;
    std::int64_t now = 0;
    for (int event = 0; event < 2'000; ++event) {
      now += static_cast<std::int64_t>(draws.below(6));
      std::vector<std::size_t> computing;
      for (std::size_t w = 0; w < kWorkers; ++w) {
        if (!held[w]) computing.push_back(w);
      }
      std::optional<std::size_t> by;
      if (!computing.empty() && draws.below(10) > 0) by = computing[draws.below(computing.size())];
      if (by) {
        for (std::size_t w = 0; w < kWorkers; ++w) {
          // Holds are settled late, when the worker pushes again.
          if (w == *by) story.holds.settle(id(w), Duration::zero());
        }
        story.push(now, static_cast<std::uint32_t>(*by));
        held[*by] = now;
      } else {
        story.wake(now);
      }
      // Worker 0 is held for long, so that much has to be remembered.
      for (std::size_t w = 0; w < kWorkers; ++w) {
        if (!held[w] || draws.below(w == 0 ? 400 : 3) > 0) continue;
        story.release({static_cast<std::uint32_t>(w)});
        const std::int64_t begin = *std::exchange(held[w], std::nullopt);
        if (begin == now) continue;
        std::int64_t from = now;
        std::optional<std::size_t> charged = by;
        for (int before = event; from > begin;) {
          if (!charged) {
            expected[w][std::nullopt] += from - begin;
            break;
          }
          const Ended* last = nullptr;
          for (const Ended& ended : history[*charged]) {
            if (ended.event < before) last = &ended;
          }
          const std::int64_t since = last ? std::max(begin, last->at) : begin;
          expected[w][id(*charged)] += from - since;
          if (from = since; from == begin) break;
          before = last->event;
          charged = last->by;
        }
        history[w].push_back({.at = now, .event = event, .by = by});
      }
    }
    for (std::size_t w = 0; w < kWorkers; ++w) {
      story.holds.settle(id(w), Duration::zero());
      std::map<std::optional<WorkerId>, std::int64_t> got;
      for (const Charge& charge : story.holds.held_by(id(w))) got[charge.worker] = charge.time.count();
      std::erase_if(expected[w], [](const auto& entry) { return entry.second == 0; });
      BOOST_TEST((got == expected[w]), "seed " << seed << ", worker " << w);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_no_hold_can_reach_is_forgotten) {
  constexpr std::uint32_t kWorkers = 50;
  Story story(kWorkers);
  std::size_t most = 0;
  for (std::int64_t round = 1; round <= 2'000; ++round) {
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      story.holds.settle(WorkerId(w), Duration::zero());
      story.push(round * 100 + w, w);
    }
    for (std::uint32_t w = 0; w < kWorkers; ++w) story.release({w});
    most = std::max(most, story.holds.remembered());
  }
  BOOST_TEST(most <= 8 * kWorkers);
  BOOST_TEST((story.holds.held_others(WorkerId(kWorkers - 1)) == Duration(1'999 * kWorkers * (kWorkers - 1) / 2)));
}

BOOST_AUTO_TEST_SUITE_END()
