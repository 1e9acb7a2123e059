#include "run/replay.h"

#include <algorithm>
#include <array>
#include <deque>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gnu/libc-version.h>
#include <iterator>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/sha256.h"
#include "config/config.h"
#include "config/json.h"
#include "learn/model.h"
#include "learn/model_store.h"
#include "learn/trainer.h"
#include "run/workbench.h"
#include "trace/decision_reader.h"

namespace psctl::run {
namespace {

using nlohmann::json;
using trace::LoggedRow;

// The first difference between the log and what was recomputed.
class Difference : public WorldError {
 public:
  Difference(std::uint64_t line, const std::string& what)
      : WorldError(fmt::format("decisions.csv:{}: {}", line, what)) {}
  using WorldError::WorldError;
};

// What the log says of the pushes to come: a worker's arithmetic begins at its release, long before its push is due.
class Preview {
 public:
  struct Push {
    std::uint32_t steps = 0, overlapped = 0, lost = 0;
    bool empty = false;
  };

  Preview(trace::DecisionReader& log, std::size_t workers) : pushes_(workers), given_(workers), leaves_(workers) {
    while (const std::optional<LoggedRow> row = log.next()) {
      if (row->worker.value >= workers) continue;  // told when the comparison comes to it
      if (row->kind == LoggedRow::Kind::kLeft) leaves_[row->worker.value] = true;
      if (row->kind != LoggedRow::Kind::kPushed) continue;
      const sync::Pushed& push = row->push;
      pushes_[row->worker.value].push_back({.steps = static_cast<std::uint32_t>(push.steps),
                                            .overlapped = static_cast<std::uint32_t>(push.overlapped),
                                            .lost = static_cast<std::uint32_t>(push.lost),
                                            .empty = push.empty});
    }
    log.rewind();
  }

  // The worker's next push; none: the log has no more. Each is given once.
  std::optional<Push> next_push(WorkerId worker) {
    const std::vector<Push>& pushes = pushes_[worker.value];
    std::size_t& given = given_[worker.value];
    return given < pushes.size() ? std::optional(pushes[given++]) : std::nullopt;
  }
  bool leaves(WorkerId worker) const { return leaves_[worker.value]; }

 private:
  std::vector<std::vector<Push>> pushes_;  // of each worker
  std::vector<std::size_t> given_;         // of those
  std::vector<bool> leaves_;
};

// The tensors of a run: executes the lead's orders, and computes each push on oneTBB from its release on.
class Arithmetic {
 public:
  Arithmetic(const Workbench& bench, const lead::Lead& lead, Preview& preview)
      : lead_(lead),
        preview_(preview),
        traits_(lead.strategy().traits()),
        arena_(static_cast<int>(threads())),
        parallelism_(oneapi::tbb::global_control::max_allowed_parallelism, threads()) {
    std::vector<float> initial(bench.parameters());
    bench.model().initialise(initial, bench.config().seed);
    store_.emplace(bench.config().optimizer, initial, traits_.kind);
    if (lead.setup().update_time > Duration::zero()) store_->keep_versions();
    for (data::BatchOrder& batches : bench.batches()) {
      Runner& runner = runners_.emplace_back();
      runner.trainer = std::make_unique<learn::Trainer>(bench.model(), *bench.splits().train, std::move(batches),
                                                        bench.config().optimizer, traits_, bench.pushes_coordinates());
    }
  }
  ~Arithmetic() {
    for (Runner& runner : runners_) {
      if (!runner.task) continue;
      try {
        arena_.execute([&] { runner.task->wait(); });
      } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): nobody wants this push any more
      }
    }
  }
  Arithmetic(const Arithmetic&) = delete;
  Arithmetic& operator=(const Arithmetic&) = delete;

