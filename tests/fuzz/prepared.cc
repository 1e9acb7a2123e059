// The first byte chooses; then the header, then the sections in their order without the gaps between them. With bit 0
// the seals are made right, so that what is behind them is reached; without, the bytes after the header's are what they
// are.
#include "data/prepared.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "data/dataset.h"
#include "data/prepared_format.h"
#include "fuzz/memory_file.h"
#include "fuzz/target.h"

namespace psctl::fuzz {
namespace {

using data::PreparedHeader, data::Layout, data::Section, data::Sha256Bytes;

constexpr std::uint64_t kLargest = std::uint64_t{1} << 19;

// A file of that header and those sections, sealed.
std::vector<std::uint8_t> sealed(PreparedHeader header, const Layout& layout, std::span<const std::uint8_t> content) {
  std::vector<std::uint8_t> file(layout.file_bytes);
  const auto fill = [&](const Section& section) {
    const std::size_t count = std::min<std::size_t>(section.bytes, content.size());
    std::copy_n(content.begin(), count, file.begin() + static_cast<std::ptrdiff_t>(section.offset));
    content = content.subspan(count);
    return data::seal_of(file.data() + section.offset, section.bytes);
  };
  for (std::size_t part = 0; part < data::kParts; ++part) {
    fill(layout.rows[part]);
    header.parts[part].row_starts_seal = fill(layout.row_starts[part]);
    header.parts[part].labels_seal = fill(layout.labels[part]);
    const Section seals = layout.seals[part], rows = layout.rows[part];
    for (std::uint64_t begin = 0, at = seals.offset; begin < rows.bytes; begin += data::kBlockBytes) {
      const std::uint64_t length = std::min<std::uint64_t>(data::kBlockBytes, rows.bytes - begin);
      const Sha256Bytes seal = data::seal_of(file.data() + rows.offset + begin, length);
      std::memcpy(file.data() + at, seal.data(), seal.size());
      at += seal.size();
    }
    header.parts[part].rows_seal = data::seal_of(file.data() + seals.offset, seals.bytes);
  }
  header.names_seal = fill(layout.names);
  header.notes_seal = fill(layout.notes);
  header.statistics_seal = fill(layout.statistics);
  header.magic = data::kPreparedMagic;
  header.version = data::kPreparedVersion;
  header.block_bytes = data::kBlockBytes;
  header.file_bytes = layout.file_bytes;
  header.seal = data::header_seal(header);
  std::memcpy(file.data(), &header, sizeof header);
  return file;
}

// Everything of a part that was found sound can be used.
void use(const data::Prepared& prepared, data::Part part) {
  const auto samples = prepared.part(part);
  if (!samples) return;
  const data::Dataset set(samples);
  for (const std::uint32_t sample : {std::uint32_t{0}, static_cast<std::uint32_t>(set.size() - 1)}) {
    data::Batch batch;
    set.gather({&sample, 1}, batch);
  }
}

}  // namespace

void fuzz_prepared(std::span<const std::uint8_t> input) {
  if (input.empty()) return;
  const bool seal = input[0] & 1;
  input = input.subspan(1);
  std::vector<std::uint8_t> content(input.begin(), input.end());
  if (input.size() >= sizeof(PreparedHeader)) {
    PreparedHeader header;
    std::memcpy(&header, input.data(), sizeof header);
    const auto sections = input.subspan(sizeof header);
    const auto layout = data::lay_out(header);
    if (seal && layout && layout->file_bytes <= kLargest) {
      content = sealed(header, *layout, sections);
    } else {
      content.resize(sizeof header);
      content.resize(data::kPage);
      content.insert(content.end(), sections.begin(), sections.end());
    }
  }
  const MemoryFile file(content);
  const auto prepared = data::open_prepared(file.descriptor(), "file");
  prepared->check();
  for (const data::Part part : {data::Part::kTrain, data::Part::kValidation, data::Part::kTest}) use(*prepared, part);
}

}  // namespace psctl::fuzz
