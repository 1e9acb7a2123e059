// Strict YAML in, resolved YAML out. A key is honoured exactly or refused: unknown keys, wrong types, values out of
// range, keys without effect, duplicates and cyclic aliases are errors with line, column, what is allowed and the
// nearest known key; all faults of a file are told at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/run_config.h"

namespace psctl::config {

// All that is wrong with a configuration; what() is every fault on a line of its own.
class ConfigError : public UserError {
 public:
  explicit ConfigError(std::vector<std::string> faults);
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  std::vector<std::string> faults_;
};

struct Loaded {
  RunConfig run;
  std::vector<std::string> notices;  // what an override dropped, and the like
};

// Reads `path`, applies overrides (KEY=VALUE, +KEY=VALUE, ~KEY) in order, resolves and checks. Throws ConfigError.
Loaded load_file(const std::string& path, const std::vector<std::string>& overrides = {});
// What load_file reads, before it is looked at. Throws ConfigError.
std::string read_file(const std::string& path);
// The same as load_file for text; `name` stands for the file in messages.
Loaded load_text(std::string_view text, const std::string& name, const std::vector<std::string>& overrides = {});

// The resolved configuration: every key that has an effect, in the order of the schema. Loading it again gives the
// same configuration, and writing that the same text.
std::string to_yaml(const RunConfig& run);

// The same keys and values as a JSON object, with the keys of sections joined by dots: {"strategy.name": "ssp", ...}.
// Lists are JSON lists.
std::string to_json(const RunConfig& run);

// Every key with type, default, range and meaning, as a table for people and as JSON for programs.
std::string schema_text();
std::string schema_json();

}  // namespace psctl::config
