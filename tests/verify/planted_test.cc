// Wrong strategies, each in a way that has been seen or is easily made, under the name of the strategy that it pretends
// to be: verify catches every one of them, by the rule that is named.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "base/random.h"
#include "verify/references.h"
#include "verify/verify.h"

using namespace psctl;
using namespace psctl::sync;
using verify::Effort;
using verify::Result;
using verify::Subject;

namespace {

using Values = std::map<std::string, ParameterValue, std::less<>>;
using Decisions = std::vector<Decision>;

ParameterValue word(const char* value) { return std::string(value); }
ParameterValue number(std::int64_t value) { return value; }

Parameters with(const char* name, const Values& changes) {
  const Entry* entry = find(name);
  Values values = entry ? defaults(*entry).values() : Values{};
  for (const auto& [key, value] : changes) values[key] = value;
  return Parameters(values);
}

template <class Wrong>
Subject wrong(const char* name, const Values& changes = {}) {
  return {.name = name, .parameters = with(name, changes), .make = [](const Setting&) {
            return std::make_unique<Wrong>();
          }};
}

// Says that it runs under `told`, but runs under `true_ones`.
Subject liar(const char* name, const Values& told, const Values& true_ones) {
  return {.name = name, .parameters = with(name, told), .make = [name, true_ones](const Setting& setting) {
            return find(name)->make(with(name, true_ones), setting);
          }};
}

// The rules that verify finds broken.
void check_caught(const Subject& subject, const std::string& rule, std::size_t longest_story = 100) {
  std::set<std::string> broken;
  for (const Result& result : verify::verify(subject, {.seed = 1, .cases = 40, .quick = true})) {
    if (!result.violation) continue;
    broken.insert(result.violation->rule);
    BOOST_TEST(!result.violation->seen.empty());
    BOOST_TEST(!result.violation->expected.empty());
    if (result.check == "every order") {
      BOOST_TEST(result.violation->story.size() <= longest_story,
                 fmt::format("{}", fmt::join(result.violation->story, "\n")));
    }
  }
  BOOST_TEST(broken.contains(rule), "broken are: " << fmt::format("{}", fmt::join(broken, ", ")));
}

Decisions apply_each(const Cluster& cluster) {
  Decisions decisions;
  for (const auto& [id, push] : cluster.pending()) decisions.emplace_back(Apply{.shares = {{.push = id}}});
  return decisions;
}
void release_all(const Cluster& cluster, Decisions& decisions) {
  for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
}
void apply_mean(const Cluster& cluster, double workers, Decisions& decisions) {
  Apply apply;
  for (const auto& [id, push] : cluster.pending()) apply.shares.push_back({id, 1.0 / workers});
  if (!apply.shares.empty()) decisions.emplace_back(std::move(apply));
}

struct SspOffByOne : Strategy {  // of staleness 1
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    for (const auto& [step, worker] : cluster.waiting()) {
      if (step <= cluster.min_step() + 1 + 1) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

struct SspTooStrict : Strategy {  // of staleness 1
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    for (const auto& [step, worker] : cluster.waiting()) {
      if (step < cluster.min_step() + 1) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

struct SspThatForgetsToWake : Strategy {  // of staleness 1
  std::optional<WorkerId> pusher;
  void observe(const Cluster&, Instant, const Event& event) override {
    pusher.reset();
    if (const auto* pushed = std::get_if<Pushed>(&event)) pusher = pushed->worker;
  }
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    for (const auto& [step, worker] : cluster.waiting()) {
      const bool first = cluster.worker(worker).pushes == 0;
      if (first || (worker == pusher && step <= cluster.min_step() + 1)) {
        decisions.emplace_back(Release{.worker = worker});
      }
    }
    return decisions;
  }
};

struct BspThatLosesADeparture : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    // Counts those that have left.
    if (cluster.waiting().size() < cluster.workers().size()) return {};
    Decisions decisions;
    apply_mean(cluster, static_cast<double>(cluster.pending().size()), decisions);
    release_all(cluster, decisions);
    return decisions;
  }
};

struct BspThatForgetsJoiners : Strategy {
  std::set<WorkerId> members;
  bool open = false;
  void observe(const Cluster& cluster, Instant, const Event& event) override {
    if (const auto* joined = std::get_if<Joined>(&event); joined && cluster.version() == 0)
      members.insert(joined->worker);
    if (const auto* left = std::get_if<Left>(&event)) members.erase(left->worker);
  }
  Decisions decide(const Cluster& cluster, Instant) override {
    for (const WorkerId member : members) {
      if (cluster.worker(member).phase == Phase::kComputing) return {};
    }
    Decisions decisions;
    apply_mean(cluster, static_cast<double>(cluster.pending().size()), decisions);
    for (const auto& [step, worker] : cluster.waiting()) {
      if (members.contains(worker)) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

struct BspWithTheWrongMean : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    Decisions decisions;
    // Wrong once somebody has left after its push.
    apply_mean(cluster, static_cast<double>(std::max<std::size_t>(1, cluster.present())), decisions);
    release_all(cluster, decisions);
    return decisions;
  }
};

struct BspThatFavoursTheFirst : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    Decisions decisions;
    Apply apply;
    double left = 1;
    for (const auto& [id, push] : cluster.pending()) {
      const bool last = apply.shares.size() + 1 == cluster.pending().size();
      apply.shares.push_back({id, last ? left : left / 1.5});
      left -= left / 1.5;
    }
    if (!apply.shares.empty()) decisions.emplace_back(std::move(apply));
    release_all(cluster, decisions);
    return decisions;
  }
};

// Rounds of two steps of the workers' own.
struct LocalRounds : Strategy {
  Traits traits() const override { return {.kind = Traits::Kind::kLocal}; }
  Decisions decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    Decisions decisions;
    apply_mean(cluster, static_cast<double>(cluster.pending().size()), decisions);
    for (const auto& [step, worker] : cluster.waiting()) {
      decisions.emplace_back(Release{.worker = worker, .local_steps = 2});
    }
    return decisions;
  }
};

