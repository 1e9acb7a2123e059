#include "config/checks.h"

#include <algorithm>
#include <fmt/format.h>
#include <initializer_list>
#include <map>
#include <set>
#include <utility>

#include "config/schema.h"
#include "sync/registry.h"

namespace psctl::config {
namespace {

bool is_loopback(std::string_view host) {
  const std::string_view name = host.substr(0, host.rfind(':'));
  return name == "localhost" || name == "[::1]" || name.starts_with("127.");
}

class Checks {
 public:
  Checks(const RunConfig& run, const Node& root, Faults& faults)
      : run_(run),
        root_(root),
        faults_(faults),
        timing_only_(sound("model.kind") && run.model.kind == learn::ModelKind::kNone),
        knows_workers_(sound("cluster.workers")) {}

  void all() {
    check_model();
    check_data();
    check_partition();
    check_schedule();
    check_staleness();
    check_strategy();
    check_cluster();
    check_membership();
    check_stragglers();
    check_stop();
    check_evaluate();
  }

 private:
  bool sound(std::string_view path) const { return !faults_.touch(path); }
  // The keys of a section that are compared with each other.
  bool sound(const std::string& section, std::initializer_list<const char*> keys) const {
    return std::ranges::all_of(keys, [&](const char* key) { return sound(joined(section, key)); });
  }

  // `path` comes first in the message.
  void fault(const std::string& path, std::string_view message) {
    faults_.add(place_of(root_, path), path, fmt::format("{}: {}", path, message));
  }

  void check_model() {
    if (timing_only_) {
      if (sound("clock") && run_.clock == Clock::kReal) {
        fault("model.kind", "none is timing only and has no real run; use clock: virtual, or a model");
      }
      if (sound("checkpoint.every_updates") && run_.checkpoint.every_updates > 0) {
        fault("checkpoint.every_updates", "has no effect with model.kind: none: there is no model to keep; remove it");
      }
      check_transfers();
    } else if (sound("data.source") && run_.data.source.empty()) {
      faults_.add(place_of(root_, "data.source"), "data.source",
                  "data.source is missing; give a known name (psctl data list), or a path");
    }
  }

  // Without bytes a transfer takes its latency, whatever the bandwidth.
  void check_transfers() {
    if (!sound("model.parameters") || run_.simulation.parameters > 0) return;
    const sim::NetworkConfig& network = run_.simulation.network;
    for (const auto& [key, mbps] : {std::pair("bandwidth_mbps", network.bandwidth_mbps),
                                    std::pair("server_bandwidth_mbps", network.server_bandwidth_mbps)}) {
      const std::string path = joined("cluster.network", key);
      if (sound(path) && mbps > 0) {
        fault(path,
              "has no effect with model.kind: none, whose transfers carry nothing; give model.parameters, the "
              "size of the model, or remove it");
      }
    }
  }

  void check_data() {
    const data::DataConfig& data = run_.data;
    if (timing_only_ || !sound("data", {"test", "validation", "train_limit", "split"})) return;
    if (data.split != data::SplitKind::kShuffled && data.test.count == 0 && data.validation.count == 0 &&
        data.train_limit == 0) {
      fault("data.split",
            "has no effect, as no training samples are taken out; give data.test, data.validation or "
            "data.train_limit a number of samples, or remove it");
    }
  }

  void check_partition() {
    const data::PartitionConfig& partition = run_.data.partition;
    if (!sound("data.partition.kind") || partition.kind != data::PartitionKind::kQuantity) return;
    if (partition.sizes && partition.law && sound("data.partition.law")) {
      fault("data.partition.law", "sizes are given too; keep one of them");
    }
    if (partition.exponent && sound("data.partition.law") && partition.law != data::SizeLaw::kPower) {
      fault("data.partition.exponent", "has no effect without law: power; add that, or remove it");
    }
    if (partition.sizes && knows_workers_ && !faults_.cover("data.partition.sizes") &&
        partition.sizes->size() != run_.cluster.workers) {
      fault("data.partition.sizes",
            fmt::format("{} numbers for {} workers; give one a worker", partition.sizes->size(), run_.cluster.workers));
    }
  }

