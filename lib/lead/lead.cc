#include "lead/lead.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "learn/model_store.h"
#include "stats/sustained.h"

namespace psctl::lead {
namespace {

// Most workers that summary.json names in a `held_by`; all are in workers.csv.
constexpr std::size_t kHeldByNamed = 32;

// A run that only samples can end is ended after this many given-up pushes in a row per worker present.
constexpr std::uint64_t kHopeless = 1000;
constexpr const char* kHopelessReason = "every step given up";

WorkerId worker_id(std::size_t index) { return WorkerId(static_cast<std::uint32_t>(index)); }

std::size_t joining_at_start(const ClusterConfig& cluster) {
  const auto late = std::ranges::count_if(
      cluster.membership, [](const Membership& m) { return m.join_s.has_value() || m.join_step.has_value(); });
  return cluster.workers - static_cast<std::size_t>(late);
}

trace::DecisionLog log_of(const Setup& setup) {
  if (setup.decisions) return trace::DecisionLog(setup.decisions);
  if (!setup.trace.decisions || setup.folder.empty()) return {};
  return trace::DecisionLog(setup.folder + "/decisions.csv");
}

trace::Account::Options account_options(const Setup& setup) {
  return {.folder = setup.folder,
          .steps = setup.trace.steps,
          .timeline = setup.trace.timeline,
          .in_order = setup.virtual_clock,
          .target_accuracy = std::max(setup.evaluate.target_accuracy, setup.stop.target_accuracy.value_or(0)),
          .update_time = setup.update_time};
}

}  // namespace

void execute(const Order& order, learn::ModelStore& store) {
  if (const auto* merge = std::get_if<sync::Merge>(&order.what)) {
    store.merge(merge->into, merge->from);
  } else if (const auto* update = std::get_if<Update>(&order.what)) {
    store.apply(update->shares, update->learning_rate, update->reset);
  } else if (const auto* discard = std::get_if<sync::Discard>(&order.what)) {
    store.discard(discard->push);
  } else if (const auto* release = std::get_if<Release>(&order.what)) {
    if (release->refresh == sync::Refresh::kTake) store.released(release->worker);
  }
}

Lead::Lead(Setup setup, std::unique_ptr<sync::Strategy> strategy)
    : setup_(std::move(setup)),
      ledger_({.workers = setup_.cluster.workers,
               .start_size = std::max<std::size_t>(1, joining_at_start(setup_.cluster)),
               .batch_size = setup_.batch_size,
               .account = account_options(setup_),
               .log = log_of(setup_)},
              std::move(strategy)),
      local_(ledger_.strategy().traits().kind == sync::Traits::Kind::kLocal),
      schedule_(setup_.optimizer, setup_.train_samples),
      present_(setup_.cluster.workers),
      joined_(setup_.cluster.workers),
      hosts_(setup_.cluster.workers) {
  for (const Membership& m : setup_.cluster.membership) {
    if (m.join_s) planned_.push_back({Instant(from_seconds(*m.join_s)), AlarmKind::kJoin, m.worker});
    if (m.leave_s) planned_.push_back({Instant(from_seconds(*m.leave_s)), AlarmKind::kLeave, m.worker});
  }
  std::ranges::sort(planned_);
}

Lead::~Lead() = default;

std::span<const Order> Lead::start(Instant now, std::span<const std::string> hosts) {
  orders_.clear();
  for (std::size_t i = 0; i < hosts.size() && i < hosts_.size(); ++i) hosts_[i] = hosts[i];
  const EvaluateConfig& evaluate = setup_.evaluate;
  if (evaluate.every_epochs || evaluate.every_s || evaluate.every_updates) orders_.push_back(look(now, false));
  if (evaluate.every_updates) next_update_look_ = *evaluate.every_updates;
  next_checkpoint_ = setup_.checkpoint_every_updates;
  if (evaluate.every_s) next_timed_look_ = now + from_seconds(*evaluate.every_s);
  for (std::size_t i = 0; i < setup_.cluster.workers; ++i) {
    const Membership* m = membership(worker_id(i));
    if (m && (m->join_s || m->join_step)) continue;
    handle(now, sync::Joined{worker_id(i)});
  }
  follow_up(now);
  return orders_;
}

std::span<const Order> Lead::pushed(Instant now, const PushReport& report) {
  PSCTL_CHECK(!stopped());
  orders_.clear();
  given_up_ = report.empty ? given_up_ + 1 : 0;
  handle(now,
         sync::Pushed{.worker = report.worker,
                      .steps = report.steps,
                      .empty = report.empty,
                      .overlapped = report.overlapped,
                      .lost = report.lost,
                      .timing = report.timing},
         &report);
  leave_if_done(now, report.worker);
  if (!std::isfinite(report.loss)) {
    diverged_ = true;
    stop(now, "diverged");
  }
  follow_up(now);
  return orders_;
}

void Lead::evaluated(Instant now, const trace::Evaluation& evaluation) {
  const bool first = account().evaluations().empty();
  const trace::Evaluation before = first ? trace::Evaluation() : account().evaluations().back();
  ledger_.account().evaluated(evaluation);
  take_repeats();
  if (!std::isfinite(evaluation.test_loss) || !std::isfinite(evaluation.train_loss)) {
    diverged_ = true;
    if (!stopped()) stop(now, "diverged");
  }
  // Only another version is news.
  if (stopped() || first || before.version == evaluation.version) return;
  const double target = setup_.stop.target_accuracy.value_or(2);
  if (stats::sustained({before.version, before.test_accuracy}, {evaluation.version, evaluation.test_accuracy},
                       target)) {
    stop(now, "target_accuracy");
  }
  if (setup_.stop.plateau) {
    const double change = std::abs(evaluation.test_accuracy - before.test_accuracy);
    const double smoothing = setup_.stop.plateau->smoothing;
    accuracy_change_ = smoothing * accuracy_change_ + (1 - smoothing) * change;
    accuracy_change_weight_ = smoothing * accuracy_change_weight_ + (1 - smoothing);
    if (accuracy_change_ / accuracy_change_weight_ < setup_.stop.plateau->below) stop(now, "plateau");
  }
}

std::optional<Alarm> Lead::next_alarm() const {
  if (stopped()) return std::nullopt;
  std::optional<Alarm> next;
  const auto consider = [&](const Alarm& alarm) {
    if (!next || alarm < *next) next = alarm;
  };
  if (const auto done = account().next_update()) consider({*done, AlarmKind::kUpdated, {}});
  if (!planned_.empty()) consider(planned_.front());
  if (const auto deadline = ledger_.deadline()) consider({*deadline, AlarmKind::kWake, {}});
  // What the events up to now have made due happens when the instant has no more of them.
  if (look_due() || checkpoint_due()) consider({now_, AlarmKind::kEvaluate, {}});
  if (next_timed_look_) consider({*next_timed_look_, AlarmKind::kEvaluate, {}});
  if (!stop_due().empty()) consider({now_, AlarmKind::kStop, {}});
  if (setup_.stop.time_s) consider({Instant(from_seconds(*setup_.stop.time_s)), AlarmKind::kStop, {}});
  return next;
}

std::span<const Order> Lead::ring(Instant now) {
  orders_.clear();
  const std::optional<Alarm> alarm = next_alarm();
  PSCTL_CHECK(alarm && alarm->at <= now);
  switch (alarm->kind) {
    case AlarmKind::kUpdated:
      now_ = now;
      ledger_.account().update_done();
      break;
    case AlarmKind::kLeave:
      planned_.erase(planned_.begin());
      if (present(alarm->worker)) handle(now, sync::Left{alarm->worker});
      break;
    case AlarmKind::kJoin:
      planned_.erase(planned_.begin());
      handle(now, sync::Joined{alarm->worker});
      break;
    case AlarmKind::kWake:
      handle(now, sync::Woke{});
      break;
    case AlarmKind::kEvaluate:
      evaluate(now);
      break;
    case AlarmKind::kStop: {
      const std::string reached = stop_due();
      stop(now, reached.empty() ? "time_s" : reached);
      break;
    }
  }
  follow_up(now);
  return orders_;
}

void Lead::stop(Instant now, const std::string& reason) {
  if (stopped()) return;
  stop_at_ = now;
  stop_reason_ = reason;
  ledger_.stopped(now, reason);
}

std::string Lead::failure() const {
  if (stop_reason_ != kHopelessReason) return {};
  return "every step was given up for so long that the run was ended: raise strategy.max_iteration_ms";
}

bool Lead::present(WorkerId worker) const { return present_.at(worker.value); }

bool Lead::expected(WorkerId worker) const { return !stopped() && !joined_.at(worker.value); }

void Lead::cut_off(WorkerId worker, const sync::Timing& partial, std::optional<Duration> wall, const Hidden& hidden) {
  ledger_.account().cut_off(worker, partial, wall, hidden);
}

void Lead::transferred(std::uint64_t pushed_bytes, std::uint64_t pulled_bytes) {
  ledger_.account().transferred(pushed_bytes, pulled_bytes);
}

void Lead::handle(Instant now, const sync::Event& event, const PushReport* report) {
  now_ = now;
  EventDetails details;
  const auto* joined = std::get_if<sync::Joined>(&event);
  if (joined) details.host = hosts_.at(joined->worker.value);
  if (report) details = {.samples = report->samples, .loss = report->loss, .hidden = report->hidden};
  const std::span<const sync::Outcome> outcomes = ledger_.handle(now, event, details);
  if (joined) present_[joined->worker.value] = joined_[joined->worker.value] = true;
  if (const auto* left = std::get_if<sync::Left>(&event)) present_[left->worker.value] = false;
  if (report) {
    const sync::Worker& worker = cluster().worker(report->worker);
    orders_.push_back({ledger_.sequence(), cluster().version(),
                       Accept{worker.last_push, report->worker, worker.pushes, report->empty}});
  }
  for (const sync::Outcome& outcome : outcomes) record(now, outcome);
}

void Lead::record(Instant now, const sync::Outcome& outcome) {
  Order order{.version = outcome.version, .what = {}};
  trace::Rates rates;
  if (const auto* apply = std::get_if<sync::Apply>(&outcome.decision)) {
    Update update = update_of(*apply, outcome);
    rates.learning_rate = update.learning_rate;
    order.what = std::move(update);
  } else if (const auto* release = std::get_if<sync::Release>(&outcome.decision)) {
    Release to{*release};
    if (local_) {
      const std::uint64_t workers = cluster().present();
      const std::uint64_t own_pending =
          account().workers()[release->worker.value].samples.pending - account().samples_under_way(release->worker);
      to.pace = {.samples = ledger_.scheduled() + own_pending * workers, .per_step = setup_.batch_size * workers};
      rates = {.learning_rate = schedule_.first_rate(to.pace), .from = to.pace.samples, .per_step = to.pace.per_step};
    }
    order.what = to;
  } else if (const auto* discard = std::get_if<sync::Discard>(&outcome.decision)) {
    order.what = *discard;
  } else {
    order.what = std::get<sync::Merge>(outcome.decision);
  }
  order.sequence = ledger_.decided(now, outcome, rates);
  orders_.push_back(std::move(order));
}

// Of the settled samples from here on to those with its own.
Update Lead::update_of(const sync::Apply& apply, const sync::Outcome& outcome) const {
  const std::uint64_t from = ledger_.scheduled();
  const double scheduled = local_ ? 1 : schedule_.rate(from, from + account().pending(outcome.uses));
  Update update{.shares = apply.shares, .learning_rate = scheduled * apply.rate, .reset = apply.reset};
  if (setup_.optimizer.staleness.kind == learn::StalenessKind::kInverse) {
    for (sync::Share& share : update.shares) {
      const auto use = std::ranges::find(outcome.uses, share.push, &sync::Use::push);
      const Version tau = outcome.version - 1 - use->base + setup_.optimizer.staleness.offset;
      share.weight /= static_cast<double>(std::max<Version>(1, tau));
    }
  }
  return update;
}

void Lead::follow_up(Instant now) {
  if (stopped()) {
    drop_releases_of_the_gone();
    return;
  }
  for (const Membership& m : setup_.cluster.membership) {
    if (m.join_step && !joined_[m.worker.value] && cluster().min_step() >= *m.join_step) {
      handle(now, sync::Joined{m.worker});
    }
  }
  drop_releases_of_the_gone();
}

bool Lead::look_due() const {
  return epoch_look_due() || (setup_.evaluate.every_updates && made() >= next_update_look_);
}

bool Lead::checkpoint_due() const { return setup_.checkpoint_every_updates > 0 && made() >= next_checkpoint_; }

// Looks at the model as the events up to now have left it, and keeps it, as far as that is due.
void Lead::evaluate(Instant now) {
  const bool timed = next_timed_look_ && *next_timed_look_ <= now;
  const bool due = timed || look_due(), keep = checkpoint_due();
  if (timed) *next_timed_look_ += from_seconds(*setup_.evaluate.every_s);
  while (epoch_look_due()) ++epoch_looks_;
  if (setup_.evaluate.every_updates && made() >= next_update_look_) {
    next_update_look_ = made() + *setup_.evaluate.every_updates;
  }
  if (keep) next_checkpoint_ = made() + setup_.checkpoint_every_updates;
  const bool again = looked_at_ == made();
  if (due && again) repeat_look(now);
  if (!keep && (!due || again)) return;
  const std::optional<Version> looked_at = looked_at_;
  Order order = look(now, false);
  auto& asked = std::get<Look>(order.what);
  asked.keep = keep;
  asked.evaluate = due && !again;
  if (!asked.evaluate) looked_at_ = looked_at;
  orders_.push_back(std::move(order));
}

void Lead::leave_if_done(Instant now, WorkerId worker) {
  const Membership* m = membership(worker);
  const bool planned = m && m->leave_step && cluster().worker(worker).step >= *m->leave_step;
  const bool done =
      setup_.stop.steps_per_worker && account().workers()[worker.value].steps >= *setup_.stop.steps_per_worker;
  if (planned || done) handle(now, sync::Left{worker});
}

// An evaluation is due of a version that has been asked for already: it has the same result.
void Lead::repeat_look(Instant now) {
  repeats_.push_back({.at = now, .version = made(), .epoch = epoch(), .samples = account().samples().settled()});
  take_repeats();
}

void Lead::take_repeats() {
  while (!repeats_.empty() && !account().evaluations().empty()) {
    trace::Evaluation result = account().evaluations().back();
    const trace::Evaluation& repeat = repeats_.front();
    if (repeat.version != result.version) return;
    result.at = repeat.at;
    result.epoch = repeat.epoch;
    result.samples = repeat.samples;
    ledger_.account().evaluated(result);
    repeats_.pop_front();
  }
}

Order Lead::look(Instant now, bool last) {
  looked_at_ = made();
  return {.sequence = ledger_.number(),
          .version = made(),
          .what = Look{.at = now, .epoch = epoch(), .samples = account().samples().settled(), .last = last}};
}

std::optional<Order> Lead::last_look() {
  PSCTL_CHECK(stopped());
  if (looked_at_ == made()) return std::nullopt;
  return look(*stop_at_, true);
}

std::string Lead::stop_due() const {
  const StopConfig& wanted = setup_.stop;
  if (wanted.updates && made() >= *wanted.updates) return "updates";
  if (wanted.samples && account().samples().settled() >= *wanted.samples) return "samples";
  if (wanted.epochs && epoch() >= *wanted.epochs) return "epochs";
  if (!wanted.updates && !wanted.steps_per_worker && !wanted.time_s && given_up_ > 0 &&
      given_up_ >= kHopeless * cluster().present()) {
    return kHopelessReason;
  }
  const bool anyone = cluster().present() > 0 ||
                      std::ranges::any_of(planned_, [](const Alarm& alarm) { return alarm.kind == AlarmKind::kJoin; });
  if (!anyone && !account().next_update()) return wanted.steps_per_worker ? "steps_per_worker" : "everyone left";
  return {};
}

void Lead::drop_releases_of_the_gone() {
  std::erase_if(orders_, [&](const Order& order) {
    const auto* release = std::get_if<Release>(&order.what);
    return release && !present(release->worker);
  });
}

// In whole samples: a sum of periods in floating point would drift off the grid.
bool Lead::epoch_look_due() const {
  if (!setup_.evaluate.every_epochs || setup_.train_samples == 0) return false;
  const double due =
      static_cast<double>(epoch_looks_) * *setup_.evaluate.every_epochs * static_cast<double>(setup_.train_samples);
  return account().samples().settled() >= static_cast<std::uint64_t>(std::llround(due));
}

double Lead::epoch() const {
  if (setup_.train_samples == 0) return 0;
  return static_cast<double>(account().samples().settled()) / static_cast<double>(setup_.train_samples);
}

const Membership* Lead::membership(WorkerId worker) const {
  const auto found = std::ranges::find(setup_.cluster.membership, worker, &Membership::worker);
  return found == setup_.cluster.membership.end() ? nullptr : &*found;
}

void Lead::flush() { ledger_.flush(); }

Progress Lead::progress(Instant now) const {
  Progress progress{.time_s = to_seconds(stop_at_.value_or(now)),
                    .updates = made(),
                    .samples = account().samples().settled(),
                    .epoch = epoch(),
                    .accuracy = {},
                    .waiting = {},
                    .started = ledger_.started(),
                    .stopped = stopped()};
  if (!account().evaluations().empty()) progress.accuracy = account().evaluations().back().test_accuracy;
  for (const auto& [step, worker] : cluster().waiting()) progress.waiting.push_back(worker);
  return progress;
}

std::string Lead::finish(const Ending& ending) {
  using Json = nlohmann::ordered_json;
  const Instant end = stop_at_.value_or(now_);
  std::string unwritten;  // a full disk must not lose the account
  try {
    ledger_.ended(end);
  } catch (const WorldError& error) {
    unwritten = error.what();
  }
  const auto number = [](double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); };
  const auto& looks = account().evaluations();
  const trace::Histogram staleness = account().staleness();
  const double seconds = to_seconds(end);

