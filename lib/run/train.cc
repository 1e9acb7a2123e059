#include "run/train.h"

#include <filesystem>
#include <fmt/format.h>
#include <netdb.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "learn/model_store.h"
#include "rpc/transport.h"
#include "run/folder.h"
#include "run/identity.h"
#include "run/launcher.h"
#include "run/workbench.h"
#include "sim/simulator.h"

namespace psctl::run {
namespace {

Report train_virtually(const Request& request, const Workbench& bench, const std::string& folder) {
  const config::RunConfig& config = request.config;
  lead::Lead lead(bench.lead_setup(folder), bench.strategy());
  std::optional<learn::Evaluator> evaluator;
  std::optional<sim::Learning> learning;
  if (!bench.timing_only()) {
    evaluator.emplace(bench.model(), bench.splits(), config.seed, config.evaluate.on);
    learning.emplace(sim::Learning{bench.model(), bench.splits(), *evaluator, config.optimizer, bench.batches(),
                                   config.seed, bench.pushes_coordinates()});
  }
  lead::Ending ending;
  sim::Simulator simulator(
      config.simulation, config.data.batch_size, lead, bench.stragglers(), learning ? &*learning : nullptr,
      {.threads = request.threads > 0 ? request.threads : std::max(1U, std::thread::hardware_concurrency()),
       .wait_for_evaluations = config.stop.target_accuracy || config.stop.plateau,
       .interrupted = request.interrupted,
       .progress = request.progress,
       .keep = [&](Version version, std::span<const float> parameters) { save_model(folder, parameters, version); }});
  try {
    simulator.run();
  } catch (const std::exception& error) {
    lead.finish({.status = "failed", .error = error.what(), .model_digest = {}, .disturbed = {}, .disturbance = {}});
    throw;
  }
  if (lead.stop_reason() == "interrupted") ending.status = "interrupted";
  ending.model_digest = simulator.model_digest();
  ending.disturbed = false;
  ending.error = lead.failure();
  try {
    if (config.model.save == learn::Save::kFinal && simulator.model()) save_model(folder, simulator.model()->values());
  } catch (const WorldError& error) {
    if (ending.error.empty()) ending.error = error.what();
  }
  if (!ending.error.empty()) ending.status = "failed";
  const std::string summary = lead.finish(ending);
  if (!ending.error.empty()) {
    throw WorldError(fmt::format("{}\n  what there is of the run is in {}", ending.error, folder));
  }
  return {.folder = folder, .status = ending.status, .summary = summary};
}

// What psctl says of this run from now on stands in psctl.log, beside what its processes say.
void log_to(const std::string& folder) {
  auto log = std::make_shared<spdlog::logger>(
      "run", std::make_shared<spdlog::sinks::basic_file_sink_mt>(folder + "/psctl.log"));
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  log->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(log));
}

// A run of its own, which no process of another one can join.
rpc::Identity identity_for(const std::string& folder, const Workbench& bench) {
  const std::string name = std::filesystem::path(folder).filename();
  rpc::Identity identity = identity_of(bench, fmt::format("{}-{:.8}", name, random_token()));
  identity.token = random_token();
  return identity;
}

// Whether a socket of this machine can have this address.
bool is_of_this_machine(std::string name) {
  if (name.starts_with('[')) name = name.substr(1, name.size() - 2);
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(name.c_str(), nullptr, &wanted, &found) != 0) return false;
  bool bound = false;
  for (const addrinfo* each = found; each && !bound; each = each->ai_next) {
    const int socket = ::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) continue;
    bound = ::bind(socket, each->ai_addr, each->ai_addrlen) == 0;
    ::close(socket);
  }
  ::freeaddrinfo(found);
  return bound;
}

void check_addresses(const lead::ClusterConfig& cluster) {
  const auto check = [](const std::string& key, const std::string& name) {
    if (is_of_this_machine(name)) return;
    throw UserError(fmt::format(
        "{}: {} is no address of this machine, and every process of the run starts here; name an address of "
        "this machine, or start the processes by hand (psctl server, psctl worker)",
        key, name));
  };
  if (!cluster.bind.empty()) check("cluster.bind", cluster.bind);
  for (std::size_t i = 0; i < cluster.hosts.size(); ++i) {
    check(fmt::format("cluster.hosts.{}", i), cluster.hosts[i].substr(0, cluster.hosts[i].rfind(':')));
  }
}

}  // namespace

void check(const Workbench& bench) {
  if (!bench.timing_only()) bench.batches();           // a partition without one full batch
  bench.stragglers();                                  // a trace that cannot be read
  bench.strategy();                                    // a strategy that cannot be made of what there is
  if (bench.config().clock == config::Clock::kReal) {  // a model that its servers could not send
    check_addresses(bench.config().cluster);
    const std::size_t servers = bench.config().cluster.servers;
    rpc::check_tensor_bytes(learn::shard(bench.parameters(), servers, 0).size * sizeof(float));
  }
}

Report train(const Request& request) {
  const Workbench bench(request.config, request.prepared);
  check(bench);
  const std::string folder =
      request.folder.empty() ? make_folder(request.out, request.config.name) : use_folder(request.folder);
  const FolderLock lock(folder);
  if (!request.folder.empty()) remove_earlier_run(folder, request.replace);
  write_origin(folder, bench, request.overrides);
  log_to(folder);
  const bool real = request.config.clock == config::Clock::kReal;
  for (const std::string& notice : bench.notices()) {
    spdlog::info("{}", notice);
    if (request.notice) request.notice(notice);
  }
  spdlog::info("{} on the {} clock, {} workers, seed {}", request.config.strategy.name, real ? "real" : "virtual",
               request.config.cluster.workers, request.config.seed);
  try {
    Report report = real ? train_with_processes(request, folder, bench.data().path, identity_for(folder, bench))
                         : train_virtually(request, bench, folder);
    spdlog::info("{}", report.status);
    return report;
  } catch (const Error& error) {
    spdlog::error("{}", error.what());
    throw;
  }
}

}  // namespace psctl::run