  void execute(std::span<const lead::Order> orders) {
    for (const lead::Order& order : orders) {
      lead::execute(order, *store_);
      if (const auto* accept = std::get_if<lead::Accept>(&order.what)) {
        carry_out(*accept);
      } else if (const auto* release = std::get_if<lead::Release>(&order.what)) {
        carry_out(*release);
      } else if (std::holds_alternative<lead::Update>(order.what)) {
        store_->forget_before(lead_.made());
      }
    }
  }

  // The mean loss of the push that is due now; none: no such push can follow its worker's last release.
  std::optional<double> finish(WorkerId worker) {
    if (worker.value >= runners_.size()) return std::nullopt;
    Runner& runner = runners_[worker.value];
    if (!runner.task) return std::nullopt;
    arena_.execute([&] { runner.task->wait(); });
    runner.task.reset();
    return runner.loss;
  }

  std::string model_digest() const { return sha256(std::as_bytes(store_->snapshot(lead_.made())->values())); }

 private:
  struct Runner {
    std::unique_ptr<learn::Trainer> trainer;
    std::unique_ptr<oneapi::tbb::task_group> task;  // null: it computes no push
    learn::Push push;
    double loss = 0;
  };

  static std::size_t threads() { return std::max(1U, std::thread::hardware_concurrency()); }

  void carry_out(const lead::Accept& accept) {
    learn::Push push = std::exchange(runners_[accept.worker.value].push, {});
    store_->accept(accept.push, accept.worker, accept.empty ? learn::Push() : std::move(push));
  }
  void carry_out(const lead::Release& release) {
    const bool take = release.refresh == sync::Refresh::kTake;
    Runner& runner = runners_[release.worker.value];
    const std::optional<Preview::Push> push = preview_.next_push(release.worker);
    if (!push || !possible(*push, release)) return;
    start(runner, {.overlapped = push->overlapped,
                   .model = take ? store_->snapshot() : nullptr,
                   .steps = Step{push->steps} + push->lost - push->overlapped,
                   .pace = release.pace,
                   .empty = push->empty});
  }

  // What the log says of a push must not make us compute what no worker can have computed.
  bool possible(const Preview::Push& push, const lead::Release& release) const {
    const Step taken = Step{push.steps} + push.lost;
    if (push.steps < 1 || push.overlapped > taken) return false;
    if (push.overlapped > lead_.cluster().worker(release.worker).overlap_allowed) return false;
    if (taken - push.overlapped > std::max<Step>(1, release.local_steps)) return false;
    if (push.empty && taken == push.overlapped) return false;
    const bool discards = release.refresh == sync::Refresh::kTake && traits_.rebase == sync::Traits::Rebase::kDiscard;
    return push.lost == (discards ? push.overlapped : 0);
  }

  void start(Runner& runner, const learn::Leg& leg) {
    runner.task = std::make_unique<oneapi::tbb::task_group>();
    arena_.execute([&] {
      runner.task->run([this, &runner, leg] {
        std::unique_ptr<learn::Workspace> workspace = workspaces_.take();
        runner.loss = runner.trainer->run(
            leg, runner.push, [this] { return store_->buffer(); }, *workspace);
        workspaces_.give_back(std::move(workspace));
      });
    });
  }

  const lead::Lead& lead_;
  Preview& preview_;
  sync::Traits traits_;
  oneapi::tbb::task_arena arena_;
  oneapi::tbb::global_control parallelism_;
  std::optional<learn::ModelStore> store_;
  learn::Workspaces workspaces_;
  std::deque<Runner> runners_;  // tasks hold on to them
};

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw UserError(fmt::format("cannot read {}", path));
  return {std::istreambuf_iterator<char>(file), {}};
}

