#include "sim/simulator.h"

#include <chrono>
#include <deque>
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

// The arithmetic of a worker up to its next push, on the arena.
struct Task {
  oneapi::tbb::task_group group;
  learn::Trainer trainer;
  learn::Leg leg;
  learn::Push push;
  double loss = 0;
};

struct Look {
  oneapi::tbb::task_group group;
  trace::Evaluation evaluation;
};

constexpr Instant kNever = Instant::max();

// A constant: when a result is reported must not depend on the number of cores.
constexpr std::size_t kLooksAtOnce = 2;

}  // namespace

class Simulator::World {
 public:
  World(const SimConfig& config, std::size_t batch_size, lead::Lead& lead, std::vector<delay::Stragglers> stragglers,
        const Recording* recording, Learning* learning, Options options)
      : batch_size_(batch_size),
        lead_(lead),
        stragglers_(std::move(stragglers)),
        recording_(recording),
        learning_(learning),
        options_(std::move(options)),
        traits_(lead.strategy().traits()),
        parallelism_(oneapi::tbb::global_control::max_allowed_parallelism, options_.threads),
        arena_(static_cast<int>(options_.threads)),
        model_bytes_(learning ? learning->model.parameter_count() * sizeof(float) : lead.setup().model_bytes),
        up_(config.network, model_bytes_, lead.setup().cluster.servers),
        down_(up_),
        update_time_(lead.setup().update_time),
        runners_(recording ? recording->size() : stragglers_.size()) {
    if (options_.like_the_others && runners_.size() > 1) stragglers_of_others_ = stragglers_;
    for (std::size_t i = 0; i < runners_.size() && !recording_; ++i) {
      runners_[i].compute =
          from_milliseconds(config.compute_ms.size() == 1 ? config.compute_ms[0] : config.compute_ms.at(i));
      PSCTL_CHECK(runners_[i].compute > Duration::zero());
      if (learning_) {
        runners_[i].task = std::unique_ptr<Task>(
            new Task{.group = {},
                     .trainer = {learning_->model, *learning_->splits.train, learning_->batches.at(i),
                                 learning_->optimizer, traits_, learning_->coordinates},
                     .leg = {},
                     .push = {}});
      }
    }
    if (learning_) {
      for (std::size_t rank = 0; rank < lead.setup().cluster.servers; ++rank) {
        shards_.push_back(learn::shard(learning_->model.parameter_count(), lead.setup().cluster.servers, rank));
      }
      std::vector<float> initial(learning_->model.parameter_count());
      learning_->model.initialise(initial, learning_->seed);
      store_ = std::make_unique<learn::ModelStore>(learning_->optimizer, initial, traits_.kind);
      if (update_time_ > Duration::zero()) store_->keep_versions();
    }
  }

