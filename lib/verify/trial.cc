#include "verify/trial.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

#include "base/text.h"

namespace psctl::verify {
namespace {

constexpr const char* kProtocol = "protocol";

class Digest {
 public:
  void add(std::uint64_t word) {
    for (int shift = 0; shift < 64; shift += 8) value_ = (value_ ^ ((word >> shift) & 0xff)) * 1099511628211ULL;
  }
  void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }
  void add(const sync::Merge& merge) {
    add(std::uint64_t{1});
    add(merge.into.value);
    add(merge.from.value);
  }
  void add(const sync::Apply& apply) {
    add(std::uint64_t{2});
    for (const sync::Share& share : apply.shares) {
      add(share.push.value);
      add(share.weight);
    }
    add(apply.rate);
    add(std::uint64_t{apply.reset});
  }
  void add(const sync::Discard& discard) {
    add(std::uint64_t{3});
    add(discard.push.value);
  }
  void add(const sync::Release& release) {
    add(std::uint64_t{4});
    add(std::uint64_t{release.worker.value});
    add(static_cast<std::uint64_t>(release.refresh));
    add(release.local_steps);
    add(release.overlap_steps);
    add(static_cast<std::uint64_t>(release.limit.value_or(Duration(-1)).count()));
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 1469598103934665603ULL;
};

WorkerId worker_of(const sync::Event& event) {
  return std::visit(
      [](const auto& e) {
        if constexpr (requires { e.worker; }) return e.worker;
        return WorkerId{};
      },
      event);
}

std::string steps_text(Step last, Step count) {
  return count == 1 ? fmt::format("step {}", last) : fmt::format("steps {} to {}", last - count + 1, last);
}

std::string tell(const sync::Joined& joined, const Trial::Happening& happening) {
  return fmt::format("worker {} joins at step {}", joined.worker.value, happening.step);
}
std::string tell(const sync::Pushed& pushed, const Trial::Happening& happening) {
  std::string text = fmt::format("worker {} {} {}", pushed.worker.value, pushed.empty ? "gives up" : "pushes",
                                 steps_text(happening.step, pushed.steps));
  if (pushed.overlapped > 0) text += fmt::format(" ({} taken while it waited", pushed.overlapped);
  if (pushed.lost > 0) text += fmt::format(", {} thrown away", pushed.lost);
  if (pushed.overlapped > 0) text += ")";
  return text;
}
std::string tell(const sync::Left& left, const Trial::Happening&) {
  return fmt::format("worker {} leaves", left.worker.value);
}
std::string tell(const sync::Woke&, const Trial::Happening&) { return "the strategy's deadline comes"; }

std::string tell_uses(const std::vector<sync::Use>& uses) {
  std::vector<std::string> parts;
  for (const sync::Use& use : uses) {
    parts.push_back(fmt::format("{:.4g} x worker {}'s step {}", use.weight, use.worker.value, use.step));
  }
  return fmt::format("{}", fmt::join(parts, " + "));
}

std::string tell_outcome(const sync::Merge& merge, const sync::Outcome&) {
  return fmt::format("push {} is added to push {}", merge.from.value, merge.into.value);
}
std::string tell_outcome(const sync::Apply& apply, const sync::Outcome& outcome) {
  if (apply.shares.empty()) return fmt::format("update {} of nothing", outcome.version);
  std::string text = fmt::format("update {} = {}", outcome.version, tell_uses(outcome.uses));
  if (apply.rate != 1) text += fmt::format(" at {:.4g} of the rate", apply.rate);
  return text;
}
std::string tell_outcome(const sync::Discard&, const sync::Outcome& outcome) {
  std::vector<std::string> parts;
  for (const sync::Use& use : outcome.uses)
    parts.push_back(fmt::format("worker {}'s step {}", use.worker.value, use.step));
  return fmt::format("{} is not used", fmt::join(parts, " and "));
}
std::string tell_outcome(const sync::Release& release, const sync::Outcome& outcome) {
  std::string text = fmt::format("worker {} goes on", release.worker.value);
  if (release.local_steps != 1) text += fmt::format(" for {} steps", release.local_steps);
  text +=
      release.refresh == sync::Refresh::kTake ? fmt::format(" with model {}", outcome.version) : ", keeps its model";
  if (release.overlap_steps == sync::kAnyNumber) {
    text += ", may overlap";
  } else if (release.overlap_steps > 0) {
    text += fmt::format(", may overlap {} steps", release.overlap_steps);
  }
  return text;
}

[[noreturn]] void throws(const std::exception& error) {
  throw Broken{"throws", "A strategy has an answer to every picture, and throws nothing.", error.what()};
}

bool has_merge(const Trial::Happening& happening) {
  return std::ranges::any_of(happening.outcomes, [](const sync::Outcome& outcome) {
    return std::holds_alternative<sync::Merge>(outcome.decision);
  });
}

}  // namespace

std::uint64_t digest(std::span<const sync::Decision> decisions) {
  Digest digest;
  for (const sync::Decision& decision : decisions) std::visit([&](const auto& d) { digest.add(d); }, decision);
  return digest.value();
}

// Between the synchronizer and the strategy: asks every question twice, for the answer must be the same.
class Asked final : public sync::Strategy {
 public:
  explicit Asked(std::unique_ptr<sync::Strategy> strategy) : strategy_(std::move(strategy)) {}

