#include "sim/simulator.h"

#include <chrono>
#include <deque>
#include <mutex>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <queue>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"
#include "sim/link.h"

namespace psctl::sim {
namespace {

// Of several things at one instant, transfers begin first, in the order of the workers; then pushes arrive; then
// come the alarms of the lead, in the order of lead::AlarmKind.
enum class Kind : std::uint8_t { kUpload, kDownload, kPush };

struct Due {
  Instant at{};
  Kind kind{};
  WorkerId worker;
  std::uint64_t life = 0;  // of the worker, when this was planned: things planned before a leave do not happen
  friend auto operator<=>(const Due&, const Due&) = default;
};

// A gradient that is being computed on the arena, from the snapshot that its worker was released with.
struct Task {
  oneapi::tbb::task_group group;
  std::shared_ptr<learn::Tensor> gradient;
  std::vector<std::uint32_t> samples;
  double loss = 0;
};

struct Look {
  oneapi::tbb::task_group group;
  trace::Evaluation evaluation;
};

// One scratch space for each gradient that is being computed, not one a worker.
class Workspaces {
 public:
  std::unique_ptr<learn::Workspace> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<learn::Workspace>();
    std::unique_ptr<learn::Workspace> workspace = std::move(free_.back());
    free_.pop_back();
    return workspace;
  }
  void give_back(std::unique_ptr<learn::Workspace> workspace) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(workspace));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<learn::Workspace>> free_;
};

constexpr Duration kUnknown = Duration::max();

// A constant: when a result is reported must not depend on the number of cores.
constexpr std::size_t kLooksAtOnce = 2;

}  // namespace

class Simulator::World {
 public:
  World(const SimConfig& config, std::size_t batch_size, lead::Lead& lead, std::vector<delay::Stragglers> stragglers,
        Learning* learning, Options options)
      : batch_size_(batch_size),
        lead_(lead),
        stragglers_(std::move(stragglers)),
        learning_(learning),
        options_(std::move(options)),
        parallelism_(oneapi::tbb::global_control::max_allowed_parallelism, options_.threads),
        arena_(static_cast<int>(options_.threads)),
        model_bytes_(learning ? learning->model.parameter_count() * sizeof(float) : 0),
        up_(config.network, model_bytes_, lead.setup().cluster.servers),
        down_(up_),
        update_time_(from_milliseconds(config.update_ms)),
        runners_(stragglers_.size()) {
    for (std::size_t i = 0; i < runners_.size(); ++i) {
      runners_[i].compute =
          from_milliseconds(config.compute_ms.size() == 1 ? config.compute_ms[0] : config.compute_ms.at(i));
      PSCTL_CHECK(runners_[i].compute > Duration::zero());
      if (learning_) runners_[i].task = std::make_unique<Task>();
    }
    if (learning_) {
      std::vector<float> initial(learning_->model.parameter_count());
      learning_->model.initialise(initial, learning_->seed);
      store_ = std::make_unique<learn::ModelStore>(learning_->optimizer, initial);
    }
  }

  ~World() {
    for (Runner& runner : runners_) {
      if (runner.task) arena_.execute([&] { runner.task->group.wait(); });
    }
    for (auto& look : looks_) arena_.execute([&] { look->group.wait(); });
  }

  void run() {
    execute(Instant{}, lead_.start(Instant{}));
    while (!lead_.stopped()) {
      look_around();
      if (lead_.stopped()) break;
      const std::optional<lead::Alarm> alarm = lead_.next_alarm();
      if (due_.empty() && !alarm) throw InternalError("the simulation has nothing left to do and no reason to stop");
      if (!due_.empty() && (!alarm || due_.top().at <= alarm->at)) {
        const Due next = due_.top();
        due_.pop();
        now_ = next.at;
        if (next.life == runners_[next.worker.value].life) happen(next);
      } else {
        now_ = alarm->at;
        if (alarm->kind == lead::AlarmKind::kLeave) leave(alarm->worker);
        execute(now_, lead_.ring(now_));
      }
    }
    for (std::size_t i = 0; i < runners_.size(); ++i) cut_off(WorkerId(static_cast<std::uint32_t>(i)));
    if (learning_) {
      if (const std::optional<lead::Order> look = lead_.last_look()) execute(now_, std::span(&*look, 1));
    }
    finish_looks(0);
  }

  learn::Snapshot model() const { return store_ ? store_->snapshot() : nullptr; }

