#include "trace/account.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>
#include <limits>
#include <ranges>
#include <utility>

#include "base/error.h"
#include "stats/sustained.h"

namespace psctl::trace {
namespace {

constexpr const char* kStepsHeader =
    "time_s,worker,step,base_version,applied_version,staleness,gap,data_s,compute_s,delay_s,push_s,wait_s,pull_s,"
    "samples,loss";
constexpr const char* kEvalsHeader = "time_s,version,epoch,samples,train_loss,test_loss,test_accuracy";
constexpr const char* kWorkersHeader =
    "worker,host,steps,samples,samples_used,samples_discarded,samples_pending,samples_lost,samples_given_up,data_s,"
    "compute_s,delay_s,push_s,wait_s,pull_s,other_s,wall_s,compute_share,staleness_mean,staleness_p99,staleness_max,"
    "gap_max,held_by,held_others_s";

LineFile open_if(bool wanted, const std::string& folder, const char* name, const char* header) {
  if (!wanted || folder.empty()) return {};
  return LineFile(folder + "/" + name, header);
}

// "3:12.500000000;deadline:0.200000000"
std::string text_of(const std::vector<Charge>& charges) {
  std::string text;
  for (const Charge& charge : charges) {
    fmt::format_to(std::back_inserter(text), "{}{}:{:.9f}", text.empty() ? "" : ";",
                   charge.worker ? std::to_string(charge.worker->value) : "deadline", to_seconds(charge.time));
  }
  return text;
}

// A NaN has a sign, which says nothing: always `nan` in a file.
double unsigned_nan(double value) { return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value; }

double share(Duration part, Duration whole) {
  return whole > Duration::zero() ? to_seconds(part) / to_seconds(whole) : 0;
}

}  // namespace

void Histogram::add(const Count& more) {
  constexpr std::size_t kFewest = 64;
  counts_.push_back(more);
  count_ += more.count;
  sum_ += more.value * more.count;
  maximum_ = std::max(maximum_, more.value);
  if (counts_.size() - tidy_ < std::max(kFewest, tidy_)) return;
  tidy(counts_);
  tidy_ = counts_.size();
}

void Histogram::add(const Histogram& other) {
  for (const Count& more : other.counts_) add(more);
}

void Histogram::tidy(std::vector<Count>& counts) {
  std::ranges::sort(counts, {}, &Count::value);
  std::size_t kept = 0;
  for (const Count& more : counts) {
    if (kept > 0 && counts[kept - 1].value == more.value) {
      counts[kept - 1].count += more.count;
    } else {
      counts[kept++] = more;
    }
  }
  counts.resize(kept);
}

double Histogram::mean() const { return count_ > 0 ? static_cast<double>(sum_) / static_cast<double>(count_) : 0; }

std::uint64_t Histogram::percentile(double fraction) const {
  std::vector<Count> counts = counts_;
  tidy(counts);
  const double wanted = fraction * static_cast<double>(count_);
  std::uint64_t seen = 0;
  for (const auto& [value, count] : counts) {
    seen += count;
    if (static_cast<double>(seen) >= wanted) return value;
  }
  return 0;
}

SampleCounts& SampleCounts::operator+=(const SampleCounts& more) {
  for (const auto& [name, count] : kSampleCounts) this->*count += more.*count;
  return *this;
}

double WorkerAccount::compute_share() const { return share(compute + delay, wall); }
double WorkerAccount::wait_share() const { return share(wait, wall); }

Account::Account(Options options, std::size_t workers)
    : options_(std::move(options)),
      workers_(workers),
      progress_(workers),
      holds_(workers, options_.holds),
      steps_(open_if(options_.steps, options_.folder, "steps.csv", kStepsHeader)),
      evals_(open_if(true, options_.folder, "evals.csv", kEvalsHeader)),
      timeline_(open_if(options_.timeline, options_.folder, "timeline.json", "[")) {
  for (std::size_t worker = 0; worker < workers && timeline_.open(); ++worker) {
    timeline_.line(R"({{"ph":"M","pid":1,"tid":{},"name":"thread_name","args":{{"name":"worker {}"}}}},)", worker + 1,
                   worker);
  }
  timeline_.line(R"({{"ph":"M","pid":1,"tid":0,"name":"thread_name","args":{{"name":"server"}}}},)");
}

void Account::joined(Instant now, WorkerId worker, std::string host, std::span<const WorkerId> behind) {
  WorkerAccount& account = workers_.at(worker.value);
  account.host = std::move(host);
  account.took_part = true;
  if (now > Instant{}) {
    holds_.event(now, behind);
    holds_.came(worker);
  }
  holds_.event(now, std::span(&worker, 1));
  holds_.begin(now, worker);
  progress_[worker.value] = {.joined = now,
                             .left = {},
                             .pushed = now,
                             .released = now,
                             .upload = {},
                             .held = true,
                             .present = true,
                             .exchanging = true,
                             .hidden = {},
                             .base_samples = samples_.used + samples_under_way_,
                             .open = {},
                             .under_way = 0,
                             .slices = {}};
}

void Account::pushed(Instant now, const PushRecord& push) {
  WorkerAccount& account = workers_.at(push.worker.value);
  Progress& progress = progress_[push.worker.value];
  const Instant computed_from = progress.pushed - progress.upload;
  const Hidden hidden = finish_exchange(push.worker, push.timing.download, push.hidden);
  account.steps += push.steps;
  const SampleCounts samples{.pending = push.samples, .lost = push.samples_lost, .given_up = push.samples_given_up};
  account.samples += samples;
  samples_ += samples;
  account.data += push.timing.data;
  account.compute += push.timing.compute;
  account.delay += push.timing.delay;
  account.push += push.timing.upload;
  account.gap_max = std::max(account.gap_max, push.gap);
  holds_.event(now, std::span(&push.worker, 1));
  holds_.begin(now, push.worker);
  progress.pushed = now;
  progress.upload = push.timing.upload;
  progress.held = true;
  progress.exchanging = true;
  progress.open = push.id;
  ++pushes_;
  rows_.emplace_hint(rows_.end(), push.id,
                     Row{.push = push, .at = now, .base_samples = progress.base_samples, .applied = {}});
  if (timeline_.open()) {
    // The worker computes first, as far as it may, and then waits for what is left of the exchange, whose slices
    // finish_exchange() has added.
    const Duration early = hidden.push + hidden.wait + hidden.pull;
    const auto& [data, compute, delay, upload, download] = push.timing;
    const Duration late = std::max(Duration::zero(), data + compute + delay - early);
    const Duration late_delay = std::min(delay, late);
    const Duration late_compute = std::min(compute, late - late_delay);
    const Duration late_data = late - late_delay - late_compute;
    const auto stretch = [](Instant begin, Duration waiting, Duration computing, Duration delayed) {
      return std::array{Slice{"data", begin, begin + waiting},
                        Slice{"compute", begin + waiting, begin + waiting + computing},
                        Slice{"delay", begin + waiting + computing, begin + waiting + computing + delayed}};
    };
    const auto before = stretch(computed_from, data - late_data, compute - late_compute, delay - late_delay);
    const auto after = stretch(now - upload - late, late_data, late_compute, late_delay);
    progress.slices.insert(progress.slices.begin(), before.begin(), before.end());
    progress.slices.insert(progress.slices.end(), after.begin(), after.end());
    write_slices(push.worker);
  }
}

void Account::applied(Instant now, std::span<const sync::Use> uses, Version version) {
  if (options_.update_time == Duration::zero()) return use(now, uses, version);
  for (const sync::Use& use : uses) {
    Row* row = this->row(use.push);
    row->under_way = true;
    progress_[use.worker.value].under_way += row->push.samples;
    samples_under_way_ += row->push.samples;
  }
  const Instant begins = under_way_.empty() ? now : under_way_.back().done;
  under_way_.push_back({.done = begins + options_.update_time, .version = version, .uses = {uses.begin(), uses.end()}});
}

std::uint64_t Account::pending(std::span<const sync::Use> uses) const {
  std::uint64_t samples = 0;
  for (const sync::Use& use : uses) samples += rows_.at(use.push).push.samples;
  return samples;
}

std::optional<Instant> Account::next_update() const {
  return under_way_.empty() ? std::nullopt : std::optional(under_way_.front().done);
}

void Account::update_done() {
  PSCTL_CHECK(!under_way_.empty());
  const Update update = std::move(under_way_.front());
  under_way_.pop_front();
  use(update.done, update.uses, update.version);
}

void Account::use(Instant now, std::span<const sync::Use> uses, Version version) {
  made_ = version;
  const std::uint64_t used_before = samples_.used;
  for (const sync::Use& use : uses) {
    Row* row = this->row(use.push);
    const std::uint64_t staleness = version - 1 - use.base;
    workers_[use.worker.value].staleness.add(staleness);
    row->applied = version;
    settle(*row, &SampleCounts::used);
    staleness_samples_sum_ += static_cast<double>(used_before - row->base_samples);
    ++applied_pushes_;
    emit_if_complete(use.push);
  }
  if (timeline_.open()) {
    timeline_.line(
        R"({{"ph":"i","pid":1,"tid":0,"s":"t","name":"update","ts":{:.3f},"args":{{"version":{},"pushes":{}}}}},)",
        to_seconds(now) * 1e6, version, uses.size());
  }
}

void Account::discarded(std::span<const sync::Use> uses) {
  for (const sync::Use& use : uses) {
    settle(*row(use.push), &SampleCounts::discarded);
    emit_if_complete(use.push);
  }
}

void Account::released(Instant now, WorkerId worker, sync::Refresh refresh) {
  end_hold(now, worker);
  Progress& progress = progress_.at(worker.value);
  if (refresh == sync::Refresh::kTake) progress.base_samples = samples_.used + samples_under_way_;
}

void Account::cut_off(WorkerId worker, const sync::Timing& partial, std::optional<Duration> wall,
                      const Hidden& hidden) {
  WorkerAccount& account = workers_.at(worker.value);
  if (progress_[worker.value].held) {
    progress_[worker.value].hidden = hidden;
    account.pull += partial.download;
  } else {
    finish_exchange(worker, partial.download, hidden);
  }
  account.data += partial.data;
  account.compute += partial.compute;
  account.delay += partial.delay;
  account.push += partial.upload;
  if (wall) account.wall = *wall;
}

void Account::left(Instant now, WorkerId worker, std::span<const WorkerId> behind) {
  const Progress& progress = progress_.at(worker.value);
  const bool waited = progress.present && progress.held && progress.pushed < now;
  holds_.event(now, waited ? behind : std::span(&worker, 1));
  leave(now, worker);
}

void Account::evaluated(const Evaluation& evaluation) {
  evaluations_.push_back(evaluation);
  evals_.line("{:.9f},{},{:.6f},{},{:.6g},{:.6g},{:.6g}", to_seconds(evaluation.at), evaluation.version,
              evaluation.epoch, evaluation.samples, unsigned_nan(evaluation.train_loss),
              unsigned_nan(evaluation.test_loss), unsigned_nan(evaluation.test_accuracy));
  evals_.flush();
}

void Account::transferred(std::uint64_t pushed_bytes, std::uint64_t pulled_bytes) {
  bytes_pushed_ += pushed_bytes;
  bytes_pulled_ += pulled_bytes;
}

void Account::ended(Instant now, std::span<const WorkerId> behind) {
  holds_.event(now, behind);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const WorkerId worker(static_cast<std::uint32_t>(i));
    const Duration measured = workers_[i].wall;
    leave(now, worker);
    if (measured > Duration::zero()) workers_[i].wall = measured;
    finish_exchange(worker, Duration::zero(), progress_[i].hidden);
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const WorkerId worker(static_cast<std::uint32_t>(i));
    workers_[i].held_by = holds_.held_by(worker);
    workers_[i].held_others = holds_.held_others(worker);
  }
  // The account is complete from here on; what cannot be written does not change it.
  if (!options_.folder.empty()) {
    LineFile file(options_.folder + "/workers.csv", kWorkersHeader);
    for (std::size_t id = 0; id < workers_.size(); ++id) {
      const WorkerAccount& w = workers_[id];
      std::string samples = std::to_string(w.samples.received());
      for (const auto& [name, count] : kSampleCounts) samples += fmt::format(",{}", w.samples.*count);
      file.line("{},{},{},{},{:.9f},{:.9f},{:.9f},{:.9f},{:.9f},{:.9f},{:.9f},{:.9f},{:.6f},{:.6f},{},{},{},{},{:.9f}",
                id, w.host, w.steps, samples, to_seconds(w.data), to_seconds(w.compute), to_seconds(w.delay),
                to_seconds(w.push), to_seconds(w.wait), to_seconds(w.pull), to_seconds(w.other()), to_seconds(w.wall),
                w.compute_share(), w.staleness.mean(), w.staleness.percentile(0.99), w.staleness.maximum(), w.gap_max,
                text_of(w.held_by), to_seconds(w.held_others));
    }
    file.flush();
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) write_slices(WorkerId(static_cast<std::uint32_t>(i)));
  for (const auto& [id, row] : rows_) emit(row);
  rows_.clear();
  if (timeline_.open()) {
    timeline_.line(R"({{"ph":"M","pid":1,"name":"process_name","args":{{"name":"psctl"}}}}])");
  }
  flush();
}

