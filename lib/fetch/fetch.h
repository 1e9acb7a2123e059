// A data set that psctl knows by name, from the web to a prepared file: downloaded, unpacked, imported, and held
// against what is published of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "data/catalogue.h"
#include "fetch/download.h"

namespace psctl::fetch {

struct Request {
  const data::KnownSet& set;
  std::filesystem::path folder;  // of data sets; is made if it is not there
  std::string from = {};         // the address of a mirror, in place of the set's own; file names are added to it
  bool raw = false;              // the files as they are served, into a folder of the set's name; nothing is imported
  Patience patience = {};
  const std::atomic<bool>* interrupted = nullptr;
  std::function<void(const std::string& what, std::uint64_t done, std::uint64_t total)> progress = {};
  std::function<void(const std::string&)> say = {};
};

struct Fetched {
  std::filesystem::path path;  // the prepared file, or the folder of raw ones
  bool was_there = false;      // nothing was fetched
};

// Nothing if it was interrupted: what is there by then is kept in a folder beside, and the next call goes on from it;
// when the prepared file is there, that folder goes. A file or folder of the result's name is whole.
// Throws WorldError if the web, the data or the disk fail, or another process fetches the same set; UserError if the
// folder cannot be used.
std::optional<Fetched> fetch(const Request& request);

}  // namespace psctl::fetch