  ~World() {
    const auto let_end = [this](oneapi::tbb::task_group& group) {
      try {
        arena_.execute([&] { group.wait(); });
      } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): nobody wants this result any more
      }
    };
    for (Runner& runner : runners_) {
      if (runner.task) let_end(runner.task->group);
    }
    for (auto& look : looks_) let_end(look->group);
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

  learn::Snapshot model() const { return store_ ? store_->snapshot(lead_.made()) : nullptr; }
  std::size_t tensors() const { return store_ ? store_->tensors() : 0; }

 private:
  // Where a worker is: without a release, with one whose answer is on its way, or on a course to its next push that
  // nothing but a leave or the stop can change.
  enum class Phase : std::uint8_t { kHeld, kReleased, kOnCourse };

  // From one push to the next: the push is sent, arrives, the worker is released and the answer is in place. All that
  // while it may take steps; the one at hand is finished, then it begins the steps that it was released for.
  struct Runner {
    Duration compute{};  // of one step, from the configuration
    Step step = 0;       // mini-batches begun
    std::uint64_t life = 0;
    Phase phase = Phase::kHeld;
    lead::Release release;  // the last
    Step allowed = 0;       // to take between `sent` and `in_place`
    Instant sent{}, arrived{}, released{}, in_place{};
    Step first = 0;           // number of the first mini-batch since `sent`
    Step overlapped = 0;      // mini-batches from then on
    Instant overlapped_to{};  // when the last of them ended; `sent` if there are none
    Instant begins{};         // the steps that it was released for
    Step steps = 0;           // with the one given up
    bool empty = false;       // the last of them is given up
    Instant sends{};          // its next push
    sync::Timing timing;      // of that push
    Duration network_delay{};
    learn::Snapshot snapshot;
    std::unique_ptr<Task> task;
  };

  // Mini-batches that a worker takes one after the other.
  struct Steps {
    Step taken = 0;
    Duration compute{}, delay{};
    Duration network{};     // of the last one
    bool given_up = false;  // the last one
    Instant end{};
  };

  void happen(const Due& due) {
    Runner& runner = runners_[due.worker.value];
    switch (due.kind) {
      case Kind::kDownload:
        set_course(due.worker, now_ + down_.transfer(now_));
        break;
      case Kind::kUpload:
        runner.timing.upload = upload(runner) + runner.network_delay;
        plan(now_ + runner.timing.upload, Kind::kPush, due.worker);
        break;
      case Kind::kPush:
        push(due.worker);
        break;
    }
  }

  // A push that is coordinates is as large as they are: the transfer waits for the arithmetic.
  Duration upload(const Runner& runner) {
    if (!learning_ || !learning_->coordinates) return up_.transfer(now_);
    arena_.execute([&] { runner.task->group.wait(); });
    const learn::Push& push = runner.task->push;
    if (!push.coordinates) return up_.transfer(now_);
    std::vector<double> pieces;
    for (const learn::Range& shard : shards_) {
      pieces.push_back(static_cast<double>(learn::within(*push.coordinates, shard.begin, shard.size).size_bytes()));
    }
    return up_.transfer(now_, pieces);
  }

  void push(WorkerId worker) {
    Runner& runner = runners_[worker.value];
    const Step lost = lost_steps(runner);
    lead::PushReport report{.worker = worker,
                            .steps = runner.overlapped - lost + runner.steps,
                            .empty = runner.empty,
                            .overlapped = runner.overlapped,
                            .lost = lost,
                            .timing = runner.timing,
                            .hidden = hidden_until(runner, runner.overlapped_to)};
    report.samples = batch_size_ * report.steps;
    if (learning_) {
      arena_.execute([&] { runner.task->group.wait(); });
      PSCTL_CHECK(runner.task->trainer.begun() == runner.step);
      report.loss = runner.task->loss;
    }
    if (!runner.empty) lead_.transferred(learning_ ? runner.task->push.bytes() : model_bytes_, 0);
    runner.phase = Phase::kHeld;
    runner.sent = runner.sends;
    runner.arrived = now_;
    execute(now_, lead_.pushed(now_, report));
    // What it might have computed after its last push is nobody's: it counts as pushing.
    if (!lead_.present(worker)) forget(runner);
  }

  void leave(WorkerId worker) {
    cut_off(worker);
    forget(runners_[worker.value]);
  }

  // It has left: nothing more comes of it.
  static void forget(Runner& runner) {
    ++runner.life;
    runner.phase = Phase::kHeld;
    runner.release = {};
  }

  void execute(Instant now, std::span<const lead::Order> orders) {
    for (const lead::Order& order : orders) {
      if (store_) lead::execute(order, *store_);
      std::visit([&](const auto& what) { carry_out(now, order, what); }, order.what);
    }
    if (options_.wait_for_evaluations) finish_looks(0);
  }

  void carry_out(Instant, const lead::Order&, const lead::Accept& accept) {
    if (!store_) return;
    Runner& runner = runners_[accept.worker.value];
    learn::Push push = std::exchange(runner.task->push, {});
    store_->accept(accept.push, accept.worker, accept.empty ? learn::Push() : std::move(push));
  }
  void carry_out(Instant, const lead::Order&, const sync::Merge&) {}
  void carry_out(Instant, const lead::Order&, const sync::Discard&) {}
  void carry_out(Instant now, const lead::Order&, const lead::Update&) {
    if (store_) store_->forget_before(lead_.made());
    updates_done_ = std::max(updates_done_, now) + update_time_;
  }
  void carry_out(Instant now, const lead::Order&, const lead::Release& release) {
    Runner& runner = runners_[release.worker.value];
    runner.phase = Phase::kReleased;
    runner.allowed = runner.release.overlap_steps;
    runner.release = release;
    runner.released = now;
    const Instant leaves = std::max(now, updates_done_);
    const bool take = release.refresh == sync::Refresh::kTake;
    if (learning_ && take) {
      runner.snapshot = store_->snapshot();
    }
    if (take) lead_.transferred(0, model_bytes_);
    if (recording_) {
      const RecordedStep next = recorded(release.worker, runner.step);
      set_course(release.worker, now + (take ? next.download : next.answer));
    } else if (!take || down_.is_free()) {
      set_course(release.worker, leaves + down_.latency());
    } else {
      plan(leaves, Kind::kDownload, release.worker);
    }
  }
  void carry_out(Instant, const lead::Order& order, const lead::Look& look) {
    if (!learning_) return;
    if (look.keep && options_.keep) options_.keep(order.version, store_->snapshot(order.version)->values());
    if (!look.evaluate) return;
    finish_looks(kLooksAtOnce - 1);
    looks_.push_back(std::make_unique<Look>());
    Look& task = *looks_.back();
    task.evaluation = {.at = look.at, .version = order.version, .epoch = look.epoch, .samples = look.samples};
    arena_.execute([&] {
      task.group.run([&task, this, snapshot = store_->snapshot(order.version)] {
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

  RecordedStep recorded(WorkerId worker, Step number) const {
    if (!is_like_the_others(worker)) return recorded_of(worker, number);
    const auto median_of = [&](Duration RecordedStep::*field) {
      return median_of_others(worker, [&](WorkerId other) { return recorded_of(other, number).*field; });
    };
    return {.upload = median_of(&RecordedStep::upload),
            .download = median_of(&RecordedStep::download),
            .answer = median_of(&RecordedStep::answer)};
  }
  const RecordedStep& recorded_of(WorkerId worker, Step number) const {
    const RecordedSteps& steps = *(*recording_)[worker.value];
    return steps[number % steps.size()];
  }

  struct StepTimes {
    Duration compute{}, delay{};
    Duration network{};  // added to the push
  };
  // Of the mini-batch that begins at this instant.
  StepTimes step_at(WorkerId worker, Step number, Instant at) {
    if (!is_like_the_others(worker)) return times_of(stragglers_, worker, number, at);
    const Duration time = median_of_others(worker, [&](WorkerId other) {
      const StepTimes step = times_of(stragglers_of_others_, other, number, at);
      return step.compute + step.delay;
    });
    const Duration network = median_of_others(
        worker, [&](WorkerId other) { return times_of(stragglers_of_others_, other, number, at).network; });
    return {.compute = std::max(Duration(1), time), .delay = {}, .network = network};
  }
  StepTimes times_of(std::vector<delay::Stragglers>& stragglers, WorkerId worker, Step number, Instant at) const {
    const delay::Slowness slowness = stragglers.empty() ? delay::Slowness() : stragglers[worker.value].at(number, at);
    if (recording_) {
      // What a slowdown made of the computing has been recorded.
      const RecordedStep& step = recorded_of(worker, number);
      return {.compute = step.compute, .delay = step.delay + slowness.compute, .network = slowness.network};
    }
    const Duration whole = runners_[worker.value].compute;
    return {.compute = slowness.factor == 1
                           ? whole
                           : Duration(std::llround(static_cast<double>(whole.count()) * slowness.factor)),
            .delay = slowness.compute,
            .network = slowness.network};
  }
  bool is_like_the_others(WorkerId worker) const { return options_.like_the_others == worker && runners_.size() > 1; }
  template <class TimeOf>
  Duration median_of_others(WorkerId worker, TimeOf time_of) const {
    std::vector<Duration> times;
    for (std::uint32_t i = 0; i < runners_.size(); ++i) {
      if (i != worker.value) times.push_back(time_of(WorkerId(i)));
    }
    return median(times);
  }

  // At most `most` mini-batches of the worker, `first` and those after it, one after the other from `at` on, as far as
  // they begin before `until`; what lies after `end` is left out. One that would take longer than `limit` is given up
  // then, and is the last.
  Steps take_steps(WorkerId worker, Step first, Instant at, Step most, Instant until, Instant end = kNever,
                   std::optional<Duration> limit = {}) {
    Steps steps;
    while (steps.taken < most && at < until && !steps.given_up) {
      auto [compute, delay, network] = step_at(worker, first + steps.taken, at);
      steps.given_up = limit && compute + delay > *limit;
      const Duration most_time = std::min(steps.given_up ? *limit : Duration::max(), end - at);
      compute = std::min(compute, most_time);
      delay = std::min(delay, most_time - compute);
      steps.compute += compute;
      steps.delay += delay;
      steps.network = network;
      ++steps.taken;
      at += compute + delay;
    }
    steps.end = at;
    return steps;
  }

  // The answer to the worker's last push will be in place at `in_place`: what it does up to its next push is known.
  void set_course(WorkerId worker, Instant in_place) {
    Runner& runner = runners_[worker.value];
    runner.phase = Phase::kOnCourse;
    runner.in_place = in_place;
    runner.first = runner.step;
    // One that would begin at this very instant is not begun: the answer is there.
    const Steps before = take_steps(worker, runner.step, runner.sent, runner.allowed, in_place);
    runner.overlapped = before.taken;
    runner.overlapped_to = before.taken > 0 ? before.end : runner.sent;
    runner.begins = std::max(in_place, runner.overlapped_to);
    const bool none_to_push = runner.overlapped == lost_steps(runner);
    const Step wanted = std::max<Step>(runner.release.local_steps, none_to_push ? 1 : 0);
    const Steps after =
        take_steps(worker, runner.step + before.taken, runner.begins, wanted, kNever, kNever, runner.release.limit);
    runner.steps = after.taken;
    runner.empty = after.given_up;
    runner.step += before.taken + after.taken;
    runner.sends = after.end;
    runner.network_delay = after.taken > 0 ? after.network : before.network;
    runner.timing = {.compute = before.compute + after.compute,
                     .delay = before.delay + after.delay,
                     .upload = {},
                     .download = in_place - runner.released};
    if (learning_) start_task(runner);
    if (recording_) {
      runner.timing.upload = recorded(worker, runner.step - 1).upload + runner.network_delay;
      plan(runner.sends + runner.timing.upload, Kind::kPush, worker);
    } else if (up_.is_free() || runner.empty) {
      // Of a push that was given up only the word goes over the network.
      runner.timing.upload = up_.latency() + runner.network_delay;
      plan(runner.sends + runner.timing.upload, Kind::kPush, worker);
    } else {
      plan(runner.sends, Kind::kUpload, worker);
    }
  }

  // Mini-batches taken before the answer came that it throws away.
  Step lost_steps(const Runner& runner) const {
    const bool loses =
        runner.release.refresh == sync::Refresh::kTake && traits_.rebase == sync::Traits::Rebase::kDiscard;
    return loses ? runner.overlapped : 0;
  }

  // The arithmetic is done while the clock goes on, and is joined when the push is due.
  void start_task(Runner& runner) {
    Task& task = *runner.task;
    task.leg = {.overlapped = runner.overlapped,
                .model = std::move(runner.snapshot),
                .steps = runner.steps,
                .pace = runner.release.pace,
                .empty = runner.empty};
    arena_.execute([&] {
      task.group.run([&task, this] {
        std::unique_ptr<learn::Workspace> workspace = workspaces_.take();
        task.loss = task.trainer.run(
            task.leg, task.push, [this] { return store_->buffer(); }, *workspace);
        task.leg.model.reset();
        workspaces_.give_back(std::move(workspace));
      });
    });
  }

  // How much of the worker's last push, hold and pull went by until `instant`, as far as they have come.
  static lead::Hidden hidden_until(const Runner& runner, Instant instant) {
    const auto part = [&](Instant from, Instant to) {
      return std::max(Duration::zero(), std::min(instant, to) - from);
    };
    const bool released = runner.phase != Phase::kHeld;
    const Instant in_place = runner.phase == Phase::kOnCourse ? runner.in_place : kNever;
    return {.push = part(runner.sent, runner.arrived),
            .wait = part(runner.arrived, released ? runner.released : kNever),
            .pull = released ? part(runner.released, in_place) : Duration::zero()};
  }

  void plan(Instant at, Kind kind, WorkerId worker) { due_.push({at, kind, worker, runners_[worker.value].life}); }

  // What the worker has done since its last push was sent, up to now.
  void cut_off(WorkerId worker) {
    const Runner& runner = runners_[worker.value];
    sync::Timing partial;
    const auto add = [&](const Steps& steps) {
      partial.compute += steps.compute;
      partial.delay += steps.delay;
      return steps.end;
    };
    const bool on_course = runner.phase == Phase::kOnCourse;
    const Step allowed = runner.phase == Phase::kHeld ? runner.release.overlap_steps : runner.allowed;
    if (runner.phase == Phase::kHeld && allowed == 0) return;
    if (runner.phase != Phase::kHeld) {
      partial.download = (on_course ? std::min(now_, runner.in_place) : now_) - runner.released;
    }
    const Instant overlapped_to = add(take_steps(worker, on_course ? runner.first : runner.step, runner.sent, allowed,
                                                 on_course ? std::min(now_, runner.in_place) : now_, now_));
    const lead::Hidden hidden = hidden_until(runner, overlapped_to);
    if (on_course) {
      add(take_steps(worker, runner.first + runner.overlapped, runner.begins, runner.steps, now_,
                     std::min(now_, runner.sends)));
      if (now_ > runner.sends) {
        const Instant computed_to =
            add(take_steps(worker, runner.step, runner.sends, runner.release.overlap_steps, now_, now_));
        partial.upload = now_ - computed_to;
      }
    }
    lead_.cut_off(worker, partial, {}, hidden);
  }

  // Has somebody interrupted (an event may be a long computation); now and then: is it time to tell how far it is.
  void look_around() {
    if (options_.interrupted && *options_.interrupted) return lead_.stop(now_, "interrupted");
    if (++events_ % 64 != 0 || !options_.progress) return;
    const auto wall = std::chrono::steady_clock::now();
    if (wall < next_progress_) return;
    next_progress_ = wall + std::chrono::milliseconds(200);
    options_.progress(lead_.progress(now_));
  }

  std::size_t batch_size_;
  lead::Lead& lead_;
  std::vector<delay::Stragglers> stragglers_;            // none: no delays besides those of the recording
  std::vector<delay::Stragglers> stragglers_of_others_;  // asked for another worker's mini-batches
  const Recording* recording_;                           // null: times follow the laws alone
  Learning* learning_;
  Options options_;
  sync::Traits traits_;
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
  std::vector<learn::Range> shards_;  // of every server
  learn::Workspaces workspaces_;
  std::deque<std::unique_ptr<Look>> looks_;
  std::uint64_t events_ = 0;
  std::chrono::steady_clock::time_point next_progress_{};
};

Simulator::Simulator(const SimConfig& config, std::size_t batch_size, lead::Lead& lead,
                     std::vector<delay::Stragglers> stragglers, Learning* learning, Options options)
    : world_(std::make_unique<World>(config, batch_size, lead, std::move(stragglers), nullptr, learning,
                                     std::move(options))) {}

Simulator::Simulator(const Recording& recording, std::size_t batch_size, lead::Lead& lead,
                     std::vector<delay::Stragglers> stragglers, Options options)
    : world_(std::make_unique<World>(SimConfig(), batch_size, lead, std::move(stragglers), &recording, nullptr,
                                     std::move(options))) {}

Simulator::~Simulator() = default;

void Simulator::run() { world_->run(); }

learn::Snapshot Simulator::model() const { return world_->model(); }

std::size_t Simulator::tensors() const { return world_->tensors(); }

std::string Simulator::model_digest() const {
  const learn::Snapshot snapshot = model();
  return snapshot ? sha256(std::as_bytes(snapshot->values())) : std::string();
}

}  // namespace psctl::sim