// A string of a JSON object; empty if it is not there.
std::string word(const json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

config::RunConfig configuration(const ReplayRequest& request) {
  const std::string& folder = request.folder;
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    throw UserError(fmt::format("{} is not there, or no folder; name the folder of a run", folder));
  }
  for (const char* name : {"config.yaml", "made.json"}) {
    if (!std::filesystem::is_regular_file(folder + "/" + name, error)) {
      throw UserError(fmt::format("{} has no {}: it is not the folder of a run", folder, name));
    }
  }
  config::RunConfig config = config::load_file(folder + "/config.yaml").run;
  if (!request.data.empty()) {
    config.data.source = {request.data};
    if (data::is_prepared(request.data))
      config.data.import = {}, config.data.test.files = config.data.validation.files = {};
  }
  if (!config.trace.decisions) {
    throw UserError(
        fmt::format("the run in {} kept no decision log (trace.decisions: false), there is nothing to replay", folder));
  }
  if (!std::filesystem::is_regular_file(folder + "/decisions.csv", error)) {
    throw UserError(fmt::format("{} has no decisions.csv, there is nothing to replay", folder));
  }
  return config;
}

// Whether the data are those of the run, and what else is not as it was.
void check_origin(const ReplayRequest& request, const Workbench& bench) {
  const std::string path = request.folder + "/made.json";
  const json made = config::parse_json(read_whole(path));
  if (!made.is_object()) throw UserError(fmt::format("{} is not what psctl wrote: it is no JSON object", path));
  if (!bench.timing_only()) {
    const json digests = made.value("data_sha256", json());
    for (const auto& [part, data] : {std::pair("train", bench.splits().train), {"test", bench.splits().test}}) {
      const std::string then = word(digests, part);
      if (then.empty())
        throw UserError(fmt::format("{} is not what psctl wrote: data_sha256.{} is missing", path, part));
      const std::string now = data->digest();
      if (then != now) {
        throw Difference(fmt::format("wrong data: the {} samples of {} have the digest {}, the run's had {}", part,
                                     data::name_of(bench.config().data.source), now, then));
      }
    }
  }
  std::string what;
  if (word(made, "binary_sha256") != sha256_of_file("/proc/self/exe")) what = "another build of psctl";
  for (const auto& [name, now] :
       {std::pair("blas_core", learn::blas_core_name()), {"libc", std::string(::gnu_get_libc_version())}}) {
    const std::string then = word(made, name);
    if (then != now) what += fmt::format("{}{} {} in place of {}", what.empty() ? "" : ", ", name, now, then);
  }
  if (!what.empty() && request.notice) {
    request.notice(fmt::format("{}: this is {}; equal bits are promised for one build on one type of CPU only",
                               request.folder, what));
  }
}

// One replay, from the first row to the last.
class Replay {
 public:
  Replay(const ReplayRequest& request, const Workbench& bench)
      : request_(request),
        log_(request.folder + "/decisions.csv"),
        preview_(log_, bench.config().cluster.workers),
        lead_(setup(bench), bench.strategy()) {
    if (!bench.timing_only()) arithmetic_.emplace(bench, lead_, preview_);
    samples_per_step_ = bench.config().data.batch_size;
    result_.has_model = arithmetic_.has_value();
  }

  Replayed run() {
    try {
      peek();
      if (logged_) follow();
    } catch (const Difference& difference) {
      result_.difference = difference.what();
      return result_;
    }
    if (result_.interrupted) return result_;
    if (!stop_compared_) {
      result_.unproved = fmt::format(
          "the log ends {} line {} and has no `stop`: the run was killed, still goes on, or "
          "its log was cut; without a stop there is no model_digest",
          log_.torn() ? "within" : "after", log_.torn() ? log_.line() + 1 : log_.line());
    } else {
      compare_digests();
    }
    return result_;
  }

 private:
  // The run's own, but that nobody looks at a model: what a look decided stands in the log.
  lead::Setup setup(const Workbench& bench) {
    lead::Setup setup = bench.lead_setup({});
    setup.evaluate = {};
    setup.checkpoint_every_updates = 0;
    setup.trace = {.steps = false, .decisions = true, .timeline = false};
    setup.decisions = [this](std::string_view line) {
      produced_.emplace_back(line.substr(std::min(line.size(), line.find(',') + 1)));
    };
    return setup;
  }