struct BspThatUpdatesAtOnce : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    if (cluster.computing() == 0) release_all(cluster, decisions);
    return decisions;
  }
};

struct AspThatUsesAPushTwice : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    for (const auto& [id, push] : cluster.pending()) {
      if (push.step == 2) decisions.emplace_back(Apply{.shares = {{.push = id}}});
    }
    release_all(cluster, decisions);
    return decisions;
  }
};

// A push is applied with the next one of its worker.
struct LateApplier : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions;
    for (const auto& [step, worker] : cluster.waiting()) {
      for (const auto& [id, push] : cluster.pending()) {
        if (push.worker == worker && id != cluster.worker(worker).last_push) {
          decisions.emplace_back(Apply{.shares = {{.push = id}}});
        }
      }
      decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

struct AspThatReleasesFirst : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions;
    release_all(cluster, decisions);
    for (Decision& decision : apply_each(cluster)) decisions.push_back(std::move(decision));
    return decisions;
  }
};

struct AspThatDropsEveryThird : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions;
    for (const auto& [id, push] : cluster.pending()) {
      if (push.step % 3 == 0) {
        decisions.emplace_back(Discard{.push = id});
      } else {
        decisions.emplace_back(Apply{.shares = {{.push = id}}});
      }
    }
    release_all(cluster, decisions);
    return decisions;
  }
};

struct BspThatMerges : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    const auto& pending = cluster.pending();
    if (pending.size() > 1) return {Merge{.into = pending.begin()->first, .from = pending.rbegin()->first}};
    Decisions decisions;
    if (!pending.empty()) {
      apply_mean(cluster, static_cast<double>(pending.begin()->second.contributors()), decisions);
    }
    release_all(cluster, decisions);
    return decisions;
  }
};

// Nothing is applied before somebody leaves.
struct Hoarder : Strategy {
  bool left = false;
  void observe(const Cluster&, Instant, const Event& event) override { left = std::holds_alternative<Left>(event); }
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions;
    if (left) decisions = apply_each(cluster);
    release_all(cluster, decisions);
    return decisions;
  }
};

// Goes on only when nobody else computes, which hardly ever happens.
struct Starver : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    for (const auto& [step, worker] : cluster.waiting()) {
      if (worker != WorkerId(0) || cluster.computing() + cluster.waiting().size() == cluster.waiting().size() ||
          cluster.worker(worker).pushes == 0) {
        decisions.emplace_back(Release{.worker = worker});
      }
    }
    return decisions;
  }
};

