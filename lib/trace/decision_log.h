// decisions.csv: every event and decision in the order in which the lead numbered them. With configuration and seed it
// determines every weight of the run.
#pragma once

#include <cstdint>
#include <string>

#include "sync/events.h"
#include "trace/line_file.h"

namespace psctl::trace {

class DecisionLog {
 public:
  DecisionLog() = default;  // writes nothing
  explicit DecisionLog(const std::string& path);

  bool on() const { return file_.open(); }
  // `step` is the worker's clock after the event, `version` the model's (of a push: the one it was computed on).
  void event(std::uint64_t sequence, Instant now, const sync::Event& event, PushId push, Step step, Version version);
  void decision(std::uint64_t sequence, Instant now, const sync::Outcome& outcome, Step step, double learning_rate);
  void stop(std::uint64_t sequence, Instant now, Version version, const std::string& reason);
  void flush() { file_.flush(); }

 private:
  LineFile file_;
};

}  // namespace psctl::trace
