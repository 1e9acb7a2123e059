#include "data/libsvm.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "data/decimal.h"
#include "data/text_blocks.h"
#include "data/text_labels.h"

namespace psctl::data {
namespace {

constexpr std::size_t kShortestEntry = 4;  // "1:1 "
constexpr std::size_t kLongestLine = std::size_t{1} << 30;
constexpr float kLargestWhole = 0x1p24F;  // below it all whole numbers are floats
constexpr std::uint64_t kLargestIndex = std::numeric_limits<std::uint32_t>::max() - 1;

bool is_blank(char character) { return character == ' ' || character == '\t'; }

const char* skip_blanks(const char* at, const char* end) {
  while (at != end && is_blank(*at)) ++at;
  return at;
}

// Where the line ends: at its LF, or at the text's end.
const char* line_end(const char* at, const char* end) {
  const void* const found = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
  return found ? static_cast<const char*>(found) : end;
}

// Whether nothing but a comment stands before the end of the line.
bool at_line_end(const char* at, const char* end) {
  return at == end || *at == '\n' || *at == '#' || (*at == '\r' && (at + 1 == end || at[1] == '\n'));
}

bool ends_token(const char* at, const char* end) { return at == end || is_blank(*at) || at_line_end(at, end); }

// Whole lines, about as many as fit.
std::size_t cut_lines(std::string_view rest, std::size_t block_size) {
  if (rest.size() <= block_size) return rest.size();
  const std::size_t last = rest.rfind('\n', block_size - 1);
  if (last != std::string_view::npos) return last + 1;
  const std::size_t next = rest.find('\n', block_size);
  return next == std::string_view::npos ? rest.size() : next + 1;
}

// A block's rows.
struct BlockRows {
  std::unique_ptr<Entry[]> entries;
  std::size_t room = 0;
  std::size_t entry_count = 0;
  std::vector<std::uint32_t> row_entries;
  std::vector<std::uint32_t> labels;  // numbers of `names`, later codes
  BlockLabels names;
  std::uint64_t features = 0;  // 1 + the largest index
  std::uint64_t rounded = 0;   // whole numbers that no float is

  void clear(std::size_t text_size) {
    const std::size_t needed = text_size / kShortestEntry + 1;
    if (needed > room) {
      entries = std::make_unique_for_overwrite<Entry[]>(needed);
      room = needed;
    }
    entry_count = 0;
    row_entries.clear();
    labels.clear();
    names.clear();
    features = 0;
    rounded = 0;
  }
};

class LineParser {
 public:
  LineParser(std::uint32_t first_index, std::optional<std::uint64_t> features)
      : first_index_(first_index),
        largest_index_(features ? std::min(kLargestIndex, *features - 1 + first_index) : kLargestIndex),
        width_given_(features.has_value()) {}

  void parse(std::string_view block, BlockRows& rows) const {
    if (block.size() > kLongestLine) {
      throw Fault{block.data(), fmt::format("expected the end of the line within {} bytes", kLongestLine)};
    }
    rows.clear(block.size());
    Entry* entry = rows.entries.get();
    const char* at = block.data();
    const char* const end = at + block.size();
    const char* line = at;
    try {
      for (; at != end; line = at) {
        at = skip_blanks(at, end);
        if (!at_line_end(at, end)) {
          const Entry* const row = entry;
          at = parse_label(at, end, rows);
          at = parse_entries(at, end, entry, rows.rounded);
          rows.row_entries.push_back(static_cast<std::uint32_t>(entry - row));
          if (entry != row) rows.features = std::max(rows.features, std::uint64_t{entry[-1].index} + 1);
        }
        at = line_end(at, end);
        if (at != end) ++at;
      }
    } catch (const Fault&) {
      rows.names.drop_from(line);
      throw;
    }
    rows.entry_count = static_cast<std::size_t>(entry - rows.entries.get());
  }

 private:
  const char* parse_label(const char* at, const char* end, BlockRows& rows) const {
    const char* stop = at;
    while (!ends_token(stop, end)) ++stop;
    const std::string_view label(at, static_cast<std::size_t>(stop - at));
    const std::size_t known = rows.names.labels().size();
    rows.labels.push_back(rows.names.number(label, at));
    if (rows.names.labels().size() > known && !parse_number(label)) {
      if (label.find(',') != std::string_view::npos) {
        throw Fault{at, "expected one number as the label, found several, " + in_quotes(label) +
                            "; a sample has one class in psctl"};
      }
      throw Fault{at, "expected a finite number as the label, found " + in_quotes(label)};
    }
    return stop;
  }