void Account::flush() {
  steps_.flush();
  timeline_.flush();
}

Histogram Account::staleness() const {
  Histogram all;
  for (const WorkerAccount& worker : workers_) all.add(worker.staleness);
  return all;
}

double Account::mean_staleness_samples() const {
  return applied_pushes_ > 0 ? staleness_samples_sum_ / static_cast<double>(applied_pushes_) : 0;
}

std::optional<Instant> Account::time_to_target() const {
  if (options_.target_accuracy <= 0) return std::nullopt;
  std::vector<stats::Look> looks;
  for (const Evaluation& look : evaluations_) looks.push_back({look.version, look.test_accuracy});
  const auto reached = stats::first_sustained(looks, options_.target_accuracy);
  return reached ? std::optional(evaluations_[*reached].at) : std::nullopt;
}

std::optional<Duration> Account::worker_time_to_target() const {
  const std::optional<Instant> reached = time_to_target();
  if (!reached) return std::nullopt;
  Duration sum{};
  for (std::size_t i = 0; i < progress_.size(); ++i) {
    const Progress& worker = progress_[i];
    if (workers_[i].took_part) sum += std::max(Duration::zero(), std::min(worker.left, *reached) - worker.joined);
  }
  return sum;
}

void Account::settle(Row& row, std::uint64_t SampleCounts::*as) {
  row.settled = true;
  if (std::exchange(row.under_way, false)) {
    progress_[row.push.worker.value].under_way -= row.push.samples;
    samples_under_way_ -= row.push.samples;
  }
  for (SampleCounts* counts : {&samples_, &workers_[row.push.worker.value].samples}) {
    counts->pending -= row.push.samples;
    counts->*as += row.push.samples;
  }
}