  void check_schedule() {
    const learn::ScheduleConfig& schedule = run_.optimizer.schedule;
    if (!sound("optimizer.schedule", {"kind", "warmup_epochs", "epochs"})) return;
    if (schedule.kind == learn::ScheduleKind::kCosine && schedule.warmup_epochs >= schedule.epochs) {
      fault("optimizer.schedule.warmup_epochs", fmt::format("{} is not before the end of the schedule, epochs: {}",
                                                            schedule.warmup_epochs, schedule.epochs));
    }
  }

  void check_staleness() {
    const learn::StalenessConfig& staleness = run_.optimizer.staleness;
    if (timing_only_ || !sound("optimizer.staleness", {"kind", "mode"})) return;
    if (staleness.kind == learn::StalenessKind::kDc && staleness.mode == learn::DcMode::kConstant && staleness.decay) {
      fault("optimizer.staleness.decay", "has no effect with mode: constant; remove it, or use mode: adaptive");
    }
  }

  void check_strategy() {
    const sync::Entry* const entry = sound("strategy.name") ? sync::find(run_.strategy.name) : nullptr;
    if (!entry) return;
    if (!timing_only_) check_optimizer(*entry);
    for (const sync::Parameter& each : entry->parameters) {
      const std::string& other = each.needs.empty() ? each.replaced_by : each.needs;
      if (other.empty() || !sound("strategy", {each.name.c_str(), other.c_str()})) continue;
      const sync::Parameters& given = run_.strategy.parameters;
      if (sync::has_effect(*entry, each, given) || given.values().at(each.name) == each.default_value) continue;
      if (each.needs.empty()) {
        fault(joined("strategy", each.name), fmt::format("has no effect beside {}; keep one of them", other));
      } else if (const auto* word = std::get_if<std::string>(&given.values().at(other))) {
        fault(joined("strategy", each.name),
              fmt::format("has no effect with {}: {}; use another, or remove it", other, *word));
      } else {
        fault(joined("strategy", each.name),
              fmt::format("has no effect without {}: true; add that, or remove it", other));
      }
    }
  }

  // What the strategy's workers cannot do.
  void check_optimizer(const sync::Entry& entry) {
    const bool local = entry.kind == sync::Traits::Kind::kLocal;
    if (sound("optimizer.staleness.kind") && run_.optimizer.staleness.kind == learn::StalenessKind::kDc) {
      if (local) {
        fault("optimizer.staleness.kind",
              fmt::format("dc corrects gradients, but with strategy.name: {} the workers take steps of their own and "
                          "push by how much they moved; use another kind, or another strategy",
                          entry.name));
      } else if (entry.merges) {
        fault("optimizer.staleness.kind",
              fmt::format("dc corrects a gradient by the model that it was computed on, but strategy.name: {} adds "
                          "gradients together before they are applied; use another kind, or another strategy",
                          entry.name));
      }
    }
    // Of a sum of pushes only one staleness could be taken, and that of the others may not be known before the update.
    const bool may_keep_apart =
        std::ranges::find(entry.parameters, "commit", &sync::Parameter::name) != entry.parameters.end();
    if (sound("optimizer.staleness.kind") && run_.optimizer.staleness.kind == learn::StalenessKind::kInverse &&
        entry.merges && !faults_.touch("strategy") &&
        !(may_keep_apart && run_.strategy.parameters.word("commit") == "arrival")) {
      fault("optimizer.staleness.kind",
            fmt::format("inverse gives every push the weight of its own staleness, but strategy.name: {} adds pushes "
                        "together before they are applied; use none, another strategy{}",
                        entry.name, may_keep_apart ? ", or strategy.commit: arrival" : ""));
    }
    const learn::OptimizerKind kind = run_.optimizer.kind;
    if (local && sound("optimizer.kind") &&
        (kind == learn::OptimizerKind::kAdaGrad || kind == learn::OptimizerKind::kAdam)) {
      fault("optimizer.kind",
            fmt::format("{} is not for workers that take steps of their own, as with strategy.name: {}; use sgd, "
                        "momentum or nesterov",
                        kind == learn::OptimizerKind::kAdam ? "adam" : "adagrad", entry.name));
    }
  }