  void follow() {
    // A run that stopped before its start gate has nothing else.
    if (logged_->kind != LoggedRow::Kind::kStop) step([this] { carry_out(lead_.start(Instant{})); });
    while (logged_ && !lead_.stopped() && !result_.interrupted) {
      step([this] { feed(); });
      if (request_.progress) {
        request_.progress(static_cast<double>(log_.position()) / static_cast<double>(log_.size()));
      }
      result_.interrupted = request_.interrupted && *request_.interrupted;
    }
    if (lead_.stopped() && logged_) differ(fmt::format("the log has {} after the stop", logged_->name()));
  }

  template <class Cause>
  void step(Cause cause) {
    try {
      cause();
    } catch (const sync::ProtocolError& error) {
      differ(error.what());
    } catch (const sync::StrategyFault& error) {
      differ(error.what());
    }
    compare();
  }

  // Makes happen what the next row of the log says, which the lead has not made by itself.
  void feed() {
    const LoggedRow& row = *logged_;
    pass_by(row.at);
    if (!produced_.empty() || lead_.stopped()) return;  // the log goes on
    switch (row.kind) {
      case LoggedRow::Kind::kPushed:
        return push(row);
      case LoggedRow::Kind::kJoined:
      case LoggedRow::Kind::kLeft:
      case LoggedRow::Kind::kWoke:
        return ring(row);
      case LoggedRow::Kind::kStop:
        return stop(row);
      default:
        differ(fmt::format("the log has {}, which the recomputed run does not decide here", row.name()));
    }
  }

  void push(const LoggedRow& row) {
    const sync::Pushed& push = row.push;
    lead::PushReport report{.worker = push.worker,
                            .steps = push.steps,
                            .empty = push.empty,
                            .overlapped = push.overlapped,
                            .lost = push.lost,
                            .timing = push.timing,
                            .samples = samples_per_step_ * push.steps};
    if (arithmetic_) {
      const std::optional<double> loss = arithmetic_->finish(push.worker);
      if (!loss)
        differ(fmt::format("the log has {}, which cannot follow what that worker was released for", row.name()));
      report.loss = *loss;
    }
    carry_out(lead_.pushed(row.at, report));
  }

  // Alarms that make no row ring on the way.
  void ring(const LoggedRow& row) {
    while (produced_.empty()) {
      const std::optional<lead::Alarm> alarm = lead_.next_alarm();
      if (!alarm || alarm->at > row.at) {
        differ(fmt::format("the log has {} here, and the recomputed run has no reason for it", row.name()));
      }
      carry_out(lead_.ring(row.at));
    }
  }

  void stop(const LoggedRow& row) {
    const lead::StopConfig& configured = lead_.setup().stop;
    const std::string reason = row.detail();
    while (produced_.empty() && lead_.made() < row.version && next_is_update(row.at)) carry_out(lead_.ring(row.at));
    if (!produced_.empty()) return;
    // Reasons that the lead finds by itself. All others come from an evaluation or from outside, and go before a stop that
    // is due at the same instant.
    constexpr std::array<std::string_view, 7> kFound = {
        "time_s", "updates", "epochs", "samples", "steps_per_worker", "everyone left", "every step given up"};
    const bool from_outside = (reason != "target_accuracy" || configured.target_accuracy) &&
                              (reason != "plateau" || configured.plateau) && (reason != "diverged" || arithmetic_) &&
                              std::ranges::find(kFound, reason) == kFound.end();
    if (from_outside) return lead_.stop(row.at, reason);
    const std::optional<lead::Alarm> alarm = lead_.next_alarm();
    if (alarm && alarm->kind == lead::AlarmKind::kStop && alarm->at <= row.at) return ring(row);
    differ(fmt::format("the log stops here for {}, the recomputed run has no reason to", reason));
  }

  bool next_is_update(Instant until) const {
    const std::optional<lead::Alarm> alarm = lead_.next_alarm();
    return alarm && alarm->kind == lead::AlarmKind::kUpdated && alarm->at <= until;
  }

