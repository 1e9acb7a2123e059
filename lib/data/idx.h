// IDX, the format of MNIST and its kin: a big-endian header, then the values; plain or packed with gzip. Files are
// input and never trusted: nothing is allocated by what a header claims before the file is seen to hold it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/arrays.h"

namespace psctl::data {

struct Idx {
  std::vector<std::size_t> dimensions;
  std::vector<std::uint8_t> values;  // row by row
};

// The most values that one file may hold.
inline constexpr std::uint64_t kMaxIdxValues = std::uint64_t{1} << 32;

// Parses the bytes of a whole file, packed or not, that must hold `rank` dimensions of at least 1. Throws UserError
// "name: byte OFFSET: what was expected, what was found"; in a packed file the offset says whether it counts
// packed or unpacked bytes.
Idx parse_idx(std::span<const std::byte> bytes, std::size_t rank, const std::string& name);
// The same for a file. One whose name ends in .gz must be packed. Throws UserError if it cannot be opened or is no
// regular file.
Idx read_idx(const std::filesystem::path& path, std::size_t rank);

// The names that an IDX folder must hold, each plain or with .gz added.
inline constexpr const char* kIdxFolderFiles =
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain "
    "or with .gz";

// Reads files of samples with their labels, whatever the type of their values, as import_arrays does.
void import_idx(std::span<const LabelledText> texts, const ImportOptions& options, Sink& sink);

}  // namespace psctl::data