  Json workers = Json::array();
  Duration loading{}, computing{}, waiting{}, wall{};
  for (std::size_t i = 0; i < account().workers().size(); ++i) {
    const trace::WorkerAccount& w = account().workers()[i];
    Json held_by = Json::array();
    Duration held_by_rest{};
    for (const trace::Charge& charge : w.held_by) {
      if (held_by.size() == kHeldByNamed) {
        held_by_rest += charge.time;
        continue;
      }
      held_by.push_back(
          {{"worker", charge.worker ? Json(charge.worker->value) : Json(nullptr)}, {"s", to_seconds(charge.time)}});
    }
    loading += w.data;
    computing += w.compute + w.delay;
    waiting += w.wait;
    wall += w.wall;
    workers.push_back({{"worker", i},
                       {"host", w.host},
                       {"steps", w.steps},
                       {"clock", cluster().worker(worker_id(i)).step},
                       {"samples", w.samples.received()},
                       {"data_s", to_seconds(w.data)},
                       {"compute_s", to_seconds(w.compute)},
                       {"delay_s", to_seconds(w.delay)},
                       {"push_s", to_seconds(w.push)},
                       {"wait_s", to_seconds(w.wait)},
                       {"pull_s", to_seconds(w.pull)},
                       {"other_s", to_seconds(w.other())},
                       {"wall_s", to_seconds(w.wall)},
                       {"compute_share", w.compute_share()},
                       {"staleness_mean", w.staleness.mean()},
                       {"staleness_p99", w.staleness.percentile(0.99)},
                       {"staleness_max", w.staleness.maximum()},
                       {"gap_max", w.gap_max},
                       {"held_by", std::move(held_by)},
                       {"held_others_s", to_seconds(w.held_others)}});
    for (const auto& [name, count] : trace::kSampleCounts) workers.back()[name] = w.samples.*count;
    if (held_by_rest > Duration::zero()) workers.back()["held_by_rest_s"] = to_seconds(held_by_rest);
  }
  const auto share = [&](Duration part) { return wall > Duration::zero() ? to_seconds(part) / to_seconds(wall) : 0; };
  const auto to_target = account().time_to_target();
  const auto cost = account().worker_time_to_target();
  const trace::SampleCounts& samples = account().samples();
  double best = -1;
  for (const trace::Evaluation& look : looks) best = std::max(best, look.test_accuracy);
  const double target = std::max(setup_.evaluate.target_accuracy, setup_.stop.target_accuracy.value_or(0));

