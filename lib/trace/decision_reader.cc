#include "trace/decision_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <limits>
#include <vector>

#include "trace/decision_log.h"

namespace psctl::trace {
namespace {

using Kind = LoggedRow::Kind;

// In the order of Kind.
constexpr std::array<std::string_view, 9> kKinds = {"joined", "pushed",  "left",    "woke", "merge",
                                                    "apply",  "discard", "release", "stop"};
constexpr std::array<std::string_view, 6> kColumns = {"time_s", "kind", "worker", "step", "version", "detail"};
// An update of a million shares has room.
constexpr std::size_t kLongestLine = std::size_t{64} << 20;

// What is wrong with a line; where it stands is added by who knows it.
struct Wrong {
  std::string what;
};

std::string shortened(std::string_view text) {
  constexpr std::size_t kMost = 60;
  return text.size() <= kMost ? std::string(text) : fmt::format("{}...", text.substr(0, kMost));
}

// What stands before the next separator; takes both away.
std::string_view cut(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view first = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return first;
}

// The columns of a row without its sequence; the last one may hold commas.
std::array<std::string_view, 6> columns_of(std::string_view text) {
  std::array<std::string_view, 6> columns;
  for (std::size_t i = 0; i + 1 < columns.size(); ++i) columns[i] = cut(text, ',');
  columns.back() = text;
  return columns;
}

template <class Number>
Number number(std::string_view name, std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) throw Wrong{fmt::format("{} is too large: {}", name, shortened(text))};
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Wrong{fmt::format("{} should be a whole number, it is '{}'", name, shortened(text))};
  }
  return value;
}

// Seconds with nine digits, exactly.
Instant instant(std::string_view text) {
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos || text.size() - point - 1 != 9) {
    throw Wrong{fmt::format("time_s should be seconds with nine digits, it is '{}'", shortened(text))};
  }
  const auto seconds = number<std::uint64_t>("time_s", text.substr(0, point));
  const auto nanoseconds = number<std::uint64_t>("time_s", text.substr(point + 1));
  constexpr std::uint64_t kMost = std::numeric_limits<Duration::rep>::max() / 1'000'000'000;
  if (seconds >= kMost) throw Wrong{fmt::format("time_s is too large: {}", shortened(text))};
  return Instant(Duration(static_cast<Duration::rep>(seconds * 1'000'000'000 + nanoseconds)));
}

// "name=value name=value ...", in an order that is fixed.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}

  bool next_is(std::string_view name) const {
    return rest_.size() > name.size() && rest_.starts_with(name) && rest_[name.size()] == '=';
  }
  template <class Number>
  Number take(std::string_view name) {
    if (!next_is(name)) throw Wrong{fmt::format("expected {}=, found '{}'", name, shortened(rest_))};
    rest_.remove_prefix(name.size() + 1);
    return number<Number>(name, cut(rest_, ' '));
  }
  void end() const {
    if (!rest_.empty()) throw Wrong{fmt::format("'{}' is too much", shortened(rest_))};
  }

 private:
  std::string_view rest_;
};

sync::Pushed pushed_of(WorkerId worker, std::string_view detail) {
  Fields fields(detail);
  fields.take<std::uint64_t>("push");
  sync::Pushed push{.worker = worker, .steps = fields.take<std::uint32_t>("steps")};
  if (fields.next_is("empty")) push.empty = fields.take<std::uint32_t>("empty") == 1;
  if (fields.next_is("overlapped")) {
    push.overlapped = fields.take<std::uint32_t>("overlapped");
    push.lost = fields.take<std::uint32_t>("lost");
  }
  if (fields.next_is("data_ns")) push.timing.data = Duration(fields.take<std::int64_t>("data_ns"));
  push.timing.compute = Duration(fields.take<std::int64_t>("compute_ns"));
  push.timing.delay = Duration(fields.take<std::int64_t>("delay_ns"));
  push.timing.upload = Duration(fields.take<std::int64_t>("upload_ns"));
  push.timing.download = Duration(fields.take<std::int64_t>("download_ns"));
  fields.end();
  return push;
}

LoggedRow row_of(std::string_view line) {
  if (std::ranges::count(line, ',') < static_cast<std::ptrdiff_t>(kColumns.size())) {
    throw Wrong{fmt::format("expected seven columns, found '{}'", shortened(line))};
  }
  LoggedRow row;
  row.sequence = number<std::uint64_t>("sequence", cut(line, ','));
  row.text = line;
  const auto [time, kind, worker, step, version, detail] = columns_of(line);
  row.at = instant(time);
  const auto found = std::ranges::find(kKinds, kind);
  if (found == kKinds.end()) throw Wrong{fmt::format("there is no kind '{}'", shortened(kind))};
  row.kind = static_cast<Kind>(found - kKinds.begin());
  if (row.kind <= Kind::kLeft || row.kind == Kind::kRelease) {
    row.worker = WorkerId(number<std::uint32_t>("worker", worker));
    number<std::uint64_t>("step", step);
  }
  row.version = number<std::uint64_t>("version", version);
  if (row.kind == Kind::kPushed) row.push = pushed_of(row.worker, detail);
  return row;
}

std::string name_of(std::string_view text) {
  const auto columns = columns_of(text);
  return columns[2].empty() ? std::string(columns[1]) : fmt::format("{} of worker {}", columns[1], columns[2]);
}

// Of two lists that are not the same, the first parts that differ, as `name` and the two values.
std::array<std::string, 3> differing(std::string name, std::string_view logged, std::string_view recomputed) {
  const auto same_name = [](std::string_view a, std::string_view b) {
    const std::size_t end = a.find('=');
    return end != std::string_view::npos && a.substr(0, end) == b.substr(0, std::min(b.size(), b.find('=')));
  };
  if (name == "detail") {
    for (std::string_view a = logged, b = recomputed; !a.empty() || !b.empty();) {
      const std::string_view left = cut(a, ' '), right = cut(b, ' ');
      if (left == right) continue;
      if (!same_name(left, right)) return {name, std::string(left), std::string(right)};
      const std::size_t value = left.find('=') + 1;
      return differing(std::string(left.substr(0, value - 1)), left.substr(value), right.substr(value));
    }
  } else if (name == "shares") {
    std::size_t count = 0;
    for (std::string_view a = logged, b = recomputed; !a.empty() || !b.empty();) {
      const std::string_view left = cut(a, ';'), right = cut(b, ';');
      ++count;
      if (left != right) return {fmt::format("share {}", count), std::string(left), std::string(right)};
    }
  }
  return {std::move(name), std::string(logged), std::string(recomputed)};
}

std::string shown(std::string_view value) { return value.empty() ? "nothing" : shortened(value); }

}  // namespace

