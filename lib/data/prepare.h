// A source made ready for use: imported once for a content, however many runs and processes use it afterwards.
//
// What is imported is kept as a prepared file in the cache, under a name that follows from the content of the files
// (SHA-256), the format, the options and the version of the importers. So a file that changed is imported anew, and an
// entry is never wrong, only unused; any of them may be removed at any time.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/prepared.h"
#include "data/source.h"

namespace psctl::data {

struct Ready {
  std::shared_ptr<const Prepared> prepared;
  std::string path;                    // where other processes of this host can open it, as long as `keeper` lives
  std::shared_ptr<const void> keeper;  //
  std::vector<std::string> notices;    // what the user should be told: what was made, and where it is kept
};

// Throws UserError if the files are not what they should be. Without a cache (no home, disk full, not writable) the
// samples are kept in memory, and a notice says so.
Ready prepare(const DataConfig& config);

// $PSCTL_CACHE, else $XDG_CACHE_HOME/psctl, else ~/.cache/psctl. Empty if none of them is set, or PSCTL_CACHE is empty.
std::filesystem::path cache_folder();

}  // namespace psctl::data
