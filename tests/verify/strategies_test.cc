// What verify says of the strategies that psctl has, and what it tries on them.
#include <boost/test/unit_test.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "verify/orders.h"
#include "verify/verify.h"

using namespace psctl;
using namespace psctl::verify;

namespace {

std::string told(const Violation& violation) {
  return fmt::format("{}: {} ({})\n{}", violation.rule, violation.seen, violation.expected,
                     fmt::join(violation.story, "\n"));
}

std::string text_of_value(const sync::ParameterValue& value) {
  return std::visit([](const auto& v) { return fmt::format("{}", v); }, value);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(strategies_of_psctl)

BOOST_AUTO_TEST_CASE(every_strategy_keeps_its_rules_under_every_setting) {
  for (const sync::Entry& entry : sync::entries()) {
    for (const Subject& subject : subjects_of(entry, 1)) {
      for (const Result& result : verify::verify(subject, {.seed = 1, .cases = 10, .quick = true})) {
        BOOST_TEST(result.cases > 0U);
        BOOST_TEST(!result.violation, entry.name << " " << text_of(entry, subject.parameters) << ", " << result.check
                                                 << ": " << (result.violation ? told(*result.violation) : ""));
      }
    }
  }
}

// The slowest's push does not bring the others nearer to it if another worker is as slow.
BOOST_AUTO_TEST_CASE(the_hard_cap_of_dssp_holds_for_releases_at_the_next_push_too) {
  const sync::Entry& entry = *sync::find("dssp");
  std::size_t tried = 0;
  for (const Subject& subject : subjects_of(entry, 1)) {
    const bool next_push = subject.parameters.word("release") == "next_push";
    if (!subject.parameters.flag("hard_cap") || !next_push) continue;
    ++tried;
    for (const Result& result : verify::verify(subject, {.seed = 1, .cases = 60, .quick = true})) {
      BOOST_TEST(!result.violation, (result.violation ? told(*result.violation) : ""));
    }
  }
  BOOST_TEST(tried >= 2U);
}

BOOST_AUTO_TEST_CASE(every_choice_of_every_word_and_flag_is_tried) {
  for (const sync::Entry& entry : sync::entries()) {
    std::set<std::pair<std::string, std::string>> tried;
    for (const Subject& subject : subjects_of(entry, 1)) {
      for (const auto& [name, value] : subject.parameters.values()) tried.emplace(name, text_of_value(value));
    }
    for (const sync::Parameter& parameter : entry.parameters) {
      for (const std::string& choice : parameter.choices) {
        BOOST_TEST(tried.contains({parameter.name, choice}), entry.name << " " << parameter.name << "=" << choice);
      }
      const auto type = parameter.default_value.value_or(parameter.type_of_absent);
      for (const char* flag : {"false", "true"}) {
        if (!std::holds_alternative<bool>(type)) continue;
        BOOST_TEST(tried.contains({parameter.name, flag}), entry.name << " " << parameter.name << "=" << flag);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_strategy_has_rules_of_its_own) {
  const std::size_t common = rules_of({.name = "a_users_own", .parameters = sync::Parameters(), .make = {}}).size();
  for (const sync::Entry& entry : sync::entries()) {
    BOOST_TEST(rules_of(subjects_of(entry, 1).front()).size() > common + 1, entry.name);
  }
}

// Two workers with p and q pushes can be ordered in (p + q)! / (p! q!) ways when nobody waits.
BOOST_AUTO_TEST_CASE(every_order_is_tried_once) {
  const auto orders = [](const char* name, SmallCluster cluster) {
    const Subject subject = subjects_of(*sync::find(name), 1).front();
    const Result result = every_order(subject, {std::move(cluster)});
    BOOST_TEST(!result.violation);
    return result.cases;
  };
  BOOST_TEST(orders("asp", {{3, 3}}) == 20U);
  BOOST_TEST(orders("asp", {{5, 2}}) == 21U);
  BOOST_TEST(orders("asp", {{2, 2, 2}}) == 90U);
  BOOST_TEST(orders("asp", {{4, 1, 2}}) == 105U);
  // Rounds: each of two rounds in either order.
  BOOST_TEST(orders("bsp", {{2, 2}}) == 4U);
  BOOST_TEST(orders("bsp", {{1, 3}}) == 2U);
  // One that joins at any moment: before, between and after the pushes of the other, or after it has left.
  BOOST_TEST(orders("asp", {{1, 1}, 1}) == 3U);
  // One leave more, before either push of either: 0 first, 1 first, 0 leaves early and 1 pushes, and so on.
  BOOST_TEST(orders("asp", {{1, 1}, 0, 1}) == 6U);
}

BOOST_AUTO_TEST_SUITE_END()