  void check_cluster() {
    const lead::ClusterConfig& cluster = run_.cluster;
    if (knows_workers_ && sound("clock") && run_.clock == Clock::kReal && cluster.workers > kMostRealWorkers) {
      fault("cluster.workers", fmt::format("{} are more than a real run starts, at most {}; use clock: virtual",
                                           cluster.workers, kMostRealWorkers));
    }
    const Node* compute = find(root_, "cluster.compute_ms");
    if (knows_workers_ && compute && compute->kind == Node::Kind::kList && !faults_.cover("cluster.compute_ms") &&
        compute->items.size() != cluster.workers) {
      fault("cluster.compute_ms", fmt::format("{} numbers for {} workers; give one number for all, or one a worker",
                                              compute->items.size(), cluster.workers));
    }
    if (!faults_.cover("cluster.hosts") && sound("cluster.servers") && !cluster.hosts.empty() &&
        cluster.hosts.size() != cluster.servers) {
      fault("cluster.hosts",
            fmt::format("{} hosts for {} servers; give one a server", cluster.hosts.size(), cluster.servers));
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < cluster.hosts.size(); ++i) {
      const std::string path = fmt::format("cluster.hosts.{}", i);
      if (!seen.insert(cluster.hosts[i]).second && sound(path)) {
        fault(path, fmt::format("{} is given twice; each server needs its own", in_quotes(cluster.hosts[i])));
      }
    }
    for (std::size_t i = 0; i < cluster.hosts.size() && !faults_.touch("cluster.bind"); ++i) {
      const std::string path = fmt::format("cluster.hosts.{}", i);
      if (cluster.bind.empty() && sound(path) && !is_loopback(cluster.hosts[i])) {
        fault(path,
              fmt::format("{} is beyond loopback; give cluster.bind, the address of this machine that the servers "
                          "listen on, or use localhost",
                          in_quotes(cluster.hosts[i])));
      }
    }
    if (!faults_.cover("cluster.hosts") && !cluster.bind.empty() && cluster.hosts.empty()) {
      fault("cluster.bind", "has no effect without cluster.hosts; remove it, or give the hosts");
    }
  }

  // False, with a fault, if there is no such worker.
  void check_worker(WorkerId worker, const std::string& path) {
    if (worker.value < run_.cluster.workers) return;
    fault(path, fmt::format("there is no worker {}; cluster.workers: {} are counted from 0", worker.value,
                            run_.cluster.workers));
  }

  void check_membership() {
    std::map<WorkerId, std::size_t> seen;
    std::size_t late = 0;
    for (std::size_t i = 0; i < run_.cluster.membership.size(); ++i) {
      const std::string path = fmt::format("cluster.membership.{}", i);
      const lead::Membership& each = run_.cluster.membership[i];
      if (faults_.cover(path)) continue;
      check_times(each, path);
      if (!sound(path + ".worker")) continue;
      if (knows_workers_) check_worker(each.worker, path + ".worker");
      const auto [first, is_new] = seen.emplace(each.worker, i);
      if (!is_new) {
        fault(path + ".worker", fmt::format("worker {} has its entry in cluster.membership.{}; put both into one",
                                            each.worker.value, first->second));
      }
      if (is_new && (each.join_s || each.join_step)) ++late;
    }
    if (knows_workers_ && sound("cluster.membership") && late >= run_.cluster.workers) {
      fault("cluster.membership", "every worker joins later: nobody is there at the start");
    }
  }

  void check_times(const lead::Membership& each, const std::string& path) {
    if (each.join_s && each.join_step) fault(path + ".join_step", "join_s is given too; keep one of them");
    if (each.leave_s && each.leave_step) fault(path + ".leave_step", "leave_s is given too; keep one of them");
    if (each.join_s && each.leave_s && sound(path, {"join_s", "leave_s"}) && *each.join_s >= *each.leave_s) {
      fault(path + ".leave_s", fmt::format("{} is not after join_s: {}", *each.leave_s, *each.join_s));
    }
    if (each.join_step && each.leave_step && sound(path, {"join_step", "leave_step"}) &&
        *each.join_step >= *each.leave_step) {
      fault(path + ".leave_step", fmt::format("{} is not after join_step: {}", *each.leave_step, *each.join_step));
    }
    if (sound(path) && !each.join_s && !each.join_step && !each.leave_s && !each.leave_step) {
      fault(path, "says neither when the worker joins nor when it leaves; give one, or remove the entry");
    }
  }

