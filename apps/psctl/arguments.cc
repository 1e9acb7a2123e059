#include "arguments.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <iterator>
#include <signal.h>
#include <sstream>
#include <sys/prctl.h>
#include <unistd.h>

// A comma is part of an argument: strategy={name: ssp, staleness: 1} is one.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <cxxopts.hpp>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "run/ended.h"

namespace psctl::app {
namespace {

constexpr const char* kInternal = "internal";  // the group of the options that --help leaves out

// What --help shows in place of an option's value.
const char* placeholder_of(const Option& option, const std::string& name) {
  static const std::map<std::string, const char*> kOfNames = {
      {"as", "KEY=VALUE"},    {"baseline", "GROUP"},    {"by", "KEYS"},         {"columns", "KEYS"},
      {"config", "FILE"},     {"curve", "X,Y"},         {"data", "FILE"},       {"delimiter", "NAME"},
      {"folder", "DIR"},      {"format", "FORMAT"},     {"from", "URL"},        {"grid", "FILE"},
      {"groups", "FILE"},     {"header", "yes|no"},     {"label", "COLUMN"},    {"labels", "FILE"},
      {"listen", "ADDRESS"},  {"name", "NAME"},         {"other", "ADDRESS"},   {"out", "DIR"},
      {"output", "FILE"},     {"publish", "DIR"},       {"run", "ID"},          {"server", "ADDRESS"},
      {"shape", "CxHxW"},     {"sort", "KEY"},          {"test", "FILE"},       {"test-labels", "FILE"},
      {"title", "TEXT"},      {"to", "DIR"},            {"tune", "KEY=V1,V2"},  {"validation", "FILE"},
      {"where", "KEY=VALUE"}, {"validation-labels", "FILE"}};
  const auto found = kOfNames.find(name);
  if (found != kOfNames.end()) return found->second;
  return option.kind == Option::Kind::kNumber ? "N" : "VALUE";
}

std::string long_name(const Option& option) {
  const std::string_view names = option.name;
  return std::string(names.substr(names.find(',') + 1));  // all of it where there is no comma
}

// For the first option that does not exist: "did you mean --quiet? "; empty if nothing is near.
std::string likely_meant(const Usage& usage, int argc, char** argv) {
  std::vector<std::string> names = {"help"};
  for (const Option& option : usage.options) names.push_back(long_name(option));
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (!word.starts_with("--") || word.size() == 2) continue;
    const std::string_view name = word.substr(2, word.find('=') - 2);
    if (std::ranges::find(names, name) != names.end()) continue;
    const std::string near = nearest(name, names);
    return near.empty() ? near : fmt::format("did you mean --{}? ", near);
  }
  return {};
}

std::shared_ptr<cxxopts::Value> with_default(std::shared_ptr<cxxopts::Value> value, const char* default_value) {
  return default_value ? value->default_value(default_value) : value;
}

}  // namespace

std::optional<Arguments> Arguments::parse(const Usage& usage, int argc, char** argv) {
  cxxopts::Options options(usage.program, usage.description + "\n");
  options.custom_help(usage.synopsis).positional_help("");
  for (const Option& option : usage.options) {
    auto add = options.add_options(option.internal ? kInternal : "");
    const char* const placeholder = placeholder_of(option, long_name(option));
    // An empty default is none: it is not shown.
    const char* const shown = option.default_value && *option.default_value == '\0' ? nullptr : option.default_value;
    switch (option.kind) {
      case Option::Kind::kFlag:
        add(option.name, option.help);
        break;
      case Option::Kind::kNumber:
        add(option.name, option.help, with_default(cxxopts::value<std::size_t>(), shown), placeholder);
        break;
      case Option::Kind::kWord:
        add(option.name, option.help, with_default(cxxopts::value<std::string>(), shown), placeholder);
        break;
      case Option::Kind::kWords:
        add(option.name, option.help, cxxopts::value<std::vector<std::string>>(), placeholder);
        break;
    }
  }
  options.add_options()("h,help", "this text");
  if (!usage.positional.empty()) options.parse_positional(usage.positional);
  try {
    const cxxopts::ParseResult result = options.parse(argc, argv);
    if (result.count("help") > 0) {
      fmt::print("{}\nExamples:\n{}\n", options.help({""}), usage.examples);
      return std::nullopt;
    }
    if (!result.unmatched().empty()) {
      throw UserError(fmt::format("{}: '{}' is one word too many; {} --help tells what there is", usage.program,
                                  result.unmatched().front(), usage.program));
    }
    return taken_from(result, usage);
  } catch (const cxxopts::exceptions::exception& error) {
    throw UserError(fmt::format("{}: {}; {}{} --help tells what there is", usage.program, error.what(),
                                likely_meant(usage, argc, argv), usage.program));
  }
}

