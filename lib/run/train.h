// One run from start to end, in the world that its configuration names.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "config/run_config.h"
#include "lead/lead.h"
#include "run/workbench.h"

namespace psctl::run {

struct Request {
  config::RunConfig config;
  std::vector<std::string> overrides;  // for the record
  std::string out = "results";
  std::string folder = {};    // of the run itself, which may be there; empty: a new one in `out`
  bool replace = false;      // with folder: a run that has ended there is replaced
  std::string prepared = {};  // as Workbench takes it
  std::size_t threads = 0;    // that a virtual run computes on; 0: as many as there are cores
  std::function<void(const lead::Progress&)> progress;  // a few times a second
  std::function<void(const std::string&)> notice = {};  // before the run: how the configuration was read
  const std::atomic<bool>* interrupted = nullptr;       // becomes true: end the run, keep what is there
};

struct Report {
  std::string folder;
  std::string status;   // done | interrupted
  std::string summary;  // summary.json's text
};

// What a run refuses before it writes or starts anything: throws UserError.
void check(const Workbench& bench);

// Throws UserError before anything is written or started; WorldError or InternalError when the run failed: what was
// written so far stays, and the summary says `failed`.
Report train(const Request& request);

}  // namespace psctl::run
