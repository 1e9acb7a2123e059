#include "delay/stragglers.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <numbers>
#include <numeric>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "support/folder.h"

using namespace psctl;
using namespace psctl::delay;
using namespace std::chrono_literals;

namespace {

constexpr Step kDraws = 100'000;
constexpr WorkerId kWorker{1};
const Instant kStart{};

Rule rule_of(Law law) {
  Rule rule;
  rule.workers = {kWorker};
  rule.law = law;
  return rule;
}

Rule constant(double delay_ms) {
  Rule rule = rule_of(Law::kConstant);
  rule.delay_ms = delay_ms;
  return rule;
}

Rule exponential(double mean_ms) {
  Rule rule = rule_of(Law::kExponential);
  rule.delay_ms = mean_ms;
  return rule;
}

Rule markov(double enter, double leave) {
  Rule rule = rule_of(Law::kMarkov);
  rule.delay_ms = 7;
  rule.enter = enter;
  rule.leave = leave;
  return rule;
}

Rule slowdown(double factor) {
  Rule rule = rule_of(Law::kSlowdown);
  rule.factor = factor;
  return rule;
}

double to_ms(Duration duration) { return static_cast<double>(duration.count()) * 1e-6; }

std::vector<double> delays_ms(const std::vector<Rule>& rules, Step steps = kDraws, std::uint64_t seed = 1) {
  Stragglers stragglers(rules, kWorker, seed);
  std::vector<double> delays;
  for (Step step = 0; step < steps; ++step) delays.push_back(to_ms(stragglers.at(step, kStart).compute));
  return delays;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
  const double center = mean(values);
  double square = 0;
  for (const double value : values) square += (value - center) * (value - center);
  return std::sqrt(square / static_cast<double>(values.size()));
}

double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size()))];
}

bool near(double found, double expected, double share) { return std::abs(found - expected) <= share * expected; }

class TraceFile {
 public:
  explicit TraceFile(const std::string& text) { test::write_file(path_, text); }

  const std::string& path() const { return path_; }
  Rule rule() const {
    Rule rule = rule_of(Law::kTrace);
    rule.file = path_;
    return rule;
  }

 private:
  test::TemporaryFolder folder_;
  std::string path_ = folder_ / "trace.csv";
};

