#include "rpc/shard_server.h"

#include <chrono>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <set>

#include "base/error.h"
#include "rpc/orders.h"

namespace psctl::rpc {
namespace {

using std::chrono::steady_clock;

constexpr auto kPullPatience = std::chrono::seconds(10);
constexpr auto kPiecePatience = std::chrono::seconds(10);
constexpr auto kStartPatience = std::chrono::seconds(60);

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
  ShardSession(const ShardServerSetup& setup, Shard& shard, Course& course)
      : setup_(setup), shard_(shard), course_(course) {}

  wire::JoinReply join(const wire::JoinRequest& request) override {
    if (request.worker >= 0) {
      const WorkerId worker = checked(request.worker);
      const std::lock_guard lock(course_.mutex);
      if (!course_.workers.insert(worker).second)
        throw WorldError(fmt::format("worker {} has come already", request.worker));
      worker_ = worker;
    }
    wire::JoinReply reply;
    reply.rank = static_cast<std::int32_t>(setup_.rank);
    reply.servers = static_cast<std::int32_t>(setup_.servers);
    reply.parameters = static_cast<std::int64_t>(setup_.parameters);
    reply.shard_begin = static_cast<std::int64_t>(setup_.range.begin);
    reply.shard_size = static_cast<std::int64_t>(setup_.range.size);
    return reply;
  }

  Incoming destination(const wire::PieceRequest& request, std::size_t length) override {
    return shard_.destination(length, given(request));
  }

  wire::PieceReply piece(const wire::PieceRequest& request, Incoming tensor, Duration receive) override {
    const WorkerId worker = checked(request.worker);
    if (worker != worker_) throw WorldError(fmt::format("this connection has not joined as worker {}", request.worker));
    if (request.push < 1) throw WorldError(fmt::format("a piece of push {}: pushes are numbered from 1", request.push));
    if (!tensor.owner) throw WorldError("a piece came without its tensor");
    shard_.check(tensor);
    shard_.put(worker, static_cast<std::uint64_t>(request.push), tensor, steady_clock::now() + kPiecePatience);
    wire::PieceReply reply;
    reply.receive_ns = receive.count();
    return reply;
  }

  StepAnswer pull(const wire::PullRequest& request) override {
    StepAnswer answer;
    answer.header.kind = wire::ReplyKind::RELEASE;
    answer.header.version = request.version;
    answer.header.sequence = request.sequence;
    answer.header.refresh = true;
    const auto deadline = steady_clock::now() + kPullPatience;
    const auto sequence = static_cast<std::uint64_t>(request.sequence);
    answer.tensor = request.role == wire::Role::WORKER
                        ? shard_.take_released(checked(request.worker), sequence, deadline)
                        : shard_.take_look(sequence, deadline);
    return answer;
  }

  void execute(const std::vector<wire::Order>& orders) override {
    {
      const std::lock_guard lock(course_.mutex);
      is_lead_ = course_.lead_came = true;
      course_.changed.notify_all();
    }
    shard_.execute(from_wire(orders));
  }

  void stop(const std::string&) override {
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
  bool is_lead_ = false;
  std::optional<WorkerId> worker_;
};

}  // namespace

void serve_shard(const ShardServerSetup& setup, Shard& shard, const std::atomic<bool>& terminated,
                 const std::function<void(const Address&)>& listening) {
  Course course;
  Server server(setup.listen, [&](const Connection&) { return std::make_unique<ShardSession>(setup, shard, course); });
  listening(server.address());
  const auto give_up = steady_clock::now() + kStartPatience;
  std::unique_lock lock(course.mutex);
  while (!course.stopped && course.failure.empty() && !terminated) {
    course.changed.wait_for(lock, std::chrono::milliseconds(100));
    if (!course.lead_came && steady_clock::now() > give_up) {
      course.failure = fmt::format("server {} has waited a minute for the lead server", setup.rank);
    }
  }
  const std::string failure = course.failure;
  lock.unlock();
  server.shutdown(std::chrono::milliseconds(200));
  if (!failure.empty()) throw WorldError(failure);
}

}  // namespace psctl::rpc