Account::Row* Account::row(PushId id) {
  const auto found = rows_.find(id);
  PSCTL_CHECK(found != rows_.end(), fmt::format("push {} has no row", id.value));
  return &found->second;
}

// Closes the books of a worker's last push, hold and pull. Returns what of them was hidden.
Hidden Account::finish_exchange(WorkerId worker, Duration pull, const Hidden& told) {
  Progress& progress = progress_.at(worker.value);
  WorkerAccount& account = workers_[worker.value];
  account.pull += pull;
  if (!std::exchange(progress.exchanging, false)) return {};
  const auto within = [](Duration part, Duration whole) { return std::clamp(part, Duration::zero(), whole); };
  const Hidden hidden{.push = within(told.push, progress.upload),
                      .wait = holds_.settle(worker, told.wait),
                      .pull = within(told.pull, std::max(Duration::zero(), pull))};
  account.push -= hidden.push;
  account.wait -= hidden.wait;
  account.pull -= hidden.pull;
  const Duration push = progress.upload - hidden.push;
  progress.slices = {{"push", progress.pushed - push, progress.pushed},
                     {"wait", progress.pushed + hidden.wait, progress.released},
                     {"pull", progress.released + hidden.pull, progress.released + pull}};
  if (!progress.open) return hidden;
  Row* row = this->row(*std::exchange(progress.open, std::nullopt));
  row->push.timing.upload = push;
  row->wait -= hidden.wait;
  row->pull = pull - hidden.pull;
  row->pulled = true;
  emit_if_complete(row->push.id);
  return hidden;
}