struct Weightless : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions;
    for (const auto& [id, push] : cluster.pending()) {
      decisions.emplace_back(Apply{.shares = {{.push = id, .weight = push.step == 2 ? 0.0 : 1.0}}});
    }
    release_all(cluster, decisions);
    return decisions;
  }
};

// Every answer lets one more go: asked twice it answers differently.
struct Forgetful : Strategy {
  int asked = 0;
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    if (++asked % 2 == 1) release_all(cluster, decisions);
    return decisions;
  }
};

// What it decides hangs on the runs before this one.
struct Moody : Strategy {
  static int runs;
  bool mood = ++runs % 3 == 0;
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions;
    for (const auto& [id, push] : cluster.pending()) {
      decisions.emplace_back(Apply{.shares = {{.push = id}}, .rate = mood ? 0.5 : 1.0});
    }
    release_all(cluster, decisions);
    return decisions;
  }
};
int Moody::runs = 0;

struct DeadlineInThePast : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    release_all(cluster, decisions);
    return decisions;
  }
  std::optional<Instant> deadline(const Cluster&) const override { return Instant{}; }
};

// Wants to be woken a moment after each event.
struct Sleepless : Strategy {
  Instant last{};
  void observe(const Cluster&, Instant now, const Event&) override { last = now; }
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    release_all(cluster, decisions);
    return decisions;
  }
  std::optional<Instant> deadline(const Cluster&) const override { return last + Duration(1); }
};

// Looks for a push that need not be there.
struct ThrowsAtJoiners : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions;
    for (const auto& [step, worker] : cluster.waiting()) {
      if (cluster.version() > 0) std::ignore = cluster.pending().at(cluster.worker(worker).last_push);
    }
    decisions = apply_each(cluster);
    release_all(cluster, decisions);
    return decisions;
  }
};

// Uses what was given up.
struct UsesEmptyPushes : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    for (const auto& [step, worker] : cluster.waiting()) {
      decisions.emplace_back(Release{.worker = worker, .limit = std::chrono::milliseconds(1)});
    }
    return decisions;
  }
};

// Publishes a version when most have pushed its step.
struct EarlyBap : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions;
    const Step next = cluster.version() + 1;
    Apply apply;
    for (const auto& [id, push] : cluster.pending()) {
      if (push.step == next) apply.shares.push_back({.push = id});
    }
    const std::size_t enough = std::max<std::size_t>(1, cluster.present() - (cluster.present() > 1 ? 1 : 0));
    if (apply.shares.size() >= enough) {
      for (Share& share : apply.shares) share.weight = 1.0 / static_cast<double>(apply.shares.size());
      decisions.emplace_back(std::move(apply));
      return decisions;
    }
    for (const auto& [step, worker] : cluster.waiting()) {
      if (step < cluster.version() + 2) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

// Commits at every second push, whoever made it.
struct HastyWbsp : Strategy {
  Traits traits() const override { return {.kind = Traits::Kind::kLocal}; }
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions;
    if (cluster.pending().size() >= 2 || cluster.present() == 0) {
      apply_mean(cluster, static_cast<double>(std::max<std::size_t>(1, cluster.present())), decisions);
    }
    release_all(cluster, decisions);
    return decisions;
  }
};

struct BackupThatDropsAPushInTime : Strategy {  // of backups 1
  Decisions decide(const Cluster& cluster, Instant) override {
    if (cluster.pending().empty() && cluster.computing() > 0 && cluster.version() > 0) return {};
    if (cluster.computing() > 1) return {};
    Decisions decisions;
    if (!cluster.pending().empty()) {
      auto id = cluster.pending().begin();
      const std::size_t used = std::max<std::size_t>(1, cluster.pending().size() - 1);
      Apply apply;
      for (; apply.shares.size() < used; ++id) apply.shares.push_back({id->first, 1.0 / static_cast<double>(used)});
      for (; id != cluster.pending().end(); ++id) decisions.emplace_back(Discard{.push = id->first});
      decisions.emplace_back(std::move(apply));
    }
    release_all(cluster, decisions);
    return decisions;
  }
};

// BSP, whatever the plan says.
struct ElasticWithoutQuotas : Strategy {
  Decisions decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    Decisions decisions;
    apply_mean(cluster, static_cast<double>(cluster.pending().size()), decisions);
    release_all(cluster, decisions);
    return decisions;
  }
};

