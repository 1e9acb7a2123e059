#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "reproduce/campaign.h"
#include "reproduce/planner_study.h"
#include "support/paths.h"

namespace psctl::reproduce {
namespace {

std::vector<Preset> all_presets(Size size) {
  std::vector<Preset> presets;
  for (const auto& entry : std::filesystem::directory_iterator(psctl::test::source_path("configs/papers"))) {
    if (entry.path().extension() == ".yaml") presets.push_back(load_preset(entry.path(), size));
  }
  return presets;
}

// A preset of one study and one claim, with a line in the place of another.
std::string preset_with(const std::string& line = "", const std::string& in_place_of = "") {
  std::string text = R"(title: t
source: s
stated: s
read: r
base: {clock: virtual, model: {kind: none}, cluster: {workers: 2}, stop: {time_s: 1}, data: {source: nowhere, batch_size: 4}}
studies:
  pace:
    says: how fast
    seeds: {quick: 3, default: 4}
    contenders:
      bsp: bsp
      asp: asp
claims:
  - id: faster
    says: it is faster
    known_from: nowhere
    study: pace
    measure: time_s
    of: asp
    against: bsp
    is: less
)";
  if (!in_place_of.empty()) {
    const std::size_t at = text.find(in_place_of);
    BOOST_TEST_REQUIRE(at != std::string::npos);
    text.replace(at, in_place_of.size(), line);
  }
  return text;
}

void check_refused(const std::string& text, const std::string& part) {
  try {
    read_preset(text, "p.yaml", Size::kDefault);
    BOOST_ERROR("not refused: " << part);
  } catch (const UserError& error) {
    BOOST_TEST(std::string(error.what()).find(part) != std::string::npos, error.what());
    BOOST_TEST(std::string(error.what()).find("p.yaml:") != std::string::npos, error.what());
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(presets)

BOOST_AUTO_TEST_CASE(every_claim_that_was_set_down_is_in_some_preset) {
  std::set<std::string> ids;
  for (const Preset& preset : all_presets(Size::kFull)) {
    for (const Claim& claim : preset.claims) BOOST_TEST(ids.insert(claim.id).second, "two claims " << claim.id);
    BOOST_TEST(preset.left_out.empty());
  }
  for (const char* id : {"a2s-accuracy",         "a2s-time",
                         "a2s-weighting",        "bap-speed-transient",
                         "bap-speed-persistent", "bap-threshold",
                         "wbsp-time-h1",         "wbsp-time-h2",
                         "wbsp-time-h3",         "wbsp-share",
                         "wbsp-overlap",         "ebsp-time",
                         "ebsp-accuracy",        "ebsp-lookahead",
                         "ebsp-others-fail",     "pcp-time",
                         "pcp-quality",          "pcp-use",
                         "dssp-two-gpus",        "dssp-bounded",
                         "dssp-homogeneous",     "switch-order",
                         "switch-share",         "switch-sixteen",
                         "zipline-exact",        "zipline-speed-n10-r15",
                         "guide-sooner",         "guide-accuracy"}) {
    BOOST_TEST(ids.contains(id), id);
  }
}

BOOST_AUTO_TEST_CASE(five_seeds_at_least_where_anything_is_drawn) {
  for (const Preset& preset : all_presets(Size::kDefault)) {
    for (const Claim& claim : preset.claims) {
      const bool trains = preset.study(claim.study).rates != Rates::kGiven;
      BOOST_TEST((!trains || preset.study(claim.study).seeds >= 5), claim.id);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_smaller_size_leaves_claims_out_and_says_so) {
  std::size_t quick = 0, left_out = 0, full = 0;
  for (const Preset& preset : all_presets(Size::kQuick))
    quick += preset.claims.size(), left_out += preset.left_out.size();
  for (const Preset& preset : all_presets(Size::kFull)) full += preset.claims.size();
  BOOST_TEST(left_out > 0U);
  BOOST_TEST(quick + left_out == full);
}

BOOST_AUTO_TEST_CASE(planner_studies_of_presets_can_be_measured) {
  for (const Preset& preset : all_presets(Size::kFull)) {
    for (const Study& study : preset.studies) {
      if (study.kind != StudyKind::kRuns) BOOST_CHECK_NO_THROW(check_planner_study(preset, study));
    }
  }
}

BOOST_AUTO_TEST_CASE(numbers_may_depend_on_the_size) {
  BOOST_TEST(read_preset(preset_with(), "p.yaml", Size::kQuick).studies[0].seeds == 3U);
  BOOST_TEST(read_preset(preset_with(), "p.yaml", Size::kDefault).studies[0].seeds == 4U);
  BOOST_TEST(read_preset(preset_with(), "p.yaml", Size::kFull).studies[0].seeds == 4U);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_preset_is_told_with_its_place) {
  check_refused(preset_with("agianst: bsp", "against: bsp"), "did you mean against?");
  check_refused(preset_with("against: ssp", "against: bsp"), "ssp is no contender of pace");
  check_refused(preset_with("is: fewer", "is: less"), "less, more, at_least");
  check_refused(preset_with("is: less\n    margin: 0.1", "is: less"), "has no effect with less and more");
  check_refused(preset_with("study: race", "study: pace"), "there is no study 'race'");
  check_refused(preset_with("seeds: 1", "seeds: {quick: 3, default: 4}"), "expected a whole number from 3 to");
  check_refused(preset_with("sizes: [big]", "seeds: {quick: 3, default: 4}"),
                "expected some of quick, default and full");
  check_refused(preset_with("rates: quickly", "seeds: {quick: 3, default: 4}"), "given, search or failing");
  check_refused(preset_with("", "    known_from: nowhere\n"), "claims.0.known_from: is missing");
  check_refused("[", "p.yaml");
}

// Each of these would otherwise be found out when the runs are made, or never.
BOOST_AUTO_TEST_CASE(what_could_not_be_judged_or_would_be_passed_over_is_refused) {
  const auto measure = [](const std::string& name) { return preset_with("measure: " + name, "measure: time_s"); };
  check_refused(measure("compute_shar"), "did you mean compute_share?");
  check_refused(measure("best_accuracy"), "runs of pace tell no 'best_accuracy'");
  check_refused(measure("microseconds"), "runs of pace tell no 'microseconds'");
  check_refused(measure("time_to_final_of_sap_s"), "runs of pace tell no");
  BOOST_CHECK_NO_THROW(read_preset(measure("time_to_final_of_asp_s"), "p.yaml", Size::kDefault));

  const auto claim = [](const std::string& lines) { return preset_with(lines, "of: asp\n    against: bsp"); };
  check_refused(claim("of: asp\n    against: bsp\n    settings: far"), "'far' is no setting of pace");
  check_refused(claim("of: asp\n    against: bsp\n    grows: {from: near, to: far}"), "'near' is no setting of pace");
  check_refused(claim("of: asp\n    against: bsp\n    where: {low: 0}"), "needs contenders");
  check_refused(claim("of: asp\n    against: [bsp, asp]"), "asp is compared with itself");
  check_refused(claim("of: asp\n    against: {}"), "names no contender");
  check_refused(claim("of: asp\n    against: {bsp: -1}"), "expected a weight above 0");
  check_refused(claim("of: asp\n    order: [bsp, asp]"), "has no effect with order");
  check_refused(claim("of: asp\n    against: bsp\n    sizes: default"), "expected a list of sizes");
  check_refused(preset_with("is: between\n    low: 0.1\n    high: 2\n    margin: 0.1", "is: less"),
                "has no effect with between");

  const auto study = [](const std::string& lines) { return preset_with(lines, "seeds: {quick: 3, default: 4}"); };
  check_refused(study("rates: search"), "needs rates to try");
  check_refused(study("rates: failing\n    grid: [1, 2]\n    failing: {contenders: asp}"), "an accuracy above 0");
  check_refused(study("grid: [1, 2]"), "has no effect where rates are given");
  check_refused(study("failing: {contenders: asp, below: 0.2}"), "has no effect without rates: failing");
  check_refused(study("settings: {}"), "needs one setting at least");
  check_refused(study("network: {step_ms: 5, parts: [0.1, 0.1]}"), "stands there twice");
  check_refused(study("kind: planner_speed\n    change: {seed: 1}"), "has no effect on planners");
  check_refused(study("seeds: 20000"), "from 3 to 10000");
  check_refused(preset_with("asp: asp\n      15: asp", "asp: asp"), "a contender whose name is a number");
}

// What only the configuration of the runs tells.
BOOST_AUTO_TEST_CASE(runs_that_cannot_tell_what_a_claim_asks_for_are_refused) {
  const auto check = [](const std::string& measure, const std::string& model, const std::string& part) {
    std::string text = preset_with("measure: " + measure, "measure: time_s");
    text.replace(text.find("model: {kind: none}"), std::string("model: {kind: none}").size(), model);
    const std::vector<Preset> presets = {read_preset(text, "p.yaml", Size::kDefault)};
    if (part.empty()) return check_measures(presets);
    BOOST_CHECK_EXCEPTION(check_measures(presets), UserError, [&](const UserError& error) {
      BOOST_TEST_INFO(error.what());
      return std::string(error.what()).find(part) != std::string::npos;
    });
  };
  const std::string model = "model: {kind: logistic}, evaluate: {every_epochs: 1}";
  check("final_accuracy", "model: {kind: none}", "needs a model");
  check("time_to_target_s", model, "needs a target_accuracy");
  check("updates_to_target", model, "needs a target_accuracy");
  check("time_to_plateau_s", model, "needs a stop.plateau");
  check("final_accuracy", "model: {kind: logistic}, evaluate: {every_updates: 9}", "evaluate.every_updates");
  check("final_accuracy", model, "");
  check("time_to_target_s", "model: {kind: logistic}, evaluate: {every_epochs: 1, target_accuracy: 0.5}", "");
}

BOOST_AUTO_TEST_CASE(a_claim_alone_takes_the_studies_that_it_rests_on) {
  for (const Preset& preset : all_presets(Size::kDefault)) {
    if (preset.name != "wbsp") continue;
    const auto one = only(preset, "wbsp-overlap");
    BOOST_TEST_REQUIRE(one.has_value());
    BOOST_TEST(one->claims.size() == 1U);
    BOOST_TEST(one->studies.size() == 2U);  // times, and the search for rates
    BOOST_TEST(!only(preset, "wbsp-nothing"));
  }
}

BOOST_AUTO_TEST_CASE(planners_that_are_exact_miss_nothing_and_the_scans_do) {
  for (Preset preset : all_presets(Size::kQuick)) {
    if (preset.name != "zipline") continue;
    const std::size_t exact = static_cast<std::size_t>(&preset.study("exact") - preset.studies.data());
    const auto misses = measure_planners({preset}, 0, exact);
    BOOST_TEST(misses.size() == 7U);
    for (const auto& [cell, numbers] : misses) {
      double sum = 0;
      for (double number : numbers) sum += number;
      const std::string& name = preset.studies[exact].contenders[cell.contender].name;
      BOOST_TEST((sum > 0) == name.ends_with("_scan"), name << " misses " << sum);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace psctl::reproduce
