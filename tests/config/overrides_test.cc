#include <boost/test/unit_test.hpp>
#include <string>

#include "config/support.h"

using namespace psctl;
using namespace psctl::config;

namespace {

const std::string kFile =
    "model: {kind: mlp, hidden: [32]}\n"
    "data: {source: fashion-mnist}\n"
    "optimizer: {kind: momentum, momentum: 0.5, schedule: {kind: step, factor: 0.1, every_epochs: 2}}\n"
    "strategy: {name: ssp, staleness: 5, apply: on_release}\n"
    "stragglers:\n"
    "  - {workers: [1], kind: uniform, min_ms: 1, max_ms: 2}\n"
    "  - {workers: [2], kind: constant, delay_ms: 7}\n"
    "stop: {epochs: 1, time_s: 60}\n";

RunConfig with(const std::vector<std::string>& overrides) { return load_text(kFile, "c.yaml", overrides).run; }

std::vector<std::string> notices(const std::vector<std::string>& overrides) {
  return load_text(kFile, "c.yaml", overrides).notices;
}

void check_refused(const std::vector<std::string>& overrides, const std::string& message) {
  BOOST_TEST(faults_of(kFile, overrides) == std::vector<std::string>{message}, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(overrides)

BOOST_AUTO_TEST_CASE(a_key_is_changed_wherever_it_stands) {
  BOOST_TEST(with({"seed=7"}).seed == 7);
  BOOST_TEST(with({"cluster.workers=8"}).cluster.workers == 8);
  BOOST_TEST(with({"cluster.network.latency_ms=0.5"}).simulation.network.latency_ms == 0.5);
  BOOST_TEST(with({"stragglers.1.delay_ms=5"}).stragglers[1].delay_ms == 5);
  BOOST_TEST(with({"stragglers.0.workers.0=3"}).stragglers[0].workers[0].value == 3);
  BOOST_TEST(with({"stop.plateau.below=0.01"}).stop.plateau->smoothing == 0.9);
  BOOST_TEST(with({"data.source=a=b"}).data.source == std::vector<std::string>{"a=b"});
}

BOOST_AUTO_TEST_CASE(a_value_is_yaml) {
  BOOST_TEST(with({"model.hidden=[64, 16]"}).model.hidden == (std::vector<std::size_t>{64, 16}),
             boost::test_tools::per_element());
  BOOST_TEST(with({"cluster={workers: 6, compute_ms: 3}"}).cluster.workers == 6);
  BOOST_TEST(with({"stragglers=[]"}).stragglers.empty());
  BOOST_TEST(with({"stragglers.0.workers=all"}).stragglers[0].workers.size() == 4);
  BOOST_TEST(with({"data.source=\"a b\""}).data.source == std::vector<std::string>{"a b"});
}

BOOST_AUTO_TEST_CASE(a_value_in_no_brackets_and_no_quotes_is_the_characters_that_were_typed) {
  for (const std::string text :
       {"run #1.csv", "&a iris.csv", "*a",      "!x",    "a: b",  "- a",    "| a",  "> a",     "%a",  "@a",
        "`a`",        "a, b",        "it's #1", "a]",    "? a",   "&a [b]", "x{1}", "C:\\new", "1.0", "true",
        "a \"b\" #c", "---",         "...",     "<<: a", "a=b=c", "#a",     ": a",  "~a"}) {
    BOOST_TEST(with({"data.source=" + text}).data.source == std::vector<std::string>{text}, text);
  }
  check_refused({"name=run #3"},
                "override 'name=run #3': name: 'run #3' cannot name a folder; use letters, digits, '.', '_' and '-', "
                "and begin with a letter or digit");
  check_refused({"seed=1 # one"}, "override 'seed=1 # one': seed: expected a whole number, found '1 # one'");
}

BOOST_AUTO_TEST_CASE(in_brackets_and_quotes_nothing_is_dropped_in_silence) {
  for (const auto& [typed, meant] : std::vector<std::pair<std::string, std::string>>{{"'run #1.csv'", "run #1.csv"},
                                                                                     {"\"run #1.csv\"", "run #1.csv"},
                                                                                     {"'it''s #1'", "it's #1"},
                                                                                     {"['run #1.csv']", "run #1.csv"},
                                                                                     {"[a#b]", "a#b"},
                                                                                     {"[it's a]", "it's a"},
                                                                                     {"[a  b]", "a  b"},
                                                                                     {"[\n  a\n]", "a"},
                                                                                     {" 'a' ", "a"},
                                                                                     {"'&a'", "&a"}}) {
    BOOST_TEST(with({"data.source=" + typed}).data.source == std::vector<std::string>{meant}, typed);
  }
  const std::string comment = ": a YAML comment, from '#' on; put a text with '#' into quotes";
  const std::string line_break = ": a line break within a text; remove it";
  for (const auto& [typed, fault] : std::vector<std::pair<std::string, std::string>>{
           {"[a #b]", comment},
           {"[a, #b]", comment},
           {"[1] # one", comment},
           {"'a' #b", comment},
           {"'a'#b", comment},
           {"[it's #1]", comment},
           {"[&a b]", ": a YAML anchor, the word behind '&'; put a text with '&' into quotes"},
           {"['a\nb']", line_break},
           {"[a\nb]", line_break},
           {"'a' b", ""},
           {"'a': b", ": something stands behind the closing quote; put the whole value into one pair of quotes"},
           {" a", ": a blank at the beginning or the end of a value; remove it, or put the value into quotes"}}) {
    const auto faults = faults_of(kFile, {"data.source=" + typed});
    BOOST_TEST_REQUIRE(faults.size() == 1U, typed);
    BOOST_TEST(faults[0].ends_with(fault), faults[0]);
  }
}

BOOST_AUTO_TEST_CASE(they_are_applied_in_order) {
  BOOST_TEST(with({"seed=7", "seed=8"}).seed == 8);
  BOOST_TEST(with({"+stragglers={workers: all, kind: constant, delay_ms: 1}", "stragglers.2.delay_ms=3"})
                 .stragglers[2]
                 .delay_ms == 3);
}

BOOST_AUTO_TEST_CASE(a_plus_adds_to_a_list) {
  const RunConfig run = with({"+model.hidden=8", "+stragglers={workers: [0], kind: slowdown, factor: 3}",
                              "+cluster.membership={worker: 1, leave_s: 3}", "+stragglers.0.workers=3"});
  BOOST_TEST(run.model.hidden == (std::vector<std::size_t>{32, 8}), boost::test_tools::per_element());
  BOOST_TEST(run.stragglers.size() == 3);
  BOOST_TEST(run.stragglers[0].workers.size() == 2);
  BOOST_TEST(run.cluster.membership.size() == 1);
}

BOOST_AUTO_TEST_CASE(a_tilde_removes_a_key_or_an_element) {
  const RunConfig run = with({"~stop.time_s", "~stragglers.0", "~optimizer"});
  BOOST_TEST(!run.stop.time_s.has_value());
  BOOST_TEST(run.stragglers.size() == 1);
  BOOST_TEST(run.stragglers[0].delay_ms == 7);
  BOOST_TEST((run.optimizer == learn::OptimizerConfig{}));
}

BOOST_AUTO_TEST_CASE(a_whole_strategy_replaces_the_section_without_a_notice) {
  BOOST_TEST((with({"strategy=ssp"}).strategy == sync::StrategyConfig{"ssp", sync::defaults(*sync::find("ssp"))}));
  const RunConfig run = with({"strategy={name: ssp, staleness: 8}"});
  BOOST_TEST(run.strategy.parameters.integer("staleness") == 8);
  BOOST_TEST(run.strategy.parameters.word("apply") == "on_arrival");
  BOOST_TEST(with({"strategy=ssp", "strategy.staleness=9"}).strategy.parameters.integer("staleness") == 9);
  BOOST_TEST(notices({"strategy=bsp"}).empty());
}

BOOST_AUTO_TEST_CASE(a_new_kind_drops_what_it_does_not_know_and_a_notice_says_so) {
  BOOST_TEST(
      notices({"strategy.name=bsp"}) ==
          std::vector<std::string>{"override 'strategy.name=bsp': strategy.staleness and strategy.apply dropped: "
                                   "no effect with strategy.name: bsp"},
      boost::test_tools::per_element());
  BOOST_TEST(notices({"optimizer.kind=sgd", "optimizer.schedule.kind=exponential"}) ==
                 (std::vector<std::string>{
                     "override 'optimizer.kind=sgd': optimizer.momentum dropped: no effect with optimizer.kind: sgd",
                     "override 'optimizer.schedule.kind=exponential': optimizer.schedule.every_epochs dropped: no "
                     "effect with optimizer.schedule.kind: exponential"}),
             boost::test_tools::per_element());
  BOOST_TEST(
      notices({"model.kind=none", "clock=virtual", "~stop.epochs"}) ==
          std::vector<std::string>{"override 'model.kind=none': model.hidden dropped: no effect with model.kind: "
                                   "none"},
      boost::test_tools::per_element());
  BOOST_TEST(notices({"stragglers.0.kind=slowdown", "stragglers.0.factor=2"}) ==
                 std::vector<std::string>{"override 'stragglers.0.kind=slowdown': stragglers.0.min_ms and "
                                          "stragglers.0.max_ms dropped: no effect with stragglers.0.kind: slowdown"},
             boost::test_tools::per_element());
  BOOST_TEST(notices({"optimizer.kind=nesterov"}).empty());
  BOOST_TEST(with({"optimizer.kind=nesterov"}).optimizer.momentum == 0.5);
}

BOOST_AUTO_TEST_CASE(a_key_that_an_override_gives_is_never_dropped) {
  for (const auto& order : {std::vector<std::string>{"optimizer.beta1=0.8", "optimizer.kind=sgd"},
                            std::vector<std::string>{"optimizer.kind=sgd", "optimizer.beta1=0.8"}}) {
    check_refused(order,
                  "override 'optimizer.beta1=0.8': optimizer.beta1 has no effect with optimizer.kind: sgd; it belongs "
                  "to adam: remove it, or change optimizer.kind");
  }
}

BOOST_AUTO_TEST_CASE(the_kind_that_was_there_before_drops_nothing) {
  BOOST_TEST(faults_of("model: {kind: mlp}\ndata: {source: x}\nstop: {epochs: 1}\nstrategy: {name: bsp, apply: x}\n",
                       {"strategy.name=bsp"})
                 .size() == 1);
}

BOOST_AUTO_TEST_CASE(a_fault_in_an_override_names_the_override) {
  check_refused({"cluster.workers=0"},
                "override 'cluster.workers=0': cluster.workers: '0' is out of range; allowed: 1 "
                "to 65536");
  check_refused({"clusters.workers=5"},
                "override 'clusters.workers=5': unknown key 'clusters'; did you mean cluster? known here: name, seed, "
                "clock, model, data, optimizer, strategy, cluster, stragglers, stop, evaluate, trace and checkpoint");
  check_refused({"staleness=5"},
                "override 'staleness=5': unknown key 'staleness'; did you mean optimizer.staleness or "
                "strategy.staleness? known here: name, "
                "seed, clock, model, data, optimizer, strategy, cluster, stragglers, stop, evaluate, trace and "
                "checkpoint");
  check_refused({"seed"},
                "override 'seed': this is no override; KEY=VALUE changes a key, +KEY=VALUE adds to a list, "
                "~KEY removes a key");
  check_refused({"=5"},
                "override '=5': this is no override; KEY=VALUE changes a key, +KEY=VALUE adds to a list, ~KEY "
                "removes a key");
  check_refused({"a..b=5"},
                "override 'a..b=5': this is no override; KEY=VALUE changes a key, +KEY=VALUE adds to a "
                "list, ~KEY removes a key");
  check_refused({"seed."},
                "override 'seed.': this is no override; KEY=VALUE changes a key, +KEY=VALUE adds to a list, "
                "~KEY removes a key");
  check_refused({"~seed=5"},
                "override '~seed=5': this is no override; KEY=VALUE changes a key, +KEY=VALUE adds to a "
                "list, ~KEY removes a key");
  check_refused({"seed="}, "override 'seed=': no value after '='; ~seed removes the key");
  check_refused({"seed=~"}, "override 'seed=~': seed has no value; give one or remove it");
  check_refused({"seed=[1"},
                "override 'seed=[1': a list or a map stands where a key is expected; is a bracket or a "
                "quote left open?");
  check_refused({"name=a\n---\nb"},
                "override 'name=a\\n---\\nb': name: 'a\\n---\\nb' has a control character in it; remove it");
  check_refused({"name=a\tb"}, "override 'name=a\\x09b': a tab; use spaces");
}

BOOST_AUTO_TEST_CASE(a_place_that_is_not_there_is_told) {
  check_refused({"~seed"}, "override '~seed': seed is not given, so there is nothing to remove");
  check_refused({"~cluster.workers"},
                "override '~cluster.workers': cluster is not given, so there is nothing to remove");
  check_refused({"stragglers.kind=constant"},
                "override 'stragglers.kind=constant': stragglers is a list; name an "
                "element by its number, as in stragglers.0");
  check_refused({"stragglers.2.kind=constant"},
                "override 'stragglers.2.kind=constant': stragglers has 2 elements, "
                "counted from 0; +stragglers=VALUE adds one");
  check_refused({"~stragglers.2"},
                "override '~stragglers.2': stragglers has 2 elements, counted from 0; +stragglers=VALUE adds one");
  check_refused({"cluster.membership.0.leave_s=3"},
                "override 'cluster.membership.0.leave_s=3': cluster.membership has "
                "no elements; +cluster.membership=VALUE adds one");
  check_refused({"model.kind.x=3"}, "override 'model.kind.x=3': model.kind is 'mlp': it has no keys below");
  check_refused({"+stop.epochs=3"},
                "override '+stop.epochs=3': stop.epochs is '1', not a list: there is nothing to add "
                "to; give a list, stop.epochs=[...]");
  check_refused({"+cluster.compute_ms=3"},
                "override '+cluster.compute_ms=3': cluster.compute_ms is not given, and its "
                "default is not empty; give the whole list, cluster.compute_ms=[...]");
}

BOOST_AUTO_TEST_SUITE_END()
