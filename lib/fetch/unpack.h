// Packed files to plain ones. What is packed is not trusted: nothing is written but what was asked for, to the names
// that were asked for, and no more of it than was allowed.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>

#include "data/catalogue.h"

namespace psctl::fetch {

// Both say whether they were completed: false if they were interrupted. They throw UserError "file: what was wrong" if
// the file is damaged or does not hold what is expected, WorldError if the disk does not take it.

// A file that bzip2 packed, to a file.
bool unpack_bzip2(const std::filesystem::path& from, const std::filesystem::path& to, std::uint64_t most_bytes,
                  const std::atomic<bool>* interrupted);
// The members of a tar archive that gzip packed, each to the folder under the last part of its name. A member that is
// no plain file is refused; others than those are passed over.
bool unpack_members(const std::filesystem::path& from, std::span<const data::Member> members,
                    const std::filesystem::path& folder, const std::atomic<bool>* interrupted);

}  // namespace psctl::fetch
