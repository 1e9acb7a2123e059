// Every key of a configuration, declared once.
#pragma once

#include "config/run_config.h"
#include "config/section.h"

namespace psctl::config {

const SectionOf<RunConfig>& root_section();

// Limits that depend on the clock: a real worker is a process, a virtual one is not.
constexpr std::size_t kMostWorkers = 65536;
constexpr std::size_t kMostRealWorkers = 512;

}  // namespace psctl::config
