#include "rpc/evaluation.h"

#include <chrono>
#include <fmt/format.h>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <sched.h>
#include <span>
#include <time.h>
#include <unistd.h>

#include "base/sha256.h"
#include "rpc/patience.h"

namespace psctl::rpc {
namespace {

// What this process has used of the processors: at idle priority wall time says little.
Duration processor_time() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

constexpr auto kServerPatience = std::chrono::seconds(60);
constexpr auto kAskEvery = std::chrono::seconds(1);

// Takes nothing from workers that compute. When `run_is_over` nobody does, and on a busy machine idle priority is next
// to nothing: the look is begun again at the usual one. It has a thread of its own because a thread cannot come back
// from idle priority by itself.
learn::Evaluator::Result look(const learn::Evaluator& evaluator, std::span<const float> parameters,
                              const std::function<bool()>& run_is_over) {
  if (run_is_over()) return evaluator.evaluate(parameters);
  std::atomic<bool> give_up = false;
  auto unhurried = std::async(std::launch::async, [&] {
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_IDLE, &none);  // where it may not, it runs like the others
    return evaluator.evaluate(parameters, give_up);
  });
  try {
    while (!give_up && unhurried.wait_for(kAskEvery) == std::future_status::timeout) give_up = run_is_over();
  } catch (...) {
    give_up = true;
    throw;
  }
  const std::optional<learn::Evaluator::Result> seen = unhurried.get();
  return seen ? *seen : evaluator.evaluate(parameters);
}

}  // namespace

void evaluate(const std::vector<Address>& servers, const learn::Model& model, const learn::Evaluator& evaluator,
              const Keep& keep, const std::atomic<bool>& terminated) {
  learn::Tensor snapshot(model.parameter_count());
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::span<std::byte>> ranges;
  for (const Address& address : servers) {
    clients.push_back(connect_patiently(address, kServerPatience, [&] { return terminated.load(); }));
    if (!clients.back()) return;
    wire::JoinRequest request;
    request.worker = -1;
    request.process = ::getpid();
    request.parameters = static_cast<std::int64_t>(model.parameter_count());
    const wire::JoinReply reply = clients.back()->join(request);
    const auto begin = static_cast<std::size_t>(reply.shard_begin), size = static_cast<std::size_t>(reply.shard_size);
    if (begin > model.parameter_count() || size > model.parameter_count() - begin) {
      throw WorldError(fmt::format("the server at {} holds parameters that the model does not have", address.text()));
    }
    ranges.push_back(std::as_writable_bytes(snapshot.values().subspan(begin, size)));
  }

  std::optional<Version> at_hand;
  while (!terminated) {
    const wire::EvaluationOrder order = clients[0]->next_evaluation();
    if (order.kind == wire::EvaluationKind::STOP) {
      // The connection stays until the model is written: the lead waits for it.
      if (order.last && at_hand == static_cast<Version>(order.version)) keep(std::nullopt, snapshot.values());
      return;
    }
    if (order.kind == wire::EvaluationKind::WAIT) continue;
    wire::PullRequest pull;
    pull.role = wire::Role::EVALUATION;
    pull.worker = -1;
    pull.version = order.version;
    pull.sequence = order.sequence;
    for (auto& client : clients) client->send_pull(pull);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      if (!clients[i]->receive_pull(ranges[i]).tensor) throw WorldError("a server sent no model to evaluate");
    }
    at_hand = static_cast<Version>(order.version);
    const Duration used_before = processor_time();
    if (order.keep) keep(at_hand, snapshot.values());
    const learn::Evaluator::Result seen =
        order.evaluate ? look(evaluator, snapshot.values(), [&] { return clients[0]->status().stopped; })
                       : learn::Evaluator::Result{};
    wire::EvaluationResult result;
    result.version = order.version;
    result.sequence = order.sequence;
    result.at_ns = order.at_ns;
    result.epoch = order.epoch;
    result.samples = order.samples;
    result.train_loss = seen.train_loss;
    result.test_loss = seen.test.loss;
    result.test_accuracy = seen.test.accuracy;
    result.compute_ns = (processor_time() - used_before).count();
    result.__set_evaluated(order.evaluate);
    result.__set_model_digest(sha256(std::as_bytes(snapshot.values())));
    clients[0]->evaluated(result);
  }
}

}  // namespace psctl::rpc
