// The prepared file, psctl's own format: a data set that is used where it lies, mapped into memory. Nothing is copied,
// so opening takes no time or memory to speak of, processes share one copy, and a set may be larger than memory.
//
// Everything is little-endian. A header of one page; the rows of every part, each from a page's beginning; then, each
// from a multiple of 64 bytes, the parts' row starts (sparse), labels and seals, class names, notes and statistics.
// Where these lie follows from the counts in the header, so there are no offsets to lie about. Rows are sealed in
// blocks of 64 KiB by SHA-256, which modern CPUs compute about as fast as CRC-32 and which is at once the digest of the
// content.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/import.h"
#include "data/samples.h"

namespace psctl::data {

using Sha256Bytes = std::array<std::byte, 32>;

class Prepared {
 public:
  // Checks the header, the length and the class names; the rest is checked when it is first touched. Throws UserError
  // "file: byte N: what was expected, what was found". A file must not be shortened while it is in use.
  static std::shared_ptr<const Prepared> open(const std::filesystem::path& path);
  // Whether a file with these first bytes means to be a prepared file.
  static bool recognises(std::span<const std::uint8_t> begin);

  virtual ~Prepared() = default;
  virtual const std::string& name() const = 0;         // the file's, for messages
  virtual const Description& description() const = 0;  // with the width, also if sparse
  virtual std::size_t classes() const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  virtual std::size_t size(Part part) const = 0;
  virtual const Sha256Bytes& source() const = 0;              // what PreparedWriter::set_source was given
  virtual const std::vector<std::string>& notes() const = 0;  // what the summary of its samples told
  // A part's samples, or null if there is no such part. Checks labels, row starts and statistics, not the rows; throws
  // as open does.
  virtual std::shared_ptr<const Samples> part(Part part) const = 0;
  // Reads and checks everything.
  virtual void check() const = 0;
};

// Writes a prepared file while samples stream in: under a temporary name beside `path`, which takes its name when all
// is written, so that a file of that name is always whole. Memory: 12 bytes a sample, the seals, a few MiB, the statistics.
class PreparedWriter final : public Sink {
 public:
  // `about` stands for the samples in messages on them; empty: the path.
  PreparedWriter(std::filesystem::path path, Missing missing, std::string about = {});
  // In memory, for as long as the result of open() lives.
  static std::unique_ptr<PreparedWriter> in_memory(std::string name, Missing missing);
  ~PreparedWriter() override;

  // A digest of what the samples were made of; zeros without. Before end.
  void set_source(const Sha256Bytes& digest);
  void begin(const Description& description) override;
  void begin_part(Part part) override;
  void add(const Rows& rows) override;
  void end(const Summary& summary) override;
  // What was written; after end.
  std::shared_ptr<const Prepared> open() const;
  // Where any process of this host and user can open it; in memory: as long as the writer lives.
  std::string path() const;

 private:
  struct State;
  explicit PreparedWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace psctl::data
