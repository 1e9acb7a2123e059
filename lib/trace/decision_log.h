// decisions.csv: every event and decision in the order in which the lead numbered them. With configuration and seed it
// determines every weight of the run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "sync/events.h"
#include "trace/line_file.h"

namespace psctl::trace {

// What the schedule makes of a decision.
struct Rates {
  double learning_rate = 0;  // of an apply; of a local worker's release that of the step after those it has pushed
  std::uint64_t from = 0, per_step = 0;  // of a local worker's release: its place in the schedule, in samples
};

class DecisionLog {
 public:
  static constexpr std::string_view kHeader = "sequence,time_s,kind,worker,step,version,detail";
  using Sink = std::function<void(std::string_view line)>;

  DecisionLog() = default;  // writes nothing
  explicit DecisionLog(const std::string& path);
  explicit DecisionLog(Sink sink) : sink_(std::move(sink)) {}  // no file: every line goes there, without a header

  bool on() const { return file_.open() || sink_; }
  // `step` is the worker's clock after the event, `version` the model's (of a push: the one it was computed on).
  void event(std::uint64_t sequence, Instant now, const sync::Event& event, PushId push, Step step, Version version);
  void decision(std::uint64_t sequence, Instant now, const sync::Outcome& outcome, Step step, const Rates& rates);
  void stop(std::uint64_t sequence, Instant now, Version version, const std::string& reason);
  void flush() { file_.flush(); }

 private:
  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    if (sink_) return sink_(fmt::format(format, std::forward<Arguments>(arguments)...));
    file_.line(format, std::forward<Arguments>(arguments)...);
  }

  LineFile file_;
  Sink sink_;
};

}  // namespace psctl::trace
