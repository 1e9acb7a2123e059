// Every key of a configuration, declared once.
#pragma once

#include "config/run_config.h"
#include "config/section.h"

namespace psctl::config {

const SectionOf<RunConfig>& root_section();

// A real worker is a process.
constexpr std::size_t kMostRealWorkers = 512;

}  // namespace psctl::config
