#include "explain/recorded.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "config/config.h"
#include "lead/ledger.h"
#include "results/run.h"
#include "sync/registry.h"
#include "trace/decision_reader.h"

namespace psctl::explain {
namespace {

using trace::LoggedRow;

config::RunConfig configuration(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    throw UserError(fmt::format("{} is not there, or no folder; name the folder of a run", folder));
  }
  if (!std::filesystem::is_regular_file(folder + "/config.yaml", error)) {
    throw UserError(fmt::format("{} has no config.yaml: it is not the folder of a run", folder));
  }
  config::RunConfig config = config::load_file(folder + "/config.yaml").run;
  if (!config.trace.decisions) {
    throw UserError(fmt::format(
        "the run in {} kept no decision log (trace.decisions: false), from which waits and their causes are read",
        folder));
  }
  if (!std::filesystem::is_regular_file(folder + "/decisions.csv", error)) {
    throw UserError(fmt::format("{} has no decisions.csv, from which waits and their causes are read", folder));
  }
  return config;
}

// The training samples of an epoch, as the run wrote when it began, or when it ended; 0 if neither is known.
std::uint64_t train_samples(const nlohmann::ordered_json& made, const results::Run& summary) {
  if (made.contains("train_samples") && made["train_samples"].is_number_unsigned()) {
    return made["train_samples"].get<std::uint64_t>();
  }
  const double samples = summary.number("samples").value_or(0), epochs = summary.number("epochs").value_or(0);
  return samples > 0 && samples < 1e15 && epochs > 0 ? static_cast<std::uint64_t>(std::llround(samples / epochs)) : 0;
}

sync::Setting setting_of(const config::RunConfig& config, std::uint64_t train_samples) {
  sync::Setting setting{.workers = config.cluster.workers,
                        .steps_per_epoch = train_samples / config.cluster.workers / config.data.batch_size,
                        .total_samples = config.stop.samples,
                        .train_samples = train_samples,
                        .batch_size = config.data.batch_size,
                        .seed = config.seed};
  if (train_samples > 0 && config.stop.epochs) {
    const auto total = static_cast<std::uint64_t>(*config.stop.epochs * static_cast<double>(train_samples));
    setting.total_samples = std::min(total, setting.total_samples.value_or(total));
  }
  return setting;
}

// The strategy of the run, before its first event.
std::unique_ptr<sync::Strategy> strategy_of(const Recorded& run) {
  try {
    return sync::make(run.config.strategy, run.setting);
  } catch (const UserError& error) {
    throw UserError(fmt::format("{}: the strategy of the run cannot be made of its config.yaml and made.json: {}",
                                run.folder, error.what()));
  }
}

std::size_t workers_at_start(const lead::ClusterConfig& cluster) {
  const auto late = std::ranges::count_if(
      cluster.membership, [](const lead::Membership& m) { return m.join_s.has_value() || m.join_step.has_value(); });
  return std::max<std::size_t>(1, cluster.workers - static_cast<std::size_t>(late));
}

// Only the virtual clock knows it.
Duration update_time(const config::RunConfig& config) {
  return config.clock == config::Clock::kVirtual ? from_milliseconds(config.simulation.update_ms) : Duration::zero();
}

// Feeds the events of the log to the books and the account of a run, and keeps what they say.
class Reader {
 public:
  Reader(Recorded& run, trace::DecisionReader& log)
      : run_(run),
        log_(log),
        ledger_({.workers = run.config.cluster.workers,
                 .start_size = workers_at_start(run.config.cluster),
                 .batch_size = run.batch_size(),
                 .account = {.folder = {},
                             .steps = false,
                             .update_time = update_time(run.config),
                             .holds = [this](const auto& part) { charged(part); }}},
                strategy_of(run)),
        followed_(run.config.cluster.workers) {
    run_.pushes_of.resize(followed_.size());
    run_.unfinished.resize(followed_.size());
    run_.cut_off.resize(followed_.size());
  }

  void read() {
    while (const std::optional<LoggedRow> row = log_.next()) {
      run_.end = row->at;
      try {
        take(*row);
      } catch (const sync::ProtocolError& error) {
        differs(*row, error.what());
      } catch (const sync::StrategyFault& error) {
        differs(*row, error.what());
      }
      if (row->kind == LoggedRow::Kind::kStop) break;
    }
    finish();
  }