  const char* parse_entries(const char* at, const char* end, Entry*& entry, std::uint64_t& rounded) const {
    std::uint64_t least = first_index_;
    for (;;) {
      at = skip_blanks(at, end);
      if (at_line_end(at, end)) return at;
      const char* const begin = at;
      std::uint64_t index = 0;
      for (; at != end && decimal::is_digit(*at); ++at) {
        if (index <= kLargestIndex) index = index * 10 + static_cast<unsigned char>(*at - '0');
      }
      if (at == begin || at == end || *at != ':') refuse_index(begin, end);
      if (index < least || index > largest_index_) refuse_order(begin, end, index, least);
      least = index + 1;
      const char* const value_begin = ++at;
      float value;
      at = read_float(at, end, value);
      if (!at || !ends_token(at, end)) refuse_value(value_begin, end);
      if (!(std::abs(value) < kLargestWhole)) {
        if (std::isinf(value)) refuse_value(value_begin, end);
        rounded += is_rounded_whole({value_begin, static_cast<std::size_t>(at - value_begin)}, value) ? 1 : 0;
      }
      *entry++ = {static_cast<std::uint32_t>(index - first_index_), value};
    }
  }

  [[noreturn]] static void refuse_index(const char* at, const char* end) {
    const std::string_view rest(at, static_cast<std::size_t>(end - at));
    if (rest.starts_with("qid:")) {
      throw Fault{at, "expected INDEX:VALUE, found " + found_at(at, end) +
                          "; query ids are for ranking, which psctl does not train: remove them"};
    }
    if (rest.starts_with('-')) throw Fault{at, "expected an index that is not negative, found " + found_at(at, end)};
    throw Fault{at, "expected INDEX:VALUE, found " + found_at(at, end)};
  }

  [[noreturn]] void refuse_order(const char* at, const char* end, std::uint64_t index, std::uint64_t least) const {
    if (index > largest_index_) {
      throw Fault{at, fmt::format("expected an index of at most {}{}, found {}", largest_index_,
                                  width_given_ ? ", by the number of features given" : "", found_at(at, end, ':'))};
    }
    if (least == first_index_) {
      throw Fault{at, fmt::format("expected an index of at least {}, found {}; indices count from {} here", least,
                                  index, first_index_)};
    }
    throw Fault{at, fmt::format("expected indices that ascend, found {} after {}", index, least - 1)};
  }

  [[noreturn]] static void refuse_value(const char* at, const char* end) {
    float value;
    const char* const stop = read_float(at, end, value);
    if (stop && ends_token(stop, end)) {
      throw Fault{at, "expected a value that a 32-bit float can hold, found " + found_at(at, end)};
    }
    throw Fault{at, "expected a finite number as the value, found " + found_at(at, end)};
  }

