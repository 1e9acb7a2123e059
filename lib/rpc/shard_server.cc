#include "rpc/shard_server.h"

#include <chrono>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "rpc/orders.h"

namespace psctl::rpc {
namespace {

using std::chrono::steady_clock;

// What the connections tell the thread that serves.
struct Course {
  std::mutex mutex;
  std::condition_variable changed;
  bool lead_came = false;
  bool stopped = false;
  std::string failure;
  std::set<WorkerId> workers;  // that have joined
};

class ShardSession final : public Session {
 public:
  ShardSession(const ShardServerSetup& setup, Shard& shard, Course& course, const Connection& connection)
      : setup_(setup), shard_(shard), course_(course), connection_(connection) {}

  bool serves(std::string_view method, Role role) const override {
    if (role == Role::LEAD) return method == "execute" || method == "stop";
    if (role == Role::WORKER) return method == "join" || method == "piece" || method == "pull";
    return role == Role::EVALUATOR && (method == "join" || method == "pull");
  }

  wire::JoinReply join(const wire::JoinRequest&) override {
    if (connection_.role() == Role::WORKER) {
      const WorkerId worker = checked(connection_.worker());
      const std::lock_guard lock(course_.mutex);
      if (!course_.workers.insert(worker).second)
        throw WorldError(fmt::format("worker {} has come already", worker.value));
      worker_ = worker;
    }
    joined_ = true;
    wire::JoinReply reply;
    reply.rank = static_cast<std::int32_t>(setup_.rank);
    reply.servers = static_cast<std::int32_t>(setup_.servers);
    reply.parameters = static_cast<std::int64_t>(setup_.parameters);
    reply.shard_begin = static_cast<std::int64_t>(setup_.range.begin);
    reply.shard_size = static_cast<std::int64_t>(setup_.range.size);
    return reply;
  }

  Incoming destination(const wire::PieceRequest& request, std::size_t length) override {
    if (!worker_) throw WorldError("a piece before the join");
    return shard_.destination(length, given(request));
  }

  wire::PieceReply piece(const wire::PieceRequest& request, Incoming tensor, Duration receive) override {
    const WorkerId worker = checked(request.worker);
    if (worker != worker_) throw WorldError(fmt::format("this connection has not joined as worker {}", request.worker));
    if (request.push < 1) throw WorldError(fmt::format("a piece of push {}: pushes are numbered from 1", request.push));
    if (!tensor.owner) throw WorldError("a piece came without its tensor");
    shard_.check(tensor);
    shard_.put(worker, static_cast<std::uint64_t>(request.push), tensor,
               steady_clock::now() + setup_.patience.stall / 2);
    wire::PieceReply reply;
    reply.receive_ns = receive.count();
    return reply;
  }

  StepAnswer pull(const wire::PullRequest& request) override {
    if (!joined_) throw WorldError("a pull before the join");
    StepAnswer answer;
    answer.header.kind = wire::ReplyKind::RELEASE;
    answer.header.version = request.version;
    answer.header.sequence = request.sequence;
    answer.header.refresh = true;
    const auto deadline = steady_clock::now() + setup_.patience.stall / 2;
    const auto sequence = static_cast<std::uint64_t>(request.sequence);
    answer.tensor = worker_ ? shard_.take_released(*worker_, sequence, deadline) : shard_.take_look(sequence, deadline);
    return answer;
  }

  void execute(const std::vector<wire::Order>& orders) override {
    {
      const std::lock_guard lock(course_.mutex);
      if (course_.lead_came && !is_lead_) throw WorldError("there is a lead server already");
      is_lead_ = course_.lead_came = true;
      course_.changed.notify_all();
    }
    shard_.execute(from_wire(orders));
  }

  void stop(const std::string&) override {
    if (!is_lead_) throw WorldError("there is a lead server already");
    const std::lock_guard lock(course_.mutex);
    course_.stopped = true;
    course_.changed.notify_all();
  }

  void closed(Closing, const std::string& why) override {
    if (!is_lead_) return;
    const std::lock_guard lock(course_.mutex);
    if (!course_.stopped) course_.failure = fmt::format("the lead server is lost: {}", why);
    course_.changed.notify_all();
  }

 private:
  WorkerId checked(std::int32_t worker) const {
    if (worker < 0 || static_cast<std::size_t>(worker) >= setup_.workers) {
      throw WorldError(fmt::format("there is no worker {}, there are {}", worker, setup_.workers));
    }
    return WorkerId(static_cast<std::uint32_t>(worker));
  }

  const ShardServerSetup& setup_;
  Shard& shard_;
  Course& course_;
  const Connection& connection_;
  bool is_lead_ = false, joined_ = false;
  std::optional<WorkerId> worker_;
};

}  // namespace

void serve_shard(const ShardServerSetup& setup, Shard& shard, const std::atomic<bool>& terminated,
                 const std::function<void(const Address&)>& listening) {
  Course course;
  Server server(
      setup.listen,
      [&](const Connection& connection) { return std::make_unique<ShardSession>(setup, shard, course, connection); },
      {.timeout = setup.patience.stall, .identity = setup.identity, .report = setup.report});
  listening(server.address());
  const auto give_up = steady_clock::now() + setup.patience.start;
  std::unique_lock lock(course.mutex);
  while (!course.stopped && course.failure.empty() && !terminated) {
    course.changed.wait_for(lock, std::chrono::milliseconds(100));
    if (!course.lead_came && steady_clock::now() > give_up) {
      course.failure = fmt::format(
          "server {} has waited {:g} s for the lead server: raise cluster.start_s if it needs "
          "longer",
          setup.rank, to_seconds(setup.patience.start));
    }
  }
  const std::string failure = course.failure;
  lock.unlock();
  server.shutdown(std::chrono::milliseconds(200));
  if (!failure.empty()) throw PeerError(failure);
}

}  // namespace psctl::rpc
