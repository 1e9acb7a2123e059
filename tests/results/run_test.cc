#include "results/run.h"

#include <boost/test/unit_test.hpp>

#include "base/error.h"
#include "results/support.h"
#include "support/folder.h"

using namespace psctl;
using namespace psctl::results;
using psctl::test::summary_of;

namespace {

std::string refusal(const std::string& summary) {
  try {
    const Run run("r", summary);
  } catch (const UserError& error) {
    return error.what();
  }
  return {};
}

Run run_of(const nlohmann::ordered_json& summary) { return {"r", summary.dump(2)}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(one_run)

BOOST_AUTO_TEST_CASE(figures_flags_and_words_are_told_apart_from_what_is_not_there) {
  const Run run = run_of(summary_of("ssp", 3, {{"diverged", true}, {"time_to_target_s", nullptr}}));
  BOOST_TEST((run.status() == Status::kDone));
  BOOST_TEST(run.number("final_accuracy").value() == 0.8);
  BOOST_TEST(run.number("samples").value() == 6000);
  for (const char* key : {"time_to_target_s", "strategy", "nothing", "diverged"}) BOOST_TEST(!run.number(key), key);
  BOOST_TEST(run.flag("diverged"));
  BOOST_TEST(!run.flag("disturbed"));
  BOOST_TEST(run.text("clock").value() == "virtual");
  BOOST_TEST(!run.text("seed"));
}

BOOST_AUTO_TEST_CASE(a_configuration_is_asked_for_by_dotted_keys_into_lists_too) {
  const Run run = run_of(summary_of("ssp", 3, {}, {{"strategy.staleness", 8}, {"cluster.compute_ms", {1.5, 2}}}));
  BOOST_TEST(run.config("strategy.staleness").value() == "8");
  BOOST_TEST(run.config("model.kind").value() == "mlp");
  BOOST_TEST(run.config("cluster.compute_ms").value() == "[1.5, 2]");
  BOOST_TEST(run.config("cluster.compute_ms.1").value() == "2");
  BOOST_TEST(run.config("stragglers.0.delay_ms").value() == "2.5");
  BOOST_TEST(run.config("stragglers.0.kind").value() == "constant");
  BOOST_TEST(run.config("stragglers").value() == R"([{"workers": [1], "kind": "constant", "delay_ms": 2.5}])");
  for (const char* key : {"stragglers.1.delay_ms", "stragglers.0.none", "stragglers.x", "strategy", "stragglers."}) {
    BOOST_TEST(!run.config(key), key);
  }
}

BOOST_AUTO_TEST_CASE(the_configuration_may_stand_behind_the_workers) {
  auto summary = summary_of("ssp", 3);
  const auto config = summary["config"];
  summary.erase("config");
  summary["config"] = config;
  BOOST_TEST(run_of(summary).config("model.kind").value() == "mlp");
}

BOOST_AUTO_TEST_CASE(figures_may_stand_behind_the_workers) {
  const Run run("r", R"({"status": "done", "config": {"seed": 3},
                         "workers": [{"worker": 0, "status": "none", "held_by": [{"worker": 1, "s": 2.5}]}], "updates": 7})");
  BOOST_TEST(run.number("updates").value() == 7);
  BOOST_TEST(run.text("status").value() == "done");
  BOOST_TEST(run.config("seed").value() == "3");
  BOOST_TEST(!run.has("worker"));
  BOOST_TEST(!run.has("workers"));
}

BOOST_AUTO_TEST_CASE(a_text_that_looks_like_a_number_is_still_one) {
  const Run run = run_of(summary_of("ssp", 3, {}, {{"name", "2024"}}));
  BOOST_TEST(run.is_text("name"));
  for (const char* key : {"seed", "nothing"}) BOOST_TEST(!run.is_text(key), key);
}

BOOST_AUTO_TEST_CASE(numbers_keep_the_digits_that_were_written) {
  const Run run = run_of(summary_of("bsp", 1, {{"time_s", 0.1}}, {{"seed", 18446744073709551615U}}));
  BOOST_TEST(run.value("time_s").value() == "0.1");
  BOOST_TEST(run.config("seed").value() == "18446744073709551615");
}

BOOST_AUTO_TEST_CASE(what_is_no_summary_is_refused_with_the_place_of_the_damage) {
  const std::string whole = summary_of("bsp", 1).dump(2);
  BOOST_TEST(refusal(whole).empty());
  for (const char* text : {"", "[]", "3", "null", "{}", "{\"status\": 3}", "{\"status\": \"odd\"}", "{\"a\": {}}"}) {
    BOOST_TEST(!refusal(text).empty(), text);
  }
  // Of the workers, who come last, only the end is looked at.
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    const std::size_t last = cut.find_last_not_of(" \n");
    if (size < whole.find("workers\": [") || cut[last] != '}') BOOST_TEST(!refusal(cut).empty(), size);
  }
  std::string damaged = whole;
  damaged[40] = '\x01';
  BOOST_TEST(refusal(damaged).find("damaged at byte") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(json_that_is_nested_too_deeply_is_refused_not_followed) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  for (const char* key : {"more", "workers"}) {
    const auto summary = [&](std::size_t depth) {
      return fmt::format(R"({{"status": "done", "{}": {}}})", key, nested(depth));
    };
    BOOST_TEST(Run("r", summary(20)).text("status").value() == "done");
    BOOST_CHECK_THROW(Run("r", summary(100'000)), UserError);
  }
  const psctl::test::TemporaryFolder folder;
  psctl::test::write_file(folder / "summary.json", R"({"status": "done"})");
  psctl::test::write_file(folder / "made.json", R"({"overrides": )" + nested(100'000) + "}");
  const Run run(folder.path(), R"({"status": "done"})");
  BOOST_CHECK_THROW(run.made(), UserError);
}

BOOST_AUTO_TEST_CASE(runs_of_one_strategy_are_told_apart_by_the_parameters_that_differ) {
  const auto ssp = [](int staleness, const char* label) {
    return run_of(summary_of("ssp", 1, {{"strategy_label", label}},
                             {{"strategy.staleness", staleness}, {"strategy.apply", "on_arrival"}}));
  };
  const std::vector<Run> alone = {run_of(summary_of("bsp", 1)), ssp(3, "ssp"), ssp(3, "ssp")};
  BOOST_TEST(labels(alone) == (std::vector<std::string>{"bsp", "ssp", "ssp"}), boost::test_tools::per_element());
  // The default is told where another value stands beside it.
  const std::vector<Run> both = {run_of(summary_of("bsp", 1)), ssp(3, "ssp"), ssp(8, "ssp(staleness=8)")};
  BOOST_TEST(labels(both) == (std::vector<std::string>{"bsp", "ssp(staleness=3)", "ssp(staleness=8)"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
