#include "run/roles.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <thread>

#include "base/error.h"
#include "learn/evaluator.h"
#include "rpc/evaluation.h"
#include "rpc/lead_server.h"
#include "rpc/shard_server.h"
#include "rpc/worker.h"
#include "run/folder.h"
#include "run/identity.h"
#include "run/workbench.h"

namespace psctl::run {
namespace {

std::vector<rpc::Address> parse(const std::vector<std::string>& texts) {
  std::vector<rpc::Address> addresses;
  for (const std::string& text : texts) addresses.push_back(rpc::Address::parse(text));
  return addresses;
}

void check_servers(std::size_t given, const config::RunConfig& config) {
  if (given != config.cluster.servers) {
    throw UserError(
        fmt::format("the configuration has {} servers, the command line names {}", config.cluster.servers, given));
  }
}

// Who was not let in; in the log of the run where the launcher made one, else on standard output.
void tell_turned_away(const std::string& what) { spdlog::warn("{}", what); }

}  // namespace

void serve(const ServerRole& role, const std::atomic<bool>& terminated) {
  const std::size_t servers = role.config.cluster.servers;
  if (role.rank >= servers) throw UserError(fmt::format("there is no server {}, there are {}", role.rank, servers));
  if (role.rank == 0) check_servers(1 + role.others.size(), role.config);
  const Workbench bench(role.config, role.prepared);
  const std::size_t parameters = bench.parameters();
  const learn::Range range = learn::shard(parameters, servers, role.rank);
  std::vector<float> initial(parameters);
  bench.model().initialise(initial, role.config.seed);
  rpc::Shard shard(role.config.optimizer, std::span(initial).subspan(range.begin, range.size),
                   role.config.cluster.workers, bench.strategy()->traits().kind, range.begin);
  initial = {};
  const rpc::Address listen = rpc::Address::parse(role.listen);
  if (role.rank > 0) {
    rpc::serve_shard({.listen = listen,
                      .rank = role.rank,
                      .servers = servers,
                      .parameters = parameters,
                      .range = range,
                      .workers = role.config.cluster.workers,
                      .identity = identity_of(bench, role.run),
                      .patience = patience_of(role.config),
                      .report = tell_turned_away},
                     shard, terminated, [](const rpc::Address&) {});
    return;
  }
  lead::Lead lead(bench.lead_setup(role.folder), bench.strategy());
  rpc::LeadServer server({.listen = listen,
                          .others = parse(role.others),
                          .workers = role.config.cluster.workers,
                          .parameters = parameters,
                          .range = range,
                          .cores = std::max(1U, std::thread::hardware_concurrency()),
                          .identity = identity_of(bench, role.run),
                          .patience = patience_of(role.config),
                          .report = tell_turned_away},
                         lead, shard);
  const lead::Ending ending = server.run(terminated);
  lead.finish(ending);
  if (!ending.error.empty() && server.peer_failed()) throw rpc::PeerError(ending.error);
  if (!ending.error.empty()) throw WorldError(ending.error);
}

void work(const WorkerRole& role, const std::atomic<bool>& terminated) {
  const std::size_t workers = role.config.cluster.workers;
  if (role.worker >= workers) throw UserError(fmt::format("there is no worker {}, there are {}", role.worker, workers));
  check_servers(role.servers.size(), role.config);
  const Workbench bench(role.config, role.prepared);
  const WorkerId id(static_cast<std::uint32_t>(role.worker));
  rpc::work({.id = id,
             .servers = parse(role.servers),
             .workers = workers,
             .threads = role.config.cluster.threads_per_worker,
             .host = host_name(),
             .traits = bench.strategy()->traits(),
             .optimizer = role.config.optimizer,
             .coordinates = bench.pushes_coordinates(),
             .identity = identity_of(bench, role.run),
             .patience = patience_of(role.config)},
            bench.model(), *bench.splits().train, bench.batches()[role.worker],
            std::move(bench.stragglers()[role.worker]), terminated);
}

void evaluate(const EvaluatorRole& role, const std::atomic<bool>& terminated) {
  check_servers(role.servers.size(), role.config);
  const Workbench bench(role.config, role.prepared);
  const learn::Evaluator evaluator(bench.model(), bench.splits(), role.config.seed, role.config.evaluate.on);
  std::string unsaved;  // the run goes on, and has its account, where the disk is full
  const auto keep = [&](std::optional<Version> version, std::span<const float> parameters) {
    const bool wanted = version || role.config.model.save == learn::Save::kFinal;
    if (!wanted || role.folder.empty()) return;
    try {
      save_model(role.folder, parameters, version);
    } catch (const WorldError& error) {
      if (unsaved.empty()) unsaved = error.what();
    }
  };
  rpc::evaluate(
      {.servers = parse(role.servers), .identity = identity_of(bench, role.run), .patience = patience_of(role.config)},
      bench.model(), evaluator, keep, terminated);
  if (!unsaved.empty()) throw WorldError(unsaved);
}

}  // namespace psctl::run
