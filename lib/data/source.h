// What data.source and its kin stand for: which files of which format, and how to get sound ones.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/import.h"
#include "data/prepared.h"

namespace psctl::data {

struct Source {
  std::string name;                // as the user gave it, for messages
  std::filesystem::path prepared;  // a prepared file; or, if this is empty,
  std::vector<Input> inputs;       // files of one format, in the order of their parts
  const Importer* importer = nullptr;
  std::string advice;  // how to get sound data; may be empty
};

// Where what a user names lies: a path that is there; else, of a known data set, what was fetched, or what its package
// brought; else the name taken as a path. Throws UserError for a known data set that is not there, and says how to get
// it.
std::filesystem::path path_of_source(const std::string& name);

// Whether this is a file that psctl prepared.
bool is_prepared(const std::filesystem::path& path);

// Looks at the files' beginnings only. Throws UserError: names the key and what is known.
Source find_source(const DataConfig& config);

// "train.csv", "a.csv, b.csv and c.csv", or "a.csv and 8 files more".
std::string name_of(const std::vector<std::string>& files);

// All files that an import of these inputs reads.
std::vector<std::filesystem::path> files_of(const Importer& importer, std::span<const Input> inputs);
// SHA-256 over the parts and the content of all these files. Throws UserError if one is not there, WorldError if it
// cannot be read.
Sha256Bytes digest_of(std::span<const Input> inputs, std::span<const std::filesystem::path> files);
std::string hex(const Sha256Bytes& digest);

}  // namespace psctl::data