  void check_stragglers() {
    for (std::size_t i = 0; i < run_.stragglers.size(); ++i) {
      const delay::Rule& rule = run_.stragglers[i];
      const std::string path = fmt::format("stragglers.{}", i);
      const std::string workers_path = path + ".workers";
      if (sound(workers_path)) {
        std::set<WorkerId> seen;
        for (std::size_t k = 0; k < rule.workers.size(); ++k) {
          const std::string worker_path = fmt::format("{}.{}", workers_path, k);
          if (!seen.insert(rule.workers[k]).second) {
            fault(worker_path, fmt::format("worker {} is named twice; keep one", rule.workers[k].value));
          } else if (knows_workers_) {
            check_worker(rule.workers[k], worker_path);
          }
        }
      }
      check_law(rule, path);
    }
  }

  void check_law(const delay::Rule& rule, const std::string& path) {
    using delay::Law;
    if (rule.law == Law::kUniform && rule.min_ms > rule.max_ms && sound(path, {"kind", "min_ms", "max_ms"})) {
      fault(path + ".min_ms", fmt::format("{} is more than max_ms: {}", rule.min_ms, rule.max_ms));
    }
    if (rule.law == Law::kWindow && rule.from_s >= rule.to_s && sound(path, {"kind", "from_s", "to_s"})) {
      fault(path + ".to_s", fmt::format("{} is not after from_s: {}", rule.to_s, rule.from_s));
    }
    if (rule.law == Law::kPeriodic && rule.for_steps > rule.every_steps &&
        sound(path, {"kind", "for_steps", "every_steps"})) {
      fault(path + ".for_steps", fmt::format("{} is more than every_steps: {}", rule.for_steps, rule.every_steps));
    }
  }

  void check_stop() {
    const lead::StopConfig& stop = run_.stop;
    const bool any = stop.epochs || stop.samples || stop.updates || stop.steps_per_worker || stop.time_s ||
                     stop.target_accuracy || stop.plateau;
    if (!any && sound("stop")) {
      fault("stop",
            "a run needs an end; give at least one of epochs, samples, updates, steps_per_worker, time_s, "
            "target_accuracy and plateau");
    }
    if (timing_only_) {
      if (stop.epochs)
        fault("stop.epochs", "there are no epochs with model.kind: none; use steps_per_worker, updates or time_s");
      if (stop.target_accuracy) fault("stop.target_accuracy", "there is no accuracy with model.kind: none; remove it");
      if (stop.plateau) fault("stop.plateau", "there is no accuracy with model.kind: none; remove it");
    } else if (never_evaluates()) {
      constexpr const char* kNeeds = "needs evaluations during the run; give evaluate a period above 0";
      if (stop.target_accuracy) fault("stop.target_accuracy", kNeeds);
      if (stop.plateau) fault("stop.plateau", kNeeds);
    }
    const double measured = run_.evaluate.target_accuracy;
    if (!timing_only_ && stop.target_accuracy && measured > 0 && measured != *stop.target_accuracy) {
      fault("evaluate.target_accuracy",
            fmt::format("differs from stop.target_accuracy: {}, which is measured too; keep one of them",
                        *stop.target_accuracy));
    }
  }

  // Whether the evaluations during the run were turned off.
  bool never_evaluates() const {
    const lead::EvaluateConfig& evaluate = run_.evaluate;
    const bool any = evaluate.every_epochs || evaluate.every_s || evaluate.every_updates;
    const bool above_zero = evaluate.every_epochs.value_or(0) > 0 || evaluate.every_s.value_or(0) > 0 ||
                            evaluate.every_updates.value_or(0) > 0;
    return any && !above_zero && sound("evaluate", {"every_epochs", "every_s", "every_updates"});
  }

  void check_evaluate() {
    std::string first;
    const auto see = [&](bool given, const char* key) {
      if (!given) return;
      if (!first.empty())
        fault(fmt::format("evaluate.{}", key), fmt::format("{} is given too; keep one of them", first));
      if (first.empty()) first = key;
    };
    see(run_.evaluate.every_epochs.has_value(), "every_epochs");
    see(run_.evaluate.every_s.has_value(), "every_s");
    see(run_.evaluate.every_updates.has_value(), "every_updates");
  }

  const RunConfig& run_;
  const Node& root_;
  Faults& faults_;
  // As the reading left them: a fault found here does not take anything back.
  const bool timing_only_, knows_workers_;
};

}  // namespace

void check_together(const RunConfig& run, const Node& root, Faults& faults) { Checks(run, root, faults).all(); }

}  // namespace psctl::config