  Json summary;
  summary["status"] = unwritten.empty() ? ending.status : "failed";
  if (!ending.error.empty() || !unwritten.empty()) summary["error"] = ending.error.empty() ? unwritten : ending.error;
  summary["stop"] = stop_reason_;
  summary["strategy"] = setup_.strategy;
  summary["strategy_label"] = setup_.label;
  summary["clock"] = setup_.virtual_clock ? "virtual" : "real";
  summary["seed"] = setup_.seed;
  summary["time_s"] = seconds;
  summary["updates"] = made();
  summary["pushes"] = account().pushes();
  summary["samples"] = samples.received();
  for (const auto& [name, count] : trace::kSampleCounts) summary[name] = samples.*count;
  summary["epochs"] = epoch();
  summary["samples_per_s"] = seconds > 0 ? static_cast<double>(samples.used) / seconds : 0;
  // What a model without finite numbers answers is no accuracy.
  const bool measured = !looks.empty() && !diverged_;
  summary["final_accuracy"] = measured ? number(looks.back().test_accuracy) : Json(nullptr);
  summary["best_accuracy"] = looks.empty() ? Json(nullptr) : number(best);
  summary["final_loss"] = measured ? number(looks.back().test_loss) : Json(nullptr);
  summary["target_accuracy"] = target > 0 ? Json(target) : Json(nullptr);
  summary["time_to_target_s"] = to_target ? Json(to_seconds(*to_target)) : Json(nullptr);
  summary["worker_s_to_target"] = cost ? Json(to_seconds(*cost)) : Json(nullptr);
  summary["compute_share"] = share(computing);
  summary["data_share"] = share(loading);
  summary["wait_share"] = share(waiting);
  summary["staleness_mean"] = staleness.mean();
  summary["staleness_p50"] = staleness.percentile(0.5);
  summary["staleness_p90"] = staleness.percentile(0.9);
  summary["staleness_p99"] = staleness.percentile(0.99);
  summary["staleness_max"] = staleness.maximum();
  summary["staleness_samples"] = account().mean_staleness_samples();
  summary["diverged"] = diverged_;
  summary["disturbed"] = ending.disturbed ? Json(*ending.disturbed) : Json(nullptr);
  if (!ending.disturbance.empty()) summary["disturbance"] = ending.disturbance;
  if (ending.evaluation) summary["evaluation_s"] = to_seconds(*ending.evaluation);
  summary["evaluations_missed"] = ending.evaluations_missed;
  summary["bytes_pushed"] = account().bytes_pushed();
  summary["bytes_pulled"] = account().bytes_pulled();
  summary["classes"] = setup_.classes > 0 ? Json(setup_.classes) : Json(nullptr);
  summary["model_digest"] = ending.model_digest.empty() ? Json(nullptr) : Json(ending.model_digest);
  summary["config"] = setup_.config.empty() ? Json(nullptr) : Json::parse(setup_.config);
  summary["workers"] = std::move(workers);
  const std::string text = summary.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  if (!setup_.folder.empty()) trace::write_whole(setup_.folder + "/summary.json", text);
  if (ending.error.empty() && !unwritten.empty()) throw WorldError(unwritten);
  return text;
}

}  // namespace psctl::lead
