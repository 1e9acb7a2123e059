#include "trace/decision_log.h"

#include <algorithm>
#include <cstddef>

namespace psctl::trace {
namespace {

template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};

// Seconds with all nine digits, from whole nanoseconds: a double would lose some after three months.
std::string exact_seconds(Instant now) {
  const auto count = now.time_since_epoch().count();
  return fmt::format("{}.{:09}", count / 1'000'000'000, count % 1'000'000'000);
}

std::string shares_text(const sync::Apply& apply) {
  std::string text;
  for (const sync::Share& share : apply.shares) {
    fmt::format_to(std::back_inserter(text), "{}{}:{}", text.empty() ? "" : ";", share.push.value, share.weight);
  }
  return text;
}

}  // namespace

DecisionLog::DecisionLog(const std::string& path) : file_(path, kHeader) {}

void DecisionLog::event(std::uint64_t sequence, Instant now, const sync::Event& event, PushId push, Step step,
                        Version version) {
  if (!on()) return;
  const std::string time = exact_seconds(now);
  std::visit(
      Match{
          [&](const sync::Joined& e) { line("{},{},joined,{},{},{},", sequence, time, e.worker.value, step, version); },
          [&](const sync::Pushed& e) {
            line("{},{},pushed,{},{},{},push={} steps={}{}{}{} compute_ns={} delay_ns={} upload_ns={} download_ns={}",
                 sequence, time, e.worker.value, step, version, push.value, e.steps, e.empty ? " empty=1" : "",
                 e.overlapped > 0 ? fmt::format(" overlapped={} lost={}", e.overlapped, e.lost) : "",
                 e.timing.data > Duration::zero() ? fmt::format(" data_ns={}", e.timing.data.count()) : "",
                 e.timing.compute.count(), e.timing.delay.count(), e.timing.upload.count(), e.timing.download.count());
          },
          [&](const sync::Left& e) { line("{},{},left,{},{},{},", sequence, time, e.worker.value, step, version); },
          [&](const sync::Woke&) { line("{},{},woke,,,{},", sequence, time, version); },
      },
      event);
}

void DecisionLog::decision(std::uint64_t sequence, Instant now, const sync::Outcome& outcome, Step step,
                           const Rates& rates) {
  if (!on()) return;
  const std::string time = exact_seconds(now);
  std::visit(Match{
                 [&](const sync::Merge& d) {
                   line("{},{},merge,,,{},into={} from={}", sequence, time, outcome.version, d.into.value,
                        d.from.value);
                 },
                 [&](const sync::Apply& d) {
                   line("{},{},apply,,,{},shares={} rate={} learning_rate={}{}", sequence, time, outcome.version,
                        shares_text(d), d.rate, rates.learning_rate, d.reset ? " reset=1" : "");
                 },
                 [&](const sync::Discard& d) {
                   line("{},{},discard,,,{},push={}", sequence, time, outcome.version, d.push.value);
                 },
                 [&](const sync::Release& d) {
                   line("{},{},release,{},{},{},refresh={} local_steps={} overlap_steps={}{}{}", sequence, time,
                        d.worker.value, step, outcome.version, d.refresh == sync::Refresh::kTake ? "take" : "keep",
                        d.local_steps, d.overlap_steps, d.limit ? fmt::format(" limit_ns={}", d.limit->count()) : "",
                        rates.per_step > 0 ? fmt::format(" learning_rate={} schedule_samples={} samples_per_step={}",
                                                         rates.learning_rate, rates.from, rates.per_step)
                                           : "");
                 },
             },
             outcome.decision);
}

void DecisionLog::stop(std::uint64_t sequence, Instant now, Version version, const std::string& reason) {
  if (!on()) return;
  std::string one_line = reason;  // it may come from outside
  std::ranges::replace_if(
      one_line, [](unsigned char c) { return c < ' '; }, ' ');
  line("{},{},stop,,,{},{}", sequence, exact_seconds(now), version, one_line);
  file_.flush();
}

}  // namespace psctl::trace
