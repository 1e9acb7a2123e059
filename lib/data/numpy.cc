#include "data/numpy.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "data/zip.h"

namespace psctl::data {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kBegin = 8;  // the magic and a version in two bytes
constexpr std::size_t kLongestHeader = std::size_t{1} << 16;
constexpr std::size_t kMostAxes = 64;
constexpr std::size_t kLongestElement = std::size_t{1} << 16;
constexpr std::string_view kSuffix = ".npy";

// The header's dictionary. Its values are so few and so plain that a small part of Python's grammar is enough.
class HeaderParser {
 public:
  // `text` stands at `offset` of the stream.
  HeaderParser(std::string_view text, std::uint64_t offset, Array& array)
      : text_(text), offset_(offset), array_(array) {}

  void parse() {
    take('{', "a dictionary");
    std::vector<std::string_view> seen;
    while (!accept('}')) {
      const std::size_t key_at = at_;
      const std::string_view key = read_string("a key of the dictionary");
      if (std::ranges::find(seen, key) != seen.end()) {
        fail_at(key_at, fmt::format("expected {} once, found it twice", in_quotes(key)));
      }
      seen.push_back(key);
      take(':', "a colon after the key");
      if (key == "descr") {
        read_type();
      } else if (key == "fortran_order") {
        array_.column_major = read_bool();
      } else if (key == "shape") {
        read_shape();
      } else {
        fail_at(key_at, fmt::format("expected 'descr', 'fortran_order' or 'shape', found {}", in_quotes(key)));
      }
      if (!accept(',')) {
        take('}', "a comma or the end of the dictionary");
        break;
      }
    }
    skip_blanks();
    if (at_ != text_.size()) fail("the end of the header");
    constexpr std::size_t kKeys = 3;
    if (seen.size() != kKeys) {
      fail_at(0, fmt::format("expected 'descr', 'fortran_order' and 'shape', found {}",
                             seen.empty() ? "none" : fmt::format("only '{}'", fmt::join(seen, "' and '"))));
    }
  }

 private:
  [[noreturn]] void fail_at(std::size_t at, const std::string& message) const {
    array_.stream->fail(offset_ + at, message);
  }
  [[noreturn]] void fail(const char* expected) const {
    constexpr std::size_t kShown = 16;
    fail_at(at_, fmt::format("expected {}, found {}", expected,
                             at_ == text_.size() ? "the end of the header" : in_quotes(text_.substr(at_, kShown))));
  }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }

  bool accept(char character) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != character) return false;
    ++at_;
    skip_blanks();
    return true;
  }

  void take(char character, const char* expected) {
    if (!accept(character)) fail(expected);
  }

  std::string_view read_string(const char* expected) {
    skip_blanks();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) fail(expected);
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) fail("a closing quote");
    const std::string_view string = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return string;
  }

  bool read_bool() {
    for (const auto& [word, value] :
         {std::pair(std::string_view("True"), true), std::pair(std::string_view("False"), false)}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    fail("True or False");
  }

  // A byte order, a kind and a number of bytes; of Unicode text, of characters.
  void read_type() {
    if (at_ < text_.size() && (text_[at_] == '[' || text_[at_] == '(')) {
      fail("elements of one type, such as '<f4'; records are not read");
    }
    const std::size_t at = at_;
    const std::string_view type = read_string("a type, such as '<f4'");
    const auto refuse = [&](const char* what) {
      fail_at(at, fmt::format("expected numbers, such as '|u1' or '<f4', found {}{}", in_quotes(type), what));
    };
    constexpr std::string_view kOrders = "<>|=";
    const bool has_order = !type.empty() && kOrders.find(type[0]) != std::string_view::npos;
    const char order = has_order ? type[0] : '=';  // without one it is this machine's, as NumPy has it
    const std::string_view rest = type.substr(has_order ? 1 : 0);
    if (rest.empty()) refuse("");
    const char kind = rest == "?" ? 'b' : rest[0];
    if (kind == 'O') refuse(", Python objects; save the array as numbers");
    if (kind == 'c') refuse(", complex numbers");
    if (kind == 'M' || kind == 'm') refuse(", times");
    if (kind == 'V') refuse(", records or a type of its own");
    std::size_t size = rest == "?" ? 1 : 0;
    for (const char digit : rest.substr(1)) {
      if (digit < '0' || digit > '9' || size > kLongestElement) refuse("");
      size = 10 * size + static_cast<std::size_t>(digit - '0');
    }
    const auto set = [&](ElementKind to, std::size_t bytes) {
      array_.element = {.kind = to, .bytes = bytes, .big_endian = order == '>'};
    };
    const bool whole = size == 1 || size == 2 || size == 4 || size == 8;
    constexpr std::size_t kCharacterBytes = 4;
    if (kind == 'b' && size == 1) {
      set(ElementKind::kBool, size);
    } else if (kind == 'u' && whole) {
      set(ElementKind::kUnsigned, size);
    } else if (kind == 'i' && whole) {
      set(ElementKind::kSigned, size);
    } else if (kind == 'f' && whole && size > 1) {
      set(ElementKind::kFloat, size);
    } else if (kind == 'S' && size > 0 && size <= kLongestElement) {
      set(ElementKind::kBytesText, size);
    } else if (kind == 'U' && size > 0 && size <= kLongestElement / kCharacterBytes) {
      set(ElementKind::kUnicodeText, kCharacterBytes * size);
    } else {
      refuse("");
    }
  }

  void read_shape() {
    array_.shape_at = offset_ + at_;
    take('(', "a tuple of sizes");
    while (!accept(')')) {
      const std::size_t at = at_;
      std::uint64_t size = 0;
      constexpr std::uint64_t kMost = std::uint64_t{1} << 62;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        size = std::min(kMost, 10 * size + static_cast<std::uint64_t>(text_[at_] - '0'));
      }
      if (at_ == at) fail("a size or the end of the tuple");
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // as Python 2 wrote it
      if (size == 0) fail_at(at, "expected a size of at least 1, found 0");
      if (array_.dimensions.size() == kMostAxes)
        fail_at(at, fmt::format("expected at most {} axes, found more", kMostAxes));
      array_.dimensions.push_back(size);
      if (!accept(',')) {
        take(')', "a comma or the end of the tuple");
        break;
      }
    }
    if (array_.dimensions.empty())
      fail_at(array_.shape_at - offset_, "expected an array of at least one axis, found a single value");
  }

  std::string_view text_;
  std::uint64_t offset_;
  Array& array_;
  std::size_t at_ = 0;
};

