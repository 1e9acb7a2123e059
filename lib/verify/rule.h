// A rule watches a cluster from outside: it sees events, what came of them and the cluster, never the strategy.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sync/registry.h"
#include "sync/synchronizer.h"
#include "verify/verify.h"

namespace psctl::verify {

// Thrown by a rule that is broken.
struct Broken {
  std::string rule, expected, seen;
};

inline Broken deadlines_for_ever() {
  return {"deadline", "After a deadline something else happens some day.", "deadline follows deadline for ever"};
}

// One event, and what came of it.
struct Moment {
  Instant now;
  const sync::Event& event;
  std::span<const sync::Outcome> outcomes;
  const sync::Cluster& cluster;  // after all of them
  bool started;                  // everybody who is to be there from the start has joined
};

class Rule {
 public:
  Rule(std::string name, std::string expected) : name_(std::move(name)), expected_(std::move(expected)) {}
  virtual ~Rule() = default;

  virtual void see(const Moment& moment) = 0;
  // After the last event, when all have left.
  virtual void end(const sync::Cluster&) {}

  const std::string& name() const { return name_; }
  const std::string& expected() const { return expected_; }

 protected:
  [[noreturn]] void broken(std::string seen) const { throw Broken{name_, expected_, std::move(seen)}; }

 private:
  std::string name_, expected_;
};
using Rules = std::vector<std::unique_ptr<Rule>>;

// The rules of every strategy, and those that are special to the one of this name.
Rules make_rules(const Subject& subject, const sync::Setting& setting);
Rules common_rules(const Subject& subject, const sync::Setting& setting);
void add_special_rules(const Subject& subject, const sync::Setting& setting, Rules& rules);
// Combinations of parameters that are worth a look, beyond one value at a time.
std::vector<std::map<std::string, sync::ParameterValue, std::less<>>> combinations_of(const std::string& name);

}  // namespace psctl::verify
