// The real world's beginning and end: starts server, worker and evaluator processes on this host, watches them, and
// leaves none behind.
#pragma once

#include <string>

#include "rpc/transport.h"
#include "run/train.h"

namespace psctl::run {

// `folder` already holds config.yaml; `prepared` is the prepared file of the data, which every process opens. Throws
// WorldError when a process dies or the run fails otherwise.
Report train_with_processes(const Request& request, const std::string& folder, const std::string& prepared,
                            const rpc::Identity& identity);

}  // namespace psctl::run
