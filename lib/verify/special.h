// Rules that several strategies share, made of what their papers state.
#pragma once

#include <optional>

#include "verify/rule.h"

namespace psctl::verify {

// What came of an event, counted.
inline std::size_t releases_in(const Moment& moment) {
  std::size_t count = 0;
  for (const sync::Outcome& outcome : moment.outcomes) count += std::holds_alternative<sync::Release>(outcome.decision);
  return count;
}
inline bool is_present(const sync::Worker& worker) {
  return worker.phase == sync::Phase::kComputing || worker.phase == sync::Phase::kWaiting;
}
inline bool near(double a, double b) { return a - b < 1e-9 && b - a < 1e-9; }

// The rules of one strategy, each in the file of its kind.
void add_round_rules(const Subject& subject, const sync::Setting& setting,
                     Rules& rules);  // bsp, local_sgd, backup, pcp
void add_arrival_rules(const Subject& subject, const sync::Setting& setting, Rules& rules);  // asp, ssp, psp, dssp
void add_merge_rules(const Subject& subject, const sync::Setting& setting, Rules& rules);    // bap, wbsp
void add_planned_rules(const Subject& subject, const sync::Setting& setting, Rules& rules);  // elastic_bsp, pcp
void add_switch_rules(const Subject& subject, const sync::Setting& setting, Rules& rules);   // a2s, sync_switch

}  // namespace psctl::verify