 private:
  // Where a worker is.
  struct Followed {
    std::optional<std::size_t> hold;          // it is held
    std::optional<std::size_t> last_hold;     // whose parts may still be told
    Instant before{}, arrived{}, released{};  // of its last push: sent and arrived; of its last release
    sync::Release release;
    bool computing = false;
  };

  [[noreturn]] void differs(const LoggedRow& row, const std::string& why) const {
    throw WorldError(
        fmt::format("{}/decisions.csv:{}: {} is not what follows from the log before it ({}); psctl replay tells more",
                    run_.folder, row.line, row.name(), why));
  }

  void take(const LoggedRow& row) {
    if (row.event() || row.kind == LoggedRow::Kind::kStop) {
      updated_before(row);
      if (next_ < outcomes_.size()) differs(row, "a decision is missing");
    }
    switch (row.kind) {
      case LoggedRow::Kind::kJoined:
        return joined(row);
      case LoggedRow::Kind::kPushed:
        return pushed(row);
      case LoggedRow::Kind::kLeft:
        return left(row);
      case LoggedRow::Kind::kWoke:
        return woke(row);
      case LoggedRow::Kind::kStop:
        run_.stop = row.detail();
        return;
      default:
        return decided(row);
    }
  }

  void handle(const LoggedRow& row, const sync::Event& event, const lead::EventDetails& details = {}) {
    const std::span<const sync::Outcome> outcomes = ledger_.handle(row.at, event, details);
    outcomes_.assign(outcomes.begin(), outcomes.end());
    next_ = 0;
  }

  // Of one instant the pushes come before the ends of updates; the stop tells how many were done.
  void updated_before(const LoggedRow& row) {
    trace::Account& account = ledger_.account();
    while (const std::optional<Instant> done = account.next_update()) {
      if (row.kind == LoggedRow::Kind::kStop ? account.made() >= row.version : *done >= row.at) return;
      settling(*done, [&] { account.update_done(); });
    }
  }

  // Work is done when samples are used or discarded.
  template <class Act>
  void settling(Instant now, Act act) {
    const std::uint64_t settled = ledger_.account().samples().settled();
    act();
    if (ledger_.account().samples().settled() > settled) run_.done = now;
    if (run_.done == now) run_.updates_done = ledger_.account().made();
  }

  void joined(const LoggedRow& row) {
    check_worker(row);
    handle(row, sync::Joined{row.worker});
    happened(row, Happening::Kind::kJoined);
    Followed& worker = followed(row.worker);
    worker = {};
    worker.before = worker.arrived = row.at;
    begin_hold(row, std::nullopt);
  }

  void pushed(const LoggedRow& row) {
    check_worker(row);
    check_times(row);
    Followed& worker = followed(row.worker);
    const Step allowed = ledger_.cluster().worker(row.worker).overlap_allowed;
    Push push{.worker = row.worker,
              .step = ledger_.cluster().worker(row.worker).step + row.push.steps,
              .steps = row.push.steps,
              .lost = row.push.lost,
              .overlapped = row.push.overlapped,
              .empty = row.push.empty,
              .timing = row.push.timing,
              .refresh = worker.release.refresh,
              .before = worker.before,
              .released = worker.released,
              .at = row.at,
              .early = {}};
    if (push.overlapped > 0 && push.overlapped <= push.taken()) push.early = early(push, allowed);
    handle(row, row.push, {.samples = push.steps * run_.batch_size(), .hidden = hidden(worker, push)});
    const std::size_t index = run_.pushes.size();
    happened(row, Happening::Kind::kPushed, index);
    run_.pushes.push_back(push);
    run_.pushes_of[row.worker.value].push_back(index);
    worker.computing = false;
    worker.before = push.sent();
    worker.arrived = push.at;
    begin_hold(row, index);
  }

  void left(const LoggedRow& row) {
    check_worker(row);
    handle(row, sync::Left{row.worker});
    happened(row, Happening::Kind::kLeft);
    Followed& worker = followed(row.worker);
    end_hold(worker, row.at);
    cut_off(row.worker, row.at);
  }

  void woke(const LoggedRow& row) {
    handle(row, sync::Woke{});
    happened(row, Happening::Kind::kWoke);
  }