std::string hex(ByteSpan bytes) { return bytes.empty() ? "nothing" : fmt::format("{:02x}", fmt::join(bytes, " ")); }

Array read_npy(std::unique_ptr<ByteStream> stream, std::string name, Part part) {
  Array array;
  array.name = std::move(name);
  array.stream = std::move(stream);
  array.part = part;
  ByteStream& bytes = *array.stream;
  std::array<std::uint8_t, kBegin + 4> begin{};
  const std::size_t found = bytes.read(std::span(begin).first(kBegin));
  const std::string_view magic(reinterpret_cast<const char*>(begin.data()), std::min(found, kMagic.size()));
  if (magic != kMagic.substr(0, magic.size()) || magic.empty()) {
    bytes.fail(0,
               fmt::format("expected 93 4e 55 4d 50 59 (NumPy), found {}", hex(std::span(begin).first(magic.size()))));
  }
  if (found < kBegin) bytes.fail(found, "expected a header, the file ends");
  const std::uint8_t version = begin[6];
  if (version < 1 || version > 3 || begin[7] != 0) {
    bytes.fail(6, fmt::format("expected version 1.0, 2.0 or 3.0, found {}.{}", version, begin[7]));
  }
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  const std::size_t more = bytes.read(std::span(begin).subspan(kBegin, length_bytes));
  if (more < length_bytes) bytes.fail(kBegin + more, "expected the length of the header, the file ends");
  std::size_t length = 0;
  for (std::size_t i = length_bytes; i-- > 0;) length = length << 8 | begin[kBegin + i];
  if (length > kLongestHeader) {
    bytes.fail(kBegin, fmt::format("expected a header of at most {} bytes, found {}", kLongestHeader, length));
  }
  std::string header(length, '\0');
  const std::uint64_t header_at = kBegin + length_bytes;
  const std::size_t read = bytes.read({reinterpret_cast<std::uint8_t*>(header.data()), length});
  if (read < length) bytes.fail(header_at + read, fmt::format("expected a header of {} bytes, the file ends", length));
  HeaderParser(header, header_at, array).parse();
  array.first = header_at + length;
  if (!bytes_of_elements(array.dimensions, array.element.bytes)) {
    bytes.fail(array.shape_at,
               fmt::format("expected less than 2^62 bytes in all, found elements of {} bytes and shape ({})",
                           array.element.bytes, fmt::join(array.dimensions, ", ")));
  }
  return array;
}

struct Named {
  std::string name;  // without .npy
  const Zip::Member* member;
};

// Throws UserError if two have one name: which of them is meant, nobody can say.
std::vector<Named> arrays_of(const Zip& zip, const Text& text) {
  std::vector<Named> arrays;
  for (const Zip::Member& member : zip.members()) {
    if (!member.name.ends_with(kSuffix)) continue;
    std::string name = member.name.substr(0, member.name.size() - kSuffix.size());
    if (std::ranges::find(arrays, name, &Named::name) != arrays.end()) {
      throw UserError(fmt::format("{}: expected every array once, found {} twice; write the archive anew", text.name,
                                  in_quotes(name)));
    }
    arrays.push_back({std::move(name), &member});
  }
  return arrays;
}