void Account::end_hold(Instant now, WorkerId worker) {
  Progress& progress = progress_.at(worker.value);
  if (!progress.present || !progress.held) return;
  progress.held = false;
  progress.released = now;
  const Duration wait = holds_.end(now, worker);
  workers_[worker.value].wait += wait;
  if (progress.open) row(*progress.open)->wait = wait;
}

void Account::leave(Instant now, WorkerId worker) {
  end_hold(now, worker);
  Progress& progress = progress_.at(worker.value);
  if (!progress.present) return;
  progress.present = false;
  progress.left = now;
  workers_[worker.value].wall += now - progress.joined;
  // Its last row waits for nothing more.
  if (options_.in_order) finish_exchange(worker, Duration::zero(), progress.hidden);
}

// Rows that stand in order wait for those before them; where none are written, nothing waits for a slow worker's.
void Account::emit_if_complete(PushId id) {
  const bool in_order = options_.in_order && steps_.open();
  auto row = in_order ? rows_.begin() : rows_.find(id);
  while (row != rows_.end() && row->second.settled && row->second.pulled) {
    emit(row->second);
    row = rows_.erase(row);
    if (!in_order) return;
  }
}

void Account::emit(const Row& row) {
  if (!steps_.open()) return;
  const PushRecord& push = row.push;
  std::string applied = ",";
  if (row.applied) applied = fmt::format("{},{}", *row.applied, *row.applied - 1 - push.base);
  steps_.line("{:.9f},{},{},{},{},{},{:.9f},{:.9f},{:.9f},{:.9f},{:.9f},{:.9f},{},{:.6g}", to_seconds(row.at),
              push.worker.value, push.step, push.base, applied, push.gap, to_seconds(push.timing.data),
              to_seconds(push.timing.compute), to_seconds(push.timing.delay), to_seconds(push.timing.upload),
              to_seconds(row.wait), to_seconds(row.pull), push.samples, unsigned_nan(push.loss));
}

// The worker and the lead measured them on two clocks, so that one may seem to end after the next begins: it is closed
// there. In whole microseconds, for viewers add `ts` and `dur` up in floating point.
void Account::write_slices(WorkerId worker) {
  Progress& progress = progress_[worker.value];
  std::vector<Slice> slices = std::exchange(progress.slices, {});
  if (!timeline_.open()) return;
  Instant next = Instant::max();
  for (Slice& slice : slices | std::views::reverse) {
    slice.end = std::min(slice.end, next);
    slice.begin = std::min(slice.begin, next);
    if (slice.end > slice.begin) next = slice.begin;
  }
  const auto microseconds = [](Instant at) { return at.time_since_epoch().count() / 1000; };
  for (const Slice& slice : slices) {
    const std::int64_t begin = std::max(microseconds(slice.begin), progress.drawn), end = microseconds(slice.end);
    if (slice.end <= slice.begin || end <= begin) continue;
    timeline_.line(R"({{"ph":"X","pid":1,"tid":{},"name":"{}","ts":{},"dur":{}}},)", worker.value + 1, slice.name,
                   begin, end - begin);
    progress.drawn = end;
  }
}

}  // namespace psctl::trace
