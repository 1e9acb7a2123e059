// How the bytes of a prepared file lie; shared by its reader and its writer.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "data/prepared.h"

namespace psctl::data {

static_assert(std::endian::native == std::endian::little, "prepared files are little-endian and used as they lie");

inline constexpr std::array<char, 8> kPreparedMagic{'p', 's', 'c', 't', 'l', 's', 'e', 't'};
inline constexpr std::uint32_t kPreparedVersion = 3;
inline constexpr std::uint64_t kPage = 4096;
inline constexpr std::uint64_t kAlignment = 64;
inline constexpr std::size_t kParts = 3;
inline constexpr std::uint64_t kMostFeatures = std::uint64_t{1} << 32;  // entries count them in 32 bits
inline constexpr std::uint64_t kMostSamples = UINT32_MAX;               // of a part: samples have numbers of 32 bits
inline constexpr std::uint64_t kMostClasses = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMostNameBytes = std::uint64_t{1} << 28;
inline constexpr std::uint64_t kMostNoteBytes = std::uint64_t{1} << 20;

struct PartHeader {
  std::uint64_t samples;  // 0: there is no such part
  std::uint64_t entries;  // 0 if dense
  Sha256Bytes rows_seal;  // over the seals of the blocks
  Sha256Bytes row_starts_seal;
  Sha256Bytes labels_seal;
};

// The first bytes of the file; the rest of its page is 0.
struct PreparedHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t block_bytes;
  std::uint64_t file_bytes;
  std::uint64_t channels, height, width;
  std::uint32_t values;  // 0 bytes, 1 floats
  std::uint32_t sparse;  // 0, 1
  std::uint64_t classes;
  std::uint64_t name_bytes;  // a class name after the other: its length in 4 bytes, then the name; 0: no names
  std::uint64_t note_bytes;  // notes, in the same way
  std::uint64_t statistics;  // 0, or as many as features
  PartHeader parts[kParts];
  Sha256Bytes names_seal;
  Sha256Bytes notes_seal;
  Sha256Bytes statistics_seal;
  Sha256Bytes source;
  Sha256Bytes seal;  // of all before
};
static_assert(std::is_trivially_copyable_v<PreparedHeader> && std::has_unique_object_representations_v<PreparedHeader>);
static_assert(sizeof(PreparedHeader) <= kPage && sizeof(Entry) == 8 && sizeof(FeatureStatistics) == 48);

struct Section {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct Layout {
  Section rows[kParts], row_starts[kParts], labels[kParts], seals[kParts];
  Section names, notes, statistics;
  std::uint64_t file_bytes = 0;
};

// Where everything lies; nothing if that is more than 2^62 bytes. The counts are within the bounds above.
std::optional<Layout> lay_out(const PreparedHeader& header);

Sha256Bytes seal_of(const void* bytes, std::size_t count);
inline Sha256Bytes header_seal(const PreparedHeader& header) {
  return seal_of(&header, offsetof(PreparedHeader, seal));
}

// The file that a descriptor stands for, opened; `name` is for messages.
std::shared_ptr<const Prepared> open_prepared(int descriptor, const std::string& name);

}  // namespace psctl::data
