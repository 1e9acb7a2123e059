// Command lines of the verbs, with every error told as ours. Signals and parents of processes, too.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cxxopts {
class ParseResult;
}

namespace psctl::app {

struct Option {
  enum class Kind { kFlag, kWord, kNumber, kWords };  // kNumber: whole, from 0; kWords: may be given many times
  const char* name;  // "output", or "o,output" where a letter may stand for it; asked for by the long one
  Kind kind;
  const char* help;
  const char* default_value = nullptr;
  bool required = false;
  bool internal = false;  // between processes of psctl: --help leaves it out
};

struct Usage {
  std::string program;      // "psctl train"
  std::string description;  // one sentence
  std::string synopsis;     // what follows the program on a command line
  std::string examples;     // one a line, indented
  std::vector<Option> options;
  std::string positional;  // the option of kind kWords that takes the words without a name; empty: none do
};

class Arguments {
 public:
  // Nothing if help was asked for, and printed. Throws UserError for what it does not know, or misses.
  static std::optional<Arguments> parse(const Usage& usage, int argc, char** argv);

  bool flag(const std::string& name) const { return numbers_.contains(name); }
  // Or has a default.
  bool given(const std::string& name) const { return words_.contains(name) || numbers_.contains(name); }
  std::size_t number(const std::string& name) const { return numbers_.at(name); }
  const std::string& word(const std::string& name) const { return words_.at(name).front(); }
  const std::vector<std::string>& words(const std::string& name) const;  // empty if not given

 private:
  static Arguments taken_from(const cxxopts::ParseResult& result, const Usage& usage);

  std::map<std::string, std::size_t> numbers_;
  std::map<std::string, std::vector<std::string>> words_;
};

// "a,b" is two words; empty ones are left out.
std::vector<std::string> parted_by_commas(const std::vector<std::string>& words);

// Set by SIGINT, SIGTERM and SIGHUP from now on; sleeps are interrupted. SIGHUP stays ignored where it was (nohup).
const std::atomic<bool>& catch_signals();
// For a role of a run: the signal is told on the descriptor at once (run/ended.h), unless that is -1. A second one ends
// the process.
const std::atomic<bool>& catch_signals_of_a_role(int told);

// For a process that another one started: dies with it. No effect for `parent` 0.
void die_with(std::size_t parent);

}  // namespace psctl::app
