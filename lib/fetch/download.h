// A file from the web to the disk, over breaks: what there is of it is continued, the whole is checked, and only then
// does it take its name.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace psctl::fetch {

struct Patience {
  std::size_t tries = 5;                        // of each address
  std::chrono::milliseconds first_pause{1000};  // before the second try; then twice as long each time, a minute at most
  std::chrono::seconds connect{20};
  std::chrono::seconds stall{30};  // a try that is below kLeastSpeed for so long is given up
};
inline constexpr long kLeastSpeed = 100;  // bytes a second
inline constexpr long kMostRedirects = 5;

struct Wanted {
  std::vector<std::string> addresses;  // of the same file; tried in turn
  std::filesystem::path path;          // in a folder that is there
  std::uint64_t bytes = 0;             // 0: not known
  std::uint64_t most_bytes = 0;        // nothing longer is taken
  std::string sha256;                  // empty: not known
};

struct Watch {
  const std::atomic<bool>* interrupted = nullptr;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};  // in bytes; total 0: not known
  std::function<void(const std::string&)> say = {};                            // what went wrong, and what comes next

  bool stopped() const { return interrupted && *interrupted; }
};

// The name of a file on its way, beside the whole one's.
std::filesystem::path part_of(const std::filesystem::path& path);

// Throws UserError unless it is an http or https address.
void check_address(const std::string& address);

// Downloads, under part_of(path) until it is whole. A part that is there is continued if a digest will tell whether the
// whole is sound, or if it came from the same address and the server names the version it has (ETag, Last-Modified) and
// still has it; else it is begun anew. Says whether it was completed: false if it was interrupted, and then, as after
// an error, the part is left to be continued. Where neither `wanted` nor the server says how long the file is, a broken
// line looks like its end. One call at a time for a path.
// Throws WorldError if no address gives the file, or the disk does not take it; UserError if the part is no file.
bool download(const Wanted& wanted, const Patience& patience, const Watch& watch);

}  // namespace psctl::fetch