std::string LoggedRow::name() const { return name_of(text); }

std::string LoggedRow::detail() const { return std::string(columns_of(text).back()); }

DecisionReader::DecisionReader(const std::string& path) : path_(path), file_(path, std::ios::binary) {
  std::error_code error;
  size_ = std::filesystem::file_size(path, error);
  if (!file_ || error) throw UserError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  rewind();
}

void DecisionReader::rewind() {
  file_.clear();
  file_.seekg(0);
  position_ = line_ = 0;
  torn_ = false;
  std::string header;
  if (!next_line(header) || header != DecisionLog::kHeader) {
    throw UserError(
        fmt::format("{} is no decision log: it should begin with the line {}", path_, DecisionLog::kHeader));
  }
}

std::optional<LoggedRow> DecisionReader::next() {
  std::string line;
  if (!next_line(line)) return std::nullopt;
  try {
    LoggedRow row = row_of(line);
    row.line = line_;
    return row;
  } catch (const Wrong& wrong) {
    throw LogFault(fmt::format("{}:{}: {}", path_, line_, wrong.what));
  }
}

bool DecisionReader::next_line(std::string& line) {
  line.clear();
  std::streambuf& bytes = *file_.rdbuf();
  for (std::uint64_t at = position_; at < size_; ++at) {
    const int byte = bytes.sbumpc();
    if (byte == std::char_traits<char>::eof()) break;
    if (byte == '\n') {
      position_ = at + 1;
      ++line_;
      return true;
    }
    if (line.size() == kLongestLine) {
      throw LogFault(fmt::format("{}:{}: no line of a decision log is so long", path_, line_ + 1));
    }
    line += static_cast<char>(byte);
  }
  torn_ = !line.empty();
  return false;
}

std::string first_difference(std::string_view logged, std::string_view recomputed) {
  const auto left = columns_of(logged), right = columns_of(recomputed);
  constexpr std::size_t kKind = 1, kWorker = 2;
  if (left[kKind] != right[kKind] || left[kWorker] != right[kWorker]) {
    return fmt::format("the log has {}, recomputed is {}", name_of(logged), name_of(recomputed));
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i] == right[i]) continue;
    const auto [name, in_log, again] = differing(std::string(kColumns[i]), left[i], right[i]);
    return fmt::format("{}: {} is {} in the log, {} recomputed", name_of(logged), name, shown(in_log), shown(again));
  }
  return fmt::format("{}: it differs", name_of(logged));
}

}  // namespace psctl::trace