  std::uint64_t first_index_;
  std::uint64_t largest_index_;
  bool width_given_;
};

// Whether a line of the block has 0 as its first index. Lines that are wrong are somebody else's concern.
bool has_index_zero(std::string_view block) {
  const char* at = block.data();
  const char* const end = at + block.size();
  while (at != end) {
    at = skip_blanks(at, end);
    while (!ends_token(at, end)) ++at;
    at = skip_blanks(at, end);
    if (at != end && *at == '0') {
      while (at != end && *at == '0') ++at;
      if (at != end && *at == ':') return true;
    }
    at = line_end(at, end);
    if (at != end) ++at;
  }
  return false;
}

bool any_index_zero(std::span<const Text> texts, std::size_t block_size) {
  struct Nothing {};
  std::atomic<bool> found = false;
  for (const Text& text : texts) {
    in_blocks<Nothing>(
        text, text.body(), [&](std::string_view rest) { return cut_lines(rest, block_size); },
        [&](std::string_view block, Nothing) {
          if (!found && has_index_zero(block)) found = true;
        },
        [](Nothing, bool) {});
  }
  return found;
}

std::uint32_t first_index_of(std::span<const Text> texts, const ImportOptions& options, std::size_t block_size) {
  if (!options.first_index) return any_index_zero(texts, block_size) ? 0 : 1;
  if (*options.first_index > 1) {
    throw UserError(fmt::format("first_index: expected 0 or 1, found {}", *options.first_index));
  }
  return *options.first_index;
}

}  // namespace

void import_libsvm(std::span<const Text> texts, const ImportOptions& options, Sink& sink, std::size_t block_size) {
  if (options.features == 0) throw UserError("features: expected at least 1, found 0");
  for (const Text& text : texts) text.check_begin();
  const std::uint32_t first_index = first_index_of(texts, options, block_size);
  const LineParser parser(first_index, options.features);
  Labels labels;
  Summary summary{.classes = {}, .class_of = {}, .features = options.features.value_or(0), .notes = {}};
  sink.begin({.shape = {.channels = 1, .height = 1, .width = 0}, .values = Values::kFloats, .sparse = true});
  std::optional<Part> part;
  std::uint64_t rounded = 0;
  for (const Text& text : texts) {
    if (part != text.part) sink.begin_part(text.part);
    part = text.part;
    bool empty = true;
    const auto take = [&](BlockRows& rows, bool sound) {
      const auto& codes = labels.merge(rows.names, text);
      labels.count(text.part, rows.labels.size());
      if (rows.labels.empty() || !sound) return;
      empty = false;
      for (std::uint32_t& label : rows.labels) label = codes[label];
      summary.features = std::max(summary.features, rows.features);
      rounded += rows.rounded;
      sink.add({.bytes = {},
                .floats = {},
                .entries = {rows.entries.get(), rows.entry_count},
                .row_entries = rows.row_entries,
                .labels = rows.labels});
    };
    in_blocks<BlockRows>(
        text, text.body(), [&](std::string_view rest) { return cut_lines(rest, block_size); },
        [&](std::string_view block, BlockRows& rows) { parser.parse(block, rows); }, take);
    if (empty) text.fail(text.end(), "expected at least one sample, found the end of the file");
  }
  if (summary.features == 0) {
    throw UserError(texts.front().name + ": expected at least one INDEX:VALUE, found samples without any");
  }
  labels.summarise(texts.front(), summary);
  if (!options.first_index) {
    summary.notes.push_back(first_index == 0 ? "indices count from 0, as an index 0 is there"
                                             : "indices count from 1, as no index 0 is there");
  }
  if (rounded > 0) {
    summary.notes.push_back(fmt::format("{} beyond 2^24 {} rounded to 32-bit floats",
                                        counted(rounded, "whole number", "whole numbers"),
                                        rounded == 1 ? "was" : "were"));
  }
  sink.end(summary);
}

namespace {

// Whether INDEX:VALUE, or qid:VALUE, stands here.
bool at_entry(const char* at, const char* end) {
  const char* stop = at;
  while (!ends_token(stop, end)) ++stop;
  const std::string_view token(at, static_cast<std::size_t>(stop - at));
  if (token.find(',') != std::string_view::npos) return false;  // a time in CSV
  const std::size_t digits = std::min(token.find_first_not_of("0123456789"), token.size());
  return token.starts_with("qid:") || (digits > 0 && token.substr(digits).starts_with(':'));
}

// Whether a line has INDEX:VALUE at its beginning, or after labels and a blank; nothing if it is labels alone. There
// may be several, with commas between them: the format is this one, and the parser refuses them.
std::optional<bool> is_sample(const char* at, const char* end) {
  bool first = true, after_comma = false;
  for (;; first = false) {
    at = skip_blanks(at, end);
    if (at_line_end(at, end)) return std::nullopt;
    if (!after_comma && at_entry(at, end)) return true;
    if (!first && !after_comma) return false;
    const char* const label = at;
    while (!ends_token(at, end) && *at != ',') ++at;
    if (!parse_number({label, static_cast<std::size_t>(at - label)})) return false;
    at = skip_blanks(at, end);
    after_comma = at != end && *at == ',';
    if (after_comma) ++at;
  }
}

// Whether the first line that tells is a sample.
bool recognises(const Glimpse& glimpse) {
  if (glimpse.folder || glimpse.packed) return false;
  const Text text{.content = {reinterpret_cast<const char*>(glimpse.begin.data()), glimpse.begin.size()},
                  .name = {},
                  .part = Part::kTrain};
  const char* const end = text.end();
  for (const char* at = text.body().data(); at != end;) {
    if (const auto known = is_sample(at, end)) return *known;
    at = line_end(at, end);
    if (at != end) ++at;
  }
  return false;
}

void run(std::span<const Input> inputs, const ImportOptions& options, Sink& sink) {
  const TextFiles files(inputs);
  import_libsvm(files.texts(), options, sink);
}

constexpr std::string_view kOptions[] = {"first_index", "features"};

constexpr std::string_view kEndings[] = {".svm", ".libsvm", ".svmlight"};

}  // namespace

const Importer kLibsvmImporter{
    .name = "libsvm",
    .holds = "LIBSVM or SVMlight text: a line a sample, LABEL INDEX:VALUE INDEX:VALUE ...",
    .options = kOptions,
    .recognises = recognises,
    .endings = kEndings,
    .run = run,
    .is_text = true,
};

}  // namespace psctl::data
