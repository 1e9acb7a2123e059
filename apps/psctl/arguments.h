// Command lines: cxxopts for every verb, with its errors told as ours.
#pragma once

#include <atomic>
#include <cxxopts.hpp>
#include <string>
#include <vector>

namespace psctl::app {

// Parses; on --help prints the help with the examples and sets `helped`. Throws UserError for what it does not know.
struct Parsed {
  cxxopts::ParseResult options;
  bool helped = false;
};
Parsed parse(cxxopts::Options& options, const std::string& examples, int argc, char** argv);

// Set by SIGINT and SIGTERM from now on; sleeps are interrupted.
const std::atomic<bool>& catch_signals();

// For a process that another one started: dies with it. No effect for `parent` 0.
void die_with(long parent);

}  // namespace psctl::app
