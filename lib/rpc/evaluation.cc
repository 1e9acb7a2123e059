#include "rpc/evaluation.h"

#include <chrono>
#include <fmt/format.h>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <sched.h>
#include <span>
#include <unistd.h>

#include "base/processor_time.h"
#include "base/sha256.h"
#include "rpc/patience.h"

namespace psctl::rpc {
namespace {

using std::chrono::steady_clock;

constexpr auto kAskEvery = std::chrono::seconds(1);

// Takes nothing from workers that compute. When `run_is_over` nobody does, and on a busy machine idle priority is next
// to nothing: the look is begun again at the usual one. It has a thread of its own because a thread cannot come back
// from idle priority by itself, and because asking tells the lead meanwhile that this process is at work. None:
// terminated.
std::optional<learn::Evaluator::Result> look(const learn::Evaluator& evaluator, std::span<const float> parameters,
                                             const std::function<bool()>& run_is_over,
                                             const std::atomic<bool>& terminated) {
  for (bool idle = !run_is_over();; idle = false) {
    std::atomic<bool> give_up = false;
    auto seen = std::async(std::launch::async, [&] {
      const sched_param none{};
      if (idle) ::sched_setscheduler(0, SCHED_IDLE, &none);  // where it may not, it runs like the others
      return evaluator.evaluate(parameters, give_up);
    });
    try {
      auto ask = steady_clock::now() + kAskEvery;
      while (seen.wait_for(kCheckPeriod) == std::future_status::timeout) {
        if (terminated) give_up = true;
        if (steady_clock::now() < ask) continue;
        ask = steady_clock::now() + kAskEvery;
        if (run_is_over() && idle) give_up = true;
      }
    } catch (...) {
      give_up = true;
      throw;
    }
    std::optional<learn::Evaluator::Result> result = seen.get();
    if (result || terminated) return result;
  }
}

}  // namespace

void evaluate(const EvaluationSetup& setup, const learn::Model& model, const learn::Evaluator& evaluator,
              const Keep& keep, const std::atomic<bool>& terminated) {
  learn::Tensor snapshot(model.parameter_count());
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::span<std::byte>> ranges;
  const ClientOptions options{.timeout = setup.patience.stall, .role = Role::EVALUATOR, .identity = setup.identity};
  for (const Address& address : setup.servers) {
    clients.push_back(connect_patiently(address, options, setup.patience.start, [&] { return terminated.load(); }));
    if (!clients.back()) return;
    wire::JoinRequest request;
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
    pull.version = order.version;
    pull.sequence = order.sequence;
    for (auto& client : clients) client->send_pull(pull);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      if (!clients[i]->receive_pull(ranges[i]).tensor) throw WorldError("a server sent no model to evaluate");
    }
    at_hand = static_cast<Version>(order.version);
    const Duration used_before = process_processor_time();
    if (order.keep) keep(at_hand, snapshot.values());
    learn::Evaluator::Result seen{};
    if (order.evaluate) {
      const auto run_is_over = [&] { return clients[0]->status().stopped; };
      const auto result = look(evaluator, snapshot.values(), run_is_over, terminated);
      if (!result) return;
      seen = *result;
    }
    wire::EvaluationResult result;
    result.sequence = order.sequence;
    result.train_loss = seen.train_loss;
    result.test_loss = seen.test.loss;
    result.test_accuracy = seen.test.accuracy;
    result.compute_ns = (process_processor_time() - used_before).count();
    result.__set_evaluated(order.evaluate);
    result.__set_model_digest(sha256(std::as_bytes(snapshot.values())));
    clients[0]->evaluated(result);
  }
}

}  // namespace psctl::rpc
