// Every strategy that psctl knows. A new strategy is one file that defines an Entry, and one line in registry.cc:
// it then appears in `psctl strategies`, in the configuration check and in sweeps without another change.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sync/parameters.h"
#include "sync/strategy.h"

namespace psctl::sync {

struct Entry {
  std::string name;
  std::string brief;   // in a line, to choose from
  std::string rule;    // in three sentences at most
  std::string source;  // paper, section
  std::string stated;  // what the source says of it
  std::string read;    // what we read into it
  Traits::Kind kind = Traits::Kind::kGradient;
  bool merges = false;  // it adds pushes together before they are applied
  std::vector<Parameter> parameters;
  // Throws UserError where the setting does not tell what the strategy must know.
  std::unique_ptr<Strategy> (*make)(const Parameters&, const Setting&);
  // For psctl verify, where there is one: the most steps that a worker may be ahead of the slowest when it goes on.
  std::optional<Step> (*largest_gap)(const Parameters&) = nullptr;
};

std::span<const Entry> entries();
const Entry* find(std::string_view name);  // null if there is none

// The value of a configuration's `strategy` section.
struct StrategyConfig {
  std::string name = "bsp";
  Parameters parameters;
};
std::unique_ptr<Strategy> make(const StrategyConfig& config, const Setting& setting);
// The name and what differs from the defaults, as people read it: "ssp(staleness=8)".
std::string label(const StrategyConfig& config);
// Parameters of `entry` with every default.
Parameters defaults(const Entry& entry);

// False if another value leaves the parameter without effect: Parameter::needs or replaced_by.
bool has_effect(const Entry& entry, const Parameter& parameter, const Parameters& values);

// update_scale, for strategies whose updates are made of one push: `full` or `mean` (the rate divided by the workers
// present).
Parameter update_scale_parameter(const char* default_word);
enum class UpdateScale { kFull, kMean };
UpdateScale update_scale(const Parameters& parameters);
double rate_of_one_push(UpdateScale scale, const Cluster& cluster);

}  // namespace psctl::sync
