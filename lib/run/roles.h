// The processes of a real run: what `psctl server`, `psctl worker` and `psctl evaluator` do.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include "config/run_config.h"

namespace psctl::run {

// What all roles share.
struct RoleSetup {
  config::RunConfig config;
  std::string prepared;  // as Workbench takes it
  std::string run;       // id of the run; its token is in the environment
};

struct ServerRole : RoleSetup {
  std::size_t rank = 0;
  std::string listen;               // "unix:name" or "host:port"
  std::vector<std::string> others;  // rank 0: addresses of servers 1, 2, ...
  std::string folder;               // rank 0: where the account goes
};
// Rank 0 ends with the run and writes its summary; throws WorldError, saying why, if the run failed.
void serve(const ServerRole& role, const std::atomic<bool>& terminated);

struct WorkerRole : RoleSetup {
  std::size_t worker = 0;
  std::vector<std::string> servers;  // rank 0 first
};
void work(const WorkerRole& role, const std::atomic<bool>& terminated);

struct EvaluatorRole : RoleSetup {
  std::vector<std::string> servers;
  std::string folder;  // where the last model goes, with model.save: final
};
void evaluate(const EvaluatorRole& role, const std::atomic<bool>& terminated);

}  // namespace psctl::run