 private:
  struct Runner {
    Duration compute{};  // of one step, from the configuration
    Step step = 0;       // mini-batches begun
    std::uint64_t life = 0;
    bool running = false;  // released, its push not yet arrived
    Instant released{};
    sync::Timing timing;  // of the push that it is working on; kUnknown: not yet known
    Duration network_delay{};
    Instant upload_began{};
    learn::Snapshot snapshot;
    std::unique_ptr<Task> task;
  };

  void happen(const Due& due) {
    Runner& runner = runners_[due.worker.value];
    switch (due.kind) {
      case Kind::kDownload:
        begin_computing(due.worker, now_ + down_.transfer(now_));
        break;
      case Kind::kUpload:
        runner.timing.upload = up_.transfer(now_) + runner.network_delay;
        plan(now_ + runner.timing.upload, Kind::kPush, due.worker);
        break;
      case Kind::kPush:
        push(due.worker);
        break;
    }
  }

  void push(WorkerId worker) {
    Runner& runner = runners_[worker.value];
    runner.running = false;
    lead::PushReport report{.worker = worker, .timing = runner.timing, .samples = batch_size_};
    if (learning_) {
      arena_.execute([&] { runner.task->group.wait(); });
      report.loss = runner.task->loss;
      lead_.transferred(model_bytes_, 0);
    }
    execute(now_, lead_.pushed(now_, report));
    if (!lead_.present(worker)) ++runner.life;
  }

  void leave(WorkerId worker) {
    cut_off(worker);
    Runner& runner = runners_[worker.value];
    ++runner.life;
    runner.running = false;
  }

  void execute(Instant now, std::span<const lead::Order> orders) {
    for (const lead::Order& order : orders) {
      std::visit([&](const auto& what) { carry_out(now, order, what); }, order.what);
    }
    if (options_.wait_for_evaluations) finish_looks(0);
  }

  void carry_out(Instant, const lead::Order&, const lead::Accept& accept) {
    if (!store_) return;
    Runner& runner = runners_[accept.worker.value];
    store_->accept(accept.push, accept.worker, accept.empty ? nullptr : std::move(runner.task->gradient));
  }
  void carry_out(Instant, const lead::Order&, const sync::Merge& merge) {
    if (store_) store_->merge(merge.into, merge.from);
  }
  void carry_out(Instant, const lead::Order&, const sync::Discard& discard) {
    if (store_) store_->discard(discard.push);
  }
  void carry_out(Instant now, const lead::Order&, const lead::Update& update) {
    if (store_) store_->apply(update.shares, update.learning_rate, update.reset);
    updates_done_ = std::max(updates_done_, now) + update_time_;
  }
  void carry_out(Instant now, const lead::Order&, const lead::Release& release) {
    Runner& runner = runners_[release.worker.value];
    runner.running = true;
    runner.released = now;
    runner.timing = {.compute = kUnknown, .delay = kUnknown, .upload = kUnknown, .download = kUnknown};
    const Instant leaves = std::max(now, updates_done_);
    const bool take = release.refresh == sync::Refresh::kTake;
    if (learning_ && take) {
      runner.snapshot = store_->snapshot();
      store_->released(release.worker);
      lead_.transferred(0, model_bytes_);
    }
    if (learning_) start_task(release.worker);
    if (!take || down_.is_free()) {
      begin_computing(release.worker, leaves + down_.latency());
    } else {
      plan(leaves, Kind::kDownload, release.worker);
    }
  }
  void carry_out(Instant, const lead::Order& order, const lead::Look& look) {
    if (!learning_) return;
    if (look.keep && options_.keep) options_.keep(order.version, store_->snapshot()->values());
    if (!look.evaluate) return;
    finish_looks(kLooksAtOnce - 1);
    looks_.push_back(std::make_unique<Look>());
    Look& task = *looks_.back();
    task.evaluation = {.at = look.at, .version = order.version, .epoch = look.epoch, .samples = look.samples};
    arena_.execute([&] {
      task.group.run([&task, this, snapshot = store_->snapshot()] {
        const learn::Evaluator::Result result = learning_->evaluator.evaluate(snapshot->values());
        task.evaluation.train_loss = result.train_loss;
        task.evaluation.test_loss = result.test.loss;
        task.evaluation.test_accuracy = result.test.accuracy;
      });
    });
  }