  // A decision of the log must be the next that was recomputed.
  void decided(const LoggedRow& row) {
    if (next_ == outcomes_.size()) differs(row, "nothing is decided here");
    const sync::Outcome& outcome = outcomes_[next_++];
    static constexpr LoggedRow::Kind kKinds[] = {LoggedRow::Kind::kMerge, LoggedRow::Kind::kApply,
                                                 LoggedRow::Kind::kDiscard, LoggedRow::Kind::kRelease};
    if (row.kind != kKinds[outcome.decision.index()]) differs(row, "another decision is due");
    const auto* release = std::get_if<sync::Release>(&outcome.decision);
    if (release && release->worker != row.worker) {
      differs(row, fmt::format("worker {} is released", release->worker.value));
    }
    settling(row.at, [&] { ledger_.decided(row.at, outcome); });
    if (release) {
      Followed& worker = followed(release->worker);
      if (!worker.hold) return;  // it has left with its push
      run_.holds[*worker.hold].released = true;
      end_hold(worker, row.at);
      worker.release = *release;
      worker.released = row.at;
      worker.computing = true;
    }
  }

  // How long the mini-batches took that were taken before the answer was there. Where the worker had taken all that it
  // was allowed to and waited, the rest fills the time from the answer to its push; else it computed all along, and the
  // last of them began before the answer came.
  static Duration early(const Push& push, Step allowed) {
    const Duration all = push.timing.data + push.timing.compute + push.timing.delay;
    const Duration answer = std::max(Duration::zero(), push.in_place() - push.before);
    const Duration late = std::max(Duration::zero(), push.sent() - push.in_place());
    if (push.overlapped == push.taken()) return all;
    if (push.overlapped == allowed && all < answer + late) return std::max(Duration::zero(), all - late);
    const auto share =
        Duration(all.count() / static_cast<std::int64_t>(push.taken()) * static_cast<std::int64_t>(push.overlapped));
    const auto before_last = static_cast<std::int64_t>(push.overlapped - 1);
    // All but the last one end before the answer, in equal steps.
    const Duration most =
        before_last > 0 ? Duration((answer.count() - 1) / before_last * (before_last + 1)) : Duration::max();
    return std::clamp(share, std::min(answer, all), std::max(std::min(answer, all), std::min(most, all)));
  }

  // How much of the exchange before the push went by while the worker computed.
  static trace::Hidden hidden(const Followed& worker, const Push& push) {
    if (push.overlapped == 0) return {};
    const Instant until = push.before + push.early;
    const auto part = [&](Instant from, Instant to) { return std::max(Duration::zero(), std::min(until, to) - from); };
    return {.push = part(push.before, worker.arrived),
            .wait = part(worker.arrived, push.released),
            .pull = part(push.released, push.in_place())};
  }

  void begin_hold(const LoggedRow& row, std::optional<std::size_t> push) {
    Followed& worker = followed(row.worker);
    worker.hold = worker.last_hold = run_.holds.size();
    run_.holds.push_back({.worker = row.worker, .push = push, .begin = row.at, .end = row.at, .parts = {}});
  }
  void end_hold(Followed& worker, Instant now) {
    if (!worker.hold) return;
    run_.holds[*worker.hold].end = now;
    worker.hold.reset();
  }

  void cut_off(WorkerId id, Instant now) {
    Followed& worker = followed(id);
    if (!std::exchange(worker.computing, false)) return;
    run_.cut_off[id.value] += now - worker.released;
    run_.unfinished[id.value] = {.released = worker.released,
                                 .before = worker.before,
                                 .until = now,
                                 .steps = std::max<Step>(1, worker.release.local_steps)};
  }

  // A hold is charged when it has ended, before the worker's next one begins.
  void charged(const trace::HoldPart& part) { run_.holds[followed(part.held).last_hold.value()].parts.push_back(part); }

  void happened(const LoggedRow& row, Happening::Kind kind, std::size_t push = 0) {
    run_.happenings.push_back({.at = row.at, .kind = kind, .worker = row.worker, .push = push});
  }

  void check_worker(const LoggedRow& row) const {
    if (row.worker.value >= followed_.size()) {
      differs(row, fmt::format("the run has {} workers", followed_.size()));
    }
  }
  // A worker's clock may differ from the lead's, but not by that much.
  void check_times(const LoggedRow& row) const {
    const auto& [data, compute, delay, upload, download] = row.push.timing;
    for (const Duration time : {data, compute, delay, upload, download}) {
      if (time < Duration::zero() || time > row.at - Instant{} + std::chrono::minutes(1)) {
        differs(row, fmt::format("one of its times is {} ns", time.count()));
      }
    }
  }
  Followed& followed(WorkerId worker) { return followed_[worker.value]; }

