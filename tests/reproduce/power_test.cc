#include "reproduce/power.h"

#include <boost/test/unit_test.hpp>
#include <algorithm>
#include <fmt/format.h>

#include "support/paths.h"

namespace psctl::reproduce {
namespace {

// One study of so many seeds, and one claim.
Preset preset_with(const std::string& stop, const std::string& claim, int seeds = 10, const std::string& study = "") {
  return read_preset(fmt::format(R"(title: t
source: s
stated: s
read: r
base: {{clock: virtual, model: {{kind: logistic}}, data: {{source: fashion-mnist}}, cluster: {{workers: 4}}, {}}}
studies:
  training:
    says: a model
    seeds: {}
{}    contenders: {{bsp: bsp, fast: asp, other: {{name: ssp, staleness: 3}}}}
claims:
  - id: simulated
    says: it is so
    known_from: nowhere
    study: training
{})",
                                 stop, seeds, study, claim),
                     "p.yaml", Size::kDefault);
}

Power power(const Preset& preset, const Noise& noise = {}, const FinalTarget& target = {}) {
  return power_of(preset, preset.claims.front(), noise, target);
}

constexpr const char* kEpochs = "stop: {epochs: 12}, evaluate: {every_epochs: 0.5}";
constexpr const char* kTime = "stop: {time_s: 2000}, evaluate: {every_s: 25}";

std::string late(double effect) {
  return fmt::format("    measure: time_to_final_of_bsp_s\n    of: fast\n    against: bsp\n    is: less\n    effect: {}\n",
                     effect);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(powers)

BOOST_AUTO_TEST_CASE(a_last_evaluation_and_the_same_epochs_show_no_true_effect_and_a_mean_and_the_same_time_do) {
  // Three times as fast, and published: 0.56.
  BOOST_TEST(power(preset_with(kEpochs, late(0.3)), {}, {.evaluations = 1, .margin = 0}).power.value() < 0.1);
  for (const double effect : {0.3, 0.56}) {
    const Power found = power(preset_with(kTime, late(effect)));
    BOOST_TEST(found.power.value() >= kEnoughPower);
    BOOST_TEST(!found.low());
  }
  // As fast: not held, whatever the noise.
  BOOST_TEST(power(preset_with(kTime, late(1))).power.value() < 0.06);
}

BOOST_AUTO_TEST_CASE(the_power_of_a_paired_t_test_is_that_of_the_tables) {
  // 10 seeds, an effect of one deviation, two-sided 5 %: 0.80 (noncentral t).
  const std::string claim =
      "    measure: final_accuracy\n    of: fast\n    against: bsp\n    is: more\n    effect: 0.02\n";
  const Power found = power(preset_with(kTime, claim), {.spread = 0.02});
  BOOST_TEST((found.power.value() > 0.73 && found.power.value() < 0.87), found.power.value());
  BOOST_TEST(power(preset_with(kTime, claim, 3), {.spread = 0.02}).low());
  BOOST_TEST(power(preset_with(kTime, claim), {.spread = 0.0}).power.value() == 1);
}

BOOST_AUTO_TEST_CASE(a_claim_without_a_figure_is_simulated_as_no_difference_or_tells_what_it_would_find) {
  const std::string about = "    measure: final_accuracy\n    of: fast\n    against: bsp\n    is: at_least\n    margin: 0.005\n";
  const Power equal = power(preset_with(kTime, about), {.spread = 0.001});
  BOOST_TEST(equal.effect.value() == 0);
  BOOST_TEST(equal.power.value() > 0.95);
  BOOST_TEST(power(preset_with(kTime, about), {.spread = 0.05}).low());
  const std::string less = "    measure: time_s\n    of: fast\n    against: bsp\n    is: less\n";
  const Power unknown = power(preset_with(kTime, less));
  BOOST_TEST(!unknown.power);
  BOOST_TEST(!unknown.low());
  // With a deviation of 5 % and 10 seeds: one deviation.
  BOOST_TEST((unknown.detectable.value() > 0.92 && unknown.detectable.value() < 0.98), unknown.detectable.value());
}

BOOST_AUTO_TEST_CASE(against_several_the_power_is_that_of_the_whole_claim) {
  const auto claim = [](const std::string& rivals) {
    return "    measure: final_accuracy\n    of: fast\n    against: " + rivals + "\n    is: more\n    effect: 0.02\n";
  };
  const double one = power(preset_with(kTime, claim("bsp")), {.spread = 0.02}).power.value();
  const double both = power(preset_with(kTime, claim("[bsp, other]")), {.spread = 0.02}).power.value();
  BOOST_TEST(both < one - 0.05);
}

BOOST_AUTO_TEST_CASE(the_spread_that_a_study_states_is_used_where_no_runs_tell) {
  const std::string claim = "    measure: time_s\n    of: fast\n    against: bsp\n    is: less\n    effect: 0.99\n";
  const Preset stated = preset_with(kTime, claim, 10, "    spread: 0\n");
  BOOST_TEST(stated.studies.front().spread.value() == 0);
  BOOST_TEST(power(stated).power.value() == 1);
  BOOST_TEST(power(preset_with(kTime, claim)).low());
}

BOOST_AUTO_TEST_CASE(the_published_effect_of_elastic_bsp_can_be_shown) {
  for (const Size size : {Size::kDefault, Size::kFull}) {
    const Preset preset = load_preset(test::source_path("configs/papers/elastic_bsp.yaml"), size);
    const auto claim = std::ranges::find(preset.claims, "ebsp-time", &Claim::id);
    BOOST_REQUIRE(claim != preset.claims.end());
    BOOST_TEST(power_of(preset, *claim).power.value() >= kEnoughPower);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace psctl::reproduce