  // What happens before a row: the stop, after which there is none; and what leaves no row: an update is done, before
  // what comes later; a planned leave of a worker that is not there.
  void pass_by(Instant now) {
    while (produced_.empty()) {
      if (next_is_update(now - Duration(1))) {
        carry_out(lead_.ring(lead_.next_alarm()->at));
        continue;
      }
      const std::optional<lead::Alarm> alarm = lead_.next_alarm();
      if (!alarm || alarm->at > now) return;
      if (alarm->kind == lead::AlarmKind::kStop && alarm->at < now) {
        // A real clock rings late: at the instant that the log has.
        if (logged_->kind == LoggedRow::Kind::kStop && !lead_.setup().virtual_clock) return;
        lead_.ring(alarm->at);
        return;
      }
      if (alarm->kind != lead::AlarmKind::kLeave || lead_.present(alarm->worker)) return;
      // It may yet join at this instant, and leave then.
      if (alarm->at == now && lead_.expected(alarm->worker) && preview_.leaves(alarm->worker)) return;
      carry_out(lead_.ring(now));
    }
  }

  void carry_out(std::span<const lead::Order> orders) {
    if (arithmetic_) arithmetic_->execute(orders);
  }

  // What the lead has made, row by row, with what the log says.
  void compare() {
    for (const std::string& row : std::exchange(produced_, {})) {
      if (!logged_) return;  // a log that was cut
      if (logged_->text != row) differ(trace::first_difference(logged_->text, row));
      if (logged_->event()) ++result_.events;
      stop_compared_ = logged_->kind == LoggedRow::Kind::kStop;
      if (!logged_->event() && !stop_compared_) ++result_.decisions;
      peek();
    }
  }

  // The sequence has gaps, for looks are numbered too.
  void peek() {
    const std::uint64_t before = logged_ ? logged_->sequence : 0;
    logged_ = log_.next();
    if (logged_ && logged_->sequence <= before) {
      differ(fmt::format("{}: sequence is {} in the log, after {}", logged_->name(), logged_->sequence, before));
    }
  }

  [[noreturn]] void differ(const std::string& what) const { throw Difference(logged_->line, what); }

  void compare_digests() {
    const std::string path = request_.folder + "/summary.json";
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      result_.unproved = "there is no summary.json: the run was killed before its end";
      return;
    }
    const json summary = config::parse_json(std::string(std::istreambuf_iterator<char>(file), {}));
    if (!summary.is_object()) {
      result_.difference = "summary.json is not what psctl wrote: it is no JSON object";
      return;
    }
    if (word(summary, "status") == "failed") {
      result_.unproved = fmt::format("equal up to its stop, but the run failed: {}", word(summary, "error"));
      return;
    }
    if (!arithmetic_) return;
    const std::string then = word(summary, "model_digest"), now = arithmetic_->model_digest();
    if (then.empty()) {
      result_.unproved = fmt::format("equal up to its stop, but summary.json has no model_digest: the run is {}",
                                     word(summary, "status"));
    } else if (then != now) {
      result_.difference = fmt::format("summary.json: model_digest is {} in the run, {} recomputed", then, now);
    } else {
      result_.model_digest = now;
    }
  }

  const ReplayRequest& request_;
  Replayed result_;
  trace::DecisionReader log_;
  Preview preview_;
  std::vector<std::string> produced_;  // rows that the lead has made, not yet compared
  std::optional<LoggedRow> logged_;    // the next row of the log
  lead::Lead lead_;
  std::optional<Arithmetic> arithmetic_;
  std::uint64_t samples_per_step_ = 0;
  bool stop_compared_ = false;
};

}  // namespace

Replayed replay(const ReplayRequest& request) {
  const Workbench bench(configuration(request));
  for (const std::string& notice : bench.data().notices) {
    if (request.notice) request.notice(notice);
  }
  try {
    check_origin(request, bench);
  } catch (const Difference& difference) {
    return {.difference = difference.what()};
  }
  return Replay(request, bench).run();
}

}  // namespace psctl::run