  void finish() {
    if (stops_by_work(run_.stop)) {
      run_.done = run_.end;
      run_.updates_done = ledger_.account().made();
    }
    ledger_.ended(run_.end);
    for (std::size_t i = 0; i < followed_.size(); ++i) {
      end_hold(followed_[i], run_.end);
      cut_off(WorkerId(static_cast<std::uint32_t>(i)), run_.end);
    }
    for (Hold& hold : run_.holds) std::ranges::stable_sort(hold.parts, {}, &trace::HoldPart::from);
    const trace::Account& account = ledger_.account();
    const std::span<const trace::WorkerAccount> workers = account.workers();
    run_.workers.assign(workers.begin(), workers.end());
    run_.updates = account.made();
    run_.samples = account.samples();
    run_.mini_batches = run_.samples.settled() / run_.batch_size();
    run_.staleness = account.staleness();
  }

  Recorded& run_;
  trace::DecisionReader& log_;
  lead::Ledger ledger_;
  std::vector<Followed> followed_;
  std::vector<sync::Outcome> outcomes_;  // of the last event
  std::size_t next_ = 0;                 // of those, which the log has not shown yet
};

}  // namespace

Duration Recorded::wall() const {
  return std::accumulate(workers.begin(), workers.end(), Duration{},
                         [](Duration sum, const trace::WorkerAccount& worker) { return sum + worker.wall; });
}

Duration Recorded::waiting() const {
  return std::accumulate(workers.begin(), workers.end(), Duration{},
                         [](Duration sum, const trace::WorkerAccount& worker) { return sum + worker.wait; });
}

// A summary or made.json that cannot be read is told: the log says most of what is explained.
results::Run summary_of(Recorded& run) {
  try {
    if (auto summary = results::read_run(run.folder)) return *std::move(summary);
  } catch (const UserError& error) {
    run.notices.push_back(error.what());
  }
  return results::Run::unfinished(run.folder);
}

nlohmann::ordered_json made_of(Recorded& run, const results::Run& summary) {
  try {
    return summary.made();
  } catch (const UserError& error) {
    run.notices.push_back(error.what());
    return nlohmann::ordered_json::object();
  }
}

Recorded read(const std::string& folder) {
  Recorded run;
  run.folder = folder;
  run.config = configuration(folder);
  run.label = sync::label(run.config.strategy);
  const results::Run summary = summary_of(run);
  run.status = results::name_of(summary.status());
  const nlohmann::ordered_json made = made_of(run, summary);
  run.setting = setting_of(run.config, train_samples(made, summary));
  if (made.contains("parameters") && made["parameters"].is_number_unsigned()) {
    run.model_bytes = made["parameters"].get<std::size_t>() * sizeof(float);
  }
  run.sparse_pushes = made.contains("sparse_pushes") && made["sparse_pushes"] == true;
  trace::DecisionReader log(folder + "/decisions.csv");
  Reader(run, log).read();
  if (run.mini_batches == 0) {
    throw UserError(fmt::format(
        "{}/decisions.csv: no push was used or discarded before its end: there is nothing to explain", folder));
  }
  if (log.torn()) run.notices.push_back("its log ends within a line: it is read up to the last whole one");
  for (std::size_t i = 0; i < run.workers.size(); ++i) {
    const Duration wall = run.workers[i].wall, rest = run.rest(i);
    if (rest >= -std::max(wall / 50, Duration(std::chrono::milliseconds(1)))) continue;
    run.notices.push_back(
        fmt::format("the times that its log tells of worker {} are {} more than its {}: they were measured wrongly, or "
                    "the log was edited",
                    i, in_words(-rest), in_words(wall)));
  }
  if (summary.flag("disturbed")) {
    run.notices.push_back(
        "its workers were in each other's way (disturbed): how long their steps took hung on who else "
        "was at work, so under another strategy they would have taken another time");
  }
  if (run.stop.empty()) run.notices.push_back("its log has no stop: the run was killed or goes on; it is read so far");
  return run;
}

std::string in_words(Duration time) {
  const double seconds = to_seconds(time);
  if (std::abs(seconds) >= 100) return fmt::format("{:.1f} s", seconds);
  if (std::abs(seconds) >= 1) return fmt::format("{:.3f} s", seconds);
  if (std::abs(seconds) >= 1e-3) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.3g} us", seconds * 1e6);
}

}  // namespace psctl::explain
