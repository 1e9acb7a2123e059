// Command lines: cxxopts for every verb, with its errors told as ours.
#pragma once

// An override may hold a list: values are not to be cut at commas.
#define CXXOPTS_VECTOR_DELIMITER '\0'

#include <atomic>
#include <string>
#include <vector>

// A comma is part of an argument: strategy={name: ssp, staleness: 1} is one.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <cxxopts.hpp>

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