std::string reading(const Rule& rule) {
  try {
    Stragglers({rule}, kWorker, 1);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

// The fault of a trace file of this text, without the file's name.
std::string fault_of(const std::string& text) {
  const TraceFile file(text);
  const std::string message = reading(file.rule()), begin = "stragglers: " + file.path() + ": ";
  return message.starts_with(begin) ? message.substr(begin.size()) : message;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(laws)

BOOST_AUTO_TEST_CASE(without_a_rule_nothing_is_slow) {
  const Slowness slowness = Stragglers({}, kWorker, 1).at(5, kStart);
  BOOST_TEST((slowness.compute == 0ns));
  BOOST_TEST((slowness.network == 0ns));
  BOOST_TEST(slowness.factor == 1);
}

BOOST_AUTO_TEST_CASE(a_rule_slows_the_workers_that_it_names_and_no_others) {
  Rule rule = constant(50);
  rule.workers = {WorkerId{1}, WorkerId{3}};
  for (std::uint32_t worker = 0; worker < 5; ++worker) {
    const Duration expected = worker == 1 || worker == 3 ? 50ms : 0ms;
    BOOST_TEST((Stragglers({rule}, WorkerId{worker}, 1).at(0, kStart).compute == expected));
  }
}

BOOST_AUTO_TEST_CASE(constant_is_the_same_every_step_rounded_to_whole_nanoseconds) {
  Stragglers stragglers({constant(0.0000016)}, kWorker, 1);
  for (Step step : {0, 1, 1000}) BOOST_TEST((stragglers.at(step, kStart).compute == 2ns));
}

BOOST_AUTO_TEST_CASE(uniform_fills_its_range_evenly) {
  Rule rule = rule_of(Law::kUniform);
  rule.min_ms = 10;
  rule.max_ms = 30;
  const auto delays = delays_ms({rule});
  BOOST_TEST(std::ranges::min(delays) >= 10);
  BOOST_TEST(std::ranges::max(delays) <= 30);
  for (double share : {0.1, 0.25, 0.5, 0.75, 0.9}) BOOST_TEST(near(quantile(delays, share), 10 + 20 * share, 0.02));
}

BOOST_AUTO_TEST_CASE(normal_has_its_mean_and_deviation_and_counts_what_is_below_0_as_0) {
  Rule rule = rule_of(Law::kNormal);
  rule.mean_ms = 100;
  rule.sd_ms = 10;
  const auto delays = delays_ms({rule});
  BOOST_TEST(near(mean(delays), 100, 0.002));
  BOOST_TEST(near(deviation(delays), 10, 0.02));
  BOOST_TEST(near(quantile(delays, 0.8413), 110, 0.005));
  rule.mean_ms = 0;
  const auto halved = delays_ms({rule});
  BOOST_TEST(std::ranges::min(halved) == 0);
  BOOST_TEST(near(static_cast<double>(std::ranges::count(halved, 0.0)), kDraws / 2.0, 0.02));
  BOOST_TEST(near(mean(halved), 10 / std::sqrt(2 * std::numbers::pi), 0.02));
  rule.mean_ms = -1000;
  BOOST_TEST(std::ranges::max(delays_ms({rule})) == 0);
}

BOOST_AUTO_TEST_CASE(lognormal_has_its_median_and_sigma) {
  Rule rule = rule_of(Law::kLognormal);
  rule.median_ms = 20;
  rule.sigma = 0.5;
  const auto delays = delays_ms({rule});
  BOOST_TEST(near(quantile(delays, 0.5), 20, 0.01));
  BOOST_TEST(near(quantile(delays, 0.8413), 20 * std::exp(0.5), 0.02));
  BOOST_TEST(near(quantile(delays, 0.1587), 20 * std::exp(-0.5), 0.02));
  BOOST_TEST(near(mean(delays), 20 * std::exp(0.125), 0.01));
  rule.sigma = 0;
  BOOST_TEST(std::ranges::max(delays_ms({rule}, 100)) == 20);
}

BOOST_AUTO_TEST_CASE(pareto_begins_at_its_scale_and_falls_with_its_shape) {
  Rule rule = rule_of(Law::kPareto);
  rule.scale_ms = 5;
  rule.shape = 3;
  const auto delays = delays_ms({rule});
  BOOST_TEST(std::ranges::min(delays) >= 5);
  for (double share : {0.1, 0.5, 0.9, 0.99}) {
    BOOST_TEST(near(quantile(delays, share), 5 * std::pow(1 - share, -1.0 / 3), 0.03));
  }
  BOOST_TEST(near(mean(delays), 7.5, 0.02));
}

BOOST_AUTO_TEST_CASE(exponential_has_its_mean_and_quantiles) {
  const auto delays = delays_ms({exponential(40)});
  BOOST_TEST(near(mean(delays), 40, 0.01));
  BOOST_TEST(near(deviation(delays), 40, 0.02));
  BOOST_TEST(near(quantile(delays, 0.5), 40 * std::log(2), 0.02));
}

BOOST_AUTO_TEST_CASE(markov_has_the_share_of_slow_steps_and_the_length_of_spells_of_its_chain) {
  const auto delays = delays_ms({markov(0.05, 0.2)});
  Step slow = 0, spells = 0;
  for (Step step = 0; step < kDraws; ++step) {
    BOOST_REQUIRE((delays[step] == 0 || delays[step] == 7));
    slow += delays[step] > 0;
    spells += delays[step] > 0 && (step == 0 || delays[step - 1] == 0);
  }
  BOOST_TEST(near(static_cast<double>(slow) / kDraws, 0.05 / 0.25, 0.05));
  BOOST_TEST(near(static_cast<double>(slow) / static_cast<double>(spells), 1 / 0.2, 0.05));
}

BOOST_AUTO_TEST_CASE(markov_stays_where_its_probabilities_are_0_and_changes_where_they_are_1) {
  BOOST_TEST(std::ranges::max(delays_ms({markov(0, 0.5)}, 1000)) == 0);
  BOOST_TEST(std::ranges::min(delays_ms({markov(1, 0)}, 1000)) == 7);
  BOOST_TEST(delays_ms({markov(1, 1)}, 4) == (std::vector<double>{7, 0, 7, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(periodic_slows_the_first_steps_of_every_period) {
  Rule rule = rule_of(Law::kPeriodic);
  rule.delay_ms = 3;
  rule.every_steps = 5;
  rule.for_steps = 2;
  BOOST_TEST(delays_ms({rule}, 12) == (std::vector<double>{3, 3, 0, 0, 0, 3, 3, 0, 0, 0, 3, 3}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(periods_begin_at_equal_drawn_or_spread_steps) {
  Rule rule = rule_of(Law::kPeriodic);
  rule.delay_ms = 3;
  rule.every_steps = 4;
  rule.for_steps = 1;
  rule.workers = {WorkerId{3}, WorkerId{0}, WorkerId{1}, WorkerId{2}};
  const auto begins = [&](Phase phase, std::uint64_t seed) {
    rule.phase = phase;
    std::vector<Step> firsts;
    for (Stragglers& each : Stragglers::every({rule}, 4, seed)) {
      std::vector<Step> slow;
      for (Step step = 0; step < 40; ++step) {
        if (each.at(step, kStart).compute > Duration::zero()) slow.push_back(step);
      }
      BOOST_TEST(slow.size() == 10U);
      for (std::size_t i = 1; i < slow.size(); ++i) BOOST_TEST(slow[i] == slow[i - 1] + 4);
      firsts.push_back(slow.front());
    }
    return firsts;
  };
  BOOST_TEST(begins(Phase::kEqual, 1) == (std::vector<Step>{0, 0, 0, 0}), boost::test_tools::per_element());
  // In the order of the rule: worker 3 is the first.
  BOOST_TEST(begins(Phase::kSpread, 1) == (std::vector<Step>{1, 2, 3, 0}), boost::test_tools::per_element());
  std::set<Step> drawn;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto once = begins(Phase::kDrawn, seed);
    BOOST_TEST(once == begins(Phase::kDrawn, seed), boost::test_tools::per_element());
    drawn.insert(once.begin(), once.end());
  }
  BOOST_TEST(drawn.size() == 4U);
  rule.every_steps = 10;
  rule.for_steps = 3;
  rule.workers = {WorkerId{0}, kWorker, WorkerId{2}};
  rule.phase = Phase::kSpread;  // at 0, 3 and 6
  BOOST_TEST(delays_ms({rule}, 14) == (std::vector<double>{0, 0, 0, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0, 3}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_window_slows_the_steps_that_begin_in_it_to_the_nanosecond) {
  Rule rule = rule_of(Law::kWindow);
  rule.delay_ms = 3;
  rule.from_s = 1.1;
  rule.to_s = 20.3;
  Stragglers stragglers({rule}, kWorker, 1);
  const auto is_slow = [&](Duration since_start) { return stragglers.at(0, Instant(since_start)).compute == 3ms; };
  BOOST_TEST(!is_slow(0ns));
  BOOST_TEST(!is_slow(1100ms - 1ns));
  BOOST_TEST(is_slow(1100ms));
  BOOST_TEST(is_slow(20300ms - 1ns));
  BOOST_TEST(!is_slow(20300ms));
}

BOOST_AUTO_TEST_CASE(a_window_may_end_beyond_all_time) {
  Rule rule = rule_of(Law::kWindow);
  rule.delay_ms = 3;
  rule.to_s = 1e300;
  BOOST_TEST((Stragglers({rule}, kWorker, 1).at(0, Instant(std::chrono::hours(24 * 365))).compute == 3ms));
}

BOOST_AUTO_TEST_CASE(slowdown_is_a_factor_and_no_delay) {
  const Slowness slowness = Stragglers({slowdown(2.5)}, kWorker, 1).at(0, kStart);
  BOOST_TEST(slowness.factor == 2.5);
  BOOST_TEST((slowness.compute == 0ns));
}

BOOST_AUTO_TEST_CASE(delays_of_several_rules_add_up_and_factors_multiply) {
  const Slowness slowness =
      Stragglers({constant(10), slowdown(2), constant(0.5), slowdown(3)}, kWorker, 1).at(0, kStart);
  BOOST_TEST((slowness.compute == 10'500us));
  BOOST_TEST(slowness.factor == 6);
}

BOOST_AUTO_TEST_CASE(what_is_slow_on_the_network_is_told_apart) {
  Rule rule = constant(4);
  rule.on = Target::kNetwork;
  const Slowness slowness = Stragglers({constant(10), rule, rule}, kWorker, 1).at(0, kStart);
  BOOST_TEST((slowness.compute == 10ms));
  BOOST_TEST((slowness.network == 8ms));
}

BOOST_AUTO_TEST_CASE(absurd_draws_count_as_the_longest_delay_and_the_greatest_factor) {
  Rule tail = rule_of(Law::kPareto);
  tail.scale_ms = 1;
  tail.shape = 1e-6;
  Rule wide = rule_of(Law::kLognormal);
  wide.median_ms = 1e300;
  wide.sigma = 1e3;
  std::vector<Rule> rules(100, tail);
  rules.insert(rules.end(), 100, wide);
  rules.insert(rules.end(), 100, slowdown(1e6));
  Stragglers stragglers(rules, kWorker, 1);
  for (Step step = 0; step < 100; ++step) {
    BOOST_REQUIRE((stragglers.at(step, kStart).compute == kLongestDelay));
    BOOST_REQUIRE(stragglers.at(step, kStart).factor == kGreatestFactor);
  }
  tail.scale_ms = 0;
  BOOST_TEST(std::ranges::max(delays_ms({tail}, 1000)) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(keys)

BOOST_AUTO_TEST_CASE(no_order_of_calls_changes_a_delay) {
  const std::vector<Rule> rules{exponential(10), markov(0.3, 0.3)};
  const auto expected = delays_ms(rules, 200);
  Stragglers descending(rules, kWorker, 1), skipping(rules, kWorker, 1);
  for (Step step = 200; step-- > 0;) BOOST_TEST(to_ms(descending.at(step, kStart).compute) == expected[step]);
  for (Step step : {0, 7, 7, 150, 3, 199, 198}) {
    BOOST_TEST(to_ms(skipping.at(step, kStart).compute) == expected[step]);
  }
}

BOOST_AUTO_TEST_CASE(the_time_of_a_step_changes_no_draw) {
  Stragglers early({exponential(10)}, kWorker, 1), late({exponential(10)}, kWorker, 1);
  for (Step step = 0; step < 50; ++step) {
    BOOST_TEST((early.at(step, kStart).compute == late.at(step, Instant(std::chrono::hours(1) * step)).compute));
  }
}

BOOST_AUTO_TEST_CASE(a_rule_that_follows_changes_no_draw_of_those_before) {
  const auto alone = delays_ms({exponential(10)}, 100);
  const auto both = delays_ms({exponential(10), constant(5), markov(0, 1)}, 100);
  for (std::size_t i = 0; i < alone.size(); ++i) BOOST_TEST(std::abs(both[i] - alone[i] - 5) < 1e-9);
}

BOOST_AUTO_TEST_CASE(a_rule_of_other_workers_keeps_its_place) {
  Rule others = exponential(10);
  others.workers = {WorkerId{7}};
  BOOST_TEST((delays_ms({others, exponential(10)}, 100) != delays_ms({exponential(10)}, 100)));
  BOOST_TEST((delays_ms({others, exponential(10)}, 100) == delays_ms({constant(0), exponential(10)}, 100)));
}

BOOST_AUTO_TEST_CASE(rule_worker_step_and_seed_each_give_another_draw) {
  Rule rule = exponential(10);
  rule.workers = {WorkerId{0}, WorkerId{1}};
  std::set<Duration> draws;
  for (std::uint64_t seed : {1, 2})
    for (std::uint32_t worker : {0, 1})
      for (Step step : {0, 1})
        for (const auto& rules : {std::vector<Rule>{rule}, std::vector<Rule>{slowdown(1), rule}})
          draws.insert(Stragglers(rules, WorkerId{worker}, seed).at(step, kStart).compute);
  BOOST_TEST(draws.size() == 16);
}

BOOST_AUTO_TEST_CASE(two_rules_alike_draw_independently) {
  const auto first = delays_ms({exponential(10)});
  const auto second = delays_ms({constant(0), exponential(10)});
  double product = 0;
  for (std::size_t i = 0; i < first.size(); ++i) product += (first[i] / 10 - 1) * (second[i] / 10 - 1);
  BOOST_TEST(std::abs(product / kDraws) < 0.02);
}

BOOST_AUTO_TEST_CASE(neighbouring_steps_draw_independently) {
  const auto delays = delays_ms({exponential(10)});
  double product = 0;
  for (std::size_t i = 1; i < delays.size(); ++i) product += (delays[i - 1] / 10 - 1) * (delays[i] / 10 - 1);
  BOOST_TEST(std::abs(product / kDraws) < 0.02);
}

BOOST_AUTO_TEST_CASE(the_draws_are_pinned_because_recorded_results_rest_on_them) {
  Stragglers stragglers({exponential(10), markov(0.5, 0.5)}, kWorker, 1);
  std::vector<Duration::rep> found;
  for (Step step = 0; step < 4; ++step) found.push_back(stragglers.at(step, kStart).compute.count());
  BOOST_TEST(found == (std::vector<Duration::rep>{31321919, 950189, 8262932, 56235}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(all_workers_at_once_are_slow_as_each_alone) {
  const TraceFile file("worker,step,delay_ms\n0,2,5\n2,1,6\n");
  Rule trace = file.rule(), drawn = exponential(10);
  trace.workers = drawn.workers = {WorkerId{0}, WorkerId{2}};
  auto all = Stragglers::every({trace, drawn}, 3, 9);
  BOOST_TEST(all.size() == 3);
  for (std::uint32_t worker = 0; worker < 3; ++worker) {
    Stragglers alone({trace, drawn}, WorkerId{worker}, 9);
    for (Step step = 0; step < 5; ++step) {
      BOOST_TEST((all[worker].at(step, kStart).compute == alone.at(step, kStart).compute));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(traces)

BOOST_AUTO_TEST_CASE(a_trace_gives_the_delays_of_its_lines_in_any_order_and_none_elsewhere) {
  for (const char* text :
       {"worker,step,delay_ms\n1,4,2.5\n0,1,9\n1,1,1e1\n", "worker,step,delay_ms\r\n1,1,10\r\n1,4,2.5",
        "\xEF\xBB\xBF\"worker\",\"step\",\"delay_ms\"\n1,1,10\n1,4,2.5\n\n"}) {
    const TraceFile file(text);
    BOOST_TEST(delays_ms({file.rule()}, 5) == (std::vector<double>{10, 0, 0, 2.5, 0}),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_trace_may_slow_the_network_and_add_to_other_rules) {
  const TraceFile file("worker,step,delay_ms\n1,1,4\n");
  Rule rule = file.rule();
  rule.on = Target::kNetwork;
  Rule other = constant(1);
  other.on = Target::kNetwork;
  const Slowness slowness = Stragglers({rule, other}, kWorker, 1).at(0, kStart);
  BOOST_TEST((slowness.network == 5ms));
  BOOST_TEST((slowness.compute == 0ms));
}

BOOST_AUTO_TEST_CASE(a_trace_without_lines_slows_nothing) {
  const TraceFile file("worker,step,delay_ms\n");
  BOOST_TEST(std::ranges::max(delays_ms({file.rule()}, 5)) == 0);
}

BOOST_AUTO_TEST_CASE(every_fault_of_a_trace_is_told_with_its_line) {
  const std::string header = "worker,step,delay_ms\n";
  BOOST_TEST(fault_of("") == "line 1: expected the header 'worker,step,delay_ms', found an empty file");
  BOOST_TEST(fault_of("\n") == "line 1: expected the header 'worker,step,delay_ms', found ''");
  BOOST_TEST(fault_of("0,0,1\n") == "line 1: expected the header 'worker,step,delay_ms', found '0,0,1'");
  BOOST_TEST(fault_of(std::string("\x01\x1b[31m\0", 7)) ==
             "line 1: expected the header 'worker,step,delay_ms', found '??[31m?'");
  BOOST_TEST(fault_of(std::string(1000, 'x')) ==
             "line 1: expected the header 'worker,step,delay_ms', found '" + std::string(60, 'x') + "'...");
  for (const char* line : {"", "1", "1,2", "1,2,3,4", "1;2;3"}) {
    BOOST_TEST(fault_of(header + "0,1,1\n" + line + "\n0,2,1\n") ==
               fmt::format("line 3: expected three values, worker,step,delay_ms, found '{}'", line));
  }
  for (const char* worker : {"", "-1", "+1", " 1", "1.0", "one", "4294967296"}) {
    BOOST_TEST(fault_of(header + worker + ",2,3\n") ==
               fmt::format("line 2: expected a worker's number, from 0, found '{}'", worker));
  }
  for (const char* step : {"", "-1", "2.5", "1e3", "18446744073709551616", "18446744073709551615"}) {
    BOOST_TEST(fault_of(header + "1," + step + ",3\n") ==
               fmt::format("line 2: expected a step, from 1, found '{}'", step));
  }
  for (const char* delay : {"", "-0.1", "nan", "inf", "1e400", "1000000001", "3ms", "0x10"}) {
    BOOST_TEST(fault_of(header + "1,2," + delay + "\n") ==
               fmt::format("line 2: expected a delay of 0 to 1000000000 ms, found '{}'", delay));
  }
  BOOST_TEST(fault_of(header + "1,2,3\n0,2,3\n1,2,4\n") ==
             "line 4: expected every step of a worker once, found step 2 of worker 1 as on line 2");
  BOOST_TEST(fault_of(header + "1,0,3\n") ==
             "line 2: step 0, but steps are counted from 1, as in steps.csv; where the file counts from 0, add "
             "first_step: 0");
  BOOST_TEST(fault_of(header + "4294967295,1000000000000000000,1000000000\n") == "no fault");
}

BOOST_AUTO_TEST_CASE(a_trace_counts_its_steps_from_first_step) {
  const TraceFile file("worker,step,delay_ms\n1,1,4\n1,2,5\n");
  Rule rule = file.rule();
  BOOST_TEST(delays_ms({rule}, 4) == (std::vector<double>{4, 5, 0, 0}), boost::test_tools::per_element());
  rule.first_step = 0;
  BOOST_TEST(delays_ms({rule}, 4) == (std::vector<double>{0, 4, 5, 0}), boost::test_tools::per_element());
  rule.repeat = true;
  BOOST_TEST(delays_ms({rule}, 7) == (std::vector<double>{0, 4, 5, 0, 4, 5, 0}), boost::test_tools::per_element());
  rule.first_step = 1;
  BOOST_TEST(delays_ms({rule}, 5) == (std::vector<double>{4, 5, 4, 5, 4}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(each_worker_repeats_its_own_steps) {
  const TraceFile file("worker,step,delay_ms\n0,1,4\n0,3,6\n1,1,7\n1,2,8\n");
  Rule rule = file.rule();
  rule.workers = {WorkerId{0}, WorkerId{1}, WorkerId{2}};
  rule.repeat = true;
  const auto of = [&](std::uint32_t worker) {
    std::vector<double> delays;
    for (Step step = 0; step < 5; ++step) {
      delays.push_back(to_ms(Stragglers::every({rule}, 3, 1)[worker].at(step, kStart).compute));
    }
    return delays;
  };
  BOOST_TEST(of(0) == (std::vector<double>{4, 0, 6, 4, 0}), boost::test_tools::per_element());
  BOOST_TEST(of(1) == (std::vector<double>{7, 8, 7, 8, 7}), boost::test_tools::per_element());
  BOOST_TEST(of(2) == (std::vector<double>{0, 0, 0, 0, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(rows_of_workers_that_do_not_exist_are_refused) {
  const TraceFile file("worker,step,delay_ms\n1,1,4\n4,1,5\n");
  const auto found = [&](std::size_t workers) -> std::string {
    try {
      Stragglers::every({file.rule()}, workers, 1);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no fault";
  };
  BOOST_TEST(found(5) == "no fault");
  BOOST_TEST(found(4) == "stragglers: " + file.path() +
                             ": line 3: there is no worker 4; cluster.workers: 4 are counted from 0; remove such rows");
}

BOOST_AUTO_TEST_CASE(a_notice_tells_where_a_trace_ends_and_who_is_not_in_it) {
  const TraceFile file("worker,step,delay_ms\n0,5,4\n1,1,4\n1,2,5\n");
  Rule rule = file.rule();
  using Notices = std::vector<std::string>;
  BOOST_TEST(Stragglers::notices({rule}, {}) ==
                 Notices{fmt::format("stragglers.0: {} ends after 2 steps of a worker: later steps are not slow; with "
                                     "repeat: true the worker begins it again",
                                     file.path())},
             boost::test_tools::per_element());
  BOOST_TEST(Stragglers::notices({rule}, 2).empty());
  rule.workers.insert(rule.workers.end(), {WorkerId{0}, WorkerId{2}, WorkerId{3}});
  BOOST_TEST(Stragglers::notices({constant(1), rule}, 3) ==
                 (Notices{fmt::format("stragglers.1: {} has no rows of 2 of the rule's 4 workers: they are not slow",
                                      file.path()),
                          fmt::format("stragglers.1: {} ends after 2 to 5 steps of a worker: later steps are not slow; "
                                      "with repeat: true the worker begins it again",
                                      file.path())}),
             boost::test_tools::per_element());
  rule.repeat = true;
  BOOST_TEST(Stragglers::notices({rule}, {}).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_trace_that_cannot_be_read_is_named) {
  Rule rule = rule_of(Law::kTrace);
  rule.file = "/nowhere/trace.csv";
  BOOST_TEST(reading(rule) == "stragglers: /nowhere/trace.csv: cannot be opened: No such file or directory");
  rule.file = "";
  BOOST_TEST(reading(rule) == "stragglers: : cannot be opened: No such file or directory");
  rule.file = std::filesystem::temp_directory_path().string();
  BOOST_TEST(reading(rule) ==
             "stragglers: " + rule.file + ": expected a CSV file of worker,step,delay_ms, found a folder");
  const TraceFile file("worker,step,delay_ms\n");
  BOOST_REQUIRE(chmod(file.path().c_str(), 0) == 0);
  const bool root = geteuid() == 0;  // which no permission stops
  if (root) BOOST_REQUIRE(seteuid(65534) == 0);
  const std::string found = reading(file.rule());
  if (root) BOOST_REQUIRE(seteuid(0) == 0);
  BOOST_TEST(found == "stragglers: " + file.path() + ": cannot be opened: Permission denied");
}

BOOST_AUTO_TEST_CASE(a_broken_trace_is_told_to_workers_that_its_rule_does_not_name) {
  const TraceFile file("broken\n");
  BOOST_CHECK_THROW(Stragglers({file.rule()}, WorkerId{9}, 1), UserError);
}

BOOST_AUTO_TEST_SUITE_END()
