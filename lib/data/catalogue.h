// The public data sets that psctl knows by name: where they are to be had, what they must be, and whose they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/import.h"

namespace psctl::data {

// A file as it is served.
struct RemoteFile {
  std::string name;  // what follows the address
  Part part = Part::kTrain;
  std::uint64_t bytes = 0;       // 0: not known for certain
  std::uint64_t most_bytes = 0;  // no more are taken; where the length is known, that length
  std::string sha256;            // empty: no digest that independent publishers agree on
};

// What a served file is packed as, beyond what its format unpacks by itself.
enum class Packing { kNone, kBzip2, kTarGzip };

// A file in an archive, by its whole name. No other is unpacked.
struct Member {
  std::string name;
  std::uint64_t most_bytes = 0;
};

struct KnownSet {
  std::string name;
  std::string what;                    // one line for people
  std::vector<std::string> addresses;  // each ends in '/'; tried in turn
  std::vector<RemoteFile> files;
  Packing packing = Packing::kNone;
  std::vector<Member> members;          // of the archive
  std::uint64_t most_unpacked = 0;      // kBzip2: bytes of a file
  std::string format;                   // of importers()
  bool folder = false;                  // the format reads the folder of the files, not the files
  std::uint64_t features = 0;           // ImportOptions::features; 0: not set
  Shape shape;                          // as published, to hold what came against
  std::size_t classes = 0;              //
  std::size_t train = 0, test = 0;      // samples
  std::string licence, citation, page;  //
  std::string package = {};             // Debian's, which brings package_folder; empty: there is none
  std::string package_folder = {};
};

std::span<const KnownSet> catalogue();
std::vector<std::string> known_names();
// Null if there is no set of that name.
const KnownSet* find_known(std::string_view name);

// Where fetched data sets are, unless it is said otherwise: the environment's PSCTL_DATA, else the folder `data`.
std::filesystem::path data_folder();
// The prepared file of a set in a folder.
std::filesystem::path fetched_file(const std::filesystem::path& folder, const KnownSet& set);
// Where a set is on this machine: what was fetched into data_folder(), else what Debian's package brought; empty if it
// is not here.
std::filesystem::path place_of(const KnownSet& set);
// How to get it, for messages: the commands.
std::string how_to_get(const KnownSet& set);

}  // namespace psctl::data