std::string list(std::span<const Named> arrays) {
  constexpr std::size_t kMostShown = 12;
  std::vector<std::string> names;
  for (const Named& array : arrays.first(std::min(arrays.size(), kMostShown))) names.push_back(in_quotes(array.name));
  if (arrays.size() > kMostShown) return fmt::format("{} and others", fmt::join(names, ", "));
  return names.empty() ? "none" : enumerate(names);
}

bool is_archive(const Text& text) { return Zip::recognises(bytes_of(text)); }

Array read_member(const Zip& zip, const Text& text, const Named& array, Part part) {
  return read_npy(zip.open(*array.member),
                  fmt::format("{}: {}", text.name, in_quotes(array.name + std::string(kSuffix))), part);
}

// The only array of a file.
Array read_only(const Text& text) {
  if (!is_archive(text)) return read_npy(open_stream(text), text.name, text.part);
  const Zip zip(text);
  const auto arrays = arrays_of(zip, text);
  if (arrays.size() != 1) {
    throw UserError(fmt::format("{}: expected one array, as the labels are a file of their own, found {}: {}",
                                text.name, arrays.size(), list(arrays)));
  }
  return read_member(zip, text, arrays.front(), text.part);
}

// What an array's name says that it is for.
struct Role {
  bool labels;
  std::optional<Part> part;
};

std::optional<Role> role_of(std::string_view name) {
  constexpr std::string_view kSamples[] = {"x",       "X",        "data",   "image",  "images",
                                           "feature", "features", "sample", "samples"};
  constexpr std::string_view kLabels[] = {"y", "Y", "label", "labels", "target", "targets"};
  constexpr std::pair<std::string_view, Part> kParts[] = {{"train", Part::kTrain},
                                                          {"val", Part::kValidation},
                                                          {"valid", Part::kValidation},
                                                          {"validation", Part::kValidation},
                                                          {"test", Part::kTest}};
  std::optional<Part> part;
  for (const auto& [word, of_part] : kParts) {
    if (name.size() <= word.size() + 1) continue;
    const std::size_t rest = name.size() - word.size() - 1;
    if (name.starts_with(word) && name[word.size()] == '_') {
      name.remove_prefix(word.size() + 1);
    } else if (name.ends_with(word) && name[rest] == '_') {
      name.remove_suffix(word.size() + 1);
    } else {
      continue;
    }
    part = of_part;
    break;
  }
  if (std::ranges::find(kSamples, name) != std::end(kSamples)) return Role{false, part};
  if (std::ranges::find(kLabels, name) != std::end(kLabels)) return Role{true, part};
  return std::nullopt;
}

struct Pair {
  const Named* samples = nullptr;
  const Named* labels = nullptr;
};

// Of every part that the names tell; of none, std::nullopt.
std::map<std::optional<Part>, Pair> pairs_of(const Text& text, std::span<const Named> arrays) {
  std::map<std::optional<Part>, Pair> pairs;
  for (const Named& array : arrays) {
    const auto role = role_of(array.name);
    if (!role) continue;
    const Named*& place = role->labels ? pairs[role->part].labels : pairs[role->part].samples;
    if (place) {
      throw UserError(fmt::format("{}: expected one array of {} for each part, found {} and {}{}", text.name,
                                  role->labels ? "labels" : "samples", in_quotes(place->name), in_quotes(array.name),
                                  role->labels ? "; say which (label)" : ""));
    }
    place = &array;
  }
  return pairs;
}

// The samples that go with an array of labels that was named.
Pair pair_with(const Text& text, std::span<const Named> arrays, const std::string& label) {
  Pair pair;
  std::vector<const Named*> others, samples;
  for (const Named& array : arrays) {
    if (array.name == label && !pair.labels) {
      pair.labels = &array;
      continue;
    }
    others.push_back(&array);
    const auto role = role_of(array.name);
    if (role && !role->labels) samples.push_back(&array);
  }
  if (!pair.labels) {
    std::vector<std::string> names;
    for (const Named& array : arrays) names.push_back(array.name);
    const std::string near = nearest(label, names);
    throw UserError(fmt::format("{}: expected an array of labels named {}{}, found {}", text.name, in_quotes(label),
                                near.empty() ? "" : fmt::format(" (did you mean {}?)", in_quotes(near)), list(arrays)));
  }
  const auto& candidates = samples.empty() ? others : samples;
  if (candidates.size() != 1) {
    throw UserError(
        fmt::format("{}: expected one array of samples beside the labels {}, found {}; give the samples and the "
                    "labels as files of their own",
                    text.name, in_quotes(label), list(arrays)));
  }
  pair.samples = candidates.front();
  return pair;
}

