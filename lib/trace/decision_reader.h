// decisions.csv read back, strictly: what the decision log did not write is told with its line, never guessed at.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "sync/events.h"

namespace psctl::trace {

// A line that the decision log cannot have written: it was edited, or the disk is broken.
class LogFault : public WorldError {
  using WorldError::WorldError;
};

struct LoggedRow {
  enum class Kind { kJoined, kPushed, kLeft, kWoke, kMerge, kApply, kDiscard, kRelease, kStop };

  std::uint64_t line = 0;  // of the file, from 1; the header is line 1
  std::uint64_t sequence = 0;
  Instant at{};
  Kind kind{};
  Version version = 0;
  WorkerId worker;    // of kJoined, kPushed, kLeft and kRelease
  sync::Pushed push;  // of kPushed
  std::string text;   // the line without its sequence: the same happened if and only if this is the same

  bool event() const { return kind <= Kind::kWoke; }
  std::string name() const;    // "pushed of worker 3"
  std::string detail() const;  // the last column; of kStop the reason
};

class DecisionReader {
 public:
  // Rows that are appended later are not seen. Throws UserError if the file cannot be read, or is no decision log.
  explicit DecisionReader(const std::string& path);

  // The next row; none after the last whole line. Throws LogFault with file and line.
  std::optional<LoggedRow> next();
  // Back to the first row.
  void rewind();
  // After the last row: the file ends within a line.
  bool torn() const { return torn_; }
  std::uint64_t line() const { return line_; }          // of the row that next() gave last
  std::uint64_t position() const { return position_; }  // bytes read
  std::uint64_t size() const { return size_; }          // bytes in all

 private:
  bool next_line(std::string& line);

  std::string path_;
  std::ifstream file_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t line_ = 0;
  bool torn_ = false;
};

// Of two texts of rows that are not the same: "rate is 1 in the log, 0.5 recomputed".
std::string first_difference(std::string_view logged, std::string_view recomputed);

}  // namespace psctl::trace