struct PcpBeyondItsLookahead : Strategy {
  Traits traits() const override { return {.kind = Traits::Kind::kLocal, .overlap = true}; }
  Decisions decide(const Cluster& cluster, Instant) override {
    if (cluster.computing() > 0) return {};
    Decisions decisions;
    apply_mean(cluster, static_cast<double>(cluster.pending().size()), decisions);
    for (const auto& [step, worker] : cluster.waiting()) {
      decisions.emplace_back(Release{.worker = worker, .local_steps = 1 + cluster.version()});
    }
    return decisions;
  }
};

// Of sample 2 and staleness 0: looks at the same two workers as long as it waits.
struct PspThatSticks : Strategy {
  std::uint64_t seed;
  explicit PspThatSticks(std::uint64_t of) : seed(of) {}
  Decisions decide(const Cluster& cluster, Instant) override {
    Decisions decisions = apply_each(cluster);
    for (const auto& [step, worker] : cluster.waiting()) {
      Draws draws({.seed = seed, .purpose = Purpose::kTest, .worker = worker.value, .step = step});
      std::vector<WorkerId> others;
      for (const auto& [other_step, other] : cluster.by_step()) others.push_back(other);
      std::ranges::sort(others);
      bool passes = true;
      for (int i = 0; i < 2 && !others.empty(); ++i) {
        const auto drawn = others.begin() + static_cast<std::ptrdiff_t>(draws.below(others.size()));
        passes = passes && cluster.worker(*drawn).step >= step;
        others.erase(drawn);
      }
      if (passes || step == cluster.min_step()) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(planted_mistakes)

BOOST_AUTO_TEST_CASE(a_bound_that_is_off_by_one) {
  check_caught(wrong<SspOffByOne>("ssp", {{"staleness", number(1)}}), "gap", 4);
}

BOOST_AUTO_TEST_CASE(a_bound_that_is_too_strict) {
  check_caught(wrong<SspTooStrict>("ssp", {{"staleness", number(1)}}), "no needless wait", 3);
}

BOOST_AUTO_TEST_CASE(a_schedule_that_is_late_differs_from_the_recurrence) {
  check_caught(wrong<SspTooStrict>("ssp", {{"staleness", number(1)}}), "max-plus of SSP");
  check_caught(liar("bap", {{"staleness", number(3)}}, {{"staleness", number(2)}}), "max-plus of SSP");
}

BOOST_AUTO_TEST_CASE(a_missed_wake_up) {
  check_caught(wrong<SspThatForgetsToWake>("ssp", {{"staleness", number(1)}}), "no needless wait");
  check_caught(wrong<SspThatForgetsToWake>("a_users_own"), "nobody is stuck");
}

BOOST_AUTO_TEST_CASE(a_lost_departure) {
  check_caught(wrong<BspThatLosesADeparture>("bsp"), "nobody is stuck", 4);
  check_caught(wrong<BspThatLosesADeparture>("a_users_own"), "nobody is stuck", 4);
}

BOOST_AUTO_TEST_CASE(a_barrier_that_forgets_who_has_joined_since) {
  check_caught(wrong<BspThatForgetsJoiners>("bsp"), "nobody is stuck");
}

BOOST_AUTO_TEST_CASE(weights_that_do_not_sum_to_one) { check_caught(wrong<BspWithTheWrongMean>("bsp"), "mean"); }

BOOST_AUTO_TEST_CASE(weights_that_are_not_equal) { check_caught(wrong<BspThatFavoursTheFirst>("bsp"), "equal shares"); }

BOOST_AUTO_TEST_CASE(steps_of_its_own_where_gradients_are_asked_for) {
  check_caught(wrong<LocalRounds>("bsp"), "one step", 2);
}

BOOST_AUTO_TEST_CASE(a_worker_that_waits_where_nobody_should) {
  check_caught(wrong<LocalRounds>("wbsp"), "nobody waits");
}

BOOST_AUTO_TEST_CASE(a_push_that_is_applied_at_the_other_end_of_the_wait) {
  const Values arrival = {{"staleness", number(1)}};
  const Values release = {{"staleness", number(1)}, {"apply", word("on_release")}};
  check_caught(liar("ssp", arrival, release), "at once");
  check_caught(liar("ssp", release, arrival), "on release");
}

BOOST_AUTO_TEST_CASE(updates_before_the_round_is_over) {
  check_caught(wrong<BspThatUpdatesAtOnce>("bsp"), "rounds together", 3);
}

BOOST_AUTO_TEST_CASE(a_push_that_is_used_twice) { check_caught(wrong<AspThatUsesAPushTwice>("asp"), "protocol"); }

BOOST_AUTO_TEST_CASE(a_push_of_a_leaver_that_is_lost) {
  check_caught(wrong<LateApplier>("a_users_own"), "books");
  check_caught(wrong<LateApplier>("asp"), "update before release", 3);
}

BOOST_AUTO_TEST_CASE(a_release_before_the_update) {
  check_caught(wrong<AspThatReleasesFirst>("asp"), "update before release", 3);
}

BOOST_AUTO_TEST_CASE(a_good_push_that_is_set_aside) {
  check_caught(wrong<AspThatDropsEveryThird>("asp"), "nothing is lost");
  check_caught(wrong<BackupThatDropsAPushInTime>("backup"), "quorum");
}

BOOST_AUTO_TEST_CASE(pushes_that_are_added_together_though_nobody_was_told) {
  check_caught(wrong<BspThatMerges>("bsp"), "as declared");
}

BOOST_AUTO_TEST_CASE(memory_that_grows) { check_caught(wrong<Hoarder>("a_users_own"), "memory"); }

BOOST_AUTO_TEST_CASE(a_worker_that_waits_for_ever) {
  check_caught(wrong<Starver>("a_users_own"), "nobody waits for ever");
}

BOOST_AUTO_TEST_CASE(a_push_of_no_weight) { check_caught(wrong<Weightless>("a_users_own"), "weights"); }

BOOST_AUTO_TEST_CASE(an_update_of_what_was_given_up) {
  check_caught(wrong<UsesEmptyPushes>("a_users_own"), "weights", 3);
}

BOOST_AUTO_TEST_CASE(an_answer_that_changes_when_asked_again) {
  check_caught(wrong<Forgetful>("a_users_own"), "same answer");
}

BOOST_AUTO_TEST_CASE(decisions_that_hang_on_other_runs) { check_caught(wrong<Moody>("a_users_own"), "repeatable"); }

BOOST_AUTO_TEST_CASE(a_deadline_in_the_past) { check_caught(wrong<DeadlineInThePast>("a_users_own"), "deadline"); }

BOOST_AUTO_TEST_CASE(deadlines_that_never_end) { check_caught(wrong<Sleepless>("a_users_own"), "deadline"); }

BOOST_AUTO_TEST_CASE(an_exception) { check_caught(wrong<ThrowsAtJoiners>("a_users_own"), "throws", 4); }

BOOST_AUTO_TEST_CASE(a_learning_rate_that_is_not_divided) {
  check_caught(liar("asp", {{"update_scale", word("mean")}}, {}), "update of one push", 3);
}

BOOST_AUTO_TEST_CASE(a_version_that_is_published_early) {
  check_caught(wrong<EarlyBap>("bap", {{"staleness", number(2)}}), "complete versions");
}

BOOST_AUTO_TEST_CASE(a_cache_that_is_one_step_too_old) {
  check_caught(liar("bap", {{"staleness", number(2)}}, {{"staleness", number(3)}}), "bound");
}

BOOST_AUTO_TEST_CASE(a_commit_without_everybody) { check_caught(wrong<HastyWbsp>("wbsp"), "commits"); }

BOOST_AUTO_TEST_CASE(moves_that_arrive_at_once_though_versions_were_asked_for) {
  check_caught(liar("wbsp", {}, {{"commit", word("arrival")}}), "commits");
}

BOOST_AUTO_TEST_CASE(a_period_that_is_off_by_one) {
  check_caught(liar("local_sgd", {{"period", number(2)}}, {{"period", number(3)}}), "period");
  check_caught(liar("local_sgd", {{"period", number(2)}}, {{"period", number(3)}}), "sum of maxima");
}

BOOST_AUTO_TEST_CASE(a_round_that_does_not_wait_for_enough) {
  check_caught(liar("backup", {{"backups", number(1)}}, {{"backups", number(2)}}), "quorum");
}

BOOST_AUTO_TEST_CASE(a_quota_that_is_ignored) {
  check_caught(wrong<ElasticWithoutQuotas>("elastic_bsp"), "supersteps");
  check_caught(wrong<PcpBeyondItsLookahead>("pcp", {{"lookahead", number(2)}}), "quotas");
}

BOOST_AUTO_TEST_CASE(a_lookahead_that_is_off_by_one) {
  check_caught(liar("elastic_bsp", {{"lookahead", number(2)}}, {{"lookahead", number(3)}}), "supersteps");
}

BOOST_AUTO_TEST_CASE(a_credit_that_is_off_by_one) {
  const Values rest = {{"staleness", number(1)}, {"range", number(3)}};
  Values exact = rest;
  exact["credit"] = word("exact");
  check_caught(liar("dssp", exact, rest), "credits");
}

BOOST_AUTO_TEST_CASE(a_hard_cap_that_is_forgotten) {
  Values values = {{"staleness", number(0)}, {"range", number(1)}, {"credit", word("exact")}};
  Values capped = values;
  capped["hard_cap"] = true;
  check_caught(liar("dssp", capped, values), "credits");
}

BOOST_AUTO_TEST_CASE(a_wrong_tie_among_the_fastest) {
  const Values first = {{"staleness", number(0)}, {"range", number(4)}};
  Values any = first;
  any["fastest"] = word("any");
  check_caught(liar("dssp", first, any), "credits");
}

BOOST_AUTO_TEST_CASE(a_sample_that_is_drawn_once) {
  const Subject sticks{.name = "psp",
                       .parameters = with("psp", {{"sample", number(2)}, {"staleness", number(0)}}),
                       .make = [](const Setting& setting) { return std::make_unique<PspThatSticks>(setting.seed); }};
  check_caught(sticks, "sampling");
}

BOOST_AUTO_TEST_CASE(a_sample_that_is_too_small) {
  check_caught(
      liar("psp", {{"sample", number(8)}, {"staleness", number(0)}}, {{"sample", number(1)}, {"staleness", number(0)}}),
      "sample");
}

BOOST_AUTO_TEST_CASE(a_barrier_that_relaxes_one_push_early) {
  const Values epochs = {{"epoch_steps", number(1)}, {"relax_pushes", number(2)}};
  Values early = epochs;
  early["relax_pushes"] = number(1);
  check_caught(liar("a2s", epochs, early), "fast group");
}

BOOST_AUTO_TEST_CASE(a_group_of_the_wrong_size) {
  // Epochs that are counted twice as fast give groups that are too large.
  check_caught(liar("a2s", {{"epoch_steps", number(2)}}, {{"epoch_steps", number(1)}}), "fast group");
}

BOOST_AUTO_TEST_CASE(a_switch_that_comes_at_another_share) {
  check_caught(liar("sync_switch", {{"bsp_share", 0.5}}, {{"bsp_share", 0.25}}), "switch");
  check_caught(liar("sync_switch", {{"bsp_share", 0.5}}, {{"bsp_share", 0.5}, {"order", word("asp_bsp")}}), "switch");
}

BOOST_AUTO_TEST_CASE(a_switch_after_which_the_rate_is_not_divided) {
  check_caught(liar("sync_switch", {{"bsp_share", 0.25}}, {{"bsp_share", 0.25}, {"update_scale", word("full")}}),
               "switch");
}

BOOST_AUTO_TEST_CASE(a_group_whose_pushes_do_not_weigh_by_their_number) {
  check_caught(liar("a2s", {{"epoch_steps", number(1)}}, {{"epoch_steps", number(1)}, {"weighting", word("mean")}}),
               "fast group");
}

// ZipLine that takes a later plan of the same spread.
BOOST_AUTO_TEST_CASE(a_planner_that_takes_the_last_of_equal_plans) {
  const auto last = [](std::span<const Forecast> forecasts, Step lookahead) {
    std::vector<Step> steps(forecasts.size(), 1);
    Plan best;
    for (;;) {
      Plan plan{.quotas = steps, .earliest = Duration::max(), .latest = Duration::min()};
      for (std::size_t i = 0; i < steps.size(); ++i) {
        const Duration ending = forecasts[i].first + static_cast<Duration::rep>(steps[i] - 1) * forecasts[i].interval;
        plan.earliest = std::min(plan.earliest, ending);
        plan.latest = std::max(plan.latest, ending);
      }
      if (best.quotas.empty() || plan.spread() <= best.spread()) best = plan;
      std::size_t i = 0;
      while (i < steps.size() && steps[i] == lookahead) steps[i++] = 1;
      if (i == steps.size()) return best;
      ++steps[i];
    }
  };
  const Result result = verify::check_planner(last, true, 1, 1000);
  BOOST_REQUIRE(result.violation);
  BOOST_TEST(result.violation->rule == "planner");
}

BOOST_AUTO_TEST_CASE(a_planner_that_is_not_exact_though_it_says_so) {
  const auto grid = [](std::span<const Forecast> forecasts, Step lookahead) {
    return plan(Planner::kGridScan, forecasts, lookahead);
  };
  BOOST_TEST(verify::check_planner(grid, true, 1, 1000).violation.has_value());
  BOOST_TEST(!verify::check_planner(grid, false, 1, 1000).violation.has_value());
}

BOOST_AUTO_TEST_CASE(a_controller_with_a_wrong_tie) {
  const auto most = [](const LastPushes& fast, const LastPushes& slow, Step range) {
    Step best = 0;
    Duration least = Duration::max();
    for (Step r = 0; r <= range; ++r) {
      for (Step k = 0; k <= range; ++k) {
        const Duration distance =
            std::chrono::abs(fast.latest + static_cast<Duration::rep>(r) * (fast.latest - fast.before) - slow.latest -
                             static_cast<Duration::rep>(k + 1) * (slow.latest - slow.before));
        if (distance > least) continue;
        least = distance;
        best = r;
      }
    }
    return best;
  };
  const Result result = verify::check_controller(most, false, 1, 1000);
  BOOST_REQUIRE(result.violation);
  BOOST_TEST(result.violation->rule == "controller");
}

BOOST_AUTO_TEST_CASE(a_straggler_that_is_sought_with_another_window_or_factor) {
  for (const char* policy : {"greedy", "elastic"}) {
    const Values told = {
        {"bsp_share", 1.0}, {"straggler_policy", word(policy)}, {"detect_window", number(1)}, {"detect_factor", 1.5}};
    for (const auto& [key, value] : Values{{"detect_window", number(2)}, {"detect_factor", 2.0}}) {
      Values acted = told;
      acted[key] = value;
      check_caught(liar("sync_switch", told, acted), "switch");
    }
    check_caught(liar("sync_switch", told, {{"bsp_share", 1.0}}), "switch");
  }
}

// Puts a sum into the lower half whenever that is empty: of two workers one is never compared with the other.
class DetectorWithHalvesOutOfOrder {
 public:
  DetectorWithHalvesOutOfOrder(std::size_t window, double factor) : window_(window), factor_(factor) {}
  void record(WorkerId worker, Duration interval) {
    std::vector<Duration>& own = intervals_[worker];
    take_out(worker);
    own.push_back(interval);
    if (own.size() > window_) own.erase(own.begin());
    if (own.size() < window_) return;
    const Place place{sum(worker), worker};
    (low_.empty() || place < *low_.rbegin() ? low_ : high_).insert(place);
    balance();
  }
  void forget(WorkerId worker) {
    take_out(worker);
    intervals_.erase(worker);
    balance();
  }
  std::vector<WorkerId> stragglers() const {
    std::vector<WorkerId> found;
    for (const auto& [time, worker] : high_) {
      if (static_cast<double>(time.count()) > factor_ * static_cast<double>(low_.rbegin()->first.count()))
        found.push_back(worker);
    }
    return found;
  }

 private:
  using Place = std::pair<Duration, WorkerId>;
  Duration sum(WorkerId worker) const {
    const std::vector<Duration>& own = intervals_.at(worker);
    return std::accumulate(own.begin(), own.end(), Duration{});
  }
  void take_out(WorkerId worker) {
    if (!intervals_.contains(worker)) return;
    low_.erase({sum(worker), worker});
    high_.erase({sum(worker), worker});
  }
  void balance() {
    while (low_.size() > high_.size() + 1) high_.insert(low_.extract(std::prev(low_.end())));
    while (low_.size() < high_.size()) low_.insert(high_.extract(high_.begin()));
  }
  std::size_t window_;
  double factor_;
  std::map<WorkerId, std::vector<Duration>> intervals_;
  std::set<Place> low_, high_;
};

// Elastic rounds to the end of the run, of windows of one interval.
struct ElasticWithHalvesOutOfOrder : Strategy {
  DetectorWithHalvesOutOfOrder detector{1, 1.5};
  std::set<WorkerId> out;
  std::optional<PushId> rejected;
  void observe(const Cluster& cluster, Instant now, const Event& event) override {
    rejected.reset();
    if (const auto* pushed = std::get_if<Pushed>(&event)) {
      const Worker& worker = cluster.worker(pushed->worker);
      if (out.contains(pushed->worker)) {
        rejected = worker.last_push;
      } else {
        detector.record(pushed->worker, now - std::max(worker.pushed_before, worker.released));
      }
    }
    if (const auto* left = std::get_if<Left>(&event)) {
      detector.forget(left->worker);
      out.erase(left->worker);
    }
    for (const WorkerId worker : detector.stragglers()) {
      out.insert(worker);
      detector.forget(worker);
    }
    if (out.size() >= cluster.present()) out.clear();
  }
  Decisions decide(const Cluster& cluster, Instant) override {
    if (rejected && cluster.pending().contains(*rejected)) return {Discard{.push = *rejected}};
    for (const auto& [step, worker] : cluster.by_step()) {
      if (cluster.worker(worker).phase == Phase::kComputing && !out.contains(worker)) return {};
    }
    Decisions decisions;
    apply_mean(cluster, static_cast<double>(cluster.pending().size()), decisions);
    for (const auto& [step, worker] : cluster.waiting()) {
      if (!out.contains(worker)) decisions.emplace_back(Release{.worker = worker});
    }
    return decisions;
  }
};

BOOST_AUTO_TEST_CASE(a_median_whose_halves_get_out_of_order) {
  const auto stragglers_of = [](std::span<const verify::Observation> history, std::size_t window, double factor) {
    DetectorWithHalvesOutOfOrder detector(window, factor);
    for (const verify::Observation& each : history) {
      each.interval ? detector.record(each.worker, *each.interval) : detector.forget(each.worker);
    }
    return detector.stragglers();
  };
  const Result result = verify::check_detector(stragglers_of, 1, 1000);
  BOOST_REQUIRE(result.violation);
  BOOST_TEST(result.violation->rule == "detector");
  // The shortest that was found: two workers, of which the faster becomes the slower.
  BOOST_TEST(result.violation->story.size() <= 5U, fmt::format("{}", fmt::join(result.violation->story, "\n")));
  check_caught(
      wrong<ElasticWithHalvesOutOfOrder>(
          "sync_switch", {{"bsp_share", 1.0}, {"straggler_policy", word("elastic")}, {"detect_window", number(1)}}),
      "switch");
}

BOOST_AUTO_TEST_CASE(a_story_is_told_in_words_and_is_as_short_as_can_be) {
  const Subject subject = wrong<SspOffByOne>("ssp", {{"staleness", number(1)}});
  const auto results = verify::verify(subject, {.seed = 1, .cases = 1, .quick = true});
  BOOST_REQUIRE(results.front().violation);
  const std::vector<std::string> expected = {
      "worker 0 joins at step 0 [waiting: 0]",
      "worker 1 joins at step 0; worker 0 goes on with model 0; worker 1 goes on with model 0",
      "worker 0 pushes step 1; update 1 = 1 x worker 0's step 1; worker 0 goes on with model 1",
      "worker 0 pushes step 2; update 2 = 1 x worker 0's step 2; worker 0 goes on with model 2",
  };
  BOOST_TEST(results.front().violation->story == expected, boost::test_tools::per_element());
  BOOST_TEST(results.front().violation->seen == "worker 0 goes on, 2 ahead");
  BOOST_TEST(results.front().violation->expected == "A worker that goes on is at most 1 step ahead of the slowest.");
}

BOOST_AUTO_TEST_CASE(a_story_numbers_its_pushes_where_the_fault_names_one) {
  const auto results = verify::verify(wrong<AspThatUsesAPushTwice>("asp"), {.seed = 1, .cases = 1, .quick = true});
  BOOST_REQUIRE(results.front().violation);
  const std::vector<std::string> expected = {
      "worker 0 joins at step 0; worker 0 goes on with model 0",
      "worker 0 pushes step 1 (push 1); update 1 = 1 x worker 0's step 1; worker 0 goes on with model 1",
      "worker 0 pushes step 2 (push 2) [waiting: 0]",
  };
  BOOST_TEST(results.front().violation->story == expected, boost::test_tools::per_element());
  BOOST_TEST(results.front().violation->seen == "the strategy is wrong: it applies push 2, which is used up already");
}

BOOST_AUTO_TEST_SUITE_END()
