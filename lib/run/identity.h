// What makes a process one of a run: the run's id and token, and digests of what all of its processes must agree on.
#pragma once

#include <string>

#include "rpc/patience.h"
#include "run/workbench.h"

namespace psctl::run {

// Of the environment: the token of a run, from whoever starts its processes.
inline constexpr const char* kTokenVariable = "PSCTL_RUN_TOKEN";

// The digests are of everything that shapes the result: of the configuration but for names, paths, addresses, limits
// and what is written; of the content of the data and of delay traces. The token is the environment's.
rpc::Identity identity_of(const Workbench& bench, const std::string& run);

// 32 hexadecimal digits that nobody can guess.
std::string random_token();

rpc::Patience patience_of(const config::RunConfig& config);

}  // namespace psctl::run
