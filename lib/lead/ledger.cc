#include "lead/ledger.h"

#include <utility>
#include <variant>

namespace psctl::lead {

Ledger::Ledger(Setup setup, std::unique_ptr<sync::Strategy> strategy)
    : batch_size_(setup.batch_size),
      synchronizer_(std::move(strategy), setup.workers, setup.start_size),
      account_(std::move(setup.account), setup.workers),
      log_(std::move(setup.log)) {}

std::span<const sync::Outcome> Ledger::handle(Instant now, const sync::Event& event, const EventDetails& details) {
  const auto* joined = std::get_if<sync::Joined>(&event);
  const auto* pushed = std::get_if<sync::Pushed>(&event);
  const auto* left = std::get_if<sync::Left>(&event);
  const auto known = [&](WorkerId worker) { return worker.value < cluster().workers().size(); };
  // The version that a push was computed on: a release that follows at once raises the worker's.
  const Version base = pushed && known(pushed->worker) ? cluster().worker(pushed->worker).model : 0;
  // Before the event, and only where somebody has waited: this looks at all who wait.
  std::vector<WorkerId> behind;
  const bool left_waiting = left && known(left->worker) &&
                            cluster().worker(left->worker).phase == sync::Phase::kWaiting &&
                            cluster().worker(left->worker).pushed < now;
  if (left_waiting || (joined && now > Instant{})) behind = furthest_behind();
  const std::span<const sync::Outcome> outcomes = synchronizer_.handle(now, event);
  ++sequence_;
  if (joined) {
    account_.joined(now, joined->worker, details.host, behind);
    log_.event(sequence_, now, event, {}, cluster().worker(joined->worker).step, cluster().version());
  } else if (pushed) {
    const sync::Worker& worker = cluster().worker(pushed->worker);
    const PushId id = synchronizer_.last_push();
    account_.pushed(now, {.id = id,
                          .worker = pushed->worker,
                          .steps = pushed->steps,
                          .step = worker.step,
                          .gap = worker.step - cluster().min_step(),
                          .base = base,
                          .samples = pushed->empty ? 0 : details.samples,
                          .samples_lost = batch_size_ * pushed->lost,
                          .samples_given_up = pushed->empty ? batch_size_ * pushed->steps : 0,
                          .loss = details.loss,
                          .timing = pushed->timing,
                          .hidden = details.hidden});
    log_.event(sequence_, now, event, id, worker.step, base);
  } else if (left) {
    account_.left(now, left->worker, behind);
    log_.event(sequence_, now, event, {}, cluster().worker(left->worker).step, cluster().version());
  } else {
    account_.woke(now);
    log_.event(sequence_, now, event, {}, 0, cluster().version());
  }
  if (const std::vector<WorkerId> others = strategy().waited_for(); !others.empty()) account_.waited_for(now, others);
  return outcomes;
}

std::uint64_t Ledger::decided(Instant now, const sync::Outcome& outcome, const trace::Rates& rates) {
  ++sequence_;
  Step step = 0;
  if (std::holds_alternative<sync::Apply>(outcome.decision)) {
    account_.applied(now, outcome.uses, outcome.version);
  } else if (std::holds_alternative<sync::Discard>(outcome.decision)) {
    account_.discarded(outcome.uses);
  } else if (const auto* release = std::get_if<sync::Release>(&outcome.decision)) {
    step = cluster().worker(release->worker).step;
    account_.released(now, release->worker, release->refresh);
  }
  log_.decision(sequence_, now, outcome, step, rates);
  return sequence_;
}

void Ledger::stopped(Instant now, const std::string& reason) { log_.stop(++sequence_, now, account_.made(), reason); }

void Ledger::ended(Instant now) {
  account_.ended(now, furthest_behind());
  log_.flush();
}

void Ledger::flush() {
  log_.flush();
  account_.flush();
}

std::vector<WorkerId> Ledger::furthest_behind() const {
  std::vector<WorkerId> behind;
  std::optional<Step> least;
  for (const auto& [step, worker] : cluster().by_step()) {
    if (least && step > *least) break;
    if (cluster().worker(worker).phase != sync::Phase::kComputing) continue;
    least = step;
    behind.push_back(worker);
  }
  return behind;
}

}  // namespace psctl::lead