// Adds what an archive without a file of labels holds.
void read_archive(const Text& text, const ImportOptions& options, bool alone, std::vector<LabelledArray>& arrays,
                  std::vector<std::string>& notes) {
  const Zip zip(text);
  const auto named = arrays_of(zip, text);
  std::map<std::optional<Part>, Pair> pairs;
  if (options.label) {
    pairs[std::nullopt] = pair_with(text, named, *options.label);
  } else {
    pairs = pairs_of(text, named);
  }
  if (pairs.empty()) {
    throw UserError(
        fmt::format("{}: expected arrays named as samples and labels are, such as x_train and y_train, found {}; "
                    "say which are the labels (label)",
                    text.name, list(named)));
  }
  const bool in_parts = pairs.size() > 1 || pairs.begin()->first;
  if (in_parts && pairs.contains(std::nullopt)) {
    throw UserError(fmt::format("{}: expected arrays of parts or of none, found {}; say which are the labels (label)",
                                text.name, list(named)));
  }
  if (in_parts && !alone) {
    throw UserError(fmt::format("{}: its arrays are of parts, {}: such a file is read alone", text.name, list(named)));
  }
  if (in_parts && !pairs.contains(Part::kTrain)) {
    throw UserError(fmt::format("{}: expected arrays of the training part, found {}", text.name, list(named)));
  }
  std::vector<std::string> used, unused;
  for (const auto& [part, pair] : pairs) {
    if (!pair.samples || !pair.labels) {
      throw UserError(fmt::format("{}: expected samples and labels, found {} alone; the arrays are {}", text.name,
                                  in_quotes((pair.samples ? pair.samples : pair.labels)->name), list(named)));
    }
    arrays.push_back({.samples = read_member(zip, text, *pair.samples, part.value_or(text.part)),
                      .labels = read_member(zip, text, *pair.labels, part.value_or(text.part))});
    notes.push_back(fmt::format("{} are the samples, {} their labels", in_quotes(pair.samples->name),
                                in_quotes(pair.labels->name)));
    used.push_back(pair.samples->name);
    used.push_back(pair.labels->name);
  }
  for (const Named& array : named) {
    if (std::ranges::find(used, array.name) == used.end()) unused.push_back(in_quotes(array.name));
  }
  if (!unused.empty()) notes.push_back(fmt::format("not used: {}", enumerate(unused)));
}

bool recognises(const Glimpse& glimpse) {
  if (glimpse.folder) return false;
  const std::string_view begin(reinterpret_cast<const char*>(glimpse.begin.data()), glimpse.begin.size());
  if (begin.starts_with(kMagic)) return true;
  if (glimpse.packed || !Zip::recognises(glimpse.begin)) return false;
  // The first file's name follows the header of 30 bytes, which tells its length.
  constexpr std::size_t kHeader = 30;
  if (begin.size() < kHeader) return false;
  const std::size_t length = glimpse.begin[26] | glimpse.begin[27] << 8;
  return begin.substr(kHeader, length).ends_with(kSuffix);
}

void run(std::span<const Input> inputs, const ImportOptions& options, Sink& sink) {
  import_numpy(LabelledFiles(inputs).texts(), options, sink);
}

constexpr std::string_view kOptions[] = {"shape", "channels", "values", "missing", "label"};

}  // namespace

void import_numpy(std::span<const LabelledText> texts, const ImportOptions& options, Sink& sink) {
  std::vector<LabelledArray> arrays;
  std::vector<std::string> notes;
  bool label_used = false;
  for (const LabelledText& text : texts) {
    if (text.labels) {
      arrays.push_back({.samples = read_only(text.samples), .labels = read_only(*text.labels)});
    } else if (is_archive(text.samples)) {
      read_archive(text.samples, options, texts.size() == 1, arrays, notes);
      label_used = true;
    } else {
      const Array samples = read_only(text.samples);  // tells first what else is wrong
      throw UserError(fmt::format("{}: expected a file of labels with these samples, found none; give it (labels)",
                                  text.samples.name));
    }
  }
  if (options.label && !label_used) {
    throw UserError("label: expected an archive of arrays, of which it names one, found files of labels");
  }
  import_arrays(arrays, options, sink, std::move(notes));
}

constexpr std::string_view kEndings[] = {".npy", ".npz"};

const Importer kNumpyImporter{
    .name = "numpy",
    .holds = "NumPy: a .npz of samples and labels, or a .npy of samples with one of labels",
    .options = kOptions,
    .recognises = recognises,
    .endings = kEndings,
    .run = run,
    .labels_apart = true,
};

}  // namespace psctl::data
