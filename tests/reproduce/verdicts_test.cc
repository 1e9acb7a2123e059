// Verdicts on runs whose summaries are made up: what is planted must be found.
#include "reproduce/verdicts.h"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <functional>

#include "reproduce/report.h"
#include "support/folder.h"
#include "sweep/plan.h"

BOOST_TEST_DONT_PRINT_LOG_VALUE(psctl::reproduce::Verdict)

namespace psctl::reproduce {
namespace {

// Of a contender in a setting, in a seed from 1 to 5.
using Planted = std::function<double(const std::string& contender, const std::string& setting, int seed)>;

// Noise that is no contender's and no setting's own.
double noise(int seed) { return 0.01 * (seed % 3 - 1); }

// A preset of steps alone: three strategies, two clusters, two networks.
std::vector<Preset> preset_with(const std::string& claim) {
  return {read_preset(fmt::format(R"(title: t
source: s
stated: s
read: r
base: {{clock: virtual, model: {{kind: none}}, cluster: {{workers: 2}}, stop: {{time_s: 1}}, data: {{batch_size: 4}}}}
studies:
  pace:
    says: how fast
    seeds: 5
    network: {{step_ms: 20, parts: [0.1, 0.5]}}
    settings:
      near: {{change: {{cluster.compute_ms: 20}}}}
      far: {{change: {{cluster.compute_ms: 40}}}}
    contenders: {{bsp: bsp, asp: asp, ssp: ssp}}
claims:
  - id: planted
    says: it is so
    known_from: nowhere
    study: pace
{})",
                                  claim),
                      "p.yaml", Size::kDefault)};
}

struct Told {
  std::vector<Preset> presets;  // that `judged` points into
  Judged judged;
  std::string where;
  std::string report;
};

// `measure` of every run is what is planted; of `left_out`, a folder's number in the plan, there is nothing.
Told judged(const std::string& claim, const std::string& measure, const Planted& planted,
            std::optional<std::size_t> left_out = {}, const std::string& more = "") {
  const test::TemporaryFolder folder;
  std::vector<Preset> presets = preset_with(claim);
  sweep::Planner planner;
  Campaign campaign(presets, planner);
  std::size_t number = 0;
  for (const auto& [key, result] : campaign.results()) {
    const Study& study = presets[0].studies[key.first.study];
    for (std::size_t i = 0; i < result.folders.size(); ++i) {
      if (left_out == number++) continue;
      const std::string run = folder / result.folders[i];
      std::filesystem::create_directories(run);
      const double value = planted(study.contenders[key.first.contender].name, study.settings[key.first.setting].name(),
                                   static_cast<int>(i) + 1);
      test::write_file(run + "/summary.json",
                       fmt::format(R"({{"status": "done", "time_s": 1, "target_accuracy": 0.5, "{}": {}{}}})", measure,
                                   value, more));
    }
  }
  BOOST_TEST(number == 60U);
  const Verdicts verdicts = judge(campaign, folder.path(), {});
  BOOST_TEST_REQUIRE(verdicts.judged.size() == 1U);
  const std::string report = markdown(campaign, verdicts, {});
  return {.presets = std::move(presets),
          .judged = verdicts.judged[0],
          .where = where_text(verdicts.judged[0]),
          .report = report};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(planted)

BOOST_AUTO_TEST_CASE(a_difference_is_found_against_every_rival_in_every_setting) {
  const std::string claim = "    measure: compute_share\n    of: asp\n    against: [bsp, ssp]\n    is: more\n";
  const Told told = judged(claim, "compute_share", [](const std::string& contender, const std::string&, int seed) {
    return (contender == "asp" ? 0.9 : 0.5) + noise(seed);
  });
  BOOST_TEST(told.judged.verdict == Verdict::kHeld);
  BOOST_TEST(told.judged.comparisons.size() == 8U);
  BOOST_TEST(told.where.empty());
  BOOST_TEST(told.judged.comparisons[0].finding.effect.mean == 0.4, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(one_rival_in_one_setting_refutes_and_is_named) {
  const std::string claim = "    measure: compute_share\n    of: asp\n    against: [bsp, ssp]\n    is: more\n";
  const Told told =
      judged(claim, "compute_share", [](const std::string& contender, const std::string& setting, int seed) {
        if (contender == "ssp" && setting == "far, network 50 %") return 0.95 + noise(seed);
        return (contender == "asp" ? 0.9 : 0.5) + noise(seed);
      });
  BOOST_TEST(told.judged.verdict == Verdict::kNotHeld);
  BOOST_TEST(told.where ==
             "held in 3 of 4 (near, network 10 % to 50 %; far, network 10 %), not held in 1 of 4 (far, network 50 %)");
  BOOST_TEST_REQUIRE(told.judged.tightest());
  BOOST_TEST(told.judged.tightest()->rival == "ssp");
  BOOST_TEST(told.judged.tightest()->setting == "far, network 50 %");
  BOOST_TEST(told.report.find("not held in 1 of 4") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_claim_with_a_condition_speaks_only_where_it_is_met) {
  const std::string claim =
      "    measure: compute_share\n    where: {contenders: [bsp, ssp], low: 0.55, high: 0.72}\n    of: asp\n    "
      "against: 0.91\n    is: at_least\n";
  const auto share = [](double met) {
    return [met](const std::string& contender, const std::string& setting, int seed) {
      if (contender == "asp") return (setting.starts_with("near") ? 0.95 : 0.5) + noise(seed);
      return (setting.starts_with("near") ? met : 0.9) + noise(seed);
    };
  };
  BOOST_TEST(judged(claim, "compute_share", share(0.6)).judged.verdict == Verdict::kHeld);
  const Told nowhere = judged(claim, "compute_share", share(0.8));
  BOOST_TEST(nowhere.judged.verdict == Verdict::kInconclusive);
  BOOST_TEST(nowhere.judged.notes.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_condition_that_cannot_be_looked_at_is_no_way_around_a_setting) {
  const std::string claim =
      "    measure: compute_share\n    where: {contenders: [bsp], low: 0.55, high: 0.72}\n    of: asp\n    "
      "against: 0.91\n    is: at_least\n";
  const Planted share = [](const std::string& contender, const std::string&, int seed) {
    return (contender == "asp" ? 0.95 : 0.6) + noise(seed);
  };
  BOOST_TEST(judged(claim, "compute_share", share).judged.verdict == Verdict::kHeld);
  const Told told = judged(claim, "compute_share", share, 0);  // a run of bsp
  BOOST_TEST(told.judged.settings.size() == 3U);
  BOOST_TEST(told.judged.verdict == Verdict::kInconclusive);
  BOOST_TEST(!told.judged.notes.empty());
}

BOOST_AUTO_TEST_CASE(what_is_shown_of_a_claim_is_what_decides_its_verdict) {
  const std::string claim = "    measure: compute_share\n    of: asp\n    against: [bsp, ssp]\n    is: more\n";
  // Against ssp asp is worse by more on average, but it may be luck; against bsp it is surely worse.
  const Told told = judged(claim, "compute_share", [](const std::string& contender, const std::string&, int seed) {
    return contender == "ssp" ? 0.4 + 1.0 * (seed % 2) : contender == "bsp" ? 0.6 : 0.5 + noise(seed);
  });
  BOOST_TEST(told.judged.verdict == Verdict::kNotHeld);
  BOOST_TEST_REQUIRE(told.judged.tightest());
  BOOST_TEST(told.judged.tightest()->rival == "bsp");

  // Where one of several is enough, it is of the one that is.
  const std::string any =
      "    measure: compute_share\n    of: [ssp, asp]\n    any: true\n    against: bsp\n    is: more\n";
  const Told one = judged(any, "compute_share", [](const std::string& contender, const std::string&, int seed) {
    return (contender == "asp" ? 0.9 : contender == "ssp" ? 0.2 : 0.5) + noise(seed);
  });
  BOOST_TEST(one.judged.verdict == Verdict::kHeld);
  BOOST_TEST_REQUIRE(one.judged.tightest());
  BOOST_TEST(one.judged.tightest()->subject == "asp");
}

BOOST_AUTO_TEST_CASE(margins_are_told_in_the_unit_of_the_measure) {
  const auto criterion = [](const std::string& measure) {
    return preset_with("    measure: " + measure +
                       "\n    of: asp\n    against: bsp\n    is: about\n    margin: 0.5\n")[0]
        .claims[0]
        .criterion;
  };
  BOOST_TEST(criterion("compute_share") == "about, within 50 points");
  BOOST_TEST(criterion("updates_per_s") == "about, within 0.5");
  BOOST_TEST(criterion("time_s") == "about, within 50 %");
}

BOOST_AUTO_TEST_CASE(an_order_holds_step_by_step) {
  const std::string claim = "    measure: compute_share\n    order: [bsp, ssp, asp]\n    is: more\n";
  const auto share = [](double ssp) {
    return [ssp](const std::string& contender, const std::string&, int seed) {
      return (contender == "bsp" ? 0.5 : contender == "ssp" ? ssp : 0.9) + noise(seed) * (contender == "ssp" ? 2 : 1);
    };
  };
  BOOST_TEST(judged(claim, "compute_share", share(0.7)).judged.verdict == Verdict::kHeld);
  BOOST_TEST(judged(claim, "compute_share", share(0.4)).judged.verdict == Verdict::kNotHeld);
  BOOST_TEST(judged(claim, "compute_share", share(0.501)).judged.verdict == Verdict::kInconclusive);
}

BOOST_AUTO_TEST_CASE(one_of_several_is_enough_where_the_claim_says_so) {
  const std::string claim =
      "    measure: compute_share\n    of: [ssp, asp]\n    any: true\n    against: bsp\n    is: more\n";
  const auto share = [](double best) {
    return [best](const std::string& contender, const std::string&, int seed) {
      return (contender == "bsp" ? 0.5 : contender == "ssp" ? best : 0.2) + noise(seed);
    };
  };
  BOOST_TEST(judged(claim, "compute_share", share(0.9)).judged.verdict == Verdict::kHeld);
  BOOST_TEST(judged(claim, "compute_share", share(0.4)).judged.verdict == Verdict::kNotHeld);
}

BOOST_AUTO_TEST_CASE(a_mixture_of_contenders_can_be_the_rival) {
  const std::string claim =
      "    measure: time_to_target_s\n    of: ssp\n    against: {bsp: 0.25, asp: 0.75}\n    is: about\n    margin: "
      "0.05\n";
  const auto time = [](double ssp) {
    return [ssp](const std::string& contender, const std::string&, int seed) {
      return (contender == "bsp" ? 100 : contender == "asp" ? 20 : ssp) + noise(seed);
    };
  };
  BOOST_TEST(judged(claim, "time_to_target_s", time(40)).judged.verdict == Verdict::kHeld);
  BOOST_TEST(judged(claim, "time_to_target_s", time(60)).judged.verdict == Verdict::kNotHeld);
}

BOOST_AUTO_TEST_CASE(growth_is_of_the_gain_over_the_fastest_rival) {
  const std::string claim =
      "    measure: time_to_target_s\n    of: asp\n    against: [bsp, ssp]\n    grows: {from: near, to: far}\n    "
      "scale: difference\n    is: more\n";
  const auto time = [](double far) {
    return [far](const std::string& contender, const std::string& setting, int seed) {
      if (contender == "asp") return 10 + noise(seed);
      if (contender == "bsp") return 500 + 3 * noise(seed);  // never the fastest
      return (setting.starts_with("far") ? far : 20) + 2 * noise(seed);
    };
  };
  const Told grows = judged(claim, "time_to_target_s", time(40));
  BOOST_TEST(grows.judged.verdict == Verdict::kHeld);
  BOOST_TEST(std::exp(grows.judged.comparisons[0].finding.effect.mean) == 2, boost::test_tools::tolerance(1e-3));
  BOOST_TEST(judged(claim, "time_to_target_s", time(15)).judged.verdict == Verdict::kNotHeld);
}

BOOST_AUTO_TEST_CASE(a_run_that_is_missing_decides_nothing) {
  const std::string claim = "    measure: compute_share\n    of: asp\n    against: bsp\n    is: more\n";
  const Told told = judged(
      claim, "compute_share",
      [](const std::string& contender, const std::string&, int seed) {
        return (contender == "asp" ? 0.9 : 0.5) + noise(seed);
      },
      0);
  BOOST_TEST(told.judged.verdict == Verdict::kInconclusive);
  BOOST_TEST(!told.judged.notes.empty());
}

BOOST_AUTO_TEST_CASE(who_diverged_has_the_accuracy_of_guessing) {
  const std::string claim =
      "    measure: final_accuracy\n    of: asp\n    against: 0.1\n    is: about\n    margin: 0.001\n";
  const auto accurate = [](const std::string&, const std::string&, int seed) { return 0.8 + noise(seed); };
  BOOST_TEST(judged(claim, "final_accuracy", accurate, {}, ", \"diverged\": true, \"classes\": 10").judged.verdict ==
             Verdict::kHeld);
  BOOST_TEST(judged(claim, "final_accuracy", accurate).judged.verdict == Verdict::kNotHeld);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace psctl::reproduce