  // Evaluations are reported in order; waits until at most `left` are still being computed.
  void finish_looks(std::size_t left) {
    while (looks_.size() > left) {
      const std::unique_ptr<Look> look = std::move(looks_.front());
      looks_.pop_front();
      arena_.execute([&] { look->group.wait(); });
      lead_.evaluated(now_, look->evaluation);
    }
  }

  // The arithmetic of a step starts when the worker is released, and is joined when its push is due.
  void start_task(WorkerId worker) {
    Runner& runner = runners_[worker.value];
    Task& task = *runner.task;
    const auto batch = learning_->batches[worker.value].batch(runner.step);
    task.samples.assign(batch.begin(), batch.end());
    task.gradient = store_->buffer();
    arena_.execute([&] {
      task.group.run([&task, this, snapshot = runner.snapshot] {
        std::unique_ptr<learn::Workspace> workspace = workspaces_.take();
        task.loss = learning_->model.gradient(snapshot->values(), *learning_->splits.train, task.samples,
                                              task.gradient->values(), *workspace);
        workspaces_.give_back(std::move(workspace));
      });
    });
  }

  void begin_computing(WorkerId worker, Instant at) {
    Runner& runner = runners_[worker.value];
    const delay::Slowness slowness = stragglers_[worker.value].at(runner.step, at);
    ++runner.step;
    runner.timing.download = at - runner.released;
    runner.timing.compute = slowness.factor == 1
                                ? runner.compute
                                : Duration(std::llround(static_cast<double>(runner.compute.count()) * slowness.factor));
    runner.timing.delay = slowness.compute;
    runner.network_delay = slowness.network;
    runner.upload_began = at + runner.timing.compute + runner.timing.delay;
    if (up_.is_free()) {
      runner.timing.upload = runner.network_delay;
      plan(runner.upload_began + runner.network_delay, Kind::kPush, worker);
    } else {
      plan(runner.upload_began, Kind::kUpload, worker);
    }
  }

  void plan(Instant at, Kind kind, WorkerId worker) { due_.push({at, kind, worker, runners_[worker.value].life}); }

  // Shares out the time since the release over the parts of the step that is cut off now.
  void cut_off(WorkerId worker) {
    const Runner& runner = runners_[worker.value];
    if (!runner.running) return;
    Duration left = now_ - runner.released;
    const auto part = [&](Duration whole) {
      const Duration taken = std::min(left, whole);
      left -= taken;
      return taken;
    };
    sync::Timing partial;
    partial.download = part(runner.timing.download);
    partial.compute = part(runner.timing.compute);
    partial.delay = part(runner.timing.delay);
    partial.upload = part(runner.timing.upload);
    lead_.cut_off(worker, partial);
  }

  // Now and then: has somebody interrupted, is it time to tell how far it is.
  void look_around() {
    if (++events_ % 64 != 0) return;
    if (options_.interrupted && *options_.interrupted) return lead_.stop(now_, "interrupted");
    if (!options_.progress) return;
    const auto wall = std::chrono::steady_clock::now();
    if (wall < next_progress_) return;
    next_progress_ = wall + std::chrono::milliseconds(200);
    options_.progress(lead_.progress(now_));
  }

  std::size_t batch_size_;
  lead::Lead& lead_;
  std::vector<delay::Stragglers> stragglers_;
  Learning* learning_;
  Options options_;
  oneapi::tbb::global_control parallelism_;
  oneapi::tbb::task_arena arena_;
  std::size_t model_bytes_;
  Link up_, down_;
  Duration update_time_;
  Instant updates_done_{};
  Instant now_{};
  std::vector<Runner> runners_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::unique_ptr<learn::ModelStore> store_;
  Workspaces workspaces_;
  std::deque<std::unique_ptr<Look>> looks_;
  std::uint64_t events_ = 0;
  std::chrono::steady_clock::time_point next_progress_{};
};

Simulator::Simulator(const SimConfig& config, std::size_t batch_size, lead::Lead& lead,
                     std::vector<delay::Stragglers> stragglers, Learning* learning, Options options)
    : world_(std::make_unique<World>(config, batch_size, lead, std::move(stragglers), learning, std::move(options))) {}

Simulator::~Simulator() = default;

void Simulator::run() { world_->run(); }

learn::Snapshot Simulator::model() const { return world_->model(); }

std::string Simulator::model_digest() const {
  const learn::Snapshot snapshot = model();
  return snapshot ? sha256(std::as_bytes(snapshot->values())) : std::string();
}

}  // namespace psctl::sim