Arguments Arguments::taken_from(const cxxopts::ParseResult& result, const Usage& usage) {
  Arguments arguments;
  for (const Option& option : usage.options) {
    const std::string name = long_name(option);
    if (result.count(name) == 0 && option.required) {
      throw UserError(
          fmt::format("{}: --{} is missing; {} --help tells what it is", usage.program, name, usage.program));
    }
    if (result.count(name) == 0 && !option.default_value) continue;
    switch (option.kind) {
      case Option::Kind::kFlag:
        arguments.numbers_[name] = 1;
        break;
      case Option::Kind::kNumber:
        arguments.numbers_[name] = result[name].as<std::size_t>();
        break;
      case Option::Kind::kWord:
        arguments.words_[name] = {result.count(name) > 0 || *option.default_value ? result[name].as<std::string>() : ""};
        break;
      case Option::Kind::kWords:
        arguments.words_[name] = result[name].as<std::vector<std::string>>();
        break;
    }
  }
  return arguments;
}

const std::vector<std::string>& Arguments::words(const std::string& name) const {
  static const std::vector<std::string> kNone;
  const auto found = words_.find(name);
  return found == words_.end() ? kNone : found->second;
}

std::vector<std::string> parted_by_commas(const std::vector<std::string>& words) {
  std::vector<std::string> parts;
  for (const std::string& word : words) {
    std::istringstream stream(word);
    for (std::string part; std::getline(stream, part, ',');) {
      if (!part.empty()) parts.push_back(part);
    }
  }
  return parts;
}

namespace {

constexpr int kEndings[] = {SIGINT, SIGTERM, SIGHUP};
int g_told = -1;
std::array<std::string, std::size(kEndings)> g_lines;  // what is told of each

void on_signal(int number) {
  interrupt_requested() = true;
  if (g_told < 0) return;
  const int before = errno;
  for (std::size_t i = 0; i < std::size(kEndings); ++i) {
    if (kEndings[i] != number) continue;
    [[maybe_unused]] const auto written = ::write(g_told, g_lines[i].data(), g_lines[i].size());
  }
  errno = before;
}

void catch_with(int flags) {
  for (const int number : kEndings) {
    struct sigaction action {
    }, before{};
    ::sigaction(number, nullptr, &before);
    if (number == SIGHUP && before.sa_handler == SIG_IGN) continue;
    action.sa_handler = on_signal;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    ::sigaction(number, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace

const std::atomic<bool>& catch_signals() {
  catch_with(0);
  return interrupt_requested();
}

const std::atomic<bool>& catch_signals_of_a_role(int told) {
  for (std::size_t i = 0; i < std::size(kEndings); ++i) {
    g_lines[i] = run::to_line({.cause = run::Ended::Cause::kSignal, .signal = kEndings[i], .error = {}});
  }
  g_told = told;
  catch_with(static_cast<int>(SA_RESETHAND));
  return interrupt_requested();
}

void die_with(std::size_t parent) {
  if (parent == 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (static_cast<std::size_t>(::getppid()) != parent) throw WorldError("the process that started this one is gone");
}

}  // namespace psctl::app