  sync::Traits traits() const override { return strategy_->traits(); }
  void observe(const sync::Cluster& cluster, Instant now, const sync::Event& event) override {
    strategy_->observe(cluster, now, event);
  }
  std::vector<sync::Decision> decide(const sync::Cluster& cluster, Instant now) override {
    std::vector<sync::Decision> decisions = strategy_->decide(cluster, now);
    if (digest(strategy_->decide(cluster, now)) != digest(decisions)) {
      broken("asked a second time it answers something else");
    }
    return decisions;
  }
  std::vector<WorkerId> waited_for() const override { return strategy_->waited_for(); }
  std::optional<Instant> deadline(const sync::Cluster& cluster) const override { return strategy_->deadline(cluster); }

  // After an event, when it had nothing to add.
  void ask_again(const sync::Cluster& cluster, Instant now) {
    for (int i = 0; i < 2; ++i) {
      if (!strategy_->decide(cluster, now).empty())
        broken("asked again, though nothing has happened, it has something to add");
    }
    for (const WorkerId worker : waited_for()) {
      if (worker.value >= cluster.workers().size()) {
        throw Broken{"waited for", "Every wait is charged to workers of the run.",
                     fmt::format("it names worker {}", worker.value)};
      }
    }
  }

 private:
  [[noreturn]] static void broken(const char* seen) {
    throw Broken{"same answer", "A strategy that is asked again without an event answers the same.", seen};
  }

  std::unique_ptr<sync::Strategy> strategy_;
};

Trial::Trial(const Subject& subject, const sync::Setting& setting, std::size_t start_size, Watch watch)
    : asked_(new Asked(subject.make(setting))),
      synchronizer_(std::unique_ptr<sync::Strategy>(asked_), setting.workers, start_size),
      rules_(watch == Watch::kNone ? Rules() : make_rules(subject, setting)),
      releases_(setting.workers),
      start_size_(start_size) {}

std::span<const sync::Outcome> Trial::handle(Instant now, const sync::Event& event) {
  Happening& happening = story_.emplace_back(Happening{.now = now, .event = event, .outcomes = {}, .waiting = {}});
  std::span<const sync::Outcome> outcomes;
  try {
    outcomes = synchronizer_.handle(now, event);
    if (synchronizer_.started()) asked_->ask_again(cluster(), now);
  } catch (const Broken&) {
    look(happening);
    throw;
  } catch (const sync::ProtocolError&) {
    throw;  // the event was wrong: our fault
  } catch (const sync::StuckFault& fault) {
    look(happening);
    throw Broken{"nobody is stuck", "As long as somebody waits, somebody computes or a deadline is set.", fault.what()};
  } catch (const sync::StrategyFault& fault) {
    look(happening);
    throw Broken{kProtocol, "Decisions name pushes that are pending and workers that wait, and come to an end.",
                 fault.what()};
  } catch (const std::exception& error) {
    look(happening);
    throws(error);
  }
  look(happening);
  happening.outcomes.assign(outcomes.begin(), outcomes.end());
  std::vector<sync::Decision> decisions;
  for (const sync::Outcome& outcome : outcomes) {
    decisions.push_back(outcome.decision);
    if (const auto* release = std::get_if<sync::Release>(&outcome.decision))
      releases_[release->worker.value] = *release;
  }
  happening.digest = digest(decisions);
  const Moment moment{now, event, outcomes, cluster(), synchronizer_.started()};
  for (const auto& rule : rules_) rule->see(moment);
  return outcomes;
}

void Trial::look(Happening& happening) const {
  happening.step = cluster().worker(worker_of(happening.event)).step;
  for (const auto& [step, worker] : cluster().waiting()) happening.waiting.push_back(worker);
}

void Trial::end() {
  for (const auto& rule : rules_) rule->end(cluster());
}

std::optional<Instant> Trial::deadline() const {
  try {
    return synchronizer_.deadline();
  } catch (const sync::StrategyFault& fault) {
    throw Broken{"deadline", "A deadline lies in the future.", fault.what()};
  } catch (const std::exception& error) {
    throws(error);
  }
}

bool Trial::can_be_lost(WorkerId worker) const {
  return traits().rebase == sync::Traits::Rebase::kDiscard && last_release(worker).refresh == sync::Refresh::kTake;
}

Violation Trial::violation(const Broken& broken, bool with_instants) const {
  const std::size_t workers = cluster().workers().size();
  Violation violation{.rule = broken.rule,
                      .expected = broken.expected,
                      .seen = broken.seen,
                      .cluster = counted(workers, "worker"),
                      .story = {}};
  if (start_size_ < workers) violation.cluster += fmt::format(", {} of them late", workers - start_size_);
  // Told only where something else in the story names a push by its number.
  const bool numbered = broken.rule == kProtocol || std::ranges::any_of(story_, has_merge);
  std::uint64_t pushes = 0;
  for (const Happening& happening : story_) {
    std::string line;
    if (with_instants) line += fmt::format("at {:.3f} ms: ", to_seconds(happening.now) * 1e3);
    line += std::visit([&](const auto& event) { return tell(event, happening); }, happening.event);
    if (std::holds_alternative<sync::Pushed>(happening.event)) {
      ++pushes;
      if (numbered) line += fmt::format(" (push {})", pushes);
    }
    std::vector<std::string> parts;
    for (const sync::Outcome& outcome : happening.outcomes) {
      parts.push_back(
          std::visit([&](const auto& decision) { return tell_outcome(decision, outcome); }, outcome.decision));
    }
    if (!parts.empty()) line += fmt::format("; {}", fmt::join(parts, "; "));
    std::vector<std::uint32_t> waiting;
    for (const WorkerId worker : happening.waiting) waiting.push_back(worker.value);
    if (!waiting.empty()) line += fmt::format(" [waiting: {}]", fmt::join(waiting, ", "));
    violation.story.push_back(std::move(line));
  }
  return violation;
}

}  // namespace psctl::verify
