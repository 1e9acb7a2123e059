// Holds a strategy against the rules that it must keep, whatever happens to the cluster: every order of events of small
// clusters, many random ones, and references that were worked out without the strategy's code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sync/registry.h"

namespace psctl::verify {

// A strategy with the parameters that it runs under. The rules that are special to a strategy go by its name; one that
// has none is held against those that every strategy must keep.
struct Subject {
  std::string name;
  sync::Parameters parameters;
  // Throws UserError for parameters that it refuses.
  std::function<std::unique_ptr<sync::Strategy>(const sync::Setting&)> make;
};

struct Effort {
  std::uint64_t seed = 1;
  std::size_t cases = 300;  // random clusters
  bool quick = false;       // only the smallest of the clusters whose every order is tried
};

// A rule that was broken, with the shortest sequence of events found that shows it.
struct Violation {
  std::string rule;      // its name
  std::string expected;  // the rule, in a sentence
  std::string seen;
  std::string cluster = {};        // "2 workers, 1 of them late"; empty where there is none
  std::vector<std::string> story;  // a line an event, ending with the one that broke the rule
};

struct Result {
  std::string check;      // "every order", "random clusters", or the name of a reference
  std::size_t cases = 0;  // that were tried, up to a violation
  std::optional<Violation> violation;
};

// One result a check. Throws UserError if the strategy refuses its parameters.
std::vector<Result> verify(const Subject& subject, const Effort& effort);

// What `verify` holds this subject against after every event: a sentence a rule.
struct RuleText {
  std::string name, expected;
};
std::vector<RuleText> rules_of(const Subject& subject);

// The defaults of `entry`; every choice of every word and flag, and a few values of every number, one at a time; then
// combinations that matter, and some drawn from `seed`. Without those that the strategy refuses.
std::vector<Subject> subjects_of(const sync::Entry& entry, std::uint64_t seed);

// "staleness=3 apply=on_release": those that are not the entry's default; "defaults" if none is.
std::string text_of(const sync::Entry& entry, const sync::Parameters& parameters);

}  // namespace psctl::verify
